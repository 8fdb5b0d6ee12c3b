//! The reader's half of a lane.

use std::sync::Arc;

use npipe_core::Status;
use npipe_core::feed::{MAX_WAITING_READS, WaitingReads};
use npipe_core::wire::{Front, Inlet, PeekSpan, PeerState};
use serde::{Deserialize, Serialize};

use super::header::{CANCELLED, Kind, ONE_EMPTY_TAKEN, Position, State};
use super::offer;
use super::walk::{Part, max_steps, part_at};
use crate::control::EndWords;
use crate::layout::{LaneShape, Side};
use crate::memory::Memory;
use crate::sync::{AtomicU64, Ordering};

/// What is at the head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    Nothing,
    Payload,
    Empties,
}

/// The reader's half of a lane in a segment.
#[derive(Debug)]
pub struct RingInlet<M> {
    memory: Arc<M>,
    /// The side that reads; its peer writes the lane.
    side: Side,
    lane: LaneShape,
    /// Whether what changes is held back until [`RingInlet::publish`].
    pub(super) held_back: bool,
    /// Whether an offer is held back.
    offer_due: bool,
    pub(super) known: InletState,
}

/// What changes about a reader's half, from move to move: what the processes that hold an end tell each other of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InletState {
    pub(super) head: Position,
    /// The tail when last looked at: parts before it are there.
    pub(super) tail: Position,
    /// The number of frames met so far.
    serial: u64,
    /// Whether the head is inside a frame that was met before.
    pub(super) inside: bool,
    /// Bytes of that frame from the next part on, while the head is between two of its parts.
    pub(super) left: u32,
    /// Whether the part at the head was met before.
    pub(super) entered: bool,
    /// The part at the head as it was when it was met: from then on only its state is looked at.
    pub(super) part: Part,
    /// Bytes that reads have taken of it.
    pub(super) part_taken: u32,
    pub(super) taken: u64,
    empties: u64,
    /// Empty messages taken of the part at the head.
    pub(super) part_empties: u32,
    /// The reads that are offered to the writer.
    pub(super) offered: WaitingReads,
    /// Live bytes queued in all, once the writer is gone.
    settled: Option<u64>,
    /// The last part that was retracted after a process that ended in its turn had taken bytes of it, which are counted.
    pub(super) counted: Option<Position>,
}

impl<M: Memory> RingInlet<M> {
    /// The lane that the peer of `side` writes, in a fresh segment.
    pub fn new(memory: Arc<M>, side: Side) -> Self {
        let start = Position::new(0, 0);
        RingInlet {
            lane: memory.layout().lane(side.peer()),
            memory,
            side,
            held_back: false,
            offer_due: false,
            known: InletState {
                head: start,
                tail: start,
                serial: 0,
                inside: false,
                left: 0,
                entered: false,
                part: Part::NONE,
                part_taken: 0,
                taken: 0,
                empties: 0,
                part_empties: 0,
                offered: WaitingReads::default(),
                settled: None,
                counted: None,
            },
        }
    }

    /// The segment it lies in.
    pub fn memory(&self) -> &Arc<M> {
        &self.memory
    }

    /// The writer's tail when it was last looked at: a reader that finds nothing waits for another.
    #[inline]
    pub fn seen_tail(&self) -> u64 {
        self.known.tail.0
    }

    pub(super) fn lane_shape(&self) -> LaneShape {
        self.lane
    }

    #[inline]
    pub(super) fn own(&self) -> &EndWords {
        self.memory.control().end(self.side)
    }

    #[inline]
    fn writer(&self) -> &EndWords {
        self.memory.control().end(self.side.peer())
    }

    #[inline]
    pub(super) fn load_tail(&mut self) {
        // Pairs with the writer's release store: parts before the tail are whole.
        self.known.tail = Position(self.writer().writer.0.tail.load(Ordering::Acquire));
    }

    #[inline(always)]
    pub(super) fn part_at(&self, at: Position) -> Result<Part, Status> {
        part_at(&*self.memory, &self.lane, self.side.peer(), at, self.known.tail)
    }

    pub(super) fn state_word(&self, part: &Part) -> &AtomicU64 {
        self.memory.word(self.side.peer(), part.at.offset())
    }

    /// Goes to the next part that holds something to read, past those that hold nothing, and reads it into `self.known.part`.
    ///
    /// Looks at the tail once, so that a writer who retracts frame after frame cannot keep us here.
    #[inline]
    fn settle_head(&mut self) -> Result<Met, Status> {
        // What is complete changes no more.
        if self.known.entered && self.known.part.kind == Kind::Complete {
            return Ok(Met::Payload);
        }
        self.find_head()
    }

