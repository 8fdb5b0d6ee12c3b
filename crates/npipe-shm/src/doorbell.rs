//! Sleeping and waking.
//!
//! Nobody makes a system call for a peer that is awake. A thread that finds nothing to do
//!
//! 1. reads its bell, 2. counts itself among the sleepers, 3. looks once more, 4. sleeps until the bell has another value;
//!
//! and an end that has changed something
//!
//! 1. publishes it, 2. looks whether the peer has sleepers, 3. if so changes the peer's bell and wakes them.
//!
//! A full fence stands between the two middle steps on both sides, so at least one of them sees what the other did: no
//! wake-up is lost. All threads of an end share one bell; they wake together and each looks at its own call.

use crate::control::EndWords;
use crate::sync::{Ordering, fence};

/// What a thread sleeps for, and what a change brings about. Bits of the word in which sleepers are counted, one count in
/// each half, so that a reader who takes something does not wake those who wait for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(u32);

impl Cause {
    /// Something was written.
    pub const DATA: Cause = Cause(1);
    /// Something was read, or is about to be: a read waits.
    pub const ROOM: Cause = Cause(1 << 16);
    /// Either.
    pub const ANY: Cause = Cause(1 | 1 << 16);

    /// What one sleeper for it adds to the word.
    pub const fn one(self) -> u32 {
        self.0
    }

    /// The halves that count sleepers for it.
    const fn mask(self) -> u32 {
        self.0 * 0xffff
    }
}

/// A thread that is about to sleep; dropping it takes it from the sleepers.
#[derive(Debug)]
pub struct Sleeper<'a> {
    own: &'a EndWords,
    cause: Cause,
    bell: u32,
}

impl<'a> Sleeper<'a> {
    /// Steps 1 and 2. The caller looks once more before it sleeps on the bell.
    pub fn announce(own: &'a EndWords, cause: Cause) -> Sleeper<'a> {
        let bell = own.bell.0.load(Ordering::Acquire);
        own.attention.0.sleepers.fetch_add(cause.0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Sleeper { own, cause, bell }
    }

    /// The value of the bell for which to sleep.
    pub fn bell(&self) -> u32 {
        self.bell
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.own.attention.0.sleepers.fetch_sub(self.cause.0, Ordering::SeqCst);
    }
}

/// Whether the peer has to be woken after a change; its bell has been changed then, and the caller wakes those who sleep
/// on it.
#[inline]
#[must_use]
pub fn ring(peer: &EndWords, cause: Cause) -> bool {
    fence(Ordering::SeqCst);
    if peer.attention.0.sleepers.load(Ordering::Relaxed) & cause.mask() == 0 {
        return false;
    }
    ring_always(peer);
    true
}

/// Changes a bell whoever may sleep; the caller wakes them.
pub fn ring_always(end: &EndWords) {
    end.bell.0.fetch_add(1, Ordering::SeqCst);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Nobody is woken for what nobody waits for, and nobody forgets whom he has woken.
    ///
    /// semantics 92, 122
    #[test]
    fn only_those_are_woken_who_sleep_for_the_cause() {
        let words = EndWords::default();
        assert!(!ring(&words, Cause::ANY));
        for (sleeps, rung) in [
            (Cause::DATA, [true, false, true]),
            (Cause::ROOM, [false, true, true]),
            (Cause::ANY, [true, true, true]),
        ] {
            let sleeper = Sleeper::announce(&words, sleeps);
            let other = Sleeper::announce(&words, sleeps);
            drop(other);
            for (cause, expected) in [Cause::DATA, Cause::ROOM, Cause::ANY].into_iter().zip(rung) {
                let before = words.bell.0.load(Ordering::Relaxed);
                assert_eq!(ring(&words, cause), expected, "{cause:?} for who sleeps for {sleeps:?}");
                assert_eq!(words.bell.0.load(Ordering::Relaxed) != before, expected);
            }
            assert_ne!(words.bell.0.load(Ordering::Relaxed), sleeper.bell());
            drop(sleeper);
            assert_eq!(words.attention.0.sleepers.load(Ordering::Relaxed), 0);
        }
    }
}
