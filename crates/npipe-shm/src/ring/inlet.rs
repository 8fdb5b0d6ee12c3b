//! The reader's half of a lane.

use std::sync::Arc;

use npipe_core::Status;
use npipe_core::wire::{Front, Inlet, PeekSpan, PeerState};

use super::header::{Kind, Position, State};
use super::offer;
use super::outlet::ATTEMPTS;
use super::walk::{Part, max_steps, part_at};
use crate::control::EndWords;
use crate::layout::Side;
use crate::memory::Memory;
use crate::sync::Ordering;

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
    head: Position,
    /// The tail when last looked at: parts before it are there.
    tail: Position,
    /// The number of frames met so far.
    serial: u64,
    /// Whether the head is inside a frame that was met before.
    inside: bool,
    /// Bytes of that frame from the next part on, while the head is between two of its parts.
    left: u32,
    /// Whether the part at the head was met before.
    entered: bool,
    /// The part at the head as it was last read, once it was met.
    part: Part,
    /// Bytes that reads have taken of it.
    part_taken: u32,
    taken: u64,
    empties: u64,
    /// Whether reads are offered to the writer.
    offered: bool,
}

impl<M: Memory> RingInlet<M> {
    /// The lane that the peer of `side` writes, in a fresh segment.
    pub fn new(memory: Arc<M>, side: Side) -> Self {
        let start = Position::new(0, 0);
        RingInlet {
            memory,
            side,
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
            offered: false,
        }
    }

    /// The segment it lies in.
    pub fn memory(&self) -> &Arc<M> {
        &self.memory
    }

    #[inline]
    fn own(&self) -> &EndWords {
        self.memory.control().end(self.side)
    }

    #[inline]
    fn writer(&self) -> &EndWords {
        self.memory.control().end(self.side.peer())
    }

    fn max_steps(&self) -> u64 {
        max_steps(self.memory.layout().lane_bytes(self.side.peer()))
    }

    #[inline]
    fn load_tail(&mut self) {
        // Pairs with the writer's release store: parts before the tail are whole.
        self.tail = Position(self.writer().writer.0.tail.load(Ordering::Acquire));
    }

    #[inline(always)]
    fn part_at(&self, at: Position) -> Result<Part, Status> {
        part_at(&*self.memory, self.side.peer(), at, self.tail)
    }

    /// Goes to the next part that holds something to read, past those that hold nothing, and reads it into `self.part`.
    #[inline]
    fn settle_head(&mut self) -> Result<Met, Status> {
        // What is complete changes no more.
        if self.entered && self.part.kind == Kind::Complete {
            return Ok(Met::Payload);
        }
        for _ in 0..self.max_steps() {
            if self.head == self.tail {
                self.load_tail();
                if self.head == self.tail {
                    return Ok(Met::Nothing);
                }
            }
            self.part = self.part_at(self.head)?;
            match self.part.kind {
                Kind::Complete | Kind::Pending => {
                    self.enter()?;
                    return Ok(Met::Payload);
                }
                Kind::Empties => {
                    // An empty message in place of the rest of a frame ends that frame.
                    self.inside = false;
                    return Ok(Met::Empties);
                }
                Kind::Jump => self.pass(self.part.next),
                Kind::Cancelled | Kind::EmptiesTaken => {
                    self.inside = false;
                    self.pass(self.part.next);
                }
            }
        }
        Err(Status::PeerMisbehaved)
    }

    /// Meets a part with payload: the first of a new frame, or the next of the one we are in.
    #[inline]
    fn enter(&mut self) -> Result<(), Status> {
        if self.entered {
            return Ok(());
        }
        if self.part.state.is_first() {
            self.serial += 1;
        } else if !self.inside || self.left != self.part.extent.left {
            return Err(Status::PeerMisbehaved);
        }
        self.inside = true;
        self.entered = true;
        self.part_taken = 0;
        Ok(())
    }

    /// Moves the head; everything before it may be overwritten from now on.
    #[inline]
    fn pass(&mut self, next: Position) {
        self.head = next;
        self.entered = false;
        self.own().reader.0.head.store(next.0, Ordering::Release);
    }

