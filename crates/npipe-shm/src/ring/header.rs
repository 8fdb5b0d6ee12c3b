//! Positions, and the header of a part: two words.
//!
//! ```text
//! state  | kind: 8 | first: 1 | cancelled: 1 | ... | taken: 32 |    empty messages | kind: 8 | ... | count: 12 | taken: 12 |
//! extent | left in the frame, from this part on: 32 | payload bytes: 32 |            of a jump: the offset to go on at
//! ```
//!
//! Both ends change a state word without a loop: the writer sets the flag or adds to the count, and sees by what was
//! there whether it came in time; the reader, who alone changes the rest, knows what it must find and swaps that.

use serde::{Deserialize, Serialize};

/// A place in a lane: the number of the lap, modulo 2^32, and the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position(pub(crate) u64);

impl Position {
    pub(crate) const fn new(lap: u32, offset: u64) -> Position {
        Position((lap as u64) << 32 | offset)
    }

    pub(crate) const fn lap(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) const fn offset(self) -> u64 {
        self.0 & 0xffff_ffff
    }

    pub(crate) const fn plus(self, bytes: u64) -> Position {
        Position(self.0.wrapping_add(bytes))
    }

    pub(crate) const fn jump(self, offset: u64) -> Position {
        Position::new(self.lap().wrapping_add(1), offset)
    }

    /// Whether this is before `other`, which is no more than half of all laps away.
    pub(crate) const fn is_before(self, other: Position) -> bool {
        (self.0.wrapping_sub(other.0) as i64) < 0
    }
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Of a write that is complete.
    Complete,
    /// Of a write that may be retracted.
    Pending,
    /// Retracted, and with it the rest of its frame.
    Cancelled,
    /// A number of empty messages.
    Empties,
    /// The last of those was taken: no more can be added.
    EmptiesTaken,
    /// Go on at another offset.
    Jump,
}

impl Kind {
    const fn from_bits(bits: u64) -> Option<Kind> {
        Some(match bits {
            1 => Kind::Complete,
            2 => Kind::Pending,
            3 => Kind::Empties,
            4 => Kind::EmptiesTaken,
            5 => Kind::Jump,
            _ => return None,
        })
    }

    const fn bits(self) -> u64 {
        match self {
            Kind::Complete => 1 << KIND_SHIFT,
            Kind::Pending => 2 << KIND_SHIFT,
            Kind::Cancelled => 2 << KIND_SHIFT | CANCELLED,
            Kind::Empties => 3 << KIND_SHIFT,
            Kind::EmptiesTaken => 4 << KIND_SHIFT,
            Kind::Jump => 5 << KIND_SHIFT,
        }
    }
}

const KIND_SHIFT: u32 = 56;
const FIRST: u64 = 1 << 55;

/// Set in the state of a part with payload, it retracts what reads have not taken.
pub(crate) const CANCELLED: u64 = 1 << 54;

/// So many bits for a count of empty messages: enough that a flood of them takes little room, and few enough that a lie
/// about them costs little time.
const EMPTIES_BITS: u32 = 12;

/// Added to the state of a part of empty messages, one more message.
pub(crate) const ONE_MORE_EMPTY: u64 = 1 << EMPTIES_BITS;

/// Added to it, one message taken.
pub(crate) const ONE_EMPTY_TAKEN: u64 = 1;

/// How many empty messages one part holds at most.
pub(crate) const MAX_EMPTIES: u32 = (1 << EMPTIES_BITS) - 1;

/// The state word of a part, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State(pub(crate) u64);

impl State {
    pub(crate) const fn new(kind: Kind, first: bool) -> State {
        State(kind.bits() | if first { FIRST } else { 0 })
    }

    pub(crate) const fn empties(count: u32, taken: u32) -> State {
        State(Kind::Empties.bits() | (count as u64) << EMPTIES_BITS | taken as u64)
    }

    /// All of `count` were taken, and no more are to come; how many is kept, should the reader have to go back.
    pub(crate) const fn empties_taken(count: u32) -> State {
        State(Kind::EmptiesTaken.bits() | count as u64)
    }

    /// Its kind, if an honest peer can have written it.
    pub(crate) const fn kind(self) -> Option<Kind> {
        match Kind::from_bits(self.0 >> KIND_SHIFT) {
            Some(Kind::Complete | Kind::Pending) if self.0 & CANCELLED != 0 => Some(Kind::Cancelled),
            kind => kind,
        }
    }

