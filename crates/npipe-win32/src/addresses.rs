//! WaitOnAddress: sleeping until a word of the program's changes.
//!
//! Whoever sleeps is listed by its address; whoever has changed the word wakes those that are listed. A sleeper compares and
//! lists itself with the lock of the list, so that no wake-up falls in between.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::dispatch::{deadline, locked};
use crate::failure::{Failure, Outcome};
use crate::locks::{sleep_while, wake};
use crate::pointers::{In, Word};
use crate::sanitizer;
use crate::types::{Bool, FALSE, TRUE, code};

const LISTS: usize = 64;
const ASLEEP: u32 = 0;
const WOKEN: u32 = 1;

struct Sleeper {
    address: usize,
    state: AtomicU32,
}

type List = Mutex<Vec<Arc<Sleeper>>>;

fn list(address: usize) -> &'static List {
    static SLEEPERS: [List; LISTS] = [const { Mutex::new(Vec::new()) }; LISTS];
    &SLEEPERS[(address >> 3) % LISTS]
}

/// The word that is compared with, which may lie anywhere.
fn compared(undesired: In<u8>, size: usize) -> Outcome<u64> {
    let value = match size {
        1 => undesired.get().map(u64::from),
        2 => undesired.cast::<u16>().get().map(u64::from),
        4 => undesired.cast::<u32>().get().map(u64::from),
        _ => undesired.cast::<u64>().get(),
    };
    value.ok_or(Failure(code::INVALID_PARAMETER))
}

fn wait(word: Word, undesired: In<u8>, size: usize, timeout_ms: u32) -> Outcome<Bool> {
    let deadline = deadline(timeout_ms);
    let list = list(word.address());
    let mut sleepers = locked(list);
    if word.load(size)? != compared(undesired, size)? {
        sanitizer::acquire(list);
        return Ok(TRUE);
    }
    let sleeper = Arc::new(Sleeper {
        address: word.address(),
        state: AtomicU32::new(ASLEEP),
    });
    sleepers.push(sleeper.clone());
    drop(sleepers);
    while sleeper.state.load(Ordering::Acquire) == ASLEEP && sleep_while(&sleeper.state, ASLEEP, deadline) {}
    let mut sleepers = locked(list);
    sleepers.retain(|other| !Arc::ptr_eq(other, &sleeper));
    match sleeper.state.load(Ordering::Acquire) {
        ASLEEP => Err(Failure(code::TIMEOUT)),
        _ => {
            sanitizer::acquire(list);
            Ok(TRUE)
        }
    }
}

fn wake_some(word: Word, limit: usize) {
    let list = list(word.address());
    sanitizer::release(list);
    let mut left = limit;
    locked(list).retain(|sleeper| {
        if left == 0 || sleeper.address != word.address() {
            return true;
        }
        left -= 1;
        sleeper.state.store(WOKEN, Ordering::Release);
        wake(&sleeper.state, 1);
        false
    });
}

crate::export! {
    /// WaitOnAddress: sleeps while `size` bytes at `word` are as those at `undesired`. It may return early, so callers look
    /// again.
    ///
    /// # Errors
    /// ERROR_TIMEOUT; ERROR_INVALID_PARAMETER for a size other than 1, 2, 4 or 8, or a word that is not aligned.
    fn WaitOnAddress(word: Word, undesired: In<u8>, size: usize, timeout_ms: u32) -> Bool [FALSE] {
        wait(word, undesired, size, timeout_ms)
    }

    /// WakeByAddressSingle: one thread that sleeps at `word`, the first one that came.
    fn WakeByAddressSingle(word: Word) -> () [()] {
        wake_some(word, 1);
        Ok(())
    }

    /// WakeByAddressAll: all threads that sleep at `word`.
    fn WakeByAddressAll(word: Word) -> () [()] {
        wake_some(word, usize::MAX);
        Ok(())
    }
}
