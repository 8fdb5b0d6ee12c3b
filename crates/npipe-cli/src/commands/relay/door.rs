//! Listening: one end for each that comes.
//!
//! A pipe's next instance exists before the one that was taken is used, so that the name never vanishes between two
//! clients (semantics 13).

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    Pipe(Box<PipeDoor>),
    Tcp(TcpListener),
    Unix { socket: OwnedFd, kind: SocketType },
}

pub(super) struct PipeDoor {
    options: ServerOptions,
    target: Target,
    next: Mutex<Next>,
    is_message: bool,
    /// Whether there is another instance after each.
    again: bool,
}

/// The instance that listens next.
struct Next {
    /// None after the only one.
    instance: Option<Arc<PipeServer>>,
    is_closed: bool,
}

impl Door {
    /// Opens the door of end A; none if that does not listen.
    pub(super) fn open(args: &Relay) -> Result<Option<Door>, Failure> {
        Ok(Some(match &args.a {
            Address::PipeListen(name) => Door::Pipe(Box::new(PipeDoor::open(name, args)?)),
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
            Door::Pipe(door) => door.accept(),
            Door::Tcp(listener) => {
                let (stream, peer) = listener.accept().map_err(doing())?;
                // Replies to short requests should not wait for more.
                let _ = stream.set_nodelay(true);
                Ok(End::socket(OwnedFd::from(stream), format!("tcp {peer}")))
            }
            Door::Unix { socket, kind } => {
                let accepted = rustix::net::accept_with(socket, SocketFlags::CLOEXEC);
                let accepted = accepted.map_err(io::Error::from).map_err(doing())?;
                match *kind == SocketType::SEQPACKET {
                    true => Ok(End::packets(accepted, "a seqpacket client".to_owned())),
                    false => Ok(End::socket(accepted, "a unix client".to_owned())),
                }
            }
        }
    }

    /// Nobody comes in any more, and whoever waits for somebody is told so.
    pub(super) fn close(&self) {
        match self {
            Door::Pipe(door) => door.close(),
            Door::Tcp(listener) => shut(listener),
            Door::Unix { socket, .. } => {
                shut(socket);
                interrupt::remove_scratch();
            }
        }
    }
}

impl PipeDoor {
    fn open(name: &str, args: &Relay) -> Result<PipeDoor, Failure> {
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
        Ok(PipeDoor {
            options,
            target,
            next: Mutex::new(Next {
                instance: Some(Arc::new(first)),
                is_closed: false,
            }),
            is_message: !args.byte,
            again: args.fork,
        })
    }

    fn accept(&self) -> Result<End, Failure> {
        let closed = || Failure::Child(format!("{} does not listen any more", self.target));
        let listening = self.next().instance.clone();
        let instance = listening.ok_or_else(closed)?;
        match instance.connect() {
            // It wrote and left: its data can still be read (semantics 63).
            Err(error) if error.status() == Status::PipeClosing => {}
            outcome => outcome?,
        }
        let following = match self.again.then(|| self.options.create(self.target.path())) {
            Some(Err(error)) => {
                // This one listens again, so that the name stays.
                instance.disconnect()?;
                return Err(error.into());
            }
            Some(Ok(following)) => Some(Arc::new(following)),
            None => None,
        };
        let mut next = self.next();
        if next.is_closed {
            // Meanwhile: nothing of ours may stay in the namespace.
            following
                .iter()
                .chain([&instance])
                .for_each(|instance| instance.close());
            return Err(closed());
        }
        next.instance = following;
        Ok(End::server(instance, self.is_message))
    }

    fn close(&self) {
        let mut next = self.next();
        next.is_closed = true;
        if let Some(instance) = next.instance.take() {
            instance.close();
        }
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        // It is whole at any time.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether those who are there need not suffer from it: a shortage, or one that has left before it was let in.
pub(super) fn passes(failure: &Failure) -> bool {
    match failure {
        Failure::System { source, .. } => [Errno::MFILE, Errno::NFILE, Errno::CONNABORTED]
            .iter()
            .any(|errno| source.raw_os_error() == Some(errno.raw_os_error())),
        Failure::Pipe(error) => matches!(
            error.status(),
            Status::TooManyOpenedFiles | Status::InsufficientResources
        ),
        _ => false,
    }
}

/// Ends the accept that waits.
fn shut(socket: impl AsFd) {
    // Whatever it says, there is nothing left to do.
    let _ = rustix::net::shutdown(socket.as_fd(), rustix::net::Shutdown::Both);
}

fn listen(path: &Path, kind: SocketType) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = |kind| rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None);
    let listener = socket(kind)?;
    match rustix::net::bind(&listener, &address) {
        // What a killed relay left behind refuses everybody; what lives refuses another kind of socket in another way, and
        // does not take the question for a connection. What is no socket is somebody's file.
        Err(Errno::ADDRINUSE)
            if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
                && rustix::net::connect(socket(SocketType::DGRAM)?, &address) == Err(Errno::CONNREFUSED) =>
        {
            fs::remove_file(path).map_err(|_| Errno::ADDRINUSE)?;
            rustix::net::bind(&listener, &address)?;
        }
        outcome => outcome?,
    }
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}
