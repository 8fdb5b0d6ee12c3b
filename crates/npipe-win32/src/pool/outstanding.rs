//! Calls that have been asked for: who ends what they belong to waits for them, is told of their end, or takes them back.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{IO_PENDING, workers};
use crate::dispatch::{Waitable, locked};
use crate::failure::{Failure, Outcome};
use crate::handles;
use crate::object::Object;
use crate::sanitizer;
use crate::types::{Bool, FALSE, Handle, INVALID_HANDLE_VALUE, NULL, TRUE, code};

/// Calls that run or are about to.
#[derive(Default)]
pub(super) struct Outstanding {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Default)]
struct State {
    calls: usize,
    /// Signaled when there are none.
    told: Vec<Arc<Waitable>>,
}

impl Outstanding {
    pub(super) fn enter(&self) {
        locked(&self.state).calls += 1;
    }

    pub(super) fn leave(&self) {
        sanitizer::release(self);
        let mut state = locked(&self.state);
        state.calls -= 1;
        if state.calls > 0 {
            return;
        }
        let told = std::mem::take(&mut state.told);
        drop(state);
        self.over.notify_all();
        for event in told {
            event.set_event(true);
        }
    }

    pub(super) fn wait(&self) {
        let mut state = locked(&self.state);
        while state.calls > 0 {
            state = self.over.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        sanitizer::acquire(self);
    }

    fn is_none(&self) -> bool {
        let is_none = locked(&self.state).calls == 0;
        if is_none {
            sanitizer::acquire(self);
        }
        is_none
    }

    /// Signals an event when there are none.
    fn tell(&self, event: Arc<Waitable>) {
        let mut state = locked(&self.state);
        if state.calls > 0 {
            state.told.push(event);
            return;
        }
        drop(state);
        event.set_event(true);
    }
}

/// What those who end something want of the calls that run: the last argument of UnregisterWaitEx and its like.
pub(super) enum Completion {
    /// Nothing, but to be told whether there are any.
    Nothing,
    Wait,
    Signal(Arc<Waitable>),
}

impl Completion {
    /// NULL, INVALID_HANDLE_VALUE or an event.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    pub(super) fn of(handle: Handle) -> Outcome<Completion> {
        match handle {
            NULL => Ok(Completion::Nothing),
            INVALID_HANDLE_VALUE => Ok(Completion::Wait),
            _ => match handles::get(handle)?.object {
                Object::Event(event) => Ok(Completion::Signal(event)),
                _ => Err(Failure(code::INVALID_HANDLE)),
            },
        }
    }

    /// # Errors
    /// ERROR_IO_PENDING, which is success, if calls run that nobody waits for.
    pub(super) fn settle(self, outstanding: &Outstanding) -> Outcome<Bool> {
        match self {
            Completion::Nothing if outstanding.is_none() => {}
            Completion::Nothing => return Err(Failure(IO_PENDING)),
            Completion::Wait => outstanding.wait(),
            Completion::Signal(event) => outstanding.tell(event),
        }
        Ok(TRUE)
    }
}

/// Calls for workers, which may be taken back until they begin.
#[derive(Default)]
pub(super) struct Submissions {
    /// How many have not begun.
    waiting: Mutex<usize>,
    outstanding: Outstanding,
}

impl Submissions {
    /// Has a worker call.
    ///
    /// # Errors
    /// As [`workers::run`].
    pub(super) fn submit(self: &Arc<Submissions>, call: impl FnOnce() + Send + 'static) -> Outcome<()> {
        self.outstanding.enter();
        sanitizer::release(&self.waiting);
        *locked(&self.waiting) += 1;
        let this = Arc::clone(self);
        let submitted = workers::run(move || {
            // Otherwise it was taken back.
            if this.begin() {
                sanitizer::acquire(&this.waiting);
                call();
                this.outstanding.leave();
            }
        });
        if submitted.is_err() && self.begin() {
            self.outstanding.leave();
        }
        submitted
    }

    /// Whether there is one left to begin. All are alike, so it does not matter which of them begins.
    fn begin(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        let is_left = *waiting > 0;
        *waiting -= usize::from(is_left);
        is_left
    }

    /// Waits until all are over, of which those that have not begun may be taken back.
    pub(super) fn wait(&self, cancel: Bool) {
        if cancel != FALSE {
            let cancelled = std::mem::take(&mut *locked(&self.waiting));
            (0..cancelled).for_each(|_| self.outstanding.leave());
        }
        self.outstanding.wait();
    }
}
