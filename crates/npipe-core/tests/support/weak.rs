//! Random operations through lanes that are too small, with reads that are published late or never.
//!
//! When a call completes then depends on who looks when, so only this is checked: what was written is read in order, once
//! and unaltered, messages keep their bounds, a write that was reported done is read whole, one that was cancelled at
//! most, and nothing waits for ever once everything is read.

use std::task::Poll;

use npipe_core::{PipeType, ReadMode, Status, WaitMode};
use proptest::prelude::*;

use super::operations::{pipe_type, side};
use super::{Ends, Flushing, Got, Pair, Reading, Setup, Side, Writing};

/// Lengths in eighths of a lane, and some bytes.
pub type Length = (u32, u32);

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Write(Length),
    Request(Length),
    Read(Length),
    Publish,
    Poll,
    Peek(Length),
    Flush,
    SetModes(ReadMode, WaitMode),
    CancelRead(usize),
    CancelWrite(usize),
    Close,
    Die,
}

fn length() -> impl Strategy<Value = Length> {
    prop_oneof![1 => Just((0, 0)), 4 => (0..4_u32, 0..4_u32), 4 => (0..24_u32, 0..4_u32)]
}

pub fn operation() -> impl Strategy<Value = (Side, Operation)> {
    let mode = prop_oneof![Just(ReadMode::Byte), Just(ReadMode::Message)];
    let wait = prop_oneof![4 => Just(WaitMode::Wait), 1 => Just(WaitMode::NoWait)];
    let operation = prop_oneof![
        20 => length().prop_map(Operation::Write),
        2 => length().prop_map(Operation::Request),
        20 => length().prop_map(Operation::Read),
        10 => Just(Operation::Publish),
        30 => Just(Operation::Poll),
        3 => length().prop_map(Operation::Peek),
        2 => Just(Operation::Flush),
        3 => (mode, wait).prop_map(|(mode, wait)| Operation::SetModes(mode, wait)),
        5 => (0..8_usize).prop_map(Operation::CancelRead),
        5 => (0..8_usize).prop_map(Operation::CancelWrite),
        1 => prop_oneof![Just(Operation::Close), Just(Operation::Die)],
    ];
    (side(), operation)
}

/// Lanes of `LEAST_LANE_BYTES` plus up to `spare_bytes`.
pub fn setup<P: Pair>(spare_bytes: u32) -> impl Strategy<Value = Setup> {
    let quota = || prop_oneof![Just(0), 0..2 * P::LEAST_LANE_BYTES + spare_bytes];
    (pipe_type(), quota(), quota(), 0..=spare_bytes).prop_map(|(pipe_type, server, client, spare)| Setup {
        pipe_type,
        quota_bytes: [server, client],
        lane_bytes: P::LEAST_LANE_BYTES + spare,
    })
}

/// One write.
#[derive(Debug)]
struct Written {
    length: usize,
    /// The count that it reported.
    done: Option<usize>,
    read: usize,
}

/// What went into one direction, and how far it came out. Each byte names its write and its place there.
#[derive(Debug, Default)]
struct Stream {
    writes: Vec<Written>,
    current: usize,
    empties: usize,
    empties_read: usize,
    /// Empty messages may have been skipped.
    joined: bool,
}

impl Stream {
    /// As many writes as a byte can tell apart.
    const MOST_WRITES: usize = 64;

