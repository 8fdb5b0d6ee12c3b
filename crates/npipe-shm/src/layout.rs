//! What lies where in a segment.
//!
//! ```text
//! 0        CONTROL_BYTES                                                      first_bytes()        total_bytes()
//! | control | small area of lane 0 | small area of lane 1 | large area of lane 0 | large area of lane 1 |
//!   and the nooks of both lanes
//! ```
//!
//! A lane is addressed by offsets: first comes its nook in the control page, from [`NOOK_BYTES`] on its small area, from
//! [`SMALL_BYTES`] on its large one. A connection that has exchanged little touches one page; chat goes on in the first pages
//! of the small areas; the large ones are mapped when bulk needs them and are sparse until then. Sizes follow from the
//! quotas, so both ends compute the same.
//!
//! All sizes are in bytes.

use npipe_core::EndRole;
use serde::{Deserialize, Serialize};

/// Changes with every incompatible change of the segment, of what the holders of one end tell each other, or of the folding of
/// names. The handshake has a version of its own, which changes with those of the segment too: clients and servers go by that.
pub const LAYOUT_VERSION: u16 = 3;

/// The control page.
pub const CONTROL_BYTES: u64 = 4096;

/// The words in the control page have so much of it at most; behind them come the nooks.
pub const WORDS_BYTES: u64 = 1024;

/// The nook of each lane.
pub const NOOK_BYTES: u64 = (CONTROL_BYTES - WORDS_BYTES) / 2;

/// The nook and the small area of each lane.
pub const SMALL_BYTES: u64 = 64 * 1024;

/// Bytes before the payload of each part of a frame.
pub const HEADER_BYTES: u64 = 16;

/// Payload of one part of a frame at most: parts are published one by one, so that the reader copies the first while the
/// writer places the second.
pub const PART_BYTES: u64 = 32 * 1024;

/// Parts begin at multiples of this.
pub const ALIGN_BYTES: u64 = 8;

/// The large area of a lane is at least this.
pub const MIN_LARGE_BYTES: u64 = 4 << 20;

/// The large area of a lane is at most this.
pub const MAX_LARGE_BYTES: u64 = 256 << 20;

/// The end that made the segment, or the one that received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The server end.
    Server = 0,
    /// The client end.
    Client = 1,
}

impl From<EndRole> for Side {
    fn from(role: EndRole) -> Side {
        match role {
            EndRole::Server => Side::Server,
            EndRole::Client => Side::Client,
        }
    }
}

impl Side {
    /// The other one.
    pub const fn peer(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

/// How one lane is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneShape {
    /// Its nook; 0 if it has none.
    pub nook_bytes: u64,
    /// Its nook and its small area.
    pub small_bytes: u64,
    /// All areas: offsets are below this.
    pub lane_bytes: u64,
    /// Payload of one part of a frame at most.
    pub part_bytes: u64,
}

impl LaneShape {
    /// The end of the area that `offset` lies in.
    #[inline]
    pub(crate) const fn area_end(&self, offset: u64) -> u64 {
        if offset < self.nook_bytes {
            self.nook_bytes
        } else if offset < self.small_bytes {
            self.small_bytes
        } else {
            self.lane_bytes
        }
    }

    /// Whether a part of `bytes` at `offset` lies wholly in its area, and is of a size that parts have.
    #[inline]
    pub(crate) const fn holds_part(&self, offset: u64, bytes: u64) -> bool {
        offset.is_multiple_of(ALIGN_BYTES)
            && bytes <= self.part_bytes
            && offset < self.lane_bytes
            && offset + part_span(bytes) <= self.area_end(offset)
    }
}

/// The room that a part of `bytes` takes, its header included.
#[inline]
pub(crate) const fn part_span(bytes: u64) -> u64 {
    HEADER_BYTES + bytes.next_multiple_of(ALIGN_BYTES)
}

/// The sizes of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    nook_bytes: u64,
    small_bytes: u64,
    part_bytes: u64,
    /// The large area of the lane that each side writes, indexed by [`Side`].
    large_bytes: [u64; 2],
}

impl Layout {
    /// The layout for a pipe whose server writes with quota `out_quota_bytes` and whose client with `in_quota_bytes`.
    pub const fn new(out_quota_bytes: u32, in_quota_bytes: u32) -> Layout {
        Layout {
            nook_bytes: NOOK_BYTES,
            small_bytes: SMALL_BYTES,
            part_bytes: PART_BYTES,
            large_bytes: [large_bytes(out_quota_bytes), large_bytes(in_quota_bytes)],
        }
    }

    /// Lanes of any shape, for tests and models on the heap; such a layout has no place in a segment.
    ///
    /// # Panics
    /// When an area does not hold two parts, or sizes are no multiples of [`ALIGN_BYTES`].
    pub const fn scaled(small_bytes: u64, part_bytes: u64, large_bytes: [u64; 2]) -> Layout {
        let least = 2 * (part_span(part_bytes) + 2 * HEADER_BYTES);
        assert!(small_bytes >= least && large_bytes[0] >= least && large_bytes[1] >= least);
        assert!((small_bytes | part_bytes | large_bytes[0] | large_bytes[1]).is_multiple_of(ALIGN_BYTES));
        Layout {
            nook_bytes: 0,
            small_bytes,
            part_bytes,
            large_bytes,
        }
    }

