#![allow(unsafe_code, reason = "calls back into the program")]

//! Timers of thread pools.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::outstanding::Submissions;
use super::{INSTANCE, Instance, refuse_environment, time_of};
use crate::clock::{Schedule, Timed};
use crate::dispatch::locked;
use crate::failure::{Failure, Outcome};
use crate::pointers::{Context, In};
use crate::types::{Bool, FALSE, Handle, NULL, code};

/// PTP_TIMER_CALLBACK.
type TimerCallback = unsafe extern "C" fn(Instance, Context, Handle);

struct PoolTimer {
    routine: TimerCallback,
    context: Context,
    /// What the callback is told, from the first time that it is set.
    handle: Mutex<Handle>,
    schedule: Mutex<Schedule>,
    /// Whether the program has set it, which it stays when it has come.
    is_set: AtomicBool,
    submissions: Arc<Submissions>,
}

impl Timed for PoolTimer {
    fn schedule(&self) -> &Mutex<Schedule> {
        &self.schedule
    }

    fn come(self: Arc<Self>) {
        let (routine, context, handle) = (self.routine, self.context, *locked(&self.handle));
        // If there is no thread for it, there is nobody to tell either.
        let _ = self.submissions.submit(move || {
            // SAFETY: the program vouches for its callback.
            unsafe { routine(INSTANCE, context, handle) };
        });
    }
}

/// Whether it was to come yet.
fn set(handle: Handle, due: In<[u32; 2]>, period_ms: u32) -> Outcome<bool> {
    let timer = super::get::<PoolTimer>(handle)?;
    let mut schedule = locked(&timer.schedule);
    let was_to_come = schedule.stop();
    let due = due.get();
    timer.is_set.store(due.is_some(), Ordering::Relaxed);
    if let Some(due) = due {
        *locked(&timer.handle) = handle;
        schedule.set(timer.clone(), time_of(due), Duration::from_millis(period_ms.into()))?;
    }
    Ok(was_to_come)
}

crate::export! {
    /// CreateThreadpoolTimer.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER without a routine; ERROR_CALL_NOT_IMPLEMENTED with an environment.
    fn CreateThreadpoolTimer(
        routine: Option<TimerCallback>,
        context: Context,
        environment: *const c_void,
    ) -> Handle [NULL] {
        refuse_environment(environment)?;
        super::insert(Arc::new(PoolTimer {
            routine: routine.ok_or(Failure(code::INVALID_PARAMETER))?,
            context,
            handle: Mutex::new(NULL),
            schedule: Mutex::default(),
            is_set: AtomicBool::new(false),
            submissions: Arc::default(),
        }))
    }

    /// SetThreadpoolTimer: a thread of the library calls back at `due`, a FILETIME or so much from now if it is negative, and
    /// then each `period_ms`; never any more without `due`. It comes as soon as it can, whatever `window_ms` allows.
    fn SetThreadpoolTimer(handle: Handle, due: In<[u32; 2]>, period_ms: u32, _window_ms: u32) -> () [()] {
        set(handle, due, period_ms).map(drop)
    }

    /// SetThreadpoolTimerEx: whether it was set and has not come.
    fn SetThreadpoolTimerEx(handle: Handle, due: In<[u32; 2]>, period_ms: u32, _window_ms: u32) -> Bool [FALSE] {
        set(handle, due, period_ms).map(Bool::from)
    }

    /// IsThreadpoolTimerSet: whether it was last set with a time, which may have come.
    fn IsThreadpoolTimerSet(handle: Handle) -> Bool [FALSE] {
        Ok(super::get::<PoolTimer>(handle)?.is_set.load(Ordering::Relaxed).into())
    }

    /// WaitForThreadpoolTimerCallbacks: until no callback runs; those that have not begun may be cancelled.
    fn WaitForThreadpoolTimerCallbacks(handle: Handle, cancel: Bool) -> () [()] {
        super::get::<PoolTimer>(handle)?.submissions.wait(cancel);
        Ok(())
    }

    /// CloseThreadpoolTimer: it does not come any more. Callbacks that are outstanding go on.
    fn CloseThreadpoolTimer(handle: Handle) -> () [()] {
        locked(&super::take::<PoolTimer>(handle)?.schedule).end();
        Ok(())
    }
}
