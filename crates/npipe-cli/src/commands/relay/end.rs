//! One end of a relay: what can be read, what can be written, and how a direction ends, the same for all kinds.
//!
//! | kind | the end of what it sends | how it is told the end | keeps messages |
//! |---|---|---|---|
//! | message pipe | an empty message; gone with the pipe | an empty message, if asked for | yes |
//! | byte pipe | gone with the pipe | not at all | no |
//! | socket | end of file | shut down in one direction | no |
//! | seqpacket | end of file | shut down in one direction | yes |
//! | program | its stdout ends: gone | its stdin ends | no |
//! | stdio | end of file | stdout is closed | no |

use std::io::{self, Read};
use std::net::TcpStream;
use std::ops::Deref;
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use npipe::{ClientOptions, PipeClient, PipeMode, PipeServer, PipeStream, Status};

use super::address::Address;
use crate::args::Relay;
use crate::commands::{CHUNK_BYTES, Program, read_whole_message};
use crate::people;
use crate::report::Failure;
use crate::sys::{self, Socket};
use crate::target::Target;

/// The longest packet of a seqpacket socket, in bytes.
const PACKET_BYTES: usize = 1 << 20;

/// What a read brought.
pub(super) enum Arrival {
    /// Of a message pipe or a packet socket a message, else what was there.
    Data(Vec<u8>),
    /// Nothing more comes, but the end may still take something.
    Ended,
    /// The end is gone, in both directions.
    Gone,
}

pub(super) struct End {
    kind: Kind,
    peer: String,
}

enum Kind {
    Pipe {
        stream: Pipe,
        is_message: bool,
    },
    Socket(Socket),
    Packets(Socket),
    Program {
        program: Program,
        input: Mutex<Option<ChildStdin>>,
        output: Mutex<ChildStdout>,
    },
    Stdio {
        has_ended: Mutex<bool>,
    },
}

enum Pipe {
    Server(Arc<PipeServer>),
    Client(PipeClient),
}

impl Deref for Pipe {
    type Target = PipeStream;

