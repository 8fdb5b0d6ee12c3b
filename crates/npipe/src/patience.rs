//! How long to look for somebody before sleeping until he comes, where each look takes a system call.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sys::cpu;

/// What has been learnt of how soon somebody comes. As of a connection's peer, whom a thread that waits looks for in memory: it is
/// not looked for on one's own processor, and not longer than has paid off lately.
#[derive(Debug)]
pub(crate) struct Patience {
    /// In nanoseconds.
    budget_ns: AtomicU64,
    /// One more than the number of the processor where he was seen last; 0 before.
    processor: AtomicU32,
}

/// A budget does not shrink below this, so that it is found out when looking pays again.
const LEAST_NS: u64 = 1_000;

impl Default for Patience {
    fn default() -> Patience {
        Patience::new()
    }
}

impl Patience {
    pub(crate) const fn new() -> Patience {
        Patience {
            budget_ns: AtomicU64::new(u64::MAX),
            processor: AtomicU32::new(0),
        }
    }

    /// Where he was seen: one more than the number of the processor.
    pub(crate) fn seen_on(&self, processor: u32) {
        if self.processor.load(Ordering::Relaxed) != processor {
            self.processor.store(processor, Ordering::Relaxed);
        }
    }

    /// Looks whether he comes, for `max` at most, and not at all for zero. `false`: he did not, and one sleeps until he does,
    /// which [`Patience::slept`] is told of.
    pub(crate) fn look(&self, max: Duration, mut comes: impl FnMut() -> bool) -> bool {
        let max_ns = nanoseconds(max);
        let is_here = self.processor.load(Ordering::Relaxed) == cpu::current().wrapping_add(1);
        if max_ns == 0 || is_here {
            return false;
        }
        let budget_ns = self.budget_ns.load(Ordering::Relaxed).min(max_ns);
        let start = Instant::now();
        while nanoseconds(start.elapsed()) < budget_ns {
            if comes() {
                self.learn(budget_ns.saturating_mul(2), max_ns);
                return true;
            }
        }
        false
    }

    /// He came after a time of looking and sleeping. To be woken takes about as long as anybody looks, and is part of it.
    pub(crate) fn slept(&self, max: Duration, waited: Duration) {
        let max_ns = nanoseconds(max);
        let budget_ns = self.budget_ns.load(Ordering::Relaxed).min(max_ns);
        match nanoseconds(waited) / 2 <= max_ns {
            true => self.learn(budget_ns.saturating_mul(2), max_ns),
            false => self.learn(budget_ns / 2, max_ns),
        }
    }

    fn learn(&self, budget_ns: u64, max_ns: u64) {
        let next_ns = budget_ns.clamp(LEAST_NS.min(max_ns), max_ns);
        if self.budget_ns.load(Ordering::Relaxed) != next_ns {
            self.budget_ns.store(next_ns, Ordering::Relaxed);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos().min(u64::MAX.into()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_micros(20);

    /// No rule: it is about speed.
    #[test]
    fn looking_is_cut_back_when_it_does_not_pay() {
        let patience = Patience::new();
        assert!(!patience.look(Duration::ZERO, || panic!("no look at all")));
        assert!(patience.look(MAX, || true));
        for _ in 0..20 {
            patience.slept(MAX, 3 * MAX);
        }
        assert_eq!(patience.budget_ns.load(Ordering::Relaxed), LEAST_NS);
        patience.slept(MAX, MAX);
        assert_eq!(patience.budget_ns.load(Ordering::Relaxed), 2 * LEAST_NS);
    }
}
