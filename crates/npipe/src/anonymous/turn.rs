//! Taking turns.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::lock;

/// A lock that is held while a thread waits, so that those behind it wait no longer than they want to.
#[derive(Default)]
pub(super) struct Turn {
    taken: Mutex<bool>,
    given_back: Condvar,
}

pub(super) struct TurnGuard<'a> {
    turn: &'a Turn,
    /// Whether somebody else had it first.
    #[cfg_attr(windows, expect(dead_code, reason = "the kernel tells those that waited by itself"))]
    pub(super) has_waited: bool,
}

impl Turn {
    #[cfg(not(windows))]
    pub(super) fn take_if_free(&self) -> Option<TurnGuard<'_>> {
        let mut taken = lock(&self.taken);
        if *taken {
            return None;
        }
        *taken = true;
        Some(TurnGuard {
            turn: self,
            has_waited: false,
        })
    }

    /// `None` when the deadline came first.
    pub(super) fn take_until(&self, deadline: Option<Instant>) -> Option<TurnGuard<'_>> {
        let mut taken = lock(&self.taken);
        let has_waited = *taken;
        while *taken {
            taken = match deadline {
                None => self.given_back.wait(taken).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    self.given_back
                        .wait_timeout(taken, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        *taken = true;
        Some(TurnGuard { turn: self, has_waited })
    }
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        *lock(&self.turn.taken) = false;
        self.turn.given_back.notify_one();
    }
}
