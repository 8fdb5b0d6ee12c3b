//! Clients at the door: from the accepted socket to an answer.
//!
//! A client sends one request. An open ends with the connection's segment or a refusal; a question with its answer; a wait
//! stays until an instance listens or the client hangs up. Clients may be slow, silent, wrong or many: there is a time for
//! the request, a number of unfinished ones, and nobody is waited for. Where there is no room for one more, the user who
//! has the most visitors loses one: a crowd costs its own user places, and nobody else.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use npipe_core::handshake::{Decoder, Message, Serving};
use npipe_core::pipe::{OwnerId, WaitOutcome, WaiterId};
use npipe_core::{Access, PeerIdentity, PipeName, SecurityDescriptor, SecurityInformation, SecurityQos, Status};

use super::Background;
use crate::end::link::Counterpart;
use crate::end::locked;
use crate::host::{Host, SELF};
use crate::sys::epoll::Interest;
use crate::sys::forks::ProcessFd;
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::socket;

/// The time for a request to arrive whole.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Unfinished requests and waiters at most.
const MAX_VISITORS: usize = 4096;

/// Unfinished requests and waiters of one user at most.
const MAX_VISITORS_OF_ONE: usize = 1024;

/// So many knocks are heard at one name before others have their turn.
const KNOCKS_AT_ONCE: usize = 64;

/// After a shortage of descriptors, the time until the next attempt to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Somebody at the door.
struct Visitor {
    socket: Arc<ProcessFd>,
    host: Weak<Host>,
    peer: PeerCredentials,
    decoder: Decoder,
    /// `None` for a waiter.
    deadline: Option<Instant>,
    waiting: Option<WaiterId>,
    /// What it asked for, while it is not settled who serves the name.
    held: Option<Message>,
    /// Whether the poller has its socket.
    watched: bool,
}

