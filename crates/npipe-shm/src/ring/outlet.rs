//! The writer's half of a lane.

use std::sync::Arc;

use npipe_core::feed::WaitingReads;
use npipe_core::wire::{Frame, Outlet, PeerState, Standing};

use super::header::{CANCELLED, Extent, Kind, MAX_EMPTIES, ONE_MORE_EMPTY, Position, State};
use super::offer::{self, View};
use super::space::{Choice, Space};
use super::walk::{max_steps, part_at};
use crate::control::{EndWords, ReaderWords};
use crate::layout::{HEADER_BYTES, LaneShape, Side, part_span};
use crate::memory::Memory;
use crate::sync::Ordering;

/// How many parts are looked at to foresee what waiting reads take. An honest lane has as many as its largest frame and
/// what was retracted before it; a head that leads round in circles must not hold us up.
const MAX_FORESEEN_PARTS: u64 = 1 << 16;

/// The writer's half of a lane in a segment.
#[derive(Debug)]
pub struct RingOutlet<M> {
    memory: Arc<M>,
    side: Side,
    lane: LaneShape,
    space: Space,
    /// The part that the last empty message went to and how many it holds, while nothing else followed it.
    empties: Option<(Position, u32)>,
}

/// Where the parts of a pending frame lie, in order, and their payload bytes.
#[derive(Debug, Default)]
pub struct Ticket(Vec<(Position, u32)>);

impl<M: Memory> RingOutlet<M> {
    /// The lane that `side` writes, in a fresh segment.
    pub fn new(memory: Arc<M>, side: Side) -> Self {
        let lane = memory.layout().lane(side);
        RingOutlet {
            memory,
            side,
            lane,
            space: Space::new(lane),
            empties: None,
        }
    }

    /// The segment it lies in.
    pub fn memory(&self) -> &Arc<M> {
        &self.memory
    }

    /// Whether [`RingOutlet::trim`] may have something to give back.
    pub fn has_surplus(&self) -> bool {
        self.space.has_surplus()
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

    /// Finds room for the next part of a frame of which `left` bytes are to be placed, and moves the tail there. Returns how
    /// many bytes the part takes; `None` when the lane is full.
    #[inline]
    fn reserve(&mut self, left: u64) -> Option<u64> {
        if self.space.stays_here(left) {
            return Some(self.space.part_of(left));
        }
        self.note_head();
        let mut choice = self.space.choose(left)?;
        if matches!(choice, Choice::Jump(offset) if offset >= self.lane.small_bytes) && !self.memory.map_large() {
            self.space.forgo_large();
            choice = self.space.choose(left)?;
        }
        if let Choice::Jump(offset) = choice {
            let extent = Extent {
                bytes: offset as u32,
                left: 0,
            };
            self.write_header(self.space.tail().offset(), State::new(Kind::Jump, false), extent);
            self.space.jump(offset);
        }
        Some(self.space.part_of(left))
    }

    #[inline]
    fn write_header(&self, at: u64, state: State, extent: Extent) {
        self.memory
            .word(self.side, at + 8)
            .store(extent.to_word(), Ordering::Relaxed);
        self.memory.word(self.side, at).store(state.0, Ordering::Relaxed);
    }

    /// Publishes everything before the tail; pairs with the reader's load of it.
    #[inline]
    fn publish(&mut self, span: u64) {
        self.space.advance(span);
        self.own().writer.0.tail.store(self.space.tail().0, Ordering::Release);
    }

    /// Adds to the part of the last empty message, if the reader has not taken all of it.
    fn add_to_empties(&mut self) -> bool {
        let Some((at, count)) = self.empties.take_if(|(_, count)| *count < MAX_EMPTIES) else {
            return false;
        };
        let state = State(
            self.memory
                .word(self.side, at.offset())
                .fetch_add(ONE_MORE_EMPTY, Ordering::AcqRel),
        );
        let open = state.kind() == Some(Kind::Empties);
        self.empties = open.then_some((at, count + 1));
        open
    }

    /// Feeds the frames between the reader's head and our tail to the reads of `view`.
    fn foresee(&self, view: View) -> WaitingReads {
        let tail = self.space.tail();
        let mut reads = view.reads;
        let mut at = view.head;
        let mut inside = false;
        for _ in 0..MAX_FORESEEN_PARTS.min(max_steps(&self.lane)) {
            if reads.is_empty() {
                break;
            }
            // At the tail there is none.
            let Ok(part) = part_at(&*self.memory, &self.lane, self.side, at, tail) else {
                break;
            };
            match part.kind {
                Kind::Jump | Kind::EmptiesTaken => {}
                Kind::Cancelled => inside = false,
                Kind::Empties => {
                    let (taken, count) = part.state.taken_of_empties();
                    for _ in taken..count {
                        if reads.is_empty() {
                            break;
                        }
                        reads.feed(0);
                    }
                }
                Kind::Complete | Kind::Pending => {
                    if !inside {
                        let begun = match part.kind {
                            Kind::Complete if at == view.head => view.begun,
                            _ => part.state.taken(),
                        };
                        reads.feed(part.extent.left.saturating_sub(begun));
                    }
                    inside = part.extent.left > part.extent.bytes;
                }
            }
            at = part.next;
        }
        reads
    }

    /// Cancels one part; the bytes that went, or `None` when the reader has taken all of it.
    fn cancel_part(&self, at: Position, bytes: u32) -> Option<u32> {
        // What the reader has left may hold something else by now.
        if at.is_before(Position(self.reader().head.load(Ordering::Acquire))) {
            return None;
        }
        let state = State(
            self.memory
                .word(self.side, at.offset())
                .fetch_or(CANCELLED, Ordering::AcqRel),
        );
        (state.kind() == Some(Kind::Pending) && state.taken() < bytes).then(|| bytes - state.taken())
    }
}

impl<M: Memory> Outlet for RingOutlet<M> {
    type Ticket = Ticket;

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
        match self.space.room_for(u64::from(length)) {
            Some(Choice::Here) => true,
            // Where to is chosen part by part; the large area has to be there for it.
            Some(Choice::Jump(_)) => self.memory.map_large(),
            None => false,
        }
    }

