//! Operations that a program waits for itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use npipe_core::{ReadOutcome, Status};

use super::deadline_of;
use super::running::Running;
use super::work::Work;
use crate::end::{End, Handle};
use crate::error::{Explain, Result};

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
    running: Running,
    /// Whether dropping it leaves it alone.
    is_over: bool,
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
            .field("complete", &self.running.has_completed(&self.end))
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// Starts one.
    pub(super) fn start(end: &Handle, work: Work) -> Result<Operation> {
        let name = work.name();
        let running = Running::start(end, work).explain(name, &end.shape.name)?;
        Ok(Operation::of(end, name, running))
    }

    /// One that was complete before it began.
    pub(super) fn complete(end: &Handle, name: &'static str) -> Operation {
        Operation::of(end, name, Running::complete())
    }

    fn of(end: &Handle, name: &'static str, running: Running) -> Operation {
        Operation {
            end: end.shared().clone(),
            name,
            running,
            is_over: false,
        }
    }

    /// Whether it is complete. Win32 equivalent: HasOverlappedIoCompleted.
    #[doc(alias = "HasOverlappedIoCompleted")]
    pub fn is_complete(&self) -> bool {
        self.running.look(&self.end)
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
        let result = self.running.result(&self.end);
        result.explain(self.name, &self.end.shape.name)
    }

    /// Waits until it is complete, or the time has passed; `None` waits for ever. Says whether it is complete. Win32
    /// equivalent: WaitForSingleObject on the event, GetOverlappedResultEx.
    ///
    /// Runs no completion routines.
    #[doc(alias = "WaitForSingleObject")]
    #[doc(alias = "GetOverlappedResultEx")]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        self.running.wait(&self.end, deadline_of(timeout))
    }

    /// The same, and ends also when completion routines of this thread have run. If the operation is complete, they stay
    /// queued. Win32 equivalent: WaitForSingleObjectEx and GetOverlappedResultEx, alertable.
    #[doc(alias = "WaitForSingleObjectEx")]
    pub fn wait_alertable(&self, timeout: Option<Duration>) -> Waited {
        self.running.wait_alertable(&self.end, deadline_of(timeout))
    }

    /// Waits until it is complete, and gives the buffer back with the result. Win32 equivalent: GetOverlappedResult.
    #[doc(alias = "GetOverlappedResult")]
    pub fn finish(mut self) -> Completed {
        self.wait(None);
        self.is_over = true;
        self.running.take(&self.end)
    }

    /// Cancels it: it completes with [`Status::Cancelled`], unless it was about to complete otherwise. Win32 equivalent:
    /// CancelIoEx with the OVERLAPPED.
    ///
    /// # Errors
    /// [`Status::NotFound`]: it is complete, and its result stands.
    #[doc(alias = "CancelIoEx")]
    pub fn cancel(&self) -> Result<()> {
        self.running.cancel(&self.end).explain("cancel", &self.end.shape.name)
    }

    /// Lets it go on without anybody who learns what becomes of it.
    pub fn detach(mut self) {
        self.is_over = true;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.is_over && !self.running.has_completed(&self.end) {
            // Not found: it is complete by now.
            let _ = self.running.cancel(&self.end);
        }
    }
}
