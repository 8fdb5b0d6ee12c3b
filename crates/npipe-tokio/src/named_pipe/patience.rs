//! Whether a task may look for a moment for its peer's answer before it sleeps.
//!
//! A look keeps the runtime's thread from its other tasks for a few microseconds, so it is for threads that have none. What
//! is known of that:
//!
//! * Which pipe the thread was last at rest with. One that goes from pipe to pipe has others to serve.
//! * How long the runtime took to come back to a task that had used up its budget and had to yield. A thread without other
//!   tasks is back at once.
//!
//! npipe itself does not look while both ends run on the same processor, where the peer can only answer when we sleep, nor
//! if it has not paid off lately.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A thread that was at rest with the same pipe so often in a row serves it alone.
const RESTS: u32 = 2;

/// A runtime that comes back to a task that yields within this has nothing else to do; it has looked for events meanwhile.
const IDLE_TURN_NS: u64 = 20_000;

/// Rests without a look after the runtime was found busy.
const BREATHER: u32 = 64;

thread_local! {
    /// The pipe that the thread was last at rest with, and how often in a row.
    static LAST: Cell<(usize, u32)> = const { Cell::new((0, 0)) };
}

/// What an end knows of its runtime.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// The end's options leave no time to look: there is nothing to learn.
    is_off: bool,
    breather: AtomicU32,
    /// When its task yielded, in nanoseconds; 0: it did not.
    yielded_ns: AtomicU64,
    /// Since when its task rests; 0: it does not.
    resting_ns: AtomicU64,
}

/// Nanoseconds since the first call, never 0.
fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
}

impl Patience {
    pub(crate) fn new(most: Duration) -> Patience {
        Patience {
            is_off: most.is_zero(),
            ..Patience::default()
        }
    }

    fn key(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Whether to look now.
    #[inline]
    pub(crate) fn may_look(&self) -> bool {
        let (last, rests) = LAST.get();
        if last != self.key() || rests < RESTS {
            return false;
        }
        let breather = self.breather.load(Ordering::Relaxed);
        if breather > 0 {
            self.breather.store(breather - 1, Ordering::Relaxed);
        }
        breather == 0
    }

    /// The task has used up its budget.
    #[cold]
    pub(crate) fn yielded(&self) {
        self.yielded_ns.store(now_ns(), Ordering::Relaxed);
    }

    /// The task is polled.
    #[inline]
    pub(crate) fn polled(&self) {
        if self.yielded_ns.load(Ordering::Relaxed) != 0 {
            self.came_back();
        }
    }

    #[cold]
    fn came_back(&self) {
        let since_ns = self.yielded_ns.swap(0, Ordering::Relaxed);
        // Another task of the same end may have come back before, or have yielded after we looked at the clock.
        let away_ns = if since_ns == 0 {
            0
        } else {
            now_ns().saturating_sub(since_ns)
        };
        if away_ns > IDLE_TURN_NS {
            self.breather.store(BREATHER, Ordering::Relaxed);
        }
    }

    /// The task is about to rest. Only that of one which may look is timed: the clock costs as much as a look.
    pub(crate) fn rests(&self) {
        let (last, rests) = LAST.get();
        let rests = if last == self.key() { rests.saturating_add(1) } else { 0 };
        LAST.set((self.key(), rests));
        if rests >= RESTS && !self.is_off && self.resting_ns.load(Ordering::Relaxed) == 0 {
            self.resting_ns.store(now_ns(), Ordering::Relaxed);
        }
    }

    /// There is something to do again: how long the rest was, without what it takes to wake up, if there was one.
    #[inline]
    pub(crate) fn rested(&self) -> Option<Duration> {
        match self.resting_ns.load(Ordering::Relaxed) {
            0 => None,
            since_ns => {
                self.resting_ns.store(0, Ordering::Relaxed);
                let rest_ns = now_ns().saturating_sub(since_ns);
                Some(Duration::from_nanos(rest_ns.saturating_sub(IDLE_TURN_NS)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_rest(patience: &Patience, times: u32) {
        for _ in 0..times {
            patience.rests();
        }
    }

    /// No rule: how to wait is ours.
    #[test]
    fn a_thread_with_other_pipes_does_not_look() {
        let (one, other) = (Patience::default(), Patience::default());
        assert!(!one.may_look(), "nothing is known");
        at_rest(&one, RESTS + 1);
        assert!(one.may_look());
        assert!(!other.may_look());
        at_rest(&other, 1);
        assert!(!one.may_look(), "the thread has been elsewhere");
        at_rest(&one, RESTS + 1);
        assert!(one.may_look());
    }

    /// No rule: how to wait is ours.
    #[test]
    fn a_busy_runtime_has_its_time() {
        let patience = Patience::default();
        at_rest(&patience, RESTS + 1);
        // As if it had yielded long ago.
        patience.polled();
        now_ns();
        std::thread::yield_now();
        while now_ns() <= IDLE_TURN_NS + 2 {
            std::hint::spin_loop();
        }
        patience.yielded_ns.store(1, Ordering::Relaxed);
        patience.polled();
        for _ in 0..BREATHER {
            assert!(!patience.may_look());
        }
        assert!(patience.may_look());
        assert!(patience.rested().is_some());
        assert!(patience.rested().is_none(), "told once");
    }
}
