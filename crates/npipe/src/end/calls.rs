//! The calls of an end that no thread is inside of: operations that are pending, and their completion.
//!
//! Whoever has reason to believe that an operation can go on *pumps* its end: a thread that waits for it, the background
//! thread when the peer rings, a thread whose own call came before it in the core's queue. The first of each direction is
//! asked until one goes on waiting. Results are handed over under the lock of the queue, so that they come in the order of
//! completion (semantics 236, 252) and that whoever looks afterwards finds them; threads are woken when it is free again.
//!
//! An operation is looked after by the *delegate*, the background thread, unless a thread that waits has taken that over:
//! see [`crate::overlapped::wait_until`].
//!
//! The lock of the queue comes before that of the reading half, and after the host's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::Poll;

use npipe_core::{CallId, ReadOutcome, Status};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::Half;

use super::link::{Glance, Link, Wish};
use super::{End, locked};
use crate::background;
use crate::overlapped::{Association, Attendant, Buffer, Completion, OperationId, Order};

/// The operations of an end.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// How many are pending or about to be told of; spares the lock of an end that has none.
    count: AtomicUsize,
    queue: Mutex<Queue>,
    /// The completion port that the end is associated with.
    pub(crate) port: OnceLock<Association>,
    pub(crate) skips_port: AtomicBool,
    /// Who looks after the end besides.
    pub(crate) attendant: OnceLock<Weak<dyn Attendant>>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) connects: Vec<Entry>,
    pub(super) reads: VecDeque<Entry>,
    pub(super) writes: VecDeque<Entry>,
    /// What is completed, and whose sinks and signals have to be notified of it.
    completed: Vec<Order>,
    /// What there was to see before the last look at what is pending; the same glance promises nothing new.
    seen: Option<Glance>,
}

/// An operation that is pending.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: OperationId,
    /// None of a connect.
    pub(super) call: Option<CallId>,
    pub(super) link: Option<Arc<Link>>,
    /// The request of a transaction, until all of it is in the pipe.
    pub(super) request: Option<(CallId, Buffer)>,
    pub(super) buffer: Buffer,
    pub(super) order: Order,
}

impl Entry {
    /// Its call cannot be ended now, for that reason, and is ended in our next turn.
    pub(super) fn give_up<T>(&self, half: Half, call: CallId, status: Status) -> Result<T, Status> {
        if let Some(link) = &self.link {
            link.give_up(half, call);
        }
        Err(status)
    }
}

impl Queue {
    /// A half cannot be entered. If what others have left of it cannot be understood, what waits for it ends; else it goes on
    /// waiting, for one who has stopped in its turn, or for memory.
    fn end_if_spoilt(&mut self, half: Half, status: Status) {
        if !matches!(status, Status::InvalidHandle | Status::PeerMisbehaved) {
            return;
        }
        let spoilt = match half {
            Half::Reading => std::mem::take(&mut self.reads),
            Half::Writing => std::mem::take(&mut self.writes),
        };
        for entry in spoilt {
            let calls = [
                entry.call.map(|call| (half, call)),
                entry.request.as_ref().map(|request| (Half::Writing, request.0)),
            ];
            for (half, call) in calls.into_iter().flatten() {
                if let Some(link) = &entry.link {
                    link.give_up(half, call);
                }
            }
            self.complete(entry, Err(status));
        }
    }

    pub(super) fn complete(&mut self, entry: Entry, result: Result<ReadOutcome, Status>) {
        if let Some(link) = &entry.link {
            entry.order.signal.settle(link);
        }
        entry.order.sink.complete(Completion {
            id: entry.id,
            result,
            buffer: entry.buffer,
        });
        self.completed.push(entry.order);
    }

    /// What the operations that are pending wait for; `None` if they do not wait for the peer.
    pub(super) fn wish(&self) -> Option<Wish> {
        let room = !self.writes.is_empty() || self.reads.iter().any(|entry| entry.request.is_some());
        match (!self.reads.is_empty(), room) {
            (true, true) => Some(Wish::Both),
            (true, false) => Some(Wish::Data),
            (false, true) => Some(Wish::Room),
            (false, false) => None,
        }
    }
}

