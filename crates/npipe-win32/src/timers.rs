//! Waitable timers.
//!
//! A timer is an event that the [clock](crate::clock) sets, once or again and again, and that may queue a call to the thread
//! that has set it. They have no names, for the reason that events have none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::clock::{Schedule, Timed, when};
use crate::dispatch::{Waitable, locked};
use crate::environment::file_time;
use crate::events;
use crate::failure::{Failure, Outcome, set_last_error};
use crate::handles;
use crate::object::Object;
use crate::pointers::{Ansi, In, WideText};
use crate::threads::{Thread, TimerCall, TimerRoutine};
use crate::types::{Bool, FALSE, Handle, NULL, SECURITY_ATTRIBUTES, TRUE, code};

const NAMED_TIMER: &str = "a waitable timer with a name";
const CREATE_WAITABLE_TIMER_MANUAL_RESET: u32 = 1;
const CREATE_WAITABLE_TIMER_HIGH_RESOLUTION: u32 = 2;

/// A waitable timer.
pub(crate) struct Timer {
    signal: Arc<Waitable>,
    schedule: Mutex<Schedule>,
    /// The thread that has set it, and what it is to call. Locked with the schedule.
    call: Mutex<Option<(Arc<Thread>, TimerCall)>>,
    handles: AtomicUsize,
}

impl Timed for Timer {
    fn schedule(&self) -> &Mutex<Schedule> {
        &self.schedule
    }

    fn come(self: Arc<Self>) {
        self.ring();
    }
}

impl Timer {
    fn new(manual: bool) -> Arc<Timer> {
        Arc::new(Timer {
            signal: Waitable::event(manual, false),
            schedule: Mutex::default(),
            call: Mutex::default(),
            handles: AtomicUsize::new(0),
        })
    }

    pub(crate) fn waitable(&self) -> &Arc<Waitable> {
        &self.signal
    }

    pub(crate) fn opened(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// With its last handle it ends, whoever sets it at the same time.
    pub(crate) fn closed(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut schedule = locked(&self.schedule);
            schedule.end();
            self.withdraw_call();
        }
    }

    fn ring(&self) {
        if let Some((thread, call)) = &*locked(&self.call) {
            thread.queue_timer(TimerCall {
                time: file_time(),
                ..*call
            });
        }
        self.signal.set_event(true);
    }

    fn withdraw_call(&self) {
        if let Some((thread, call)) = locked(&self.call).take() {
            thread.withdraw_timer(call);
        }
    }

    /// It comes no more, nor any call that has not run. The signal stays as it is.
    fn stop(&self) {
        let mut schedule = locked(&self.schedule);
        schedule.stop();
        self.withdraw_call();
    }

    fn set(self: &Arc<Timer>, at: Instant, period: Duration, routine: Option<(TimerRoutine, usize)>) -> Outcome<()> {
        let mut schedule = locked(&self.schedule);
        let is_past = at <= Instant::now();
        // One that comes at once comes before the call returns, and then after its period.
        if !is_past || !period.is_zero() {
            schedule.set(self.clone(), if is_past { at + period } else { at }, period)?;
        } else {
            schedule.stop();
        }
        self.withdraw_call();
        self.signal.set_event(false);
        *locked(&self.call) = routine.map(|(routine, argument)| {
            let call = TimerCall {
                timer: Arc::as_ptr(self) as usize,
                routine,
                argument,
                time: 0,
            };
            (Thread::current(), call)
        });
        if is_past {
            self.ring();
        }
        Ok(())
    }
}

