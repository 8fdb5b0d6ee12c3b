//! The names that this process serves.
//!
//! A *host* is one name that this process serves, alone or with others: the state of the core's [`Pipe`], and where each
//! instance's end and client are. User threads and the background thread meet here, under the host's lock.
//!
//! Of the processes that serve a name one leads ([`leader`]) and has the whole pipe in its [`Pipe`]; the others follow
//! ([`follower`]) and have their own instances in theirs. Each name has a *slot* with a lock of its own, held while this
//! process begins or ends to serve it, so that a name can be made again the moment it is gone.

mod door;
mod entry;
mod follower;
mod fresh;
mod leader;
mod line;
mod seat;
mod security;
mod welcome;

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use npipe_core::handshake::{ClientReport, Decoder, InstanceReport, Message, PipeReport, Serving};
use npipe_core::params::{InstanceParams, UNLIMITED_INSTANCES};
use npipe_core::pipe::{ConnectionId, InstanceId, OwnerId, Pipe, Remaining, WaiterId};
use npipe_core::{PipeName, SecurityDescriptor, Status};

use crate::background;
use crate::end::{End, Handle, Home, Shape, locked};
use crate::process::Process;
use crate::sys::claim::Claim;
use crate::sys::forks::ProcessFd;
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::namespace::Root;
use crate::sys::socket;

use door::Door;
pub(crate) use entry::{create, create_beside};
use follower::{Follower, Request};
use fresh::Fresh;
use leader::Leader;
use line::Brings;
pub(crate) use line::Line;
pub(crate) use seat::Seat;
pub(crate) use security::{OpenedPipe, security_of};

/// This process, among those that serve a name.
pub(crate) const SELF: OwnerId = OwnerId(0);

/// A process that waits for the limit of instances looks this often whether one of another process has closed.
const VACANCY_TIME: Duration = Duration::from_millis(100);

/// What a process wants of an instance for itself, and nobody else has to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// How long calls that wait spin at most.
    pub(crate) max_spin: Duration,
    /// Whether the end may be passed on to other processes.
    pub(crate) is_shareable: bool,
}

/// What this process has to do with one name.
pub(crate) type Slot = Mutex<Option<Arc<Host>>>;

/// A directory and a name's key in it.
pub(crate) type Place = (PathBuf, [u8; 16]);

/// Instances of this process that have closed, and who waits for that.
#[derive(Debug, Default)]
pub(crate) struct Vacancies {
    count: u64,
    waiting: usize,
}

/// The number of instances that have closed so far.
pub(crate) fn vacancies() -> u64 {
    locked(&Process::current().vacancies.0).count
}

fn announce_vacancy() {
    let (vacancies, changed) = &Process::current().vacancies;
    let mut now = locked(vacancies);
    now.count += 1;
    if now.waiting > 0 {
        changed.notify_all();
    }
}

/// Waits until more instances have closed than `before`, or it is time to look whether one of another process has.
pub(crate) fn await_vacancy(before: u64) {
    let (vacancies, changed) = &Process::current().vacancies;
    let mut now = locked(vacancies);
    now.waiting += 1;
    let unchanged = |now: &mut Vacancies| now.count == before;
    let waited = changed.wait_timeout_while(now, VACANCY_TIME, unchanged);
    waited.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
}

/// A name that this process serves.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: PipeName,
    pub(crate) root: Root,
    slot: Arc<Slot>,
    /// The name in the namespace, while we lead and until the last instance is gone.
    claim: Mutex<Option<Claim>>,
    /// Tells this pipe from earlier and later ones of its name.
    pub(crate) pipe_id: u64,
    pub(crate) token: AtomicU64,
    pub(crate) state: Mutex<HostState>,
    /// Rung when a request to the leader is answered, or we lead ourselves.
    answered: Condvar,
    door: Door,
    fresh: Fresh,
    /// The descriptor by the last news, which clients in this process go on having when the host has gone.
    security: KnownSecurity,
}

/// A descriptor, shared by those in this process who know it.
pub(crate) type KnownSecurity = Arc<Mutex<SecurityDescriptor>>;

/// What changes about a host.
#[derive(Debug)]
pub(crate) struct HostState {
    /// The whole pipe where we lead, our share of it where we follow.
    pub(crate) pipe: Pipe,
    pub(crate) role: Role,
    ends: HashMap<InstanceId, Weak<End>>,
    clients: HashMap<InstanceId, Visit>,
    waiters: HashMap<WaiterId, Arc<ProcessFd>>,
    /// Instances that we have asked the leader for, by our numbers.
    requests: BTreeMap<u64, Request>,
}

/// A client at an instance.
#[derive(Clone, Copy, Debug)]
struct Visit {
    client: ClientReport,
    /// Since when, as far as this process knows.
    since: Instant,
}