    fn data(&self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|place| (self.writes.len() << 2 | place & 3) as u8)
            .collect()
    }

    fn read(&mut self, got: &Got, mode: ReadMode) {
        for &byte in &got.data {
            let (index, place) = (usize::from(byte >> 2), usize::from(byte & 3));
            assert!(
                index >= self.current && index < self.writes.len(),
                "write {index} is read in order"
            );
            self.current = index;
            let write = &mut self.writes[index];
            assert_eq!(
                write.read & 3,
                place,
                "write {index} is read in order, once and unaltered"
            );
            write.read += 1;
            assert!(write.read <= write.length, "write {index} is read once");
        }
        match (mode, got.data.first()) {
            (ReadMode::Byte, _) => assert!(!got.more, "a stream has no ends"),
            (ReadMode::Message, None) => self.empties_read += usize::from(!got.more),
            (ReadMode::Message, Some(&first)) => {
                assert!(
                    got.data.iter().all(|byte| byte >> 2 == first >> 2),
                    "one message for each read"
                );
                let write = &self.writes[usize::from(first >> 2)];
                assert_eq!(got.more, write.read < write.length, "the end of a message is told");
            }
        }
    }

    fn check_drained(&self, writer_lives: bool) {
        for (index, write) in self.writes.iter().enumerate() {
            assert!(
                write.done.is_none_or(|done| done == write.read),
                "write {index} was lost: {self:?}"
            );
        }
        assert!(self.empties_read <= self.empties, "an empty message was read twice");
        assert!(
            self.joined || !writer_lives || self.empties_read == self.empties,
            "an empty message was lost"
        );
    }
}

/// One side: its calls that wait, and what it writes.
#[derive(Default)]
struct Half {
    reads: Vec<Reading>,
    writes: Vec<(usize, Writing)>,
    flushes: Vec<Flushing>,
    stream: Stream,
    gone: bool,
}

struct Run<P: Pair> {
    ends: Ends<P>,
    halves: [Half; 2],
    lane_bytes: u32,
}

/// Runs `operations` on two ends, then reads all that is left.
pub fn run<P: Pair>(setup: &Setup, operations: &[(Side, Operation)]) {
    let lane_bytes = setup.lane_bytes;
    let mut run = Run::<P> {
        ends: Ends::join(setup.clone()),
        halves: Default::default(),
        lane_bytes,
    };
    if setup.pipe_type == PipeType::Message {
        for side in Side::BOTH {
            run.ends
                .end(side)
                .set_modes(ReadMode::Message, WaitMode::Wait)
                .expect("a message pipe");
        }
    }
    for &(side, operation) in operations {
        if !run.halves[side as usize].gone {
            run.step(side, operation);
        }
    }
    run.drain();
}

impl<P: Pair> Run<P> {
    fn bytes(&self, length: Length) -> usize {
        (length.0 * self.lane_bytes / 8 + length.1) as usize
    }

    fn step(&mut self, side: Side, operation: Operation) {
        match operation {
            Operation::Write(length) => self.write(side, self.bytes(length), false),
            Operation::Request(length) => self.write(side, self.bytes(length), true),
            Operation::Read(length) => self.read(side, self.bytes(length)),
            Operation::Poll => self.poll(side),
            Operation::Publish => {
                self.ends.end(side).reader.publish();
                self.poll(side);
            }
            Operation::Peek(length) => {
                let size = self.bytes(length);
                let _ = self.ends.end(side).peek(size);
            }
            Operation::Flush => {
                let flushing = self.ends.end(side).flush();
                self.halves[side as usize].flushes.push(flushing);
            }
            Operation::SetModes(mode, wait) => {
                let _ = self.ends.end(side).set_modes(mode, wait);
                self.note_mode(side);
            }
            Operation::CancelRead(index) => self.cancel_read(side, index),
            Operation::CancelWrite(index) => self.cancel_write(side, index),
            Operation::Close => {
                self.ends.close(side);
                self.poll(side);
                self.halves[side as usize].gone = true;
            }
            Operation::Die => {
                self.ends.kill(side);
                self.halves[side as usize].gone = true;
            }
        }
    }

    fn write(&mut self, side: Side, length: usize, request: bool) {
        let stream = &mut self.halves[side as usize].stream;
        if stream.writes.len() == Stream::MOST_WRITES {
            return;
        }
        let data = stream.data(length);
        let end = self.ends.end(side);
        let writing = if request { end.request(&data) } else { end.write(&data) };
        if length == 0 {
            let is_message = self.ends.setup.pipe_type == PipeType::Message;
            stream.empties += usize::from(is_message && writing.known() == Poll::Ready(Ok(0)));
            return;
        }
        let index = stream.writes.len();
        stream.writes.push(Written {
            length,
            done: None,
            read: 0,
        });
        self.halves[side as usize].writes.push((index, writing));
        self.poll_writes(side);
    }