    fn find_head(&mut self) -> Result<Met, Status> {
        if self.known.entered {
            if !self.is_retracted()? {
                return Ok(Met::Payload);
            }
            self.abandon();
        }
        let mut looked = false;
        for _ in 0..2 * max_steps(&self.lane) {
            if self.known.head == self.known.tail {
                if looked {
                    return Ok(Met::Nothing);
                }
                self.load_tail();
                looked = true;
                if self.known.head == self.known.tail {
                    return Ok(Met::Nothing);
                }
            }
            self.known.part = self.part_at(self.known.head)?;
            match self.known.part.kind {
                Kind::Complete | Kind::Pending => {
                    self.enter()?;
                    return Ok(Met::Payload);
                }
                Kind::Empties => {
                    // An empty message in place of the rest of a frame ends that frame.
                    self.known.inside = false;
                    return Ok(Met::Empties);
                }
                Kind::Jump => self.pass(self.known.part.next),
                Kind::Cancelled | Kind::EmptiesTaken => self.abandon(),
            }
        }
        Err(Status::PeerMisbehaved)
    }

    /// Meets a part with payload: the first of a new frame, or the next of the one we are in.
    #[inline]
    fn enter(&mut self) -> Result<(), Status> {
        if self.known.part.state.is_first() {
            self.known.serial += 1;
        } else if !self.known.inside || self.known.left != self.known.part.extent.left {
            return Err(Status::PeerMisbehaved);
        }
        self.known.inside = true;
        self.known.entered = true;
        self.known.part_taken = 0;
        Ok(())
    }

    /// Whether the part that was met is cancelled by now.
    fn is_retracted(&self) -> Result<bool, Status> {
        match State(self.state_word(&self.known.part).load(Ordering::Acquire)).kind() {
            Some(Kind::Cancelled) => Ok(true),
            Some(kind) if kind == self.known.part.kind => Ok(false),
            _ => Err(Status::PeerMisbehaved),
        }
    }

    /// Passes a part with which its frame ends, whatever it lacks.
    fn abandon(&mut self) {
        self.known.inside = false;
        self.pass(self.known.part.next);
    }

    /// Moves the head; everything before it may be overwritten from now on.
    #[inline]
    fn pass(&mut self, next: Position) {
        self.known.head = next;
        self.known.entered = false;
        self.known.part_empties = 0;
        if !self.held_back {
            self.own().reader.0.head.store(next.0, Ordering::Release);
        }
    }

    /// Publishes what was held back since the last time; that the state is safe by now is the caller's affair.
    pub fn publish(&mut self) {
        let reader = &self.own().reader.0;
        reader.taken.store(self.known.taken, Ordering::Release);
        reader.empties.store(self.known.empties, Ordering::Release);
        reader.head.store(self.known.head.0, Ordering::Release);
        // Behind the counts, or a writer would count on these reads for bytes that older ones have taken.
        if std::mem::take(&mut self.offer_due) {
            self.publish_offer();
        }
    }

    fn publish_offer(&self) {
        let begun = if self.known.entered && self.known.part.kind == Kind::Complete {
            self.known.part_taken
        } else {
            0
        };
        offer::publish(&self.own().offer.0, self.known.offered.sizes(), begun);
    }

    /// Agrees with the writer of the pending part at the head that reads have taken `taken` of it; `false` when it was
    /// retracted.
    fn agree(&self, taken: u32) -> Result<bool, Status> {
        let pending = State::new(Kind::Pending, self.known.part.state.is_first());
        let [old, new] = [self.known.part_taken, taken].map(|taken| pending.with_taken(taken).0);
        match self
            .state_word(&self.known.part)
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(true),
            Err(now) if State(now).kind() == Some(Kind::Cancelled) => Ok(false),
            Err(_) => Err(Status::PeerMisbehaved),
        }
    }

    /// From here until the next offer, the writer must not count on the reads that are on offer.
    #[inline]
    fn begin_change(&self) {
        if !self.known.offered.is_empty() {
            offer::begin_change(&self.own().offer.0);
        }
    }

    /// Calls `visit` with the part at the head, which was met, and each one behind it that is on the lane, until it says
    /// stop. Gives the bytes that were taken of the part along.
    fn each_part(&mut self, mut visit: impl FnMut(&Self, &Part, u32) -> Result<bool, Status>) -> Result<(), Status> {
        let taken = if self.known.entered { self.known.part_taken } else { 0 };
        let mut go_on = visit(self, &self.known.part, taken)?;
        let mut at = self.known.part.next;
        self.load_tail();
        for _ in 0..max_steps(&self.lane) {
            if !go_on || at == self.known.tail {
                return Ok(());
            }
            let part = self.part_at(at)?;
            go_on = visit(self, &part, 0)?;
            at = part.next;
        }
        Err(Status::PeerMisbehaved)
    }

    /// Drops a frame that its writer has not completed.
    fn drop_frame(&self, frame: &Remains) -> Result<(), Status> {
        let mut part = frame.first;
        for left in (0..frame.parts).rev() {
            if matches!(part.kind, Kind::Complete | Kind::Pending) {
                self.state_word(&part).fetch_or(CANCELLED, Ordering::AcqRel);
            }
            if left > 0 {
                part = self.part_at(part.next)?;
            }
        }
        Ok(())
    }
}