    pub(crate) const fn is_first(self) -> bool {
        self.0 & FIRST != 0
    }

    /// Bytes taken of the part.
    pub(crate) const fn taken(self) -> u32 {
        self.0 as u32
    }

    pub(crate) const fn with_taken(self, taken: u32) -> State {
        State(self.0 & !0xffff_ffff | taken as u64)
    }

    /// Empty messages taken, and how many there were.
    pub(crate) const fn taken_of_empties(self) -> (u32, u32) {
        (
            self.0 as u32 & MAX_EMPTIES,
            (self.0 >> EMPTIES_BITS) as u32 & MAX_EMPTIES,
        )
    }
}

/// The second word of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    /// Payload bytes of this part; of a jump, the offset to go on at.
    pub(crate) bytes: u32,
    /// Bytes of the frame from this part on.
    pub(crate) left: u32,
}

impl Extent {
    pub(crate) const fn to_word(self) -> u64 {
        (self.left as u64) << 32 | self.bytes as u64
    }

    pub(crate) const fn from_word(word: u64) -> Extent {
        Extent {
            bytes: word as u32,
            left: (word >> 32) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// semantics 91, 124
        #[test]
        fn positions_are_ordered_across_the_end_of_all_laps(lap: u32, offset: u32, bytes in 1..1_u64 << 29) {
            let here = Position::new(lap, u64::from(offset >> 1));
            prop_assert_eq!((here.lap(), here.offset()), (lap, u64::from(offset >> 1)));
            let later = here.plus(bytes);
            prop_assert!(here.is_before(later) && !later.is_before(here) && !here.is_before(here));
            let next = here.jump(0);
            prop_assert_eq!((next.lap(), next.offset()), (lap.wrapping_add(1), 0));
            prop_assert!(later.is_before(next) || later.lap() != lap);
        }

        /// Every word means something or is refused, and nothing in it is larger than its field.
        ///
        /// semantics 121
        #[test]
        fn any_word_is_a_state_or_none(word: u64) {
            let state = State(word);
            let (taken, count) = state.taken_of_empties();
            prop_assert!(taken <= MAX_EMPTIES && count <= MAX_EMPTIES);
            prop_assert_eq!(state.with_taken(7).kind(), state.kind());
            prop_assert_eq!(Extent::from_word(word).to_word(), word);
            let known = (1..=5).contains(&(word >> 56));
            prop_assert_eq!(state.kind().is_some(), known);
        }

        /// semantics 127
        #[test]
        fn cancelling_keeps_what_was_taken(taken: u32, first: bool) {
            let pending = State::new(Kind::Pending, first).with_taken(taken);
            prop_assert_eq!((pending.kind(), pending.taken()), (Some(Kind::Pending), taken));
            let cancelled = State(pending.0 | CANCELLED);
            prop_assert_eq!(cancelled.kind(), Some(Kind::Cancelled));
            prop_assert_eq!((cancelled.taken(), cancelled.is_first()), (taken, first));
        }

        /// semantics 104, 125
        #[test]
        fn empty_messages_are_added_and_taken_side_by_side(count in 1..MAX_EMPTIES, taken in 0..MAX_EMPTIES) {
            let taken = taken % count;
            let state = State::empties(count, taken);
            let more = State(state.0 + ONE_MORE_EMPTY);
            prop_assert_eq!((more.kind(), more.taken_of_empties()), (Some(Kind::Empties), (taken, count + 1)));
            let fewer = State(state.0 + ONE_EMPTY_TAKEN);
            prop_assert_eq!((fewer.kind(), fewer.taken_of_empties()), (Some(Kind::Empties), (taken + 1, count)));
        }
    }

    /// semantics 127
    #[test]
    fn kinds_are_read_as_they_were_written() {
        use Kind::*;
        for kind in [Complete, Pending, Cancelled, Empties, EmptiesTaken, Jump] {
            for first in [false, true] {
                let state = State::new(kind, first);
                assert_eq!((state.kind(), state.is_first(), state.taken()), (Some(kind), first, 0));
            }
        }
        assert_eq!(State(0).kind(), None, "a page that was never written");
    }
}
