//! Looking at many connections in turn, so that their peers need not ring.

use std::sync::Arc;
use std::time::Duration;

use crate::PipeStream;
use crate::end::link::{Glance, Link, Wish};

/// What there was to see of a connection whose task came to rest.
///
/// A task that leaves one with somebody who looks at it again and again calls for no bell: it takes the outlook, tries once
/// more, and sleeps. Before that somebody sleeps too, [`await_ring`](super::engine::await_ring) comes, and one more look.
#[derive(Debug)]
pub struct Outlook {
    link: Arc<Link>,
    seen: Glance,
    patience: Duration,
}

impl Outlook {
    /// What there is to see of data that comes. `None`: there is no connection, or its end may not be looked at for long,
    /// by its options or since other processes hold it too.
    pub fn of(stream: &PipeStream) -> Option<Outlook> {
        let patience = stream.end.shape.max_spin;
        let link = stream.end.link()?;
        if patience.is_zero() || link.object().is_some() {
            return None;
        }
        link.publish_processor();
        stream.end.place_empties();
        let seen = link.glance(Wish::Data);
        Some(Outlook { link, seen, patience })
    }

    /// Whether there is anything new.
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.link.glance(Wish::Data) != self.seen
    }

    /// Does without the peer's ring for data, which [`await_ring`](super::engine::await_ring) has called for: the caller looks
    /// again and again from now on. `false`: it cannot be done without.
    pub fn dispense_with_ring(&self) -> bool {
        let is_ours = self.link.object().is_none();
        if is_ours {
            self.link.dismiss_delegate(Wish::Data);
        }
        is_ours
    }

    /// Has the processor fetch what [`Outlook::dispense_with_ring`] is about to change, and the look that follows.
    pub fn expect_recall(&self) {
        self.link.fetch_call();
        self.link.fetch_tail();
    }

    /// Has the processor fetch what a look is about to look at, so that those for several connections are fetched at once.
    #[inline]
    pub fn expect_look(&self) {
        self.link.fetch_tail();
    }

    /// Something is new: has the processor fetch what its reader is about to read, and what it answers into.
    pub fn expect_read(&self) {
        self.link.fetch_frames(self.seen.tail);
    }

    /// Whether the peer was last seen on another processor than the caller's, where it can go on while the caller looks.
    #[inline]
    pub fn is_elsewhere(&self) -> bool {
        !self.link.shares_processor()
    }

    /// For how long the end may be looked at in vain.
    pub fn patience(&self) -> Duration {
        self.patience
    }
}
