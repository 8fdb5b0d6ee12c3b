//! A segment that the peer overwrites while our end works with it.
//!
//! The peer strikes after so many accesses of ours, at any word, with any value: between any two looks of ours at the
//! segment there can be a strike. What is done is drawn by proptest's strategies, or by the fuzzer's own.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "a module of tests is no library, and the fuzzer uses a part of it"
)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use npipe_core::{PipeType, ReadMode, Status, WaitMode};
use npipe_shm::control::{Control, EndWords, Standing};
use npipe_shm::layout::{self, Layout};
use npipe_shm::memory::{HeapMemory, Memory};
use npipe_shm::ring::{RingInlet, RingOutlet};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::lanes::{scaled, stand, to_layout};
use crate::support::operations;
use crate::support::{End, Flushing, Pair, Reading, Setup, Side, Writing};

/// What the peer overwrites.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A word of a lane: a header, or payload.
    Lane(layout::Side, u64),
    Tail(layout::Side),
    Queued(layout::Side),
    Head(layout::Side),
    Taken(layout::Side),
    Empties(layout::Side),
    Stamp(layout::Side),
    Size(layout::Side, usize),
    Begun(layout::Side),
    Sleepers(layout::Side),
    Bell(layout::Side),
    Processor(layout::Side),
    Standing(layout::Side),
}

#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// How many accesses of our end to the segment go before it.
    pub delay: u64,
    pub target: Target,
    pub value: u64,
}

/// A segment that is overwritten while our end works with it.
#[derive(Debug)]
struct Treacherous {
    heap: HeapMemory,
    accesses: AtomicU64,
    strikes: Mutex<Vec<Strike>>,
    next_at: AtomicU64,
}

impl Treacherous {
    fn new(layout: Layout) -> Self {
        Treacherous {
            heap: HeapMemory::new(layout),
            accesses: AtomicU64::new(0),
            strikes: Mutex::new(Vec::new()),
            next_at: AtomicU64::new(u64::MAX),
        }
    }

    /// The peer strikes during what follows.
    fn prepare(&self, strikes: &[Strike]) {
        let mut strikes = strikes.to_vec();
        strikes.sort_by_key(|strike| std::cmp::Reverse(strike.delay));
        self.accesses.store(0, Ordering::Relaxed);
        self.next_at.store(
            strikes.last().map_or(u64::MAX, |strike| strike.delay),
            Ordering::Relaxed,
        );
        *self.strikes.lock().expect("no panic") = strikes;
    }

    /// How many accesses there were since, after the rest of the strikes.
    fn finish(&self) -> u64 {
        let accesses = self.accesses.load(Ordering::Relaxed);
        for strike in self.strikes.lock().expect("no panic").drain(..) {
            self.strike(strike);
        }
        accesses
    }

    #[inline]
    fn access(&self) {
        let count = self.accesses.fetch_add(1, Ordering::Relaxed);
        if count < self.next_at.load(Ordering::Relaxed) {
            return;
        }
        let mut strikes = self.strikes.lock().expect("no panic");
        while let Some(strike) = strikes.pop_if(|strike| strike.delay <= count) {
            self.strike(strike);
        }
        self.next_at.store(
            strikes.last().map_or(u64::MAX, |strike| strike.delay),
            Ordering::Relaxed,
        );
    }

