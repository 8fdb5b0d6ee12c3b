//! What the writer knows of the reads that wait, and how long that is true.

use npipe_core::wire::{Frame, Inlet, Outlet, Standing as Firmness};

use crate::*;

fn put(outlet: &mut RingOutlet<HeapMemory>, data: &[u8], standing: Firmness) {
    let frame = Frame {
        length: data.len() as u32,
        standing,
    };
    let (mut ticket, mut placed) = (Default::default(), 0);
    while placed < data.len() {
        placed += outlet.put(&mut ticket, frame, placed as u32, &data[placed..]);
    }
}

/// semantics 134-136
#[test]
fn a_claim_binds_the_reads_that_wait_now() {
    let (mut outlet, mut inlet) = halves(640);
    inlet.offer(&mut [4].into_iter());
    let stale = outlet.waiting_reads();
    inlet.offer(&mut [4].into_iter());
    assert!(!outlet.claim(&stale), "other reads");
    let view = outlet.waiting_reads();
    for _ in 0..2 {
        assert!(outlet.claim(&view));
        assert!(!outlet.claim(&view), "claimed already");
        outlet.release_claim();
    }
}

/// A read that takes bytes no longer waits for them: until the list is offered again, the writer counts on no read.
///
/// semantics 96, 119
#[test]
fn no_read_is_counted_on_while_bytes_are_taken() {
    for length in [0, 8] {
        let (mut outlet, mut inlet) = halves(640);
        inlet.offer(&mut [4, 4].into_iter());
        if length == 0 {
            assert!(outlet.put_empty());
        } else {
            put(&mut outlet, &pattern(1, length), Firmness::Pending);
        }
        let view = outlet.waiting_reads();
        assert!(inlet.front().expect("honest").is_some());
        if length == 0 {
            inlet.take_empty().expect("honest");
        } else {
            assert_eq!(inlet.take(&mut [0; 4]), Ok(4));
        }
        assert!(outlet.waiting_reads().is_empty());
        assert!(!outlet.claim(&view));
        inlet.offer(&mut [4].into_iter());
        assert_eq!(outlet.waiting_reads().eaten(), (length as u64).saturating_sub(4));
    }
}

/// semantics 96, 119, 120
#[test]
fn what_was_taken_of_the_first_frame_is_not_foreseen_and_all_of_the_others_is() {
    for standing in [Firmness::Complete, Firmness::Pending] {
        for length in [10, 100] {
            for taken in 0..=length {
                let (mut outlet, mut inlet) = halves(640);
                put(&mut outlet, &pattern(1, length), standing);
                put(&mut outlet, &pattern(2, length), standing);
                put(&mut outlet, &pattern(3, length), standing);
                assert!(inlet.front().expect("honest").is_some());
                assert_eq!(inlet.take(&mut vec![0; taken]), Ok(taken));
                // Whoever has a part of a frame is fed the rest of it, and nobody is fed two frames.
                let last = 5;
                inlet.offer(&mut [1_000, 1_000, last].into_iter());
                let mut eaten = 2 * length - taken + last as usize;
                if taken == length {
                    eaten = 2 * length;
                }
                assert_eq!(outlet.waiting_reads().eaten(), eaten as u64, "{taken} of {length}");
            }
        }
    }
}
