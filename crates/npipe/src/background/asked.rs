//! A question to the thread that it answers when it has seen all that had happened before.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::end::locked;

/// Whether it was answered.
#[derive(Debug, Default)]
pub(super) struct Asked {
    answered: Mutex<bool>,
    changed: Condvar,
}

impl Asked {
    pub(super) fn answer(&self) {
        *locked(&self.answered) = true;
        self.changed.notify_all();
    }

    pub(super) fn wait(&self) {
        let mut answered = locked(&self.answered);
        while !*answered {
            answered = self.changed.wait(answered).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
