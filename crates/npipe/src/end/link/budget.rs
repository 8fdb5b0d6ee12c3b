//! How long a wait looks for its peer before it sleeps: as long as that pays.
//!
//! The budget grows when the peer came while a wait looked for it, or would have with the longest budget, and shrinks when
//! it did not. So two ends whose machine was loaded for a while come to sleep at once. Then each of their waits takes as long
//! as waking the peer, which may be longer than the longest budget: neither would ever find out that both could be awake.
//! Therefore one wait in [`PROBE_EVERY`] such looks for longer than waking takes. If the peer is one that answers, it is
//! awake by then, finds its own wait short, and both are back.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Waits shorter than this are not worth a look at the clock, and no budget shrinks below it.
const MIN_NS: u64 = 1_000;

/// Of waits that slept longer than the longest budget, one in so many is preceded by a long look.
const PROBE_EVERY: u32 = 64;

/// A long look, in longest budgets: waking a thread takes one of them about, and twice where the processor has halted.
const PROBE: u64 = 4;

/// The budget of the waits of one end of a connection. Threads that meet here may lose a step, which costs nothing.
#[derive(Debug)]
pub(super) struct SpinBudget {
    budget_ns: AtomicU64,
    max_ns: u64,
    /// Long sleeps since a look has paid off.
    sleeps: AtomicU32,
}

impl SpinBudget {
    /// A budget that begins at its longest; zero stays zero.
    pub(super) fn new(max: Duration) -> SpinBudget {
        // So that a multiple of it is a number still.
        let max_ns = max.as_nanos().min((u64::MAX / PROBE).into()) as u64;
        SpinBudget {
            budget_ns: AtomicU64::new(max_ns),
            max_ns,
            sleeps: AtomicU32::new(0),
        }
    }

    /// The longest that it can be, but for a long look, in nanoseconds; zero: no wait looks.
    #[inline]
    pub(super) fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// For how long the next wait may look, in nanoseconds.
    #[inline]
    pub(super) fn budget_ns(&self) -> u64 {
        self.budget_ns.load(Ordering::Relaxed)
    }

    /// The peer came while a wait looked that had this budget.
    #[inline]
    pub(super) fn paid_off(&self, budget_ns: u64) {
        if budget_ns != self.max_ns {
            self.sleeps.store(0, Ordering::Relaxed);
            self.set(budget_ns.saturating_mul(2));
        }
    }

    /// A wait slept, and took `waited` in all.
    pub(super) fn slept(&self, waited: Duration) {
        let now_ns = self.budget_ns().min(self.max_ns);
        if waited.as_nanos() as u64 <= self.max_ns {
            return self.set(now_ns * 2);
        }
        let sleeps = self.sleeps.load(Ordering::Relaxed) + 1;
        self.sleeps.store(sleeps % PROBE_EVERY, Ordering::Relaxed);
        if sleeps == PROBE_EVERY {
            self.budget_ns.store(self.max_ns * PROBE, Ordering::Relaxed);
        } else {
            self.set(now_ns / 2);
        }
    }

    fn set(&self, budget_ns: u64) {
        let least_ns = MIN_NS.min(self.max_ns);
        self.budget_ns
            .store(budget_ns.clamp(least_ns, self.max_ns), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_micros(20);

    /// A wait for a peer that comes after `after_ns` if we are awake then, and after `asleep_ns` if it has to wake us.
    /// Whether we were awake.
    fn wait(spin: &SpinBudget, after_ns: u64, asleep_ns: u64) -> bool {
        let budget_ns = spin.budget_ns();
        let awake = after_ns <= budget_ns;
        if awake {
            spin.paid_off(budget_ns);
        } else {
            spin.slept(Duration::from_nanos(asleep_ns));
        }
        awake
    }

    /// Two ends that answer at once, on a machine where waking takes so long; how many of the last waits were awake.
    fn chat(ends: &[SpinBudget; 2], rounds: usize, wake_ns: u64) -> usize {
        const ANSWER_NS: u64 = 500;
        // Whether the end that is to answer is awake.
        let mut peer_is_awake = false;
        let mut awake = 0;
        for round in 0..rounds {
            let after_ns = ANSWER_NS + if peer_is_awake { 0 } else { wake_ns };
            peer_is_awake = wait(&ends[round % 2], after_ns, after_ns + wake_ns);
            awake = if peer_is_awake { awake + 1 } else { 0 };
        }
        awake
    }

    /// No rule: it is about speed.
    #[test]
    fn ends_that_were_driven_apart_come_back() {
        for wake_us in [5, 25, 60] {
            let ends = [SpinBudget::new(MAX), SpinBudget::new(MAX)];
            for end in &ends {
                (0..20).for_each(|_| end.slept(Duration::from_millis(3)));
                assert_eq!(end.budget_ns(), MIN_NS);
            }
            let awake = chat(&ends, 4 * PROBE_EVERY as usize, wake_us * 1000);
            assert!(awake > PROBE_EVERY as usize, "{awake} with {wake_us} µs to wake");
        }
    }

    /// A peer that takes its time costs a long look now and then, and short ones else.
    #[test]
    fn a_slow_peer_costs_little() {
        let spin = SpinBudget::new(MAX);
        let waits = 10 * u64::from(PROBE_EVERY);
        let spent_ns: u64 = (0..waits)
            .map(|_| {
                let budget_ns = spin.budget_ns();
                spin.slept(Duration::from_millis(5));
                budget_ns
            })
            .sum();
        assert!(spent_ns / waits < 4 * MIN_NS, "{} ns for a wait", spent_ns / waits);
    }

    /// An end that was told not to look never does; one that was told to look for long does so without overflow.
    #[test]
    fn the_limits_are_kept() {
        let never = SpinBudget::new(Duration::ZERO);
        let long = SpinBudget::new(Duration::MAX);
        for _ in 0..2 * PROBE_EVERY {
            never.slept(Duration::from_millis(1));
            assert_eq!(never.budget_ns(), 0);
            long.slept(Duration::MAX);
            long.paid_off(long.budget_ns());
        }
        let spin = SpinBudget::new(MAX);
        spin.slept(Duration::from_millis(1));
        spin.slept(MAX);
        assert_eq!(spin.budget_ns(), MAX.as_nanos() as u64, "it was nearly worth it");
    }
}
