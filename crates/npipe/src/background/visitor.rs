//! Somebody at the door, and the answer to what it asks.
//!
//! Whoever has accepted a client talks to it by this: the background thread's [desk](super::handshake), and a thread that
//! keeps the door of a name while it waits for a client ([`answer_at_door`]).

use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use npipe_core::handshake::{Decoder, Message, Serving};
use npipe_core::pipe::{WaitOutcome, WaiterId};
use npipe_core::{Access, PeerIdentity, PipeName, SecurityDescriptor, SecurityInformation, SecurityQos, Status};

use super::{Background, running};
use crate::end::link::Counterpart;
use crate::end::locked;
use crate::host::Host;
use crate::sys::epoll::Interest;
use crate::sys::forks::ProcessFd;
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::socket;

/// The time for a request to arrive whole.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Somebody at the door.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) socket: Arc<ProcessFd>,
    pub(super) host: Weak<Host>,
    pub(super) peer: PeerCredentials,
    decoder: Decoder,
    /// `None` for a waiter.
    pub(super) deadline: Option<Instant>,
    pub(super) waiting: Option<WaiterId>,
    /// What it asked for, while it is not settled who serves the name.
    pub(super) held: Option<Message>,
    /// Whether the poller has its socket.
    pub(super) watched: bool,
}

/// What becomes of a visitor.
pub(super) enum Next {
    Stay,
    Leave,
}

/// Somebody at a door that a thread keeps. Dropped, it is left to the background thread, which knows how many there may be.
#[derive(Debug)]
pub(crate) struct Guest(Option<Visitor>);

impl Guest {
    /// Whom the keeper has let come near; `None`: nobody knows who that is.
    pub(crate) fn new(host: &Arc<Host>, socket: ProcessFd) -> Option<Guest> {
        Visitor::new(host, socket).map(|visitor| Guest(Some(visitor)))
    }

    /// Its socket, until it has been answered.
    pub(crate) fn socket(&self) -> Option<&Arc<ProcessFd>> {
        self.0.as_ref().map(|visitor| &visitor.socket)
    }

    /// When the rest of its request would come too late.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.deadline
    }

    /// Lets it in, if that is what it wants, and gives it back while it has not said what it wants.
    pub(crate) fn answer(mut self, host: &Arc<Host>) -> Option<Guest> {
        let visitor = self.0.as_mut()?;
        match (visitor.read(), running()) {
            (Some(None), _) => return Some(self),
            (Some(Some(message @ Message::Open { .. })), Ok(background)) if host.settles_by().is_none() => {
                visitor.answer(&background, host, 0, message);
                self.0 = None;
            }
            (Some(held), _) => visitor.held = held,
            (None, _) => self.0 = None,
        }
        None
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let (Some(visitor), Ok(background)) = (self.0.take(), running()) {
            background.leave_to_desk(visitor);
        }
    }
}

impl Background {
    /// The desk finds it among the arrivals when its socket is reported, which is at once: there is room to write.
    fn leave_to_desk(&self, mut visitor: Visitor) {
        let (token, socket) = (self.token(), visitor.socket.clone());
        visitor.watched = true;
        locked(&self.arrivals).insert(token, visitor);
        if self.poller.add(&socket, token, Interest::ReadableOrWritable).is_err() {
            locked(&self.arrivals).remove(&token);
        }
    }
}

/// Says why somebody has to go, to whom it may not be news.
pub(super) fn refuse(socket: &ProcessFd, status: Status) {
    let _ = socket::send(socket.as_fd(), &Message::Refused { status }.encode(), None);
}

impl Visitor {
    /// `None`: nobody knows who that is.
    pub(super) fn new(host: &Arc<Host>, socket: ProcessFd) -> Option<Visitor> {
        let peer = identity::peer_credentials(socket.as_fd()).ok()?;
        Some(Visitor {
            socket: Arc::new(socket),
            host: Arc::downgrade(host),
            peer,
            decoder: Decoder::new(),
            deadline: Some(Instant::now() + REQUEST_TIME),
            waiting: None,
            held: None,
            watched: false,
        })
    }

    /// What has arrived: `None` when the visitor hung up or makes no sense, `Some(None)` when more is to come.
    pub(super) fn read(&mut self) -> Option<Option<Message>> {
        let mut buffer = [0; 2048];
        loop {
            match self.decoder.next_message() {
                Ok(Some(message)) => return Some(Some(message)),
                Ok(None) => {}
                Err(_) => return None,
            }
            match socket::recv(self.socket.as_fd(), &mut buffer) {
                Ok(Some(0)) | Err(_) => return None,
                Ok(Some(bytes)) => self.decoder.push(&buffer[..bytes]),
                Ok(None) => return Some(None),
            }
        }
    }

