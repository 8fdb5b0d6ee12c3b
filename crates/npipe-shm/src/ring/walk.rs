//! Walking over the parts of a lane, from a position to the tail.
//!
//! Both ends walk: the reader to find its frames, the writer to foresee what waiting reads will take. Whatever stands in a
//! header was written by the peer or can have been, so each step is checked and the number of steps is bounded.

use npipe_core::Status;
use serde::{Deserialize, Serialize};

use super::header::{Extent, Kind, Position, State};
use crate::layout::{HEADER_BYTES, LaneShape, Side, part_span};
use crate::memory::Memory;
use crate::sync::Ordering;

/// A part as it was read, once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) at: Position,
    pub(crate) state: State,
    pub(crate) kind: Kind,
    pub(crate) extent: Extent,
    /// Where the next part begins.
    pub(crate) next: Position,
}

impl Part {
    /// Stands for no part: nothing to be read, and not complete.
    pub(crate) const NONE: Part = Part {
        at: Position::new(0, 0),
        state: State::new(Kind::Cancelled, false),
        kind: Kind::Cancelled,
        extent: Extent { bytes: 0, left: 0 },
        next: Position::new(0, 0),
    };

    /// The lane offset of its payload.
    pub(crate) const fn payload(&self) -> u64 {
        self.at.offset() + HEADER_BYTES
    }
}

/// A step over a part costs at least a header, so an honest lane has no more steps than this.
pub(crate) const fn max_steps(lane: &LaneShape) -> u64 {
    lane.lane_bytes / HEADER_BYTES + 16
}

/// Reads the part at `at`, which lies before `tail`.
///
/// # Errors
/// [`Status::PeerMisbehaved`] for anything that no honest peer leaves there.
#[inline(always)]
pub(crate) fn part_at<M: Memory + ?Sized>(
    memory: &M,
    lane: &LaneShape,
    writer: Side,
    at: Position,
    tail: Position,
) -> Result<Part, Status> {
    if !at.is_before(tail) || !lane.holds_part(at.offset(), 0) {
        return Err(Status::PeerMisbehaved);
    }
    if at.offset() >= lane.small_bytes && !memory.map_large() {
        return Err(Status::InsufficientResources);
    }
    let [state, extent] = memory.header(writer, at.offset());
    let state = State(state.load(Ordering::Acquire));
    let extent = Extent::from_word(extent.load(Ordering::Relaxed));
    let kind = state.kind().ok_or(Status::PeerMisbehaved)?;
    let next = match kind {
        Kind::Complete | Kind::Pending | Kind::Cancelled => {
            let bytes = u64::from(extent.bytes);
            // Only the mark of a retracted frame has no payload.
            let consistent = extent.bytes <= extent.left
                && state.taken() <= extent.bytes
                && (extent.bytes > 0 || kind == Kind::Cancelled);
            if !consistent || !lane.holds_part(at.offset(), bytes) {
                return Err(Status::PeerMisbehaved);
            }
            at.plus(part_span(bytes))
        }
        Kind::Empties | Kind::EmptiesTaken => at.plus(part_span(0)),
        Kind::Jump => {
            let offset = u64::from(extent.bytes);
            if !lane.holds_part(offset, 0) {
                return Err(Status::PeerMisbehaved);
            }
            at.jump(offset)
        }
    };
    if tail.is_before(next) {
        return Err(Status::PeerMisbehaved);
    }
    Ok(Part {
        at,
        state,
        kind,
        extent,
        next,
    })
}
