#![allow(unsafe_code, reason = "calls back into the program")]

//! Timer queues: timers that call functions of the program. Timers without a queue are in one that is always there.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use super::outstanding::{Completion, Outstanding};
use super::waits::WaitOrTimerCallback;
use super::{IO_PENDING, WT_EXECUTEONLYONCE, workers};
use crate::clock::{Schedule, Timed};
use crate::dispatch::locked;
use crate::failure::{Failure, Outcome};
use crate::pointers::{Context, Out};
use crate::sanitizer;
use crate::types::{Bool, FALSE, Handle, NULL, TRUE, code};

/// A queue of timers.
struct TimerQueue {
    /// Its timers; none when it is deleted.
    timers: Mutex<Option<HashMap<Handle, Arc<QueueTimer>>>>,
    outstanding: Arc<Outstanding>,
}

static DEFAULT: LazyLock<Arc<TimerQueue>> = LazyLock::new(TimerQueue::new);

/// A timer of a queue.
struct QueueTimer {
    routine: WaitOrTimerCallback,
    context: Context,
    schedule: Mutex<Schedule>,
    is_once: bool,
    outstanding: Outstanding,
    of_queue: Arc<Outstanding>,
}

impl Timed for QueueTimer {
    fn schedule(&self) -> &Mutex<Schedule> {
        &self.schedule
    }

    fn come(self: Arc<Self>) {
        self.outstanding.enter();
        self.of_queue.enter();
        sanitizer::release(&self.routine);
        let timer = Arc::clone(&self);
        if workers::run(move || timer.call()).is_err() {
            // There is no thread for it, nor anybody to tell.
            self.leave();
        }
    }
}

impl QueueTimer {
    fn call(&self) {
        sanitizer::acquire(&self.routine);
        // SAFETY: the program vouches for its callback.
        unsafe { (self.routine)(self.context, 1) };
        self.leave();
    }

    fn leave(&self) {
        self.outstanding.leave();
        self.of_queue.leave();
    }

    fn set(self: &Arc<QueueTimer>, due_ms: u32, period_ms: u32) -> Outcome<()> {
        self.set_within(&mut locked(&self.schedule), due_ms, period_ms)
    }

    fn set_within(self: &Arc<QueueTimer>, schedule: &mut Schedule, due_ms: u32, period_ms: u32) -> Outcome<()> {
        let period_ms = if self.is_once { 0 } else { period_ms };
        let at = Instant::now() + Duration::from_millis(due_ms.into());
        schedule.set(self.clone(), at, Duration::from_millis(period_ms.into()))
    }

    fn change(self: &Arc<QueueTimer>, due_ms: u32, period_ms: u32) -> Outcome<()> {
        let mut schedule = locked(&self.schedule);
        match schedule.is_to_come() {
            true => self.set_within(&mut schedule, due_ms, period_ms),
            false => Ok(()),
        }
    }
}

impl TimerQueue {
    fn new() -> Arc<TimerQueue> {
        Arc::new(TimerQueue {
            timers: Mutex::new(Some(HashMap::new())),
            outstanding: Arc::default(),
        })
    }

    /// NULL is the one that is always there.
    fn of(handle: Handle) -> Outcome<Arc<TimerQueue>> {
        match handle {
            NULL => Ok(DEFAULT.clone()),
            _ => super::get(handle),
        }
    }

    fn add(&self, handle: Handle, timer: &Arc<QueueTimer>) -> Outcome<()> {
        let mut timers = locked(&self.timers);
        let timers = timers.as_mut().ok_or(Failure(code::INVALID_HANDLE))?;
        timers.insert(handle, Arc::clone(timer));
        Ok(())
    }

    /// One of its timers, which is not one any more; whoever has it closes it.
    fn remove(&self, handle: Handle) -> Outcome<Arc<QueueTimer>> {
        let removed = locked(&self.timers).as_mut().and_then(|timers| timers.remove(&handle));
        removed.ok_or(Failure(code::INVALID_HANDLE))
    }
}

