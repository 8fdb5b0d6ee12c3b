//! The writer's half of a lane.

use std::sync::Arc;

use npipe_core::Status;
use npipe_core::feed::WaitingReads;
use npipe_core::wire::{Frame, Outlet, PeerState, Standing};
use serde::{Deserialize, Serialize};

use super::header::{CANCELLED, Extent, Kind, MAX_EMPTIES, ONE_MORE_EMPTY, Position, State};
use super::offer::{self, View};
use super::space::{Choice, Space};
use super::walk::{max_steps, part_at};
use crate::control::{EndWords, Line, OfferWords, ReaderWords};
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
    /// Whether what changes is held back until [`RingOutlet::publish`].
    held_back: bool,
    /// Whether the end of a claim is held back.
    release_due: bool,
    /// Whether the reader's place was looked at since the tail last moved.
    is_fresh: bool,
    known: OutletState,
}

/// What changes about a writer's half, from move to move: what the processes that hold an end tell each other of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutletState {
    space: Space,
    /// The part that the last empty message went to and how many it holds, while nothing else followed it.
    empties: Option<(Position, u32)>,
    /// Live bytes queued, as last published.
    queued: u64,
}

/// Where the first and the last part of a pending frame lie that were placed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ticket(Option<(Position, Position)>);

impl<M: Memory> RingOutlet<M> {
    /// The lane that `side` writes, in a fresh segment.
    pub fn new(memory: Arc<M>, side: Side) -> Self {
        let lane = memory.layout().lane(side);
        RingOutlet {
            memory,
            side,
            lane,
            held_back: false,
            release_due: false,
            is_fresh: false,
            known: OutletState {
                space: Space::new(lane),
                empties: None,
                queued: 0,
            },
        }
    }

    /// Goes on from what another process that holds this end has left; from now on changes are held back until
    /// [`RingOutlet::publish`].
    ///
    /// # Errors
    /// [`Status::InsufficientResources`] when the part of the lane that the other has come to cannot be mapped,
    /// [`Status::InvalidHandle`] for what no such process leaves.
    pub fn resume(&mut self, known: OutletState) -> Result<(), Status> {
        if !known.space.is_of(&self.lane) {
            return Err(Status::InvalidHandle);
        }
        let is_far = known.space.tail().offset() >= self.lane.small_bytes;
        if is_far && !self.memory.map_large() {
            return Err(Status::InsufficientResources);
        }
        (self.known, self.held_back, self.is_fresh) = (known, true, false);
        Ok(())
    }

