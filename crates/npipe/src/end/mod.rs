//! One end of a pipe: the engine that submits, waits for and cancels its calls.
//!
//! The semantics are the core's [`Reader`] and [`Writer`], each under a lock that is held for a move and never while a
//! thread sleeps. A call that cannot be finished at once stays with its half; its thread waits by [`wait`], and whoever
//! looks next finds it. A server end outlives its connections, a client end has one.
//!
//! Operations, which no thread is inside of, are [`calls`].
//!
//! Locks are taken in this order: name, host, queue of operations, reading half, writing half.

mod asked;
mod attempt;
pub(crate) mod blocked;
mod calls;
mod descriptor;
pub(crate) mod link;
pub(crate) mod pledge;
mod read;
mod sharing;
mod submit;
mod traffic;
mod turn;
pub(crate) mod wait;
mod write;

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use npipe_core::wire::PeerState;
use npipe_core::{Access, EndRole, PeerIdentity, PipeName, PipeType, ReadMode, Reader, Status, WaitMode, Writer};
use npipe_shm::control::Standing;
use npipe_shm::layout::Side;
use npipe_shm::ring::{RingInlet, RingOutlet};

use crate::background;
use crate::host::{KnownSecurity, Seat};
use crate::impersonation::Token;
use crate::sys::forks;
use crate::sys::namespace::Root;
use link::Link;
use turn::Entered;

/// What is fixed for an end when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) name: PipeName,
    pub(crate) root: Root,
    pub(crate) pipe_type: PipeType,
    pub(crate) access: Access,
    pub(crate) max_instances: u32,
    /// Limit on unread data from server to client.
    pub(crate) out_quota: u32,
    /// Limit on unread data from client to server.
    pub(crate) in_quota: u32,
    pub(crate) max_spin: Duration,
    /// Whether what another process needs of a connection is kept.
    pub(crate) is_shareable: bool,
    /// The process that has made the end, whoever holds it (semantics 206).
    pub(crate) creator: u32,
}

/// Which end it is, and what goes with that.
#[derive(Debug)]
pub(crate) enum Home {
    /// An instance of a pipe.
    Server {
        /// The identity of the pipe.
        pipe_id: u64,
        /// Its place in the pipe, with the process that has created it.
        seat: Option<Seat>,
    },
    /// A client of a pipe; tells the pipe from later ones of the same name.
    Client {
        /// The identity of the pipe that was opened.
        pipe_id: u64,
    },
}

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) shape: Shape,
    pub(crate) home: Home,
    reading: Mutex<Reader<RingInlet<Link>>>,
    writing: Mutex<Writer<RingOutlet<Link>>>,
    /// Calls that no thread is inside of.
    pub(crate) calls: calls::Calls,
    nowait: AtomicBool,
    read_timeout_ns: AtomicU64,
    write_timeout_ns: AtomicU64,
    /// The pipe's descriptor by the last news, for when nobody is left to ask. The end that created the instance asks its host.
    pub(crate) security: OnceLock<KnownSecurity>,
    /// Rung, with the host's lock, when the state of a server's instance changes.
    pub(crate) changed: Condvar,
    /// How many clients came so far.
    pub(crate) opens: AtomicU64,
    /// How often blocked connects were cancelled.
    pub(crate) connects_cancelled: AtomicU64,
    /// How many threads wait for a client.
    pub(crate) connecting: AtomicU64,
    /// How many handles there are.
    handles: AtomicU64,
    /// Closed, by the last handle or before it.
    closed: AtomicBool,
    /// The process that it belongs to, of those forked from each other.
    generation: u32,
}

const FOREVER: u64 = u64::MAX;

