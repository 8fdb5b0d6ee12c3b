//! Waiting until the peer has read everything (semantics 163-170).

use std::task::Poll;

use serde::{Deserialize, Serialize};

use super::{Writer, outstanding};
use crate::wire::{Outlet, PeerState};
use crate::{CallId, HolderId, Progress, Status};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FlushCall {
    pub(super) id: CallId,
    pub(super) holder: HolderId,
    pub(super) bytes: u64,
    pub(super) empties: u64,
    pub(super) ended: Option<Status>,
}

impl<O: Outlet> Writer<O> {
    /// Begins to wait until the peer has read everything written so far (semantics 163-168).
    ///
    /// # Errors
    /// [`Status::PipeDisconnected`] on a client end that was disconnected; a server end without a client, and an end
    /// whose peer has closed, have nothing to wait for.
    pub fn flush(&mut self) -> Result<Progress<()>, Status> {
        match self.peer() {
            Ok(PeerState::Disconnected) => return Err(Status::PipeDisconnected),
            Ok(PeerState::Open) => {}
            Ok(PeerState::Closed) | Err(_) => return Ok(Progress::Done(())),
        }
        let id = self.next_id();
        let call = FlushCall {
            id,
            holder: self.holder,
            bytes: self.known.queued,
            empties: self.known.empties,
            ended: None,
        };
        if self.is_flushed(&call) {
            return Ok(Progress::Done(()));
        }
        self.known.flushes.push(call);
        Ok(Progress::Pending(id))
    }

    fn is_flushed(&self, call: &FlushCall) -> bool {
        self.lane.as_ref().is_none_or(|lane| {
            let is_counted =
                || outstanding(call.bytes, lane.taken()) == 0 && outstanding(call.empties, lane.empties_taken()) == 0;
            self.known.in_doubt && lane.is_read() || is_counted()
        })
    }

    /// Asks for the result of a flush.
    pub fn poll_flush(&mut self, id: CallId) -> Poll<Result<(), Status>> {
        let Some(index) = self.known.flushes.iter().position(|call| call.id == id) else {
            return Poll::Ready(Err(Status::InvalidParameter));
        };
        let result = match (self.known.flushes[index].ended, self.peer()) {
            (Some(status), _) => Err(status),
            _ if self.is_flushed(&self.known.flushes[index]) => Ok(()),
            (_, Ok(PeerState::Open)) => return Poll::Pending,
            (_, Ok(PeerState::Closed)) => Err(Status::PipeBroken),
            (_, Ok(PeerState::Disconnected)) => Err(Status::PipeDisconnected),
            (_, Err(status)) => Err(status),
        };
        self.known.flushes.remove(index);
        Poll::Ready(result)
    }

    /// Gives up a flush.
    pub fn cancel_flush(&mut self, id: CallId) {
        self.known.flushes.retain(|call| call.id != id);
    }
}