    /// What changes, for another process that holds this end.
    pub fn state(&self) -> &OutletState {
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

    /// Publishes what was held back since the last time; that the state is safe by now is the caller's affair.
    pub fn publish(&mut self) {
        let writer = &self.own().writer.0;
        writer.queued.store(self.known.queued, Ordering::Relaxed);
        writer.tail.store(self.known.space.tail().0, Ordering::Release);
        if std::mem::take(&mut self.release_due) {
            offer::release(&self.offer_of_reader().0);
        }
    }

    fn offer_of_reader(&self) -> &Line<OfferWords> {
        &self.memory.control().end(self.side.peer()).offer
    }

    /// The segment it lies in.
    pub fn memory(&self) -> &Arc<M> {
        &self.memory
    }

    /// Whether [`RingOutlet::trim`] may have something to give back.
    pub fn has_surplus(&self) -> bool {
        self.known.space.has_surplus()
    }

    /// Gives back the pages that a quiet lane no longer needs.
    pub fn trim(&mut self) {
        self.note_head();
        if let Some(surplus) = self.known.space.surplus() {
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
        self.known.space.note_head(head);
    }

    /// Finds room for the next part of a frame of which `left` bytes are to be placed, and moves the tail there. Returns how
    /// many bytes the part takes; `None` when the lane is full.
    #[inline]
    fn reserve(&mut self, left: u64) -> Option<u64> {
        if !self.known.space.stays_here(left) {
            self.look_for_room(left)?;
        }
        Some(self.known.space.part_of(left))
    }

    /// Moves the tail to where there is room as far as the reader is by now; `None` when the lane is full.
    #[inline(never)]
    fn look_for_room(&mut self, left: u64) -> Option<()> {
        self.note_head();
        let mut choice = self.known.space.choose(left)?;
        if matches!(choice, Choice::Jump(offset) if offset >= self.lane.small_bytes) && !self.memory.map_large() {
            self.known.space.forgo_large();
            choice = self.known.space.choose(left)?;
        }
        if let Choice::Jump(offset) = choice {
            let extent = Extent {
                bytes: offset as u32,
                left: 0,
            };
            self.write_header(self.known.space.tail().offset(), State::new(Kind::Jump, false), extent);
            self.known.space.jump(offset);
        }
        Some(())
    }

    #[inline]
    fn write_header(&self, at: u64, state: State, extent: Extent) {
        let [first, second] = self.memory.header(self.side, at);
        second.store(extent.to_word(), Ordering::Relaxed);
        first.store(state.0, Ordering::Relaxed);
    }

    /// Moves the tail, which publishes everything before it; pairs with the reader's load of it.
    ///
    /// The count goes with it, in one visit to their cache line: a reader that spins takes the line away between two.
    #[inline]
    fn move_tail(&mut self, span: u64) {
        self.known.space.advance(span);
        self.is_fresh = false;
        if !self.held_back {
            let writer = &self.own().writer.0;
            writer.queued.store(self.known.queued, Ordering::Relaxed);
            writer.tail.store(self.known.space.tail().0, Ordering::Release);
        }
    }

    /// Adds to the part of the last empty message, if the reader has not taken all of it.
    fn add_to_empties(&mut self) -> bool {
        if self.held_back {
            // It would show at once.
            return false;
        }
        let Some((at, count)) = self.known.empties.take_if(|(_, count)| *count < MAX_EMPTIES) else {
            return false;
        };
        let state = State(
            self.memory
                .word(self.side, at.offset())
                .fetch_add(ONE_MORE_EMPTY, Ordering::AcqRel),
        );
        let open = state.kind() == Some(Kind::Empties);
        self.known.empties = open.then_some((at, count + 1));
        open
    }

    /// Feeds the frames between the reader's head and our tail to the reads of `view`.
    fn foresee(&self, view: View) -> WaitingReads {
        let tail = self.known.space.tail();
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
        // Cancelled before: by a process that held this end and went in the middle.
        let was_open = matches!(state.kind(), Some(Kind::Pending | Kind::Cancelled));
        (was_open && state.taken() < bytes).then(|| bytes - state.taken())
    }

    /// The parts of a pending frame that the reader has not left, in order, with their payload bytes.
    fn parts_of(&self, ticket: &Ticket) -> Vec<(Position, u32)> {
        let mut parts = Vec::new();
        let Some((first, last)) = ticket.0 else { return parts };
        let head = Position(self.reader().head.load(Ordering::Acquire));
        let mut at = if first.is_before(head) { head } else { first };
        let tail = self.known.space.tail();
        for _ in 0..max_steps(&self.lane) {
            if last.is_before(at) {
                break;
            }
            // What a hostile reader has made of our lane is no frame any more, and its own loss.
            let Ok(part) = part_at(&*self.memory, &self.lane, self.side, at, tail) else {
                break;
            };
            if matches!(part.kind, Kind::Pending | Kind::Cancelled) {
                parts.push((at, part.extent.bytes));
            }
            at = part.next;
        }
        parts
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

    fn is_read(&self) -> bool {
        // Before the counts, which the reader moves first.
        let head = self.reader().head.load(Ordering::Acquire);
        head == self.known.space.tail().0 && head == self.own().writer.0.tail.load(Ordering::Relaxed)
    }

    #[inline]
    fn publish_queued(&mut self, live_bytes: u64) {
        self.known.queued = live_bytes;
        if !self.held_back {
            self.own().writer.0.queued.store(live_bytes, Ordering::Relaxed);
        }
    }

    #[inline]
    fn count_queued(&mut self, live_bytes: u64) {
        self.known.queued = live_bytes;
    }

    #[inline]
    fn has_room(&self, length: u32) -> bool {
        match self.known.space.room_for(u64::from(length)) {
            Some(Choice::Here) => true,
            Some(Choice::Jump(offset))
                if offset < self.lane.small_bytes && u64::from(length) <= self.lane.part_bytes =>
            {
                true
            }
            // Where to is chosen part by part; the large area has to be there for it. But not for a reader of whom it is only
            // not known how far it is.
            Some(Choice::Jump(_)) => self.is_fresh && self.memory.map_large(),
            None => false,
        }
    }

    fn refresh(&mut self) {
        self.note_head();
        self.is_fresh = true;
    }

    #[inline]
    fn put(&mut self, ticket: &mut Ticket, frame: Frame, offset: u32, data: &[u8]) -> usize {
        let Some(bytes) = self.reserve(data.len() as u64) else {
            return 0;
        };
        let at = self.known.space.tail();
        let kind = match frame.standing {
            Standing::Complete => Kind::Complete,
            Standing::Pending => {
                ticket.0 = Some((ticket.0.map_or(at, |(first, _)| first), at));
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
        self.known.empties = None;
        self.move_tail(part_span(bytes));
        payload.len()
    }

    fn put_empty(&mut self) -> bool {
        if self.add_to_empties() {
            return true;
        }
        if self.reserve(0).is_none() {
            return false;
        }
        let at = self.known.space.tail();
        self.write_header(at.offset(), State::empties(1, 0), Extent { bytes: 0, left: 0 });
        self.known.empties = Some((at, 1));
        self.move_tail(part_span(0));
        true
    }

    fn retract(&mut self, ticket: &mut Ticket, placed: u32, length: u32) -> Option<u32> {
        let mut removed = 0;
        let mut any = false;
        // The last part decides; what the reader takes of earlier ones meanwhile it took before the retraction.
        for (at, bytes) in self.parts_of(&std::mem::take(ticket)).into_iter().rev() {
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
            let at = self.known.space.tail();
            self.write_header(
                at.offset(),
                State::new(Kind::Cancelled, false),
                Extent { bytes: 0, left: 0 },
            );
            self.move_tail(part_span(0));
        }
        Some(removed)
    }

    fn waiting_reads(&self) -> WaitingReads {
        if self.held_back && self.known.space.tail().0 != self.own().writer.0.tail.load(Ordering::Relaxed) {
            // A reader that withdraws a read would not find what is held back, so nothing may count on it.
            return WaitingReads::default();
        }
        let words = &self.offer_of_reader().0;
        offer::view(words, self.reader()).map_or_else(WaitingReads::default, |view| self.foresee(view))
    }

    fn claim(&self, view: &WaitingReads) -> bool {
        offer::claim(&self.offer_of_reader().0, view.stamp)
    }

    fn release_claim(&mut self) {
        if self.held_back {
            self.release_due = true;
        } else {
            offer::release(&self.offer_of_reader().0);
        }
    }
}
