//! An operation that a program waits for itself: one of the system's, with an event.

use std::sync::Arc;
use std::time::Instant;

use npipe_core::{ReadOutcome, Status};

use super::inbox;
use super::operation::{Completed, Waited};
use super::work::Work;
use crate::end::{End, Handle, Outcome};
use crate::kernel::asked;
use crate::sys::operation::{Notice, Operation};

/// An operation that was started.
#[derive(Debug)]
pub(super) struct Running {
    /// `None` if it was complete before it began.
    operation: Option<Arc<Operation>>,
}

impl Completed {
    /// What has become of an operation that is complete.
    pub(super) fn of(operation: &Operation) -> Completed {
        let outcome = crate::end::outcome_of(operation);
        Completed {
            buffer: operation.take_buffer(),
            result: outcome.map_err(|failure| failure.status()),
        }
    }
}

impl Running {
    pub(super) fn start(end: &Handle, work: Work) -> Outcome<Running> {
        let event = asked(Notice::event(), &[])?;
        let operation = Operation::new(work, event, Some(inbox::current_issuer()));
        end.start(&operation)?;
        if !operation.is_complete() {
            inbox::note_issued(end);
        }
        Ok(Running {
            operation: Some(operation),
        })
    }

    /// One that was complete before it began.
    pub(super) fn complete() -> Running {
        Running { operation: None }
    }

    /// Whether it is complete, after all that the peer has done by now.
    pub(super) fn look(&self, end: &End) -> bool {
        self.wait(end, Some(Instant::now()))
    }

    pub(super) fn has_completed(&self, end: &End) -> bool {
        self.look(end)
    }

    pub(super) fn result(&self, end: &End) -> Outcome<ReadOutcome> {
        match &self.operation {
            None => Ok(ReadOutcome::default()),
            Some(operation) if self.look(end) => crate::end::outcome_of(operation),
            Some(_) => Err(Status::IoIncomplete.into()),
        }
    }

    pub(super) fn wait(&self, _end: &End, deadline: Option<Instant>) -> bool {
        self.operation
            .as_ref()
            .is_none_or(|operation| operation.wait(deadline, false).is_ok())
    }

    pub(super) fn wait_alertable(&self, _end: &End, deadline: Option<Instant>) -> Waited {
        let Some(operation) = &self.operation else {
            return Waited::Complete;
        };
        let awaited = inbox::wait_alertable(deadline, |until, is_alertable| operation.wait(until, is_alertable));
        awaited.map_or_else(|unmet| unmet, |()| Waited::Complete)
    }

    /// What it has become; it is complete.
    pub(super) fn take(&self, _end: &End) -> Completed {
        match &self.operation {
            Some(operation) => Completed::of(operation),
            None => Completed {
                buffer: Vec::new(),
                result: Ok(ReadOutcome::default()),
            },
        }
    }

    pub(super) fn cancel(&self, end: &End) -> Outcome<()> {
        match &self.operation {
            Some(operation) => end.cancel_operation(operation),
            None => Err(Status::NotFound.into()),
        }
    }
}