/// The half-finished state of a half that a panicking thread left is still consistent: no code of ours panics inside.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl End {
    pub(crate) fn new(shape: Shape, home: Home, mode: ReadMode, wait: WaitMode) -> End {
        let (absent, own_quota) = match home {
            Home::Server { .. } => (Status::PipeListening, shape.out_quota),
            Home::Client { .. } => (Status::PipeDisconnected, shape.in_quota),
        };
        End {
            reading: Mutex::new(Reader::new(shape.pipe_type, mode, wait, absent)),
            writing: Mutex::new(Writer::new(shape.pipe_type, own_quota, absent)),
            calls: calls::Calls::default(),
            nowait: AtomicBool::new(wait == WaitMode::NoWait),
            read_timeout_ns: AtomicU64::new(FOREVER),
            write_timeout_ns: AtomicU64::new(FOREVER),
            security: OnceLock::new(),
            changed: Condvar::new(),
            opens: AtomicU64::new(0),
            connects_cancelled: AtomicU64::new(0),
            connecting: AtomicU64::new(0),
            handles: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            generation: forks::generation(),
            shape,
            home,
        }
    }

    /// In a forked child the ends of its parent are invalid: their locks may be held by threads that do not exist there.
    #[inline]
    pub(crate) fn require_own(&self) -> Result<(), Status> {
        if self.generation == forks::generation() {
            Ok(())
        } else {
            Err(Status::InvalidHandle)
        }
    }

    pub(crate) fn role(&self) -> EndRole {
        match self.home {
            Home::Server { .. } => EndRole::Server,
            Home::Client { .. } => EndRole::Client,
        }
    }

    pub(crate) fn side(&self) -> Side {
        self.role().into()
    }

    /// The half that reads, to ourselves.
    #[inline]
    pub(crate) fn reading(&self) -> Result<Entered<'_, Reader<RingInlet<Link>>>, Status> {
        Entered::enter(&self.reading)
    }

    /// The half that writes, to ourselves.
    #[inline]
    pub(crate) fn writing(&self) -> Result<Entered<'_, Writer<RingOutlet<Link>>>, Status> {
        Entered::enter(&self.writing)
    }

    /// Gives both halves the occasion to forget holders that are gone, unless somebody has them who does.
    pub(crate) fn try_both_halves(&self) {
        drop(Entered::try_enter(&self.reading));
        drop(Entered::try_enter(&self.writing));
    }

    fn peer_quota(&self) -> u32 {
        match self.role() {
            EndRole::Server => self.shape.in_quota,
            EndRole::Client => self.shape.out_quota,
        }
    }

    /// Begins a connection.
    pub(crate) fn attach(&self, link: &Arc<Link>) {
        locked(&self.reading).attach(RingInlet::new(link.clone(), self.side()), self.peer_quota());
        locked(&self.writing).attach(RingOutlet::new(link.clone(), self.side()));
    }

    /// Ends the connection, if there is one: the peer is told by `standing`, calls that wait end with `status`, later ones
    /// with `absent`.
    pub(crate) fn detach(&self, standing: Standing, status: Status, absent: Status) {
        let link = self.link();
        let object = link.as_ref().and_then(|link| link.object());
        if let Some(object) = object {
            if standing == Standing::Disconnected {
                object.set_disconnected();
            }
            object.unwatch();
        }
        let (reading, writing) = (self.reading(), self.writing());
        // Before the words that say so are out of reach: pending writes go with their end (semantics 177, 193).
        match reading {
            Ok(mut reading) => drop(reading.detach(status, absent)),
            Err(_) => drop(locked(&self.reading).detach(status, absent)),
        }
        match writing {
            Ok(mut writing) => drop(writing.detach(status, absent)),
            Err(_) => drop(locked(&self.writing).detach(status, absent)),
        }
        if let Some(link) = link {
            link.leave(standing);
            background::unwatch(&link);
            link.sound_alarm();
        }
    }

    /// Closes the end, at the first call. Calls that wait end with PipeBroken (semantics 79, 192).
    pub(crate) fn close(&self) {
        if self.require_own().is_err() {
            // It is the parent's, who goes on with it.
            return;
        }
        if self.closed.swap(true, Ordering::AcqRel) || self.close_shared() {
            return;
        }
        // Until the instance is gone from the name, nobody may find it half closed.
        if let Home::Server { seat: Some(seat), .. } = &self.home {
            seat.vacate();
            seat.host.notify(self);
        }
        self.detach(Standing::Closed, Status::PipeBroken, Status::InvalidHandle);
        // semantics 79, 192
        self.finish_connects(Err(Status::PipeBroken));
        self.pump();
    }

    /// The instance listens again.
    pub(crate) fn relisten(&self) {
        if self.link().is_some() {
            // Disconnected by another process that holds it, and not used since.
            self.detach(
                Standing::Disconnected,
                Status::PipeDisconnected,
                Status::PipeDisconnected,
            );
        }
        let mut reading = locked(&self.reading);
        reading.set_absent(Status::PipeListening);
        // Another process may have changed it while it held the end.
        self.nowait
            .store(reading.wait_mode() == WaitMode::NoWait, Ordering::Relaxed);
        drop(reading);
        locked(&self.writing).set_absent(Status::PipeListening);
    }

    /// The connection, if there is one.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.require_own().ok()?;
        locked(&self.reading).lane().map(|lane| lane.memory().clone())
    }

    /// The identity of the pipe that it is an end of.
    pub(crate) fn pipe_id(&self) -> u64 {
        match self.home {
            Home::Server { pipe_id, .. } | Home::Client { pipe_id } => pipe_id,
        }
    }

    /// The standing of the peer, `None` without a connection.
    pub(crate) fn peer_state(&self) -> Option<PeerState> {
        self.require_own().ok()?;
        let reading = locked(&self.reading);
        let link = reading.lane().map(RingInlet::memory)?;
        // By another process that holds this end; the halves find out when they are entered next.
        let is_over = link.object().is_some_and(|object| object.is_disconnected());
        (!is_over).then(|| link.standing_of_peer())
    }

    /// Client ends die with a disconnect: nothing works on them any more (semantics 173).
    pub(crate) fn require_live(&self) -> Result<(), Status> {
        self.require_own()?;
        match (self.role(), self.peer_state()) {
            (EndRole::Client, None | Some(PeerState::Disconnected)) => Err(Status::PipeDisconnected),
            _ => Ok(()),
        }
    }

    /// The identity of the client that this server's end talks to (semantics 261, 262).
    pub(crate) fn client_token(&self) -> Result<Token, Status> {
        self.require_own()?;
        if self.role() == EndRole::Client {
            return Err(Status::IllegalFunction);
        }
        let reading = self.reading()?;
        match reading.lane() {
            Some(lane) if reading.has_read() => {
                let link = lane.memory();
                Ok(Token::new(PeerIdentity::from(link.peer()), link.qos().level))
            }
            _ => Err(Status::CannotImpersonate),
        }
    }

    pub(crate) fn wait_mode(&self) -> WaitMode {
        if self.nowait.load(Ordering::Relaxed) {
            WaitMode::NoWait
        } else {
            WaitMode::Wait
        }
    }

    /// The wait mode for a write; that of an end which others hold too is theirs as well.
    #[inline]
    fn wait_mode_in(&self, writing: &Entered<'_, Writer<RingOutlet<Link>>>) -> WaitMode {
        match writing.object() {
            Some(object) => object.wait_mode(),
            None => self.wait_mode(),
        }
    }

    pub(crate) fn modes(&self) -> Result<(ReadMode, WaitMode), Status> {
        let reading = self.reading()?;
        Ok((reading.mode(), reading.wait_mode()))
    }

    /// Sets both modes (semantics 138, 201-204).
    pub(crate) fn set_modes(&self, mode: ReadMode, wait: WaitMode) -> Result<(), Status> {
        self.require_own()?;
        self.shape.access.require_write_attributes()?;
        self.require_live()?;
        let mut reading = self.reading()?;
        let writing = self.writing()?;
        if wait == WaitMode::NoWait && !writing.is_idle() {
            return Err(Status::PipeBusy);
        }
        reading.set_modes(mode, wait)?;
        self.nowait.store(wait == WaitMode::NoWait, Ordering::Relaxed);
        if let Some(object) = writing.object() {
            object.set_wait_mode(wait);
        }
        Ok(())
    }

    /// Ends all calls of this process that wait on this end (semantics 127, 228, 230, 231).
    pub(crate) fn cancel(&self) -> Result<(), Status> {
        self.require_own()?;
        let mut count = self.reading()?.end_own(Status::Cancelled);
        count += self.writing()?.end_own(Status::Cancelled);
        if let Some(link) = self.link() {
            link.sound_alarm();
            link.ring(npipe_shm::doorbell::Cause::ANY);
        }
        if let Home::Server { seat: Some(seat), .. } = &self.home {
            count += seat.cancel_connects(self);
        }
        self.pump();
        if count == 0 { Err(Status::NotFound) } else { Ok(()) }
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.read_timeout_ns.store(to_ns(timeout), Ordering::Relaxed);
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.write_timeout_ns.store(to_ns(timeout), Ordering::Relaxed);
    }

    fn deadline(timeout_ns: &AtomicU64) -> Option<Instant> {
        match timeout_ns.load(Ordering::Relaxed) {
            FOREVER => None,
            ns => Instant::now().checked_add(Duration::from_nanos(ns)),
        }
    }

    /// What is to be done when the connection falls quiet: give back memory, if it has more than a chat needs.
    pub(crate) fn upkeep(&self) -> Option<impl FnOnce() + '_> {
        let surplus = self
            .writing()
            .is_ok_and(|writing| writing.lane().is_some_and(RingOutlet::has_surplus));
        surplus.then_some(|| {
            if let Ok(mut writing) = self.writing()
                && let Some(lane) = writing.lane_mut()
            {
                lane.trim();
            }
        })
    }

    /// A peer that breaks the protocol loses the connection.
    fn judge<T>(&self, link: &Link, result: Result<T, Status>) -> Result<T, Status> {
        if let Err(Status::PeerMisbehaved) = result {
            link.peer_misbehaved();
        }
        result
    }
}

fn to_ns(timeout: Option<Duration>) -> u64 {
    timeout.map_or(FOREVER, |timeout| {
        timeout.as_nanos().min(u128::from(FOREVER - 1)) as u64
    })
}

/// A handle of an end, as programs hold it. The end closes at the moment its last handle goes, in whichever process, even while the background
/// thread looks at it: whoever closes a pipe may make it anew at once (semantics 13, 29, 190).
#[derive(Debug)]
pub(crate) struct Handle(pub(crate) Arc<End>);

impl Handle {
    /// The first handle of a new end.
    pub(crate) fn new(end: impl Into<Arc<End>>) -> Handle {
        let end = end.into();
        end.handles.store(1, Ordering::Relaxed);
        Handle(end)
    }

    /// The end, for what outlives the handle.
    pub(crate) fn shared(&self) -> &Arc<End> {
        &self.0
    }

    /// The end, for who keeps it from nothing.
    pub(crate) fn downgrade(&self) -> Weak<End> {
        Arc::downgrade(&self.0)
    }
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        self.0.handles.fetch_add(1, Ordering::Relaxed);
        Handle(self.0.clone())
    }
}

impl Deref for Handle {
    type Target = End;

    #[inline]
    fn deref(&self) -> &End {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }
}
