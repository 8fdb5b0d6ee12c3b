//! Clients at the door: from the accepted socket to an answer.
//!
//! A client sends one request. An open ends with the connection's segment or a refusal; a question with its answer; a wait
//! stays until an instance listens or the client hangs up. Clients may be slow, silent, wrong or many: there is a time for
//! the request, a number of unfinished ones, and nobody is waited for.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use npipe_core::access::PeerIdentity;
use npipe_core::handshake::{Connection, Decoder, Message};
use npipe_core::pipe::{WaitOutcome, WaiterId};
use npipe_core::{Access, PipeName, Status};
use npipe_shm::layout::{Layout, Side};

use super::Background;
use crate::end::{link::Link, locked};
use crate::host::Host;
use crate::sys::epoll::Interest;
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::segment::Segment;
use crate::sys::{SysResult, socket};

/// The time for a request to arrive whole.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Unfinished requests and waiters at most; the one that has been silent longest makes room.
const MAX_VISITORS: usize = 4096;

/// After a shortage of descriptors, the time until the next attempt to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Somebody at the door.
struct Visitor {
    socket: Arc<OwnedFd>,
    host: Weak<Host>,
    peer: PeerCredentials,
    decoder: Decoder,
    /// `None` for a waiter.
    deadline: Option<Instant>,
    waiting: Option<WaiterId>,
    /// Its socket is a connection's now.
    connected: bool,
}

/// All those at the door. Belongs to the background thread.
pub(super) struct Desk<'a> {
    background: &'a Background,
    visitors: BTreeMap<u64, Visitor>,
    paused: VecDeque<(Instant, Weak<Host>)>,
}

enum Next {
    Stay,
    Leave,
}

impl<'a> Desk<'a> {
    pub(super) fn new(background: &'a Background) -> Desk<'a> {
        Desk {
            background,
            visitors: BTreeMap::new(),
            paused: VecDeque::new(),
        }
    }

    /// When [`Desk::expire`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        // Deadlines are given in the order of tokens.
        let request = self.visitors.values().find_map(|visitor| visitor.deadline);
        let pause = self.paused.front().map(|(until, _)| *until);
        [request, pause].into_iter().flatten().min()
    }

    /// Accepts the clients that knock.
    pub(super) fn accept(&mut self, host: &Arc<Host>) {
        loop {
            match host.with_listener(socket::accept) {
                Some(Ok(Some(socket))) => self.receive(host, socket),
                Some(Ok(None)) | None => return,
                Some(Err(_)) => {
                    // No descriptor to be had: the listener would report itself for ever, so it is left alone for a while.
                    self.arm(host, Interest::Hangup);
                    self.paused
                        .push_back((Instant::now() + ACCEPT_PAUSE, Arc::downgrade(host)));
                    return;
                }
            }
        }
    }

    fn arm(&self, host: &Host, interest: Interest) {
        let token = host.token.load(Ordering::Relaxed);
        host.with_listener(|listener| self.background.poller.modify(listener, token, interest));
    }

    fn receive(&mut self, host: &Arc<Host>, socket: OwnedFd) {
        let Ok(peer) = identity::peer_credentials(socket.as_fd()) else {
            return;
        };
        if self.visitors.len() >= MAX_VISITORS {
            let oldest = self.visitors.iter().find(|(_, visitor)| visitor.waiting.is_none());
            let token = oldest.or(self.visitors.iter().next()).map(|(token, _)| *token);
            if let Some(token) = token {
                self.dismiss(token);
            }
        }
        let token = self.background.token();
        let visitor = Visitor {
            socket: Arc::new(socket),
            host: Arc::downgrade(host),
            peer,
            decoder: Decoder::new(),
            deadline: Some(Instant::now() + REQUEST_TIME),
            waiting: None,
            connected: false,
        };
        self.visitors.insert(token, visitor);
        // Most requests are here already; only the others are worth a watch.
        if let Some(Next::Stay) = self.listen_to(token) {
            let visitor = &self.visitors[&token];
            if self
                .background
                .poller
                .add(&visitor.socket, token, Interest::Readable)
                .is_err()
            {
                self.dismiss(token);
            }
        }
    }

    /// Something came from a visitor.
    pub(super) fn handle(&mut self, token: u64) {
        self.listen_to(token);
    }

    fn listen_to(&mut self, token: u64) -> Option<Next> {
        let visitor = self.visitors.get_mut(&token)?;
        let next = visitor.read().and_then(|message| match message {
            None => Some(Next::Stay),
            Some(message) => {
                let host = visitor.host.upgrade()?;
                Some(visitor.answer(self.background, &host, token, message))
            }
        });
        match next {
            Some(Next::Stay) => Some(Next::Stay),
            Some(Next::Leave) | None => {
                self.dismiss(token);
                Some(Next::Leave)
            }
        }
    }

    fn dismiss(&mut self, token: u64) {
        let Some(visitor) = self.visitors.remove(&token) else {
            return;
        };
        if !visitor.connected {
            let _ = self.background.poller.remove(&visitor.socket);
        }
        if let (Some(waiter), Some(host)) = (visitor.waiting, visitor.host.upgrade()) {
            locked(&host.state).remove_waiter(waiter);
        }
    }

