//! How a thread waits for its call: look, spin for a moment, sleep until woken, look again.

use std::task::Poll;
use std::time::{Duration, Instant};

use super::link::{Link, Wish};

/// Why a call is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something may have changed.
    Awake,
    /// The thread is about to sleep: what it waits for has to be published by now.
    BeforeSleep,
}

/// A thread that has slept this long has nothing to do: the connection is quiet.
const QUIET: Duration = Duration::from_secs(1);

/// Waits until `poll` is ready; `None` when the deadline passes first. `tidy` is called once when it takes long.
pub(crate) fn wait_for<T>(
    link: &Link,
    wish: Wish,
    deadline: Option<Instant>,
    mut poll: impl FnMut(Look) -> Poll<T>,
    tidy: impl FnOnce(),
) -> Option<T> {
    let start = Instant::now();
    let quiet = start + QUIET;
    let mut tidy = Some(tidy);
    loop {
        let seen = link.glance(wish);
        if let Poll::Ready(value) = poll(Look::Awake) {
            link.learn(start.elapsed());
            return Some(value);
        }
        if link.spin(wish, seen, deadline) {
            continue;
        }
        let mut outcome = Poll::Pending;
        let until = match (&tidy, deadline) {
            (Some(_), None) => Some(quiet),
            (Some(_), Some(deadline)) => Some(quiet.min(deadline)),
            (None, deadline) => deadline,
        };
        link.sleep(until, || {
            outcome = poll(Look::BeforeSleep);
            outcome.is_ready()
        });
        if let Poll::Ready(value) = outcome {
            link.learn(start.elapsed());
            return Some(value);
        }
        let now = Instant::now();
        if now >= quiet
            && let Some(tidy) = tidy.take()
        {
            tidy();
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return match poll(Look::Awake) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
        }
    }
}
