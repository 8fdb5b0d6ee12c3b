//! The whole of a connection under one owner, written straight from the rules.
//!
//! One queue for each direction holds what is unread, the reads that wait and the flushes that wait. Everything happens
//! at once: a write feeds the reads that wait, a read completes the writes it makes room for. Nothing is fast here, and
//! nothing is shared with the ends that are compared with it.

use std::collections::VecDeque;
use std::task::Poll;

use npipe_core::{PipeType, ReadMode, Status, WaitMode};

use super::{Got, Setup, Side};

/// What a call brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Read(Got),
    Wrote(usize),
    Flushed,
}

/// The end of a call.
pub type Answer = Result<Outcome, Status>;

/// One write, or what reads have left of it.
#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    data: VecDeque<u8>,
    /// The call that waits for quota, and the count that it will report.
    pending: Option<(u64, usize)>,
}

/// One direction.
#[derive(Clone, Debug)]
struct Queue {
    quota_bytes: usize,
    entries: VecDeque<Entry>,
    /// Reads that wait, and their sizes. While there are any, there are no entries (semantics 96).
    reads: VecDeque<(u64, usize)>,
    /// Flushes that wait, and the last entry that each waits for.
    flushes: Vec<(u64, u64)>,
    /// Writes that waited and were read completely.
    read_out: Vec<(u64, usize)>,
    last_number: u64,
}

impl Queue {
    fn unread(&self) -> usize {
        self.entries.iter().map(|entry| entry.data.len()).sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Connected,
    /// The peer is gone.
    PeerClosed,
    /// A client that was disconnected.
    Dead,
    /// A server that has disconnected its client.
    Unconnected,
}

#[derive(Clone, Debug)]
struct End {
    standing: Standing,
    mode: ReadMode,
    wait: WaitMode,
    /// Calls that ended after they had waited.
    finished: Vec<(u64, Answer)>,
}

/// A connection as the rules have it.
#[derive(Clone, Debug)]
pub struct Oracle {
    pipe_type: PipeType,
    /// By the side that writes.
    queues: [Queue; 2],
    ends: [End; 2],
}

impl Oracle {
    pub fn new(setup: &Setup) -> Self {
        let queue = |side: Side| Queue {
            quota_bytes: setup.quota_bytes[side as usize] as usize,
            entries: VecDeque::new(),
            reads: VecDeque::new(),
            flushes: Vec::new(),
            read_out: Vec::new(),
            last_number: 0,
        };
        let end = |_| End {
            standing: Standing::Connected,
            mode: ReadMode::Byte,
            wait: WaitMode::Wait,
            finished: Vec::new(),
        };
        Oracle {
            pipe_type: setup.pipe_type,
            queues: Side::BOTH.map(queue),
            ends: Side::BOTH.map(end),
        }
    }

    pub fn is_connected(&self, side: Side) -> bool {
        self.ends[side as usize].standing == Standing::Connected
    }

    /// Whether `side` is a client that was disconnected.
    pub fn is_disconnected(&self, side: Side) -> bool {
        self.ends[side as usize].standing == Standing::Dead
    }

    /// How much is unread of each write that `side` may read.
    pub fn unread(&self, side: Side) -> impl DoubleEndedIterator<Item = usize> {
        let entries = &self.queues[side.other() as usize].entries;
        entries.iter().map(|entry| entry.data.len())
    }

    /// Takes the calls of `side` that ended after they had waited, by their number.
    pub fn take_finished(&mut self, side: Side) -> Vec<(u64, Answer)> {
        let mut finished = std::mem::take(&mut self.ends[side as usize].finished);
        finished.sort_by_key(|&(id, _)| id);
        finished
    }

    /// Takes the answer of one call of `side` that ended after it had waited.
    pub fn take_answer(&mut self, side: Side, id: u64) -> Option<Answer> {
        let finished = &mut self.ends[side as usize].finished;
        let index = finished.iter().position(|call| call.0 == id)?;
        Some(finished.remove(index).1)
    }

    fn finish(&mut self, side: Side, id: u64, answer: Answer) {
        self.ends[side as usize].finished.push((id, answer));
    }

    fn outgoing(&mut self, side: Side) -> &mut Queue {
        &mut self.queues[side as usize]
    }

    fn incoming(&mut self, side: Side) -> &mut Queue {
        &mut self.queues[side.other() as usize]
    }

    /// semantics 98, 138, 201, 203
    pub fn set_modes(&mut self, side: Side, mode: ReadMode, wait: WaitMode) -> Result<(), Status> {
        if self.pipe_type == PipeType::Byte && mode == ReadMode::Message {
            return Err(Status::InvalidParameter);
        }
        if wait == WaitMode::NoWait && !self.incoming(side).reads.is_empty() {
            return Err(Status::PipeBusy);
        }
        let end = &mut self.ends[side as usize];
        (end.mode, end.wait) = (mode, wait);
        Ok(())
    }

