//! An operation that a program waits for itself, as the engine has it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use npipe_core::{ReadOutcome, Status};

use super::buffer::Buffer;
use super::engine::{Completion, OperationId, Order, Sink, Started};
use super::inbox;
use super::operation::{Completed, Waited};
use super::signal::Signal;
use super::wait::wait_until;
use super::work::Work;
use crate::end::{End, Handle, locked};

/// An operation that was started.
#[derive(Debug)]
pub(super) struct Running {
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

impl From<Completion> for Completed {
    fn from(completion: Completion) -> Completed {
        Completed {
            buffer: completion.buffer.into_vec(),
            result: completion.result,
        }
    }
}

impl Running {
    pub(super) fn start(end: &Handle, work: Work) -> Result<Running, Status> {
        let state = Arc::<State>::default();
        let order = Order {
            sink: state.clone(),
            signal: state.signal.clone(),
            issuer: Some(inbox::current_issuer()),
        };
        let id = match end.submit(work, order).map_err(|refused| refused.status)? {
            Started::Pending(id) => {
                inbox::note_issued(end.shared());
                Some(id)
            }
            Started::Complete(completion) => {
                state.complete(completion);
                None
            }
        };
        Ok(Running { id, state })
    }

    /// One that was complete before it began.
    pub(super) fn complete() -> Running {
        let state = Arc::<State>::default();
        state.complete(Completion {
            id: OperationId::next(),
            result: Ok(ReadOutcome::default()),
            buffer: Buffer::empty(),
        });
        Running { id: None, state }
    }

    /// Whether it is complete, after all that the peer has done by now.
    pub(super) fn look(&self, end: &End) -> bool {
        end.pump();
        self.has_completed(end)
    }

    pub(super) fn has_completed(&self, end: &End) -> bool {
        // In a forked child it is its parent's: no more will become of it.
        end.require_own().is_err() || locked(&self.state.completion).is_some()
    }

    pub(super) fn result(&self, end: &End) -> Result<ReadOutcome, Status> {
        end.require_own()?;
        end.pump();
        locked(&self.state.completion)
            .as_ref()
            .map_or(Err(Status::IoIncomplete), |completion| completion.result)
    }

    pub(super) fn wait(&self, end: &End, deadline: Option<Instant>) -> bool {
        let complete = || self.has_completed(end).then_some(());
        // Before its locks are touched, which in a forked child may be held for ever.
        end.require_own().is_err() || wait_until(&[&self.state.signal], deadline, complete).is_some()
    }

    pub(super) fn wait_alertable(&self, end: &End, deadline: Option<Instant>) -> Waited {
        if end.require_own().is_err() {
            return Waited::Complete;
        }
        let inbox = inbox::current();
        let waited = wait_until(&[&self.state.signal, inbox.signal()], deadline, || {
            if self.has_completed(end) {
                Some(Waited::Complete)
            } else {
                inbox::has_queued_calls().then_some(Waited::Completions)
            }
        });
        if waited == Some(Waited::Completions) {
            inbox::run_queued_calls();
        }
        waited.unwrap_or(Waited::TimedOut)
    }

    /// What it has become; it is complete.
    pub(super) fn take(&self, end: &End) -> Completed {
        let completion = match end.require_own() {
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

    pub(super) fn cancel(&self, end: &End) -> Result<(), Status> {
        match self.id {
            Some(id) => end.cancel_operation(id),
            None => Err(Status::NotFound),
        }
    }
}
