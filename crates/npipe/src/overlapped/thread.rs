//! Completion routines and calls queued to a thread, which Windows names asynchronous procedure calls.
//!
//! They run in *alertable* waits of their thread and nowhere else (semantics 234, 238): what completes meanwhile stays in
//! the thread's queue. A wait that finds any runs them all, those that they queue themselves too, and ends (semantics 236).

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::engine::{Completion, Issuer, OperationId, Order, Sink};
use super::operation::Completed;
use super::queue::Queue;
use super::signal::Signal;
use super::wait::wait_until;
use crate::end::End;
use crate::sys::forks;

/// A thread, as others see it who queue calls to it. Win32 equivalent: a thread's handle given to QueueUserAPC.
#[derive(Clone, Debug)]
pub struct AlertableThread(Arc<Inbox>);

/// What is queued to a thread.
struct Inbox {
    queue: Queue<Call>,
}

enum Call {
    /// A call made by [`AlertableThread::queue`].
    Call(Box<dyn FnOnce() + Send>),
    /// A completion; the routine lies with the thread.
    Completion(Completion),
}

type Routine = Box<dyn FnOnce(Completed)>;

/// What a thread alone has.
struct Own {
    thread: AlertableThread,
    issuer: Issuer,
    routines: HashMap<OperationId, Routine>,
    /// The ends on which it has started operations.
    ends: HashMap<*const End, Weak<End>>,
    prune_at: usize,
    /// In a forked child, what the thread had is its parent's.
    generation: u32,
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// How an alertable wait without an object has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Completion routines or queued calls have run: WAIT_IO_COMPLETION.
    Completions,
    /// The time has passed.
    TimedOut,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Sink for Inbox {
    fn complete(&self, completion: Completion) {
        self.queue.push(Call::Completion(completion));
    }
}

fn with_own<T>(act: impl FnOnce(&mut Own) -> T) -> T {
    OWN.with_borrow_mut(|own| {
        let generation = forks::generation();
        if let Some(inherited) = own.take_if(|own| own.generation != generation) {
            // Its locks may be held by threads that do not exist here.
            std::mem::forget(inherited);
        }
        act(own.get_or_insert_with(|| Own {
            thread: AlertableThread(Arc::new(Inbox { queue: Queue::new() })),
            issuer: Issuer::next(),
            routines: HashMap::new(),
            ends: HashMap::new(),
            prune_at: 64,
            generation,
        }))
    })
}

impl Drop for Own {
    /// The operations of a thread end with it (semantics 233).
    fn drop(&mut self) {
        if self.generation == forks::generation() {
            for end in self.ends.values().filter_map(Weak::upgrade) {
                end.cancel_issued(self.issuer);
            }
        }
    }
}

impl AlertableThread {
    /// The calling thread.
    #[doc(alias = "GetCurrentThread")]
    pub fn current() -> AlertableThread {
        with_own(|own| own.thread.clone())
    }

    /// Queues a call, which the thread makes in its next alertable wait, or in the one that it is in. If it never waits so,
    /// it never makes it. Win32 equivalent: QueueUserAPC.
    #[doc(alias = "QueueUserAPC")]
    pub fn queue(&self, call: impl FnOnce() + Send + 'static) {
        self.0.queue.post(Call::Call(Box::new(call)));
    }

    /// What is notified when something is queued to the thread.
    pub fn signal(&self) -> &Arc<Signal> {
        &self.0.queue.signal
    }
}

/// The calling thread, as one that starts operations.
pub fn current_issuer() -> Issuer {
    with_own(|own| own.issuer)
}

/// Whether anything is queued to the calling thread.
pub fn has_queued_calls() -> bool {
    with_own(|own| !own.thread.0.queue.is_empty())
}

/// Makes the calls that are queued to the calling thread, and those that they queue themselves; says whether there were
/// any. For waits that are built on [`wait_until`]; programs have [`sleep_alertable`].
pub fn run_queued_calls() -> bool {
    let thread = AlertableThread::current();
    let mut any = false;
    while let Some(call) = thread.0.queue.pop() {
        any = true;
        match call {
            Call::Call(call) => call(),
            Call::Completion(completion) => {
                let routine = with_own(|own| own.routines.remove(&completion.id));
                if let Some(routine) = routine {
                    routine(completion.into());
                }
            }
        }
    }
    any
}

/// Notes that the calling thread has an operation on an end, so that it ends with the thread.
pub(super) fn note_issued(end: &Arc<End>) {
    with_own(|own| {
        if own.ends.len() >= own.prune_at {
            own.ends.retain(|_, end| end.strong_count() > 0);
            own.prune_at = (own.ends.len() * 2).max(64);
        }
        // The address may have been that of an end that is gone.
        own.ends.insert(Arc::as_ptr(end), Arc::downgrade(end));
    });
}

/// An order whose completion runs a routine of the calling thread.
pub(super) fn order_for_routine() -> Order {
    with_own(|own| Order {
        sink: own.thread.0.clone(),
        signal: own.thread.0.queue.signal.clone(),
        issuer: Some(own.issuer),
    })
}

/// Keeps the routine of an operation that was started by this thread's [`order_for_routine`].
pub(super) fn keep_routine(id: OperationId, routine: Routine) {
    with_own(|own| own.routines.insert(id, routine));
}

/// Queues a routine whose operation was complete at once (semantics 235).
pub(super) fn queue_routine(completion: Completion, routine: Routine) {
    keep_routine(completion.id, routine);
    with_own(|own| own.thread.0.queue.push(Call::Completion(completion)));
}

/// Sleeps until completion routines or queued calls have run, or the time has passed. Win32 equivalent: SleepEx, alertable.
///
/// `None` sleeps until there are some. A time-out of 0 runs what there is.
#[doc(alias = "SleepEx")]
#[doc(alias = "WAIT_IO_COMPLETION")]
pub fn sleep_alertable(timeout: Option<Duration>) -> Woken {
    let thread = AlertableThread::current();
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let queue = &thread.0.queue;
    let found = wait_until(&[&queue.signal], deadline, || (!queue.is_empty()).then_some(()));
    match found {
        Some(()) => {
            run_queued_calls();
            Woken::Completions
        }
        None => Woken::TimedOut,
    }
}
