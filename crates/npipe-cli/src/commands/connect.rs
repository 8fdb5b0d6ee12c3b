//! `npipe connect`: a client for the shell, both directions at once.
//!
//! Two threads, one for the pipe and one for stdin, send what happens to the
//! main thread, which prints and decides when it is over:
//! - the server closes: done, exit 0; it disconnects us: exit 7;
//! - stdin ends: a pipe cannot be closed in one direction, so the client waits
//!   until the server has read everything (FlushFileBuffers, semantics 163) and
//!   then does what `--eof` says;
//! - stdin cannot be delivered because the server has closed: what came is still
//!   printed, then exit 7.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use npipe::{ClientOptions, PipeClient, PipeMode, Status};

use super::pieces::{self, Cut};
use super::{CHUNK_BYTES, read_whole_message};
use crate::args::{AtEof, Connect, Limit, ReadMode};
use crate::dump::{self, Look};
use crate::output;
use crate::report::Failure;
use crate::target::Target;
use crate::utf16;

/// How many arrivals may be waiting to be printed.
const BACKLOG: usize = 16;

enum Event {
    Arrived(Vec<u8>),
    /// The server has closed, or the pipe failed.
    PipeEnded(Failure),
    /// All of stdin has been sent and read, or could not be.
    StdinEnded(Result<(), Failure>),
}

/// What stdin becomes.
#[derive(Clone, Copy)]
struct Speech {
    cut: Cut,
    /// On a stream the newlines stay.
    keeps_newlines: bool,
    utf16: bool,
    ends_with_empty: bool,
}

pub(super) fn run(args: Connect) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    let client = Arc::new(open(&args, &target)?);
    let is_message_pipe = matches!(client.info()?.mode, PipeMode::Message);
    // A client that may only read cannot leave byte mode (semantics 204).
    let by_message = match args.read_mode {
        Some(mode) => mode == ReadMode::Message,
        None => is_message_pipe && !args.byte && !args.read_only,
    };
    if by_message && !args.write_only {
        // Of a byte pipe it is refused, with the reason (semantics 98).
        client.set_state(PipeMode::Message, false)?;
    }
    let lines = is_message_pipe && !args.byte;
    let speech = Speech {
        cut: if lines || args.utf16 { Cut::Lines } else { Cut::Chunks },
        keeps_newlines: !lines,
        utf16: args.utf16,
        ends_with_empty: args.eof == AtEof::ZeroMessage,
    };
    if speech.ends_with_empty && !is_message_pipe {
        return Err(Failure::Usage(format!(
            "npipe: {target} is a byte pipe and has no empty messages; choose another --eof\n"
        )));
    }
    let (events, happens) = mpsc::sync_channel(BACKLOG);
    if !args.write_only {
        let (client, events) = (Arc::clone(&client), events.clone());
        spawn("pipe to stdout", move || receive(&client, by_message, &events))?;
    }
    if !args.read_only {
        spawn("stdin to pipe", move || {
            let sent = send(&client, speech);
            // The main thread may be done already.
            let _ = events.send(Event::StdinEnded(sent));
        })?;
    }
    let printer = Printer {
        by_message,
        hex: args.hex,
        utf16: args.utf16.then(utf16::Decoder::default),
    };
    print(&happens, printer, silence_after_eof(&args))
}

/// How long to go on in silence after the end of stdin.
fn silence_after_eof(args: &Connect) -> Limit {
    match args.eof {
        _ if args.write_only => Limit::For(Duration::ZERO),
        AtEof::Close => Limit::For(Duration::ZERO),
        AtEof::Half | AtEof::ZeroMessage => Limit::Forever,
        AtEof::Linger(limit) => limit,
    }
}

fn open(args: &Connect, target: &Target) -> Result<PipeClient, Failure> {
    let mut options = ClientOptions::new();
    options.read(!args.write_only).write(!args.read_only);
    if let Some(wait) = args.wait {
        options.connect_timeout(wait.duration().unwrap_or(Duration::MAX));
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

/// How what arrives is printed.
struct Printer {
    by_message: bool,
    hex: bool,
    utf16: Option<utf16::Decoder>,
}

impl Printer {
    fn print(&mut self, data: &[u8]) -> Result<(), Failure> {
        match &mut self.utf16 {
            _ if self.hex => output::data(self.hex_of(data).as_bytes()),
            Some(decoder) if self.by_message => output::line(decoder.decode_whole(data).as_bytes()),
            Some(decoder) => output::data(decoder.decode(data).as_bytes()),
            None if self.by_message => output::line(data),
            None => output::data(data),
        }
    }

    fn hex_of(&self, data: &[u8]) -> String {
        let lines = dump::lines("", data, Look::Both);
        match self.by_message {
            true => format!("message of {} bytes\n{lines}", data.len()),
            false => lines,
        }
    }
}

/// Prints what arrives until it is over.
fn print(happens: &Receiver<Event>, mut printer: Printer, after_eof: Limit) -> Result<(), Failure> {
    let mut silence = Limit::Forever;
    let mut delivered = Ok(());
    loop {
        let event = match silence {
            Limit::Forever => happens.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Limit::For(duration) => happens.recv_timeout(duration),
        };
        match event {
            Ok(Event::Arrived(data)) => printer.print(&data)?,
            Ok(Event::PipeEnded(Failure::Pipe(error))) if error.status() == Status::PipeBroken => {
                return delivered;
            }
            Ok(Event::PipeEnded(failure)) => return Err(failure),
            Ok(Event::StdinEnded(sent)) => {
                delivered = sent;
                silence = after_eof;
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return delivered,
        }
    }
}

/// Pipe to main thread, until the pipe ends.
fn receive(client: &PipeClient, by_message: bool, events: &SyncSender<Event>) {
    loop {
        let event = match read(client, by_message) {
            Ok(data) => Event::Arrived(data),
            Err(failure) => Event::PipeEnded(failure),
        };
        let ended = matches!(event, Event::PipeEnded(_));
        if events.send(event).is_err() || ended {
            return;
        }
    }
}

fn read(client: &PipeClient, by_message: bool) -> Result<Vec<u8>, Failure> {
    if by_message {
        return read_whole_message(|buffer| client.read_message(buffer));
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let bytes = client.read(&mut chunk)?;
    chunk.truncate(bytes);
    Ok(chunk)
}

/// Stdin to pipe, until stdin ends and the server has read it all.
fn send(client: &PipeClient, speech: Speech) -> Result<(), Failure> {
    let mut stdin = io::stdin().lock();
    let mut data = Vec::new();
    while pieces::read(&mut stdin, speech.cut, &mut data).map_err(Failure::system("read standard input"))? {
        if speech.keeps_newlines && speech.cut == Cut::Lines {
            data.push(b'\n');
        }
        match speech.utf16 {
            true => client.write(&utf16::encode(&data))?,
            false => client.write(&data)?,
        };
    }
    if speech.ends_with_empty {
        client.write(&[])?;
    }
    Ok(client.flush()?)
}