    /// Sends those away whose time is over, and looks at paused listeners again.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let late = |visitor: &Visitor| visitor.deadline.is_some_and(|deadline| deadline <= now);
        let tokens: Vec<u64> = self
            .visitors
            .iter()
            .filter(|(_, visitor)| late(visitor))
            .map(|(token, _)| *token)
            .collect();
        for token in tokens {
            self.dismiss(token);
        }
        while self.paused.front().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, host)) = self.paused.pop_front()
                && let Some(host) = host.upgrade()
            {
                self.arm(&host, Interest::Readable);
            }
        }
    }
}

impl Visitor {
    /// What has arrived: `None` when the visitor hung up or makes no sense, `Some(None)` when more is to come.
    fn read(&mut self) -> Option<Option<Message>> {
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

    fn answer(&mut self, background: &Background, host: &Arc<Host>, token: u64, message: Message) -> Next {
        let result = match message {
            // A waiter has nothing more to say.
            _ if self.waiting.is_some() => return Next::Leave,
            Message::Open { name, access } => self.open(background, host, &name, access).map(|()| Next::Leave),
            Message::Wait { name } => self.wait(host, &name, token),
            Message::Query { name } => self.query(host, name.as_ref()),
            _ => Err(Status::NotSupported),
        };
        result.unwrap_or_else(|status| {
            self.send(&Message::Refused { status });
            Next::Leave
        })
    }

    fn send(&self, message: &Message) -> bool {
        let bytes = message.encode();
        matches!(socket::send(self.socket.as_fd(), &bytes, None), Ok(Some(sent)) if sent == bytes.len())
    }

    fn identity(&self) -> PeerIdentity {
        PeerIdentity {
            uid: self.peer.uid,
            gid: self.peer.gid,
            groups: self.peer.groups.clone(),
        }
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
        let default_timeout_ms = state.pipe.default_timeout_ms();
        // With the lock, so that it comes before the answer.
        let sent = self.send(&Message::Waiting { default_timeout_ms });
        Ok(if sent { Next::Stay } else { Next::Leave })
    }

    fn query(&mut self, host: &Host, name: Option<&PipeName>) -> Result<Next, Status> {
        if let Some(name) = name {
            Visitor::check_name(host, name)?;
        }
        self.send(&Message::Info(host.report()));
        Ok(Next::Leave)
    }

    fn open(
        &mut self,
        background: &Background,
        host: &Arc<Host>,
        name: &PipeName,
        access: Access,
    ) -> Result<(), Status> {
        Visitor::check_name(host, name)?;
        if socket::has_hung_up(self.socket.as_fd()) {
            // It has given up, while this process was stopped perhaps, and takes no instance from those who wait.
            return Err(Status::PipeBroken);
        }
        // Declared before the lock and so dropped after it: an end that goes with its last handle takes the lock.
        let _end;
        let mut state = locked(&host.state);
        let asked = access.of_client(state.pipe.direction())?;
        let (uid, gid) = (identity::own_uid(), identity::own_gid());
        if !state.pipe.access().allows(uid, gid, &self.identity(), asked) {
            return Err(Status::AccessDenied);
        }
        let admitted = host.admit(&mut state, access)?;
        _end = admitted.end.clone();
        let made = self.connect(&admitted.end);
        let Ok((link, descriptor)) = made else {
            // Nothing happened yet: the instance goes on listening.
            let _ = state.pipe.disconnect(admitted.instance);
            let released = state.pipe.listen(admitted.instance).unwrap_or_default();
            debug_assert!(released.is_empty(), "nobody waits while an instance listens");
            return Err(Status::InsufficientResources);
        };
        let shape = &admitted.end.shape;
        let answer = Message::Opened(Connection {
            pipe_type: shape.pipe_type,
            direction: state.pipe.direction(),
            out_quota: shape.out_quota,
            in_quota: shape.in_quota,
            max_instances: shape.max_instances,
            instances: state.pipe.instances().len() as u32,
            server_pid: identity::own_pid(),
            segment_bytes: link.layout().total_bytes(),
            pipe_id: host.pipe_id,
        });
        admitted.end.attach(&link);
        state.seat_client(&admitted, &link);
        admitted.end.opens.fetch_add(1, Ordering::Relaxed);
        admitted.end.changed.notify_all();
        // From here on the client is connected; if it has gone meanwhile, its socket says so.
        let _ = background.poller.remove(&self.socket);
        self.connected = true;
        let seat = (Arc::downgrade(host), admitted.instance, admitted.connection);
        // With the lock: an end that closes now stops the watch after it has begun.
        if background.watch_life(&link, Some(seat)).is_err() {
            link.peer_hung_up();
            state.pipe.client_gone(admitted.instance, admitted.connection);
            return Err(Status::InsufficientResources);
        }
        // With the lock too: a server that disconnects at once hangs up after the answer.
        let _ = socket::send(link.socket(), &answer.encode(), Some(descriptor.as_fd()));
        drop(state);
        Ok(())
    }

    fn connect(&self, end: &crate::end::End) -> SysResult<(Arc<Link>, OwnedFd)> {
        let layout = Layout::new(end.shape.out_quota, end.shape.in_quota);
        let (segment, descriptor) = Segment::create(layout.total_bytes(), Layout::first_bytes() as usize)?;
        let link = Link::new(
            segment,
            layout,
            Side::Server,
            self.socket.clone(),
            self.peer.clone(),
            end.shape.max_spin,
        );
        Ok((link, descriptor))
    }
}
