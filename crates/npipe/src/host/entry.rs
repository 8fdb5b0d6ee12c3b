//! Creating instances: a process begins to serve a name, alone or after others, and has more instances of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use npipe_core::params::InstanceParams;
use npipe_core::pipe::Pipe;
use npipe_core::security::rights::ACCESS_SYSTEM_SECURITY;
use npipe_core::{PipeName, SecurityDescriptor, Status};

use super::door::Door;
use super::follower::{Follower, Invitation, Joining};
use super::fresh::Fresh;
use super::leader::Leader;
use super::{Host, HostState, Kept, Role, SELF, Seat, Slot};
use crate::background;
use crate::connect::{self, ANSWER_TIME};
use crate::end::{Handle, locked};
use crate::error::{Error, Result};
use crate::process::Process;
use crate::sys::claim::{Claim, Claiming, Reach};
use crate::sys::identity;
use crate::sys::namespace::{Candidate, Root};

const CREATE: &str = "create";

/// Between two looks at a name whose server is going.
const CLAIM_PAUSE: Duration = Duration::from_millis(1);

/// Creates an instance, and the name with it if need be (semantics 13, 14, 24-34).
pub(crate) fn create(root: &Root, name: &PipeName, params: &InstanceParams, kept: Kept) -> Result<Handle> {
    let fail = |status| Error::new(status, CREATE).about(name);
    params.validate().map_err(fail)?;
    let params = &with_whole_descriptor(params).map_err(|error| error.about(name))?;
    let slot = slot_of(root, name);
    let deadline = Instant::now() + ANSWER_TIME;
    loop {
        let host = {
            let mut serving = locked(&slot);
            match &*serving {
                Some(host) => host.clone(),
                None => match begin(root, name, params, kept, &slot, deadline)? {
                    Begun::Leading(host, handle) => {
                        *serving = Some(host);
                        return Ok(handle);
                    }
                    Begun::Following(host) => serving.insert(host).clone(),
                },
            }
        };
        // Without the name's lock: who closes an instance meanwhile does not wait for another process.
        let created = host.create_instance(params, kept, deadline);
        host.leave_if_over();
        match created {
            Err(error) if error.status() == Status::ObjectNameNotFound && Instant::now() < deadline => {}
            other => return other,
        }
    }
}

/// Creates another instance of a pipe that this process has one of, whose place is `seat`.
pub(crate) fn create_beside(seat: &Seat, params: &InstanceParams, kept: Kept) -> Result<Handle> {
    seat.host.create_instance(params, kept, Instant::now() + ANSWER_TIME)
}

/// With all that the descriptor leaves out (semantics 264).
fn with_whole_descriptor(params: &InstanceParams) -> Result<InstanceParams> {
    let fail = |error| Error::from_security(&error, CREATE);
    let creator = identity::own_identity().map_err(|error| Error::from_sys(error, CREATE))?;
    if params.further_rights & ACCESS_SYSTEM_SECURITY != 0 && creator.uid != 0 {
        let detail = "the right ACCESS_SYSTEM_SECURITY is the superuser's";
        return Err(Error::new(Status::AccessDenied, CREATE).because(detail));
    }
    let mut params = params.clone();
    if params.security.owner.is_some() {
        SecurityDescriptor::check_owner(params.security.owner, &creator).map_err(fail)?;
    }
    params.security.complete(&creator);
    params.security.check_supported().map_err(fail)?;
    Ok(params)
}

fn slot_of(root: &Root, name: &PipeName) -> Arc<Slot> {
    let mut slots = locked(&Process::current().slots);
    // Those that nobody uses go when another is made.
    slots.retain(|_, slot| Arc::strong_count(slot) > 1);
    slots.entry((root.path().to_owned(), name.key())).or_default().clone()
}

/// How this process begins to serve a name.
enum Begun {
    /// As the first, with the first instance.
    Leading(Arc<Host>, Handle),
    /// After others.
    Following(Arc<Host>),
}

fn begin(
    root: &Root,
    name: &PipeName,
    params: &InstanceParams,
    kept: Kept,
    slot: &Arc<Slot>,
    deadline: Instant,
) -> Result<Begun> {
    let fail = |error| Error::from_sys(error, CREATE).about(name);
    let new_host = |pipe: Pipe, role, claim, pipe_id| {
        Arc::new(Host {
            name: name.clone(),
            root: root.clone(),
            slot: slot.clone(),
            claim: Mutex::new(claim),
            pipe_id,
            security: Arc::new(Mutex::new(pipe.attributes().security.clone())),
            token: AtomicU64::new(0),
            state: Mutex::new(HostState {
                pipe,
                role,
                ends: HashMap::new(),
                clients: HashMap::new(),
                waiters: HashMap::new(),
                requests: BTreeMap::new(),
            }),
            answered: Condvar::new(),
            door: Door::default(),
            fresh: Fresh::default(),
        })
    };
    match enter(root, name, params, deadline)? {
        Entry::Claimed(claim) => {
            let (pipe, id) = Pipe::first(SELF, params).map_err(|status| Error::new(status, CREATE).about(name))?;
            let role = Role::Leading(Leader::new(identity::own_pid(), Default::default()));
            let host = new_host(pipe, role, Some(claim), new_id());
            // With the lock: who knocks at once is heard when the end is there.
            let mut state = locked(&host.state);
            background::watch_host(&host).map_err(fail)?;
            let handle = host.seat_end(&mut state, id, params, kept);
            drop(state);
            Ok(Begun::Leading(host, handle))
        }
        Entry::Invited(invitation) => {
            let pipe = Pipe::share(invitation.attributes.clone());
            let pipe_id = invitation.pipe_id;
            let host = new_host(pipe, Role::Following(Follower::new(*invitation)), None, pipe_id);
            if let Role::Following(follower) = &mut locked(&host.state).role
                && let Some(line) = follower.line_mut()
            {
                background::watch_line(&host, None, line).map_err(fail)?;
            }
            Ok(Begun::Following(host))
        }
    }
}

