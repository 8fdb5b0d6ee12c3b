//! Critical sections, SRW locks and condition variables.
//!
//! They lie in the program's memory, consist of words that futexes wait on, and are ready to use when they are zero.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rustix::thread::futex::{self, Flags, Timespec};

use crate::dispatch;
use crate::failure::{Failure, Outcome};
use crate::pointers::Shared;
use crate::sanitizer;
use crate::types::{Bool, CONDITION_VARIABLE, CRITICAL_SECTION, FALSE, SRWLOCK, TRUE, code};

/// Sleeps while the word has this value; false when time is up.
pub(crate) fn sleep_while(word: &AtomicU32, value: u32, deadline: Option<Instant>) -> bool {
    let left = match deadline {
        None => None,
        Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
            None => return false,
            Some(left) => Some(left),
        },
    };
    let timeout = left.map(|left| Timespec {
        tv_sec: left.as_secs() as i64,
        tv_nsec: left.subsec_nanos().into(),
    });
    // Woken, changed, interrupted or out of time: whoever sleeps looks again.
    let _ = futex::wait(word, Flags::PRIVATE, value, timeout.as_ref());
    deadline.is_none_or(|deadline| Instant::now() < deadline)
}

pub(crate) fn wake(word: &AtomicU32, count: u32) {
    let _ = futex::wake(word, Flags::PRIVATE, count);
}

pub(crate) const EVERYBODY: u32 = i32::MAX as u32;

fn own_id() -> usize {
    rustix::thread::gettid().as_raw_nonzero().get() as usize
}

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const WANTED: u32 = 2;

impl CRITICAL_SECTION {
    fn reset(&self, spin: u32) {
        self.DebugInfo.store(0, Ordering::Relaxed);
        self.LockCount.store(FREE, Ordering::Relaxed);
        self.RecursionCount.store(0, Ordering::Relaxed);
        self.OwningThread.store(0, Ordering::Relaxed);
        self.LockSemaphore.store(0, Ordering::Relaxed);
        self.SpinCount.store(spin as usize, Ordering::Relaxed);
    }

    /// Whether it is this thread's, which then has it once more.
    fn enter_again(&self, thread: usize) -> bool {
        // Only the owner itself ever finds its own number there.
        let is_own = self.OwningThread.load(Ordering::Relaxed) == thread;
        if is_own {
            self.RecursionCount.fetch_add(1, Ordering::Relaxed);
        }
        is_own
    }

    fn entered(&self, thread: usize) {
        sanitizer::acquire(self);
        self.OwningThread.store(thread, Ordering::Relaxed);
        self.RecursionCount.store(1, Ordering::Relaxed);
    }

    fn try_enter(&self) -> bool {
        let thread = own_id();
        if self.enter_again(thread) {
            return true;
        }
        let taken = self
            .LockCount
            .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            self.entered(thread);
        }
        taken.is_ok()
    }

    fn enter(&self) {
        if self.try_enter() {
            return;
        }
        while self.LockCount.swap(WANTED, Ordering::Acquire) != FREE {
            sleep_while(&self.LockCount, WANTED, None);
        }
        self.entered(own_id());
    }

    fn leave(&self) {
        if self.RecursionCount.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        sanitizer::release(self);
        self.OwningThread.store(0, Ordering::Relaxed);
        if self.LockCount.swap(FREE, Ordering::Release) == WANTED {
            wake(&self.LockCount, 1);
        }
    }
}

const ALONE: u32 = u32::MAX;

impl SRWLOCK {
    fn try_alone(&self) -> bool {
        let taken = self
            .holders
            .compare_exchange(0, ALONE, Ordering::SeqCst, Ordering::Relaxed);
        if taken.is_ok() {
            // After whoever had it alone, and after all who shared it.
            sanitizer::acquire(&self.holders);
            sanitizer::acquire(&self.turn);
        }
        taken.is_ok()
    }

    fn try_shared(&self) -> bool {
        let more = |holders: u32| (holders < ALONE - 1).then(|| holders + 1);
        let taken = self.holders.fetch_update(Ordering::SeqCst, Ordering::Relaxed, more);
        if taken.is_ok() {
            // Those who share it are not ordered among themselves.
            sanitizer::acquire(&self.holders);
        }
        taken.is_ok()
    }

    fn acquire(&self, attempt: impl Fn(&SRWLOCK) -> bool) {
        while !attempt(self) {
            let turn = self.turn.load(Ordering::SeqCst);
            let wanted = turn | 1;
            if turn != wanted
                && self
                    .turn
                    .compare_exchange(turn, wanted, Ordering::SeqCst, Ordering::Relaxed)
                    .is_err()
            {
                continue;
            }
            // Whoever frees it after this look sees that the turn is wanted.
            if attempt(self) {
                return;
            }
            sleep_while(&self.turn, wanted, None);
        }
    }

    /// It is free: those who wait try again.
    fn pass_on(&self) {
        let turn = self.turn.load(Ordering::SeqCst);
        if turn & 1 != 0 {
            let next = (turn & !1).wrapping_add(2);
            let _ = self
                .turn
                .compare_exchange(turn, next, Ordering::SeqCst, Ordering::Relaxed);
            wake(&self.turn, EVERYBODY);
        }
    }

    fn release_alone(&self) {
        sanitizer::release(&self.holders);
        self.holders.store(0, Ordering::SeqCst);
        self.pass_on();
    }

    fn release_shared(&self) {
        sanitizer::release(&self.turn);
        if self.holders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.pass_on();
        }
    }
}