    /// The same with a nook before the small area of each lane.
    ///
    /// # Panics
    /// When it is no multiple of [`ALIGN_BYTES`], or too small for a mark and a jump.
    #[must_use]
    pub const fn with_nook(self, nook_bytes: u64) -> Layout {
        assert!(nook_bytes.is_multiple_of(ALIGN_BYTES) && nook_bytes >= 3 * HEADER_BYTES);
        Layout {
            nook_bytes,
            small_bytes: self.small_bytes - self.nook_bytes + nook_bytes,
            ..self
        }
    }

    /// The shape of the lane that `writer` writes.
    pub const fn lane(&self, writer: Side) -> LaneShape {
        LaneShape {
            nook_bytes: self.nook_bytes,
            small_bytes: self.small_bytes,
            lane_bytes: self.small_bytes + self.large_bytes[writer as usize],
            part_bytes: self.part_bytes,
        }
    }

    /// The part of the segment that both ends map from the start.
    pub const fn first_bytes() -> u64 {
        CONTROL_BYTES + 2 * SMALL_BYTES
    }

    /// The size of the whole segment.
    pub const fn total_bytes(&self) -> u64 {
        Self::first_bytes() + self.large_bytes[0] + self.large_bytes[1]
    }

    /// Where that offset of a lane lies in the segment, of its nook or its small area.
    #[inline]
    pub const fn first_at(writer: Side, offset: u64) -> u64 {
        if offset < NOOK_BYTES {
            WORDS_BYTES + NOOK_BYTES * writer as u64 + offset
        } else {
            CONTROL_BYTES + SMALL_BYTES * writer as u64 + offset - NOOK_BYTES
        }
    }

    /// Where the large area of that lane begins in the segment.
    pub const fn large_at(&self, writer: Side) -> u64 {
        match writer {
            Side::Server => Self::first_bytes(),
            Side::Client => Self::first_bytes() + self.large_bytes[0],
        }
    }
}

/// Room for a quota's worth of one-byte messages, each with its header, and what wrapping wastes.
const fn large_bytes(quota_bytes: u32) -> u64 {
    let worst = quota_bytes as u64 * (HEADER_BYTES + ALIGN_BYTES) + 4 * PART_BYTES;
    let sized = worst.next_power_of_two();
    if sized < MIN_LARGE_BYTES {
        MIN_LARGE_BYTES
    } else if sized > MAX_LARGE_BYTES {
        MAX_LARGE_BYTES
    } else {
        sized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 119, 130
    #[test]
    fn areas_follow_each_other_and_hold_the_quota() {
        let layout = Layout::new(65536, 1 << 20);
        let nooks = [Side::Server, Side::Client].map(|side| Layout::first_at(side, 0));
        assert_eq!(nooks, [WORDS_BYTES, WORDS_BYTES + NOOK_BYTES]);
        assert_eq!(Layout::first_at(Side::Client, NOOK_BYTES - 1), CONTROL_BYTES - 1);
        assert_eq!(Layout::first_at(Side::Server, NOOK_BYTES), CONTROL_BYTES);
        assert_eq!(Layout::first_at(Side::Client, NOOK_BYTES), CONTROL_BYTES + SMALL_BYTES);
        assert_eq!(layout.large_at(Side::Server), Layout::first_bytes());
        assert_eq!(
            layout.large_at(Side::Client) + layout.large_bytes[1],
            layout.total_bytes()
        );
        assert!(layout.lane(Side::Client).lane_bytes >= (1 << 20) * 24);
        assert_eq!(Layout::new(0, u32::MAX).large_bytes, [MIN_LARGE_BYTES, MAX_LARGE_BYTES]);
    }

    /// semantics 36, 130
    #[test]
    fn each_direction_is_sized_by_the_quota_of_its_writer() {
        let layout = Layout::new(1 << 20, 0);
        assert_eq!(layout.lane(Side::Server).lane_bytes, SMALL_BYTES + (32 << 20));
        assert_eq!(layout.lane(Side::Client).lane_bytes, SMALL_BYTES + MIN_LARGE_BYTES);
    }

    /// semantics 130
    #[test]
    fn offsets_of_every_lane_fit_a_position() {
        let lane = Layout::new(u32::MAX, u32::MAX).lane(Side::Server);
        assert!(lane.lane_bytes < 1 << 32);
        assert!(Layout::new(u32::MAX, u32::MAX).total_bytes() < 1 << 40);
    }

    /// semantics 117
    #[test]
    fn a_part_lies_within_one_area() {
        let lane = Layout::new(0, 0).lane(Side::Server);
        assert!(lane.holds_part(NOOK_BYTES, PART_BYTES));
        assert!(!lane.holds_part(NOOK_BYTES, PART_BYTES + 1));
        assert!(!lane.holds_part(0, PART_BYTES));
        assert!(!lane.holds_part(4, 0));
        assert!(lane.holds_part(NOOK_BYTES - HEADER_BYTES, 0));
        assert!(!lane.holds_part(NOOK_BYTES - HEADER_BYTES, 1));
        assert!(lane.holds_part(SMALL_BYTES - HEADER_BYTES, 0));
        assert!(!lane.holds_part(SMALL_BYTES - HEADER_BYTES, 1));
        assert!(!lane.holds_part(SMALL_BYTES - ALIGN_BYTES, 0));
        assert!(lane.holds_part(SMALL_BYTES, 1));
        assert!(lane.holds_part(lane.lane_bytes - HEADER_BYTES, 0));
        assert!(!lane.holds_part(lane.lane_bytes - ALIGN_BYTES, 0));
        for beyond in [lane.lane_bytes, u64::from(u32::MAX) - 7, 0xffff_fff8] {
            assert!(!lane.holds_part(beyond, 0));
        }
    }
}
