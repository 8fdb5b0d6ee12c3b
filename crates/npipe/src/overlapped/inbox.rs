//! What is queued to a thread: calls, and the completions of operations with routines; and how it waits for both.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use npipe_core::Status;

use super::engine::{Completion, OperationId, Order, Refused, Sink, Started};
use super::issuer::{Issued, Issuer};
use super::operation::Completed;
use super::queue::Queue;
use super::signal::Signal;
use super::wait::wait_until;
use super::work::Work;
use crate::end::{End, Handle};
use crate::sys::forks;

/// What is queued to a thread.
pub(crate) struct Inbox {
    queue: Queue<Call>,
}

/// A call that is queued to a thread.
pub(super) type QueuedCall = Box<dyn FnOnce() + Send>;

/// A completion routine.
pub(super) type Routine = Box<dyn FnOnce(Completed)>;

enum Call {
    /// A call made by [`AlertableThread::queue`](super::AlertableThread::queue).
    Call(QueuedCall),
    /// A completion; the routine lies with the thread.
    Completion(Completion),
}

/// What a thread alone has.
struct Own {
    inbox: Arc<Inbox>,
    issued: Issued,
    routines: HashMap<OperationId, Routine>,
    /// In a forked child, what the thread had is its parent's.
    generation: u32,
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
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
            inbox: Arc::new(Inbox { queue: Queue::new() }),
            issued: Issued::new(),
            routines: HashMap::new(),
            generation,
        }))
    })
}

impl Drop for Own {
    /// The operations of a thread end with it (semantics 233).
    fn drop(&mut self) {
        if self.generation == forks::generation() {
            self.issued.cancel();
        }
    }
}

impl Inbox {
    pub(super) fn queue(&self, call: QueuedCall) {
        self.queue.post(Call::Call(call));
    }

    pub(super) fn signal(&self) -> &Arc<Signal> {
        &self.queue.signal
    }
}

/// That of the calling thread.
pub(super) fn current() -> Arc<Inbox> {
    with_own(|own| own.inbox.clone())
}

/// The calling thread, as one that starts operations.
pub fn current_issuer() -> Issuer {
    with_own(|own| own.issued.issuer())
}

/// Whether anything is queued to the calling thread.
pub fn has_queued_calls() -> bool {
    with_own(|own| !own.inbox.queue.is_empty())
}

/// Makes the calls that are queued to the calling thread, and those that they queue themselves; says whether there were
/// any. For waits that are built on [`wait_until`]; programs have [`sleep_alertable`](super::sleep_alertable).
pub fn run_queued_calls() -> bool {
    let inbox = current();
    let mut any = false;
    while let Some(call) = inbox.queue.pop() {
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
    with_own(|own| own.issued.note(end));
}

/// Starts an operation whose completion runs a routine of the calling thread.
pub(super) fn start_then(end: &Handle, work: Work, routine: Routine) -> Result<(), Status> {
    let order = with_own(|own| Order {
        sink: own.inbox.clone(),
        signal: own.inbox.queue.signal.clone(),
        issuer: Some(own.issued.issuer()),
    });
    match end.submit(work, order) {
        Ok(Started::Pending(id)) => with_own(|own| {
            own.issued.note(end.shared());
            own.routines.insert(id, routine);
        }),
        // semantics 235
        Ok(Started::Complete(completion)) => with_own(|own| {
            own.routines.insert(completion.id, routine);
            own.inbox.queue.push(Call::Completion(completion));
        }),
        Err(Refused { status, .. }) => return Err(status),
    }
    Ok(())
}

/// Sleeps until something has run; `false`: the time has passed.
pub(super) fn sleep(deadline: Option<Instant>) -> bool {
    let inbox = current();
    let queue = &inbox.queue;
    let found = wait_until(&[&queue.signal], deadline, || (!queue.is_empty()).then_some(()));
    if found.is_some() {
        run_queued_calls();
    }
    found.is_some()
}
