//! One connection as one end sees it: the segment, the socket that is the sign of life, and what only this process knows.
//!
//! What decides lies here, in private memory: once the peer is known to be closed it stays so, whatever its words say.

mod ahead;
mod budget;
mod delegate;
mod early;
mod memory;
mod spin;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use npipe_core::wire::PeerState;
use npipe_core::{CallId, SecurityQos};
use npipe_shm::control::{EndWords, Standing};
use npipe_shm::doorbell::{self, Cause, Rung, Sleeper};
use npipe_shm::layout::{Layout, Side};
use npipe_shm::memory::Memory;
use npipe_shm::object::Half;

use self::budget::SpinBudget;
use self::early::Answers;
use super::pledge::Pledge;
use crate::background;
use crate::object::{Counted, Object};
use crate::sys::forks::{self, ProcessFd};
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::segment::Segment;
use crate::sys::{futex, socket};

/// Who is at the other end, and what it lets this one do with its identity.
#[derive(Clone, Debug)]
pub(crate) struct Counterpart {
    pub(crate) who: PeerCredentials,
    pub(crate) qos: SecurityQos,
    /// Where it runs, by its own account: a hint.
    pub(crate) processor: Option<u32>,
}

impl From<PeerCredentials> for Counterpart {
    /// One whose identity nobody asks to use.
    fn from(who: PeerCredentials) -> Counterpart {
        let (qos, processor) = (SecurityQos::default(), None);
        Counterpart { who, qos, processor }
    }
}

/// One connection, one side of it.
#[derive(Debug)]
pub(crate) struct Link {
    segment: Segment,
    layout: Layout,
    side: Side,
    socket: Arc<ProcessFd>,
    peer: Counterpart,
    /// Whether the peer could end us anyway: it is of our user, or the superuser's.
    peer_is_trusted: bool,
    /// The peer's standing as decided: 0 open, else 1 plus [`PeerState`]'s place.
    decided: AtomicU32,
    /// Changes when something happens that the peer's words do not tell: its death, a cancellation.
    alarm: AtomicU32,
    /// Threads of this process that sleep, or are about to: the count that the peer cannot write.
    asleep: AtomicU32,
    /// How long a wait spins before it sleeps.
    spin: SpinBudget,
    /// How many waits are to come that do not give way to a peer on the same processor.
    stubborn_waits: AtomicU32,
    token: AtomicU64,
    /// The segment's, kept if another process may be passed this end.
    descriptor: Option<ProcessFd>,
    /// What this end is once it was passed on.
    object: OnceLock<Arc<Object>>,
    /// Whether a thread of ours is sure to come back to what it has started.
    pledge: Pledge,
    /// Whether a ring is worth answering early.
    answers: Answers,
    /// Whether the background thread listens for the peer's bell.
    heeds_bell: AtomicBool,
    /// Whether somebody else hears it, in the background thread's place.
    heard_elsewhere: AtomicBool,
    /// The process that it belongs to, of those forked from each other.
    generation: u32,
}

impl Drop for Link {
    /// Others may have the socket open still, and then epoll goes on to tell of it.
    fn drop(&mut self) {
        if self.generation == forks::generation() {
            background::unwatch(self);
        }
    }
}

const DECIDED_CLOSED: u32 = 1;
const DECIDED_DISCONNECTED: u32 = 2;

/// What an end and its peer have written and read, in live bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) queued: u64,
    pub(crate) taken_by_peer: u64,
    pub(crate) queued_by_peer: u64,
    pub(crate) taken: u64,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That the peer writes.
    Data,
    /// That the peer reads.
    Room,
    /// Either.
    Both,
}

impl Wish {
    /// This and that.
    pub(crate) fn and(self, other: Wish) -> Wish {
        if self == other { self } else { Wish::Both }
    }

    fn cause(self) -> Cause {
        match self {
            Wish::Data => Cause::DATA,
            Wish::Room => Cause::ROOM,
            Wish::Both => Cause::ANY,
        }
    }
}

/// What a waiting thread watches without a lock; any difference is worth a look. It leaves out the words that its wish
/// does not depend on, so that they can change without a stir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) tail: u64,
    read: [u64; 3],
    standing: PeerState,
    alarm: u32,
}

