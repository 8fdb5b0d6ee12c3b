//! What the hardware allows: a number goes from one processor to another and back, in cache lines alone.

use std::hint;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::machine;
use super::measure::{batches, median};
use super::transport::at_once;

/// A word in a pair of cache lines of its own: processors fetch lines in pairs.
#[repr(align(128))]
struct Line(AtomicU64);

/// What the hardware allows: the round trip of a number from one processor to
/// another and back, in nanoseconds, over two cache lines (one for each
/// direction, as a ring needs) or by handing a single one to and fro.
pub(super) fn round_trip_ns(cpus: [usize; 2], lines: usize, duration: Duration) -> io::Result<f64> {
    let words = Arc::new([Line(AtomicU64::new(0)), Line(AtomicU64::new(0))]);
    let (there, back) = (0, lines - 1);
    let peer = thread::spawn({
        let words = Arc::clone(&words);
        move || -> io::Result<()> {
            // A failure is told at the end: the other side counts on our turns.
            let pinned = machine::stay_on(&cpus[1..]);
            // Odd numbers go there, even ones come back; u64::MAX is the end.
            for turn in (1..).step_by(2) {
                if wait_for(&words[there].0, turn) == u64::MAX {
                    break;
                }
                words[back].0.store(turn + 1, Ordering::Release);
            }
            pinned
        }
    });
    let driver = thread::spawn(move || -> io::Result<f64> {
        let pinned = machine::stay_on(&cpus[..1]);
        let mut turn = 1;
        let times_ns = at_once(batches(duration, async || {
            words[there].0.store(turn, Ordering::Release);
            wait_for(&words[back].0, turn + 1);
            turn += 2;
            Ok(())
        }));
        words[there].0.store(u64::MAX, Ordering::Release);
        pinned.and(Ok(median(&mut times_ns?)))
    });
    let gone = |_| io::Error::other("a thread of the cache line measurement panicked");
    let round_trip_ns = driver.join().map_err(gone)??;
    peer.join().map_err(gone)??;
    Ok(round_trip_ns)
}

/// Spins until the word has reached the number; returns what it holds then.
fn wait_for(word: &AtomicU64, number: u64) -> u64 {
    loop {
        let value = word.load(Ordering::Acquire);
        if value >= number {
            return value;
        }
        hint::spin_loop();
    }
}
