//! Random operations on two ends, compared with the oracle step by step.
//!
//! Each step is one operation of one side. Before it and after it that side looks at its own waiting calls; the other side
//! does so only if the step says that it is awake. So the results of a side must not depend on whether its peer runs,
//! which is how a write to a stopped process completes.

use std::task::Poll;

use npipe_core::{PipeType, ReadMode, Status, WaitMode};
use proptest::prelude::*;

use super::oracle::{Answer, Oracle, Outcome};
use super::{Ends, Flushing, Pair, Reading, Setup, Side, Writing};

/// What one side does. Sizes are in bytes; a chosen call is counted among those that wait.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Write(usize),
    Read(usize),
    Peek(usize),
    Flush,
    Transact { request: usize, reply: usize },
    SetModes(ReadMode, WaitMode),
    CancelRead(usize),
    CancelWrite(usize),
    CancelAll,
    Close,
    Die,
    Disconnect,
}

/// One operation of one side.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub side: Side,
    pub operation: Operation,
    /// Whether the other side looks at its waiting calls.
    pub peer_awake: bool,
}

const MOST_WAITING_READS: usize = 12;

fn read_mode() -> impl Strategy<Value = ReadMode> {
    prop_oneof![Just(ReadMode::Byte), Just(ReadMode::Message)]
}

fn wait_mode() -> impl Strategy<Value = WaitMode> {
    prop_oneof![3 => Just(WaitMode::Wait), 1 => Just(WaitMode::NoWait)]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        30 => (0..12_usize).prop_map(Operation::Write),
        30 => (0..12_usize).prop_map(Operation::Read),
        5 => (0..12_usize).prop_map(Operation::Peek),
        4 => Just(Operation::Flush),
        4 => (0..8_usize, 0..8_usize).prop_map(|(request, reply)| Operation::Transact { request, reply }),
        6 => (read_mode(), wait_mode()).prop_map(|(mode, wait)| Operation::SetModes(mode, wait)),
        5 => (0..8_usize).prop_map(Operation::CancelRead),
        5 => (0..8_usize).prop_map(Operation::CancelWrite),
        1 => Just(Operation::CancelAll),
        1 => prop_oneof![Just(Operation::Close), Just(Operation::Die), Just(Operation::Disconnect)],
    ]
}

pub fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Server), Just(Side::Client)]
}

pub fn step() -> impl Strategy<Value = Step> {
    (side(), operation(), any::<bool>()).prop_map(|(side, operation, peer_awake)| Step {
        side,
        operation,
        peer_awake,
    })
}

pub fn pipe_type() -> impl Strategy<Value = PipeType> {
    prop_oneof![Just(PipeType::Byte), Just(PipeType::Message)]
}

fn quota_bytes() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), 2..20_u32]
}

/// A connection whose lanes are never full.
pub fn setup() -> impl Strategy<Value = Setup> {
    (pipe_type(), quota_bytes(), quota_bytes()).prop_map(|(pipe_type, server, client)| Setup {
        pipe_type,
        quota_bytes: [server, client],
        lane_bytes: Setup::AMPLE_BYTES,
    })
}

/// The calls of one side that wait.
#[derive(Default)]
struct Calls {
    reads: Vec<(u64, Reading)>,
    writes: Vec<(u64, Writing)>,
    flushes: Vec<(u64, Flushing)>,
    gone: bool,
}

struct Comparison<P: Pair> {
    ends: Ends<P>,
    oracle: Oracle,
    calls: [Calls; 2],
    last_id: u64,
    next_byte: u8,
}

/// Runs `steps` on two ends and on the oracle and compares every result, then drains what is left.
pub fn compare<P: Pair>(setup: &Setup, steps: &[Step]) {
    let mut comparison = Comparison::<P> {
        ends: Ends::join(setup.clone()),
        oracle: Oracle::new(setup),
        calls: Default::default(),
        last_id: 0,
        next_byte: 0,
    };
    for &step in steps {
        comparison.step(step);
    }
    comparison.drain();
}

fn read_answer(poll: Poll<Result<super::Got, Status>>) -> Poll<Answer> {
    poll.map(|result| result.map(Outcome::Read))
}

fn write_answer(poll: Poll<Result<usize, Status>>) -> Poll<Answer> {
    poll.map(|result| result.map(Outcome::Wrote))
}

fn flush_answer(poll: Poll<Result<(), Status>>) -> Poll<Answer> {
    poll.map(|result| result.map(|()| Outcome::Flushed))
}

