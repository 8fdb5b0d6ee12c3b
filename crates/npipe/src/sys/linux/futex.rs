//! Sleeping until a word changes.
//!
//! A wait names the value the word is expected to have: if the word has changed already, the wait
//! returns at once, so that a wake-up between looking and sleeping is never lost. Returning means
//! only "look again": every outcome may also be spurious.
//!
//! A word in a segment is *shared*: both processes map it, at different addresses. Never sleep on
//! a shared word alone if another user's process can write it: that process could move the sleeper
//! to a word of its own (`FUTEX_REQUEUE`), where no wake-up of ours ever reaches it. For that
//! there is [`wait_either`], which also sleeps on a *private* word that only this process has.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, WaitFlags, WaitvFlags};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Every waiter is woken by every wake-up.
const ANY_WAKER: NonZeroU32 = NonZeroU32::MAX;

/// As many waiters as there are. The kernel takes the count for a signed number.
const ALL_WAITERS: u32 = i32::MAX as u32;

/// How long [`wait_either`] sleeps at a time where it cannot sleep on both words. Short enough to
/// notice a closed connection, long enough to cost nothing.
const FALLBACK_SLICE: Duration = Duration::from_millis(50);

/// Set once the kernel has refused `futex_waitv` (before 5.16, or forbidden by a sandbox). Nothing
/// depends on when other threads see it.
static WAITV_MISSING: AtomicBool = AtomicBool::new(false);

/// Why a wait ended. In each case the caller looks at its words again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitResult {
    /// Somebody woke the word, or seemed to.
    Woken,
    /// The deadline has passed.
    TimedOut,
    /// The word did not have the expected value; nobody slept.
    Changed,
    /// A signal handler ran, or the wait was cut short.
    Interrupted,
}

/// Sleeps while the shared `word` is `expected`, until woken or until the deadline.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Option<Instant>) -> WaitResult {
    wait_with(word, expected, deadline, Flags::empty())
}

/// Sleeps while both words are as expected, until either is woken or until the deadline.
///
/// Where the system cannot wait for two words this sleeps on the shared one alone, for at most
/// 50 ms, and then returns [`WaitResult::Interrupted`]: a wake-up of the private word, or one that
/// a hostile peer has diverted, is then noticed that much later.
pub(crate) fn wait_either(
    shared: (&AtomicU32, u32),
    private: (&AtomicU32, u32),
    deadline: Option<Instant>,
) -> WaitResult {
    if !WAITV_MISSING.load(Ordering::Relaxed) {
        let words = [
            waiter(shared.0, shared.1, WaitFlags::empty()),
            waiter(private.0, private.1, WaitFlags::PRIVATE),
        ];
        let until = deadline.map(monotonic);
        match futex::waitv(&words, WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic) {
            // Sandboxes that do not know a call answer with either.
            Err(Errno::NOSYS | Errno::PERM) => WAITV_MISSING.store(true, Ordering::Relaxed),
            outcome => return outcome_of(outcome.map(drop)),
        }
    }
    wait_sliced(shared, private, deadline)
}

/// Words that one [`wait_any`] sleeps on at most; the kernel's own limit.
pub(crate) const MAX_WORDS: usize = 128;

/// Whether [`wait_any`] sleeps on more words than one, as far as is known.
pub(crate) fn can_wait_for_many() -> bool {
    !WAITV_MISSING.load(Ordering::Relaxed)
}

