//! The tasks that wait on one end, and what wakes them.
//!
//! One waker stands for all of them wherever the end is watched: with the runtime, which sees the connection's socket, and
//! with npipe's background thread. Whatever happens wakes every task, each of which tries again; so it does not matter which
//! of them is dropped meanwhile.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Wake, Waker};

use npipe::overlapped::engine::{self, Attendant, Wish};

use super::inner::{self, Inner};
use super::scanner::Listing;

/// A panic of a waker's leaves the lists as they are, which is fine.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one task at a time that polls for reading, and the one for writing: what `poll_read` and `poll_write` keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Read,
    Write,
}

/// The tasks that wait on one end.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    waiting: Mutex<Waiting>,
    /// Whether a scanner looks after the end. Comes before the lock of the end's reading half.
    listing: Mutex<Listing>,
    /// How often they were woken.
    wakes: AtomicU64,
    /// Operations of the engine that are pending.
    operations: AtomicUsize,
    /// Transactions among them.
    transactions: AtomicUsize,
    /// The end, whose operations go on when something happens.
    end: OnceLock<Weak<Inner>>,
}

#[derive(Debug, Default)]
struct Waiting {
    slots: [Option<Waker>; 2],
    /// Futures that wait for readiness, by number.
    others: Vec<(u64, Waker)>,
    last: u64,
}

impl Tasks {
    pub(crate) fn belong_to(&self, end: Weak<Inner>) {
        let _ = self.end.set(end);
    }

    /// Changes with each wake-up.
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Acquire)
    }

    /// Keeps the waker of a task in its slot, instead of that of another task that was there.
    pub(crate) fn keep(&self, slot: Slot, waker: &Waker) {
        let mut waiting = locked(&self.waiting);
        let place = &mut waiting.slots[slot as usize];
        let before = match place {
            Some(kept) if kept.will_wake(waker) => None,
            _ => place.replace(waker.clone()),
        };
        // A waker may do anything when it is dropped.
        drop(waiting);
        drop(before);
    }

    /// Keeps the waker of a future that has a number, or gives it one.
    pub(crate) fn keep_other(&self, number: &mut Option<u64>, waker: &Waker) {
        let mut waiting = locked(&self.waiting);
        let number = *number.get_or_insert_with(|| {
            waiting.last += 1;
            waiting.last
        });
        let before = match waiting.others.iter_mut().find(|(other, _)| *other == number) {
            Some((_, kept)) => Some(std::mem::replace(kept, waker.clone())),
            None => {
                waiting.others.push((number, waker.clone()));
                None
            }
        };
        drop(waiting);
        drop(before);
    }

    /// A future with a number is dropped.
    pub(crate) fn forget_other(&self, number: u64) {
        let mut waiting = locked(&self.waiting);
        let found = waiting.others.iter().position(|(other, _)| *other == number);
        let before = found.map(|index| waiting.others.swap_remove(index));
        drop(waiting);
        drop(before);
    }

    /// Wakes every task.
    pub(crate) fn wake_all(&self) {
        self.wakes.fetch_add(1, Ordering::AcqRel);
        let mut waiting = locked(&self.waiting);
        let slots = std::mem::take(&mut waiting.slots);
        let others = std::mem::take(&mut waiting.others);
        drop(waiting);
        for waker in slots.into_iter().flatten() {
            waker.wake();
        }
        for (_, waker) in others {
            waker.wake();
        }
    }

    /// An operation begins, of which the end has to be reminded when something happens.
    pub(crate) fn begin(&self, is_transaction: bool) {
        self.operations.fetch_add(1, Ordering::SeqCst);
        self.transactions
            .fetch_add(usize::from(is_transaction), Ordering::SeqCst);
    }

    /// It is over.
    pub(crate) fn end(&self, is_transaction: bool) {
        self.transactions
            .fetch_sub(usize::from(is_transaction), Ordering::SeqCst);
        self.operations.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn has_transactions(&self) -> bool {
        self.transactions.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn listing(&self) -> &Mutex<Listing> {
        &self.listing
    }

    /// Whether there still is an end.
    pub(crate) fn has_end(&self) -> bool {
        self.end.get().is_some_and(|end| end.strong_count() > 0)
    }

    /// Calls for the bell of the end, if there still is one.
    pub(crate) fn expect(&self, wish: Wish) {
        if let Some(end) = self.end.get().and_then(Weak::upgrade) {
            end.expect(wish);
            inner::release(end);
        }
    }

    /// Something is new: operations that are pending go on, and every task tries again.
    pub(crate) fn happened(&self) {
        if self.operations.load(Ordering::SeqCst) > 0
            && let Some(end) = self.end.get().and_then(Weak::upgrade)
        {
            end.go_on();
            inner::release(end);
        }
        self.wake_all();
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(end) = self.end.get().and_then(Weak::upgrade) {
            engine::expect_read(&end.end);
            inner::release(end);
        }
        self.happened();
    }
}

impl Attendant for Tasks {
    fn rung(&self) {
        self.happened();
    }
}
