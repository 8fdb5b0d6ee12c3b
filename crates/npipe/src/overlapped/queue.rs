//! A queue of completions, and threads that wait for the next one: what completion ports and the routines of a thread have
//! in common.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::signal::Signal;
use super::wait::wait_until;
use crate::end::locked;

/// First in, first out (semantics 252).
#[derive(Debug)]
pub(crate) struct Queue<P> {
    pub(crate) signal: Arc<Signal>,
    items: Mutex<VecDeque<P>>,
}

impl<P> Queue<P> {
    pub(crate) fn new() -> Queue<P> {
        Queue {
            signal: Arc::default(),
            items: Mutex::default(),
        }
    }

    /// Adds an item of which the engine gives notice.
    pub(crate) fn push(&self, item: P) {
        locked(&self.items).push_back(item);
    }

    /// Adds an item and gives notice of it.
    pub(crate) fn post(&self, item: P) {
        self.push(item);
        self.signal.notify();
    }

    pub(crate) fn pop(&self) -> Option<P> {
        locked(&self.items).pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.items).is_empty()
    }

    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<P> {
        wait_until(&[&self.signal], deadline, || self.pop())
    }
}
