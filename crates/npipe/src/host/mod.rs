//! The names that this process serves.
//!
//! A *host* is one name with its claim in the namespace, the state of the core's [`Pipe`], and where each instance's end
//! and client are. User threads and the background thread meet here, under the host's lock. The registry of all hosts has
//! a lock of its own, held while a name comes into being or vanishes, so that a name can be made again the moment it is
//! gone.

mod seat;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use npipe_core::handshake::{ClientReport, InstanceReport, Message, PipeReport};
use npipe_core::params::InstanceParams;
use npipe_core::pipe::{ConnectionId, InstanceId, OwnerId, Pipe, Remaining, WaiterId};
use npipe_core::{Access, PipeName, Status};

use crate::background;
use crate::connect;
use crate::end::{End, Handle, Home, Shape, link::Link, locked};
use crate::error::{Error, Result};
use crate::sys::claim::{Claim, Claiming, Reach};
use crate::sys::identity;
use crate::sys::namespace::Root;
use crate::sys::socket;

pub(crate) use seat::Seat;

/// This process, among those that serve a name.
const SELF: OwnerId = OwnerId(0);

/// How long a name that is held but not answered for may stay so before it counts as served: by a stopped process.
const CLAIM_TIME: Duration = Duration::from_secs(1);

/// Between two attempts to claim such a name.
const CLAIM_PAUSE: Duration = Duration::from_millis(1);

type Names = HashMap<(PathBuf, [u8; 16]), Arc<Host>>;

static REGISTRY: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

/// How many instances of this process have closed, for those who wait until one more may be created.
static VACANCIES: (Mutex<u64>, Condvar) = (Mutex::new(0), Condvar::new());

/// The number of instances that have closed so far.
pub(crate) fn vacancies() -> u64 {
    *locked(&VACANCIES.0)
}

/// Waits until more instances have closed than `before`.
pub(crate) fn await_vacancy(before: u64) {
    let mut now = locked(&VACANCIES.0);
    while *now == before {
        now = VACANCIES.1.wait(now).unwrap_or_else(PoisonError::into_inner);
    }
}

/// A name that this process serves.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: PipeName,
    pub(crate) root: Root,
    /// The name in the namespace, until the last instance is gone.
    claim: Mutex<Option<Claim>>,
    /// Tells this pipe from earlier and later ones of its name.
    pub(crate) pipe_id: u64,
    pub(crate) token: AtomicU64,
    pub(crate) state: Mutex<HostState>,
}

/// What changes about a host.
#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) pipe: Pipe,
    ends: HashMap<InstanceId, Weak<End>>,
    clients: HashMap<InstanceId, (ConnectionId, Arc<Link>)>,
    waiters: HashMap<WaiterId, Arc<OwnedFd>>,
}

/// What a client gets, when it gets an instance.
pub(crate) struct Admitted {
    pub(crate) end: Arc<End>,
    pub(crate) instance: InstanceId,
    pub(crate) connection: ConnectionId,
}

/// Creates an instance, and the name with it if need be (semantics 13, 14, 24-34).
pub(crate) fn create(root: &Root, name: &PipeName, params: &InstanceParams, spin: Duration) -> Result<Handle> {
    const OPERATION: &str = "create";
    let fail = |status| Error::new(status, OPERATION).about(name);
    params.validate().map_err(fail)?;
    let mut registry = locked(&REGISTRY);
    let key = (root.path().to_owned(), name.key());
    if let Some(host) = registry.get(&key) {
        let mut state = locked(&host.state);
        let (id, released) = state.pipe.create_instance(SELF, params).map_err(fail)?;
        let end = host.seat_end(&mut state, id, params, spin);
        state.release(released, &Message::Ready);
        return Ok(end);
    }
    let (pipe, id) = Pipe::first(SELF, params).map_err(fail)?;
    let claim = claim(root, name, params)?;
    let state = HostState {
        pipe,
        ends: HashMap::new(),
        clients: HashMap::new(),
        waiters: HashMap::new(),
    };
    let host = Arc::new(Host {
        name: name.clone(),
        root: root.clone(),
        claim: Mutex::new(Some(claim)),
        pipe_id: new_pipe_id(),
        token: AtomicU64::new(0),
        state: Mutex::new(state),
    });
    let end = host.seat_end(&mut locked(&host.state), id, params, spin);
    if let Err(error) = background::watch_host(&host) {
        // The end takes the registry's lock when it closes.
        drop(registry);
        return Err(Error::from_sys(error, OPERATION).about(name));
    }
    registry.insert(key, host);
    Ok(end)
}

fn claim(root: &Root, name: &PipeName, params: &InstanceParams) -> Result<Claim> {
    const OPERATION: &str = "create";
    // Where users meet, all may knock and hear from us whether to come in: else nobody could tell a pipe of ours that lives
    // from one that has died.
    let reach = if root.is_shared() || params.access.admits_others() {
        Reach::Everyone
    } else {
        Reach::Owner
    };
    let others = root
        .candidates(&name.key())
        .map_err(|error| Error::from_sys(error, OPERATION).about(name))?;
    if let Some(other) = others.iter().find(|other| other.uid != identity::own_uid()) {
        // Another user's entry counts only while somebody listens there.
        let knocked = root.connect_until(other, Some(Instant::now()));
        if !knocked.is_err_and(|error| connect::is_dead(error.kind())) {
            let detail = format!("user {} serves this name in {}", other.uid, root.path().display());
            return Err(Error::new(Status::AccessDenied, OPERATION).about(name).because(detail));
        }
    }
    let deadline = Instant::now() + CLAIM_TIME;
    loop {
        match root.claim(&name.key(), &name.to_wtf8(), reach) {
            Ok(Claiming::Claimed(claim)) => return Ok(claim),
            Ok(Claiming::Held { pid }) if is_served(root, name, deadline) || Instant::now() >= deadline => {
                let status = if params.first_instance {
                    Status::AccessDenied
                } else {
                    Status::InstanceNotAvailable
                };
                let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let detail = format!("{who} serves this name; instances in several processes are not supported yet");
                return Err(Error::new(status, OPERATION).about(name).because(detail));
            }
            // Its holder dies at this moment, or clears away after one that did (semantics 13, 14).
            Ok(Claiming::Held { .. }) => std::thread::sleep(CLAIM_PAUSE),
            Err(error) => return Err(Error::from_sys(error, OPERATION).about(name)),
        }
    }
}

