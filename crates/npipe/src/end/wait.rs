//! How a thread waits for its call: look, spin for a moment, sleep until woken, look again.

use std::task::Poll;
use std::time::Instant;

use super::link::{Link, Wish};

/// Why a call is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something may have changed.
    Awake,
    /// The thread is about to sleep: what it waits for has to be published by now.
    BeforeSleep,
}

/// Waits until `poll` is ready; `None` when the deadline passes first.
pub(crate) fn wait_for<T>(
    link: &Link,
    wish: Wish,
    deadline: Option<Instant>,
    mut poll: impl FnMut(Look) -> Poll<T>,
) -> Option<T> {
    let start = Instant::now();
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
        link.sleep(deadline, || {
            outcome = poll(Look::BeforeSleep);
            outcome.is_ready()
        });
        if let Poll::Ready(value) = outcome {
            link.learn(start.elapsed());
            return Some(value);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return match poll(Look::Awake) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
        }
    }
}
