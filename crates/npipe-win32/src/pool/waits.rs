#![allow(unsafe_code, reason = "calls back into the program")]

//! Functions that are called when an object is signaled: registered waits, and those of thread pools.
//!
//! A wait has a thread of its own, which waits and calls; Windows shares its threads among many.

use std::ffi::c_void;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::outstanding::{Completion, Outstanding};
use super::workers::start_thread;
use super::{INSTANCE, Instance, WT_EXECUTEONLYONCE, refuse_environment, time_of};
use crate::dispatch::{self, Waitable, locked};
use crate::failure::{Failure, Outcome};
use crate::pointers::{Context, In, Out};
use crate::sanitizer;
use crate::types::{Bool, FALSE, Handle, INFINITE, NULL, TRUE, WAIT_OBJECT_0, WAIT_TIMEOUT, code};

/// WAITORTIMERCALLBACK: the context, and whether the time is what has come.
pub(super) type WaitOrTimerCallback = unsafe extern "C" fn(Context, u8);

/// One wait on a thread of its own.
struct Waiter {
    object: Arc<Waitable>,
    /// Set when it is to end.
    ending: Arc<Waitable>,
    has_ended: Mutex<bool>,
    outstanding: Arc<Outstanding>,
}

impl Waiter {
    fn new(object: Arc<Waitable>, outstanding: Arc<Outstanding>) -> Arc<Waiter> {
        Arc::new(Waiter {
            object,
            ending: Waitable::event(true, false),
            has_ended: Mutex::new(false),
            outstanding,
        })
    }

    /// Starts its thread, which calls once or until the wait ends.
    fn start(self: Arc<Waiter>, timeout_ms: u32, is_once: bool, call: impl Fn(u32) + Send + 'static) -> Outcome<()> {
        sanitizer::release(&self.has_ended);
        let run = move || {
            while let Some(outcome) = self.next(timeout_ms) {
                call(outcome);
                self.outstanding.leave();
                super::come_back();
                if is_once {
                    break;
                }
            }
        };
        Ok(start_thread(run)?)
    }

    /// Waits for what is to be called for: WAIT_TIMEOUT or WAIT_OBJECT_0. The call is outstanding then, unless the wait
    /// ends; what it has taken meanwhile is left to others.
    fn next(&self, timeout_ms: u32) -> Option<u32> {
        const ENDING: u32 = WAIT_OBJECT_0;
        let objects = vec![Arc::clone(&self.ending), Arc::clone(&self.object)];
        let outcome = dispatch::wait(objects, false, timeout_ms, false);
        let has_ended = locked(&self.has_ended);
        if !*has_ended {
            self.outstanding.enter();
            sanitizer::acquire(&self.has_ended);
            return Some(if outcome == WAIT_TIMEOUT {
                WAIT_TIMEOUT
            } else {
                WAIT_OBJECT_0
            });
        }
        drop(has_ended);
        if outcome != ENDING && outcome != WAIT_TIMEOUT {
            self.object.give_back();
        }
        None
    }

    /// Calls no more, but for what is outstanding.
    fn end(&self) {
        *locked(&self.has_ended) = true;
        self.ending.set_event(true);
    }
}

/// A registered wait.
struct Registration {
    waiter: Arc<Waiter>,
}

fn unregister(handle: Handle, completion: Handle) -> Outcome<Bool> {
    let completion = Completion::of(completion)?;
    let Registration { waiter } = &*super::take::<Registration>(handle)?;
    waiter.end();
    completion.settle(&waiter.outstanding)
}

/// PTP_WAIT_CALLBACK: what the wait ended with stands last.
type WaitCallback = unsafe extern "C" fn(Instance, Context, Handle, u32);

/// A wait of a thread pool.
struct PoolWait {
    routine: WaitCallback,
    context: Context,
    state: Mutex<PoolWaitState>,
    outstanding: Arc<Outstanding>,
}

#[derive(Default)]
struct PoolWaitState {
    /// What it waits for now, or did last.
    waiter: Option<Arc<Waiter>>,
    is_closed: bool,
}

impl PoolWait {
    /// It waits for this now, and for nothing that it was told before.
    fn change(&self, waiter: Option<Arc<Waiter>>, is_closed: bool) -> Outcome<()> {
        let mut state = locked(&self.state);
        if state.is_closed {
            return Err(Failure(code::INVALID_HANDLE));
        }
        state.is_closed = is_closed;
        let before = std::mem::replace(&mut state.waiter, waiter);
        drop(state);
        if let Some(before) = before {
            before.end();
        }
        Ok(())
    }
}

