//! A lane as a ring of frames.
//!
//! Frames lie one behind the other from the head, which the reader moves, to the tail, which the writer moves. Each frame
//! is a row of *parts*: a header of two words and up to [`PART_BYTES`](crate::layout::PART_BYTES) of payload. A part is
//! published by moving the tail over it.
//!
//! **Positions** are a lap and an offset in the lane. The writer begins a new lap wherever it finds room, by a *jump* that
//! names the offset: at the bottom again when the lane is empty, behind the nook that the first frames go to, so that a quiet
//! connection touches one page; in the large area when the small one is full. It remembers the regions of the laps that the reader has not left yet.
//!
//! **Retraction.** Parts of a pending write carry a state word on which writer and reader agree by compare-and-swap: the
//! reader takes bytes, or the writer cancels what is left, from the last part backwards; whoever comes first at the last
//! part decides. Parts of complete writes are only ever changed by the reader, and it has no need to.
//!
//! **Empty messages** in a row share one part with a count, so that a flood of them fills no lane.

mod header;
mod inlet;
pub mod offer;
mod outlet;
mod resume;
mod space;
mod walk;

pub use inlet::{InletState, RingInlet};
pub use outlet::{OutletState, RingOutlet, Ticket};

/// Where in its lane the frame lies that a tail stands before, in bytes; whatever the tail is, since the peer writes it.
pub fn offset_behind(tail: u64) -> u64 {
    header::Position(tail).offset()
}
