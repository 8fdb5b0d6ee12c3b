//! Cache lines that a read is about to need, which the processor can fetch while the read is on its way there. Hints, all of
//! them: nothing is read, and nothing depends on what the lines hold.

use std::sync::atomic::Ordering;

use npipe_shm::layout::{SMALL_BYTES, Side};
use npipe_shm::memory::Memory;
use npipe_shm::ring;

use super::Link;
use crate::sys::cpu;

impl Link {
    /// What tells whether the peer has written.
    #[inline]
    pub(crate) fn fetch_tail(&self) {
        cpu::prefetch(&self.peer_words().writer.0.tail, false);
    }

    /// What calls for the delegate is about to change.
    #[inline]
    pub(crate) fn fetch_call(&self) {
        cpu::prefetch(&self.own_words().attention.0.sleepers, true);
    }

    /// The peer's next frame, which begins at the `tail` that was seen last, and what its reader answers into.
    pub(crate) fn fetch_frames(&self, tail: u64) {
        let own = &self.own_words().writer.0.tail;
        cpu::prefetch(own, true);
        self.fetch_frame(self.side.peer(), tail, false);
        self.fetch_frame(self.side, own.load(Ordering::Relaxed), true);
    }

    /// A short frame takes a cache line or two. Those of large ones are in areas that are not always mapped.
    fn fetch_frame(&self, writer: Side, tail: u64, to_change: bool) {
        let offset = ring::offset_behind(tail) & !7;
        for offset in [offset, offset + 64] {
            if offset < SMALL_BYTES {
                cpu::prefetch(self.word(writer, offset), to_change);
            }
        }
    }
}