    fn strike(&self, Strike { target, value, .. }: Strike) {
        let end = |side| -> &EndWords { self.heap.control().end(side) };
        let long = |word: &AtomicU64| word.store(value, Ordering::Release);
        let short = |word: &AtomicU32| word.store(value as u32, Ordering::Release);
        match target {
            Target::Lane(side, at) => long(
                self.heap
                    .word(side, at % self.heap.layout().lane(side).lane_bytes / 8 * 8),
            ),
            Target::Tail(side) => long(&end(side).writer.0.tail),
            Target::Queued(side) => long(&end(side).writer.0.queued),
            Target::Head(side) => long(&end(side).reader.0.head),
            Target::Taken(side) => long(&end(side).reader.0.taken),
            Target::Empties(side) => long(&end(side).reader.0.empties),
            Target::Stamp(side) => long(&end(side).offer.0.stamp),
            Target::Size(side, index) => short(&end(side).offer.0.sizes[index]),
            Target::Begun(side) => short(&end(side).offer.0.begun),
            Target::Sleepers(side) => short(&end(side).attention.0.sleepers),
            Target::Bell(side) => short(&end(side).bell.0),
            Target::Processor(side) => short(&end(side).attention.0.processor),
            Target::Standing(side) => end(side).attention.0.set_standing(match value % 8 {
                0 => Standing::Closed,
                1 => Standing::Disconnected,
                _ => Standing::Open,
            }),
        }
    }
}

impl Memory for Treacherous {
    fn layout(&self) -> &Layout {
        self.heap.layout()
    }

    fn control(&self) -> &Control {
        self.access();
        self.heap.control()
    }

    fn map_large(&self) -> bool {
        true
    }

    fn word(&self, writer: layout::Side, offset: u64) -> &AtomicU64 {
        self.access();
        self.heap.word(writer, offset)
    }

    fn copy_in(&self, writer: layout::Side, offset: u64, from: &[u8]) {
        self.access();
        self.heap.copy_in(writer, offset, from);
        self.access();
    }

    fn copy_out(&self, writer: layout::Side, offset: u64, into: &mut [u8]) {
        self.access();
        let lane_bytes = self.layout().lane(writer).lane_bytes;
        assert!(offset + into.len() as u64 <= lane_bytes, "bytes come from the lane");
        self.heap.copy_out(writer, offset, into);
        self.access();
    }
}

struct Treachery(Arc<Treacherous>);

impl Pair for Treachery {
    type Outlet = RingOutlet<Treacherous>;
    type Inlet = RingInlet<Treacherous>;

    const LEAST_LANE_BYTES: u32 = 640;

    fn new(setup: &Setup) -> Self {
        Treachery(Arc::new(Treacherous::new(scaled(setup.lane_bytes.into(), 32))))
    }

    fn halves(&mut self, side: Side) -> (Self::Outlet, Self::Inlet) {
        let side = to_layout(side);
        (
            RingOutlet::new(self.0.clone(), side),
            RingInlet::new(self.0.clone(), side),
        )
    }

    fn close(&mut self, side: Side) {
        stand(&self.0.heap, side, Standing::Closed);
    }

