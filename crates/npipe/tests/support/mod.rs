//! What the tests of this library are made of: a place to meet, other processes and other users, calls that block.
//!
//! Every test program includes this module, and says in `play` which roles it has as another process (see [`again`]). Other
//! processes that only do as they are told are a [`Puppet`]; what one can be told is in [`strings`].

#![allow(
    dead_code,
    unused_imports,
    reason = "each test program that includes this module uses a part of it"
)]

mod again;
mod calls;
#[cfg(unix)]
mod passing;
mod place;
mod puppet;
mod random;
#[cfg(unix)]
mod resources;
mod strings;
#[cfg(unix)]
mod users;

#[cfg(unix)]
use std::io::Read;
use std::io::Write;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use npipe::{PipeMode, PipeServer, PipeStream, Result};
#[cfg(unix)]
use npipe_core::handshake::{Decoder, Message};

pub(crate) use again::{Process, again, said, say};
#[cfg(unix)]
pub(crate) use calls::until_at_rest;
pub(crate) use calls::{Call, call};
pub(crate) use place::Place;
#[cfg(unix)]
pub(crate) use place::files;
pub(crate) use puppet::Puppet;
pub(crate) use random::Random;
#[cfg(unix)]
pub(crate) use resources::until_the_library_rests;
pub(crate) use strings::obey;
#[cfg(unix)]
pub(crate) use users::{User, has_other_users};

/// The other process by the name of what it is to its test.
pub(crate) mod child {
    pub(crate) use super::Puppet as Child;
}

/// Against hanging only: nothing here takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the pipe of a test is called, if it needs only one.
pub(crate) const NAME: &str = r"\\.\pipe\test";

/// Repeats an attempt until it succeeds; for what another thread or process is about to make possible.
#[track_caller]
pub(crate) fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::yield_now();
    }
}

/// The Win32 name of the error that a call failed with.
#[track_caller]
pub(crate) fn error<T>(result: Result<T>) -> &'static str {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(error) => error.status().win32_name(),
    }
}

/// Whether a call failed with the error of that Win32 name.
pub(crate) fn fails_with<T>(result: Result<T>, name: &str) -> bool {
    result.is_err_and(|error| error.status().win32_name() == name)
}

/// What one read of up to 64 bytes brings.
#[track_caller]
pub(crate) fn text(end: &PipeStream) -> String {
    let mut buffer = [0; 64];
    let count = end.read(&mut buffer).expect("something to read");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// Has a disconnected instance listen again, without waiting for a client.
#[track_caller]
pub(crate) fn relisten(server: &PipeServer) {
    let mode = server.state().expect("a duplex server").read_mode;
    server.set_state(mode, true).expect("nothing waits on it");
    assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    server.set_state(mode, false).expect("nothing waits on it");
}

/// The same for one that is disconnected already.
#[track_caller]
pub(crate) fn relisten_disconnected(server: &PipeServer) {
    let mode = PipeMode::Message;
    server.set_state(mode, true).expect("nothing waits on it");
    assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    server.set_state(mode, false).expect("nothing waits on it");
}

/// The next message of a handshake that is spoken by hand.
#[cfg(unix)]
#[track_caller]
pub(crate) fn hear(stream: &mut UnixStream) -> Message {
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    let (mut decoder, mut buffer) = (Decoder::new(), [0; 4096]);
    loop {
        if let Some(message) = decoder.next_message().expect("a message") {
            return message;
        }
        let bytes = stream.read(&mut buffer).expect("there is one to come");
        assert!(bytes > 0, "the other side hung up");
        decoder.push(&buffer[..bytes]);
    }
}

/// Says something that belongs to the outcome of the tests, whether they pass or not.
pub(crate) fn announce(text: &str) {
    // The harness keeps what the macros print, and shows it for tests that fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}