impl Calls {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        locked(&self.queue)
    }

    fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Counts an operation, and has its signal know of it.
    pub(super) fn enter(&self, end: &Arc<End>, entry: &Entry) {
        self.count.fetch_add(1, Ordering::AcqRel);
        if let Some(link) = &entry.link {
            entry.order.signal.expect(end, link);
        }
    }

    /// Tells of what is completed, without the lock: that may run code of others.
    pub(super) fn tell_of<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) {
        if queue.completed.is_empty() {
            return;
        }
        let completed = std::mem::take(&mut queue.completed);
        drop(queue);
        self.count.fetch_sub(completed.len(), Ordering::AcqRel);
        for order in completed {
            order.sink.notify();
            order.signal.notify();
        }
    }
}

impl End {
    /// Completes what can be completed.
    pub(crate) fn pump(&self) {
        if self.calls.is_idle() || self.require_own().is_err() {
            return;
        }
        let mut queue = self.calls.lock();
        self.go_on(&mut queue);
        self.calls.tell_of(queue);
    }

    /// Completes what can be completed and leaves the rest to the delegate.
    pub(crate) fn entrust(&self) {
        if let Some(attendant) = self.calls.attendant.get().and_then(Weak::upgrade) {
            attendant.rung();
        }
        // Pairs with the fence of the call for the delegate: either an operation that begins now is seen here, or its last
        // look sees what this is about.
        fence(Ordering::SeqCst);
        if self.calls.is_idle() || self.require_own().is_err() {
            return;
        }
        let mut queue = self.calls.lock();
        self.delegate(&mut queue);
        self.calls.tell_of(queue);
    }

    /// Has the peer ring the delegate for what is pending, after one more look at it.
    pub(super) fn delegate(&self, queue: &mut Queue) {
        self.go_on(queue);
        if let (Some(wish), Some(link)) = (queue.wish(), self.link()) {
            background::heed(&link);
            link.call_delegate(wish);
            // Empty messages that found no room wait for nobody, so somebody has to think of them.
            self.place_empties();
            queue.seen = Some(link.glance(wish));
            self.go_on(queue);
        }
    }

    /// Completes what can be completed, if there is anything to see that was not there at the last look. For a thread
    /// that waits: what the operations that are pending wait for, and what there was to see.
    pub(crate) fn attend(&self, link: &Link) -> Option<(Wish, Glance)> {
        self.require_own().ok()?;
        let mut queue = self.calls.lock();
        let wish = queue.wish()?;
        let glance = link.glance(wish);
        // A write may also go on because a read waits on the other side, which a glance does not show.
        if wish != Wish::Data || queue.seen != Some(glance) {
            queue.seen = Some(glance);
            self.go_on(&mut queue);
            self.calls.tell_of(queue);
        }
        Some((wish, glance))
    }

    /// A thread that waits relieves the delegate. What happens from here on is seen by its next look.
    pub(crate) fn take_over(&self, link: &Link, wish: Wish) {
        link.dismiss_delegate(wish);
        if self.require_own().is_ok() {
            self.place_empties();
        }
    }

    pub(crate) fn place_empties(&self) {
        if let Ok(mut writing) = self.writing() {
            writing.place_empties();
        }
    }

    /// A thread that waited hands what it has attended to back to the delegate; it has seen `glance`.
    pub(crate) fn hand_back(&self, link: &Link, wish: Wish, seen: Glance) {
        if self.calls.is_idle() || self.require_own().is_err() {
            return;
        }
        link.call_delegate(wish);
        if wish != Wish::Data || link.glance(wish) != seen {
            self.attend(link);
        }
    }

    pub(super) fn go_on(&self, queue: &mut Queue) {
        if queue.reads.iter().any(|entry| entry.request.is_some()) {
            self.send_requests(queue);
        }
        if !queue.reads.is_empty() {
            self.move_reads(queue);
        }
        if !queue.writes.is_empty() {
            self.move_writes(queue);
        }
    }

    /// Places more of requests that found no room.
    fn send_requests(&self, queue: &mut Queue) {
        let Ok(mut writing) = self.writing() else { return };
        let link = writing.lane().map(|lane| lane.memory().clone());
        let before = link.as_ref().map(|link| link.progress());
        for entry in &mut queue.reads {
            if let Some((call, request)) = &entry.request
                && writing.poll(*call, request.bytes()).is_ready()
            {
                entry.request = None;
            }
        }
        drop(writing);
        if let Some(link) = link
            && before != Some(link.progress())
        {
            link.ring(Cause::DATA);
        }
    }

