//! `npipe serve --exec`: a program for each client, its standard streams on the pipe.
//!
//! On a message pipe a line is a message, both ways; on a byte pipe bytes are passed as they are. A program cannot be
//! told that a client has stopped writing, only that it has gone: its stdin ends and it is hung up on; at once, if it does not
//! read what it was told before. What the program has said before it ends its stdout is read by the client before the connection ends (semantics 163, 175).

use std::ffi::OsStr;
use std::io::BufReader;
use std::process::{ChildStdout, ExitStatus};
use std::thread;

use npipe::{Peer, PipeServer, Status};

use crate::commands::Program;
use crate::commands::pieces::{self, Cut};
use crate::report::Failure;
use crate::sys;

/// What ended the conversation.
pub(super) enum Ending {
    /// The client has gone, or the pipe failed.
    Client(Failure),
    /// The program has ended its stdout, and itself; the client is disconnected.
    Program(ExitStatus),
}

/// Lets the program converse with the client of the instance, until one of them has gone or all `is_over`.
pub(super) fn converse(
    command: &OsStr,
    byte: bool,
    (instance, peer): (&PipeServer, Option<&Peer>),
    is_over: impl Fn() -> bool,
) -> Result<Ending, Failure> {
    let environment: Vec<_> = [
        ("NPIPE_CLIENT_PID", peer.and_then(|peer| peer.pid)),
        ("NPIPE_CLIENT_UID", peer.and_then(sys::ids_of).map(|(uid, _)| uid)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?.to_string())))
    .collect();
    let (program, mut stdin, stdout) = Program::start(command, &environment)?;
    thread::scope(|scope| {
        let answers = thread::Builder::new().name("program".to_owned());
        let answers = answers
            .spawn_scoped(scope, || answer(stdout, byte, instance))
            .map_err(Failure::system("start a thread"))?;
        let ending = loop {
            match super::read(instance, byte) {
                Ok(mut arrived) => {
                    if !byte {
                        arrived.push(b'\n');
                    }
                    // A program need not read what it is told.
                    let _ = sys::feed(&mut stdin, &arrived, || {
                        if is_over() || !instance.is_connected() {
                            program.hang_up();
                        }
                    });
                }
                Err(ending) => break ending,
            }
        };
        drop(stdin);
        // That is how the thread tells that the program has said all.
        if matches!(&ending, Failure::Pipe(error) if error.status() == Status::PipeDisconnected) {
            // It has nothing left to fail at.
            let _ = answers.join();
            return Ok(Ending::Program(program.wait()?));
        }
        program.hang_up();
        Ok(Ending::Client(ending))
    })
}

/// Passes on what the program says, and disconnects the client when it has read all of that.
fn answer(stdout: ChildStdout, byte: bool, instance: &PipeServer) {
    let mut stdout = BufReader::new(stdout);
    let cut = if byte { Cut::Chunks } else { Cut::Lines };
    let mut piece = Vec::new();
    while let Ok(true) = pieces::read(&mut stdout, cut, &mut piece) {
        if instance.write(&piece).is_err() {
            // The client has gone, as the other thread finds too.
            return;
        }
    }
    // A client that has gone meanwhile is no news either.
    if instance.flush().is_ok() {
        let _ = instance.disconnect();
    }
}
