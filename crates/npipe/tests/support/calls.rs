//! Calls that block, on threads of their own; a test knows that one waits when its thread has gone to sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use super::{PATIENCE, until};

/// What is known of the thread of a call: its number here, by which the system tells whether it sleeps.
#[cfg(unix)]
type Thread = i32;

/// What is known of the thread of a call: the library shows whether it waits, since Windows does not tell.
#[cfg(windows)]
type Thread = npipe::waits::Shown;

#[cfg(unix)]
fn this_thread() -> Thread {
    rustix::thread::gettid().as_raw_nonzero().get()
}

#[cfg(windows)]
fn this_thread() -> Thread {
    npipe::waits::Shown::this_thread()
}

/// A call on a thread of its own.
pub(crate) struct Call<T> {
    thread: Thread,
    done: Arc<AtomicBool>,
    outcome: Receiver<T>,
}

/// Starts a call.
pub(crate) fn call<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Call<T> {
    let (announce, thread) = mpsc::channel();
    let (report, outcome) = mpsc::channel();
    let done = Arc::new(AtomicBool::new(false));
    let finished = done.clone();
    std::thread::spawn(move || {
        announce.send(this_thread()).expect("the test is there");
        let outcome = act();
        finished.store(true, Ordering::Release);
        // A test that failed meanwhile listens no more.
        let _ = report.send(outcome);
    });
    Call {
        thread: thread.recv().expect("the thread starts"),
        done,
        outcome,
    }
}

impl<T> Call<T> {
    /// Waits until the call waits.
    #[track_caller]
    pub(crate) fn blocked(self) -> Call<T> {
        #[cfg(unix)]
        until_at_rest(self.thread);
        #[cfg(windows)]
        until(|| (self.thread.waits() || !self.is_waiting()).then_some(()));
        self
    }

    /// How often its thread has gone to sleep.
    #[cfg(unix)]
    pub(crate) fn naps(&self) -> u64 {
        status_of(self.thread).map_or(0, |(_, naps)| naps)
    }

    /// The number of its thread.
    #[cfg(unix)]
    pub(crate) fn thread(&self) -> i32 {
        self.thread
    }

    /// Waits for the call's end.
    #[track_caller]
    pub(crate) fn end(self) -> T {
        match self.outcome.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => panic!("the call goes on waiting"),
            Err(RecvTimeoutError::Disconnected) => panic!("the call panicked"),
        }
    }

    /// Whether the call has not returned.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.done.load(Ordering::Acquire)
    }

    /// Checks that the call has not returned.
    #[track_caller]
    pub(crate) fn waits(&self) {
        assert!(self.is_waiting(), "the call has returned");
    }
}

/// Waits until a thread of this process waits: it has gone to sleep and does not stir.
#[cfg(unix)]
#[track_caller]
pub(crate) fn until_at_rest(thread: i32) {
    const LOOKS: u32 = 4;
    let (mut before, mut alike) = (None, 0);
    until(|| {
        let now = status_of(thread);
        // A thread that has ended is at rest for good.
        let rests = now.is_none_or(|(sleeps, _)| sleeps);
        alike = if rests && now == before { alike + 1 } else { 0 };
        before = now;
        (alike >= LOOKS).then_some(())
    });
}

/// Whether a thread of this process sleeps, and how often it has gone to sleep; `None` if it has ended.
#[cfg(unix)]
fn status_of(thread: i32) -> Option<(bool, u64)> {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let sleeps = field("voluntary_ctxt_switches:")?.parse().ok()?;
    Some((field("State:")?.starts_with('S'), sleeps))
}
