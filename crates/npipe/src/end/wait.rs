//! How a thread waits for its call: look, spin for a moment, sleep until woken, look again.

use std::task::Poll;
use std::time::{Duration, Instant};

use super::link::{Glance, Link, Wish};

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

/// Waits until `poll` is ready; `None` when the deadline passes first. The call was looked at before: `seen` is what there
/// was then. `tidy`, if there is something to tidy, is called once when it takes long; without it the sleep needs no timer,
/// which is dear in a virtual machine.
pub(crate) fn wait_for<T>(
    link: &Link,
    wish: Wish,
    mut seen: Glance,
    deadline: Option<Instant>,
    mut poll: impl FnMut(Look) -> Poll<T>,
    mut tidy: Option<impl FnOnce()>,
) -> Option<T> {
    // Read when the first spin is over: a wait that ends before needs no clock.
    let mut start = None;
    loop {
        if link.spin(wish, seen, deadline) {
            seen = link.glance(wish);
            match poll(Look::Awake) {
                Poll::Ready(value) => return Some(value),
                Poll::Pending => continue,
            }
        }
        let begun = *start.get_or_insert_with(Instant::now);
        let quiet = begun + QUIET;
        let until = match (&tidy, deadline) {
            (Some(_), None) => Some(quiet),
            (Some(_), Some(deadline)) => Some(quiet.min(deadline)),
            (None, deadline) => deadline,
        };
        let mut outcome = Poll::Pending;
        link.sleep(wish, until, || {
            outcome = poll(Look::BeforeSleep);
            outcome.is_ready()
        });
        seen = link.glance(wish);
        if outcome.is_pending() {
            outcome = poll(Look::Awake);
        }
        let now = Instant::now();
        if let Poll::Ready(value) = outcome {
            link.slept(now - begun);
            return Some(value);
        }
        if now >= quiet
            && let Some(tidy) = tidy.take()
        {
            tidy();
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return None;
        }
    }
}
