//! An operation that a program waits for itself.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use npipe_core::{ReadOutcome, Status};

use super::buffer::Buffer;
use super::engine::{Completion, OperationId, Order, Refused, Sink, Started};
use super::signal::Signal;
use super::thread::{self, AlertableThread};
use super::wait::wait_until;
use crate::end::{End, locked};
use crate::error::{Error, Explain, Result};

/// An operation that was started: what Windows keeps in an OVERLAPPED and its event.
///
/// The operation has its buffer until it is complete, and gives it back with the result. Methods that look, and do not
/// wait, see everything that the peer has done by then.
///
/// **Dropping** it cancels the operation if it is pending, as [`cancel`](Operation::cancel) does, and does not wait: a read
/// takes nothing any more, data of a pending write is taken back, a connect goes on listening. What a read has taken
/// already is lost with the buffer. [`detach`](Operation::detach) lets it go on instead.
///
/// The end may be dropped first: that ends the operation with [`Status::PipeBroken`]. An operation also ends, cancelled,
/// with the thread that started it.
#[doc(alias = "OVERLAPPED")]
#[doc(alias = "GetOverlappedResult")]
#[must_use = "dropping an operation cancels it"]
pub struct Operation {
    end: Arc<End>,
    name: &'static str,
    /// `None` if it was complete at once.
    id: Option<OperationId>,
    state: Arc<State>,
}

/// What an operation has become.
#[derive(Debug, Default)]
struct State {
    signal: Arc<Signal>,
    completion: Mutex<Option<Completion>>,
}

impl Sink for State {
    fn complete(&self, completion: Completion) {
        *locked(&self.completion) = Some(completion);
    }
}

/// A completed operation, with the buffer that it had.
#[derive(Debug)]
pub struct Completed {
    /// Its whole buffer; of a transaction, that for the reply.
    pub buffer: Vec<u8>,
    /// How many bytes it has moved, and whether the message that was read has more; both are nothing for a connect.
    pub result: std::result::Result<ReadOutcome, Status>,
}

impl Completed {
    /// What was read or written: the first bytes of the buffer. Empty if the operation has failed.
    pub fn data(&self) -> &[u8] {
        let bytes = self.result.map_or(0, |outcome| outcome.bytes);
        self.buffer.get(..bytes).unwrap_or_default()
    }

    /// The same, without what the operation has left of the buffer.
    pub fn into_data(mut self) -> Vec<u8> {
        self.buffer.truncate(self.data().len());
        self.buffer
    }
}

impl From<Completion> for Completed {
    fn from(completion: Completion) -> Completed {
        Completed {
            buffer: completion.buffer.into_vec(),
            result: completion.result,
        }
    }
}

