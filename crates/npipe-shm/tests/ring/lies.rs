//! Words that no honest writer leaves, each in the one place where a check stands against it.

use std::sync::atomic::{AtomicU64, Ordering};

use npipe_core::wire::{Frame, Inlet, Outlet, Standing as Firmness};

use crate::*;

/// Bytes from one part of [`LENGTH`] to the next.
const SPAN: u64 = 48;

const LENGTH: u32 = 32;

/// A pending frame at offset 0 of the lane, a complete one behind it.
fn two_frames() -> (RingOutlet<HeapMemory>, RingInlet<HeapMemory>) {
    let (mut outlet, inlet) = halves(4096);
    for standing in [Firmness::Pending, Firmness::Complete] {
        let frame = Frame {
            length: LENGTH,
            standing,
        };
        let placed = outlet.put(&mut Default::default(), frame, 0, &[1; LENGTH as usize]);
        assert_eq!(placed, LENGTH as usize);
    }
    (outlet, inlet)
}

fn word(outlet: &RingOutlet<HeapMemory>, offset: u64) -> &AtomicU64 {
    outlet.memory().word(Side::Server, offset)
}

/// semantics 121, 127
#[test]
fn a_part_that_was_met_does_not_become_another() {
    let (outlet, mut inlet) = two_frames();
    assert!(inlet.front().expect("honest so far").is_some());
    let complete = word(&outlet, SPAN).load(Ordering::Relaxed);
    word(&outlet, 0).store(complete, Ordering::Release);
    assert_eq!(inlet.front(), Err(Status::PeerMisbehaved));
}

/// semantics 122, 127
#[test]
fn only_the_reader_says_what_was_taken() {
    for is_met in [false, true] {
        let (outlet, mut inlet) = two_frames();
        if is_met {
            assert!(inlet.front().expect("honest so far").is_some());
        }
        word(&outlet, 0).fetch_add(5, Ordering::AcqRel);
        assert!(inlet.front().expect("a count that can be").is_some());
        assert_eq!(inlet.take(&mut [0; 8]), Err(Status::PeerMisbehaved));
    }
}

/// semantics 99, 121
#[test]
fn a_part_goes_on_with_the_frame_that_the_reader_is_in() {
    let data = [1; 2 * LENGTH as usize];
    let frame = Frame {
        length: 2 * LENGTH,
        standing: Firmness::Complete,
    };
    // Another length than was left, and the second part of a frame that has no first one.
    for (taken, left) in [(LENGTH as usize, 2 * LENGTH), (0, LENGTH)] {
        let (mut outlet, mut inlet) = halves(4096);
        let mut placed = 0;
        while placed < 2 * LENGTH {
            placed += outlet.put(&mut Default::default(), frame, placed, &data[placed as usize..]) as u32;
        }
        if taken > 0 {
            assert!(inlet.front().expect("honest so far").is_some());
            assert_eq!(inlet.take(&mut [0; LENGTH as usize]), Ok(taken));
        }
        let at = if taken == 0 { 0 } else { SPAN };
        let state = word(&outlet, SPAN).load(Ordering::Relaxed);
        word(&outlet, at).store(state, Ordering::Release);
        word(&outlet, at + 8).store(u64::from(left) << 32 | u64::from(LENGTH), Ordering::Release);
        assert_eq!(inlet.front(), Err(Status::PeerMisbehaved));
    }
}
