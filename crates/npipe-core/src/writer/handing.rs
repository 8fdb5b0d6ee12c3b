//! A writing half goes from process to process, and from one that has died to the next.

use super::{Writer, WriterState};
use crate::wire::Outlet;
use crate::{CallId, HolderId, Status};

impl<O: Outlet> Writer<O> {
    /// The lane and what else changes, to be told to another process that holds this end.
    pub fn parts(&mut self) -> (Option<&mut O>, &WriterState<O::Ticket>) {
        (self.lane.as_mut(), &self.known)
    }

    /// Goes on from what another process that holds this end has left, as `holder`.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`] for what no such process leaves.
    pub fn resume(&mut self, holder: HolderId, known: WriterState<O::Ticket>) -> Result<(), Status> {
        if known.calls.iter().any(|call| call.placed > call.length) {
            return Err(Status::InvalidHandle);
        }
        (self.holder, self.known) = (holder, known);
        Ok(())
    }

    /// A process ended in the middle of what it did to this half.
    pub fn doubt(&mut self) {
        self.known.in_doubt = true;
    }

    /// With nothing to be read or placed, what is queued is what was taken.
    pub(super) fn settle_doubt(&mut self) {
        let is_idle = self.known.calls.is_empty() && self.known.owed == 0;
        if let Some(lane) = &mut self.lane
            && is_idle
            && lane.is_read()
        {
            (self.known.queued, self.known.empties) = (lane.taken(), lane.empties_taken());
            lane.publish_queued(self.known.queued);
            self.known.in_doubt = false;
        }
    }

    /// Ends a write or a flush whose result nobody will ask for.
    pub fn give_up(&mut self, id: CallId) {
        let _ = self.cancel(id, Status::Cancelled);
        self.cancel_flush(id);
    }

    /// Takes back what a process that is gone had not finished writing (semantics 128).
    pub fn abandon(&mut self, holder: HolderId) {
        self.end_calls_of(holder, Status::Cancelled);
        while let Some(index) = self.known.calls.iter().position(|call| call.holder == holder) {
            self.remove(index);
        }
        self.known.flushes.retain(|call| call.holder != holder);
    }

    /// The connection goes on, through this lane: another process that holds this end has begun it.
    pub fn join(&mut self, lane: O) {
        self.lane = Some(lane);
    }

    /// Forgets the connection, which others go on with.
    pub fn let_go(&mut self) -> Option<O> {
        self.lane.take()
    }
}
