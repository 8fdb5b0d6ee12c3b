//! Two lanes in memory: a queue of frames for each direction, under one owner.
//!
//! A lane holds `capacity` bytes, headers included, so a small one takes frames in parts and refuses others. Whatever a
//! reader takes or a writer retracts makes room at once. Nothing runs at the same time as anything else here: what two
//! ends do to each other in the middle of a call is tested on the lanes of a system.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;

use npipe_core::Status;
use npipe_core::feed::WaitingReads;
use npipe_core::wire::{Frame, Front, Inlet, Outlet, PeekSpan, PeerState, Standing};

use super::{Pair, Setup, Side};

/// What a frame costs beside its bytes; empty messages in a row share one.
const HEADER_BYTES: usize = 4;

#[derive(Debug)]
struct Entry {
    serial: u64,
    /// 0 for an empty message.
    length: usize,
    standing: Standing,
    /// The bytes placed so far.
    data: Vec<u8>,
    /// How many of them are read.
    taken: usize,
}

impl Entry {
    fn remaining(&self) -> usize {
        self.length - self.taken
    }

    fn unread(&self) -> &[u8] {
        &self.data[self.taken..]
    }

    fn is_placed(&self) -> bool {
        self.data.len() == self.length
    }
}

#[derive(Debug)]
struct Lane {
    capacity: usize,
    entries: VecDeque<Entry>,
    last_serial: u64,
    queued: u64,
    taken: u64,
    empties_taken: u64,
    offered: Vec<u32>,
    stamp: u64,
    writer: PeerState,
    reader: PeerState,
}

impl Lane {
    fn new(capacity: usize) -> Self {
        Lane {
            capacity,
            entries: VecDeque::new(),
            last_serial: 0,
            queued: 0,
            taken: 0,
            empties_taken: 0,
            offered: Vec::new(),
            stamp: 0,
            writer: PeerState::Open,
            reader: PeerState::Open,
        }
    }

    fn room(&self) -> usize {
        let mut after_empty = false;
        let mut used = 0;
        for entry in &self.entries {
            let shares_header = after_empty && entry.length == 0;
            used += entry.unread().len() + if shares_header { 0 } else { HEADER_BYTES };
            after_empty = entry.length == 0;
        }
        self.capacity.saturating_sub(used)
    }

    fn push(&mut self, length: usize, standing: Standing) -> u64 {
        self.last_serial += 1;
        self.entries.push_back(Entry {
            serial: self.last_serial,
            length,
            standing,
            data: Vec::new(),
            taken: 0,
        });
        self.last_serial
    }
}

/// The writer's half of a lane in memory.
#[derive(Debug)]
pub struct MemoryOutlet {
    lane: Rc<RefCell<Lane>>,
    /// The room there was when this end last looked; what reads have made since comes on top.
    known_room: usize,
}

/// The reader's half of a lane in memory.
#[derive(Debug)]
pub struct MemoryInlet(Rc<RefCell<Lane>>);

impl MemoryOutlet {
    fn lane(&self) -> Ref<'_, Lane> {
        self.lane.borrow()
    }

    fn lane_mut(&self) -> RefMut<'_, Lane> {
        self.lane.borrow_mut()
    }
}

impl MemoryInlet {
    fn lane(&self) -> Ref<'_, Lane> {
        self.0.borrow()
    }

    fn lane_mut(&self) -> RefMut<'_, Lane> {
        self.0.borrow_mut()
    }
}

impl Outlet for MemoryOutlet {
    /// The serial of the frame, 0 while none was placed.
    type Ticket = u64;

    fn peer(&self) -> PeerState {
        self.lane().reader
    }

    fn taken(&self) -> u64 {
        self.lane().taken
    }

    fn empties_taken(&self) -> u64 {
        self.lane().empties_taken
    }

    fn publish_queued(&mut self, live_bytes: u64) {
        self.lane_mut().queued = live_bytes;
    }

    fn has_room(&self, length: u32) -> bool {
        self.known_room >= length as usize + HEADER_BYTES
    }

    fn refresh(&mut self) {
        let room = self.lane().room();
        self.known_room = room;
    }

    fn put(&mut self, ticket: &mut u64, frame: Frame, offset: u32, data: &[u8]) -> usize {
        let length = frame.length as usize;
        assert_eq!(
            offset as usize + data.len(),
            length,
            "the data of a part reaches to the frame's end"
        );
        assert!(length > 0, "an empty message is no frame of bytes");
        if frame.standing == Standing::Complete && offset == 0 {
            assert!(
                self.has_room(frame.length),
                "a complete frame is put only where there is room for it"
            );
        }
        self.refresh();
        let mut room = self.known_room;
        let mut lane = self.lane.borrow_mut();
        if offset == 0 {
            room = room.saturating_sub(HEADER_BYTES);
            if room == 0 {
                return 0;
            }
            *ticket = lane.push(length, frame.standing);
        }
        let entry = lane.entries.back_mut().expect("a part follows the one before it");
        assert_eq!(
            (entry.serial, entry.data.len()),
            (*ticket, offset as usize),
            "parts follow one another"
        );
        let part = room.min(data.len());
        entry.data.extend_from_slice(&data[..part]);
        self.known_room = lane.room();
        part
    }

    fn put_empty(&mut self) -> bool {
        let mut lane = self.lane.borrow_mut();
        let shares_header = lane.entries.back().is_some_and(|entry| entry.length == 0);
        if !shares_header && lane.room() < HEADER_BYTES {
            return false;
        }
        lane.push(0, Standing::Complete);
        self.known_room = lane.room();
        true
    }

