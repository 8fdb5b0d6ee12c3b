//! Following: serving a name that another process keeps.
//!
//! A follower has the state of its own instances, tells the leader of every change without waiting for it, and gets the
//! clients that the leader has chosen them for. It holds a copy of the listening socket, so that clients who knock while no
//! process leads are kept. When the leader has gone, whoever gets the name's lock first leads; the others come to it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use npipe_core::handshake::{Decoder, InstanceReport, Message, Serving, WantedInstance};
use npipe_core::params::InstanceParams;
use npipe_core::pipe::{Attributes, Instance, InstanceId, InstanceState};
use npipe_core::{PipeName, Status};

use super::entry::{new_id, reach};
use super::leader::Leader;
use super::line::{Brings, Cut, Line};
use super::{Host, HostState, Kept, Role, SELF};
use crate::background;
use crate::end::{Handle, locked};
use crate::sys::claim::{Claiming, Heirloom};
use crate::sys::forks::ProcessFd;
use crate::sys::namespace::Root;
use crate::sys::{identity, socket};

/// Between two attempts to find or to become the next leader.
const SEEK_PAUSE: Duration = Duration::from_millis(10);

/// Without a leader, and without an instance of ours, nothing of ours keeps the name: whoever asks begins anew.
const BEREFT: Status = Status::ObjectNameNotFound;

/// What a process knows that serves a name which another keeps.
#[derive(Debug)]
pub(crate) struct Follower {
    /// To the leader; `None` while there is none.
    line: Option<Line>,
    /// Whether the leader has let us in. One that does not answer may never have been one: the lock is held for a moment by
    /// everybody who looks whether the name is alive.
    joined: bool,
    /// Which member we are.
    member: u64,
    /// What we need to lead.
    pub(super) heirloom: Heirloom,
    pub(super) listener_pid: u32,
    /// All members by the leader's last word.
    members: BTreeSet<u64>,
    /// Instances of which the leader does not know the latest.
    dirty: BTreeSet<InstanceId>,
}

/// An instance that the leader was asked for.
#[derive(Debug)]
pub(super) struct Request {
    params: InstanceParams,
    kept: Kept,
    answer: Option<Result<Handle, Status>>,
}

impl Follower {
    pub(super) fn new(invitation: Invitation) -> Follower {
        Follower {
            line: Some(invitation.line),
            joined: true,
            member: invitation.member,
            heirloom: invitation.heirloom,
            listener_pid: invitation.listener_pid,
            members: invitation.members,
            dirty: BTreeSet::new(),
        }
    }

    pub(super) fn line_mut(&mut self) -> Option<&mut Line> {
        self.line.as_mut()
    }

    fn send(&mut self, message: Serving) {
        if let Some(line) = &mut self.line {
            // If it is cut, the background thread finds out and does what is to be done.
            let _ = line.send(message, None);
        }
    }
}

fn create_message(number: u64, params: &InstanceParams) -> Serving {
    Serving::Create {
        number,
        wanted: WantedInstance {
            direction: params.direction,
            read_mode: params.read_mode,
            first_instance: params.first_instance,
            out_quota: params.out_quota,
            in_quota: params.in_quota,
            further_rights: params.further_rights,
        },
    }
}

impl HostState {
    /// Asks the leader for an instance; [`HostState::take_answer`] has the outcome.
    pub(super) fn request(&mut self, params: &InstanceParams, kept: Kept) -> u64 {
        // What has happened before comes before, or the leader refuses on stale news.
        while self.send_post() {}
        let number = self.pipe.reserve().0;
        let mut request = Request {
            params: params.clone(),
            kept,
            answer: None,
        };
        if let Role::Following(follower) = &mut self.role {
            follower.send(create_message(number, params));
            if follower.line.is_none() && self.pipe.is_over() {
                request.answer = Some(Err(BEREFT));
            }
        }
        self.requests.insert(number, request);
        number
    }

    /// The outcome of a request, if it is there; `give_up` forgets the request.
    pub(super) fn take_answer(&mut self, number: u64, give_up: bool) -> Option<Result<Handle, Status>> {
        if give_up || self.requests.get(&number)?.answer.is_some() {
            self.requests.remove(&number)?.answer
        } else {
            None
        }
    }

    /// Tells the leader, if there is another, what an instance of ours is doing now.
    pub(crate) fn post(&mut self, id: InstanceId) {
        if let Role::Following(follower) = &mut self.role {
            follower.dirty.insert(id);
            self.send_posts();
        }
    }

    /// Sends what the leader does not know. While the line is stuck only the latest is kept.
    fn send_posts(&mut self) {
        while let Role::Following(follower) = &self.role
            && follower.line.as_ref().is_some_and(Line::is_clear)
            && self.send_post()
        {}
    }

    /// Sends one of those things; `false`: there was none.
    fn send_post(&mut self) -> bool {
        let Role::Following(follower) = &mut self.role else {
            return false;
        };
        let Some(id) = follower.dirty.pop_first() else {
            return false;
        };
        let message = self.post_of(id);
        if let Role::Following(follower) = &mut self.role {
            follower.send(message);
        }
        true
    }