/// How an alertable wait for an operation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The operation is complete: WAIT_OBJECT_0.
    Complete,
    /// Completion routines or queued calls have run: WAIT_IO_COMPLETION. The operation may be pending or not.
    Completions,
    /// The time has passed: WAIT_TIMEOUT.
    TimedOut,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("operation", &self.name)
            .field("pipe", &self.end.shape.name.path())
            .field("complete", &self.has_completed())
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// Starts one by `start`.
    pub(super) fn start(
        end: &Arc<End>,
        name: &'static str,
        start: impl FnOnce(Order) -> std::result::Result<Started, Refused>,
    ) -> Result<Operation> {
        let state = Arc::<State>::default();
        let order = Order {
            sink: state.clone(),
            signal: state.signal.clone(),
            issuer: Some(thread::current_issuer()),
        };
        let started = start(order).map_err(|refused| Error::new(refused.status, name).about(&end.shape.name))?;
        let id = match started {
            Started::Pending(id) => Some(id),
            Started::Complete(completion) => {
                state.complete(completion);
                None
            }
        };
        if id.is_some() {
            thread::note_issued(end);
        }
        Ok(Operation {
            end: end.clone(),
            name,
            id,
            state,
        })
    }

    /// One that was complete before it began.
    pub(super) fn complete(end: &Arc<End>, name: &'static str) -> Operation {
        let state = Arc::<State>::default();
        state.complete(Completion {
            id: OperationId::next(),
            result: Ok(ReadOutcome::default()),
            buffer: Buffer::empty(),
        });
        Operation {
            end: end.clone(),
            name,
            id: None,
            state,
        }
    }

    /// Whether it is complete. Win32 equivalent: HasOverlappedIoCompleted.
    #[doc(alias = "HasOverlappedIoCompleted")]
    pub fn is_complete(&self) -> bool {
        self.end.pump();
        self.has_completed()
    }

    fn has_completed(&self) -> bool {
        // In a forked child it is its parent's: no more will become of it.
        self.end.require_own().is_err() || locked(&self.state.completion).is_some()
    }

    /// The result so far, as often as it is asked for. Win32 equivalent: GetOverlappedResult without waiting.
    ///
    /// # Errors
    /// * [`Status::IoIncomplete`]: it is pending.
    /// * [`Status::InvalidHandle`]: it was started by the process that this one was forked from.
    /// * Those of the operation itself.
    #[doc(alias = "GetOverlappedResult")]
    #[doc(alias = "ERROR_IO_INCOMPLETE")]
    pub fn result(&self) -> Result<ReadOutcome> {
        self.end.require_own().explain(self.name, &self.end.shape.name)?;
        self.end.pump();
        let result = locked(&self.state.completion)
            .as_ref()
            .map_or(Err(Status::IoIncomplete), |completion| completion.result);
        result.explain(self.name, &self.end.shape.name)
    }

    /// Waits until it is complete, or the time has passed; `None` waits for ever. Says whether it is complete. Win32
    /// equivalent: WaitForSingleObject on the event, GetOverlappedResultEx.
    ///
    /// Runs no completion routines.
    #[doc(alias = "WaitForSingleObject")]
    #[doc(alias = "GetOverlappedResultEx")]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let complete = || self.has_completed().then_some(());
        // Before its locks are touched, which in a forked child may be held for ever.
        self.end.require_own().is_err() || wait_until(&[&self.state.signal], deadline, complete).is_some()
    }

    /// The same, and ends also when completion routines of this thread have run. If the operation is complete, they stay
    /// queued. Win32 equivalent: WaitForSingleObjectEx and GetOverlappedResultEx, alertable.
    #[doc(alias = "WaitForSingleObjectEx")]
    pub fn wait_alertable(&self, timeout: Option<Duration>) -> Waited {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if self.end.require_own().is_err() {
            return Waited::Complete;
        }
        let thread = AlertableThread::current();
        let waited = wait_until(&[&self.state.signal, thread.signal()], deadline, || {
            if self.has_completed() {
                Some(Waited::Complete)
            } else {
                thread::has_queued_calls().then_some(Waited::Completions)
            }
        });
        if waited == Some(Waited::Completions) {
            thread::run_queued_calls();
        }
        waited.unwrap_or(Waited::TimedOut)
    }

    /// Waits until it is complete, and gives the buffer back with the result. Win32 equivalent: GetOverlappedResult.
    #[doc(alias = "GetOverlappedResult")]
    pub fn finish(self) -> Completed {
        self.wait(None);
        let completion = match self.end.require_own() {
            Ok(()) => locked(&self.state.completion).take(),
            Err(_) => None,
        };
        completion.map_or_else(
            || Completed {
                buffer: Vec::new(),
                result: Err(Status::InvalidHandle),
            },
            Completed::from,
        )
    }

    /// Cancels it: it completes with [`Status::Cancelled`], unless it was about to complete otherwise. Win32 equivalent:
    /// CancelIoEx with the OVERLAPPED.
    ///
    /// # Errors
    /// [`Status::NotFound`]: it is complete, and its result stands.
    #[doc(alias = "CancelIoEx")]
    pub fn cancel(&self) -> Result<()> {
        let cancelled = match self.id {
            Some(id) => self.end.cancel_operation(id),
            None => Err(Status::NotFound),
        };
        cancelled.explain("cancel", &self.end.shape.name)
    }

    /// Lets it go on without anybody who learns what becomes of it.
    pub fn detach(mut self) {
        self.id = None;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(id) = self.id
            && !self.has_completed()
        {
            // Not found: it is complete by now.
            let _ = self.end.cancel_operation(id);
        }
    }
}
