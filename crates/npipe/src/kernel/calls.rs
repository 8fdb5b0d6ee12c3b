//! The operations of an end that no thread is inside of, all of which the system has.
//!
//! They begin under one lock. Who closes the end marks those that are pending under it, and none begins afterwards; so it is known
//! which of them were cancelled because their end is gone (semantics 79, 192).

use std::os::windows::io::BorrowedHandle;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use npipe_core::{ReadOutcome, Status};

use super::{End, Outcome, TELL_AGAIN, read_outcome};
use crate::kernel::asked;
use crate::overlapped::{Association, Issuer};
use crate::sys::operation::{Begun, Call, Operation, Pending};
use crate::sys::port;

/// How long it is waited for the end of operations that are cancelled: Wine 8.0 loses some of threads that have ended.
const ENDING_TIME: Duration = Duration::from_millis(100);

/// The operations of an end.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pending: Mutex<Pending>,
    /// The completion port that the end is associated with.
    pub(crate) port: OnceLock<Association>,
    /// Whether operations that are complete at once are to go past it.
    pub(crate) skips_port: AtomicBool,
    /// Whether they do: what was asked of the system once cannot be taken back.
    system_skips_port: AtomicBool,
}

/// How an operation has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// It is complete.
    AtOnce {
        /// Whether the end's port has a packet of it, if it has a port.
        is_queued: bool,
    },
    /// Its completion is told.
    Pending,
}

impl Calls {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end is closed: what is pending is cancelled for that reason.
    pub(super) fn abandon(&self) {
        for operation in self.pending().iter() {
            operation.is_abandoned.store(true, Ordering::Release);
        }
    }

    /// Ends them all. The system completes what is cancelled at once, if by threads that have started it; so they are complete
    /// when this returns, but for those of which it does not say so in time, which go on being kept.
    pub(super) fn end(&self, handle: BorrowedHandle<'_>) {
        for operation in self.pending().iter() {
            // That it is complete by now is no failure.
            let _ = operation.cancel(handle);
        }
        let begun = Instant::now();
        while self.pending().iter().next().is_some() && begun.elapsed() < ENDING_TIME {
            thread::sleep(TELL_AGAIN);
        }
    }
}

impl End {
    /// Starts an operation.
    pub(crate) fn start(&self, operation: &Arc<Operation>) -> Outcome<Started> {
        if operation.is_too_long() {
            return Err(Status::InvalidParameter.into());
        }
        let meanings: &[Status] = match operation.call() {
            Call::Read => &[Status::PipeEmpty],
            Call::Transact => &[Status::PipeBusy],
            Call::Connect | Call::Write => &[],
        };
        let mut is_queued = true;
        let mut is_closed = false;
        let begun = self.ask(meanings, |handle| {
            let mut pending = self.calls.pending();
            is_closed = self.is_closed();
            if is_closed {
                return Ok(Begun::Pending);
            }
            is_queued = !self.calls.system_skips_port.load(Ordering::Relaxed);
            pending.start(handle, operation)
        });
        if is_closed {
            return Err(Status::InvalidHandle.into());
        }
        let is_transaction = operation.call() == Call::Transact;
        match begun {
            Err(failure) if is_transaction => Err(self.judge_transaction(failure)),
            Err(failure) => Err(failure),
            // Later versions of Windows say so in the outcome (semantics 151).
            Ok(_) if is_transaction && is_busy(operation) => Err(Status::PipeBusy.into()),
            Ok(Begun::AtOnce) => Ok(Started::AtOnce { is_queued }),
            Ok(Begun::Pending) => Ok(Started::Pending),
        }
    }

    /// Cancels one operation (semantics 228-231).
    pub(crate) fn cancel_operation(&self, operation: &Arc<Operation>) -> Outcome<()> {
        if operation.is_complete() {
            return Err(Status::NotFound.into());
        }
        self.ask(&[], |handle| operation.cancel(handle))
    }

    /// Cancels the operations that a thread has started; says how many there were (semantics 227, 233).
    pub(crate) fn cancel_issued(&self, issuer: Issuer) -> usize {
        let count = self.ask(&[], |handle| {
            let pending = self.calls.pending();
            let issued = pending.iter().filter(|operation| operation.issuer == Some(issuer));
            Ok(issued.filter(|operation| operation.cancel(handle).is_ok()).count())
        });
        count.unwrap_or_default()
    }

    /// Whether operations that are complete at once go past the end's port (semantics 250).
    pub(crate) fn skip_packets(&self, skip: bool) {
        let calls = &self.calls;
        calls.skips_port.store(skip, Ordering::Relaxed);
        if skip && !calls.system_skips_port.load(Ordering::Relaxed) {
            // What is refused leaves everything to the port.
            let _ = self.ask(&[], |handle| {
                // Each operation begins before or afterwards.
                let _pending = calls.pending();
                port::skip_on_success(handle)?;
                calls.system_skips_port.store(true, Ordering::Relaxed);
                Ok(())
            });
        }
    }
}

fn is_busy(operation: &Operation) -> bool {
    outcome_of(operation).is_err_and(|failure| failure.status() == Status::PipeBusy)
}

/// What has become of an operation.
pub(crate) fn outcome_of(operation: &Operation) -> Outcome<ReadOutcome> {
    let Some(outcome) = operation.outcome() else {
        return Err(Status::IoIncomplete.into());
    };
    match asked(outcome, &[]).map(read_outcome) {
        Err(failure) if failure.status() == Status::Cancelled && operation.is_abandoned.load(Ordering::Acquire) => {
            Err(Status::PipeBroken.into())
        }
        outcome => outcome,
    }
}
