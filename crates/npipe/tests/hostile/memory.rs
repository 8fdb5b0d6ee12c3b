//! What can be done to the segment's memory by its descriptor: resizing, which the seals refuse, and holes, pages and
//! advice, which they allow.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use npipe::PipeMode;
use npipe_shm::layout::CONTROL_BYTES;
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::io::Errno;

use crate::innocent;
use crate::intruder::Intruder;
use crate::support::{Place, Random, until};
use crate::tally::{Tally, rounds};
use crate::victim::{MESSAGES, Victim};

/// Pages punched out and filled in again, for each run.
const HOLES: u64 = 20_000;

/// Of one connection at most.
const HOLES_OF_ONE: u64 = 200;

/// Every way to change its size; each is refused, and so is taking the seals away.
fn try_to_resize(intruder: &Intruder, tally: &Tally) {
    let (segment, total) = (intruder.segment.as_fd(), intruder.layout.total_bytes());
    for size in [0, 1, CONTROL_BYTES, total - 1, total + 1, 1 << 50] {
        assert_eq!(ftruncate(segment, size), Err(Errno::PERM), "to {size} bytes");
    }
    for flags in [FallocateFlags::empty(), FallocateFlags::ZERO_RANGE] {
        assert!(
            fallocate(segment, flags, total, 4096).is_err(),
            "beyond its end, {flags:?}"
        );
    }
    for flags in [FallocateFlags::COLLAPSE_RANGE, FallocateFlags::INSERT_RANGE] {
        assert!(
            fallocate(segment, flags, 0, 4096).is_err(),
            "moved within itself, {flags:?}"
        );
    }
    for seals in [SealFlags::WRITE, SealFlags::FUTURE_WRITE, SealFlags::empty()] {
        assert_eq!(fcntl_add_seals(segment, seals), Err(Errno::PERM), "{seals:?}");
    }
    let seals = fcntl_get_seals(segment).expect("it has seals");
    assert!(seals.contains(SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL));
    assert_eq!(fstat(segment).expect("a file").st_size as u64, total);
    tally.count(13);
}

/// Takes pages away and puts empty ones there, anywhere, while the victim works.
fn punch(intruder: &Intruder, random: &mut Random, tally: &Tally) {
    let total = intruder.layout.total_bytes();
    let mut holes = 0;
    while holes < HOLES_OF_ONE && !intruder.is_out() {
        let flags = match random.below(2) {
            0 => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            _ => FallocateFlags::KEEP_SIZE,
        };
        // The beginning, where everything that is small happens, more often.
        let span = random.one_of(&[CONTROL_BYTES, 32 << 10, total]);
        let at = random.below(span);
        let bytes = random.magnitude(1 << 16).min(total - at);
        fallocate(&intruder.segment, flags, at, bytes).expect("holes are allowed");
        holes += 1;
    }
    tally.count(holes);
}

/// semantics 91, 119, 183
#[test]
fn the_memory_neither_vanishes_nor_grows() {
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let over = AtomicBool::new(false);
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let before = victim.account();
    std::thread::scope(|scope| {
        scope.spawn(|| innocent::exchange_until(&innocent, &over, &tally));
        let attacker = scope.spawn(|| {
            let mut random = Random::new(5);
            while tally.inputs() < HOLES * rounds() {
                let intruder = until(|| Intruder::open(place.path(), MESSAGES));
                try_to_resize(&intruder, &tally);
                punch(&intruder, &mut random, &tally);
            }
        });
        let end = attacker.join();
        over.store(true, Ordering::Release);
        end.expect("the attacker failed");
    });
    victim.end(before, &tally);
    tally.report("holes and sizes");
}
