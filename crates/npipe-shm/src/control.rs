//! The words in the control page, which the two ends share besides the lanes.
//!
//! Each end owns a block that it alone writes, but for its bell and its call for the delegate, which the peer rings and
//! answers. Words that change together share a cache line, words of different owners or of different use do not.

use crate::layout::Side;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use npipe_core::wire::PeerState;

/// Keeps its content on cache lines of its own.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Line<T>(pub T);

/// The standing of an end as it publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In use.
    Open,
    /// Closed in order.
    Closed,
    /// The server end has disconnected the client.
    Disconnected,
}

/// Words that the peer looks at with every call and that seldom change.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Attention {
    /// How many threads of this end sleep until the bell rings, and whether its delegate is to be rung; the peer takes
    /// that back when it rings. Pairs with the fence in [`crate::doorbell`].
    pub sleepers: AtomicU32,
    standing: AtomicU32,
    /// One more than the number of the processor that this end last ran on; 0 before it ever did.
    pub processor: AtomicU32,
}

/// What an end publishes as the writer of its lane.
#[derive(Debug, Default)]
#[repr(C)]
pub struct WriterWords {
    /// Position behind the last frame; its release store publishes everything before it.
    pub tail: AtomicU64,
    /// Live bytes queued.
    pub queued: AtomicU64,
}

/// What an end publishes as the reader of its peer's lane.
#[derive(Debug, Default)]
#[repr(C)]
pub struct ReaderWords {
    /// Position of the first part that is still needed; its release store gives the space before it back.
    pub head: AtomicU64,
    /// Live bytes taken.
    pub taken: AtomicU64,
    /// Empty messages taken.
    pub empties: AtomicU64,
}

/// The reads of an end that wait.
#[derive(Debug, Default)]
#[repr(C)]
pub struct OfferWords {
    /// See [`crate::ring::offer`].
    pub stamp: AtomicU64,
    /// Their sizes, oldest first.
    pub sizes: [AtomicU32; npipe_core::feed::MAX_WAITING_READS],
    /// Bytes taken of a complete part at the head when they were published; those of a pending part are in its state.
    pub begun: AtomicU32,
}

/// The block of one end.
#[derive(Debug, Default)]
#[repr(C)]
pub struct EndWords {
    /// For the peer's glance.
    pub attention: Line<Attention>,
    /// The word that the threads of this end sleep on; the peer adds 1 to ring it.
    pub bell: Line<AtomicU32>,
    /// Its lane.
    pub writer: Line<WriterWords>,
    /// The peer's lane.
    pub reader: Line<ReaderWords>,
    /// Its waiting reads.
    pub offer: Line<OfferWords>,
}

/// The words in the control page.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Control {
    ends: [EndWords; 2],
}

const _: () = assert!(cfg!(loom) || size_of::<Control>() <= crate::layout::WORDS_BYTES as usize);

impl Control {
    /// The words of `side`.
    #[inline]
    pub fn end(&self, side: Side) -> &EndWords {
        &self.ends[side as usize]
    }
}

impl Attention {
    /// Publishes a new standing.
    pub fn set_standing(&self, standing: Standing) {
        self.standing.store(standing as u32, Ordering::SeqCst);
    }

    /// The standing that the peer's words claim; anything unknown counts as closed.
    #[inline]
    pub fn standing(&self) -> PeerState {
        match self.standing.load(Ordering::Acquire) {
            0 => PeerState::Open,
            2 => PeerState::Disconnected,
            _ => PeerState::Closed,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// semantics 172, 183
    #[test]
    fn a_standing_that_nobody_knows_is_closed() {
        let attention = Attention::default();
        assert_eq!(attention.standing(), PeerState::Open);
        attention.set_standing(Standing::Closed);
        assert_eq!(attention.standing(), PeerState::Closed);
        attention.set_standing(Standing::Disconnected);
        assert_eq!(attention.standing(), PeerState::Disconnected);
        for unknown in [3, u32::MAX] {
            attention.standing.store(unknown, Ordering::Release);
            assert_eq!(attention.standing(), PeerState::Closed);
        }
    }
}