/// Whether a process of ours answers for the name. A dying one may be connected to, but never answers.
fn is_served(root: &Root, name: &PipeName, deadline: Instant) -> bool {
    let candidates = root.candidates(&name.key()).unwrap_or_default();
    let own = candidates.iter().find(|candidate| candidate.uid == identity::own_uid());
    own.is_some_and(|own| connect::inquire(root, own).answer(Some(deadline)).is_some())
}

/// Unlikely to be met twice: the time, the process, and a count.
fn new_pipe_id() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    (since.as_nanos() as u64) ^ u64::from(identity::own_pid()).rotate_left(40) ^ count.rotate_left(56)
}

impl Host {
    /// Does something with the listening socket, while there is one.
    pub(crate) fn with_listener<T>(&self, act: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        locked(&self.claim).as_ref().map(|claim| act(claim.listener()))
    }

    fn seat_end(
        self: &Arc<Host>,
        state: &mut HostState,
        id: InstanceId,
        params: &InstanceParams,
        max_spin: Duration,
    ) -> Handle {
        let shape = Shape {
            name: self.name.clone(),
            root: self.root.clone(),
            pipe_type: state.pipe.pipe_type(),
            access: Access::of_server(state.pipe.direction()),
            max_instances: state.pipe.max_instances(),
            out_quota: params.out_quota,
            in_quota: params.in_quota,
            max_spin,
        };
        let home = Home::Server(Seat { host: self.clone(), id });
        let end = Arc::new(End::new(shape, home, params.read_mode, params.wait_mode));
        state.ends.insert(id, Arc::downgrade(&end));
        Handle::new(end)
    }

    /// Gives a client the instance that has listened longest (semantics 46-56).
    pub(crate) fn admit(&self, state: &mut HostState, access: Access) -> Result<Admitted, Status> {
        loop {
            let opened = state.pipe.open(access)?;
            match state.ends.get(&opened.instance).and_then(Weak::upgrade) {
                Some(end) => {
                    return Ok(Admitted {
                        end,
                        instance: opened.instance,
                        connection: opened.connection,
                    });
                }
                // Ends leave the pipe before they go; one that has not is no instance to be had.
                None => drop(state.pipe.close(opened.instance)),
            }
        }
    }

    /// A client's socket has hung up (semantics 63, 181).
    pub(crate) fn client_gone(&self, instance: InstanceId, connection: ConnectionId) {
        // Nobody waits for this: a connect that waited has ended when the client came.
        locked(&self.state).pipe.client_gone(instance, connection);
    }

    /// What there is to know about the pipe (semantics 195-197).
    pub(crate) fn report(&self) -> PipeReport {
        let state = locked(&self.state);
        let server_pid = identity::own_pid();
        let instances = state.pipe.instances().map(|instance| InstanceReport {
            state: instance.state,
            server_pid,
            client: state.clients.get(&instance.id).map(|(_, link)| {
                let peer = link.peer();
                ClientReport {
                    pid: peer.pid,
                    uid: peer.uid,
                    gid: peer.gid,
                }
            }),
            out_quota: instance.out_quota,
            in_quota: instance.in_quota,
        });
        PipeReport {
            name: self.name.clone(),
            pipe_type: state.pipe.pipe_type(),
            direction: state.pipe.direction(),
            max_instances: state.pipe.max_instances(),
            default_timeout_ms: state.pipe.default_timeout_ms(),
            server_pid,
            pipe_id: self.pipe_id,
            access: state.pipe.access().to_string(),
            instance_count: state.pipe.instances().len() as u32,
            instances: instances.collect(),
        }
    }
}

impl HostState {
    /// Notes who is on an instance.
    pub(crate) fn seat_client(&mut self, admitted: &Admitted, link: &Arc<Link>) {
        self.clients
            .insert(admitted.instance, (admitted.connection, link.clone()));
    }

    /// Queues somebody who waits for an instance.
    pub(crate) fn add_waiter(&mut self, id: WaiterId, socket: Arc<OwnedFd>) {
        self.waiters.insert(id, socket);
    }

    /// Forgets somebody who no longer waits.
    pub(crate) fn remove_waiter(&mut self, id: WaiterId) {
        self.waiters.remove(&id);
        self.pipe.withdraw(id);
    }

    /// Answers those who waited (semantics 86, 89).
    fn release(&mut self, released: Vec<WaiterId>, answer: &Message) {
        for waiter in released {
            if let Some(waiting) = self.waiters.remove(&waiter) {
                // One that does not read its few bytes of answer has gone or is of no interest.
                let _ = socket::send(waiting.as_fd(), &answer.encode(), None);
            }
        }
    }

    fn close(&mut self, id: InstanceId) -> bool {
        self.ends.remove(&id);
        self.clients.remove(&id);
        match self.pipe.close(id) {
            Remaining::Instances(_) => false,
            Remaining::Nothing(released) => {
                self.release(
                    released,
                    &Message::Refused {
                        status: Status::ObjectNameNotFound,
                    },
                );
                true
            }
        }
    }
}
