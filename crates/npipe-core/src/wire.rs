//! What an end sees of its peer: two lanes, one in each direction.
//!
//! A connection has two *lanes*. An end writes one through an [`Outlet`] and reads the other through an [`Inlet`]; that is
//! all it knows of the other side. On Linux both are views of a shared segment, in the tests they are queues in memory.
//!
//! Everything on a lane is a *frame*: one write, on byte pipes too, because a waiting read is fed by one write only and
//! because a cancelled write must be found again. A lane may take a frame in several parts, so that a reader copies the
//! first while the writer still places the second, and so that a message may be larger than the lane.
//!
//! Amounts are counted in *live bytes*, modulo 2^64: the writer counts what it has queued and takes back what it retracts,
//! the reader counts what reads have taken. The difference is what is unread, which is all that quotas know.
//!
//! What the peer publishes is a hint or a claim, never an authority: an implementation copies each shared word once, checks
//! the copy, and reports [`Status::PeerMisbehaved`] when no honest peer could have written it.

use serde::{Deserialize, Serialize};

use crate::Status;
use crate::feed::WaitingReads;

/// The standing of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// It may still read and write.
    Open,
    /// It was closed, or its process ended: what it had written may be read (semantics 183).
    Closed,
    /// It disconnected this end for good: everything unread is lost (semantics 172, 173).
    Disconnected,
}

/// How firmly a frame is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// The write has returned or will whatever the reader does: the frame outlives its writer (semantics 129).
    Complete,
    /// The write waits for quota: it may be retracted, and goes with its writer (semantics 127, 128).
    Pending,
}

/// One frame as its writer offers it to the lane.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Payload bytes of the whole frame, never 0.
    pub length: u32,
    /// Whether it may be retracted. A complete frame is put only where [`Outlet::has_room`] for it.
    pub standing: Standing,
}

/// The writer's half of a lane.
pub trait Outlet {
    /// Remembers where the parts of one frame lie, so that it can be retracted.
    type Ticket: Default;

    /// The reader's standing.
    fn peer(&self) -> PeerState;

    /// Live bytes that reads have taken, as the reader publishes it.
    fn taken(&self) -> u64;

    /// Empty messages that reads have taken.
    fn empties_taken(&self) -> u64;

    /// Whether the reader has left everything that was put; then what it has taken is counted, too.
    fn is_read(&self) -> bool {
        false
    }

    /// Publishes how many live bytes this end has queued, for the reader's peek.
    fn publish_queued(&mut self, live_bytes: u64);

    /// The same, with the next part that is put at the latest: one that follows at once spares a look at shared memory.
    fn count_queued(&mut self, live_bytes: u64) {
        self.publish_queued(live_bytes);
    }

    /// Whether the lane takes a frame of `length` bytes whole, now, as far as this end knows.
    fn has_room(&self, length: u32) -> bool;

    /// Looks how far the reader is, after which [`Outlet::has_room`] knows better.
    fn refresh(&mut self);

    /// Places the part of `frame` that begins at `offset`; `data` reaches to the frame's end. Returns how many bytes the
    /// lane took, 0 when it is full.
    fn put(&mut self, ticket: &mut Self::Ticket, frame: Frame, offset: u32, data: &[u8]) -> usize;

    /// Places one empty message; `false` when the lane is full.
    fn put_empty(&mut self) -> bool;

    /// Takes back what the reader has not taken of a pending frame of which `placed` of `length` bytes were put. Returns
    /// the number of placed bytes that went; afterwards the reader never sees the frame again.
    ///
    /// `None` when the reader has taken its last byte: then there is nothing left to retract.
    fn retract(&mut self, ticket: &mut Self::Ticket, placed: u32, length: u32) -> Option<u32>;

    /// The reads that wait on the other side, and what they are about to be fed by frames which are already on the lane.
    ///
    /// The view is ordered after everything that this end has put: a read in it finds those frames.
    fn waiting_reads(&self) -> WaitingReads;

    /// Binds the reads of `view`, so that they can no longer be withdrawn; `false` when they have changed since.
    fn claim(&self, view: &WaitingReads) -> bool;

    /// Ends a claim, after the frame it was made for is on the lane.
    fn release_claim(&mut self);
}

/// The frame at the front of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Tells this frame from every other one of the lane.
    pub serial: u64,
    /// Bytes of it that no read has taken; 0 for an empty message.
    pub remaining: u32,
    /// The frame is too large for the lane and comes through it in parts.
    pub streams: bool,
}

impl Front {
    /// Whether it is an empty message.
    pub const fn is_empty(&self) -> bool {
        self.remaining == 0
    }
}

/// How far a peek sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekSpan {
    /// The first message only (semantics 143).
    Message,
    /// Across writes (semantics 144).
    Stream,
}

/// The reader's half of a lane.
pub trait Inlet {
    /// The writer's standing. Frames that were put before it changed are found by a later [`Inlet::front`].
    fn peer(&self) -> PeerState;

    /// The next frame that was not retracted, `None` when the lane is empty.
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`] when the lane holds what no honest writer puts there.
    fn front(&mut self) -> Result<Option<Front>, Status>;

    /// How many unread bytes of the frame at the front are on the lane by now.
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`], as [`Inlet::front`].
    fn ready(&mut self) -> Result<u32, Status>;

    /// Takes bytes of the frame at the front, as many as are ready and fit. Fewer than that when the writer retracts
    /// it meanwhile; then another frame is at the front.
    ///
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`], as [`Inlet::front`].
    fn take(&mut self, into: &mut [u8]) -> Result<usize, Status>;

    /// Takes the empty message at the front.
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`], as [`Inlet::front`].
    fn take_empty(&mut self) -> Result<(), Status>;

    /// Copies from the front without taking anything.
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`], as [`Inlet::front`].
    fn peek(&mut self, into: &mut [u8], span: PeekSpan) -> Result<usize, Status>;

    /// Whether a call takes as much of a frame as it is to have at once or not at all, if it can: another process that holds
    /// this end may end in between, and with it what it had taken.
    fn takes_at_once(&self) -> bool {
        false
    }

    /// All unread live bytes, those of pending writes too (semantics 142).
    fn unread(&self) -> u64;

    /// Publishes the sizes of the reads that wait, oldest first; none withdraws them all. A reader that publishes must
    /// look at the front again before it sleeps.
    fn offer(&mut self, sizes: &mut dyn Iterator<Item = u32>);

    /// The writer is gone: drops the frames that its writes had not completed (semantics 128), given its quota.
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`], as [`Inlet::front`].
    fn settle(&mut self, quota_bytes: u32) -> Result<(), Status>;
}