    fn disconnect(&mut self, side: Side) {
        stand(&self.0.heap, side, Standing::Disconnected);
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Read(usize),
    Write(usize),
    Request(usize),
    Peek(usize),
    Poll,
    Publish,
    CancelRead(usize),
    CancelWrite(usize),
    Flush,
    SetModes(ReadMode, WaitMode),
    Trim,
    PeerLeaves,
}

fn operation() -> impl Strategy<Value = Operation> {
    let length = || prop_oneof![2 => 0..40_usize, 1 => 0..400_usize, 1 => 0..1500_usize];
    let mode = prop_oneof![Just(ReadMode::Byte), Just(ReadMode::Message)];
    let wait = prop_oneof![3 => Just(WaitMode::Wait), 1 => Just(WaitMode::NoWait)];
    prop_oneof![
        10 => length().prop_map(Operation::Read),
        10 => length().prop_map(Operation::Write),
        1 => length().prop_map(Operation::Request),
        3 => length().prop_map(Operation::Peek),
        10 => Just(Operation::Poll),
        5 => Just(Operation::Publish),
        2 => (0..8_usize).prop_map(Operation::CancelRead),
        3 => (0..8_usize).prop_map(Operation::CancelWrite),
        1 => Just(Operation::Flush),
        1 => (mode, wait).prop_map(|(mode, wait)| Operation::SetModes(mode, wait)),
        1 => Just(Operation::Trim),
        1 => Just(Operation::PeerLeaves),
    ]
}

fn layout_side() -> impl Strategy<Value = layout::Side> {
    prop_oneof![Just(layout::Side::Server), Just(layout::Side::Client)]
}

fn target() -> impl Strategy<Value = Target> {
    let control = prop_oneof![
        4 => layout_side().prop_map(Target::Tail),
        1 => layout_side().prop_map(Target::Queued),
        3 => layout_side().prop_map(Target::Head),
        2 => layout_side().prop_map(Target::Taken),
        1 => layout_side().prop_map(Target::Empties),
        2 => layout_side().prop_map(Target::Stamp),
        1 => (layout_side(), 0..16_usize).prop_map(|(side, index)| Target::Size(side, index)),
        1 => layout_side().prop_map(Target::Begun),
        1 => layout_side().prop_map(Target::Sleepers),
        1 => layout_side().prop_map(Target::Bell),
        1 => layout_side().prop_map(Target::Processor),
        1 => layout_side().prop_map(Target::Standing),
    ];
    let offset = prop_oneof![2 => 0..64_u64, 2 => 160..224_u64, 1 => 0..700_u64];
    prop_oneof![2 => (layout_side(), offset).prop_map(|(side, at)| Target::Lane(side, at)), 1 => control]
}

/// Words that mean something, nearly mean something, or lie at an edge.
fn value() -> impl Strategy<Value = u64> {
    let edge = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(1 << 63),
        Just(u64::from(u32::MAX)),
        Just(1 << 32),
        Just((1 << 63) - 1),
        0..40_u64,
    ];
    let field =
        || prop_oneof![4 => 0..64_u64, 1 => Just(u64::from(u32::MAX)), 1 => Just((1 << 12) - 1), 1 => 0..1500_u64];
    let state = (0..8_u64, 0..4_u64, field(), field())
        .prop_map(|(kind, flags, count, taken)| kind << 56 | flags << 54 | count << 12 & ((1 << 54) - 1) | taken);
    let extent = (field(), field()).prop_map(|(left, bytes)| (left << 32) | bytes);
    let position = (
        prop_oneof![0..5_u64, 0x7fff_fff0..0x8000_0010_u64, Just(0xffff_ffff)],
        0..100_u64,
    )
        .prop_map(|(lap, offset)| (lap << 32) | (offset * 8));
    prop_oneof![1 => any::<u64>(), 2 => edge, 4 => state, 3 => extent, 3 => position]
}

fn strikes() -> impl Strategy<Value = Vec<Strike>> {
    let strike = (prop_oneof![Just(0), 0..30_u64], target(), value()).prop_map(|(delay, target, value)| Strike {
        delay,
        target,
        value,
    });
    prop_oneof![2 => Just(vec![]), 3 => vec(strike, 1..4)]
}

/// An end and its calls that wait.
struct Calls {
    end: End<Treachery>,
    reads: Vec<Reading>,
    writes: Vec<Writing>,
    flushes: Vec<Flushing>,
    /// The connection was closed for what the peer did.
    closed: bool,
}

/// Longer than anything that ends takes in lanes of this size, however misleading its words.
const MOST_ACCESSES: u64 = 2_000_000;

impl Calls {
    fn new(pair: &mut Treachery, pipe_type: PipeType, side: Side, quota_bytes: [u32; 2]) -> Self {
        let mut end = End::unconnected(pipe_type, quota_bytes[side as usize], Status::PipeListening);
        end.attach(pair, side, quota_bytes[side.other() as usize]);
        Calls {
            end,
            reads: vec![],
            writes: vec![],
            flushes: vec![],
            closed: false,
        }
    }

    /// What callers may be told.
    fn judge<T>(&mut self, result: Result<T, Status>) {
        match result.map(drop) {
            Ok(()) => {}
            Err(Status::PeerMisbehaved) => self.closed = true,
            Err(
                Status::PipeBroken
                | Status::PipeClosing
                | Status::PipeDisconnected
                | Status::PipeEmpty
                | Status::PipeBusy
                | Status::InvalidParameter
                | Status::Cancelled,
            ) => {}
            Err(status) => panic!("a caller is told {status:?}"),
        }
    }

