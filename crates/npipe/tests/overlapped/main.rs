//! Overlapped I/O as programs use it: operations to wait for, completion routines, completion ports, and the engine below.
//!
//! Every test has a namespace directory of its own ([`Place`]). Tests wait for completions, never for a time; what hangs
//! fails after [`support::PATIENCE`]. Where a test asserts that something has *not* happened, the order of events on one
//! thread says so.
//!
//! On Windows the same tests hold the kernel's operations to the same rules, but for the engine's own interface. What Wine does
//! otherwise is in `wine.tsv`.

#[cfg(unix)]
mod attending;
mod cancelling;
#[path = "../../examples/completion_server.rs"]
mod completion_server;
mod connecting;
#[cfg(unix)]
mod engine;
mod operations;
mod ports;
mod processes;
mod routines;
#[path = "../support/mod.rs"]
mod support;
mod transacting;
mod waiting;

use npipe::overlapped::{Completed, Operation};
use npipe::{ReadOutcome, Status};
use support::{NAME, PATIENCE, Place, call, error, text, until};

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    match role {
        "server" => completion_server::main().expect("it serves"),
        _ => support::obey(root, &[]),
    }
}

/// Waits for the completion, with patience.
#[track_caller]
fn finish(operation: Operation) -> Completed {
    assert!(operation.wait(Some(PATIENCE)), "the operation goes on waiting");
    operation.finish()
}

/// The text and whether there is more, or the Win32 name of the error.
#[track_caller]
fn outcome(completed: Completed) -> Result<(String, bool), &'static str> {
    let more = completed.result.map(|outcome| outcome.more);
    let text = String::from_utf8_lossy(completed.data()).into_owned();
    more.map(|more| (text, more)).map_err(Status::win32_name)
}

/// A read that is complete with this text and no more.
fn whole(text: &str) -> Result<(String, bool), &'static str> {
    Ok((text.to_owned(), false))
}

/// What a write or a connect of so many bytes brings.
fn moved(bytes: usize) -> Result<ReadOutcome, Status> {
    Ok(ReadOutcome { bytes, more: false })
}

/// A read of up to 64 bytes, pending.
#[track_caller]
fn pending_read(server: &npipe::PipeStream) -> Operation {
    let reading = server.start_read(vec![0; 64]).expect("it can be read");
    assert!(!reading.is_complete(), "there is something to read");
    reading
}
