//! The segment of a connection as the ring sees it.

use std::sync::atomic::AtomicU64;

use npipe_core::wire::PeerState;
use npipe_shm::control::Control;
use npipe_shm::layout::{Layout, NOOK_BYTES, SMALL_BYTES, Side};
use npipe_shm::memory::Memory;

use super::Link;

impl Memory for Link {
    #[inline]
    fn layout(&self) -> &Layout {
        &self.layout
    }

    #[inline]
    fn control(&self) -> &Control {
        self.segment.initial().head()
    }

    #[inline]
    fn standing(&self, _side: Side) -> PeerState {
        self.standing_of_peer()
    }

    fn map_large(&self) -> bool {
        self.segment.full().is_ok()
    }

    #[inline]
    fn word(&self, writer: Side, offset: u64) -> &AtomicU64 {
        match offset < SMALL_BYTES {
            true => self
                .segment
                .initial()
                .atomic_u64(Layout::first_at(writer, offset) as usize),
            false => self.large().atomic_u64(self.large_offset(writer, offset)),
        }
    }

    #[inline]
    fn header(&self, writer: Side, offset: u64) -> [&AtomicU64; 2] {
        let [first, second] = match offset < SMALL_BYTES {
            true => self
                .segment
                .initial()
                .atomic_u64s(Layout::first_at(writer, offset) as usize),
            false => self.large().atomic_u64s(self.large_offset(writer, offset)),
        };
        [first, second]
    }

    fn discard(&self, writer: Side, offsets: std::ops::Range<u64>) {
        let (from, to) = (offsets.start, offsets.end);
        // The nook lies in a page that is needed, and is no part of what is given back.
        let at = |offset: u64| Layout::first_at(writer, offset.clamp(NOOK_BYTES, SMALL_BYTES));
        let small = at(from)..at(to);
        // A hint: pages that are kept cost memory and nothing else.
        let _ = self.segment.initial().discard(small.start as usize..small.end as usize);
        if let Some(map) = self.segment.full_if_mapped()
            && to > SMALL_BYTES
        {
            let _ = map.discard(self.large_offset(writer, from.max(SMALL_BYTES))..self.large_offset(writer, to));
        }
    }

    #[inline]
    fn copy_in(&self, writer: Side, offset: u64, from: &[u8]) {
        match offset < SMALL_BYTES {
            true => self
                .segment
                .initial()
                .copy_in(Layout::first_at(writer, offset) as usize, from),
            false => self.large().copy_in(self.large_offset(writer, offset), from),
        }
    }

    #[inline]
    fn copy_out(&self, writer: Side, offset: u64, into: &mut [u8]) {
        match offset < SMALL_BYTES {
            true => self
                .segment
                .initial()
                .copy_out(Layout::first_at(writer, offset) as usize, into),
            false => self.large().copy_out(self.large_offset(writer, offset), into),
        }
    }
}

impl Link {
    fn large_offset(&self, writer: Side, offset: u64) -> usize {
        (self.layout.large_at(writer) + offset - SMALL_BYTES) as usize
    }

    fn large(&self) -> &crate::sys::segment::Map {
        match self.segment.full_if_mapped() {
            Some(map) => map,
            // The ring maps the large areas before it goes there.
            None => unreachable!("the large area is used before it is mapped"),
        }
    }
}