    fn move_reads(&self, queue: &mut Queue) {
        let mut reading = match self.reading() {
            Ok(reading) => reading,
            Err(status) => return queue.end_if_spoilt(Half::Reading, status),
        };
        let link = reading.lane().map(|lane| lane.memory().clone());
        let before = link.as_ref().map(|link| link.progress());
        let mut served = Vec::new();
        while let Some(mut entry) = queue.reads.pop_front() {
            let polled = match entry.call {
                Some(call) => reading.poll(call, entry.buffer.bytes_mut()),
                None => Poll::Ready(Err(Status::InvalidParameter)),
            };
            match polled {
                Poll::Ready(result) => served.push((entry, result)),
                Poll::Pending => {
                    queue.reads.push_front(entry);
                    break;
                }
            }
        }
        let others = !served.is_empty() && !reading.is_idle();
        drop(reading);
        let misbehaved = served.iter().any(|(_, result)| *result == Err(Status::PeerMisbehaved));
        for (mut entry, result) in served {
            self.withdraw_request(&mut entry);
            queue.complete(entry, result);
        }
        self.tell(link.as_deref(), before, Cause::ROOM, others, misbehaved);
    }

    /// Part of it was never placed; a request that lies in the pipe stays there (semantics 158).
    pub(super) fn withdraw_request(&self, entry: &mut Entry) {
        let Some((call, _)) = entry.request.take() else { return };
        match (self.writing(), &entry.link) {
            (Ok(mut writing), _) => drop(writing.cancel(call, Status::Cancelled)),
            (Err(_), Some(link)) => link.give_up(Half::Writing, call),
            (Err(_), None) => {}
        }
    }

    fn move_writes(&self, queue: &mut Queue) {
        // Only what the peer can see is fed to its waiting reads; so much is placed in a round, and less each time.
        const ROUNDS: usize = 64;
        for _ in 0..ROUNDS {
            if !self.move_writes_once(queue) {
                return;
            }
        }
    }

    /// Whether another look may bring more: others hold the end too, and some of what waits was placed.
    fn move_writes_once(&self, queue: &mut Queue) -> bool {
        let mut writing = match self.writing() {
            Ok(writing) => writing,
            Err(status) => {
                queue.end_if_spoilt(Half::Writing, status);
                return false;
            }
        };
        let is_shared = writing.object().is_some();
        let link = writing.lane().map(|lane| lane.memory().clone());
        let before = link.as_ref().map(|link| link.progress());
        let first = queue.writes.len();
        while let Some(entry) = queue.writes.pop_front() {
            let polled = match entry.call {
                Some(call) => writing.poll(call, entry.buffer.bytes()),
                None => Poll::Ready(Err(Status::InvalidParameter)),
            };
            match polled {
                Poll::Ready(result) => queue.complete(entry, result.map(written)),
                Poll::Pending => {
                    queue.writes.push_front(entry);
                    break;
                }
            }
        }
        let others = queue.writes.len() < first && !writing.is_idle();
        writing.commit();
        let tail = |progress: [u64; 4]| progress[0];
        let has_placed = link.as_ref().map(|link| tail(link.progress())) != before.map(tail);
        drop(writing);
        self.tell(link.as_deref(), before, Cause::DATA, others, false);
        is_shared && has_placed && !queue.writes.is_empty()
    }

    /// Tells the peer and the other threads of this end what they may be waiting for, after a look at one half.
    fn tell(&self, link: Option<&Link>, before: Option<[u64; 4]>, cause: Cause, others: bool, misbehaved: bool) {
        let Some(link) = link else { return };
        if misbehaved {
            link.peer_misbehaved();
        }
        if before != Some(link.progress()) {
            link.ring(cause);
        }
        if others {
            link.wake_own();
        }
    }

    /// Completes the connects that wait; the caller has the host's lock and sees to it that somebody pumps.
    pub(crate) fn finish_connects(&self, result: Result<(), Status>) -> usize {
        if self.calls.is_idle() {
            return 0;
        }
        let mut queue = self.calls.lock();
        let connects = std::mem::take(&mut queue.connects);
        let count = connects.len();
        for entry in connects {
            queue.complete(entry, result.map(|()| ReadOutcome::default()));
        }
        count
    }
}

/// What a write brought.
pub(super) fn written(bytes: usize) -> ReadOutcome {
    ReadOutcome { bytes, more: false }
}
