//! What the reader's half says of the lane, look by look.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use npipe_core::wire::{Frame, Inlet, Outlet, Standing as Firmness};
use npipe_shm::control::Control;

use crate::*;

const ONE: Frame = Frame {
    length: 1,
    standing: Firmness::Pending,
};

/// semantics 99, 104, 105
#[test]
fn no_two_frames_are_taken_for_one() {
    let (mut outlet, mut inlet) = halves(640);
    let mut serials = Vec::new();
    for is_empty in [true, true, false, true, false, false, true] {
        if is_empty {
            assert!(outlet.put_empty());
        } else {
            assert_eq!(outlet.put(&mut Default::default(), ONE, 0, b"x"), 1);
        }
    }
    while let Some(front) = inlet.front().expect("honest") {
        assert_eq!(inlet.front(), Ok(Some(front)), "a look changes nothing");
        serials.push(front.serial);
        if front.is_empty() {
            inlet.take_empty().expect("honest");
        } else {
            assert_eq!(inlet.take(&mut [0]), Ok(1));
        }
    }
    assert!(
        serials.len() == 7 && serials.is_sorted_by(|one, next| one < next),
        "{serials:?}"
    );
}

/// A frame that the lane can hold is waited for; of a larger one, what is there is shown.
///
/// semantics 121, 142
#[test]
fn a_frame_of_more_than_a_quarter_of_the_lane_streams() {
    for (length, streams) in [(33, false), (160, false), (161, true), (600, true)] {
        let (mut outlet, mut inlet) = halves(640);
        let frame = Frame {
            length,
            standing: Firmness::Pending,
        };
        let data = pattern(1, length as usize);
        assert_eq!(outlet.put(&mut Default::default(), frame, 0, &data), 32);
        let front = inlet.front().expect("honest").expect("a part is there");
        assert_eq!((front.remaining, front.streams), (length, streams));
    }
}

/// semantics 121, 146
#[test]
fn what_is_ready_of_a_frame_was_not_taken() {
    let (mut outlet, mut inlet) = halves(640);
    let data = pattern(1, 100);
    let frame = Frame {
        length: 100,
        standing: Firmness::Pending,
    };
    assert_eq!(outlet.put(&mut Default::default(), frame, 0, &data), 32);
    assert_eq!(outlet.put(&mut Default::default(), frame, 32, &data[32..]), 32);
    for taken in 0..64 {
        assert_eq!(inlet.ready(), Ok(64 - taken));
        assert_eq!(inlet.take(&mut [0]), Ok(1));
    }
    assert_eq!(inlet.ready(), Ok(0), "the head is between two parts");
}

/// semantics 92
#[test]
fn a_reader_waits_for_another_tail_than_it_saw() {
    let (mut outlet, mut inlet) = halves(640);
    let tail = |inlet: &RingInlet<HeapMemory>| {
        let writer = &inlet.memory().control().end(Side::Server).writer.0;
        writer.tail.load(Ordering::Acquire)
    };
    for _ in 0..3 {
        assert_eq!(inlet.front(), Ok(None));
        assert_eq!(inlet.seen_tail(), tail(&inlet));
        assert_eq!(outlet.put(&mut Default::default(), ONE, 0, b"x"), 1);
        assert_ne!(inlet.seen_tail(), tail(&inlet));
        assert!(inlet.front().expect("honest").is_some());
        assert_eq!(inlet.take(&mut [0]), Ok(1));
    }
}

/// A segment whose writer is at work whenever its reader looks at the control page.
struct Busy {
    heap: Arc<HeapMemory>,
    outlet: Mutex<RingOutlet<HeapMemory>>,
}

impl Busy {
    /// Fills the lane with frames and takes them back.
    fn retract_many(&self) {
        let mut outlet = self.outlet.lock().expect("no panic");
        outlet.refresh();
        let mut ticket = Default::default();
        while outlet.put(&mut ticket, ONE, 0, b"x") == 1 {
            assert_eq!(outlet.retract(&mut ticket, 1, 1), Some(1));
        }
    }
}

impl Memory for Busy {
    fn layout(&self) -> &Layout {
        self.heap.layout()
    }

    fn control(&self) -> &Control {
        self.retract_many();
        self.heap.control()
    }

    fn map_large(&self) -> bool {
        true
    }

    fn word(&self, writer: Side, offset: u64) -> &AtomicU64 {
        self.heap.word(writer, offset)
    }

    fn copy_in(&self, writer: Side, offset: u64, from: &[u8]) {
        self.heap.copy_in(writer, offset, from);
    }

    fn copy_out(&self, writer: Side, offset: u64, into: &mut [u8]) {
        self.heap.copy_out(writer, offset, into);
    }
}

/// However fast it is: a look ends, and nothing is wrong with such a writer.
///
/// semantics 127
#[test]
fn a_writer_that_writes_and_retracts_without_end_holds_no_reader_up() {
    let heap = Arc::new(HeapMemory::new(Layout::scaled(4096, 8, [12288; 2])));
    let mut outlet = RingOutlet::new(heap.clone(), Side::Server);
    let mut ticket = Default::default();
    assert_eq!(outlet.put(&mut ticket, ONE, 0, b"x"), 1);
    let memory = Arc::new(Busy {
        heap,
        outlet: Mutex::new(outlet),
    });
    let mut inlet = RingInlet::new(memory.clone(), Side::Client);
    assert!(inlet.front().expect("honest").is_some(), "this one stays");
    let removed = memory.outlet.lock().expect("no panic").retract(&mut ticket, 1, 1);
    assert_eq!(removed, Some(1));
    for _ in 0..20 {
        assert_eq!(inlet.front(), Ok(None));
    }
}
