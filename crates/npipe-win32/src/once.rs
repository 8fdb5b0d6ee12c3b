//! One-time initialisation.
//!
//! An INIT_ONCE has the size of a pointer and is ready to use when it is zero. When it is done it holds what the
//! initialisation has made, as on Windows: a pointer, whose two lowest bits are not its own and tell the state.

use std::sync::atomic::Ordering;

use crate::failure::{Failure, Outcome, boundary};
use crate::locks::{EVERYBODY, sleep_while, wake};
use crate::pointers::{Out, Shared};
use crate::sanitizer;
use crate::types::{Bool, FALSE, INIT_ONCE, TRUE, code};

const STATE: u32 = 3;
const NOT_BEGUN: u32 = 0;
/// Somebody is at it.
const BEGUN: u32 = 1;
const DONE: u32 = 2;
/// Some may be at it who do not wait for each other; the first that completes it counts.
const BEGUN_BY_SOME: u32 = 3;

/// As [`BEGUN`], and others wait.
const AWAITED: u32 = BEGUN | 4;
/// As [`BEGUN_BY_SOME`], of whom one completes it at this moment.
const CLAIMED: u32 = BEGUN_BY_SOME | 4;

const CHECK_ONLY: u32 = 1;
const ASYNC: u32 = 2;
const INIT_FAILED: u32 = 4;

impl INIT_ONCE {
    /// The lower half, in which the state is, once nobody is about to complete it.
    fn settled(&self) -> u32 {
        loop {
            match self.low.load(Ordering::Acquire) {
                CLAIMED => std::thread::yield_now(),
                low => return low,
            }
        }
    }

