//! A descriptor in hand, for the moment when there is no other.

use crate::sys::forks::ProcessFd;
use std::sync::Mutex;

use crate::end::locked;
use crate::sys::socket;

/// The spare descriptor. Once lent, its place is taken until somebody closes what was opened in it: it is restored later,
/// again and again.
#[derive(Debug)]
pub(super) struct Spare(Mutex<Option<ProcessFd>>);

impl Spare {
    pub(super) fn new() -> Spare {
        Spare(Mutex::new(socket::spare()))
    }

    /// Does something in its place.
    pub(super) fn lend<T>(&self, act: impl FnOnce() -> T) -> T {
        *locked(&self.0) = None;
        act()
    }

    /// Takes one, if it is gone and there is one to be had.
    pub(super) fn restore(&self) {
        let mut spare = locked(&self.0);
        if spare.is_none() {
            *spare = socket::spare();
        }
    }
}
