//! Looking at many connections in turn, so that their peers need not ring.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use npipe_shm::layout::{SMALL_BYTES, Side};
use npipe_shm::memory::Memory;
use npipe_shm::ring;

use crate::PipeStream;
use crate::end::link::{Glance, Link, Wish};
use crate::sys::cpu;

/// What there was to see of a connection whose task came to rest.
///
/// A task that leaves one with somebody who looks at it again and again calls for no bell: it takes the outlook, tries once
/// more, and sleeps. Before that somebody sleeps too, [`await_ring`](super::engine::await_ring) comes, and one more look.
#[derive(Debug)]
pub struct Outlook {
    link: Arc<Link>,
    side: Side,
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
        let side = stream.end.side();
        Some(Outlook {
            link,
            side,
            seen,
            patience,
        })
    }

    /// Whether there is anything new.
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.link.glance(Wish::Data) != self.seen
    }

    /// Has the processor fetch what a look is about to look at, so that those for several connections are fetched at once.
    #[inline]
    pub fn expect_look(&self) {
        let words = self.link.control().end(self.side.peer());
        cpu::prefetch(&words.writer.0.tail, false);
    }

    /// Something is new: has the processor fetch what its reader is about to read, and what it answers into.
    pub fn expect_read(&self) {
        let own = &self.link.control().end(self.side).writer.0.tail;
        cpu::prefetch(own, true);
        self.fetch_frame(self.side.peer(), self.seen.tail, false);
        self.fetch_frame(self.side, own.load(Ordering::Relaxed), true);
    }

    /// A short frame takes a cache line or two. Those of large ones are in areas that are not always mapped.
    fn fetch_frame(&self, writer: Side, tail: u64, to_change: bool) {
        let offset = ring::offset_behind(tail) & !7;
        for offset in [offset, offset + 64] {
            if offset < SMALL_BYTES {
                cpu::prefetch(self.link.word(writer, offset), to_change);
            }
        }
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