    fn post_of(&self, id: InstanceId) -> Serving {
        let report = self.pipe.instance(id).map(|instance| InstanceReport {
            state: instance.state,
            server_pid: identity::own_pid(),
            client: self.clients.get(&id).map(|visit| visit.client),
            out_quota: instance.out_quota,
            in_quota: instance.in_quota,
            // Both would be old news by the time that somebody asks the leader.
            age_ms: None,
            traffic: None,
        });
        Serving::Post {
            number: id.0,
            since: self.pipe.since(id).unwrap_or(0),
            report,
        }
    }

    pub(super) fn line_is_cut(&mut self) {
        let is_over = self.pipe.is_over();
        if let Role::Following(follower) = &mut self.role {
            (follower.line, follower.joined) = (None, false);
        }
        if is_over {
            for request in self.requests.values_mut() {
                request.answer.get_or_insert(Err(BEREFT));
            }
        }
    }
}

impl Host {
    /// Takes in what the leader has said by now. `Some`: the line is cut; when to look for the next leader.
    pub(crate) fn hear_leader(self: &Arc<Host>) -> Option<Instant> {
        let mut asking = Vec::new();
        let mut state = locked(&self.state);
        let cut = loop {
            let Role::Following(follower) = &mut state.role else {
                return None;
            };
            let line = follower.line.as_mut()?;
            match line.flush().and_then(|()| line.receive()) {
                Ok(Some((Serving::Asked, Some(client)))) => asking.push(client),
                Ok(Some((message, descriptor))) => self.obey(&mut state, message, descriptor),
                Ok(None) => break false,
                Err(Cut) => break true,
            }
        };
        state.send_posts();
        if cut {
            state.line_is_cut();
        }
        drop(state);
        self.answered.notify_all();
        for client in asking {
            // Whoever does not take the answer at once goes without.
            let _ = socket::send(client.as_fd(), &Message::Info(self.report()).encode(), None);
        }
        if cut { self.seek_leader() } else { None }
    }

    fn obey(self: &Arc<Host>, state: &mut HostState, message: Serving, descriptor: Option<ProcessFd>) {
        let Role::Following(follower) = &mut state.role else {
            return;
        };
        match (message, descriptor) {
            (Serving::Created { number }, _) => self.created(state, number),
            (Serving::NotCreated { number, status }, _) => {
                if let Some(request) = state.requests.get_mut(&number) {
                    // An answer is an answer: with the first, if it is an instance, a second one would close that.
                    request.answer.get_or_insert(Err(status));
                }
            }
            (Serving::Security { security }, _) => self.note_security(state, security),
            (Serving::Members { members }, _) => follower.members = members.into_iter().collect(),
            (
                Serving::Admit {
                    number,
                    since,
                    access,
                    qos,
                    instances,
                },
                Some(client),
            ) => {
                // If the instance no longer listens as it did, the client's socket is closed, and it knocks again: by then
                // the leader knows.
                if let Ok(opened) = state.pipe.open_chosen(InstanceId(number), since, access) {
                    self.welcome_passed_on(state, &opened, (client, qos), instances);
                }
            }
            (
                Serving::Joined {
                    listener_pid,
                    attributes,
                    ..
                },
                Some(listener),
            ) => {
                if let Some(candidate) = self.root.own_candidate(&self.name.key()) {
                    follower.heirloom = Heirloom::new(listener, &candidate);
                }
                (follower.listener_pid, follower.joined) = (listener_pid, true);
                self.note_security(state, attributes.security);
            }
            _ => {}
        }
    }

    fn created(self: &Arc<Host>, state: &mut HostState, number: u64) {
        let id = InstanceId(number);
        let Some(request) = state.requests.get(&number).filter(|request| request.answer.is_none()) else {
            // Whoever asked has given up, or has been answered.
            return state.post(id);
        };
        let (params, kept) = (request.params.clone(), request.kept);
        state.pipe.adopt(Instance {
            id,
            owner: SELF,
            state: InstanceState::Listening,
            out_quota: params.out_quota,
            in_quota: params.in_quota,
        });
        let handle = self.seat_end(state, id, &params, kept);
        if let Some(request) = state.requests.get_mut(&number) {
            request.answer = Some(Ok(handle));
        }
    }

