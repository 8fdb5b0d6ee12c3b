//! What is queued to a thread: calls, and the completions of operations with routines; and how it waits for both.
//!
//! The system brings them in alertable waits (QueueUserAPC, ReadFileEx), in the order in which they were queued. Those are not this
//! library's alone: the standard library reads a child's output in such waits. So what the system calls only notes what has come,
//! and routines and calls run when the thread waits here. Of a call the system is told nothing but that there is one, and of a
//! routine which operation it is for; both lie here, so that nothing is lost with the thread.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::os::windows::io::OwnedHandle;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::issuer::{Issued, Issuer};
use super::operation::{Completed, Waited};
use super::work::Work;
use crate::end::{Handle, Outcome};
use crate::sys::alertable::{self, Unmet};
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
    /// What has come.
    ready: VecDeque<Ready>,
}

/// What runs in the thread's next wait.
enum Ready {
    Call(QueuedCall),
    Routine(Routine, Arc<Operation>),
}

thread_local! {
    static OWN: RefCell<Own> = RefCell::new(Own {
        inbox: None,
        issued: Issued::new(),
        routines: HashMap::new(),
        ready: VecDeque::new(),
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
    fn calls(&self) -> MutexGuard<'_, VecDeque<QueuedCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn queue(&self, call: QueuedCall) {
        let mut calls = self.calls();
        calls.push_back(call);
        if alertable::queue(&self.thread, note_call).is_err() {
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
extern "system" fn note_call(_nothing: usize) {
    // That the thread ends is no failure.
    let _ = OWN.try_with(|own| {
        let own = &mut *own.borrow_mut();
        let call = own.inbox.as_ref().and_then(|inbox| inbox.calls().pop_front());
        own.ready.extend(call.map(Ready::Call));
    });
}

/// What the system calls for an operation with a routine that is complete.
fn note_completion(operation: Arc<Operation>) {
    // That the thread ends is no failure.
    let _ = OWN.try_with(|own| {
        let own = &mut *own.borrow_mut();
        if let Some(routine) = own.routines.remove(&operation.address()) {
            own.ready.push_back(Ready::Routine(routine, operation));
        }
    });
}

/// Runs what has come, and what comes meanwhile; says whether there was any.
fn run_ready() -> bool {
    let mut any = false;
    loop {
        let Some(next) = OWN.with_borrow_mut(|own| own.ready.pop_front()) else {
            // What was queued by what has run.
            if any && alertable::sleep(Some(Instant::now())) == Unmet::Calls {
                continue;
            }
            return any;
        };
        any = true;
        match next {
            Ready::Call(call) => call(),
            Ready::Routine(routine, operation) => routine(Completed::of(&operation)),
        }
    }
}

/// An alertable wait, made of one that may be told until when to wait, and whether to be alertable. What it waits for goes first
/// (semantics 237).
pub(super) fn wait_alertable<T>(
    deadline: Option<Instant>,
    mut wait: impl FnMut(Option<Instant>, bool) -> Result<T, Unmet>,
) -> Result<T, Waited> {
    loop {
        let is_ready = OWN.with_borrow(|own| !own.ready.is_empty());
        let until = if is_ready { Some(Instant::now()) } else { deadline };
        match wait(until, !is_ready) {
            Ok(found) => return Ok(found),
            Err(_) if run_ready() => return Err(Waited::Completions),
            Err(Unmet::TimedOut) => return Err(Waited::TimedOut),
            // Somebody else's calls.
            Err(Unmet::Calls) => {}
        }
    }
}

/// Starts an operation whose completion runs a routine of the calling thread.
pub(super) fn start_then(end: &Handle, work: Work, routine: Routine) -> Outcome<()> {
    let operation = Operation::new(work, Notice::Routine(note_completion), Some(current_issuer()));
    // It cannot run before this thread waits.
    end.start(&operation)?;
    OWN.with_borrow_mut(|own| own.routines.insert(operation.address(), routine));
    note_issued(end);
    Ok(())
}

/// Sleeps until something has run; `false`: the time has passed.
pub(super) fn sleep(deadline: Option<Instant>) -> bool {
    let slept = wait_alertable::<Infallible>(deadline, |until, is_alertable| {
        Err(if is_alertable {
            alertable::sleep(until)
        } else {
            Unmet::TimedOut
        })
    });
    matches!(slept, Err(Waited::Completions))
}
