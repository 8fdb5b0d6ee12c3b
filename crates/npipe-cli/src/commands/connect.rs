//! `npipe connect`: a client for the shell, both directions at once.
//!
//! Two threads, one for the pipe and one for stdin, send what happens to the
//! main thread, which prints and decides when it is over:
//! - the server closes: done, exit 0; it disconnects us: exit 7;
//! - stdin ends: a pipe cannot be closed in one direction, so the client waits
//!   until the server has read everything (FlushFileBuffers, semantics 163) and
//!   stays until nothing has arrived for the linger time;
//! - stdin cannot be delivered because the server has closed: what came is still
//!   printed, then exit 7.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;

use npipe::{ClientOptions, PipeClient, PipeMode, Status};

use super::{CHUNK_BYTES, read_whole_message};
use crate::args::{Connect, Limit};
use crate::output;
use crate::report::Failure;
use crate::target::Target;

/// How many arrivals may be waiting to be printed.
const BACKLOG: usize = 16;

enum Event {
    Arrived(Vec<u8>),
    /// The server has closed, or the pipe failed.
    PipeEnded(Failure),
    /// All of stdin has been sent and read, or could not be.
    StdinEnded(Result<(), Failure>),
}

pub(super) fn run(args: Connect) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    let client = Arc::new(open(&args, &target)?);
    // A client that may only read cannot leave byte mode (semantics 204).
    let by_message = !args.byte && !args.read_only;
    let lines = by_message && matches!(client.info()?.mode, PipeMode::Message);
    if lines && !args.write_only {
        client.set_state(PipeMode::Message, false)?;
    }
    let (events, happens) = mpsc::sync_channel(BACKLOG);
    if !args.write_only {
        let (client, events) = (Arc::clone(&client), events.clone());
        spawn("pipe to stdout", move || receive(&client, lines, &events))?;
    }
    if !args.read_only {
        spawn("stdin to pipe", move || {
            let sent = send(&client, lines);
            // The main thread may be done already.
            let _ = events.send(Event::StdinEnded(sent));
        })?;
    }
    let linger = if args.write_only {
        Limit::For(std::time::Duration::ZERO)
    } else {
        args.linger
    };
    print(&happens, lines, linger)
}

fn open(args: &Connect, target: &Target) -> Result<PipeClient, Failure> {
    let mut options = ClientOptions::new();
    options.read(!args.write_only).write(!args.read_only);
    if let Some(wait) = args.wait {
        options.connect_timeout(wait.duration().unwrap_or(std::time::Duration::MAX));
    }
    Ok(options.open(target.path())?)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(Failure::system("start a thread"))
}

/// Prints what arrives until it is over.
fn print(happens: &Receiver<Event>, lines: bool, linger: Limit) -> Result<(), Failure> {
    let mut silence = Limit::Forever;
    let mut delivered = Ok(());
    loop {
        let event = match silence {
            Limit::Forever => happens.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Limit::For(duration) => happens.recv_timeout(duration),
        };
        match event {
            Ok(Event::Arrived(data)) if lines => output::line(&data)?,
            Ok(Event::Arrived(data)) => output::data(&data)?,
            Ok(Event::PipeEnded(Failure::Pipe(error))) if error.status() == Status::PipeBroken => {
                return delivered;
            }
            Ok(Event::PipeEnded(failure)) => return Err(failure),
            Ok(Event::StdinEnded(sent)) => {
                delivered = sent;
                silence = linger;
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return delivered,
        }
    }
}

/// Pipe to main thread, until the pipe ends.
fn receive(client: &PipeClient, lines: bool, events: &SyncSender<Event>) {
    loop {
        let event = match read(client, lines) {
            Ok(data) => Event::Arrived(data),
            Err(failure) => Event::PipeEnded(failure),
        };
        let ended = matches!(event, Event::PipeEnded(_));
        if events.send(event).is_err() || ended {
            return;
        }
    }
}

fn read(client: &PipeClient, lines: bool) -> Result<Vec<u8>, Failure> {
    if lines {
        return read_whole_message(|buffer| client.read_message(buffer));
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let bytes = client.read(&mut chunk)?;
    chunk.truncate(bytes);
    Ok(chunk)
}

/// Stdin to pipe, until stdin ends and the server has read it all.
fn send(client: &PipeClient, lines: bool) -> Result<(), Failure> {
    let mut stdin = io::stdin().lock();
    let mut data = Vec::new();
    loop {
        let ended = if lines {
            read_line(&mut stdin, &mut data)
        } else {
            read_chunk(&mut stdin, &mut data)
        };
        if ended.map_err(Failure::system("read standard input"))? {
            break;
        }
        client.write(&data)?;
    }
    Ok(client.flush()?)
}

/// One line without its newline; true at the end.
fn read_line(stdin: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let ended = stdin.read_until(b'\n', line)? == 0;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(ended)
}

/// What there is, up to a chunk; true at the end.
fn read_chunk(stdin: &mut impl Read, chunk: &mut Vec<u8>) -> io::Result<bool> {
    chunk.resize(CHUNK_BYTES, 0);
    let bytes = stdin.read(chunk)?;
    chunk.truncate(bytes);
    Ok(bytes == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 99, 104: a line is a message, an empty line an empty one.
    #[test]
    fn lines_are_messages() {
        let mut stdin = io::Cursor::new(b"one\n\nthree".to_vec());
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while !read_line(&mut stdin, &mut line).expect("a cursor reads") {
            lines.push(line.clone());
        }
        assert_eq!(lines, [b"one".to_vec(), b"".to_vec(), b"three".to_vec()]);
    }
}
