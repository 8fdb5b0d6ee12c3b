//! How writes feed reads that wait (semantics 96, 105, 119, 135).
//!
//! A read that waits is completed by the first frame that reaches it and by no other; what it leaves of the frame goes to
//! the next waiting read. Writer and reader compute this alike, each for itself: the reader serves its calls so, and the
//! writer foresees it to know whether its write is complete although the reader has not run yet.

use serde::{Deserialize, Serialize};

/// Sizes published at most; a write that would need more waits until the first ones are served.
pub const MAX_WAITING_READS: usize = 16;

/// The reads that wait on a lane, as its writer sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingReads {
    sizes: [u32; MAX_WAITING_READS],
    first: usize,
    count: usize,
    /// Bytes of frames already on the lane that these reads are about to take.
    eaten: u64,
    /// Tells this view from later ones; only its maker reads it.
    pub stamp: u64,
}

impl WaitingReads {
    /// The reads of `sizes`, oldest first; those beyond [`MAX_WAITING_READS`] are left out.
    pub fn new(sizes: &[u32], stamp: u64) -> Self {
        let count = sizes.len().min(MAX_WAITING_READS);
        let mut reads = WaitingReads {
            count,
            stamp,
            ..WaitingReads::default()
        };
        reads.sizes[..count].copy_from_slice(&sizes[..count]);
        reads
    }

    /// The sizes of the reads that wait, oldest first.
    pub fn sizes(&self) -> &[u32] {
        &self.sizes[self.first..self.count]
    }

    /// Whether no read waits.
    pub const fn is_empty(&self) -> bool {
        self.first == self.count
    }

    /// Bytes that [`WaitingReads::feed`] gave to reads so far.
    pub const fn eaten(&self) -> u64 {
        self.eaten
    }

    /// Feeds one frame of `length` bytes (0: an empty message) to the reads and returns how many bytes of it they take.
    pub fn feed(&mut self, length: u32) -> u32 {
        let mut left = length;
        while self.first < self.count {
            let size = self.sizes[self.first];
            self.first += 1;
            let part = size.min(left);
            left -= part;
            self.eaten += u64::from(part);
            if left == 0 {
                break;
            }
        }
        length - left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 96, 219
    #[test]
    fn one_write_feeds_several_reads_in_order() {
        let mut reads = WaitingReads::new(&[3, 4, 5], 0);
        assert_eq!(reads.feed(8), 8);
        assert!(reads.is_empty());
        assert_eq!(reads.eaten(), 8);
    }

    /// semantics 91, 219
    #[test]
    fn a_short_write_completes_only_the_first_read() {
        let mut reads = WaitingReads::new(&[10, 10], 0);
        assert_eq!(reads.feed(4), 4);
        assert_eq!(reads.feed(12), 10);
        assert!(reads.is_empty());
        assert_eq!(reads.feed(1), 0);
        assert_eq!(reads.eaten(), 14);
    }

    /// semantics 105
    #[test]
    fn an_empty_message_completes_exactly_one_read() {
        let mut reads = WaitingReads::new(&[10, 10], 0);
        assert_eq!(reads.feed(0), 0);
        assert!(!reads.is_empty());
        assert_eq!(reads.feed(20), 10);
        assert!(reads.is_empty());
    }

    /// semantics 95, 108
    #[test]
    fn a_zero_length_read_is_completed_and_takes_nothing() {
        let mut reads = WaitingReads::new(&[0, 2], 0);
        assert_eq!(reads.feed(2), 2);
        assert!(reads.is_empty());
    }

    /// semantics 126
    #[test]
    fn reads_beyond_the_published_ones_are_not_foreseen() {
        let mut reads = WaitingReads::new(&[1; 20], 0);
        assert_eq!(reads.feed(20), MAX_WAITING_READS as u32);
    }
}
