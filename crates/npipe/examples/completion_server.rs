//! Many clients, one thread: a server with completion routines, in the manner of Microsoft's sample of that name.
//! A client's server end moves from routine to routine, and closes with the one that does not pass it on.

use std::rc::Rc;

use npipe::overlapped::{Completed, Operation, Waited};
use npipe::{PipeMode, PipeServer, ServerOptions, Status};

/// An instance of the pipe, and the wait for its client.
fn create_and_connect() -> npipe::Result<(PipeServer, Operation)> {
    let mut options = ServerOptions::new();
    options.pipe_mode(PipeMode::Message);
    loop {
        let server = options.create(r"\\.\pipe\mynamedpipe")?;
        match server.start_connect() {
            Err(error) if error.status() == Status::PipeClosing => {} // A client has come and gone.
            connecting => return Ok((server, connecting?)),
        }
    }
}

/// Reads the next request of a client.
fn read_request(server: Rc<PipeServer>, buffer: Vec<u8>) -> npipe::Result<()> {
    let client = server.clone();
    server.read_then(buffer, move |read| report(answer(client, read)))
}

/// Answers a request, and reads the next one once the answer is written.
fn answer(server: Rc<PipeServer>, read: Completed) -> npipe::Result<()> {
    if read.result.is_err() {
        return Ok(()); // The client has gone.
    }
    println!("{}", String::from_utf8_lossy(read.data()));
    let client = server.clone();
    server.write_then("Default answer from server", move |written| {
        if written.result.is_ok() {
            report(read_request(client, read.buffer));
        }
    })
}

fn report(outcome: npipe::Result<()>) {
    if let Err(error) = outcome {
        eprintln!("{error}");
    }
}

// A test runs it too.
pub(crate) fn main() -> npipe::Result<()> {
    let (mut server, mut connecting) = create_and_connect()?;
    loop {
        // Otherwise routines have run, and perhaps started more.
        if connecting.wait_alertable(None) == Waited::Complete {
            let client = server;
            (server, connecting) = create_and_connect()?;
            report(read_request(Rc::new(client), vec![0; 4096]));
        }
    }
}
