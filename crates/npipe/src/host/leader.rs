//! Leading: keeping a name for all processes that serve it (semantics 13, 24-28, 56, 81-89).
//!
//! The leader accepts clients, counts instances, holds those who wait, and passes a client's socket on to the process that
//! owns the chosen instance. Everything is ordered by its arrival here. Nobody is refused on stale news: before any
//! refusal, what the members have said by then is taken in.
//!
//! A leader that has followed another first waits until the other members have come, or for [`SETTLING_TIME`].

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use npipe_core::handshake::{InstanceReport, Serving, WantedInstance};
use npipe_core::params::InstanceParams;
use npipe_core::pipe::{ConnectionId, Instance, InstanceId, InstanceState, Opened, OwnerId};
use npipe_core::{Access, PeerIdentity, SecurityDescriptor, SecurityQos, Status};

use super::line::{Cut, Line};
use super::{HostState, Role, SELF, Visit};
use crate::sys::forks::ProcessFd;
use crate::sys::identity::PeerCredentials;

/// How long the members of the leader before have to come. Those who are stopped come later all the same.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// So many messages are taken from a member before the others have their turn.
const HEARD_AT_ONCE: usize = 1024;

/// What the process that keeps a name knows about the others.
#[derive(Debug)]
pub(crate) struct Leader {
    members: BTreeMap<OwnerId, Member>,
    last_owner: OwnerId,
    places: HashMap<InstanceId, Place>,
    /// Requests for instances, in the order of their arrival.
    requests: VecDeque<Request>,
    /// Members of the leader before that have not come yet.
    awaited: BTreeSet<u64>,
    settled_by: Instant,
    /// The process that made the listening socket.
    pub(super) listener_pid: u32,
}

/// An instance that a member asks for.
#[derive(Debug)]
struct Request {
    owner: OwnerId,
    number: u64,
    wanted: WantedInstance,
}

/// Another process that serves the name.
#[derive(Debug)]
struct Member {
    id: u64,
    pid: u32,
    identity: PeerIdentity,
    line: Line,
    /// Its instances by its own numbers.
    instances: HashMap<u64, InstanceId>,
    /// Instances that it had when it came and has not told yet.
    posts_due: u32,
}

/// Where an instance of a member is.
#[derive(Debug)]
struct Place {
    owner: OwnerId,
    number: u64,
    since: u64,
    connection: Option<ConnectionId>,
}

impl Leader {
    pub(super) fn new(listener_pid: u32, awaited: BTreeSet<u64>) -> Leader {
        Leader {
            members: BTreeMap::new(),
            last_owner: SELF,
            places: HashMap::new(),
            requests: VecDeque::new(),
            awaited,
            settled_by: Instant::now() + SETTLING_TIME,
            listener_pid,
        }
    }

    /// Until when nobody is refused; `None` when it is settled who is a member.
    pub(crate) fn settles_by(&self) -> Option<Instant> {
        let waits = !self.awaited.is_empty() || self.members.values().any(|member| member.posts_due > 0);
        (waits && Instant::now() < self.settled_by).then_some(self.settled_by)
    }

    pub(super) fn line_of_mut(&mut self, owner: OwnerId) -> Option<&mut Line> {
        self.members.get_mut(&owner).map(|member| &mut member.line)
    }

    pub(super) fn hang_up(&mut self) {
        self.members.clear();
    }

    /// The process that serves an instance of a member.
    pub(super) fn pid_of(&self, owner: OwnerId) -> Option<u32> {
        self.members.get(&owner).map(|member| member.pid)
    }

    /// Tells all members what they are to know when they lead.
    pub(super) fn tell_security(&mut self, security: &SecurityDescriptor) {
        for member in self.members.values_mut() {
            let security = security.clone();
            let _ = member.line.send(Serving::Security { security }, None);
        }
    }

    /// Tells all members who they are.
    fn announce(&mut self) {
        let members: Vec<u64> = self.members.values().map(|member| member.id).collect();
        for member in self.members.values_mut() {
            // One that is gone is found out when its line is heard.
            let _ = member.line.send(
                Serving::Members {
                    members: members.clone(),
                },
                None,
            );
        }
    }
}