impl<M: Memory> Inlet for RingInlet<M> {
    #[inline]
    fn peer(&self) -> PeerState {
        self.memory.standing(self.side.peer())
    }

    #[inline]
    fn front(&mut self) -> Result<Option<Front>, Status> {
        let met = self.settle_head()?;
        let remaining = match met {
            Met::Payload => self.known.part.extent.left - self.known.part_taken,
            Met::Nothing if self.known.inside => self.known.left,
            Met::Nothing => return Ok(None),
            Met::Empties => {
                return Ok(Some(Front {
                    serial: self.known.serial + 1,
                    remaining: 0,
                    streams: false,
                }));
            }
        };
        let streams = u64::from(remaining) > self.lane.lane_bytes / 4;
        Ok(Some(Front {
            serial: self.known.serial,
            remaining,
            streams,
        }))
    }

    fn ready(&mut self) -> Result<u32, Status> {
        if self.settle_head()? != Met::Payload {
            return Ok(0);
        }
        // A frame's parts say how much of it is left: no sum goes beyond what its first one said.
        let mut left = self.known.part.extent.left;
        let end = left - self.known.part_taken;
        self.each_part(|_, part, _| {
            match part.kind {
                Kind::Jump => return Ok(true),
                Kind::Complete | Kind::Pending if part.extent.left == left => {}
                _ => return Ok(false),
            }
            left -= part.extent.bytes;
            Ok(left > 0)
        })?;
        Ok(end.saturating_sub(left))
    }

    #[inline]
    fn take(&mut self, into: &mut [u8]) -> Result<usize, Status> {
        self.begin_change();
        let serial = self.known.serial;
        let mut copied = 0;
        while copied < into.len() {
            if self.settle_head()? != Met::Payload || self.known.serial != serial {
                break;
            }
            let part = self.known.part;
            let left = part.extent.bytes - self.known.part_taken;
            let bytes = (into.len() - copied).min(left as usize);
            let from = part.payload() + u64::from(self.known.part_taken);
            self.memory
                .copy_out(self.side.peer(), from, &mut into[copied..copied + bytes]);
            if part.kind == Kind::Pending && !self.agree(self.known.part_taken + bytes as u32)? {
                break;
            }
            copied += bytes;
            self.known.part_taken += bytes as u32;
            self.known.taken = self.known.taken.wrapping_add(bytes as u64);
            // Before the head: a lane that looks empty is one whose bytes are all counted.
            if !self.held_back {
                self.own().reader.0.taken.store(self.known.taken, Ordering::Release);
            }
            if self.known.part_taken == part.extent.bytes {
                self.known.left = part.extent.left - part.extent.bytes;
                self.known.inside = self.known.left > 0;
                self.pass(part.next);
            }
            if !self.known.inside {
                break;
            }
        }
        Ok(copied)
    }

