//! Listening: one end for each that comes.
//!
//! A pipe's next instance exists before the one that was taken is used, so that the name never vanishes between two
//! clients (semantics 13).

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use npipe::{PipeMode, PipeServer, ServerOptions, Status};

use super::address::Address;
use super::end::End;
use crate::args::Relay;
use crate::interrupt;
use crate::people;
use crate::report::Failure;
use crate::sys::{self, Listener, Socket};
use crate::target::Target;

/// What listens.
pub(super) enum Door {
    Pipe(Box<PipeDoor>),
    Tcp(TcpListener),
    Local(Listener),
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
            Address::UnixListen(path) => Door::local(path, false, args)?,
            Address::SeqpacketListen(path) => Door::local(path, true, args)?,
            _ => return Ok(None),
        }))
    }

    fn local(path: &Path, of_packets: bool, args: &Relay) -> Result<Door, Failure> {
        let listener = Listener::bind(path, of_packets);
        let listener = listener.map_err(Failure::system(format!("listen on {}", args.a)))?;
        interrupt::guard(path);
        Ok(Door::Local(listener))
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
                Ok(End::socket(Socket::from(stream), format!("tcp {peer}")))
            }
            Door::Local(listener) => {
                let accepted = listener.accept().map_err(doing())?;
                match listener.of_packets {
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
            Door::Tcp(listener) => sys::shut(listener),
            Door::Local(listener) => {
                listener.shut();
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
        Failure::System { source, .. } => sys::is_passing(source),
        Failure::Pipe(error) => matches!(
            error.status(),
            Status::TooManyOpenedFiles | Status::InsufficientResources
        ),
        _ => false,
    }
}