impl HostState {
    /// A process comes to serve the name too; `answer` is what it is told.
    pub(super) fn enlist(
        &mut self,
        (id, peer): (u64, &PeerCredentials),
        line: Line,
        posts: u32,
        answer: (Serving, Arc<ProcessFd>),
    ) -> Option<OwnerId> {
        let Role::Leading(leader) = &mut self.role else {
            return None;
        };
        leader.last_owner = OwnerId(leader.last_owner.0 + 1);
        let owner = leader.last_owner;
        let member = Member {
            id,
            pid: peer.pid.unwrap_or(0),
            identity: peer.into(),
            line,
            instances: HashMap::new(),
            posts_due: posts,
        };
        leader.members.insert(owner, member);
        leader.awaited.remove(&id);
        // Before its answer: whoever succeeds us waits for it, once it knows that it is in.
        leader.announce();
        if let Some(member) = leader.members.get_mut(&owner)
            && member.line.send(answer.0, Some(answer.1)).is_err()
        {
            self.lose(owner);
            return None;
        }
        Some(owner)
    }

    /// Takes in what all members have said by now.
    pub(super) fn catch_up(&mut self) {
        if let Role::Leading(leader) = &self.role {
            let owners: Vec<OwnerId> = leader.members.keys().copied().collect();
            for owner in owners {
                self.hear(owner);
            }
        }
        self.answer_requests();
    }

    /// Takes in what one member has said by now.
    pub(crate) fn hear_member(&mut self, owner: OwnerId) {
        self.hear(owner);
        self.answer_requests();
    }

    fn hear(&mut self, owner: OwnerId) {
        for turn in (0..=HEARD_AT_ONCE).rev() {
            let Role::Leading(leader) = &mut self.role else { return };
            let Some(member) = leader.members.get_mut(&owner) else {
                return;
            };
            // What is left has been received in part: the socket alone would not tell of it.
            member.line.defer(turn == 0);
            if turn == 0 {
                return;
            }
            match member.line.flush().and_then(|()| member.line.receive()) {
                Ok(Some((Serving::Post { number, since, report }, _))) => self.take_post(owner, number, since, report),
                Ok(Some((Serving::Create { number, wanted }, _))) => {
                    leader.requests.push_back(Request { owner, number, wanted });
                }
                // Members have nothing else to say.
                Ok(Some(_)) | Err(Cut) => return self.lose(owner),
                Ok(None) => return,
            }
        }
    }

    fn take_post(&mut self, owner: OwnerId, number: u64, since: u64, report: Option<InstanceReport>) {
        let Role::Leading(leader) = &mut self.role else { return };
        let Some(member) = leader.members.get_mut(&owner) else {
            return;
        };
        let Some(&id) = member.instances.get(&number) else {
            return match report {
                Some(report) if member.posts_due > 0 => self.take_over_instance(owner, number, since, &report),
                // It may have what it had when it came, and what it asked for.
                Some(_) => self.lose(owner),
                None => {}
            };
        };
        let Some(place) = leader.places.get_mut(&id) else {
            return;
        };
        let Some(report) = report else {
            member.instances.remove(&number);
            leader.places.remove(&id);
            self.close(id);
            return;
        };
        match report.state {
            // An older one crossed with a client that we have sent there since.
            InstanceState::Listening if since > place.since => {
                place.since = since;
                let _ = self.pipe.disconnect(id);
                self.clients.remove(&id);
                let released = self.pipe.listen(id).unwrap_or_default();
                self.release(released);
            }
            InstanceState::Closing if since == place.since => {
                if let Some(connection) = place.connection {
                    self.pipe.client_gone(id, connection);
                }
            }
            InstanceState::Disconnected => {
                let _ = self.pipe.disconnect(id);
                self.clients.remove(&id);
            }
            InstanceState::Listening | InstanceState::Connected | InstanceState::Closing => {}
        }
    }

    /// An instance that a member had before it came to us.
    fn take_over_instance(&mut self, owner: OwnerId, number: u64, since: u64, report: &InstanceReport) {
        let id = self.pipe.reserve();
        let (connection, released) = self.pipe.adopt(Instance {
            id,
            owner,
            state: report.state,
            out_quota: report.out_quota,
            in_quota: report.in_quota,
        });
        if let Some(client) = report.client {
            self.clients.insert(id, Visit::begun(client));
        }
        if let Role::Leading(leader) = &mut self.role {
            leader.places.insert(
                id,
                Place {
                    owner,
                    number,
                    since,
                    connection,
                },
            );
            if let Some(member) = leader.members.get_mut(&owner) {
                member.instances.insert(number, id);
                member.posts_due = member.posts_due.saturating_sub(1);
            }
        }
        self.release(released);
    }

