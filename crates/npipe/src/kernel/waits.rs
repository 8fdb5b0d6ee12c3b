//! Whether a thread waits in a call on a pipe: for tests, which wait for that and for nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::transfer;

/// A thread that shows whether it waits.
#[derive(Clone, Copy, Debug)]
pub struct Shown(&'static AtomicBool);

impl Shown {
    /// Has the calling thread show it from now on. What it takes is never given back.
    pub fn this_thread() -> Shown {
        let waits: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        transfer::show_waiting(waits);
        Shown(waits)
    }

    /// Whether it waits: what it asks for is with the system, and not yet done.
    pub fn waits(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