/// All those at the door. Belongs to the background thread.
pub(super) struct Desk<'a> {
    background: &'a Background,
    visitors: BTreeMap<u64, Visitor>,
    /// How many visitors each user has.
    counts: HashMap<u32, usize>,
    paused: VecDeque<(Instant, Weak<Host>)>,
    /// Hosts of which it is not settled who leads them or follows, and when they look again; each once.
    seeking: Vec<(Instant, Weak<Host>)>,
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
            counts: HashMap::new(),
            paused: VecDeque::new(),
            seeking: Vec::new(),
        }
    }

    /// When [`Desk::expire`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        // Deadlines are given in the order of tokens.
        let request = self.visitors.values().find_map(|visitor| visitor.deadline);
        let pause = self.paused.front().map(|(until, _)| *until);
        let seek = self.seeking.iter().map(|(until, _)| *until).min();
        let held = self.visitors.values().filter(|visitor| visitor.held.is_some());
        // What has been settled since the last look is to be seen to at once.
        let settled = held
            .map(|visitor| visitor.held_until().unwrap_or_else(Instant::now))
            .min();
        [request, pause, seek, settled].into_iter().flatten().min()
    }

    /// Listens to another process that serves a name.
    pub(super) fn hear(&mut self, host: &Arc<Host>, owner: Option<OwnerId>) {
        match owner {
            Some(owner) => host.hear_member(owner),
            None => {
                // One that seeks already goes on.
                if let Some(until) = host.hear_leader()
                    && !self
                        .seeking
                        .iter()
                        .any(|(_, known)| known.as_ptr() == Arc::as_ptr(host))
                {
                    self.seeking.push((until, Arc::downgrade(host)));
                }
            }
        }
    }

    /// Accepts the clients that knock.
    pub(super) fn accept(&mut self, host: &Arc<Host>) {
        for _ in 0..KNOCKS_AT_ONCE {
            self.background.spare.restore();
            match host.with_listener(socket::accept) {
                Some(Ok(Some(socket))) => self.receive(host, socket),
                Some(Ok(None)) | None => return,
                Some(Err(_)) if self.make_room() || self.turn_away(host) => {}
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

    /// Tells the next who knocks that there is no descriptor to be had; with the spare one, so is it.
    fn turn_away(&self, host: &Host) -> bool {
        self.background.spare.lend(|| match host.with_listener(socket::accept) {
            Some(Ok(Some(socket))) => {
                refuse(&socket, Status::InsufficientResources);
                true
            }
            _ => false,
        })
    }

    /// The user who has the most visitors loses the one who has been here longest. Nobody's only one has to go.
    fn make_room(&mut self) -> bool {
        match self.counts.iter().max_by_key(|(_, count)| **count) {
            Some((&uid, &count)) if count > 1 => self.send_away_one_of(uid),
            _ => false,
        }
    }

    /// Those who have yet to ask go before those who wait for an answer.
    fn send_away_one_of(&mut self, uid: u32) -> bool {
        let own = || self.visitors.iter().filter(|(_, visitor)| visitor.peer.uid == uid);
        let unasked = own().find(|(_, visitor)| visitor.waiting.is_none());
        let Some((&token, visitor)) = unasked.or_else(|| own().next()) else {
            return false;
        };
        refuse(&visitor.socket, Status::InsufficientResources);
        self.dismiss(token);
        true
    }

    fn arm(&self, host: &Host, interest: Interest) {
        let token = host.token.load(Ordering::Relaxed);
        host.with_listener(|listener| self.background.poller.modify(listener, token, interest));
    }

    fn receive(&mut self, host: &Arc<Host>, socket: ProcessFd) {
        let Ok(peer) = identity::peer_credentials(socket.as_fd()) else {
            return;
        };
        let token = self.background.token();
        let uid = peer.uid;
        let visitor = Visitor {
            socket: Arc::new(socket),
            host: Arc::downgrade(host),
            peer,
            decoder: Decoder::new(),
            deadline: Some(Instant::now() + REQUEST_TIME),
            waiting: None,
            held: None,
            watched: false,
        };
        self.visitors.insert(token, visitor);
        *self.counts.entry(uid).or_default() += 1;
        // Most requests are here already; only the others are worth a watch.
        if let Some(Next::Stay) = self.listen_to(token)
            && let Some(visitor) = self.visitors.get_mut(&token)
        {
            let added = self.background.poller.add(&visitor.socket, token, Interest::Readable);
            visitor.watched = added.is_ok();
            if added.is_err() {
                self.dismiss(token);
            }
            if self.counts.get(&uid).is_some_and(|&count| count > MAX_VISITORS_OF_ONE) {
                self.send_away_one_of(uid);
            } else if self.visitors.len() > MAX_VISITORS {
                self.make_room();
            }
        }
    }

    /// Something came from a visitor.
    pub(super) fn handle(&mut self, token: u64) {
        self.listen_to(token);
    }

    fn listen_to(&mut self, token: u64) -> Option<Next> {
        let visitor = self.visitors.get_mut(&token)?;
        let read = match visitor.held.take() {
            Some(message) => Some(Some(message)),
            None => visitor.read(),
        };
        let next = read.and_then(|message| match message {
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
        if let Entry::Occupied(mut count) = self.counts.entry(visitor.peer.uid) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if visitor.watched {
            let _ = self.background.poller.remove(&visitor.socket);
        }
        if let (Some(waiter), Some(host)) = (visitor.waiting, visitor.host.upgrade()) {
            locked(&host.state).remove_waiter(waiter);
        }
    }

    /// Answers those that had to wait until it was settled who serves the name.
    fn resume(&mut self) {
        let held = |visitor: &Visitor| visitor.held.is_some() && visitor.held_until().is_none();
        let ready: Vec<u64> = self
            .visitors
            .iter()
            .filter(|(_, visitor)| held(visitor))
            .map(|(token, _)| *token)
            .collect();
        for token in ready {
            self.listen_to(token);
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
        for (until, host) in std::mem::take(&mut self.seeking) {
            let again = match host.upgrade() {
                Some(host) if until <= now => host.seek_leader(),
                Some(_) => Some(until),
                None => None,
            };
            self.seeking.extend(again.map(|until| (until, host)));
        }
        self.resume();
        while self.paused.front().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, host)) = self.paused.pop_front()
                && let Some(host) = host.upgrade()
            {
                self.arm(&host, Interest::Readable);
            }
        }
    }
}

/// Says why somebody has to go, to whom it may not be news.
fn refuse(socket: &ProcessFd, status: Status) {
    let _ = socket::send(socket.as_fd(), &Message::Refused { status }.encode(), None);
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
            Message::Open { name, access, qos } => {
                self.open(background, host, &name, (access, qos)).map(|()| Next::Leave)
            }
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
        (access, qos): (Access, SecurityQos),
    ) -> Result<(), Status> {
        Visitor::check_name(host, name)?;
        if socket::has_hung_up(self.socket.as_fd()) {
            // It has given up, while this process was stopped perhaps, and takes no instance from those who wait.
            return Err(Status::PipeBroken);
        }
        // Declared before the lock and so dropped after it: an end that goes with its last handle takes the lock.
        let mut _ends = Vec::new();
        let mut state = locked(&host.state);
        let access = state.pipe.attributes().admit(&PeerIdentity::from(&self.peer), access)?;
        loop {
            let opened = state.choose(access)?;
            if opened.owner != SELF {
                if state.pass_on(&opened, (access, qos), (&self.socket, &self.peer)) {
                    self.hand_over(background);
                    return Ok(());
                }
                continue;
            }
            let Some(end) = state.end_of(&opened) else {
                state.drop_endless(&opened);
                continue;
            };
            _ends.push(end.clone());
            self.hand_over(background);
            let instances = state.pipe.instances().len() as u32;
            let peer = Counterpart {
                who: self.peer.clone(),
                qos,
            };
            let welcomed = host.welcome(&mut state, &opened, &end, &self.socket, peer, instances);
            // Who waits in a connect goes on to make the next instance, for which it needs the lock.
            drop(state);
            end.changed.notify_all();
            return welcomed;
        }
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
    fn held_until(&self) -> Option<Instant> {
        self.held.as_ref()?;
        self.host.upgrade()?.settles_by()
    }
}