    /// semantics 119-126, 134-136, 173, 175, 185
    pub fn write(&mut self, side: Side, id: u64, data: &[u8]) -> Poll<Answer> {
        match self.ends[side as usize].standing {
            Standing::Connected => {}
            Standing::PeerClosed => return Poll::Ready(Err(Status::PipeClosing)),
            Standing::Dead | Standing::Unconnected => return Poll::Ready(Err(Status::PipeDisconnected)),
        }
        let mut data = data;
        if self.ends[side as usize].wait == WaitMode::NoWait && !data.is_empty() {
            let byte = self.pipe_type == PipeType::Byte;
            let queue = self.outgoing(side);
            let asked: usize = queue.reads.iter().map(|&(_, size)| size).sum();
            let fed = asked.min(data.len());
            if queue.unread() + data.len() - fed > queue.quota_bytes {
                if !byte || fed == 0 {
                    return Poll::Ready(Ok(Outcome::Wrote(0)));
                }
                data = &data[..fed];
            }
        }
        if self.append(side, data) {
            return Poll::Ready(Ok(Outcome::Wrote(data.len())));
        }
        let queue = self.outgoing(side);
        if data.is_empty() || queue.unread() <= queue.quota_bytes {
            return Poll::Ready(Ok(Outcome::Wrote(data.len())));
        }
        queue.entries.back_mut().expect("just appended").pending = Some((id, data.len()));
        Poll::Pending
    }

    /// A transaction: the request, and the number of the read that waits for its reply (semantics 151-153).
    pub fn transact(&mut self, side: Side, reply: u64, request: &[u8], size: usize) -> Result<(), Status> {
        if !self.incoming(side).entries.is_empty() {
            return Err(Status::PipeBusy);
        }
        self.append(side, request);
        self.incoming(side).reads.push_back((reply, size));
        Ok(())
    }

    /// Feeds the reads that wait and queues the rest; whether nothing had to be queued.
    fn append(&mut self, side: Side, data: &[u8]) -> bool {
        if data.is_empty() && self.pipe_type == PipeType::Byte {
            return true; // semantics 93
        }
        let mode = self.ends[side.other() as usize].mode;
        let mut rest = data;
        while let Some((id, size)) = self.outgoing(side).reads.pop_front() {
            let (fed, left) = rest.split_at(size.min(rest.len()));
            rest = left;
            let more = mode == ReadMode::Message && !rest.is_empty();
            self.finish(
                side.other(),
                id,
                Ok(Outcome::Read(Got {
                    data: fed.to_vec(),
                    more,
                })),
            );
            if rest.is_empty() {
                return true;
            }
        }
        let queue = self.outgoing(side);
        queue.last_number += 1;
        let number = queue.last_number;
        queue.entries.push_back(Entry {
            number,
            data: rest.iter().copied().collect(),
            pending: None,
        });
        false
    }

    /// semantics 91-95, 99-112, 131-133, 183, 188
    pub fn read(&mut self, side: Side, id: u64, size: usize) -> Poll<Answer> {
        let End {
            standing, mode, wait, ..
        } = self.ends[side as usize];
        if matches!(standing, Standing::Dead | Standing::Unconnected) {
            return Poll::Ready(Err(Status::PipeDisconnected));
        }
        let queue = self.incoming(side);
        if queue.entries.is_empty() {
            return match (standing, wait) {
                (Standing::PeerClosed, _) => Poll::Ready(Err(Status::PipeBroken)),
                (_, WaitMode::NoWait) => Poll::Ready(Err(Status::PipeEmpty)),
                (_, WaitMode::Wait) => {
                    queue.reads.push_back((id, size));
                    Poll::Pending
                }
            };
        }
        let got = match mode {
            ReadMode::Message => Queue::read_message(queue, size),
            ReadMode::Byte => Queue::read_stream(queue, size),
        };
        self.make_room(side.other());
        Poll::Ready(Ok(Outcome::Read(got)))
    }

    /// Something left the queue that `side` writes: completes what waited for that (semantics 122, 163).
    fn make_room(&mut self, side: Side) {
        let queue = self.outgoing(side);
        let mut done: Vec<_> = queue
            .read_out
            .drain(..)
            .map(|(id, count)| (id, Outcome::Wrote(count)))
            .collect();
        let mut unread = 0;
        for entry in &mut queue.entries {
            unread += entry.data.len();
            if unread <= queue.quota_bytes
                && let Some((id, count)) = entry.pending.take()
            {
                done.push((id, Outcome::Wrote(count)));
            }
        }
        let first = queue.entries.front().map_or(u64::MAX, |entry| entry.number);
        done.extend(
            queue
                .flushes
                .extract_if(.., |flush| flush.1 < first)
                .map(|(id, _)| (id, Outcome::Flushed)),
        );
        for (id, outcome) in done {
            self.finish(side, id, Ok(outcome));
        }
    }

    /// Ends a call that waits (semantics 127, 169, 230).
    pub fn cancel(&mut self, side: Side, id: u64) {
        self.incoming(side).reads.retain(|read| read.0 != id);
        let queue = self.outgoing(side);
        queue.flushes.retain(|flush| flush.0 != id);
        queue
            .entries
            .retain(|entry| entry.pending.is_none_or(|(write, _)| write != id));
        self.finish(side, id, Err(Status::Cancelled));
        self.make_room(side);
    }