    /// Agrees with the writer of a pending part that `bytes` more of it are taken; `false` when it was retracted.
    fn agree(&self, part: &Part, taken: u32) -> bool {
        let word = self.memory.word(self.side.peer(), part.at.offset());
        for _ in 0..ATTEMPTS {
            let state = State(word.load(Ordering::Acquire));
            if state.kind() != Some(Kind::Pending) {
                return state.kind() == Some(Kind::Complete);
            }
            let next = state.with_taken(taken);
            if word.compare_exchange(state.0, next.0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
        false
    }

    /// From here until the next offer, the writer must not count on the reads that are on offer.
    #[inline]
    fn begin_change(&self) {
        if self.offered {
            offer::begin_change(&self.own().offer.0);
        }
    }

    /// Calls `visit` with each part from the head on that is whole on the lane, until it says stop.
    fn each_part(&mut self, mut visit: impl FnMut(&Self, &Part) -> bool) -> Result<(), Status> {
        self.load_tail();
        let mut at = self.head;
        for _ in 0..self.max_steps() {
            if at == self.tail {
                return Ok(());
            }
            let part = self.part_at(at)?;
            if !visit(self, &part) {
                return Ok(());
            }
            at = part.next;
        }
        Err(Status::PeerMisbehaved)
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
            Met::Payload => self.part.extent.left - self.part_taken,
            Met::Nothing if self.inside => self.left,
            Met::Nothing => return Ok(None),
            Met::Empties => return Ok(Some(Front { serial: self.serial + 1, remaining: 0, streams: false })),
        };
        let lane_bytes = self.memory.layout().lane_bytes(self.side.peer());
        Ok(Some(Front { serial: self.serial, remaining, streams: u64::from(remaining) > lane_bytes / 4 }))
    }

    fn ready(&mut self) -> Result<u32, Status> {
        if self.settle_head()? != Met::Payload {
            return Ok(0);
        }
        let (first, taken) = (self.part.at, self.part_taken);
        let mut ready = 0;
        self.each_part(|_, part| {
            match part.kind {
                Kind::Jump => return true,
                Kind::Complete | Kind::Pending if part.at == first || !part.state.is_first() => {}
                _ => return false,
            }
            ready += part.extent.bytes;
            part.extent.left > part.extent.bytes
        })?;
        Ok(ready.saturating_sub(taken))
    }

    #[inline]
    fn take(&mut self, into: &mut [u8]) -> Result<usize, Status> {
        self.begin_change();
        let serial = self.serial;
        let mut copied = 0;
        while copied < into.len() {
            if self.settle_head()? != Met::Payload || self.serial != serial {
                break;
            }
            let part = self.part;
            let left = part.extent.bytes - self.part_taken;
            let bytes = (into.len() - copied).min(left as usize);
            let from = part.payload() + u64::from(self.part_taken);
            self.memory.copy_out(self.side.peer(), from, &mut into[copied..copied + bytes]);
            if part.kind == Kind::Pending && !self.agree(&part, self.part_taken + bytes as u32) {
                break;
            }
            copied += bytes;
            self.part_taken += bytes as u32;
            self.taken = self.taken.wrapping_add(bytes as u64);
            if self.part_taken == part.extent.bytes {
                self.left = part.extent.left - part.extent.bytes;
                self.inside = self.left > 0;
                self.pass(part.next);
            }
            self.own().reader.0.taken.store(self.taken, Ordering::Release);
            if !self.inside {
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
        let part = self.part;
        let word = self.memory.word(self.side.peer(), part.at.offset());
        for _ in 0..ATTEMPTS {
            let state = State(word.load(Ordering::Acquire));
            let (taken, count) = state.taken_of_empties();
            if state.kind() != Some(Kind::Empties) || taken >= count {
                return Err(Status::PeerMisbehaved);
            }
            let next = State::empties(count, taken + 1);
            if word.compare_exchange(state.0, next.0, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                continue;
            }
            self.serial += 1;
            if taken + 1 == count {
                self.pass(part.next);
            }
            self.empties = self.empties.wrapping_add(1);
            self.own().reader.0.empties.store(self.empties, Ordering::Release);
            return Ok(());
        }
        Err(Status::PeerMisbehaved)
    }

    fn peek(&mut self, into: &mut [u8], span: PeekSpan) -> Result<usize, Status> {
        if self.settle_head()? == Met::Nothing {
            return Ok(0);
        }
        let (first, part_taken) = (self.part.at, self.part_taken);
        let mut copied = 0;
        self.each_part(|inlet, part| {
            let mut skip = part.state.taken();
            match part.kind {
                Kind::Jump | Kind::Cancelled | Kind::EmptiesTaken => return true,
                Kind::Empties => return span == PeekSpan::Stream,
                Kind::Complete | Kind::Pending if part.at == first => skip = part_taken,
                _ if span == PeekSpan::Message && part.state.is_first() => return false,
                _ => {}
            }
            let bytes = (into.len() - copied).min((part.extent.bytes - skip.min(part.extent.bytes)) as usize);
            let from = part.payload() + u64::from(skip);
            inlet.memory.copy_out(inlet.side.peer(), from, &mut into[copied..copied + bytes]);
            copied += bytes;
            copied < into.len()
        })?;
        Ok(copied)
    }

    fn unread(&self) -> u64 {
        let queued = self.writer().writer.0.queued.load(Ordering::Acquire);
        let unread = queued.wrapping_sub(self.taken);
        if unread as i64 >= 0 { unread } else { 0 }
    }

    fn offer(&mut self, sizes: &mut dyn Iterator<Item = u32>) {
        let words = &self.own().offer.0;
        offer::begin_change(words);
        self.offered = offer::publish(words, sizes) > 0;
    }

    fn settle(&mut self, quota_bytes: u32) -> Result<(), Status> {
        self.settle_head()?;
        let part_taken = self.part_taken;
        let head = self.head;
        // Frames, each with its parts and its live bytes; one that lacks its last part was never finished.
        let mut frames: Vec<(Vec<Part>, u64, bool)> = Vec::new();
        self.each_part(|_, part| {
            if !matches!(part.kind, Kind::Complete | Kind::Pending) {
                return true;
            }
            let taken = if part.at == head { part_taken } else { part.state.taken() };
            let bytes = u64::from(part.extent.bytes.saturating_sub(taken));
            let whole = part.extent.left == part.extent.bytes;
            match frames.last_mut() {
                Some(frame) if !part.state.is_first() => {
                    frame.0.push(*part);
                    frame.1 += bytes;
                    frame.2 = whole;
                }
                _ => frames.push((vec![*part], bytes, whole)),
            }
            true
        })?;
        let mut unread = 0;
        for (parts, bytes, whole) in frames {
            let complete = parts[0].kind == Kind::Complete || unread + bytes <= u64::from(quota_bytes);
            if whole && complete {
                unread += bytes;
                continue;
            }
            for part in parts {
                let word = self.memory.word(self.side.peer(), part.at.offset());
                word.store(part.state.cancelled().0, Ordering::Release);
            }
        }
        // The part that was met before may be among them.
        self.part = Part::NONE;
        // A frame of which all placed parts were taken ends here too.
        self.inside &= self.head != self.tail;
        Ok(())
    }
}