impl Visit {
    fn begun(client: ClientReport) -> Visit {
        let since = Instant::now();
        Visit { client, since }
    }

    fn age_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}

/// What we are among the processes that serve the name.
#[derive(Debug)]
pub(crate) enum Role {
    Leading(Leader),
    Following(Follower),
}

impl Host {
    /// Does something with the listening socket, while there is one.
    pub(crate) fn with_listener<T>(&self, act: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        locked(&self.claim).as_ref().map(|claim| act(claim.listener()))
    }

    /// A process comes to serve the name with us (semantics 28).
    pub(crate) fn enlist(
        self: &Arc<Host>,
        socket: Arc<ProcessFd>,
        decoder: Decoder,
        peer: &PeerCredentials,
        (member, pipe_id, posts): (u64, u64, u32),
    ) -> Result<(), Status> {
        if peer.uid != identity::own_uid() {
            return Err(Status::AccessDenied);
        }
        let mut state = locked(&self.state);
        state.catch_up();
        let listener_pid = match &state.role {
            Role::Leading(leader) if pipe_id == 0 || pipe_id == self.pipe_id => leader.listener_pid,
            _ => return Err(Status::ObjectNameNotFound),
        };
        // One that comes from the leader before brings the instances that make the pipe live on.
        if pipe_id == 0 && state.pipe.is_over() {
            return Err(Status::ObjectNameNotFound);
        }
        // Who comes for the first time has none, and nobody has more than there may be.
        let limit = match (pipe_id, state.pipe.attributes().max_instances) {
            (0, _) => 0,
            (_, UNLIMITED_INSTANCES) => u32::MAX,
            (_, max_instances) => max_instances,
        };
        if posts > limit {
            return Err(Status::PeerMisbehaved);
        }
        let listener = locked(&self.claim).as_ref().map(Claim::shared_listener);
        let joined = Serving::Joined {
            pipe_id: self.pipe_id,
            listener_pid,
            attributes: state.pipe.attributes().clone(),
        };
        let answer = (joined, listener.ok_or(Status::ObjectNameNotFound)?);
        let who = (member, peer);
        let line = Line::new(socket, decoder, Brings::Messages);
        if let Some(owner) = state.enlist(who, line, posts, answer) {
            let Role::Leading(leader) = &mut state.role else {
                return Ok(());
            };
            if let Some(line) = leader.line_of_mut(owner)
                && background::watch_line(self, Some(owner), line).is_err()
            {
                // It has its answer already, and hears from its line that it is out.
                state.lose(owner);
                return Ok(());
            }
            drop(state);
            self.hear_member(owner);
        }
        Ok(())
    }

    /// What a member has to say.
    pub(crate) fn hear_member(self: &Arc<Host>, owner: OwnerId) {
        let mut state = locked(&self.state);
        state.hear_member(owner);
        let is_over = state.is_over();
        drop(state);
        self.answered.notify_all();
        if is_over {
            self.dissolve_if_over();
        }
    }

    /// Until when nobody is refused, because it is not settled who serves the name; `None` when it is.
    pub(crate) fn settles_by(&self) -> Option<Instant> {
        match &locked(&self.state).role {
            Role::Leading(leader) => leader.settles_by(),
            Role::Following(_) => None,
        }
    }

    /// The name vanishes if nobody has an instance of it. For the background thread, which waits for nobody: who holds the
    /// slot looks himself.
    pub(crate) fn dissolve_if_over(self: &Arc<Host>) {
        let slot = self.slot.clone();
        let mut serving = match slot.try_lock() {
            Ok(serving) => serving,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let is_over = locked(&self.state).is_over();
        if is_over {
            self.dissolve(&mut serving);
        }
    }

    /// The name is over, or we have no part in it any more.
    fn leave_if_over(self: &Arc<Host>) {
        let mut serving = locked(&self.slot);
        if locked(&self.state).is_over() {
            self.dissolve(&mut serving);
        }
        drop(serving);
        // The background thread may have found the lock taken.
        self.dissolve_if_over();
    }

    /// As one who begins or ends to serve the name.
    #[cfg(test)]
    pub(crate) fn hold_slot(&self) -> MutexGuard<'_, Option<Arc<Host>>> {
        locked(&self.slot)
    }

    /// Ends this process' part in the name.
    fn dissolve(self: &Arc<Host>, serving: &mut MutexGuard<'_, Option<Arc<Host>>>) {
        if serving.as_ref().is_some_and(|host| Arc::ptr_eq(host, self)) {
            **serving = None;
            background::unwatch_host(self);
            locked(&self.state).hang_up();
            self.answered.notify_all();
            *locked(&self.claim) = None;
        }
    }