    fn take_empty(&mut self) -> Result<(), Status> {
        self.begin_change();
        if self.settle_head()? != Met::Empties {
            return Ok(());
        }
        let word = self.state_word(&self.known.part);
        let (taken, count) = State(word.fetch_add(ONE_EMPTY_TAKEN, Ordering::AcqRel)).taken_of_empties();
        if taken >= count {
            return Err(Status::PeerMisbehaved);
        }
        let closed = taken + 1 == count && {
            let [all, none] = [State::empties(count, count), State::empties_taken(count)];
            word.compare_exchange(all.0, none.0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        };
        self.known.part_empties = taken + 1;
        self.known.serial += 1;
        self.known.empties = self.known.empties.wrapping_add(1);
        if !self.held_back {
            self.own().reader.0.empties.store(self.known.empties, Ordering::Release);
        }
        if closed {
            self.pass(self.known.part.next);
        }
        Ok(())
    }

    fn peek(&mut self, into: &mut [u8], span: PeekSpan) -> Result<usize, Status> {
        if self.settle_head()? == Met::Nothing {
            return Ok(0);
        }
        let mut copied = 0;
        self.each_part(|inlet, part, taken| {
            let is_other = part.state.is_first() && part.at != inlet.known.head;
            match part.kind {
                Kind::Jump | Kind::Cancelled | Kind::EmptiesTaken => return Ok(true),
                // Where they are, a peek sees one message; a stream has none of them (semantics 93).
                Kind::Empties => return Ok(false),
                Kind::Complete | Kind::Pending if is_other && span == PeekSpan::Message => return Ok(false),
                Kind::Complete | Kind::Pending => {}
            }
            let bytes = (into.len() - copied).min((part.extent.bytes - taken) as usize);
            let from = part.payload() + u64::from(taken);
            inlet
                .memory
                .copy_out(inlet.side.peer(), from, &mut into[copied..copied + bytes]);
            copied += bytes;
            Ok(copied < into.len())
        })?;
        Ok(copied)
    }

    fn takes_at_once(&self) -> bool {
        self.held_back
    }

    fn unread(&self) -> u64 {
        let queued = self
            .known
            .settled
            .unwrap_or_else(|| self.writer().writer.0.queued.load(Ordering::Acquire));
        let unread = queued.wrapping_sub(self.known.taken);
        if unread as i64 >= 0 { unread } else { 0 }
    }

    fn offer(&mut self, sizes: &mut dyn Iterator<Item = u32>) {
        let mut reads = [0; MAX_WAITING_READS];
        let mut count = 0;
        for (read, size) in reads.iter_mut().zip(sizes) {
            *read = size;
            count += 1;
        }
        offer::begin_change(&self.own().offer.0);
        self.known.offered = WaitingReads::new(&reads[..count], 0);
        if self.held_back {
            self.offer_due = true;
        } else {
            self.publish_offer();
        }
    }

    fn settle(&mut self, quota_bytes: u32) -> Result<(), Status> {
        let mut kept = 0;
        if self.settle_head()? != Met::Nothing {
            kept = self.settle_frames(u64::from(quota_bytes))?;
            if self.known.entered && self.is_retracted()? {
                self.abandon();
            }
        }
        // A frame of which all placed parts were taken ends here too.
        if self.settle_head()? == Met::Nothing {
            self.known.inside = false;
        }
        self.known.settled = Some(self.known.taken.wrapping_add(kept));
        Ok(())
    }
}

impl<M: Memory> RingInlet<M> {
    /// Drops the frames from the head on that their writer had not completed, and returns the live bytes of the others.
    fn settle_frames(&mut self, quota_bytes: u64) -> Result<u64, Status> {
        let mut estate = Estate {
            quota_bytes,
            reads: self.known.offered,
            unread: 0,
            kept: 0,
        };
        let mut open: Option<Remains> = None;
        self.each_part(|inlet, part, taken| {
            let has_payload = matches!(part.kind, Kind::Complete | Kind::Pending);
            if has_payload && part.state.is_first() || part.kind == Kind::Empties {
                estate.close(inlet, open.take())?;
            }
            if part.kind == Kind::Empties {
                estate.pass_empties(part.state);
            }
            if has_payload {
                let frame = open.get_or_insert(Remains {
                    first: *part,
                    parts: 0,
                    bytes: 0,
                    is_whole: false,
                });
                frame.bytes += u64::from(part.extent.bytes - taken);
                frame.is_whole = part.extent.left == part.extent.bytes;
            }
            if let Some(frame) = &mut open {
                frame.parts += 1;
            }
            Ok(true)
        })?;
        estate.close(self, open)?;
        Ok(estate.kept)
    }
}

/// A frame that a writer has left behind.
struct Remains {
    first: Part,
    /// How many parts it spans, jumps included.
    parts: u64,
    bytes: u64,
    /// Its last part is there.
    is_whole: bool,
}

/// What a writer has left behind, frame by frame.
struct Estate {
    quota_bytes: u64,
    /// The reads that wait.
    reads: WaitingReads,
    /// Live bytes met so far.
    unread: u64,
    /// Those of frames that stay.
    kept: u64,
}

impl Estate {
    fn pass_empties(&mut self, state: State) {
        let (taken, count) = state.taken_of_empties();
        for _ in taken..count {
            if self.reads.is_empty() {
                break;
            }
            self.reads.feed(0);
        }
    }

    /// Keeps a frame that its writer had completed, and drops any other. A pending one was complete if all unread bytes up
    /// to its last one were within the quota, not counting those that waiting reads were about to take.
    fn close<M: Memory>(&mut self, inlet: &RingInlet<M>, frame: Option<Remains>) -> Result<(), Status> {
        let Some(frame) = frame else { return Ok(()) };
        self.unread += frame.bytes;
        self.reads.feed(u32::try_from(frame.bytes).unwrap_or(u32::MAX));
        let is_within_quota = self.unread.saturating_sub(self.reads.eaten()) <= self.quota_bytes;
        if frame.is_whole && (frame.first.kind == Kind::Complete || is_within_quota) {
            self.kept += frame.bytes;
            return Ok(());
        }
        inlet.drop_frame(&frame)
    }
}
