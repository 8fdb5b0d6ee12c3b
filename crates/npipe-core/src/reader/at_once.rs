//! Reads that leave no call behind.

use super::{ReadCall, ReadOutcome, Reader, is_ready};
use crate::Status;
use crate::wire::{Inlet, PeerState};

impl<I: Inlet> Reader<I> {
    /// Reads what there is now, whatever the wait mode, and leaves no call behind; `None`: there is nothing to read yet.
    ///
    /// A message that is larger than the lane comes in pieces, of which all but the last have more.
    ///
    /// # Errors
    /// As [`Reader::read`].
    #[inline]
    pub fn read_now(&mut self, into: &mut [u8]) -> Result<Option<ReadOutcome>, Status> {
        match self.read_at_once(ReadCall::new(self.holder, into), into) {
            Err(Status::PipeEmpty) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether [`Reader::read_now`] has a result to give, an error included, with a buffer of any size.
    pub fn is_readable(&mut self) -> bool {
        if !self.is_idle() {
            return false;
        }
        match self.peer() {
            Ok(PeerState::Open) => {}
            Err(Status::PipeListening) => return false,
            _ => return true,
        }
        let Some(lane) = &mut self.lane else { return true };
        match lane.front() {
            Ok(None) => false,
            Ok(Some(front)) => is_ready(lane, front, usize::MAX).unwrap_or(true),
            Err(_) => true,
        }
    }

    /// PIPE_NOWAIT: takes nothing of a frame that is still being placed (semantics 131-133).
    pub(super) fn read_at_once(&mut self, mut call: ReadCall, into: &mut [u8]) -> Result<ReadOutcome, Status> {
        if !self.is_idle() {
            // semantics 219: what is there belongs to the calls that wait, the reply to a transaction for example.
            return Err(Status::PipeEmpty);
        }
        if let Some(lane) = &mut self.lane
            && let Some(front) = lane.front()?
            && lane.peer() == PeerState::Open
            && !is_ready(lane, front, into.len())?
        {
            return Err(Status::PipeEmpty);
        }
        match self.serve(&mut call, into)? {
            Some(outcome) => Ok(outcome),
            None => call.partial(self.known.mode).ok_or(Status::PipeEmpty),
        }
    }
}