    fn run(&mut self, pair: &mut Treachery, side: Side, operation: Operation) {
        match operation {
            Operation::Read(size) => {
                let reading = self.end.read_unpublished(size);
                self.reads.push(reading);
            }
            Operation::Write(size) if self.writes.len() < 20 => self.writes.push(self.end.write(&vec![7; size])),
            Operation::Request(size) if self.writes.len() < 20 => self.writes.push(self.end.request(&vec![8; size])),
            Operation::Write(_) | Operation::Request(_) | Operation::Poll => {}
            Operation::Peek(size) => {
                let result = self.end.peek(size);
                self.judge(result);
            }
            Operation::Publish => {
                self.end.reader.publish();
            }
            Operation::CancelRead(index) if index < self.reads.len() => {
                let result = self.end.cancel_read(&mut self.reads.remove(index));
                self.judge(result);
            }
            Operation::CancelWrite(index) if index < self.writes.len() => {
                let result = self.end.cancel_write(&mut self.writes.remove(index));
                self.judge(result);
            }
            Operation::CancelRead(_) | Operation::CancelWrite(_) => {}
            Operation::Flush => self.flushes.push(self.end.flush()),
            Operation::SetModes(mode, wait) => {
                let result = self.end.set_modes(mode, wait);
                self.judge(result);
            }
            Operation::Trim => {
                if let Some(lane) = self.end.writer.lane_mut() {
                    lane.trim();
                }
            }
            Operation::PeerLeaves => pair.close(side.other()),
        }
        self.poll();
    }

    fn poll(&mut self) {
        let mut results = Vec::new();
        let mut keep = |poll: Poll<Result<(), Status>>| match poll {
            Poll::Pending => true,
            Poll::Ready(result) => {
                results.push(result);
                false
            }
        };
        let end = &mut self.end;
        self.reads
            .retain_mut(|reading| keep(end.poll_read(reading).map(|result| result.map(drop))));
        self.writes
            .retain_mut(|writing| keep(end.poll_write(writing).map(|result| result.map(drop))));
        self.flushes.retain_mut(|flushing| keep(end.poll_flush(flushing)));
        end.writer.place_empties();
        for result in results {
            self.judge(result);
        }
    }
}

/// One connection and what happens on it.
#[derive(Clone, Debug)]
pub struct Siege {
    pub is_message: bool,
    pub quota_bytes: [u16; 2],
    pub steps: Vec<(Side, Operation, Vec<Strike>)>,
}

/// Any siege.
pub fn siege() -> impl Strategy<Value = Siege> {
    let steps = vec((operations::side(), operation(), strikes()), 1..40);
    (any::<bool>(), any::<[u16; 2]>(), steps).prop_map(|(is_message, quota_bytes, steps)| Siege {
        is_message,
        quota_bytes,
        steps,
    })
}

impl Siege {
    /// Each end in turn is ours; the other is honest by itself, so that there is something to spoil.
    ///
    /// # Panics
    /// When our end panics, goes beyond its lane, takes longer than anything that ends, or tells its caller what no caller
    /// can be told.
    pub fn run(self) {
        let pipe_type = if self.is_message {
            PipeType::Message
        } else {
            PipeType::Byte
        };
        let quota_bytes = self.quota_bytes.map(|bytes| u32::from(bytes % 512));
        let lane_bytes = Treachery::LEAST_LANE_BYTES;
        let setup = Setup {
            pipe_type,
            quota_bytes,
            lane_bytes,
        };
        let mut pair = Treachery::new(&setup);
        let mut sides = Side::BOTH.map(|side| Calls::new(&mut pair, pipe_type, side, quota_bytes));
        for (side, operation, strikes) in self.steps {
            let calls = &mut sides[side as usize];
            if calls.closed {
                continue;
            }
            pair.0.prepare(&strikes);
            calls.run(&mut pair, side, operation);
            let accesses = pair.0.finish();
            assert!(accesses < MOST_ACCESSES, "{operation:?} took {accesses} accesses");
        }
    }
}
