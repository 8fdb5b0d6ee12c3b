//! What is queued to a thread: the system's own queue of calls, in which completion routines are too.
//!
//! The system calls in alertable waits, those of the program's own among them. Of a call that is queued it is told nothing but
//! that there is one, and of a routine which operation it is for; both lie here, so that nothing is lost with the thread. A panic
//! must not go through the system: it is kept, and goes on from the wait.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::os::windows::io::OwnedHandle;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::issuer::{Issued, Issuer};
use super::operation::Completed;
use super::work::Work;
use crate::end::{Handle, Outcome};
use crate::sys::alertable::{self, Awaited};
use crate::sys::operation::{Notice, Operation};

/// What is queued to a thread by others.
pub(super) struct Inbox {
    thread: OwnedHandle,
    calls: Mutex<VecDeque<QueuedCall>>,
}

/// A call that is queued to a thread.
pub(super) type QueuedCall = Box<dyn FnOnce() + Send>;

/// A completion routine.
pub(super) type Routine = Box<dyn FnOnce(Completed)>;

/// What a thread alone has.
struct Own {
    inbox: Option<Arc<Inbox>>,
    issued: Issued,
    /// By the addresses of their operations, which live until the routines have run.
    routines: HashMap<usize, Routine>,
    panic: Option<Box<dyn Any + Send>>,
}

thread_local! {
    static OWN: RefCell<Own> = RefCell::new(Own {
        inbox: None,
        issued: Issued::new(),
        routines: HashMap::new(),
        panic: None,
    });
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.issued.cancel();
    }
}

impl Inbox {
    fn calls(&self) -> std::sync::MutexGuard<'_, VecDeque<QueuedCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn queue(&self, call: QueuedCall) {
        let mut calls = self.calls();
        calls.push_back(call);
        if alertable::queue(&self.thread, make_next_call).is_err() {
            // The thread has ended.
            let never = calls.pop_back();
            drop(calls);
            drop(never);
        }
    }
}

/// That of the calling thread.
pub(super) fn current() -> Arc<Inbox> {
    OWN.with_borrow_mut(|own| {
        let make = || {
            let thread = alertable::this_thread().expect("the system has a handle left for this thread");
            let calls = Mutex::default();
            Arc::new(Inbox { thread, calls })
        };
        own.inbox.get_or_insert_with(make).clone()
    })
}

/// The calling thread, as one that starts operations.
pub(super) fn current_issuer() -> Issuer {
    OWN.with_borrow(|own| own.issued.issuer())
}

/// Notes that the calling thread has an operation on an end, so that it ends with the thread.
pub(super) fn note_issued(end: &Handle) {
    OWN.with_borrow_mut(|own| own.issued.note(end.shared()));
}

/// What the system calls for each call that is queued. A thread that ends makes none.
extern "system" fn make_next_call(_nothing: usize) {
    let inbox = OWN.try_with(|own| own.borrow().inbox.clone()).ok().flatten();
    let call = inbox.and_then(|inbox| inbox.calls().pop_front());
    if let Some(call) = call {
        keep_panic(call);
    }
}

/// Runs the routine of an operation that is complete.
fn run_routine(operation: Arc<Operation>) {
    let found = OWN.try_with(|own| own.borrow_mut().routines.remove(&operation.address()));
    if let Ok(Some(routine)) = found {
        keep_panic(|| routine(Completed::of(&operation)));
    }
}

fn keep_panic(call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        OWN.with_borrow_mut(|own| {
            own.panic.get_or_insert(panic);
        });
    }
}

/// After an alertable wait: goes on with a panic of what has run in it.
pub(super) fn go_on() {
    if let Some(panic) = OWN.with_borrow_mut(|own| own.panic.take()) {
        resume_unwind(panic);
    }
}

/// Starts an operation whose completion runs a routine of the calling thread.
pub(super) fn start_then(end: &Handle, work: Work, routine: Routine) -> Outcome<()> {
    let operation = Operation::new(work, Notice::Routine(run_routine), Some(current_issuer()));
    // It cannot run before this thread waits.
    end.start(&operation)?;
    OWN.with_borrow_mut(|own| own.routines.insert(operation.address(), routine));
    note_issued(end);
    Ok(())
}

/// Sleeps until something has run; `false`: the time has passed.
pub(super) fn sleep(deadline: Option<Instant>) -> bool {
    let awaited = alertable::sleep(deadline);
    go_on();
    awaited == Awaited::Calls
}