impl Link {
    pub(crate) fn new(
        segment: Segment,
        layout: Layout,
        side: Side,
        socket: Arc<ProcessFd>,
        peer: Counterpart,
        max_spin: Duration,
        descriptor: Option<ProcessFd>,
    ) -> Arc<Link> {
        let link = Link {
            segment,
            layout,
            side,
            socket,
            peer_is_trusted: peer.who.uid == identity::own_uid() || peer.who.uid == 0,
            peer,
            decided: AtomicU32::new(0),
            alarm: AtomicU32::new(0),
            asleep: AtomicU32::new(0),
            spin: SpinBudget::new(max_spin),
            stubborn_waits: AtomicU32::new(0),
            token: AtomicU64::new(0),
            descriptor,
            object: OnceLock::new(),
            pledge: Pledge::default(),
            answers: Answers::default(),
            heeds_bell: AtomicBool::new(false),
            heard_elsewhere: AtomicBool::new(false),
            generation: forks::generation(),
        };
        link.publish_processor();
        Arc::new(link)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn peer(&self) -> &PeerCredentials {
        &self.peer.who
    }

    /// What the peer lets this end do with its identity.
    pub(crate) fn qos(&self) -> SecurityQos {
        self.peer.qos
    }

    /// The number under which the background thread watches the socket.
    pub(crate) fn token(&self) -> &AtomicU64 {
        &self.token
    }

    /// The descriptor of the segment, if it was kept.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor.as_ref().map(ProcessFd::as_fd)
    }

    /// What other processes that hold this end go by, if there may be some.
    #[inline]
    pub(crate) fn object(&self) -> Option<&Arc<Object>> {
        self.object.get()
    }

    /// A call could not be ended, since another process that holds this end has stopped in its turn: it is ended in our next.
    pub(crate) fn give_up(&self, half: Half, id: CallId) {
        if let Some(object) = self.object() {
            object.give_up(half, id);
        }
    }

    /// From now on other processes may hold this end. Once.
    pub(crate) fn set_object(&self, object: Arc<Object>) {
        let _ = self.object.set(object);
    }

    /// So many sleepers were threads of a process that is gone.
    pub(crate) fn forget_sleepers(&self, sleepers: u32) {
        if sleepers > 0 {
            let words = &self.own_words().attention.0;
            words.sleepers.fetch_sub(sleepers, Ordering::SeqCst);
        }
    }

    /// Whether the background thread listens for the peer's bell: since the first operation that had to wait.
    pub(crate) fn heeds_bell(&self) -> &AtomicBool {
        &self.heeds_bell
    }

    /// Whether a surface with a runtime of its own hears the peer's bell: see [`crate::overlapped::engine::Bell`].
    pub(crate) fn heard_elsewhere(&self) -> &AtomicBool {
        &self.heard_elsewhere
    }

    fn own_words(&self) -> &EndWords {
        self.control().end(self.side)
    }

    fn peer_words(&self) -> &EndWords {
        self.control().end(self.side.peer())
    }

    /// The peer's standing.
    #[inline]
    pub(crate) fn standing_of_peer(&self) -> PeerState {
        match self.decided.load(Ordering::Acquire) {
            DECIDED_CLOSED => PeerState::Closed,
            DECIDED_DISCONNECTED => PeerState::Disconnected,
            _ => match self.peer_words().attention.0.standing() {
                PeerState::Open => PeerState::Open,
                claimed => self.decide(claimed),
            },
        }
    }

