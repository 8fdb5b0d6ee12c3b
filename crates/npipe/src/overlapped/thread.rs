//! Completion routines and calls queued to a thread, which Windows names asynchronous procedure calls.
//!
//! They run in *alertable* waits of their thread and nowhere else (semantics 234, 238): what completes meanwhile stays in
//! the thread's queue. A wait that finds any runs them all, those that they queue themselves too, and ends (semantics 236).

use std::sync::Arc;
use std::time::Duration;

use super::deadline_of;
use super::inbox::{self, Inbox};
#[cfg(not(windows))]
use super::signal::Signal;

/// A thread, as others see it who queue calls to it. Win32 equivalent: a thread's handle given to QueueUserAPC.
#[derive(Clone, Debug)]
pub struct AlertableThread(Arc<Inbox>);

/// How an alertable wait without an object has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Completion routines or queued calls have run: WAIT_IO_COMPLETION.
    Completions,
    /// The time has passed.
    TimedOut,
}

impl AlertableThread {
    /// The calling thread.
    ///
    /// # Panics
    /// On Windows, if the system has no handle left for it.
    #[doc(alias = "GetCurrentThread")]
    pub fn current() -> AlertableThread {
        AlertableThread(inbox::current())
    }

    /// Queues a call, which the thread makes in its next alertable wait, or in the one that it is in. If it never waits so,
    /// it never makes it. Win32 equivalent: QueueUserAPC.
    #[doc(alias = "QueueUserAPC")]
    pub fn queue(&self, call: impl FnOnce() + Send + 'static) {
        self.0.queue(Box::new(call));
    }

    /// What is notified when something is queued to the thread.
    #[cfg(not(windows))]
    pub fn signal(&self) -> &Arc<Signal> {
        self.0.signal()
    }
}

/// Sleeps until completion routines or queued calls have run, or the time has passed. Win32 equivalent: SleepEx, alertable.
///
/// `None` sleeps until there are some. A time-out of 0 runs what there is.
#[doc(alias = "SleepEx")]
#[doc(alias = "WAIT_IO_COMPLETION")]
pub fn sleep_alertable(timeout: Option<Duration>) -> Woken {
    match inbox::sleep(deadline_of(timeout)) {
        true => Woken::Completions,
        false => Woken::TimedOut,
    }
}