impl CONDITION_VARIABLE {
    /// Sleeps until a wake that comes after `give_back` began.
    fn sleep(&self, timeout_ms: u32, give_back: impl FnOnce(), take_again: impl FnOnce()) -> Outcome<Bool> {
        let deadline = dispatch::deadline(timeout_ms);
        let sequence = self.sequence.load(Ordering::SeqCst);
        give_back();
        let mut in_time = true;
        while in_time && self.sequence.load(Ordering::SeqCst) == sequence {
            in_time = sleep_while(&self.sequence, sequence, deadline);
        }
        take_again();
        match in_time {
            true => Ok(TRUE),
            false => Err(Failure(code::TIMEOUT)),
        }
    }

    fn wake(&self, count: u32) {
        self.sequence.fetch_add(1, Ordering::SeqCst);
        wake(&self.sequence, count);
    }
}

const SHARED_MODE: u32 = 1;

type Section<'a> = Shared<'a, CRITICAL_SECTION>;
type Lock<'a> = Shared<'a, SRWLOCK>;
type Condition<'a> = Shared<'a, CONDITION_VARIABLE>;

crate::export! {
    /// InitializeCriticalSection.
    fn InitializeCriticalSection(section: Section<'_>) -> () [()] {
        section.require()?.reset(0);
        Ok(())
    }

    /// InitializeCriticalSectionAndSpinCount. The count is kept and not used.
    fn InitializeCriticalSectionAndSpinCount(section: Section<'_>, spin: u32) -> Bool [FALSE] {
        section.require()?.reset(spin);
        Ok(TRUE)
    }

    /// InitializeCriticalSectionEx.
    fn InitializeCriticalSectionEx(section: Section<'_>, spin: u32, _flags: u32) -> Bool [FALSE] {
        section.require()?.reset(spin);
        Ok(TRUE)
    }

    /// DeleteCriticalSection.
    fn DeleteCriticalSection(section: Section<'_>) -> () [()] {
        section.require()?.reset(0);
        Ok(())
    }

    /// EnterCriticalSection.
    fn EnterCriticalSection(section: Section<'_>) -> () [()] {
        section.require()?.enter();
        Ok(())
    }

    /// TryEnterCriticalSection.
    fn TryEnterCriticalSection(section: Section<'_>) -> Bool [FALSE] {
        Ok(Bool::from(section.require()?.try_enter()))
    }

    /// LeaveCriticalSection.
    fn LeaveCriticalSection(section: Section<'_>) -> () [()] {
        section.require()?.leave();
        Ok(())
    }

    /// InitializeSRWLock.
    fn InitializeSRWLock(lock: Lock<'_>) -> () [()] {
        let lock = lock.require()?;
        lock.holders.store(0, Ordering::Relaxed);
        lock.turn.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// AcquireSRWLockExclusive.
    fn AcquireSRWLockExclusive(lock: Lock<'_>) -> () [()] {
        lock.require()?.acquire(SRWLOCK::try_alone);
        Ok(())
    }

    /// TryAcquireSRWLockExclusive.
    fn TryAcquireSRWLockExclusive(lock: Lock<'_>) -> u8 [0] {
        Ok(lock.require()?.try_alone().into())
    }

    /// ReleaseSRWLockExclusive.
    fn ReleaseSRWLockExclusive(lock: Lock<'_>) -> () [()] {
        lock.require()?.release_alone();
        Ok(())
    }

    /// AcquireSRWLockShared.
    fn AcquireSRWLockShared(lock: Lock<'_>) -> () [()] {
        lock.require()?.acquire(SRWLOCK::try_shared);
        Ok(())
    }

    /// TryAcquireSRWLockShared.
    fn TryAcquireSRWLockShared(lock: Lock<'_>) -> u8 [0] {
        Ok(lock.require()?.try_shared().into())
    }

    /// ReleaseSRWLockShared.
    fn ReleaseSRWLockShared(lock: Lock<'_>) -> () [()] {
        lock.require()?.release_shared();
        Ok(())
    }

    /// InitializeConditionVariable.
    fn InitializeConditionVariable(condition: Condition<'_>) -> () [()] {
        condition.require()?.sequence.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// SleepConditionVariableCS. May wake without a cause, as on Windows.
    ///
    /// # Errors
    /// ERROR_TIMEOUT.
    fn SleepConditionVariableCS(condition: Condition<'_>, section: Section<'_>, timeout_ms: u32) -> Bool [FALSE] {
        let section = section.require()?;
        condition.require()?.sleep(timeout_ms, || section.leave(), || section.enter())
    }

    /// SleepConditionVariableSRW.
    ///
    /// # Errors
    /// ERROR_TIMEOUT.
    fn SleepConditionVariableSRW(
        condition: Condition<'_>,
        lock: Lock<'_>,
        timeout_ms: u32,
        flags: u32,
    ) -> Bool [FALSE] {
        let (condition, lock) = (condition.require()?, lock.require()?);
        if flags & SHARED_MODE != 0 {
            condition.sleep(timeout_ms, || lock.release_shared(), || lock.acquire(SRWLOCK::try_shared))
        } else {
            condition.sleep(timeout_ms, || lock.release_alone(), || lock.acquire(SRWLOCK::try_alone))
        }
    }

    /// WakeConditionVariable.
    fn WakeConditionVariable(condition: Condition<'_>) -> () [()] {
        condition.require()?.wake(1);
        Ok(())
    }

    /// WakeAllConditionVariable.
    fn WakeAllConditionVariable(condition: Condition<'_>) -> () [()] {
        condition.require()?.wake(EVERYBODY);
        Ok(())
    }
}