/// Sleeps while all words are as expected, until one is woken or until the deadline. At least one word is private, and
/// there are [`MAX_WORDS`] at most.
///
/// Where the system cannot wait for many words this sleeps on the first private one alone, for at most 50 ms if there are
/// others.
pub(crate) fn wait_any(
    shared: &[(&AtomicU32, u32)],
    private: &[(&AtomicU32, u32)],
    deadline: Option<Instant>,
) -> WaitResult {
    let Some(first) = private.first() else {
        return WaitResult::Changed;
    };
    let is_alone = shared.is_empty() && private.len() == 1;
    if !is_alone && can_wait_for_many() {
        let shared = shared.iter().map(|word| waiter(word.0, word.1, WaitFlags::empty()));
        let private = private.iter().map(|word| waiter(word.0, word.1, WaitFlags::PRIVATE));
        let words: Vec<_> = private.chain(shared).take(MAX_WORDS).collect();
        let until = deadline.map(monotonic);
        match futex::waitv(&words, WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic) {
            Err(Errno::NOSYS | Errno::PERM) => WAITV_MISSING.store(true, Ordering::Relaxed),
            outcome => return outcome_of(outcome.map(drop)),
        }
    }
    let slice = (!is_alone).then(|| Instant::now() + FALLBACK_SLICE);
    let until = match (deadline, slice) {
        (Some(deadline), Some(slice)) => Some(deadline.min(slice)),
        (deadline, slice) => deadline.or(slice),
    };
    match wait_with(first.0, first.1, until, Flags::PRIVATE) {
        WaitResult::TimedOut if deadline.is_none_or(|deadline| deadline > Instant::now()) => WaitResult::Interrupted,
        other => other,
    }
}

/// Wakes every thread, of any process, that sleeps on the shared `word`. Returns how many did.
pub(crate) fn wake_all(word: &AtomicU32) -> usize {
    // Fails only for words that are not memory, or words used for priority inheritance.
    futex::wake(word, Flags::empty(), ALL_WAITERS).unwrap_or(0)
}

/// Wakes every thread of this process that sleeps on the private `word`. Returns how many did.
pub(crate) fn wake_private(word: &AtomicU32) -> usize {
    futex::wake(word, Flags::PRIVATE, ALL_WAITERS).unwrap_or(0)
}

fn wait_with(word: &AtomicU32, expected: u32, deadline: Option<Instant>, flags: Flags) -> WaitResult {
    let until = deadline.map(monotonic);
    // The plain wait's time-out is relative and starts anew after a signal; this one's is absolute.
    outcome_of(futex::wait_bitset(word, flags, expected, until.as_ref(), ANY_WAKER))
}

fn wait_sliced(shared: (&AtomicU32, u32), private: (&AtomicU32, u32), deadline: Option<Instant>) -> WaitResult {
    if private.0.load(Ordering::Acquire) != private.1 {
        return WaitResult::Changed;
    }
    let slice = Instant::now() + FALLBACK_SLICE;
    match deadline {
        Some(deadline) if deadline <= slice => wait(shared.0, shared.1, Some(deadline)),
        _ => match wait(shared.0, shared.1, Some(slice)) {
            WaitResult::TimedOut => WaitResult::Interrupted,
            other => other,
        },
    }
}

fn waiter(word: &AtomicU32, expected: u32, scope: WaitFlags) -> futex::Wait {
    let mut waiter = futex::Wait::new();
    waiter.val = u64::from(expected);
    waiter.uaddr = futex::WaitPtr::new(word.as_ptr().cast());
    waiter.flags = WaitFlags::SIZE_U32 | scope;
    waiter
}

fn outcome_of(result: Result<(), Errno>) -> WaitResult {
    match result {
        Ok(()) => WaitResult::Woken,
        Err(Errno::AGAIN) => WaitResult::Changed,
        Err(Errno::TIMEDOUT) => WaitResult::TimedOut,
        // A signal; or, for want of kernel memory, no wait at all. Looking again is right for both.
        Err(_) => WaitResult::Interrupted,
    }
}

