//! Going on where another process has left off that holds the same end.
//!
//! Such processes take turns: each holds back what it changes until what it knows is safe with the others, and publishes
//! it then ([`RingInlet::publish`]). One that ends in the middle of its turn leaves the others with what was known before.
//! Of what it did to the lane meanwhile all but one thing is out of the writer's sight: that it took bytes of pending
//! parts, and empty messages, on which writer and reader agree in the lane itself. [`RingInlet::revert`] takes that back.

use npipe_core::Status;

use super::header::{Kind, ONE_EMPTY_TAKEN, Position, State};
use super::inlet::{InletState, RingInlet};
use super::walk::{Part, max_steps};
use crate::memory::Memory;
use crate::sync::Ordering;

impl<M: Memory> RingInlet<M> {
    /// Goes on from what another process that holds this end has left; from now on changes are held back until
    /// [`RingInlet::publish`].
    ///
    /// # Errors
    /// [`Status::InsufficientResources`] when the part of the lane that the other has come to cannot be mapped,
    /// [`Status::InvalidHandle`] for what no such process leaves.
    pub fn resume(&mut self, known: InletState) -> Result<(), Status> {
        let (part, lane) = (&known.part, self.lane_shape());
        let is_entered_soundly = || {
            matches!(part.kind, Kind::Complete | Kind::Pending)
                && lane.holds_part(part.at.offset(), u64::from(part.extent.bytes))
                && part.extent.bytes <= part.extent.left
                && known.part_taken < part.extent.bytes
        };
        // Between two parts there is something to come: a reader that finds nothing there goes on for ever.
        let is_sound = match known.entered {
            true => is_entered_soundly(),
            false => !known.inside || known.left > 0,
        };
        if !is_sound {
            return Err(Status::InvalidHandle);
        }
        let is_far = known.entered && part.at.offset() >= lane.small_bytes;
        if is_far && !self.memory().map_large() {
            return Err(Status::InsufficientResources);
        }
        (self.known, self.held_back) = (known, true);
        Ok(())
    }

    /// What changes, for another process that holds this end.
    pub fn state(&self) -> &InletState {
        &self.known
    }

    /// Whether changes are held back.
    #[inline]
    pub fn holds_back(&self) -> bool {
        self.held_back
    }

    /// Holds changes back from now on.
    pub fn hold_back(&mut self) {
        self.held_back = true;
    }

    /// Takes back what a process that ended in its turn has taken: nobody has seen it.
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`] when the lane holds what no honest writer puts there.
    pub fn revert(&mut self) -> Result<(), Status> {
        self.load_tail();
        let mut at = self.known.head;
        for _ in 0..2 * max_steps(&self.lane_shape()) {
            if at == self.known.tail {
                return Ok(());
            }
            let part = self.part_at(at)?;
            self.revert_part(&part)?;
            at = part.next;
        }
        Err(Status::PeerMisbehaved)
    }

    fn revert_part(&mut self, part: &Part) -> Result<(), Status> {
        let is_head = part.at == self.known.head;
        let taken = if is_head && self.known.entered {
            self.known.part_taken
        } else {
            0
        };
        let empties = if is_head { self.known.part_empties } else { 0 };
        let word = self.state_word(part);
        match part.kind {
            Kind::Pending if part.state.taken() != taken => {
                let restored = part.state.with_taken(taken).0;
                if word
                    .compare_exchange(part.state.0, restored, Ordering::AcqRel, Ordering::Acquire)
                    .is_err()
                {
                    // Retracted at this moment: then it is as if it had been before.
                    let now = State(word.load(Ordering::Acquire));
                    return self.count_as_taken(part.at, now, taken);
                }
            }
            Kind::Cancelled => return self.count_as_taken(part.at, part.state, taken),
            Kind::Empties => {
                let surplus = part.state.taken_of_empties().0.saturating_sub(empties);
                word.fetch_sub(u64::from(surplus) * ONE_EMPTY_TAKEN, Ordering::AcqRel);
            }
            Kind::EmptiesTaken => {
                let count = part.state.taken_of_empties().0;
                word.store(State::empties(count, empties).0, Ordering::Release);
            }
            _ => {}
        }
        Ok(())
    }

    /// The writer has retracted a part after bytes of it were taken, and counts those as read.
    fn count_as_taken(&mut self, at: Position, state: State, before: u32) -> Result<(), Status> {
        if state.kind() != Some(Kind::Cancelled) {
            return Err(Status::PeerMisbehaved);
        }
        let bytes = state.taken().saturating_sub(before);
        if bytes == 0 || self.known.counted.is_some_and(|last| !last.is_before(at)) {
            return Ok(());
        }
        self.known.counted = Some(at);
        self.known.taken = self.known.taken.wrapping_add(u64::from(bytes));
        Ok(())
    }
}
