//! Threads that come back to what they have started.
//!
//! A server that answers by completion routines or a port starts its next read and waits a moment later. To call for the
//! delegate in between costs both ends a cache line, twice, and if the client is quick it rings: a system call, and a thread
//! that takes the processor from the one that was about to wait. So a connection whose waits have ended while they looked for
//! the peer, again and again, is *trusted*: whoever starts something there gives a pledge instead, a word of this process
//! alone, and redeems it by waiting.
//!
//! The background thread looks every [`TICK`] at the connections that are trusted. A pledge that it finds twice is broken: it
//! looks after the operations itself, and the trust is gone. So what nobody comes back to is late by two ticks at most, once.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::Duration;

/// How often pledges are looked at, while there are connections that are trusted.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// So many waits in a row that met the peer awake earn trust.
const STREAK: u32 = 64;

/// Trust that is not made use of for so many ticks is taken back, so that an idle process rests.
const IDLE: u32 = 50;

const NONE: u32 = 0;
const GIVEN: u32 = 1;
/// Given, and seen by the background thread since.
const SEEN: u32 = 2;

/// The pledge of the threads that use one connection.
#[derive(Debug, Default)]
pub(crate) struct Pledge {
    state: AtomicU32,
    is_trusted: AtomicBool,
    /// Waits in a row that met the peer awake.
    streak: AtomicU32,
    /// Ticks in a row that found nothing given.
    idle: AtomicU32,
}

impl Pledge {
    /// Instead of a call for the delegate. `false`: there is no trust. The caller looks once more before it relies on it.
    pub(super) fn give(&self) -> bool {
        if !self.is_trusted.load(Ordering::Relaxed) {
            return false;
        }
        self.state.store(GIVEN, Ordering::SeqCst);
        // Pairs with the fence of who takes the trust back: either it finds what was started, or we find it gone.
        fence(Ordering::SeqCst);
        self.is_trusted.load(Ordering::Relaxed)
    }

    /// A thread has come to wait.
    pub(super) fn redeem(&self) {
        if self.state.load(Ordering::Relaxed) != NONE {
            self.state.store(NONE, Ordering::Release);
        }
    }

    /// A wait met the peer awake. `true`: that earns trust, and the background thread has to know.
    pub(crate) fn met(&self) -> bool {
        if self.is_trusted.load(Ordering::Relaxed) {
            return false;
        }
        let streak = self.streak.load(Ordering::Relaxed) + 1;
        self.streak.store(streak % STREAK, Ordering::Relaxed);
        streak == STREAK && !self.is_trusted.swap(true, Ordering::SeqCst)
    }

    /// A wait slept.
    pub(crate) fn slept(&self) {
        self.streak.store(0, Ordering::Relaxed);
    }

    /// The background thread looks. `false`: the trust is gone, and it has to look after what is pending.
    pub(crate) fn tick(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        let idle = if state == NONE {
            self.idle.load(Ordering::Relaxed) + 1
        } else {
            0
        };
        self.idle.store(idle, Ordering::Relaxed);
        let change = |from, to| {
            let changed = self
                .state
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
            changed.is_ok()
        };
        let is_kept = match state {
            NONE => idle < IDLE,
            GIVEN => {
                change(GIVEN, SEEN);
                true
            }
            _ => !change(SEEN, NONE),
        };
        if !is_kept {
            self.idle.store(0, Ordering::Relaxed);
            self.distrust();
        }
        is_kept
    }

    /// Takes the trust back. Whoever does looks after what is pending.
    pub(crate) fn distrust(&self) {
        self.is_trusted.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> Pledge {
        let pledge = Pledge::default();
        assert!(!pledge.give(), "trust is earned");
        (1..STREAK).for_each(|_| assert!(!pledge.met()));
        pledge.slept();
        (1..STREAK).for_each(|_| assert!(!pledge.met()));
        assert!(pledge.met() && !pledge.met());
        pledge
    }

    /// Who comes back keeps the trust, however long that goes on.
    ///
    /// semantics 219
    #[test]
    fn a_pledge_that_is_redeemed_is_kept() {
        let pledge = trusted();
        for _ in 0..3 * IDLE {
            assert!(pledge.give());
            assert!(pledge.tick(), "it may come back still");
            pledge.redeem();
            assert!(pledge.give(), "and starts something else");
            assert!(pledge.tick());
            pledge.redeem();
        }
    }

    /// Who does not come back is found out by the second look.
    ///
    /// semantics 219
    #[test]
    fn a_broken_pledge_ends_the_trust() {
        let pledge = trusted();
        assert!(pledge.give());
        assert!(pledge.tick());
        assert!(!pledge.tick());
        assert!(!pledge.give());
    }

    /// A process that has nothing to do is not woken for ever.
    ///
    /// No rule: it is about rest.
    #[test]
    fn trust_ends_when_nothing_happens() {
        let pledge = trusted();
        assert!((1..IDLE).all(|_| pledge.tick()));
        assert!(!pledge.tick());
        assert!(!pledge.give());
    }
}