    fn seat_end(
        self: &Arc<Host>,
        state: &mut HostState,
        id: InstanceId,
        params: &InstanceParams,
        Kept { max_spin, is_shareable }: Kept,
    ) -> Handle {
        let shape = Shape {
            name: self.name.clone(),
            root: self.root.clone(),
            pipe_type: state.pipe.attributes().pipe_type,
            access: params.access(state.pipe.attributes().direction),
            max_instances: state.pipe.attributes().max_instances,
            out_quota: params.out_quota,
            in_quota: params.in_quota,
            max_spin,
            is_shareable,
            creator: identity::own_pid(),
        };
        let home = Home::Server {
            pipe_id: self.pipe_id,
            seat: Some(Seat { host: self.clone(), id }),
        };
        let end = Arc::new(End::new(shape, home, params.read_mode, params.wait_mode));
        state.ends.insert(id, Arc::downgrade(&end));
        Handle::new(end)
    }

    /// A client's socket has hung up (semantics 63, 181).
    pub(crate) fn client_gone(&self, instance: InstanceId, connection: ConnectionId) {
        // Nobody waits for this: a connect that waited has ended when the client came.
        let mut state = locked(&self.state);
        if state.pipe.client_gone(instance, connection) {
            state.post(instance);
        }
    }

    /// What there is to know about the pipe (semantics 195-197).
    pub(crate) fn report(&self) -> PipeReport {
        // What keeps ends alive while they are looked at goes after the lock: an end may go with it.
        let mut kept = Vec::new();
        let mut state = locked(&self.state);
        state.catch_up();
        let own_pid = identity::own_pid();
        let leader = match &state.role {
            Role::Leading(leader) => Some(leader),
            Role::Following(_) => None,
        };
        let pid_of = |owner| leader.and_then(|leader| leader.pid_of(owner)).unwrap_or(own_pid);
        let instances = state.pipe.instances().map(|instance| {
            let visit = state.clients.get(&instance.id);
            let end = state.ends.get(&instance.id).and_then(Weak::upgrade);
            let traffic = end.as_deref().filter(|_| visit.is_some()).and_then(End::traffic);
            kept.extend(end);
            InstanceReport {
                state: instance.state,
                server_pid: pid_of(instance.owner),
                client: visit.map(|visit| visit.client),
                out_quota: instance.out_quota,
                in_quota: instance.in_quota,
                age_ms: visit.map(Visit::age_ms),
                traffic,
            }
        });
        let instances: Vec<_> = instances.collect();
        let attributes = state.pipe.attributes();
        PipeReport {
            name: self.name.clone(),
            pipe_type: attributes.pipe_type,
            direction: attributes.direction,
            max_instances: attributes.max_instances,
            default_timeout_ms: attributes.default_timeout_ms,
            server_pid: own_pid,
            listener_pid: leader.map_or(own_pid, |leader| leader.listener_pid),
            pipe_id: self.pipe_id,
            security: attributes.security.clone(),
            instance_count: state.pipe.instances().len() as u32,
            instances,
        }
    }
}

impl HostState {
    /// Whether this process has no part in the name any more.
    fn is_over(&self) -> bool {
        let waits = matches!(&self.role, Role::Leading(leader) if leader.settles_by().is_some());
        self.pipe.is_over() && !waits
    }

    /// Leaves the other processes that serve the name.
    fn hang_up(&mut self) {
        match &mut self.role {
            Role::Leading(leader) => leader.hang_up(),
            Role::Following(_) => self.line_is_cut(),
        }
    }

    /// Queues somebody who waits for an instance.
    pub(crate) fn add_waiter(&mut self, id: WaiterId, socket: Arc<ProcessFd>) {
        self.waiters.insert(id, socket);
    }

    /// Forgets somebody who no longer waits.
    pub(crate) fn remove_waiter(&mut self, id: WaiterId) {
        self.waiters.remove(&id);
        self.pipe.withdraw(id);
    }

    /// Tells those who waited that an instance listens (semantics 86).
    fn release(&mut self, released: Vec<WaiterId>) {
        self.answer_waiters(released, &Message::Ready);
    }

    fn answer_waiters(&mut self, released: Vec<WaiterId>, answer: &Message) {
        for waiter in released {
            if let Some(waiting) = self.waiters.remove(&waiter) {
                // One that does not read its few bytes of answer has gone or is of no interest.
                let _ = socket::send(waiting.as_fd(), &answer.encode(), None);
            }
        }
    }

    fn close(&mut self, id: InstanceId) {
        self.ends.remove(&id);
        self.clients.remove(&id);
        let remaining = self.pipe.close(id);
        self.conclude(remaining);
    }

    /// With the last instance the name is gone for those who wait (semantics 89).
    fn conclude(&mut self, remaining: Remaining) {
        if let Remaining::Nothing(released) = remaining {
            let status = Status::ObjectNameNotFound;
            self.answer_waiters(released, &Message::Refused { status });
        }
    }
}