    fn retract(&mut self, ticket: &mut u64, placed: u32, length: u32) -> Option<u32> {
        let mut lane = self.lane_mut();
        let index = lane.entries.iter().position(|entry| entry.serial == *ticket)?;
        let entry = lane.entries.remove(index)?;
        assert_eq!(
            (entry.data.len(), entry.length),
            (placed as usize, length as usize),
            "the frame of the ticket"
        );
        assert_eq!(entry.standing, Standing::Pending, "complete frames stay");
        Some(entry.unread().len() as u32)
    }

    fn waiting_reads(&self) -> WaitingReads {
        let lane = self.lane();
        let mut reads = WaitingReads::new(&lane.offered, lane.stamp);
        for entry in &lane.entries {
            reads.feed(entry.remaining() as u32);
        }
        reads
    }

    fn claim(&self, view: &WaitingReads) -> bool {
        view.stamp == self.lane().stamp
    }

    fn release_claim(&mut self) {}
}

impl Inlet for MemoryInlet {
    fn peer(&self) -> PeerState {
        self.lane().writer
    }

    fn front(&mut self) -> Result<Option<Front>, Status> {
        let lane = self.lane();
        Ok(lane.entries.front().map(|entry| Front {
            serial: entry.serial,
            remaining: entry.remaining() as u32,
            streams: entry.length + HEADER_BYTES > lane.capacity,
        }))
    }

    fn ready(&mut self) -> Result<u32, Status> {
        Ok(self
            .lane()
            .entries
            .front()
            .map_or(0, |entry| entry.unread().len() as u32))
    }

    fn take(&mut self, into: &mut [u8]) -> Result<usize, Status> {
        let lane = &mut *self.lane_mut();
        let Some(entry) = lane.entries.front_mut() else {
            return Ok(0);
        };
        let count = entry.unread().len().min(into.len());
        into[..count].copy_from_slice(&entry.unread()[..count]);
        entry.taken += count;
        lane.taken = lane.taken.wrapping_add(count as u64);
        if entry.remaining() == 0 {
            lane.entries.pop_front();
        }
        Ok(count)
    }

    fn take_empty(&mut self) -> Result<(), Status> {
        let mut lane = self.lane_mut();
        let entry = lane
            .entries
            .pop_front()
            .expect("an empty message is taken after it was seen");
        assert_eq!(entry.length, 0, "bytes are not dropped");
        lane.empties_taken = lane.empties_taken.wrapping_add(1);
        Ok(())
    }

    fn peek(&mut self, into: &mut [u8], span: PeekSpan) -> Result<usize, Status> {
        let lane = self.lane();
        let entries = match span {
            PeekSpan::Message => 1,
            PeekSpan::Stream => lane.entries.len(),
        };
        let mut copied = 0;
        for entry in lane.entries.iter().take(entries) {
            let count = entry.unread().len().min(into.len() - copied);
            into[copied..copied + count].copy_from_slice(&entry.unread()[..count]);
            copied += count;
            if count < entry.remaining() {
                break;
            }
        }
        Ok(copied)
    }

    fn unread(&self) -> u64 {
        let lane = self.lane();
        lane.queued.wrapping_sub(lane.taken)
    }

    fn offer(&mut self, sizes: &mut dyn Iterator<Item = u32>) {
        let mut lane = self.lane_mut();
        lane.offered = sizes.collect();
        lane.stamp += 1;
    }

    fn settle(&mut self, quota_bytes: u32) -> Result<(), Status> {
        let lane = &mut *self.lane_mut();
        let mut reads = WaitingReads::new(&lane.offered, 0);
        let mut unread = 0;
        lane.entries.retain(|entry| {
            unread += entry.remaining() as u64;
            reads.feed(entry.remaining() as u32);
            let is_within_quota = unread.saturating_sub(reads.eaten()) <= u64::from(quota_bytes);
            entry.is_placed() && (entry.standing == Standing::Complete || is_within_quota)
        });
        let kept: usize = lane.entries.iter().map(Entry::remaining).sum();
        lane.queued = lane.taken.wrapping_add(kept as u64);
        Ok(())
    }
}

/// Two ends joined in memory.
#[derive(Debug)]
pub struct MemoryPair {
    /// By the side that writes.
    lanes: [Rc<RefCell<Lane>>; 2],
}

impl MemoryPair {
    /// Tells the other side of `side` how `side` stands; a disconnection is for good (semantics 182).
    fn stand(&mut self, side: Side, standing: PeerState) {
        let mut written = self.lanes[side as usize].borrow_mut();
        if written.writer != PeerState::Disconnected {
            written.writer = standing;
        }
        let mut read = self.lanes[side.other() as usize].borrow_mut();
        if read.reader != PeerState::Disconnected {
            read.reader = standing;
        }
    }
}

impl Pair for MemoryPair {
    type Outlet = MemoryOutlet;
    type Inlet = MemoryInlet;

    const LEAST_LANE_BYTES: u32 = HEADER_BYTES as u32 + 1;

    fn new(setup: &Setup) -> Self {
        let lane = || Rc::new(RefCell::new(Lane::new(setup.lane_bytes as usize)));
        MemoryPair {
            lanes: [lane(), lane()],
        }
    }

    fn halves(&mut self, side: Side) -> (MemoryOutlet, MemoryInlet) {
        let [written, read] = [side, side.other()].map(|writer| Rc::clone(&self.lanes[writer as usize]));
        let known_room = written.borrow().capacity;
        (
            MemoryOutlet {
                lane: written,
                known_room,
            },
            MemoryInlet(read),
        )
    }

    fn close(&mut self, side: Side) {
        self.stand(side, PeerState::Closed);
    }

    fn disconnect(&mut self, side: Side) {
        self.stand(side, PeerState::Disconnected);
    }
}
