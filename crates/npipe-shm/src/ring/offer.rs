//! The waiting reads of an end, published to the writer of the lane.
//!
//! The list is guarded by one word, the *stamp*: a generation, a busy flag while the reader changes the list or takes bytes
//! that the list still promises, a claim flag that the writer sets to keep the list as it is, and the count. The writer
//! takes a view, computes, and either needs nothing more (its frame was on the lane before it looked, so a read that is
//! withdrawn later finds it) or claims the very list it saw.

use npipe_core::feed::{MAX_WAITING_READS, WaitingReads};

use super::header::Position;
use crate::control::{OfferWords, ReaderWords};
use crate::sync::{Ordering, fence, pause};

const COUNT: u64 = 0xff;
const BUSY: u64 = 1 << 8;
const CLAIMED: u64 = 1 << 9;

/// How often a moment's work of the peer is waited for before its word is taken as it stands. A peer that stops in such a
/// moment must not hold us up.
const PATIENCE: u32 = if cfg!(loom) { 100 } else { 10_000 };

/// The stamp that comes after `stamp`, of the next generation, with `low` as its other fields.
const fn following(stamp: u64, low: u64) -> u64 {
    (((stamp >> 32) + 1) << 32) + low
}

/// The reader is about to take bytes: until it offers again no view is valid.
pub(crate) fn begin_change(words: &OfferWords) {
    let mut stamp = words.stamp.load(Ordering::Relaxed);
    for _ in 0..PATIENCE {
        // A claim is honoured for as long as an honest writer needs; after that the writer is stopped or hostile.
        if stamp & CLAIMED != 0 {
            pause();
            stamp = words.stamp.load(Ordering::Relaxed);
            continue;
        }
        match words
            .stamp
            .compare_exchange(stamp, following(stamp, BUSY), Ordering::SeqCst, Ordering::Relaxed)
        {
            Ok(_) => {
                // Who sees a word that is changed from here on also sees that the list was busy.
                fence(Ordering::Release);
                return;
            }
            Err(now) => stamp = now,
        }
    }
    words.stamp.store(following(stamp, BUSY), Ordering::SeqCst);
    fence(Ordering::Release);
}

/// The reader publishes its list, after [`begin_change`], and how many bytes it has taken of a complete part at its head.
pub(crate) fn publish(words: &OfferWords, reads: &[u32], begun: u32) {
    for (slot, size) in words.sizes.iter().zip(reads) {
        slot.store(*size, Ordering::Relaxed);
    }
    words.begun.store(begun, Ordering::Relaxed);
    let stamp = words.stamp.load(Ordering::Relaxed);
    words
        .stamp
        .store(following(stamp, reads.len() as u64), Ordering::SeqCst);
    fence(Ordering::SeqCst);
}

/// What a writer sees of the reader at one moment.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) reads: WaitingReads,
    pub(crate) head: Position,
    /// Bytes taken of a complete part at the head.
    pub(crate) begun: u32,
}

/// The writer's view of the list. `None` when no read waits, or the reader does not come to rest.
pub(crate) fn view(words: &OfferWords, reader: &ReaderWords) -> Option<View> {
    fence(Ordering::SeqCst);
    for _ in 0..PATIENCE {
        let stamp = words.stamp.load(Ordering::Acquire);
        let count = (stamp & COUNT) as usize;
        if stamp & BUSY != 0 {
            pause();
            continue;
        }
        if count == 0 || count > MAX_WAITING_READS {
            return None;
        }
        let mut sizes = [0; MAX_WAITING_READS];
        for (size, slot) in sizes.iter_mut().zip(&words.sizes).take(count) {
            *size = slot.load(Ordering::Relaxed);
        }
        let begun = words.begun.load(Ordering::Relaxed);
        let head = Position(reader.head.load(Ordering::Acquire));
        fence(Ordering::SeqCst);
        if words.stamp.load(Ordering::Relaxed) == stamp {
            return Some(View {
                reads: WaitingReads::new(&sizes[..count], stamp),
                head,
                begun,
            });
        }
    }
    None
}

/// Keeps the list of `stamp` as it is until [`release`]; `false` when it has changed.
pub(crate) fn claim(words: &OfferWords, stamp: u64) -> bool {
    words
        .stamp
        .compare_exchange(stamp, stamp | CLAIMED, Ordering::SeqCst, Ordering::Relaxed)
        .is_ok()
}

/// Ends a claim.
pub(crate) fn release(words: &OfferWords) {
    words.stamp.fetch_and(!CLAIMED, Ordering::SeqCst);
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn words() -> (OfferWords, ReaderWords) {
        (OfferWords::default(), ReaderWords::default())
    }

    fn offer(words: &OfferWords, reads: &[u32], begun: u32) {
        begin_change(words);
        publish(words, reads, begun);
    }

    /// semantics 96, 119
    #[test]
    fn the_writer_sees_the_reads_and_the_head_of_one_moment() {
        let (words, reader) = words();
        assert!(view(&words, &reader).is_none(), "no read waits");
        offer(&words, &[3, 0, 5], 2);
        reader.head.store(64, Ordering::Release);
        let mut view = view(&words, &reader).expect("three reads wait");
        assert_eq!((view.head, view.begun), (Position(64), 2));
        assert_eq!([view.reads.feed(9), view.reads.feed(1)], [8, 0]);
        assert!(view.reads.is_empty());
    }

    /// semantics 134-136
    #[test]
    fn a_claim_binds_the_list_that_was_seen_and_no_other() {
        let (words, reader) = words();
        offer(&words, &[3], 0);
        let seen = view(&words, &reader).expect("a read waits").reads;
        for _ in 0..4 {
            offer(&words, &[3], 0);
            assert!(!claim(&words, seen.stamp), "the same sizes, but other reads");
        }
        let seen = view(&words, &reader).expect("a read waits").reads;
        assert!(claim(&words, seen.stamp));
        assert!(!claim(&words, seen.stamp), "claimed once");
        release(&words);
        assert!(claim(&words, seen.stamp), "free again");
        release(&words);
        begin_change(&words);
        assert!(!claim(&words, seen.stamp), "bytes are being taken");
        assert!(view(&words, &reader).is_none(), "the reader does not come to rest");
        publish(&words, &[], 0);
        assert!(view(&words, &reader).is_none(), "all reads are withdrawn");
    }

    /// semantics 126
    #[test]
    fn a_full_list_is_seen_whole() {
        let (words, reader) = words();
        offer(&words, &[1; MAX_WAITING_READS], 0);
        let mut seen = view(&words, &reader).expect("reads wait").reads;
        assert_eq!(seen.feed(100), MAX_WAITING_READS as u32);
    }

    /// A peer that stops or lies in the middle of a change holds nobody up.
    ///
    /// semantics 119, 127
    #[test]
    fn no_word_holds_anybody_up() {
        let (words, reader) = words();
        offer(&words, &[3], 0);
        let seen = view(&words, &reader).expect("a read waits").reads;
        assert!(claim(&words, seen.stamp));
        offer(&words, &[4], 0);
        assert_eq!(view(&words, &reader).expect("a read waits").reads.feed(9), 4);
        for stamp in [
            u64::MAX,
            BUSY,
            CLAIMED | 1,
            BUSY | CLAIMED | 16,
            COUNT,
            17,
            1 << 63 | 16,
        ] {
            words.stamp.store(stamp, Ordering::Release);
            let seen = view(&words, &reader);
            assert!(seen.is_none() || stamp & COUNT <= 16);
            offer(&words, &[4], 0);
            assert_eq!(view(&words, &reader).expect("a read waits").reads.feed(9), 4);
        }
    }
}
