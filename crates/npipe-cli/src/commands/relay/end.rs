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

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use npipe::{ClientOptions, PipeClient, PipeMode, PipeServer, PipeStream, Status};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType};

use super::address::Address;
use crate::args::Relay;
use crate::commands::{CHUNK_BYTES, Program, read_whole_message};
use crate::people;
use crate::report::Failure;
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
    Socket(OwnedFd),
    Packets(OwnedFd),
    Program {
        program: Program,
        input: Mutex<Option<OwnedFd>>,
        output: OwnedFd,
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

    pub(super) fn socket(socket: OwnedFd, peer: String) -> End {
        let kind = Kind::Socket(socket);
        End { kind, peer }
    }

    pub(super) fn packets(socket: OwnedFd, peer: String) -> End {
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
                Ok(End::socket(OwnedFd::from(stream), peer))
            }
            Address::Unix(path) => Ok(End::socket(unix(path, SocketType::STREAM).map_err(doing())?, peer)),
            Address::Seqpacket(path) => Ok(End::packets(unix(path, SocketType::SEQPACKET).map_err(doing())?, peer)),
            Address::Exec(command) => {
                let (program, input, output) = Program::start(command.as_ref(), &[])?;
                let (input, output) = (Mutex::new(Some(OwnedFd::from(input))), OwnedFd::from(output));
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
            Kind::Socket(socket) => stream_arrival(socket, Arrival::Ended),
            Kind::Packets(socket) => packet(socket),
            Kind::Program { output, .. } => stream_arrival(output, Arrival::Gone),
            Kind::Stdio { .. } => stream_arrival(io::stdin(), Arrival::Ended),
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
            Kind::Socket(socket) => send_all(socket, data),
            Kind::Packets(socket) => retry(|| rustix::net::send(socket, data, SendFlags::NOSIGNAL)).map(drop),
            Kind::Program { input, .. } => match &*locked(input) {
                Some(input) => write_all(input, data),
                None => Err(Errno::PIPE),
            },
            Kind::Stdio { .. } => write_all(io::stdout(), data),
        };
        match written {
            Ok(()) => Ok(true),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Ok(false),
            Err(error) => Err(Failure::system(format!("write to {}", self.peer))(error.into())),
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
            // One that is gone already has ended, too.
            Kind::Socket(socket) | Kind::Packets(socket) => drop(rustix::net::shutdown(socket, Shutdown::Write)),
            Kind::Program { input, .. } => drop(locked(input).take()),
            Kind::Stdio { has_ended } => {
                let mut has_ended = locked(has_ended);
                if !std::mem::replace(&mut *has_ended, true) {
                    // Closed for those who read it, and still a descriptor.
                    let null = File::options().write(true).open("/dev/null");
                    let null = null.map_err(Failure::system("open /dev/null"))?;
                    let closed = rustix::stdio::dup2_stdout(null);
                    closed
                        .map_err(io::Error::from)
                        .map_err(Failure::system("close standard output"))?;
                }
            }
        }
        Ok(())
    }

    /// The session is over: nothing waits for this end any more. What was written to it can still be read.
    pub(super) fn close(&self) {
        match &self.kind {
            Kind::Pipe { stream, .. } => stream.close(),
            Kind::Socket(socket) | Kind::Packets(socket) => drop(rustix::net::shutdown(socket, Shutdown::Both)),
            Kind::Program { program, input, .. } => {
                drop(locked(input).take());
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

fn unix(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

fn read_chunk(read: impl FnOnce(&mut [u8]) -> Result<usize, Failure>) -> Result<Vec<u8>, Failure> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let bytes = read(&mut chunk)?;
    chunk.truncate(bytes);
    Ok(chunk)
}

fn stream_arrival(stream: impl AsFd, at_end: Arrival) -> Result<Arrival, Failure> {
    let mut chunk = vec![0; CHUNK_BYTES];
    match retry(|| rustix::io::read(&stream, &mut chunk)) {
        Ok(0) => Ok(at_end),
        Ok(bytes) => {
            chunk.truncate(bytes);
            Ok(Arrival::Data(chunk))
        }
        Err(Errno::CONNRESET) => Ok(Arrival::Gone),
        Err(error) => Err(Failure::system("read an end of the relay")(error.into())),
    }
}

fn packet(socket: &OwnedFd) -> Result<Arrival, Failure> {
    let mut packet = vec![0; PACKET_BYTES];
    match retry(|| rustix::net::recv(socket, packet.as_mut_slice(), RecvFlags::TRUNC)) {
        Ok((0, _)) => Ok(Arrival::Ended),
        Ok((_, bytes)) if bytes > PACKET_BYTES => Err(Failure::Child(format!(
            "a packet of {bytes} bytes is longer than {PACKET_BYTES}"
        ))),
        Ok((bytes, _)) => {
            packet.truncate(bytes);
            Ok(Arrival::Data(packet))
        }
        Err(Errno::CONNRESET) => Ok(Arrival::Gone),
        Err(error) => Err(Failure::system("read an end of the relay")(error.into())),
    }
}

fn send_all(socket: &OwnedFd, mut data: &[u8]) -> Result<(), Errno> {
    while !data.is_empty() {
        let sent = retry(|| rustix::net::send(socket, data, SendFlags::NOSIGNAL))?;
        data = &data[sent..];
    }
    Ok(())
}

fn write_all(stream: impl AsFd, mut data: &[u8]) -> Result<(), Errno> {
    while !data.is_empty() {
        let written = retry(|| rustix::io::write(&stream, data))?;
        data = &data[written..];
    }
    Ok(())
}