/// A place among those who serve a name.
enum Entry {
    Claimed(Claim),
    Invited(Box<Invitation>),
}

/// Claims the name, or is let in by the process that has it.
fn enter(root: &Root, name: &PipeName, params: &InstanceParams, deadline: Instant) -> Result<Entry> {
    let fail = |error| Error::from_sys(error, CREATE).about(name);
    refuse_foreign(root, name, |_, _| true)?;
    let reach = reach(root, &params.security);
    loop {
        let pid = match root.claim(&name.key(), &name.to_wtf8(), reach).map_err(fail)? {
            Claiming::Claimed(claim) => {
                // Another user may have claimed it at the same moment. Both look again, and who came later gives way; of
                // two who cannot tell, both do.
                refuse_foreign(root, name, |other, ours| {
                    ours.is_none_or(|ours| other.may_precede(ours))
                })?;
                return Ok(Entry::Claimed(claim));
            }
            Claiming::Held { pid } => pid,
        };
        match Invitation::request(root, name, deadline) {
            Joining::Invited(invitation) => return Ok(Entry::Invited(invitation)),
            // Its holder dies at this moment, or clears away after one that did (semantics 13, 14).
            Joining::Vanished if Instant::now() < deadline => std::thread::sleep(CLAIM_PAUSE),
            Joining::Vanished | Joining::Silent => return Err(silent(name, pid)),
        }
    }
}

/// The process that keeps the name does not answer.
fn silent(name: &PipeName, pid: Option<u32>) -> Error {
    let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let detail = format!("{who} keeps this name and does not answer: it is stopped, or overloaded");
    Error::new(Status::InstanceNotAvailable, CREATE)
        .about(name)
        .because(detail)
}

/// Fails if a server of another user listens at an entry that counts, given ours.
fn refuse_foreign(root: &Root, name: &PipeName, counts: impl Fn(&Candidate, Option<&Candidate>) -> bool) -> Result<()> {
    let candidates = root
        .candidates(&name.key())
        .map_err(|error| Error::from_sys(error, CREATE).about(name))?;
    let is_own = |candidate: &&Candidate| candidate.uid == identity::own_uid();
    let ours = candidates.iter().find(is_own);
    let is_served = |other: &&Candidate| {
        // An entry means something only while somebody listens there.
        let knocked = root.connect_until(other, Some(Instant::now()));
        !knocked.is_err_and(|error| connect::is_dead(error.kind()))
    };
    let mut others = candidates.iter().filter(|other| !is_own(other) && counts(other, ours));
    let Some(other) = others.find(is_served) else {
        return Ok(());
    };
    let detail = format!("user {} serves this name in {}", other.uid, root.path().display());
    Err(Error::new(Status::AccessDenied, CREATE).about(name).because(detail))
}

/// Where users meet, all may knock and hear from us whether to come in: else nobody could tell a pipe of ours that lives
/// from one that has died.
pub(super) fn reach(root: &Root, security: &SecurityDescriptor) -> Reach {
    if root.is_shared() || security.admits_others() {
        Reach::Everyone
    } else {
        Reach::Owner
    }
}

/// Unlikely to be met twice: the time, the process, and a count.
pub(super) fn new_id() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    (since.as_nanos() as u64) ^ u64::from(identity::own_pid()).rotate_left(40) ^ count.rotate_left(56)
}

impl Host {
    fn create_instance(self: &Arc<Host>, params: &InstanceParams, kept: Kept, deadline: Instant) -> Result<Handle> {
        let fail = |status| Error::new(status, CREATE).about(&self.name);
        let mut state = locked(&self.state);
        let mut asked = None;
        loop {
            let late = Instant::now() >= deadline;
            // Before the role: the answer may have come from a leader whom we have followed since.
            if let Some(answer) = asked.and_then(|number| state.take_answer(number, late)) {
                return answer.map_err(fail);
            }
            let until = match &state.role {
                _ if late => return Err(silent(&self.name, None)),
                Role::Leading(leader) => match leader.settles_by() {
                    Some(settles_by) => settles_by,
                    None => {
                        asked.map(|number| state.take_answer(number, true));
                        return state.create_own(self, params, kept).map_err(fail);
                    }
                },
                Role::Following(_) => deadline,
            };
            if asked.is_none() && matches!(state.role, Role::Following(_)) {
                asked = Some(state.request(params, kept));
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            let waited = self.answered.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl HostState {
    /// Another instance of the process that leads.
    fn create_own(&mut self, host: &Arc<Host>, params: &InstanceParams, kept: Kept) -> Result<Handle, Status> {
        // Instances that have closed make room, and take attributes with them, though nobody was refused yet.
        self.catch_up();
        let creator = identity::own_identity().map_err(|_| Status::SystemError)?;
        let attributes = self.pipe.attributes();
        attributes.admit_instance(&creator, params.further_rights)?;
        let (id, released) = self.pipe.create_instance(SELF, params)?;
        let handle = host.seat_end(self, id, params, kept);
        self.release(released);
        Ok(handle)
    }
}