/// A time-out that stands in a FILETIME.
fn milliseconds(timeout: In<[u32; 2]>) -> u32 {
    let Some(timeout) = timeout.get() else {
        return INFINITE;
    };
    let left = time_of(timeout).saturating_duration_since(Instant::now());
    let whole = left.as_nanos().div_ceil(1_000_000);
    u32::try_from(whole).unwrap_or(INFINITE).min(INFINITE - 1)
}

fn set(handle: Handle, object: Handle, timeout: In<[u32; 2]>) -> Outcome<()> {
    let wait = super::get::<PoolWait>(handle)?;
    if object == NULL {
        return wait.change(None, false);
    }
    let object = crate::waits::object(object)?.waitable();
    let waiter = Waiter::new(object, Arc::clone(&wait.outstanding));
    wait.change(Some(Arc::clone(&waiter)), false)?;
    let (routine, context) = (wait.routine, wait.context);
    waiter.start(milliseconds(timeout), true, move |outcome| {
        // SAFETY: the program vouches for its callback.
        unsafe { routine(INSTANCE, context, handle, outcome) };
    })
}

crate::export! {
    /// RegisterWaitForSingleObject: calls back whenever the object is signaled or the time has passed, once if asked to.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER; ERROR_CALL_NOT_IMPLEMENTED for WT_TRANSFER_IMPERSONATION.
    fn RegisterWaitForSingleObject(
        made: Out<Handle>,
        handle: Handle,
        routine: Option<WaitOrTimerCallback>,
        context: Context,
        timeout_ms: u32,
        flags: u32,
    ) -> Bool [FALSE] {
        super::refuse_impersonation(flags)?;
        let invalid = Failure(code::INVALID_PARAMETER);
        let object = crate::waits::object(handle)?.waitable();
        let routine = routine.ok_or(invalid)?;
        if made.is_null() {
            return Err(invalid);
        }
        let waiter = Waiter::new(object, Arc::default());
        let new = super::insert(Arc::new(Registration { waiter: Arc::clone(&waiter) }))?;
        // Before the thread can call back, which may look for it.
        made.set(new);
        let started = waiter.start(timeout_ms, flags & WT_EXECUTEONLYONCE != 0, move |outcome| {
            // SAFETY: the program vouches for its callback.
            unsafe { routine(context, u8::from(outcome == WAIT_TIMEOUT)) };
        });
        if started.is_err() {
            super::take::<Registration>(new)?;
        }
        started.map(|()| TRUE)
    }

    /// UnregisterWait.
    ///
    /// # Errors
    /// ERROR_IO_PENDING while its callback runs, which is success; ERROR_INVALID_HANDLE.
    fn UnregisterWait(handle: Handle) -> Bool [FALSE] {
        unregister(handle, NULL)
    }

    /// UnregisterWaitEx: INVALID_HANDLE_VALUE waits until no callback runs, which must not be its own; an event is signaled
    /// then.
    ///
    /// # Errors
    /// As UnregisterWait.
    fn UnregisterWaitEx(handle: Handle, completion: Handle) -> Bool [FALSE] {
        unregister(handle, completion)
    }

    /// CreateThreadpoolWait.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER without a routine; ERROR_CALL_NOT_IMPLEMENTED with an environment.
    fn CreateThreadpoolWait(routine: Option<WaitCallback>, context: Context, environment: *const c_void) -> Handle [NULL] {
        refuse_environment(environment)?;
        super::insert(Arc::new(PoolWait {
            routine: routine.ok_or(Failure(code::INVALID_PARAMETER))?,
            context,
            state: Mutex::default(),
            outstanding: Arc::default(),
        }))
    }

    /// SetThreadpoolWait: calls back once when the object is signaled or the time has come, a FILETIME or so much from now if
    /// it is negative; never any more for NULL. The callback of a mutex has it.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn SetThreadpoolWait(handle: Handle, object: Handle, timeout: In<[u32; 2]>) -> () [()] {
        set(handle, object, timeout)
    }

    /// WaitForThreadpoolWaitCallbacks: until no callback runs. There are none that have not begun.
    fn WaitForThreadpoolWaitCallbacks(handle: Handle, _cancel: Bool) -> () [()] {
        super::get::<PoolWait>(handle)?.outstanding.wait();
        Ok(())
    }

    /// CloseThreadpoolWait: it calls no more, but for what is outstanding.
    fn CloseThreadpoolWait(handle: Handle) -> () [()] {
        super::take::<PoolWait>(handle)?.change(None, true)
    }
}
