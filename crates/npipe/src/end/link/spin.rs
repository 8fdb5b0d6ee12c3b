//! How long a thread looks for its peer before it sleeps, and where: not on the processor that the peer needs.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Glance, Link, Wish};
use crate::sys::cpu;

/// What a wait saves at least, in nanoseconds, whose peer on the same processor answers without sleeping.
const SAVED_NS: u64 = 1_000;

/// So many waits do not give way after one that did in vain.
const MIN_STUBBORN_WAITS: u64 = 16;

impl Link {
    /// Spins until something differs from `seen`, for as long as it has paid off lately. `false`: it has not.
    pub(crate) fn spin(&self, wish: Wish, seen: Glance, deadline: Option<Instant>) -> bool {
        let Some(budget_ns) = self.spin_budget() else {
            return false;
        };
        /// A prompt answer comes before the first look at the clock.
        const LOOKS: u32 = 64;
        let mut start = None;
        loop {
            for _ in 0..LOOKS {
                if self.glance(wish) != seen {
                    self.spun_well(budget_ns);
                    return true;
                }
                std::hint::spin_loop();
            }
            let now = Instant::now();
            let spent = now.duration_since(*start.get_or_insert(now));
            if spent.as_nanos() as u64 >= budget_ns || deadline.is_some_and(|end| end <= now) {
                return false;
            }
        }
    }

    /// Spins for data with the lock of the reading half held, which spares a prompt peer's answer the way to that lock.
    /// Shorter than anybody who wants the lock would notice.
    #[inline]
    pub(crate) fn spin_held(&self, seen: Glance) -> bool {
        const LOOKS: u32 = 64;
        let Some(budget_ns) = self.spin_budget() else {
            return false;
        };
        for _ in 0..LOOKS {
            if self.glance(Wish::Data) != seen {
                self.spun_well(budget_ns);
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// How long a wait may spin now, in nanoseconds; `None`: not at all.
    #[inline]
    pub(crate) fn spin_budget(&self) -> Option<u64> {
        let budget_ns = self.spin.budget_ns();
        (budget_ns > 0 && !self.shares_processor()).then_some(budget_ns)
    }

    /// A spin was worth it: the next one may be longer.
    #[inline]
    pub(crate) fn spun_well(&self, budget_ns: u64) {
        self.spin.paid_off(budget_ns);
    }

    /// Publishes where we run and tells whether the peer was last seen on the same processor: then it can only go on when
    /// we sleep.
    pub(crate) fn shares_processor(&self) -> bool {
        let here = self.publish_processor();
        self.peer_words().attention.0.processor.load(Ordering::Relaxed) == here
    }

    /// Publishes where we run, for the peer, who does not spin on the same processor: one more than its number.
    pub(crate) fn publish_processor(&self) -> u32 {
        let here = cpu::current().wrapping_add(1);
        let own = &self.own_words().attention.0.processor;
        if own.load(Ordering::Relaxed) != here {
            own.store(here, Ordering::Relaxed);
        }
        here
    }

    /// Learns from a sleep after `waited` in all: had a longer spin met what it waited for?
    pub(crate) fn slept(&self, waited: Duration) {
        self.spin.slept(waited);
    }

    /// Lets a peer run that was last seen on the same processor, and can only go on when this thread does not: it may
    /// answer before it waits itself, and then neither is put to sleep and woken. `true`: something differs from `seen`.
    ///
    /// Whoever else runs on this processor gets it too, and may keep it for longer than sleeping and waking takes. So what a
    /// try costs in vain is saved again before the next one.
    pub(crate) fn give_way(&self, wish: Wish, seen: Glance) -> bool {
        let stubborn = self.stubborn_waits.load(Ordering::Relaxed);
        if self.spin.max_ns() == 0 || !self.shares_processor() {
            return false;
        }
        if stubborn > 0 {
            self.stubborn_waits.store(stubborn - 1, Ordering::Relaxed);
            return false;
        }
        let begun = Instant::now();
        std::thread::yield_now();
        let is_answered = self.glance(wish) != seen;
        let took_ns = begun.elapsed().as_nanos() as u64;
        if !is_answered || took_ns > self.spin.max_ns() {
            let waits = (took_ns / SAVED_NS).clamp(MIN_STUBBORN_WAITS, u32::MAX.into());
            self.stubborn_waits.store(waits as u32, Ordering::Relaxed);
        }
        is_answered
    }
}

#[cfg(test)]
mod tests {
    use npipe_shm::layout::Side;
    use npipe_shm::memory::Memory;

    use super::*;
    use crate::end::wait::tests::link;

    /// What a try to give way costs in vain is saved before the next one, and an end that is not to spin does not try.
    ///
    /// semantics 92
    #[test]
    fn a_peer_that_does_not_answer_is_not_given_way_to_each_time() {
        for spin in [Duration::from_micros(20), Duration::ZERO] {
            let link = link(spin);
            let gives_way = || {
                let peer = &link.control().end(Side::Client).attention.0;
                peer.processor.store(link.publish_processor(), Ordering::Relaxed);
                let before = link.stubborn_waits.load(Ordering::Relaxed);
                assert!(!link.give_way(Wish::Data, link.glance(Wish::Data)), "nobody answers");
                link.stubborn_waits.load(Ordering::Relaxed) > before
            };
            // A thread may be moved to another processor at any time; then it sees no peer there.
            let tries = (0..MIN_STUBBORN_WAITS).filter(|_| gives_way()).count();
            assert!(tries <= usize::from(!spin.is_zero()), "{tries} tries");
        }
    }
}
