//! One connection as one end sees it: the segment, the socket that is the sign of life, and what only this process knows.
//!
//! What decides lies here, in private memory: once the peer is known to be closed it stays so, whatever its words say.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use npipe_core::wire::PeerState;
use npipe_core::{CallId, SecurityQos};
use npipe_shm::control::{Control, EndWords, Standing};
use npipe_shm::doorbell::{self, Cause, Sleeper};
use npipe_shm::layout::{Layout, SMALL_BYTES, Side};
use npipe_shm::memory::Memory;
use npipe_shm::object::Half;

use crate::background;
use crate::object::{Counted, Object};
use crate::sys::forks::{self, ProcessFd};
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::segment::Segment;
use crate::sys::{cpu, futex, socket};

/// Who is at the other end, and what it lets this one do with its identity.
#[derive(Clone, Debug)]
pub(crate) struct Counterpart {
    pub(crate) who: PeerCredentials,
    pub(crate) qos: SecurityQos,
}

impl From<PeerCredentials> for Counterpart {
    /// One whose identity nobody asks to use.
    fn from(who: PeerCredentials) -> Counterpart {
        let qos = SecurityQos::default();
        Counterpart { who, qos }
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
    /// How long a wait spins before it sleeps, in nanoseconds; adapts between the limits.
    spin_ns: AtomicU64,
    max_spin_ns: u64,
    token: AtomicU64,
    /// The segment's, kept if another process may be passed this end.
    descriptor: Option<ProcessFd>,
    /// What this end is once it was passed on.
    object: OnceLock<Arc<Object>>,
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

/// Waits shorter than this are not worth a look at the clock, and no spin shrinks below it.
const MIN_SPIN_NS: u64 = 1_000;

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
        let max_spin_ns = max_spin.as_nanos().min(u64::MAX.into()) as u64;
        let link = Link {
            segment,
            layout,
            side,
            socket,
            peer_is_trusted: peer.who.uid == identity::own_uid() || peer.who.uid == 0,
            peer,
            decided: AtomicU32::new(0),
            alarm: AtomicU32::new(0),
            spin_ns: AtomicU64::new(max_spin_ns),
            max_spin_ns,
            token: AtomicU64::new(0),
            descriptor,
            object: OnceLock::new(),
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
        doorbell::ring_always(self.peer_words());
        futex::wake_all(&self.peer_words().bell.0);
        socket::shutdown(self.socket());
    }

    /// Makes every thread of this end that waits look again.
    pub(crate) fn sound_alarm(&self) {
        self.alarm.fetch_add(1, Ordering::SeqCst);
        doorbell::ring_always(self.own_words());
        futex::wake_all(&self.own_words().bell.0);
        futex::wake_private(&self.alarm);
    }

    /// Wakes the other threads of this end, whose turn it may be now.
    pub(crate) fn wake_own(&self) {
        doorbell::ring_always(self.own_words());
        futex::wake_all(&self.own_words().bell.0);
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
    /// wait would keep each other awake.
    #[inline]
    pub(crate) fn ring(&self, cause: Cause) {
        let rung = doorbell::ring(self.peer_words(), cause);
        if rung.sleepers {
            futex::wake_all(&self.peer_words().bell.0);
        }
        if rung.delegate {
            self.ring_delegate();
        }
    }

    /// The peer's background thread gets a byte. If there is no room for it, it has one that it has not read.
    #[cold]
    fn ring_delegate(&self) {
        let _ = socket::send(self.socket(), &[0], None);
    }

    /// Takes the bytes with which the peer has rung. Whatever else a peer sends here means no more than that. `false`: the
    /// socket has hung up.
    pub(crate) fn hear_bell(&self) -> bool {
        matches!(socket::recv(self.socket(), &mut [0; 512]), Ok(None | Some(1..)))
    }

    /// Has the peer ring the background thread, once, when there is something to do for what `wish` says. The caller
    /// looks once more before it relies on it.
    pub(crate) fn call_delegate(&self, wish: Wish) {
        doorbell::call_delegate(self.own_words(), wish.cause());
    }

    /// Ends [`Link::call_delegate`]: a thread of ours looks after what `wish` says.
    pub(crate) fn dismiss_delegate(&self, wish: Wish) {
        if self.object().is_none() {
            // Else it may have been called by another holder.
            doorbell::dismiss_delegate(self.own_words(), wish.cause());
        }
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

    /// Spins until something differs from `seen`, for as long as it has paid off lately. `false`: it has not.
    pub(crate) fn spin(&self, wish: Wish, seen: Glance, deadline: Option<Instant>) -> bool {
        let budget_ns = self.spin_ns.load(Ordering::Relaxed);
        if budget_ns == 0 || self.shares_processor() {
            return false;
        }
        /// A prompt answer comes before the first look at the clock.
        const LOOKS: u32 = 64;
        let mut start = None;
        loop {
            for _ in 0..LOOKS {
                if self.glance(wish) != seen {
                    self.spun_well(budget_ns);
                    return true;
                }
                std::hint::spin_loop();
            }
            let now = Instant::now();
            let spent = now.duration_since(*start.get_or_insert(now));
            if spent.as_nanos() as u64 >= budget_ns || deadline.is_some_and(|end| end <= now) {
                return false;
            }
        }
    }

    /// Spins for data with the lock of the reading half held, which spares a prompt peer's answer the way to that lock.
    /// Shorter than anybody who wants the lock would notice.
    #[inline]
    pub(crate) fn spin_held(&self, seen: Glance) -> bool {
        const LOOKS: u32 = 64;
        let budget_ns = self.spin_ns.load(Ordering::Relaxed);
        if budget_ns == 0 || self.shares_processor() {
            return false;
        }
        for _ in 0..LOOKS {
            if self.glance(Wish::Data) != seen {
                self.spun_well(budget_ns);
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// How long a wait may spin now, in nanoseconds; `None`: not at all.
    pub(crate) fn spin_budget(&self) -> Option<u64> {
        let budget_ns = self.spin_ns.load(Ordering::Relaxed);
        (budget_ns > 0 && !self.shares_processor()).then_some(budget_ns)
    }

    /// Counts the calling thread among the sleepers. It looks once more before it sleeps on the bell, and not on the bell
    /// alone.
    pub(crate) fn announce(&self, wish: Wish) -> Asleep<'_> {
        let sleeper = Sleeper::announce(self.own_words(), wish.cause());
        Asleep {
            ours: self.object().map(|object| object.count_sleeper(wish.cause())),
            sleeper,
            bell: &self.own_words().bell.0,
        }
    }

    /// A spin was worth it: the next one may be longer.
    pub(crate) fn spun_well(&self, budget_ns: u64) {
        if budget_ns < self.max_spin_ns {
            self.spin_ns
                .store((budget_ns * 2).min(self.max_spin_ns), Ordering::Relaxed);
        }
    }

    /// Publishes where we run and tells whether the peer was last seen on the same processor: then it can only go on when
    /// we sleep.
    pub(crate) fn shares_processor(&self) -> bool {
        let here = self.publish_processor();
        self.peer_words().attention.0.processor.load(Ordering::Relaxed) == here
    }

    /// Publishes where we run, for the peer, who does not spin on the same processor: one more than its number.
    pub(crate) fn publish_processor(&self) -> u32 {
        let here = cpu::current().wrapping_add(1);
        let own = &self.own_words().attention.0.processor;
        if own.load(Ordering::Relaxed) != here {
            own.store(here, Ordering::Relaxed);
        }
        here
    }

    /// Learns from a sleep after `waited` in all: had a longer spin met what it waited for?
    pub(crate) fn slept(&self, waited: Duration) {
        if self.max_spin_ns == 0 {
            return;
        }
        let now = self.spin_ns.load(Ordering::Relaxed);
        let worth = waited.as_nanos() as u64 <= self.max_spin_ns;
        let next = if worth { now * 2 } else { now / 2 };
        let least = MIN_SPIN_NS.min(self.max_spin_ns);
        self.spin_ns
            .store(next.clamp(least, self.max_spin_ns), Ordering::Relaxed);
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
        self.shares_processor();
    }
}

/// A thread that is about to sleep. Taken from the holder's count first, and from the end's behind it.
pub(crate) struct Asleep<'a> {
    #[allow(dead_code, reason = "counts until it is dropped")]
    ours: Option<Counted<'a>>,
    sleeper: Sleeper<'a>,
    pub(crate) bell: &'a AtomicU32,
}

impl Asleep<'_> {
    /// The value of the bell for which to sleep.
    pub(crate) fn rung(&self) -> u32 {
        self.sleeper.bell()
    }
}

impl Memory for Link {
    #[inline]
    fn layout(&self) -> &Layout {
        &self.layout
    }

    #[inline]
    fn control(&self) -> &Control {
        self.segment.initial().head()
    }

    #[inline]
    fn standing(&self, _side: Side) -> PeerState {
        self.standing_of_peer()
    }

    fn map_large(&self) -> bool {
        self.segment.full().is_ok()
    }

    #[inline]
    fn word(&self, writer: Side, offset: u64) -> &AtomicU64 {
        match offset < SMALL_BYTES {
            true => self
                .segment
                .initial()
                .atomic_u64((Layout::small_at(writer) + offset) as usize),
            false => self.large().atomic_u64(self.large_offset(writer, offset)),
        }
    }

    fn discard(&self, writer: Side, offsets: std::ops::Range<u64>) {
        let (from, to) = (offsets.start, offsets.end);
        let at = Layout::small_at(writer);
        let small = at + from.min(SMALL_BYTES)..at + to.min(SMALL_BYTES);
        // A hint: pages that are kept cost memory and nothing else.
        let _ = self.segment.initial().discard(small.start as usize..small.end as usize);
        if let Some(map) = self.segment.full_if_mapped()
            && to > SMALL_BYTES
        {
            let _ = map.discard(self.large_offset(writer, from.max(SMALL_BYTES))..self.large_offset(writer, to));
        }
    }

    #[inline]
    fn copy_in(&self, writer: Side, offset: u64, from: &[u8]) {
        match offset < SMALL_BYTES {
            true => self
                .segment
                .initial()
                .copy_in((Layout::small_at(writer) + offset) as usize, from),
            false => self.large().copy_in(self.large_offset(writer, offset), from),
        }
    }

    #[inline]
    fn copy_out(&self, writer: Side, offset: u64, into: &mut [u8]) {
        match offset < SMALL_BYTES {
            true => self
                .segment
                .initial()
                .copy_out((Layout::small_at(writer) + offset) as usize, into),
            false => self.large().copy_out(self.large_offset(writer, offset), into),
        }
    }
}

impl Link {
    fn large_offset(&self, writer: Side, offset: u64) -> usize {
        (self.layout.large_at(writer) + offset - SMALL_BYTES) as usize
    }

    fn large(&self) -> &crate::sys::segment::Map {
        match self.segment.full_if_mapped() {
            Some(map) => map,
            // The ring maps the large areas before it goes there.
            None => unreachable!("the large area is used before it is mapped"),
        }
    }
}