    fn change(&self, from: u32, to: u32) -> bool {
        self.low
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// What the initialisation has made, if it is done.
    fn made(&self) -> Option<usize> {
        let low = self.settled();
        if low & STATE != DONE {
            return None;
        }
        sanitizer::acquire(self);
        let high = self.high.load(Ordering::Relaxed) as usize;
        Some(high << 32 | (low & !STATE) as usize)
    }

    /// What the initialisation has made; `None` if the caller is to do it.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER if those who are at it wait for each other and the caller does not, or the reverse.
    fn begin(&self, is_async: bool) -> Outcome<Option<usize>> {
        loop {
            let low = self.settled();
            match (low & STATE, is_async) {
                (DONE, _) => return Ok(self.made()),
                (NOT_BEGUN, _) => {
                    if self.change(low, if is_async { BEGUN_BY_SOME } else { BEGUN }) {
                        return Ok(None);
                    }
                }
                (BEGUN, false) => {
                    if low == AWAITED || self.change(low, AWAITED) {
                        sleep_while(&self.low, AWAITED, None);
                    }
                }
                (BEGUN_BY_SOME, true) => return Ok(None),
                _ => return Err(Failure(code::INVALID_PARAMETER)),
            }
        }
    }

    /// It is done, or, if nothing was made, to be begun again.
    ///
    /// # Errors
    /// ERROR_GEN_FAILURE if nobody is at it any more; ERROR_INVALID_PARAMETER as for [`begin`](Self::begin).
    fn complete(&self, made: Option<usize>, is_async: bool) -> Outcome<()> {
        let low = self.settled();
        match (low & STATE, is_async) {
            (BEGUN, false) => {}
            (BEGUN_BY_SOME, true) if self.change(BEGUN_BY_SOME, CLAIMED) => {}
            // Another one was faster.
            (BEGUN_BY_SOME, true) => return self.complete(made, is_async),
            (BEGUN | BEGUN_BY_SOME, _) => return Err(Failure(code::INVALID_PARAMETER)),
            _ => return Err(Failure(code::GEN_FAILURE)),
        }
        sanitizer::release(self);
        // It is ours until the lower half says otherwise.
        let high = (made.unwrap_or_default() as u64 >> 32) as u32;
        self.high.store(high, Ordering::Relaxed);
        let after = made.map_or(NOT_BEGUN, |made| made as u32 & !STATE | DONE);
        if self.low.swap(after, Ordering::AcqRel) == AWAITED {
            wake(&self.low, EVERYBODY);
        }
        Ok(())
    }
}

type Once<'a> = Shared<'a, INIT_ONCE>;

crate::export! {
    /// InitOnceInitialize.
    fn InitOnceInitialize(once: Once<'_>) -> () [()] {
        let once = once.require()?;
        once.high.store(0, Ordering::Relaxed);
        once.low.store(NOT_BEGUN, Ordering::Relaxed);
        Ok(())
    }

    /// InitOnceBeginInitialize: whether the caller is to initialise, which it then completes, or what was made before. Who does
    /// not ask for INIT_ONCE_ASYNC waits for whoever is at it.
    ///
    /// # Errors
    /// ERROR_GEN_FAILURE with INIT_ONCE_CHECK_ONLY, if it is not done; ERROR_INVALID_PARAMETER for unknown flags or another
    /// kind of waiting than that of those who are at it.
    fn InitOnceBeginInitialize(once: Once<'_>, flags: u32, pending: Out<Bool>, context: Out<usize>) -> Bool [FALSE] {
        let once = once.require()?;
        let made = match flags {
            CHECK_ONLY => Some(once.made().ok_or(Failure(code::GEN_FAILURE))?),
            0 | ASYNC => once.begin(flags == ASYNC)?,
            _ => return Err(Failure(code::INVALID_PARAMETER)),
        };
        pending.set(made.is_none().into());
        if let Some(made) = made {
            context.set(made);
        }
        Ok(TRUE)
    }

    /// InitOnceComplete: it is done and has made `context`; or with INIT_ONCE_INIT_FAILED somebody else is to do it.
    ///
    /// # Errors
    /// ERROR_GEN_FAILURE if nobody is at it, or with INIT_ONCE_ASYNC another one was faster; ERROR_INVALID_PARAMETER for a
    /// context whose two lowest bits are not 0, for other flags than it was begun with, and for a failure with a context.
    fn InitOnceComplete(once: Once<'_>, flags: u32, context: usize) -> Bool [FALSE] {
        let once = once.require()?;
        let made = match flags {
            0 | ASYNC if context & STATE as usize == 0 => Some(context),
            INIT_FAILED if context == 0 => None,
            _ => return Err(Failure(code::INVALID_PARAMETER)),
        };
        once.complete(made, flags == ASYNC)?;
        Ok(TRUE)
    }
}

/// The routine of InitOnceExecuteOnce; C passes it.
type Routine = extern "C-unwind" fn(Once<'_>, usize, Out<usize>) -> Bool;

crate::export_unwinding! {
    /// InitOnceExecuteOnce: runs `routine` if nobody has, or waits until whoever does is through. If it fails, the next
    /// caller runs it again. The third argument of the routine is where the context goes, which later callers get too.
    ///
    /// # Errors
    /// What the routine leaves if it fails; ERROR_INVALID_PARAMETER without one, and as for InitOnceBeginInitialize.
    fn InitOnceExecuteOnce(
        once: Once<'_>,
        routine: Option<Routine>,
        argument: usize,
        context: Out<usize>,
    ) -> Bool {
        let invalid = Failure(code::INVALID_PARAMETER);
        let routine = boundary(None, || {
            let routine = routine.ok_or(invalid)?;
            let made = once.require()?.begin(false)?;
            if let Some(made) = made {
                context.set(made);
            }
            Ok(Some(made.is_none().then_some(routine)))
        });
        let Some(routine) = routine else {
            return FALSE;
        };
        let Some(routine) = routine else {
            return TRUE;
        };
        let is_done = routine(once, argument, context) != FALSE;
        boundary(FALSE, || {
            let made = is_done.then(|| context.get().unwrap_or_default());
            once.require()?.complete(made, false)?;
            Ok(is_done.into())
        })
    }
}
