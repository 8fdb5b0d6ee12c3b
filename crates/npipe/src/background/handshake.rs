//! Clients at the door: from the accepted socket to an answer.
//!
//! A client sends one request. An open ends with the connection's segment or a refusal; a question with its answer; a wait
//! stays until an instance listens or the client hangs up. Clients may be slow, silent, wrong or many: there is a time for
//! the request, a number of unfinished ones, and nobody is waited for. Where there is no room for one more, the user who
//! has the most visitors loses one: a crowd costs its own user places, and nobody else.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use npipe_core::Status;
use npipe_core::pipe::OwnerId;

use super::visitor::{Next, Visitor, refuse};
use super::{Background, heed_door};
use crate::end::locked;
use crate::host::Host;
use crate::sys::epoll::Interest;
use crate::sys::forks::ProcessFd;
use crate::sys::socket;

/// Unfinished requests and waiters at most.
const MAX_VISITORS: usize = 4096;

/// Unfinished requests and waiters of one user at most.
const MAX_VISITORS_OF_ONE: usize = 1024;

/// So many knocks are heard at one name before others have their turn.
const KNOCKS_AT_ONCE: usize = 64;

/// After a shortage of descriptors, the time until the next attempt to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
        // Not in the order of tokens: who was left to us has knocked before others who have theirs already.
        let request = self.visitors.values().filter_map(|visitor| visitor.deadline).min();
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
                    heed_door(host, false);
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

    fn receive(&mut self, host: &Arc<Host>, socket: ProcessFd) {
        if let Some(visitor) = Visitor::new(host, socket) {
            self.seat(self.background.token(), visitor);
        }
    }

    /// Somebody is at the door, or was left to us by whoever kept it.
    fn seat(&mut self, token: u64, visitor: Visitor) {
        let uid = visitor.peer.uid;
        self.visitors.insert(token, visitor);
        *self.counts.entry(uid).or_default() += 1;
        // Most requests are here already; only the others are worth a watch.
        if let Some(Next::Stay) = self.listen_to(token)
            && let Some(visitor) = self.visitors.get_mut(&token)
        {
            let poller = &self.background.poller;
            let watched = match visitor.watched {
                true => poller.modify(&visitor.socket, token, Interest::Readable),
                false => poller.add(&visitor.socket, token, Interest::Readable),
            };
            visitor.watched |= watched.is_ok();
            if watched.is_err() {
                self.dismiss(token);
            }
            if self.counts.get(&uid).is_some_and(|&count| count > MAX_VISITORS_OF_ONE) {
                self.send_away_one_of(uid);
            } else if self.visitors.len() > MAX_VISITORS {
                self.make_room();
            }
        }
    }

    /// Something came from a visitor, or is one that was left to us.
    pub(super) fn handle(&mut self, token: u64) {
        let arrived = locked(&self.background.arrivals).remove(&token);
        match arrived {
            Some(visitor) => self.seat(token, visitor),
            None => drop(self.listen_to(token)),
        }
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
                heed_door(&host, true);
            }
        }
    }
}
