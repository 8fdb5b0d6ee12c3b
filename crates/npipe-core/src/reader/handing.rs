//! A reading half goes from process to process, and from one that has died to the next.

use super::{Reader, ReaderState};
use crate::wire::Inlet;
use crate::{CallId, HolderId, Status};

impl<I: Inlet> Reader<I> {
    /// The lane and what else changes, to be told to another process that holds this end.
    pub fn parts(&mut self) -> (Option<&mut I>, &ReaderState) {
        (self.lane.as_mut(), &self.known)
    }

    /// Goes on from what another process that holds this end has left, as `holder`.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`] for what no such process leaves.
    pub fn resume(&mut self, holder: HolderId, known: ReaderState) -> Result<(), Status> {
        if known.calls.iter().any(|call| call.copied > call.size) {
            return Err(Status::InvalidHandle);
        }
        (self.holder, self.known) = (holder, known);
        Ok(())
    }

    /// Ends a call whose result nobody will ask for.
    pub fn give_up(&mut self, id: CallId) {
        self.end_calls(Status::Cancelled, |call| call.id == id);
        self.known.calls.retain(|call| call.id != id);
    }

    /// Ends the calls of a process that is gone, whose results nobody will ask for (semantics 230).
    pub fn abandon(&mut self, holder: HolderId) {
        self.end_calls_of(holder, Status::Cancelled);
        self.known.calls.retain(|call| call.holder != holder);
    }

    /// The connection goes on, through this lane: another process that holds this end has begun it.
    pub fn join(&mut self, lane: I, quota_bytes: u32) {
        (self.lane, self.quota_bytes) = (Some(lane), quota_bytes);
    }

    /// Forgets the connection, which others go on with.
    pub fn let_go(&mut self) -> Option<I> {
        self.lane.take()
    }

    /// Publishes the calls that were published before once more, since a process ended while it did so.
    pub fn publish_calls(&mut self) {
        self.republish();
    }
}