    /// Reads in byte mode may skip empty messages.
    fn note_mode(&mut self, side: Side) {
        let is_byte = self.ends.end(side).reader.mode() == ReadMode::Byte;
        self.halves[side.other() as usize].stream.joined |= is_byte;
    }

    fn read(&mut self, side: Side, size: usize) {
        let mode = self.ends.end(side).reader.mode();
        let reading = self.ends.end(side).read_unpublished(size);
        match reading.known() {
            Poll::Pending => self.halves[side as usize].reads.push(reading),
            Poll::Ready(result) => self.note_read(side, &result, mode),
        }
    }

    fn note_read(&mut self, side: Side, result: &Result<Got, Status>, mode: ReadMode) {
        if let Ok(got) = result {
            self.halves[side.other() as usize].stream.read(got, mode);
        }
    }

    fn poll(&mut self, side: Side) {
        let mode = self.ends.end(side).reader.mode();
        let (end, half) = (self.ends.end(side), &mut self.halves[side as usize]);
        let mut ended = Vec::new();
        half.reads.retain_mut(|reading| match end.poll_read(reading) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                ended.push(result);
                false
            }
        });
        end.writer.place_empties();
        half.flushes
            .retain_mut(|flushing| end.poll_flush(flushing).is_pending());
        for result in ended {
            self.note_read(side, &result, mode);
        }
        self.poll_writes(side);
    }

    fn poll_writes(&mut self, side: Side) {
        let (end, half) = (self.ends.end(side), &mut self.halves[side as usize]);
        half.writes
            .retain_mut(|(index, writing)| match end.poll_write(writing) {
                Poll::Pending => true,
                Poll::Ready(result) => {
                    half.stream.writes[*index].done = result.ok();
                    false
                }
            });
    }

    fn cancel_read(&mut self, side: Side, index: usize) {
        let mode = self.ends.end(side).reader.mode();
        let reads = &mut self.halves[side as usize].reads;
        if !reads.is_empty() {
            let mut reading = reads.remove(index % reads.len());
            let result = self.ends.end(side).cancel_read(&mut reading);
            self.note_read(side, &result, mode);
        }
    }

    fn cancel_write(&mut self, side: Side, index: usize) {
        let half = &mut self.halves[side as usize];
        if !half.writes.is_empty() {
            let (index, mut writing) = half.writes.remove(index % half.writes.len());
            half.stream.writes[index].done = self.ends.end(side).cancel_write(&mut writing).ok();
        }
    }

    /// Reads all that is left on both sides, which lets every write and flush end.
    fn drain(&mut self) {
        let living = Side::BOTH.map(|side| !self.halves[side as usize].gone);
        let sides = || Side::BOTH.into_iter().filter(move |&side| living[side as usize]);
        for side in sides() {
            while !self.halves[side as usize].reads.is_empty() {
                self.cancel_read(side, 0);
            }
            let mode = self.ends.end(side).reader.mode();
            self.ends
                .end(side)
                .set_modes(mode, WaitMode::NoWait)
                .expect("no read waits");
        }
        let size = self.lane_bytes as usize;
        let mut quiet = 0;
        while quiet < 2 {
            quiet += 1;
            for side in sides() {
                self.poll(side);
                let mode = self.ends.end(side).reader.mode();
                let result = self.ends.end(side).read_unpublished(size).known();
                if let Poll::Ready(result @ Ok(_)) = result {
                    self.note_read(side, &result, mode);
                    quiet = 0;
                }
            }
        }
        for side in sides() {
            let half = &self.halves[side as usize];
            assert!(
                half.writes.is_empty() && half.flushes.is_empty(),
                "all that {side:?} wrote was read"
            );
            self.halves[side.other() as usize]
                .stream
                .check_drained(living[side.other() as usize]);
        }
    }
}