    /// Answers requests for instances, after everything that was said by then. What is asked meanwhile has its turn later:
    /// one that asks and asks keeps nobody else waiting.
    fn answer_requests(&mut self) {
        let Role::Leading(leader) = &mut self.role else { return };
        if leader.requests.is_empty() || leader.settles_by().is_some() {
            return;
        }
        let requests = std::mem::take(&mut leader.requests);
        let owners: Vec<OwnerId> = leader.members.keys().copied().collect();
        for owner in owners {
            self.hear(owner);
        }
        for request in &requests {
            self.answer_request(request);
        }
        let Role::Leading(leader) = &mut self.role else { return };
        for request in &leader.requests {
            if let Some(member) = leader.members.get_mut(&request.owner) {
                member.line.defer(true);
            }
        }
    }

    fn answer_request(&mut self, &Request { owner, number, wanted }: &Request) {
        let params = InstanceParams {
            direction: wanted.direction,
            pipe_type: self.pipe.attributes().pipe_type,
            read_mode: wanted.read_mode,
            first_instance: wanted.first_instance,
            out_quota: wanted.out_quota,
            in_quota: wanted.in_quota,
            further_rights: wanted.further_rights,
            ..InstanceParams::default()
        };
        let Role::Leading(leader) = &mut self.role else { return };
        let Some(member) = leader.members.get_mut(&owner) else {
            return;
        };
        let attributes = self.pipe.attributes();
        let admitted = attributes.admit_instance(&member.identity, params.further_rights);
        let answer = match admitted.and_then(|()| self.pipe.create_instance(owner, &params)) {
            Ok((id, released)) => {
                member.instances.insert(number, id);
                let place = Place {
                    owner,
                    number,
                    // As its process counts, it listens since it got its number.
                    since: number,
                    connection: None,
                };
                leader.places.insert(id, place);
                let sent = member.line.send(Serving::Created { number }, None);
                self.release(released);
                sent
            }
            Err(status) => member.line.send(Serving::NotCreated { number, status }, None),
        };
        if answer.is_err() {
            self.lose(owner);
        }
    }

    /// Takes the instance that has listened longest, wherever it is. It is refused only on the latest news.
    pub(crate) fn choose(&mut self, access: Access) -> Result<Opened, Status> {
        match self.pipe.open(access) {
            Err(Status::PipeNotAvailable | Status::ObjectNameNotFound) => {
                self.catch_up();
                self.pipe.open(access)
            }
            other => other,
        }
    }

    /// Passes a client on to the member that owns the chosen instance. `false`: the member has gone, and its instances with
    /// it.
    pub(crate) fn pass_on(
        &mut self,
        opened: &Opened,
        (access, qos): (Access, SecurityQos),
        (client, peer): (&Arc<ProcessFd>, &PeerCredentials),
    ) -> bool {
        let instances = self.pipe.instances().len() as u32;
        let Role::Leading(leader) = &mut self.role else {
            return false;
        };
        let (Some(place), Some(member)) = (
            leader.places.get_mut(&opened.instance),
            leader.members.get_mut(&opened.owner),
        ) else {
            return false;
        };
        place.connection = Some(opened.connection);
        let message = Serving::Admit {
            number: place.number,
            since: place.since,
            access,
            qos,
            instances,
        };
        let sent = member.line.send(message, Some(client.clone())).is_ok();
        if sent {
            self.clients.insert(opened.instance, Visit::begun(peer.into()));
        } else {
            self.lose(opened.owner);
        }
        sent
    }

    /// Passes somebody on to a member who wants to know about its instances. One that has not read what it was told last is
    /// not asked: questions of strangers do not pile up for a process that is stopped.
    pub(crate) fn pass_on_question(&mut self, pid: u32, client: &Arc<ProcessFd>) -> Result<(), Status> {
        let Role::Leading(leader) = &mut self.role else {
            return Err(Status::InvalidParameter);
        };
        let asked = leader.members.iter_mut().find(|(_, member)| member.pid == pid);
        let (&owner, member) = asked.ok_or(Status::InvalidParameter)?;
        if !member.line.is_clear() {
            return Err(Status::PipeNotAvailable);
        }
        if member.line.send(Serving::Asked, Some(client.clone())).is_err() {
            self.lose(owner);
            return Err(Status::PipeNotAvailable);
        }
        Ok(())
    }

    /// A member has gone, and with it its instances.
    pub(super) fn lose(&mut self, owner: OwnerId) {
        let Role::Leading(leader) = &mut self.role else { return };
        if leader.members.remove(&owner).is_none() {
            return;
        }
        leader.places.retain(|_, place| place.owner != owner);
        leader.requests.retain(|request| request.owner != owner);
        leader.announce();
        let remaining = self.pipe.owner_gone(owner);
        let pipe = &self.pipe;
        self.clients.retain(|id, _| pipe.instance(*id).is_some());
        self.conclude(remaining);
    }
}
