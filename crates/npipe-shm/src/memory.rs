//! The memory of a segment, as the ring needs it.
//!
//! The ring reads and writes headers as single atomic words and moves payload by copying; nobody ever holds a reference
//! to payload that the peer could change.

use crate::control::Control;
use crate::layout::{Layout, Side};
use crate::sync::{AtomicU64, Ordering};
use npipe_core::wire::PeerState;
use std::ops::Range;

/// A mapped segment. Addresses stay the same for its life.
///
/// Offsets are those of a lane (see [`crate::layout`]). Callers keep them inside the lane, and below
/// [`crate::layout::SMALL_BYTES`] until [`Memory::map_large`] succeeded.
///
/// # Panics
/// Implementations may panic on offsets that break this: the ring checks what the peer wrote before.
pub trait Memory: Send + Sync {
    /// Its sizes.
    fn layout(&self) -> &Layout;

    /// The control page.
    fn control(&self) -> &Control;

    /// The standing of `side`, as far as its peer knows: what the words of `side` claim, unless the peer knows better.
    #[inline]
    fn standing(&self, side: Side) -> PeerState {
        self.control().end(side).attention.0.standing()
    }

    /// Maps the large areas; `false` when the system has no room for it.
    fn map_large(&self) -> bool;

    /// The word at a multiple of 8 in the lane that `writer` writes.
    fn word(&self, writer: Side, offset: u64) -> &AtomicU64;

    /// The word there and the one behind it: a header.
    #[inline]
    fn header(&self, writer: Side, offset: u64) -> [&AtomicU64; 2] {
        [offset, offset + 8].map(|offset| self.word(writer, offset))
    }

    /// Gives the pages of a lane between two offsets back to the system; they read as zero afterwards. A hint.
    fn discard(&self, _writer: Side, _offsets: Range<u64>) {}

    /// Copies payload in.
    fn copy_in(&self, writer: Side, offset: u64, from: &[u8]);

    /// Copies payload out.
    fn copy_out(&self, writer: Side, offset: u64, into: &mut [u8]);
}

/// A segment on the heap, for tests and models.
///
/// Payload is kept in the same words as headers, so that loom sees every access.
#[derive(Debug)]
pub struct HeapMemory {
    layout: Layout,
    control: Control,
    lanes: [Vec<AtomicU64>; 2],
    has_large: bool,
}

impl HeapMemory {
    /// A zeroed segment.
    pub fn new(layout: Layout) -> HeapMemory {
        HeapMemory::sized(layout, true)
    }

    /// A segment whose large areas the system has no room for.
    pub fn without_large(layout: Layout) -> HeapMemory {
        HeapMemory::sized(layout, false)
    }

    fn sized(layout: Layout, has_large: bool) -> HeapMemory {
        let lane = |writer| {
            let shape = layout.lane(writer);
            let bytes = if has_large { shape.lane_bytes } else { shape.small_bytes };
            (0..bytes / 8).map(|_| AtomicU64::new(0)).collect()
        };
        HeapMemory {
            layout,
            control: Control::default(),
            lanes: [lane(Side::Server), lane(Side::Client)],
            has_large,
        }
    }
}

impl Memory for HeapMemory {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn control(&self) -> &Control {
        &self.control
    }

    fn map_large(&self) -> bool {
        self.has_large
    }

    fn word(&self, writer: Side, offset: u64) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8), "a word at {offset}");
        &self.lanes[writer as usize][(offset / 8) as usize]
    }

    fn discard(&self, writer: Side, offsets: Range<u64>) {
        let end = offsets.end.min(self.lanes[writer as usize].len() as u64 * 8);
        for offset in (offsets.start..end).step_by(8) {
            self.word(writer, offset).store(0, Ordering::Relaxed);
        }
    }

    fn copy_in(&self, writer: Side, offset: u64, from: &[u8]) {
        for (index, chunk) in from.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            let word = self.word(writer, offset + 8 * index as u64);
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
    }

    fn copy_out(&self, writer: Side, offset: u64, into: &mut [u8]) {
        let mut at = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let bytes = self.word(writer, at & !7).load(Ordering::Relaxed).to_ne_bytes();
            let bytes = &bytes[(at & 7) as usize..];
            let (chunk, later) = rest.split_at_mut(bytes.len().min(rest.len()));
            chunk.copy_from_slice(&bytes[..chunk.len()]);
            at += chunk.len() as u64;
            rest = later;
        }
    }
}