    /// Becomes the leader, or finds it. `Some`: it is not settled yet who serves the name; when to look again.
    pub(crate) fn seek_leader(self: &Arc<Host>) -> Option<Instant> {
        let mut state = locked(&self.state);
        let attributes = state.pipe.attributes().clone();
        let is_over = state.pipe.is_over();
        let again = Some(Instant::now() + SEEK_PAUSE);
        let Role::Following(follower) = &mut state.role else {
            drop(state);
            return self.settle();
        };
        if follower.joined || is_over {
            return None;
        }
        let reach = reach(&self.root, &attributes.security);
        let claiming = self
            .root
            .inherit(&self.name.key(), &self.name.to_wtf8(), reach, &follower.heirloom);
        match claiming {
            Ok(Claiming::Claimed(claim)) => {
                follower.members.remove(&follower.member);
                let awaited = std::mem::take(&mut follower.members);
                // A socket of our own making, if the old one's file was gone.
                let listener_pid = match claim.is_inherited() {
                    true => follower.listener_pid,
                    false => identity::own_pid(),
                };
                state.role = Role::Leading(Leader::new(listener_pid, awaited));
                *locked(&self.claim) = Some(claim);
                drop(state);
                self.settle()
            }
            Ok(Claiming::Held { .. }) => {
                if follower.line.is_none() {
                    self.rejoin(&mut state);
                }
                again
            }
            Err(_) => again,
        }
    }

    /// What a new leader has to do: hear clients, and, once it is settled who serves the name, answer what was asked until
    /// then, or end the name with its last instance. `Some`: when to look again.
    fn settle(self: &Arc<Host>) -> Option<Instant> {
        if !background::is_watched(self) && background::watch_host(self).is_err() {
            return Some(Instant::now() + SEEK_PAUSE);
        }
        let mut state = locked(&self.state);
        state.catch_up();
        drop(state);
        self.answered.notify_all();
        let settles_by = self.settles_by();
        if settles_by.is_none() {
            self.dissolve_if_over();
        }
        settles_by
    }

    /// Comes to the next leader, with all that we have.
    fn rejoin(self: &Arc<Host>, state: &mut HostState) -> Option<()> {
        let candidate = self.root.own_candidate(&self.name.key())?;
        let socket = self.root.connect_until(&candidate, Some(Instant::now())).ok()?;
        let ids: Vec<InstanceId> = state.pipe.instances().map(|instance| instance.id).collect();
        let mut messages: Vec<Serving> = ids.iter().map(|&id| state.post_of(id)).collect();
        let unanswered = state.requests.iter().filter(|(_, request)| request.answer.is_none());
        messages.extend(unanswered.map(|(&number, request)| create_message(number, &request.params)));
        let Role::Following(follower) = &mut state.role else {
            return None;
        };
        messages.insert(
            0,
            Serving::Join {
                name: self.name.clone(),
                member: follower.member,
                pipe_id: self.pipe_id,
                posts: ids.len() as u32,
            },
        );
        follower.dirty.clear();
        let mut line = Line::new(Arc::new(socket), Decoder::new(), Brings::Descriptors);
        messages
            .into_iter()
            .try_for_each(|message| line.send(message, None))
            .ok()?;
        background::watch_line(self, None, &mut line).ok()?;
        follower.line = Some(line);
        Some(())
    }
}

/// What a process gets that is let in to serve a name.
pub(super) struct Invitation {
    line: Line,
    member: u64,
    members: BTreeSet<u64>,
    heirloom: Heirloom,
    listener_pid: u32,
    pub(super) pipe_id: u64,
    pub(super) attributes: Attributes,
}

/// What came of an attempt to be let in.
pub(super) enum Joining {
    Invited(Box<Invitation>),
    /// The name is going, or its server: look again.
    Vanished,
    /// Its leader does not answer.
    Silent,
}

impl Invitation {
    /// Asks the leader of a name to be let in.
    pub(super) fn request(root: &Root, name: &PipeName, deadline: Instant) -> Joining {
        let Some(candidate) = root.own_candidate(&name.key()) else {
            return Joining::Vanished;
        };
        let member = new_id();
        let join = Message::Serving(Serving::Join {
            name: name.clone(),
            member,
            pipe_id: 0,
            posts: 0,
        });
        let asked = root.connect_until(&candidate, Some(deadline)).and_then(|socket| {
            socket::send_until(socket.as_fd(), &join.encode(), None, Some(deadline))?;
            Ok(socket)
        });
        let socket = match asked {
            Ok(socket) => socket,
            Err(error) if error.kind() == ErrorKind::TimedOut => return Joining::Silent,
            Err(_) => return Joining::Vanished,
        };
        let mut line = Line::new(Arc::new(socket), Decoder::new(), Brings::Descriptors);
        let mut known = BTreeSet::new();
        loop {
            match line.receive_until(deadline) {
                Ok(Some((
                    Serving::Joined {
                        pipe_id,
                        listener_pid,
                        attributes,
                    },
                    Some(listener),
                ))) => {
                    return Joining::Invited(Box::new(Invitation {
                        line,
                        member,
                        members: known,
                        heirloom: Heirloom::new(listener, &candidate),
                        listener_pid,
                        pipe_id,
                        attributes,
                    }));
                }
                Ok(Some((Serving::Members { members }, _))) => known = members.into_iter().collect(),
                Ok(Some(_)) | Err(Cut) => return Joining::Vanished,
                Ok(None) => return Joining::Silent,
            }
        }
    }
}