/// Moves the calls that `poll` finds ended to `finished`.
fn sift<C>(calls: &mut Vec<(u64, C)>, finished: &mut Vec<(u64, Answer)>, mut poll: impl FnMut(&mut C) -> Poll<Answer>) {
    calls.retain_mut(|(id, call)| match poll(call) {
        Poll::Pending => true,
        Poll::Ready(answer) => {
            finished.push((*id, answer));
            false
        }
    });
}

impl<P: Pair> Comparison<P> {
    fn data(&mut self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                self.next_byte = self.next_byte.wrapping_add(1);
                self.next_byte
            })
            .collect()
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Looks at the waiting calls of `side` and compares those that have ended.
    fn collect(&mut self, side: Side) {
        let calls = &mut self.calls[side as usize];
        if calls.gone {
            return;
        }
        let end = self.ends.end(side);
        let mut finished = Vec::new();
        sift(&mut calls.reads, &mut finished, |call| read_answer(end.poll_read(call)));
        sift(&mut calls.writes, &mut finished, |call| {
            write_answer(end.poll_write(call))
        });
        sift(&mut calls.flushes, &mut finished, |call| {
            flush_answer(end.poll_flush(call))
        });
        finished.sort_by_key(|&(id, _)| id);
        assert_eq!(
            finished,
            self.oracle.take_finished(side),
            "calls of {side:?} that have ended"
        );
    }

    fn step(&mut self, step: Step) {
        let Step { side, operation, .. } = step;
        if self.calls[side as usize].gone || !self.applies(side, operation) {
            return;
        }
        // A flush, and what takes back a write, see how far the reader has come; the rules have it come at once.
        let peer_awake = step.peer_awake
            || matches!(
                operation,
                Operation::Flush
                    | Operation::CancelWrite(_)
                    | Operation::CancelAll
                    | Operation::Close
                    | Operation::Die
                    | Operation::Disconnect
            );
        let looking: &[Side] = if peer_awake { &[side.other(), side] } else { &[side] };
        looking.iter().for_each(|&side| self.collect(side));
        self.run(side, operation);
        looking.iter().for_each(|&side| self.collect(side));
        if peer_awake {
            self.compare_views();
        }
    }

    fn applies(&mut self, side: Side, operation: Operation) -> bool {
        match operation {
            Operation::Transact { .. } => {
                self.oracle.is_connected(side)
                    && self.ends.setup.pipe_type == PipeType::Message
                    && self.calls[side as usize].reads.len() < MOST_WAITING_READS
            }
            Operation::Read(_) => self.calls[side as usize].reads.len() < MOST_WAITING_READS,
            Operation::Disconnect => side == Side::Server && self.ends.server.reader.lane().is_some(),
            _ => true,
        }
    }

    /// What both sides see without a call.
    fn compare_views(&mut self) {
        for side in Side::BOTH {
            if self.oracle.is_connected(side) && !self.calls[side as usize].gone {
                let end = self.ends.end(side);
                assert_eq!(
                    end.reader.has_data(),
                    Ok(self.oracle.has_data(side)),
                    "data for {side:?}"
                );
                assert_eq!(
                    end.writer.quota_available(),
                    self.oracle.quota_available(side),
                    "quota of {side:?}"
                );
            }
        }
    }

    fn run(&mut self, side: Side, operation: Operation) {
        match operation {
            Operation::Write(length) => self.write(side, length),
            Operation::Read(size) => self.read(side, size),
            Operation::Flush => self.flush(side),
            Operation::Transact { request, reply } => self.transact(side, request, reply),
            Operation::CancelRead(index) => self.cancel_read(side, index),
            Operation::CancelWrite(index) => self.cancel_write(side, index),
            Operation::Peek(size) => {
                assert_eq!(
                    self.ends.end(side).peek(size),
                    self.oracle.peek(side, size),
                    "peek of {side:?}"
                );
            }
            Operation::SetModes(mode, wait) => {
                let expected = self.oracle.set_modes(side, mode, wait);
                assert_eq!(self.ends.end(side).set_modes(mode, wait), expected, "modes of {side:?}");
            }
            Operation::CancelAll => {
                let end = self.ends.end(side);
                let count = end.reader.end_all(Status::Cancelled) + end.writer.end_all(Status::Cancelled);
                assert_eq!(count, self.oracle.end_all(side, Status::Cancelled), "calls of {side:?}");
            }
            Operation::Close => {
                self.ends.close(side);
                self.oracle.close(side);
                self.collect(side);
                self.calls[side as usize].gone = true;
            }
            Operation::Die => {
                self.ends.kill(side);
                self.oracle.close(side);
                self.calls[side as usize].gone = true;
            }
            Operation::Disconnect => {
                self.ends.disconnect();
                self.oracle.disconnect();
            }
        }
    }

    fn write(&mut self, side: Side, length: usize) {
        let (id, data) = (self.next_id(), self.data(length));
        let writing = self.ends.end(side).write(&data);
        let expected = self.oracle.write(side, id, &data);
        assert_eq!(write_answer(writing.known()), expected, "write of {side:?}");
        if expected.is_pending() {
            self.calls[side as usize].writes.push((id, writing));
        }
    }

    fn read(&mut self, side: Side, size: usize) {
        let id = self.next_id();
        let reading = self.ends.end(side).read(size);
        let expected = self.oracle.read(side, id, size);
        assert_eq!(read_answer(reading.known()), expected, "read of {side:?}");
        if expected.is_pending() {
            self.calls[side as usize].reads.push((id, reading));
        }
    }

    fn flush(&mut self, side: Side) {
        let id = self.next_id();
        let flushing = self.ends.end(side).flush();
        let expected = self.oracle.flush(side, id);
        assert_eq!(flush_answer(flushing.known()), expected, "flush of {side:?}");
        if expected.is_pending() {
            self.calls[side as usize].flushes.push((id, flushing));
        }
    }

    fn transact(&mut self, side: Side, request: usize, reply: usize) {
        let (id, data) = (self.next_id(), self.data(request));
        let started = self.ends.end(side).transact(&data, reply);
        let expected = self.oracle.transact(side, id, &data, reply);
        assert_eq!(
            started.as_ref().map(drop),
            expected.as_ref().map(drop),
            "transaction of {side:?}"
        );
        if let Ok((writing, reading)) = started {
            assert_eq!(writing.known(), Poll::Ready(Ok(request)), "request of {side:?}");
            assert!(reading.known().is_pending(), "reply to {side:?}");
            self.calls[side as usize].reads.push((id, reading));
        }
    }

    fn cancel_read(&mut self, side: Side, index: usize) {
        let reads = &mut self.calls[side as usize].reads;
        if reads.is_empty() {
            return;
        }
        let (id, mut reading) = reads.remove(index % reads.len());
        let result = self.ends.end(side).cancel_read(&mut reading);
        self.oracle.cancel(side, id);
        self.compare_cancelled(side, id, result.map(Outcome::Read));
    }

    fn cancel_write(&mut self, side: Side, index: usize) {
        let writes = &mut self.calls[side as usize].writes;
        if writes.is_empty() {
            return;
        }
        let (id, mut writing) = writes.remove(index % writes.len());
        let result = self.ends.end(side).cancel_write(&mut writing);
        self.oracle.cancel(side, id);
        self.compare_cancelled(side, id, result.map(Outcome::Wrote));
    }

    fn compare_cancelled(&mut self, side: Side, id: u64, answer: Answer) {
        assert_eq!(
            Some(answer),
            self.oracle.take_answer(side, id),
            "cancelled call of {side:?}"
        );
    }

    /// Reads all that is left on both sides.
    fn drain(&mut self) {
        for side in Side::BOTH {
            while !self.calls[side as usize].gone && !self.calls[side as usize].reads.is_empty() {
                self.step(Step {
                    side,
                    operation: Operation::CancelRead(0),
                    peer_awake: true,
                });
            }
        }
        for side in Side::BOTH {
            if self.calls[side as usize].gone {
                continue;
            }
            let mode = self.ends.end(side).reader.mode();
            self.run(side, Operation::SetModes(mode, WaitMode::NoWait));
            while self.oracle.has_data(side) {
                self.step(Step {
                    side,
                    operation: Operation::Read(5),
                    peer_awake: true,
                });
            }
            self.step(Step {
                side,
                operation: Operation::Read(5),
                peer_awake: true,
            });
        }
        for (side, calls) in Side::BOTH.into_iter().zip(&self.calls).filter(|(_, calls)| !calls.gone) {
            assert!(
                calls.writes.is_empty() && calls.flushes.is_empty(),
                "all that {side:?} wrote was read"
            );
        }
    }
}