fn timer(handle: Handle) -> Outcome<Arc<Timer>> {
    match handles::get(handle)?.object {
        Object::Timer(timer) => Ok(timer),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

fn create<U: Copy + PartialEq + Default>(
    attributes: In<SECURITY_ATTRIBUTES>,
    name: crate::pointers::Text<'_, U>,
    manual: bool,
) -> Outcome<Handle> {
    events::create(attributes, name, NAMED_TIMER, || Object::Timer(Timer::new(manual)))
}

fn create_ex<U: Copy + PartialEq + Default>(
    attributes: In<SECURITY_ATTRIBUTES>,
    name: crate::pointers::Text<'_, U>,
    flags: u32,
) -> Outcome<Handle> {
    // All are of high resolution.
    if flags & !(CREATE_WAITABLE_TIMER_MANUAL_RESET | CREATE_WAITABLE_TIMER_HIGH_RESOLUTION) != 0 {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    create(attributes, name, flags & CREATE_WAITABLE_TIMER_MANUAL_RESET != 0)
}

fn set(handle: Handle, due: In<i64>, period_ms: i32, routine: Option<TimerRoutine>, argument: usize) -> Outcome<()> {
    let invalid = Failure(code::INVALID_PARAMETER);
    let timer = timer(handle)?;
    let due = due.get().ok_or(invalid)?;
    let period_ms = u64::try_from(period_ms).map_err(|_| invalid)?;
    let routine = routine.map(|routine| (routine, argument));
    timer.set(when(due), Duration::from_millis(period_ms), routine)
}

crate::export! {
    /// CreateWaitableTimerA.
    ///
    /// # Errors
    /// ERROR_CALL_NOT_IMPLEMENTED for one with a name.
    fn CreateWaitableTimerA(attributes: In<SECURITY_ATTRIBUTES>, manual: Bool, name: Ansi<'_>) -> Handle [NULL] {
        create(attributes, name, manual != FALSE)
    }

    /// CreateWaitableTimerW.
    ///
    /// # Errors
    /// As CreateWaitableTimerA.
    fn CreateWaitableTimerW(attributes: In<SECURITY_ATTRIBUTES>, manual: Bool, name: WideText<'_>) -> Handle [NULL] {
        create(attributes, name, manual != FALSE)
    }

    /// CreateWaitableTimerExA.
    ///
    /// # Errors
    /// As CreateWaitableTimerA; ERROR_INVALID_PARAMETER for unknown flags.
    fn CreateWaitableTimerExA(
        attributes: In<SECURITY_ATTRIBUTES>,
        name: Ansi<'_>,
        flags: u32,
        _access: u32,
    ) -> Handle [NULL] {
        create_ex(attributes, name, flags)
    }

    /// CreateWaitableTimerExW.
    ///
    /// # Errors
    /// As CreateWaitableTimerExA.
    fn CreateWaitableTimerExW(
        attributes: In<SECURITY_ATTRIBUTES>,
        name: WideText<'_>,
        flags: u32,
        _access: u32,
    ) -> Handle [NULL] {
        create_ex(attributes, name, flags)
    }

    /// SetWaitableTimer. `due` counts 100 ns: a FILETIME, or how long from now if it is negative. A FILETIME is looked at once:
    /// a clock that is set later does not move the timer, as it would on Windows.
    ///
    /// `routine` is called by this thread when it next waits alertably after the time has come. `resume` has no effect;
    /// then the last error is ERROR_NOT_SUPPORTED beside TRUE.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for a negative period or without a due time; ERROR_INVALID_HANDLE.
    fn SetWaitableTimer(
        handle: Handle,
        due: In<i64>,
        period_ms: i32,
        routine: Option<TimerRoutine>,
        argument: usize,
        resume: Bool,
    ) -> Bool [FALSE] {
        set(handle, due, period_ms, routine, argument)?;
        set_last_error(if resume == FALSE { code::SUCCESS } else { code::NOT_SUPPORTED });
        Ok(TRUE)
    }

    /// CancelWaitableTimer: it is not signaled any more; if it is, it stays so.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn CancelWaitableTimer(handle: Handle) -> Bool [FALSE] {
        timer(handle)?.stop();
        Ok(TRUE)
    }
}