fn create(queue: &TimerQueue, timer: QueueTimer, due_ms: u32, period_ms: u32, made: Out<Handle>) -> Outcome<()> {
    let timer = Arc::new(timer);
    let handle = super::insert(Arc::clone(&timer))?;
    // Before it can call back, which may look for it.
    made.set(handle);
    let begun = queue.add(handle, &timer).and_then(|()| timer.set(due_ms, period_ms));
    if begun.is_err() {
        // It is in the queue or not, and whoever deletes that has closed the handle or not.
        let _ = queue.remove(handle);
        let _ = super::take::<QueueTimer>(handle);
    }
    begun
}

fn delete(handle: Handle, completion: Handle) -> Outcome<Bool> {
    let completion = Completion::of(completion)?;
    let queue = super::take::<TimerQueue>(handle)?;
    let timers = locked(&queue.timers).take().unwrap_or_default();
    for (handle, timer) in timers {
        locked(&timer.schedule).end();
        // Only whoever has it from the queue closes it.
        super::take::<QueueTimer>(handle)?;
    }
    completion.settle(&queue.outstanding)
}

crate::export! {
    /// CreateTimerQueue.
    fn CreateTimerQueue() -> Handle [NULL] {
        super::insert(TimerQueue::new())
    }

    /// CreateTimerQueueTimer: calls `routine`, whose second argument is TRUE, after `due_ms` and then each `period_ms`, once if
    /// that is 0. Of the flags, WT_EXECUTEONLYONCE has an effect.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER without a routine or a place for the handle; ERROR_INVALID_HANDLE;
    /// ERROR_CALL_NOT_IMPLEMENTED for WT_TRANSFER_IMPERSONATION.
    fn CreateTimerQueueTimer(
        made: Out<Handle>,
        queue: Handle,
        routine: Option<WaitOrTimerCallback>,
        context: Context,
        due_ms: u32,
        period_ms: u32,
        flags: u32,
    ) -> Bool [FALSE] {
        super::refuse_impersonation(flags)?;
        let invalid = Failure(code::INVALID_PARAMETER);
        let routine = routine.ok_or(invalid)?;
        if made.is_null() {
            return Err(invalid);
        }
        let queue = TimerQueue::of(queue)?;
        let timer = QueueTimer {
            routine,
            context,
            schedule: Mutex::default(),
            is_once: flags & WT_EXECUTEONLYONCE != 0,
            outstanding: Outstanding::default(),
            of_queue: Arc::clone(&queue.outstanding),
        };
        create(&queue, timer, due_ms, period_ms, made).map(|()| TRUE)
    }

    /// ChangeTimerQueueTimer. One that was to come once and has come stays as it is.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn ChangeTimerQueueTimer(queue: Handle, handle: Handle, due_ms: u32, period_ms: u32) -> Bool [FALSE] {
        TimerQueue::of(queue)?;
        super::get::<QueueTimer>(handle)?.change(due_ms, period_ms).map(|()| TRUE)
    }

    /// DeleteTimerQueueTimer: INVALID_HANDLE_VALUE waits until its callback does not run, which must not be its own; an event is
    /// signaled then.
    ///
    /// # Errors
    /// ERROR_IO_PENDING without either while its callback runs, which is success; ERROR_INVALID_HANDLE, also for a timer of
    /// another queue.
    fn DeleteTimerQueueTimer(queue: Handle, handle: Handle, completion: Handle) -> Bool [FALSE] {
        let completion = Completion::of(completion)?;
        let timer = TimerQueue::of(queue)?.remove(handle)?;
        locked(&timer.schedule).end();
        super::take::<QueueTimer>(handle)?;
        completion.settle(&timer.outstanding)
    }

    /// DeleteTimerQueue: without waiting for callbacks that run.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE, also for the queue that is always there.
    fn DeleteTimerQueue(handle: Handle) -> Bool [FALSE] {
        match delete(handle, NULL) {
            Err(Failure(IO_PENDING)) => Ok(TRUE),
            other => other,
        }
    }

    /// DeleteTimerQueueEx: all its timers are deleted too. `completion` is as for DeleteTimerQueueTimer.
    ///
    /// # Errors
    /// As DeleteTimerQueue; ERROR_IO_PENDING as DeleteTimerQueueTimer.
    fn DeleteTimerQueueEx(handle: Handle, completion: Handle) -> Bool [FALSE] {
        delete(handle, completion)
    }
}