    fn deref(&self) -> &PipeStream {
        match self {
            Pipe::Server(server) => server,
            Pipe::Client(client) => client,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl End {
    pub(super) fn server(instance: Arc<PipeServer>, is_message: bool) -> End {
        let peer = instance
            .peer()
            .map_or_else(|_| "a client".to_owned(), |peer| people::peer(&peer));
        let stream = Pipe::Server(instance);
        let kind = Kind::Pipe { stream, is_message };
        End { kind, peer }
    }

    pub(super) fn socket(socket: Socket, peer: String) -> End {
        let kind = Kind::Socket(socket);
        End { kind, peer }
    }

    pub(super) fn packets(socket: Socket, peer: String) -> End {
        let kind = Kind::Packets(socket);
        End { kind, peer }
    }

    /// Opens an end that does not listen.
    pub(super) fn connect(address: &Address, args: &Relay) -> Result<End, Failure> {
        let doing = || Failure::system(format!("connect to {address}"));
        let peer = address.to_string();
        match address {
            Address::Pipe(name) => End::client(name, args),
            Address::Tcp(place) => {
                let stream = TcpStream::connect(place.as_str()).map_err(doing())?;
                // Replies to short requests should not wait for more.
                let _ = stream.set_nodelay(true);
                Ok(End::socket(Socket::from(stream), peer))
            }
            Address::Unix(path) => Ok(End::socket(Socket::connect(path, false).map_err(doing())?, peer)),
            Address::Seqpacket(path) => Ok(End::packets(Socket::connect(path, true).map_err(doing())?, peer)),
            Address::Exec(command) => {
                let (program, input, output) = Program::start(command.as_ref(), &[])?;
                let (input, output) = (Mutex::new(Some(input)), Mutex::new(output));
                let kind = Kind::Program { program, input, output };
                Ok(End { kind, peer })
            }
            Address::Stdio => {
                let kind = Kind::Stdio {
                    has_ended: Mutex::new(false),
                };
                Ok(End { kind, peer })
            }
            Address::PipeListen(_) | Address::TcpListen(_) | Address::UnixListen(_) | Address::SeqpacketListen(_) => {
                Err(Failure::Usage(format!("npipe: {address} has to come first\n")))
            }
        }
    }

    fn client(name: &str, args: &Relay) -> Result<End, Failure> {
        let target = Target::parse(name.as_ref())?;
        let mut options = ClientOptions::new();
        if let Some(wait) = args.wait {
            options.connect_timeout(wait.duration().unwrap_or(Duration::MAX));
        }
        let client = options.open(target.path())?;
        let is_message = matches!(client.info()?.mode, PipeMode::Message);
        if is_message {
            client.set_state(PipeMode::Message, false)?;
        }
        let stream = Pipe::Client(client);
        Ok(End {
            kind: Kind::Pipe { stream, is_message },
            peer: target.to_string(),
        })
    }

    /// Who or what it is, for people.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether an empty message is a message to it, and not an end.
    pub(super) fn takes_empty_messages(&self) -> bool {
        matches!(self.kind, Kind::Pipe { is_message: true, .. })
    }

    /// Waits for the next piece.
    pub(super) fn read(&self) -> Result<Arrival, Failure> {
        match &self.kind {
            Kind::Pipe { stream, is_message } => {
                let read = match is_message {
                    true => read_whole_message(|buffer| stream.read_message(buffer)),
                    false => read_chunk(|buffer| stream.read(buffer).map_err(Failure::from)),
                };
                match read {
                    Err(Failure::Pipe(error)) if is_gone(error.status()) => Ok(Arrival::Gone),
                    outcome => outcome.map(Arrival::Data),
                }
            }
            Kind::Socket(socket) => stream_arrival(Arrival::Ended, |chunk| socket.read(chunk)),
            Kind::Packets(socket) => packet(socket),
            Kind::Program { output, .. } => stream_arrival(Arrival::Gone, |chunk| locked(output).read(chunk)),
            Kind::Stdio { .. } => stream_arrival(Arrival::Ended, sys::read_stdin),
        }
    }

    /// Writes a piece whole; `false`: there is nobody any more who would read it.
    pub(super) fn write(&self, data: &[u8]) -> Result<bool, Failure> {
        let written = match &self.kind {
            Kind::Pipe { stream, .. } => {
                return match stream.write(data) {
                    Err(error) if is_gone(error.status()) => Ok(false),
                    outcome => outcome.map(|_| true).map_err(Failure::from),
                };
            }
            Kind::Socket(socket) => socket.write_all(data),
            Kind::Packets(socket) => socket.send(data),
            Kind::Program { input, .. } => match &mut *locked(input) {
                Some(input) => sys::feed(input, data, || {}),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
            Kind::Stdio { .. } => sys::write_stdout(data),
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if is_farewell(&error) => Ok(false),
            Err(error) => Err(Failure::system(format!("write to {}", self.peer))(error)),
        }
    }

    /// Tells it that nothing more comes, in the way that it knows.
    pub(super) fn end(&self, send_empty: bool) -> Result<(), Failure> {
        match &self.kind {
            Kind::Pipe { stream, is_message } => {
                if *is_message && send_empty {
                    match stream.write(&[]) {
                        Err(error) if is_gone(error.status()) => {}
                        outcome => drop(outcome?),
                    }
                }
            }
            Kind::Socket(socket) | Kind::Packets(socket) => socket.end_writing(),
            Kind::Program { input, .. } => drop(locked(input).take()),
            Kind::Stdio { has_ended } => {
                let mut has_ended = locked(has_ended);
                if !std::mem::replace(&mut *has_ended, true) {
                    sys::close_stdout()?;
                }
            }
        }
        Ok(())
    }

    /// The session is over: nothing waits for this end any more. What was written to it can still be read.
    pub(super) fn close(&self) {
        match &self.kind {
            Kind::Pipe { stream, .. } => stream.close(),
            Kind::Socket(socket) | Kind::Packets(socket) => socket.end(),
            Kind::Program { program, input, .. } => {
                // Whoever writes to it may wait for it to read, and ends with it.
                drop(input.try_lock().ok().and_then(|mut input| input.take()));
                program.hang_up();
            }
            Kind::Stdio { .. } => {}
        }
    }
}

fn is_gone(status: Status) -> bool {
    matches!(
        status,
        Status::PipeBroken | Status::PipeClosing | Status::PipeDisconnected | Status::InvalidHandle
    )
}

/// Whether a write failed because nobody reads any more.
fn is_farewell(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

fn read_chunk(read: impl FnOnce(&mut [u8]) -> Result<usize, Failure>) -> Result<Vec<u8>, Failure> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let bytes = read(&mut chunk)?;
    chunk.truncate(bytes);
    Ok(chunk)
}

fn stream_arrival(at_end: Arrival, mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Result<Arrival, Failure> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        return match read(&mut chunk) {
            Ok(0) => Ok(at_end),
            Ok(bytes) => {
                chunk.truncate(bytes);
                Ok(Arrival::Data(chunk))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => reading_failed(error),
        };
    }
}

fn packet(socket: &Socket) -> Result<Arrival, Failure> {
    let mut packet = vec![0; PACKET_BYTES];
    match socket.receive(&mut packet) {
        Ok(0) => Ok(Arrival::Ended),
        Ok(bytes) if bytes > PACKET_BYTES => Err(Failure::Child(format!(
            "a packet of {bytes} bytes is longer than {PACKET_BYTES}"
        ))),
        Ok(bytes) => {
            packet.truncate(bytes);
            Ok(Arrival::Data(packet))
        }
        Err(error) => reading_failed(error),
    }
}

fn reading_failed(error: io::Error) -> Result<Arrival, Failure> {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Ok(Arrival::Gone),
        _ => Err(Failure::system("read an end of the relay")(error)),
    }
}
