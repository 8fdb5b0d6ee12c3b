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
pub(crate) const QUIET: Duration = Duration::from_secs(1);

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
        if link.spin(wish, seen, deadline) || link.give_way(wish, seen) {
            seen = link.glance(wish);
            match poll(Look::Awake) {
                Poll::Ready(value) => return Some(value),
                // A peer can keep its words changing for as long as it likes.
                Poll::Pending if deadline.is_some_and(|deadline| deadline <= Instant::now()) => return None,
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

#[cfg(test)]
pub(crate) mod tests {
    use std::os::fd::{AsFd, OwnedFd};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use npipe_shm::layout::{Layout, Side};
    use npipe_shm::memory::Memory;

    use super::*;
    use crate::sys::identity;
    use crate::sys::segment::Segment;

    /// A server's side of a connection without a client.
    pub(crate) fn link(spin: Duration) -> Arc<Link> {
        let layout = Layout::new(0, 0);
        let first_bytes = Layout::first_bytes() as usize;
        let (segment, _) = Segment::create(layout.total_bytes(), first_bytes).expect("a segment");
        let (socket, _) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let peer = identity::peer_credentials(socket.as_fd()).expect("we are the peer");
        Link::new(
            segment,
            layout,
            Side::Server,
            Arc::new(OwnedFd::from(socket).into()),
            peer.into(),
            spin,
            None,
        )
    }

    /// A peer may change its words whenever we look, for as long as it likes.
    ///
    /// semantics 92, 99, 119, 163
    #[test]
    fn a_deadline_holds_while_the_peer_stirs() {
        const PATIENCE: Duration = Duration::from_secs(10);
        let link = link(Duration::from_micros(20));
        let stir = || {
            let words = link.control().end(Side::Client);
            words.reader.0.empties.fetch_add(1, Ordering::SeqCst);
        };
        let begun = Instant::now();
        let seen = link.glance(Wish::Room);
        stir();
        let poll = |_| {
            assert!(begun.elapsed() < PATIENCE, "the deadline is never looked at");
            stir();
            Poll::<()>::Pending
        };
        let deadline = Some(begun + Duration::from_millis(20));
        let outcome = wait_for(&link, Wish::Room, seen, deadline, poll, None::<fn()>);
        assert_eq!(outcome, None);
        assert!(begun.elapsed() >= Duration::from_millis(20), "never early");
    }
}
