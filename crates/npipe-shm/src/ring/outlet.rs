//! The writer's half of a lane.

use std::sync::Arc;

use npipe_core::feed::WaitingReads;
use npipe_core::wire::{Frame, Outlet, PeerState, Standing};

use super::header::{Extent, Kind, MAX_EMPTIES, Position, State, part_span};
use super::offer;
use super::space::{Choice, Space};
use super::walk::{max_steps, part_at};
use crate::control::{EndWords, ReaderWords};
use crate::layout::{PART_BYTES, SMALL_BYTES, Side};
use crate::memory::Memory;
use crate::sync::Ordering;

/// How often an update of a word that the peer changes too is tried. An honest peer loses one race for each call of its
/// own; a hostile one must not hold us up.
pub(super) const ATTEMPTS: u32 = 64;

/// The writer's half of a lane in a segment.
#[derive(Debug)]
pub struct RingOutlet<M> {
    memory: Arc<M>,
    side: Side,
    space: Space,
    /// The part that the last empty message went to, while nothing else followed it.
    empties: Option<Position>,
}

impl<M: Memory> RingOutlet<M> {
    /// The lane that `side` writes, in a fresh segment.
    pub fn new(memory: Arc<M>, side: Side) -> Self {
        let space = Space::new(memory.layout().lane_bytes(side));
        RingOutlet { memory, side, space, empties: None }
    }

    /// The segment it lies in.
    pub fn memory(&self) -> &Arc<M> {
        &self.memory
    }

    /// Gives back the pages that a quiet lane no longer needs.
    pub fn trim(&mut self) {
        self.note_head();
        if let Some(surplus) = self.space.surplus() {
            self.memory.discard(self.side, surplus);
        }
    }

    fn own(&self) -> &EndWords {
        self.memory.control().end(self.side)
    }

    fn reader(&self) -> &ReaderWords {
        &self.memory.control().end(self.side.peer()).reader.0
    }

    fn note_head(&mut self) {
        let head = Position(self.reader().head.load(Ordering::Acquire));
        self.space.note_head(head);
    }

    /// Finds room for a part of `span`, of a frame that needs `want` in all, and moves the tail there.
    #[inline]
    fn reserve(&mut self, span: u64, want: u64) -> bool {
        if !self.space.wants_head(span) && want <= SMALL_BYTES / 4 {
            return true;
        }
        self.note_head();
        match self.space.choose(span, want) {
            None => false,
            Some(Choice::Here) => true,
            Some(Choice::Jump(offset)) => {
                if offset >= SMALL_BYTES && !self.memory.map_large() {
                    return false;
                }
                let at = self.space.tail().offset();
                self.write_header(at, State::new(Kind::Jump, false), Extent { bytes: offset as u32, left: 0 });
                self.space.jump(offset);
                true
            }
        }
    }

    #[inline]
    fn write_header(&self, at: u64, state: State, extent: Extent) {
        self.memory.word(self.side, at + 8).store(extent.to_word(), Ordering::Relaxed);
        self.memory.word(self.side, at).store(state.0, Ordering::Relaxed);
    }

    /// Publishes everything before the tail; pairs with the reader's load of it.
    #[inline]
    fn publish(&mut self, span: u64) {
        self.space.advance(span);
        self.own().writer.0.tail.store(self.space.tail().0, Ordering::Release);
    }