    /// Ends all calls of `side` that wait, and returns how many there were.
    pub fn end_all(&mut self, side: Side, status: Status) -> usize {
        let reads = std::mem::take(&mut self.incoming(side).reads);
        let queue = self.outgoing(side);
        let flushes = std::mem::take(&mut queue.flushes);
        let writes: Vec<u64> = queue
            .entries
            .iter()
            .filter_map(|entry| Some(entry.pending?.0))
            .collect();
        queue.entries.retain(|entry| entry.pending.is_none());
        let reads = reads.into_iter().map(|read| read.0);
        let ids: Vec<u64> = reads
            .chain(flushes.into_iter().map(|flush| flush.0))
            .chain(writes)
            .collect();
        for &id in &ids {
            self.finish(side, id, Err(status));
        }
        ids.len()
    }

    /// What a peek copies, all there is, and what is left of the first message (semantics 140-149).
    pub fn peek(&mut self, side: Side, size: usize) -> Result<(Vec<u8>, u64, u64), Status> {
        let standing = self.ends[side as usize].standing;
        let message = self.pipe_type == PipeType::Message;
        let queue = self.incoming(side);
        match standing {
            Standing::Unconnected => return Err(Status::InvalidPipeState),
            Standing::Dead => return Err(Status::PipeDisconnected),
            Standing::PeerClosed if queue.entries.is_empty() => return Err(Status::PipeBroken),
            Standing::Connected | Standing::PeerClosed => {}
        }
        let entries = if message { 1 } else { queue.entries.len() };
        let seen: Vec<u8> = queue
            .entries
            .iter()
            .take(entries)
            .flat_map(|entry| entry.data.iter().copied())
            .collect();
        let copied = seen.len().min(size);
        let left = if message { seen.len() - copied } else { 0 };
        Ok((seen[..copied].to_vec(), queue.unread() as u64, left as u64))
    }

    /// semantics 163-168
    pub fn flush(&mut self, side: Side, id: u64) -> Poll<Answer> {
        match self.ends[side as usize].standing {
            Standing::Dead => return Poll::Ready(Err(Status::PipeDisconnected)),
            Standing::PeerClosed | Standing::Unconnected => return Poll::Ready(Ok(Outcome::Flushed)),
            Standing::Connected => {}
        }
        let queue = self.outgoing(side);
        if queue.entries.is_empty() {
            return Poll::Ready(Ok(Outcome::Flushed));
        }
        queue.flushes.push((id, queue.last_number));
        Poll::Pending
    }

    /// Whether there is anything to read (semantics 151).
    pub fn has_data(&mut self, side: Side) -> bool {
        !self.incoming(side).entries.is_empty()
    }

    /// The free part of the quota (semantics 210).
    pub fn quota_available(&mut self, side: Side) -> u32 {
        let queue = self.outgoing(side);
        queue.quota_bytes.saturating_sub(queue.unread()) as u32
    }

    /// The end of `side` is closed (semantics 183-187, 192, 193).
    pub fn close(&mut self, side: Side) {
        self.end_all(side, Status::PipeBroken);
        let peer = side.other();
        if self.ends[peer as usize].standing != Standing::Connected {
            return;
        }
        self.ends[peer as usize].standing = Standing::PeerClosed;
        self.end_all(peer, Status::PipeBroken);
        self.outgoing(peer).entries.clear();
    }

    /// The server disconnects its client (semantics 172, 173, 175, 177).
    pub fn disconnect(&mut self) {
        for side in Side::BOTH {
            self.end_all(side, Status::PipeDisconnected);
            self.outgoing(side).entries.clear();
        }
        self.ends[Side::Server as usize].standing = Standing::Unconnected;
        self.ends[Side::Client as usize].standing = Standing::Dead;
    }
}

impl Queue {
    fn remove_front(&mut self) {
        self.read_out
            .extend(self.entries.pop_front().and_then(|entry| entry.pending));
    }

    /// At most one message (semantics 99-104, 107, 109).
    fn read_message(&mut self, size: usize) -> Got {
        let Some(entry) = self.entries.front_mut() else {
            unreachable!("there is something to read")
        };
        let count = size.min(entry.data.len());
        let data = entry.data.drain(..count).collect();
        let more = !entry.data.is_empty();
        if !more {
            self.remove_front();
        }
        Got { data, more }
    }

    /// Whatever there is; empty messages are skipped while there is room for data (semantics 91, 94, 109-112).
    fn read_stream(&mut self, size: usize) -> Got {
        let mut data = Vec::new();
        if size == 0 && self.entries.front().is_some_and(|entry| entry.data.is_empty()) {
            self.remove_front();
        }
        while data.len() < size
            && let Some(entry) = self.entries.front_mut()
        {
            let count = entry.data.len().min(size - data.len());
            data.extend(entry.data.drain(..count));
            if entry.data.is_empty() {
                self.remove_front();
            }
        }
        Got { data, more: false }
    }
}
