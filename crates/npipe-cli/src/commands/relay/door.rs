//! Listening: one end for each that comes.
//!
//! A pipe's next instance exists before the one that was taken is used, so that the name never vanishes between two
//! clients (semantics 13).

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use npipe::{PipeMode, PipeServer, ServerOptions, Status};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::address::Address;
use super::end::End;
use crate::args::Relay;
use crate::interrupt;
use crate::people;
use crate::report::Failure;
use crate::target::Target;

/// How many may knock before they are let in.
const BACKLOG: i32 = 128;

/// What listens.
pub(super) enum Door {
    Pipe {
        options: ServerOptions,
        target: Target,
        /// The instance that listens; none for the time between two, and after the only one.
        next: Mutex<Option<Arc<PipeServer>>>,
        is_message: bool,
        /// Whether there is another after each.
        again: bool,
    },
    Tcp(TcpListener),
    Unix {
        socket: OwnedFd,
        kind: SocketType,
    },
}

impl Door {
    /// Opens the door of end A; none if that does not listen.
    pub(super) fn open(args: &Relay) -> Result<Option<Door>, Failure> {
        Ok(Some(match &args.a {
            Address::PipeListen(name) => {
                let target = Target::parse(name.as_ref())?;
                let mode = || if args.byte { PipeMode::Byte } else { PipeMode::Message };
                let mut options = ServerOptions::new();
                options
                    .pipe_mode(mode())
                    .read_mode(mode())
                    .access_rules(people::access_rules(&args.access)?);
                if !args.fork {
                    options.max_instances(1);
                }
                let first = options.create(target.path())?;
                Door::Pipe {
                    options,
                    target,
                    next: Mutex::new(Some(Arc::new(first))),
                    is_message: !args.byte,
                    again: args.fork,
                }
            }
            Address::TcpListen(place) => {
                let listener = TcpListener::bind(place.as_str());
                Door::Tcp(listener.map_err(Failure::system(format!("listen on {}", args.a)))?)
            }
            Address::UnixListen(path) => Door::unix(path, SocketType::STREAM, args)?,
            Address::SeqpacketListen(path) => Door::unix(path, SocketType::SEQPACKET, args)?,
            _ => return Ok(None),
        }))
    }

    fn unix(path: &Path, kind: SocketType, args: &Relay) -> Result<Door, Failure> {
        let doing = || Failure::system(format!("listen on {}", args.a));
        let socket = listen(path, kind).map_err(io::Error::from).map_err(doing())?;
        interrupt::guard(path);
        Ok(Door::Unix { socket, kind })
    }

    /// The next that comes.
    pub(super) fn accept(&self) -> Result<End, Failure> {
        let doing = || Failure::system("wait for a connection");
        match self {
            Door::Pipe {
                options,
                target,
                next,
                is_message,
                again,
            } => {
                let slot = || next.lock().unwrap_or_else(PoisonError::into_inner);
                let listening = slot().clone();
                let Some(instance) = listening else {
                    return Err(Failure::Child(format!("{target} does not listen any more")));
                };
                match instance.connect() {
                    // It wrote and left: its data can still be read (semantics 63).
                    Err(error) if error.status() == Status::PipeClosing => {}
                    outcome => outcome?,
                }
                *slot() = match again {
                    true => Some(Arc::new(options.create(target.path())?)),
                    false => None,
                };
                Ok(End::server(instance, *is_message))
            }
            Door::Tcp(listener) => {
                let (stream, peer) = listener.accept().map_err(doing())?;
                // Replies to short requests should not wait for more.
                let _ = stream.set_nodelay(true);
                End::socket(OwnedFd::from(stream), format!("tcp {peer}"))
            }
            Door::Unix { socket, kind } => {
                let accepted = rustix::net::accept_with(socket, SocketFlags::CLOEXEC);
                let accepted = accepted.map_err(io::Error::from).map_err(doing())?;
                match *kind == SocketType::SEQPACKET {
                    true => Ok(End::packets(accepted, "a seqpacket client".to_owned())),
                    false => End::socket(accepted, "a unix client".to_owned()),
                }
            }
        }
    }

    /// Nobody comes in any more, and whoever waits for somebody is told so.
    pub(super) fn close(&self) {
        match self {
            Door::Pipe { next, .. } => {
                if let Some(instance) = next.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    instance.close();
                }
            }
            Door::Tcp(listener) => shut(listener),
            Door::Unix { socket, .. } => {
                shut(socket);
                interrupt::remove_scratch();
            }
        }
    }
}

/// Ends the accept that waits.
fn shut(socket: impl AsFd) {
    // Whatever it says, there is nothing left to do.
    let _ = rustix::net::shutdown(socket.as_fd(), rustix::net::Shutdown::Both);
}

fn listen(path: &Path, kind: SocketType) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = || rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None);
    let listener = socket()?;
    match rustix::net::bind(&listener, &address) {
        // What a killed relay left behind: nobody listens there.
        Err(Errno::ADDRINUSE) if rustix::net::connect(socket()?, &address) == Err(Errno::CONNREFUSED) => {
            fs::remove_file(path).map_err(|_| Errno::ADDRINUSE)?;
            rustix::net::bind(&listener, &address)?;
        }
        outcome => outcome?,
    }
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}