    /// Adds to the part of the last empty message, if the reader has not passed it.
    fn add_to_empties(&mut self) -> bool {
        let Some(at) = self.empties else { return false };
        let word = self.memory.word(self.side, at.offset());
        for _ in 0..ATTEMPTS {
            let state = State(word.load(Ordering::Acquire));
            let (taken, count) = state.taken_of_empties();
            if state.kind() != Some(Kind::Empties) || count == MAX_EMPTIES {
                break;
            }
            let more = State::empties(count + 1, taken);
            if word.compare_exchange(state.0, more.0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
        self.empties = None;
        false
    }

    /// Feeds the frames between the reader's head and our tail to `reads`.
    fn foresee(&self, reads: &mut WaitingReads, head: Position) {
        let tail = self.space.tail();
        let mut at = head;
        let mut inside = false;
        for _ in 0..max_steps(self.memory.layout().lane_bytes(self.side)) {
            if reads.is_empty() || at == tail {
                return;
            }
            let Ok(part) = part_at(&*self.memory, self.side, at, tail) else { return };
            match part.kind {
                Kind::Jump | Kind::Cancelled | Kind::EmptiesTaken => {}
                Kind::Empties => {
                    let (taken, count) = part.state.taken_of_empties();
                    for _ in taken..count.min(taken + npipe_core::feed::MAX_WAITING_READS as u32) {
                        if !reads.is_empty() {
                            reads.feed(0);
                        }
                    }
                }
                Kind::Complete | Kind::Pending if part.state.is_first() || !inside => {
                    inside = true;
                    reads.feed(part.extent.left - part.state.taken());
                }
                Kind::Complete | Kind::Pending => {}
            }
            inside &= part.extent.left > part.extent.bytes || part.kind == Kind::Jump;
            at = part.next;
        }
    }

    /// Cancels one part; the bytes that went, or `None` when the reader has taken all of it.
    fn cancel_part(&self, at: Position) -> Option<u32> {
        let head = Position(self.reader().head.load(Ordering::Acquire));
        if at.is_before(head) {
            return None;
        }
        let bytes = Extent::from_word(self.memory.word(self.side, at.offset() + 8).load(Ordering::Relaxed)).bytes;
        let word = self.memory.word(self.side, at.offset());
        for _ in 0..ATTEMPTS {
            let state = State(word.load(Ordering::Acquire));
            if state.kind() != Some(Kind::Pending) || state.taken() >= bytes {
                return None;
            }
            if word.compare_exchange(state.0, state.cancelled().0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(bytes - state.taken());
            }
        }
        None
    }
}

impl<M: Memory> Outlet for RingOutlet<M> {
    /// Where the parts of a pending frame are, in order.
    type Ticket = Vec<u64>;

    #[inline]
    fn peer(&self) -> PeerState {
        self.memory.standing(self.side.peer())
    }

    fn taken(&self) -> u64 {
        self.reader().taken.load(Ordering::SeqCst)
    }

    fn empties_taken(&self) -> u64 {
        self.reader().empties.load(Ordering::SeqCst)
    }

    #[inline]
    fn publish_queued(&mut self, live_bytes: u64) {
        self.own().writer.0.queued.store(live_bytes, Ordering::Relaxed);
    }

    #[inline]
    fn has_room(&self, length: u32) -> bool {
        self.space.has_room(u64::from(length))
    }

    fn refresh(&mut self) {
        self.note_head();
    }

    #[inline]
    fn put(&mut self, ticket: &mut Vec<u64>, frame: Frame, offset: u32, data: &[u8]) -> usize {
        let bytes = data.len().min(PART_BYTES as usize);
        let span = part_span(bytes as u64);
        let want = (data.len() as u64).div_ceil(PART_BYTES) * part_span(0) + data.len() as u64 + span - bytes as u64;
        if !self.reserve(span, want) {
            return 0;
        }
        let at = self.space.tail();
        let kind = match frame.standing {
            Standing::Complete => Kind::Complete,
            Standing::Pending => {
                ticket.push(at.0);
                Kind::Pending
            }
        };
        let extent = Extent { bytes: bytes as u32, left: frame.length - offset };
        self.write_header(at.offset(), State::new(kind, offset == 0), extent);
        self.memory.copy_in(self.side, at.offset() + crate::layout::HEADER_BYTES, &data[..bytes]);
        self.empties = None;
        self.publish(span);
        bytes
    }

    fn put_empty(&mut self) -> bool {
        if self.add_to_empties() {
            return true;
        }
        let span = part_span(0);
        if !self.reserve(span, span) {
            return false;
        }
        let at = self.space.tail();
        self.write_header(at.offset(), State::empties(1, 0), Extent { bytes: 0, left: 0 });
        self.empties = Some(at);
        self.publish(span);
        true
    }

    fn retract(&mut self, ticket: &mut Vec<u64>, placed: u32, length: u32) -> Option<u32> {
        let mut removed = 0;
        let mut any = false;
        // The last part decides; what the reader takes of earlier ones meanwhile it took before the retraction.
        while let Some(at) = ticket.pop() {
            let Some(bytes) = self.cancel_part(Position(at)) else { break };
            removed += bytes;
            any = true;
        }
        if !any && placed == length {
            return None;
        }
        if !any {
            // The reader has everything placed so far and waits for more: the slack holds the mark that none comes.
            let at = self.space.tail();
            self.write_header(at.offset(), State::new(Kind::Cancelled, false), Extent { bytes: 0, left: 0 });
            self.publish(part_span(0));
        }
        Some(removed)
    }

    fn waiting_reads(&self) -> WaitingReads {
        let words = &self.memory.control().end(self.side.peer()).offer.0;
        let head = || Position(self.reader().head.load(Ordering::Acquire));
        let Some((mut reads, head)) = offer::view(words, head) else { return WaitingReads::default() };
        self.foresee(&mut reads, head);
        reads
    }

    fn claim(&self, view: &WaitingReads) -> bool {
        offer::claim(&self.memory.control().end(self.side.peer()).offer.0, view.stamp)
    }

    fn release_claim(&self) {
        offer::release(&self.memory.control().end(self.side.peer()).offer.0);
    }
}