    /// Holds the peer to the first thing that is known of its end.
    fn decide(&self, standing: PeerState) -> PeerState {
        let code = match standing {
            PeerState::Open => return PeerState::Open,
            PeerState::Closed => DECIDED_CLOSED,
            // Only a server end disconnects; from a client it is a way to hang up.
            PeerState::Disconnected if self.side == Side::Client => DECIDED_DISCONNECTED,
            PeerState::Disconnected => DECIDED_CLOSED,
        };
        match self
            .decided
            .compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) if code == DECIDED_DISCONNECTED => PeerState::Disconnected,
            Err(DECIDED_DISCONNECTED) => PeerState::Disconnected,
            _ => PeerState::Closed,
        }
    }

    /// The socket has hung up: whatever the peer said last stands, and if it said nothing it has died.
    pub(crate) fn peer_hung_up(&self) {
        if self.standing_of_peer() == PeerState::Open {
            self.decide(PeerState::Closed);
        }
        self.sound_alarm();
    }

    /// The peer broke the protocol: this connection is over, and nothing else.
    pub(crate) fn peer_misbehaved(&self) {
        self.leave(Standing::Closed);
        self.decide(PeerState::Closed);
        self.sound_alarm();
    }

    /// Tells the peer how this end leaves, and hangs up.
    pub(crate) fn leave(&self, standing: Standing) {
        self.own_words().attention.0.set_standing(standing);
        // Its delegate hears of it from the socket.
        if doorbell::ring(self.peer_words(), Cause::ANY).sleepers {
            futex::wake_all(&self.peer_words().bell.0);
        }
        socket::shutdown(self.socket());
    }

    /// Makes every thread of this end that waits look again.
    pub(crate) fn sound_alarm(&self) {
        self.alarm.fetch_add(1, Ordering::SeqCst);
        if self.ring_own() {
            futex::wake_private(&self.alarm);
        }
    }

    /// Changes the bell of this end, and wakes those who sleep, if anybody does, here or in another process that holds it. Who
    /// is not counted yet finds the bell changed, and does not sleep.
    fn ring_own(&self) -> bool {
        doorbell::ring_always(self.own_words());
        let sleeps = self.asleep.load(Ordering::SeqCst) > 0 || self.object().is_some();
        if sleeps {
            futex::wake_all(&self.own_words().bell.0);
        }
        sleeps
    }

    /// Wakes the other threads of this end, whose turn it may be now.
    pub(crate) fn wake_own(&self) {
        self.ring_own();
        if let Some(object) = self.object() {
            // Operations of other holders, which sleep on nothing.
            object.stir();
        }
    }

    /// How far this end has come: while that stands still, there is nothing to wake the peer for.
    #[inline]
    pub(crate) fn progress(&self) -> [u64; 4] {
        let own = self.own_words();
        let (reader, writer) = (&own.reader.0, &own.writer.0);
        [&writer.tail, &reader.head, &reader.taken, &reader.empties].map(|word| word.load(Ordering::Relaxed))
    }

    /// Live bytes that this end has queued and taken, and that the peer has, by its own account.
    pub(crate) fn counts(&self) -> Counts {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        // What was taken first: what is unread cannot seem to be less than nothing.
        let (taken_by_peer, taken) = (
            load(&self.peer_words().reader.0.taken),
            load(&self.own_words().reader.0.taken),
        );
        Counts {
            queued: load(&self.own_words().writer.0.queued),
            taken_by_peer,
            queued_by_peer: load(&self.peer_words().writer.0.queued),
            taken,
        }
    }

    /// Wakes the peer after a change, if it sleeps. Without a change it must not be called again and again: two ends that
    /// wait would keep each other awake. Says whom it has woken.
    #[inline]
    pub(crate) fn ring(&self, cause: Cause) -> Rung {
        let rung = doorbell::ring(self.peer_words(), cause);
        if rung.sleepers {
            futex::wake_all(&self.peer_words().bell.0);
        }
        if rung.delegate {
            self.ring_delegate();
        }
        rung
    }

    #[inline]
    pub(crate) fn glance(&self, wish: Wish) -> Glance {
        let tail = || self.peer_words().writer.0.tail.load(Ordering::Acquire);
        self.glance_from(wish, if wish == Wish::Room { 0 } else { tail() })
    }

    /// The glance of somebody who has looked at the lane already and seen `tail`.
    #[inline]
    pub(crate) fn glance_from(&self, wish: Wish, tail: u64) -> Glance {
        let reader = &self.peer_words().reader.0;
        Glance {
            tail,
            read: match wish {
                Wish::Data => [0; 3],
                _ => [&reader.head, &reader.taken, &reader.empties].map(|word| word.load(Ordering::Acquire)),
            },
            standing: self.standing_of_peer(),
            alarm: self.alarm.load(Ordering::Acquire),
        }
    }

    /// Whether a thread may sleep on a word alone that the peer can write: it could move the sleeper elsewhere.
    pub(crate) fn trusts_peer(&self) -> bool {
        self.peer_is_trusted
    }

    /// Counts the calling thread among the sleepers. It looks once more before it sleeps on the bell, and not on the bell
    /// alone.
    pub(crate) fn announce(&self, wish: Wish) -> Asleep<'_> {
        let sleeper = Sleeper::announce(self.own_words(), wish.cause());
        self.asleep.fetch_add(1, Ordering::SeqCst);
        Asleep {
            asleep: &self.asleep,
            ours: self.object().map(|object| object.count_sleeper(wish.cause())),
            sleeper,
            bell: &self.own_words().bell.0,
        }
    }

    /// Sleeps until the peer rings or the alarm sounds. `ready` is asked once more before, and ends the wait if it says so.
    pub(crate) fn sleep(&self, wish: Wish, deadline: Option<Instant>, ready: impl FnOnce() -> bool) {
        let alarm = self.alarm.load(Ordering::Acquire);
        let asleep = self.announce(wish);
        if ready() {
            return;
        }
        let (bell, rung) = (asleep.bell, asleep.rung());
        // Never on a word alone that another user's process can write: it could move the sleeper elsewhere.
        if self.peer_is_trusted {
            futex::wait(bell, rung, deadline);
        } else {
            futex::wait_either((bell, rung), (&self.alarm, alarm), deadline);
        }
        self.publish_processor();
    }
}

/// A thread that is about to sleep. Taken from the holder's count first, and from the end's behind it.
pub(crate) struct Asleep<'a> {
    asleep: &'a AtomicU32,
    #[allow(dead_code, reason = "counts until it is dropped")]
    ours: Option<Counted<'a>>,
    sleeper: Sleeper<'a>,
    pub(crate) bell: &'a AtomicU32,
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Asleep<'_> {
    /// The value of the bell for which to sleep.
    pub(crate) fn rung(&self) -> u32 {
        self.sleeper.bell()
    }
}