    fn refresh(&mut self) {
        self.note_head();
    }

    #[inline]
    fn put(&mut self, ticket: &mut Ticket, frame: Frame, offset: u32, data: &[u8]) -> usize {
        let Some(bytes) = self.reserve(data.len() as u64) else {
            return 0;
        };
        let at = self.space.tail();
        let kind = match frame.standing {
            Standing::Complete => Kind::Complete,
            Standing::Pending => {
                ticket.0.push((at, bytes as u32));
                Kind::Pending
            }
        };
        let extent = Extent {
            bytes: bytes as u32,
            left: frame.length - offset,
        };
        self.write_header(at.offset(), State::new(kind, offset == 0), extent);
        let payload = &data[..bytes as usize];
        self.memory.copy_in(self.side, at.offset() + HEADER_BYTES, payload);
        self.empties = None;
        self.publish(part_span(bytes));
        payload.len()
    }

    fn put_empty(&mut self) -> bool {
        if self.add_to_empties() {
            return true;
        }
        if self.reserve(0).is_none() {
            return false;
        }
        let at = self.space.tail();
        self.write_header(at.offset(), State::empties(1, 0), Extent { bytes: 0, left: 0 });
        self.empties = Some((at, 1));
        self.publish(part_span(0));
        true
    }

    fn retract(&mut self, ticket: &mut Ticket, placed: u32, length: u32) -> Option<u32> {
        let mut removed = 0;
        let mut any = false;
        // The last part decides; what the reader takes of earlier ones meanwhile it took before the retraction.
        while let Some((at, bytes)) = ticket.0.pop() {
            let Some(bytes) = self.cancel_part(at, bytes) else {
                break;
            };
            removed += bytes;
            any = true;
        }
        if !any && placed == length {
            return None;
        }
        if !any {
            // The reader has everything placed so far and waits for more: the slack holds the mark that none comes.
            let at = self.space.tail();
            self.write_header(
                at.offset(),
                State::new(Kind::Cancelled, false),
                Extent { bytes: 0, left: 0 },
            );
            self.publish(part_span(0));
        }
        Some(removed)
    }

    fn waiting_reads(&self) -> WaitingReads {
        let words = &self.memory.control().end(self.side.peer()).offer.0;
        offer::view(words, self.reader()).map_or_else(WaitingReads::default, |view| self.foresee(view))
    }

    fn claim(&self, view: &WaitingReads) -> bool {
        offer::claim(&self.memory.control().end(self.side.peer()).offer.0, view.stamp)
    }

    fn release_claim(&self) {
        offer::release(&self.memory.control().end(self.side.peer()).offer.0);
    }
}
