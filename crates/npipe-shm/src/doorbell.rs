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
//!
//! Calls for which no thread sleeps have a *delegate*, one thread of their process that waits on the sockets of many
//! connections. The end [calls for it](call_delegate) in step 2 by a bit beside the count; the peer takes the bit away and
//! sends a byte, once, so that a peer which writes a thousand messages before the delegate runs rings it a single time.

use crate::control::EndWords;
use crate::sync::{Ordering, fence};

/// What a thread sleeps for, and what a change brings about. Bits of the word in which sleepers are counted, one count in
/// each half, so that a reader who takes something does not wake those who wait for data. The highest bit of each half
/// calls for the delegate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(u32);

/// The bits that call for the delegate.
const DELEGATE: u32 = 1 << 15 | 1 << 31;

/// Who has to be woken after a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rung {
    /// Threads sleep on the bell, which has another value now.
    pub sleepers: bool,
    /// The delegate is to get its byte.
    pub delegate: bool,
}

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

    /// Of [`DELEGATE`], the bits for it.
    const fn delegate(self) -> u32 {
        self.0 << 15
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

/// Whether anybody has to be woken after a change, and who.
#[inline]
#[must_use]
pub fn ring(peer: &EndWords, cause: Cause) -> Rung {
    fence(Ordering::SeqCst);
    let seen = peer.attention.0.sleepers.load(Ordering::Relaxed) & cause.mask();
    if seen == 0 { Rung::default() } else { wake(peer, seen) }
}

#[cold]
fn wake(peer: &EndWords, seen: u32) -> Rung {
    let sleepers = seen & !DELEGATE != 0;
    if sleepers {
        ring_always(peer);
    }
    // Only one of those who ring at once finds the bits and sends the byte; it is for both causes.
    let delegate =
        seen & DELEGATE != 0 && peer.attention.0.sleepers.fetch_and(!DELEGATE, Ordering::SeqCst) & DELEGATE != 0;
    Rung { sleepers, delegate }
}

/// Rings the delegate for data that will be published soon. `true`: it is to get its byte. It may look before there is anything,
/// and then calls again, so this takes no part in the two fences: [`ring`] comes when the data is there. Nobody is rung beside
/// sleepers, who are woken together with it then.
#[must_use]
pub fn ring_early(peer: &EndWords) -> bool {
    let sleepers = &peer.attention.0.sleepers;
    sleepers.load(Ordering::Relaxed) & Cause::DATA.mask() == Cause::DATA.delegate()
        && sleepers.fetch_and(!DELEGATE, Ordering::SeqCst) & DELEGATE != 0
}

/// Steps 1 and 2 for the delegate of `own`, which is rung once. The caller looks once more before it relies on it.
pub fn call_delegate(own: &EndWords, cause: Cause) {
    own.attention.0.sleepers.fetch_or(cause.delegate(), Ordering::SeqCst);
    fence(Ordering::SeqCst);
}

/// Does without the delegate for `cause`: somebody else looks after that.
pub fn dismiss_delegate(own: &EndWords, cause: Cause) {
    let bits = cause.delegate();
    if own.attention.0.sleepers.load(Ordering::Relaxed) & bits != 0 {
        own.attention.0.sleepers.fetch_and(!bits, Ordering::SeqCst);
    }
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
        assert_eq!(ring(&words, Cause::ANY), Rung::default());
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
                let rung = Rung {
                    sleepers: expected,
                    delegate: false,
                };
                assert_eq!(ring(&words, cause), rung, "{cause:?} for who sleeps for {sleeps:?}");
                assert_eq!(words.bell.0.load(Ordering::Relaxed) != before, expected);
            }
            assert_ne!(words.bell.0.load(Ordering::Relaxed), sleeper.bell());
            drop(sleeper);
            assert_eq!(words.attention.0.sleepers.load(Ordering::Relaxed), 0);
        }
    }

    /// The delegate is rung once for each call, for what it was called for, and never beside the point.
    ///
    /// semantics 92, 122
    #[test]
    fn the_delegate_is_rung_once() {
        let words = EndWords::default();
        let rung = |cause| ring(&words, cause).delegate;
        for (called, expected) in [
            (Cause::DATA, [(Cause::ROOM, false), (Cause::DATA, true)]),
            (Cause::ROOM, [(Cause::DATA, false), (Cause::ANY, true)]),
            (Cause::ANY, [(Cause::ROOM, true), (Cause::DATA, false)]),
        ] {
            call_delegate(&words, called);
            for (cause, expected) in expected {
                assert_eq!(rung(cause), expected, "{cause:?} for a delegate called for {called:?}");
            }
            assert!(!rung(Cause::ANY));
        }
        call_delegate(&words, Cause::ROOM);
        assert!(!ring_early(&words), "room is not what comes early");
        call_delegate(&words, Cause::DATA);
        assert!(ring_early(&words));
        assert!(!ring_early(&words) && !rung(Cause::ANY));
        call_delegate(&words, Cause::ANY);
        let sleeper = Sleeper::announce(&words, Cause::DATA);
        assert!(!ring_early(&words), "threads are woken with it");
        dismiss_delegate(&words, Cause::DATA);
        let rung = Rung {
            sleepers: true,
            delegate: false,
        };
        assert_eq!(ring(&words, Cause::DATA), rung);
        assert!(ring(&words, Cause::ROOM).delegate, "it was called for that too");
        drop(sleeper);
        assert_eq!(words.attention.0.sleepers.load(Ordering::Relaxed), 0);
    }
}