/// The deadline on the kernel's clock. `Instant` is that clock, but does not show its reading.
fn monotonic(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    let now = clock_gettime(ClockId::Monotonic);
    // A deadline too far for the kernel's clock is 292 thousand million years away.
    Timespec::try_from(left)
        .ok()
        .and_then(|left| now.checked_add(left))
        .unwrap_or(Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 0,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::segment::Segment;
    use std::sync::atomic::Ordering::SeqCst;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(10))
    }

    fn wake_until_woken<T>(thread: &std::thread::ScopedJoinHandle<T>, wake: impl Fn() -> usize) {
        while wake() == 0 && !thread.is_finished() {
            std::thread::yield_now();
        }
    }

    /// A waiting call sleeps until the other side does something.
    #[test]
    fn a_sleeper_is_woken_through_another_mapping() {
        let (segment, _fd) = Segment::create(1 << 16, 4096).unwrap();
        let word = segment.initial().atomic_u32(64);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait(word, 0, soon()));
            let elsewhere = segment.full().unwrap().atomic_u32(64);
            wake_until_woken(&sleeper, || wake_all(elsewhere));
            assert_eq!(sleeper.join().unwrap(), WaitResult::Woken);
        });
    }

    /// A wait ends at its time-out, and is none at all if there is
    /// something to do already.
    #[test]
    fn changed_words_and_deadlines_end_a_wait() {
        let word = AtomicU32::new(1);
        let other = AtomicU32::new(1);
        let now = Some(Instant::now());
        assert_eq!(wait(&word, 0, None), WaitResult::Changed);
        assert_eq!(wait(&word, 1, now), WaitResult::TimedOut);
        assert_eq!(wait_either((&word, 0), (&other, 1), None), WaitResult::Changed);
        assert_eq!(wait_either((&word, 1), (&other, 0), None), WaitResult::Changed);
        assert_eq!(wait_either((&word, 1), (&other, 1), now), WaitResult::TimedOut);
        let shortly = Instant::now() + Duration::from_millis(20);
        assert_eq!(wait(&word, 1, Some(shortly)), WaitResult::TimedOut);
        assert!(Instant::now() >= shortly, "never early");
        let never = Instant::now().checked_add(Duration::from_secs(u64::MAX / 4));
        assert_eq!(wait(&word, 0, never), WaitResult::Changed);
    }

    /// A call that waits for the peer also hears that the connection is over.
    #[test]
    fn either_word_wakes() {
        let (segment, _fd) = Segment::create(1 << 16, 4096).unwrap();
        let shared = segment.initial().atomic_u32(0);
        let private = AtomicU32::new(5);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait_either((shared, 0), (&private, 5), soon()));
            wake_until_woken(&sleeper, || wake_all(shared));
            assert_eq!(sleeper.join().unwrap(), WaitResult::Woken);

            if WAITV_MISSING.load(SeqCst) {
                return; // Sleeps on the shared word alone; see the next test.
            }
            let sleeper = scope.spawn(|| wait_either((shared, 0), (&private, 5), soon()));
            wake_until_woken(&sleeper, || wake_private(&private));
            assert_eq!(sleeper.join().unwrap(), WaitResult::Woken);
        });
    }

    /// A thread that waits for many things sleeps until one of them happens.
    #[test]
    fn any_of_many_words_wakes() {
        let (segment, _fd) = Segment::create(1 << 16, 4096).unwrap();
        let (bell, other) = (segment.initial().atomic_u32(0), segment.initial().atomic_u32(64));
        let own = AtomicU32::new(5);
        assert_eq!(wait_any(&[(bell, 0)], &[(&own, 4)], None), WaitResult::Changed);
        assert_eq!(wait_any(&[], &[(&own, 4)], None), WaitResult::Changed);
        assert_eq!(wait_any(&[], &[], None), WaitResult::Changed);
        let now = Some(Instant::now());
        assert_eq!(wait_any(&[(bell, 0)], &[(&own, 5)], now), WaitResult::TimedOut);
        assert_eq!(wait_any(&[], &[(&own, 5)], now), WaitResult::TimedOut);
        std::thread::scope(|scope| {
            for wake in [|word: &AtomicU32| wake_private(word), |word: &AtomicU32| wake_all(word)] {
                let sleeper = scope.spawn(|| wait_any(&[(other, 0), (bell, 0)], &[(&own, 5)], soon()));
                wake_until_woken(&sleeper, || wake(&own) + wake(bell));
                assert_eq!(sleeper.join().unwrap(), WaitResult::Woken);
            }
        });
    }

    /// Where the system knows only one word, the other is still looked at
    /// again and again.
    #[test]
    fn without_waitv_sleep_is_sliced() {
        let shared = AtomicU32::new(0);
        let private = AtomicU32::new(0);
        let sliced = |expected, until| wait_sliced((&shared, 0), (&private, expected), until);
        assert_eq!(sliced(0, None), WaitResult::Interrupted);
        assert_eq!(sliced(1, None), WaitResult::Changed);
        assert_eq!(sliced(0, soon()), WaitResult::Interrupted);
        assert_eq!(sliced(0, Some(Instant::now())), WaitResult::TimedOut);
    }
}