    pub(super) fn answer(&mut self, background: &Background, host: &Arc<Host>, token: u64, message: Message) -> Next {
        let result = match message {
            // A waiter has nothing more to say.
            _ if self.waiting.is_some() => return Next::Leave,
            Message::Serving(Serving::Join {
                name,
                member,
                pipe_id,
                posts,
            }) => self
                .join(background, host, &name, (member, pipe_id, posts))
                .map(|()| Next::Leave),
            message if host.settles_by().is_some() => {
                self.held = Some(message);
                self.deadline = None;
                return Next::Stay;
            }
            Message::Open {
                name,
                access,
                qos,
                processor,
            } => self
                .open(background, host, &name, (access, qos, processor))
                .map(|()| Next::Leave),
            Message::Wait { name } => self.wait(host, &name, token),
            Message::Query { name, server_pid } => self.query(host, name.as_ref(), server_pid),
            Message::SetSecurity {
                pipe_id,
                parts,
                security,
            } => self.set_security(host, pipe_id, parts, &security),
            _ => Err(Status::NotSupported),
        };
        result.unwrap_or_else(|status| {
            self.send(&Message::Refused { status });
            if status == Status::ObjectNameNotFound {
                // It may have been the last news of a member that ended the name.
                host.dissolve_if_over();
            }
            Next::Leave
        })
    }

    fn send(&self, message: &Message) -> bool {
        let bytes = message.encode();
        matches!(socket::send(self.socket.as_fd(), &bytes, None), Ok(Some(sent)) if sent == bytes.len())
    }

    fn check_name(host: &Host, name: &PipeName) -> Result<(), Status> {
        if *name == host.name {
            Ok(())
        } else {
            Err(Status::ObjectNameNotFound)
        }
    }

    fn wait(&mut self, host: &Host, name: &PipeName, token: u64) -> Result<Next, Status> {
        Visitor::check_name(host, name)?;
        let mut state = locked(&host.state);
        let waiter = WaiterId(token);
        if state.pipe.wait(waiter)? == WaitOutcome::Ready {
            drop(state);
            self.send(&Message::Ready);
            return Ok(Next::Leave);
        }
        state.add_waiter(waiter, self.socket.clone());
        self.waiting = Some(waiter);
        self.deadline = None;
        let default_timeout_ms = state.pipe.attributes().default_timeout_ms;
        // With the lock, so that it comes before the answer.
        let sent = self.send(&Message::Waiting { default_timeout_ms });
        Ok(if sent { Next::Stay } else { Next::Leave })
    }

    fn query(&mut self, host: &Host, name: Option<&PipeName>, server_pid: Option<u32>) -> Result<Next, Status> {
        if let Some(name) = name {
            Visitor::check_name(host, name)?;
        }
        // Each process knows what has passed through its own instances; nobody else waits for it.
        if let Some(pid) = server_pid.filter(|&pid| pid != identity::own_pid()) {
            locked(&host.state).pass_on_question(pid, &self.socket)?;
            return Ok(Next::Leave);
        }
        self.send(&Message::Info(host.report()));
        Ok(Next::Leave)
    }

    fn set_security(
        &mut self,
        host: &Host,
        pipe_id: u64,
        parts: SecurityInformation,
        security: &SecurityDescriptor,
    ) -> Result<Next, Status> {
        if pipe_id != host.pipe_id {
            return Err(Status::ObjectNameNotFound);
        }
        host.set_security_for(parts, security, &PeerIdentity::from(&self.peer))?;
        self.send(&Message::SecuritySet);
        Ok(Next::Leave)
    }

    fn open(
        &mut self,
        background: &Background,
        host: &Arc<Host>,
        name: &PipeName,
        (access, qos, processor): (Access, SecurityQos, Option<u32>),
    ) -> Result<(), Status> {
        Visitor::check_name(host, name)?;
        if socket::has_hung_up(self.socket.as_fd()) {
            // It has given up, while this process was stopped perhaps, and takes no instance from those who wait.
            return Err(Status::PipeBroken);
        }
        self.hand_over(background);
        let peer = Counterpart {
            who: self.peer.clone(),
            qos,
            processor,
        };
        host.admit(&self.socket, peer, access)
    }

    /// Another process wants to serve the name.
    fn join(
        &mut self,
        background: &Background,
        host: &Arc<Host>,
        name: &PipeName,
        join: (u64, u64, u32),
    ) -> Result<(), Status> {
        Visitor::check_name(host, name)?;
        self.hand_over(background);
        host.enlist(self.socket.clone(), std::mem::take(&mut self.decoder), &self.peer, join)
    }

    /// From here on others look after the socket.
    fn hand_over(&mut self, background: &Background) {
        if std::mem::take(&mut self.watched) {
            let _ = background.poller.remove(&self.socket);
        }
    }

    /// Until when the request has to wait, if it still has to.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.as_ref()?;
        self.host.upgrade()?.settles_by()
    }
}
