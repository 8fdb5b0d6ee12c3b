//! The reading half of an end: its calls that wait, its read mode, peek.
//!
//! Calls wait in one queue and are served first come, first served (semantics 219). A call is served by whoever asks for
//! it with its buffer, so the core holds no memory of its callers; only the oldest one can make progress. Until a waiting
//! call is *published* to the writer it may take whatever is there when it next looks, as if it had come that moment; once
//! published, it is fed by one write only (see [`crate::feed`]).
//!
//! A call takes its frame part by part while the writer still places it. When the writer retracts or dies in the middle,
//! the parts taken so far are void and the call starts again with the next frame.

mod at_once;
mod handing;

use std::collections::VecDeque;
use std::task::Poll;

use serde::{Deserialize, Serialize};

use crate::wire::{Front, Inlet, PeekSpan, PeerState};
use crate::{CallId, HolderId, PipeType, Progress, ReadMode, Status, WaitMode};

/// What a read brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOutcome {
    /// Bytes in the buffer.
    pub bytes: usize,
    /// The message has more, for the next read: ERROR_MORE_DATA in Win32 (semantics 100).
    pub more: bool,
}

/// What a peek saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// Bytes copied.
    pub bytes: usize,
    /// Unread bytes in all (semantics 142).
    pub total: u64,
    /// Bytes of the first message beyond the copied ones; 0 on a byte pipe (semantics 143, 144).
    pub left: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ReadCall {
    id: CallId,
    /// The process that made it.
    holder: HolderId,
    size: u32,
    published: bool,
    /// The frame it is taking, and how many bytes it has of it.
    frame: Option<u64>,
    copied: u32,
    /// Set when the call ended without data.
    ended: Option<Status>,
}

/// The reading half of an end.
#[derive(Debug)]
pub struct Reader<I> {
    lane: Option<I>,
    pipe_type: PipeType,
    /// The peer's quota: what decides which of its frames outlive it.
    quota_bytes: u32,
    holder: HolderId,
    known: ReaderState,
}

/// What changes about a reading half, but for its lane: what the processes that hold an end tell each other of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReaderState {
    /// Why there is no lane, when there is none.
    absent: Status,
    mode: ReadMode,
    wait: WaitMode,
    calls: VecDeque<ReadCall>,
    next_call: u64,
    settled: bool,
    /// Messages read since the connection began, for people to look at.
    messages: u64,
    /// Bytes of reads that were withdrawn while frames were there: their writer may have counted on them.
    withdrawn: u32,
    /// Whether anything was read since the connection began.
    has_read: bool,
}

impl<I: Inlet> Reader<I> {
    /// A half without a connection: reads fail with `absent` until [`Reader::attach`].
    pub fn new(pipe_type: PipeType, mode: ReadMode, wait: WaitMode, absent: Status) -> Self {
        Reader {
            lane: None,
            pipe_type,
            quota_bytes: 0,
            holder: HolderId::default(),
            known: ReaderState {
                absent,
                mode,
                wait,
                calls: VecDeque::new(),
                next_call: 0,
                settled: false,
                messages: 0,
                withdrawn: 0,
                has_read: false,
            },
        }
    }

    /// Begins a connection whose writer has `quota_bytes`.
    pub fn attach(&mut self, lane: I, quota_bytes: u32) {
        self.lane = Some(lane);
        self.quota_bytes = quota_bytes;
        self.known.settled = false;
        self.known.messages = 0;
        self.known.withdrawn = 0;
        self.known.has_read = false;
    }

    /// How many messages were read to their end since the connection began; `None` for one that reads a stream. An
    /// account, no rule rests on it.
    pub fn messages(&self) -> Option<u64> {
        (self.known.mode == ReadMode::Message).then_some(self.known.messages)
    }

    /// Ends the connection: calls that wait end with `status`, later ones fail with `absent` (semantics 175, 177).
    pub fn detach(&mut self, status: Status, absent: Status) -> Option<I> {
        self.known.absent = absent;
        self.end_all(status);
        for call in &mut self.known.calls {
            // Its frames went with the lane; those of a later connection are not for it.
            call.published = false;
        }
        self.lane.take()
    }

    /// Whether anything was read since the connection began: before that a server knows nothing of its client's that it
    /// could do as the client.
    // semantics 261
    pub fn has_read(&self) -> bool {
        self.lane.is_some() && self.known.has_read
    }

    /// Sets what calls fail with while there is no connection.
    pub fn set_absent(&mut self, absent: Status) {
        self.known.absent = absent;
    }

    /// The lane of the connection.
    pub fn lane(&self) -> Option<&I> {
        self.lane.as_ref()
    }

    /// The read mode of this end (semantics 116, 197).
    pub fn mode(&self) -> ReadMode {
        self.known.mode
    }

    /// The wait mode of this end.
    pub fn wait_mode(&self) -> WaitMode {
        self.known.wait
    }

    /// Sets both modes at once (semantics 201).
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] for message-read on a byte pipe; then nothing changes (semantics 98, 203).
    /// [`Status::PipeBusy`] for PIPE_NOWAIT while calls wait (semantics 138).
    pub fn set_modes(&mut self, mode: ReadMode, wait: WaitMode) -> Result<(), Status> {
        if mode == ReadMode::Message && self.pipe_type == PipeType::Byte {
            return Err(Status::InvalidParameter);
        }
        if wait == WaitMode::NoWait && !self.is_idle() {
            return Err(Status::PipeBusy);
        }
        self.known.mode = mode;
        self.known.wait = wait;
        Ok(())
    }

    /// Whether no call waits.
    pub fn is_idle(&self) -> bool {
        self.known.calls.iter().all(|call| call.ended.is_some())
    }

    /// Reads now or queues a call for it.
    ///
    /// # Errors
    /// [`Status::PipeListening`], [`Status::PipeDisconnected`] without a connection (semantics 80, 173, 175),
    /// [`Status::PipeBroken`] once the peer is gone and its data read (semantics 183), [`Status::PipeEmpty`] instead of
    /// waiting with PIPE_NOWAIT (semantics 131), [`Status::PeerMisbehaved`].
    #[inline]
    pub fn read(&mut self, into: &mut [u8]) -> Result<Progress<ReadOutcome>, Status> {
        let mut call = ReadCall::new(self.holder, into);
        if self.known.wait == WaitMode::NoWait {
            return self.read_at_once(call, into).map(Progress::Done);
        }
        if self.is_idle()
            && let Some(outcome) = self.serve(&mut call, into)?
        {
            return Ok(Progress::Done(outcome));
        }
        Ok(Progress::Pending(self.enqueue(call)))
    }

    /// Queues a read whatever there is, the reply half of a transaction.
    pub fn expect(&mut self, size: usize) -> CallId {
        let call = ReadCall {
            size: clamp(size),
            ..ReadCall::new(self.holder, &[])
        };
        self.enqueue(call)
    }

    fn enqueue(&mut self, mut call: ReadCall) -> CallId {
        self.known.next_call = self.known.next_call.wrapping_add(1);
        call.id = CallId(self.known.next_call);
        let id = call.id;
        self.known.calls.push_back(call);
        id
    }

    /// Asks for the result of a waiting call, with the buffer that it was made with.
    ///
    /// An `Err` ends the call as a value does. A call that is not the oldest stays pending until the older ones are done.
    pub fn poll(&mut self, id: CallId, into: &mut [u8]) -> Poll<Result<ReadOutcome, Status>> {
        // Made with this buffer, by this process.
        let is_it = |call: &ReadCall| call.id == id && call.size == clamp(into.len());
        let Some(index) = self.known.calls.iter().position(is_it) else {
            return Poll::Ready(Err(Status::InvalidParameter));
        };
        if let Some(status) = self.known.calls[index].ended {
            return Poll::Ready(self.collect_ended(index, into, status));
        }
        if self.known.calls.iter().take(index).any(|call| call.ended.is_none()) {
            return Poll::Pending;
        }
        let Some(mut call) = self.known.calls.remove(index) else {
            return Poll::Pending;
        };
        let published = call.published;
        let result = match self.serve(&mut call, into) {
            Ok(None) => {
                self.known.calls.insert(index, call);
                Poll::Pending
            }
            Ok(Some(outcome)) => Poll::Ready(Ok(outcome)),
            Err(status) => Poll::Ready(Err(status)),
        };
        if published {
            self.republish();
        }
        result
    }

    /// A call that was ended takes what the writer had already counted on it to take (semantics 96).
    fn collect_ended(&mut self, index: usize, into: &mut [u8], status: Status) -> Result<ReadOutcome, Status> {
        let Some(mut call) = self.known.calls.remove(index) else {
            return Err(status);
        };
        if index == 0
            && call.published
            && let Ok(Some(outcome)) = self.serve(&mut call, into)
        {
            return Ok(outcome);
        }
        call.partial(self.known.mode).ok_or(status)
    }

    /// Ends a waiting call, with its data if there is some by now, else with `status` (semantics 127, 230).
    ///
    /// # Errors
    /// `status`, or what [`Reader::poll`] found.
    pub fn cancel(&mut self, id: CallId, into: &mut [u8], status: Status) -> Result<ReadOutcome, Status> {
        if let Poll::Ready(result) = self.poll(id, into) {
            return result;
        }
        let Some(index) = self.known.calls.iter().position(|call| call.id == id) else {
            return Err(status);
        };
        // Withdrawn first, looked at once more after: the writer may have counted on this read. A writer that stopped
        // in mid-frame leaves a part, which is handed over rather than lost.
        self.known.calls[index].ended = Some(status);
        if self.known.calls[index].published {
            self.withdraw(self.known.calls[index].wanted());
        }
        self.collect_ended(index, into, status)
    }

    /// Marks every waiting call as cancelled and returns how many there were; their owners collect the status.
    pub fn end_all(&mut self, status: Status) -> usize {
        self.end_calls(status, |_| true)
    }

    /// The same for the calls that this process made (semantics 228).
    pub fn end_own(&mut self, status: Status) -> usize {
        self.end_calls_of(self.holder, status)
    }

    /// The same for one call; whether it waited (semantics 232).
    pub fn end_call(&mut self, id: CallId, status: Status) -> bool {
        self.end_calls(status, |call| call.id == id) > 0
    }

    fn end_calls_of(&mut self, holder: HolderId, status: Status) -> usize {
        self.end_calls(status, |call| call.holder == holder)
    }

    fn end_calls(&mut self, status: Status, which: impl Fn(&ReadCall) -> bool) -> usize {
        let (mut count, mut bytes) = (0, 0_u32);
        let waiting = |call: &&mut ReadCall| call.ended.is_none() && which(call);
        for call in self.known.calls.iter_mut().filter(waiting) {
            call.ended = Some(status);
            count += 1;
            bytes = bytes.saturating_add(if call.published { call.wanted() } else { 0 });
        }
        if count > 0 {
            self.withdraw(bytes);
        }
        count
    }

    /// Publishes that reads of `bytes` have ended. If frames are there, their writer may have reported writes as done
    /// because of these reads; such writes outlive it all the same (semantics 129).
    fn withdraw(&mut self, bytes: u32) {
        self.republish();
        if let Some(lane) = &mut self.lane
            && !matches!(lane.front(), Ok(None))
        {
            self.known.withdrawn = self.known.withdrawn.saturating_add(bytes);
        }
    }

    /// Publishes the waiting calls to the writer; the caller polls once more before it sleeps.
    ///
    /// Whether any of them is new to the writer, who then may have a write that they complete.
    pub fn publish(&mut self) -> bool {
        let mut news = false;
        for call in self.known.calls.iter_mut().filter(|call| call.ended.is_none()) {
            news |= !call.published;
            call.published = true;
        }
        self.republish();
        news
    }

    fn republish(&mut self) {
        if let Some(lane) = &mut self.lane {
            let waiting = |call: &&ReadCall| call.published && call.ended.is_none();
            lane.offer(&mut self.known.calls.iter().filter(waiting).map(ReadCall::wanted));
        }
    }

    /// Looks at data without taking it (semantics 140-147).
    ///
    /// # Errors
    /// [`Status::InvalidPipeState`] on a listening or disconnected server end, [`Status::PipeDisconnected`] on a
    /// disconnected client end, [`Status::PipeBroken`] once the peer is gone and all was read (semantics 149).
    pub fn peek(&mut self, into: &mut [u8]) -> Result<Peeked, Status> {
        let peer = self.peer().map_err(|_| Status::InvalidPipeState)?;
        if peer == PeerState::Disconnected {
            return Err(Status::PipeDisconnected);
        }
        let message = self.pipe_type == PipeType::Message;
        let span = if message { PeekSpan::Message } else { PeekSpan::Stream };
        let lane = self.settled_lane(peer)?;
        let Some(front) = lane.front()? else {
            return if peer == PeerState::Open {
                Ok(Peeked::default())
            } else {
                Err(Status::PipeBroken)
            };
        };
        if !is_ready(lane, front, into.len())? {
            return Ok(Peeked::default());
        }
        let bytes = lane.peek(into, span)?;
        let left = if message {
            u64::from(front.remaining).saturating_sub(bytes as u64)
        } else {
            0
        };
        let total = lane.unread().max(u64::from(front.remaining));
        Ok(Peeked { bytes, total, left })
    }

    /// Whether there is anything to read (semantics 151).
    ///
    /// # Errors
    /// [`Status::PeerMisbehaved`].
    pub fn has_data(&mut self) -> Result<bool, Status> {
        match &mut self.lane {
            Some(lane) => Ok(lane.front()?.is_some()),
            None => Ok(false),
        }
    }

    /// The peer's standing.
    ///
    /// # Errors
    /// What reads fail with when there is no connection.
    pub fn peer(&self) -> Result<PeerState, Status> {
        self.lane.as_ref().map(Inlet::peer).ok_or(self.known.absent)
    }

    fn settled_lane(&mut self, peer: PeerState) -> Result<&mut I, Status> {
        let quota_bytes = self.quota_bytes.saturating_add(self.known.withdrawn);
        let lane = self.lane.as_mut().ok_or(self.known.absent)?;
        if peer != PeerState::Open && !self.known.settled {
            lane.settle(quota_bytes)?;
            self.known.settled = true;
        }
        Ok(lane)
    }

    /// Gives the oldest call what there is. `None`: it goes on waiting.
    fn serve(&mut self, call: &mut ReadCall, into: &mut [u8]) -> Result<Option<ReadOutcome>, Status> {
        // The peer's standing first: what it wrote before it left is found afterwards (semantics 183).
        let peer = self.peer()?;
        if peer == PeerState::Disconnected {
            return Err(Status::PipeDisconnected);
        }
        let mode = self.known.mode;
        let lane = self.settled_lane(peer)?;
        let outcome = loop {
            let Some(front) = lane.front()? else {
                self.known.withdrawn = 0;
                call.restart();
                break None;
            };
            if call.frame != Some(front.serial) {
                call.restart();
                call.frame = Some(front.serial);
            }
            if peer == PeerState::Open && lane.takes_at_once() && !is_ready(lane, front, call.wanted() as usize)? {
                break None;
            }
            match call.step(lane, front, mode, into)? {
                Step::Done(outcome) => break Some(outcome),
                Step::Wait => break None,
                Step::Again => {}
            }
        };
        // Empty messages and parts of large ones count too.
        self.known.has_read |= outcome.is_some() || call.copied > 0;
        match outcome {
            None if peer != PeerState::Open => Err(Status::PipeBroken),
            outcome => {
                if outcome.is_some_and(|outcome| !outcome.more) {
                    self.known.messages = self.known.messages.wrapping_add(1);
                }
                Ok(outcome)
            }
        }
    }
}

enum Step {
    Done(ReadOutcome),
    Wait,
    Again,
}

/// Whether a call that may not wait can have `size` bytes of the frame at once, or all there can be at once.
fn is_ready<I: Inlet>(lane: &mut I, front: Front, size: usize) -> Result<bool, Status> {
    let wanted = clamp(size).min(front.remaining);
    let ready = lane.ready()?;
    Ok(ready >= wanted || (front.streams && ready > 0))
}

fn clamp(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

impl ReadCall {
    fn new(holder: HolderId, into: &[u8]) -> Self {
        ReadCall {
            id: CallId(0),
            holder,
            size: clamp(into.len()),
            published: false,
            frame: None,
            copied: 0,
            ended: None,
        }
    }

    /// Bytes that it still has room for.
    fn wanted(&self) -> u32 {
        self.size - self.copied
    }

    fn restart(&mut self) {
        self.frame = None;
        self.copied = 0;
    }

    /// What a call that ends early has of its frame.
    fn partial(&self, mode: ReadMode) -> Option<ReadOutcome> {
        let outcome = ReadOutcome {
            bytes: self.copied as usize,
            more: mode == ReadMode::Message,
        };
        (self.copied > 0).then_some(outcome)
    }

    /// One move of the call against the frame at the front.
    fn step<I: Inlet>(&mut self, lane: &mut I, front: Front, mode: ReadMode, into: &mut [u8]) -> Result<Step, Status> {
        if front.is_empty() {
            // semantics 104, 109, 111
            lane.take_empty()?;
            return Ok(match mode {
                ReadMode::Message => Step::Done(ReadOutcome::default()),
                ReadMode::Byte => self.after_empty(lane)?,
            });
        }
        if self.size == 0 {
            // semantics 94, 95, 107, 108
            return Ok(Step::Done(ReadOutcome {
                bytes: 0,
                more: mode == ReadMode::Message,
            }));
        }
        let room = &mut into[self.copied as usize..self.size as usize];
        let taken = lane.take(room)?;
        self.copied += taken as u32;
        let outcome = ReadOutcome {
            bytes: self.copied as usize,
            more: false,
        };
        if self.copied == self.size {
            let more = mode == ReadMode::Message && taken < front.remaining as usize;
            return Ok(Step::Done(ReadOutcome { more, ..outcome }));
        }
        if taken < front.remaining as usize {
            // Still being placed, or retracted while we looked: a retracted frame has given way to another front.
            return Ok(if self.still_at(lane)? { Step::Wait } else { Step::Again });
        }
        if mode == ReadMode::Message || self.published {
            return Ok(Step::Done(outcome));
        }
        self.across(lane, into)
    }

    fn still_at<I: Inlet>(&self, lane: &mut I) -> Result<bool, Status> {
        Ok(lane.front()?.is_some_and(|front| Some(front.serial) == self.frame))
    }

    /// A read in byte mode goes on over whole frames that are there (semantics 91, 110-112).
    fn across<I: Inlet>(&mut self, lane: &mut I, into: &mut [u8]) -> Result<Step, Status> {
        while self.copied < self.size {
            let Some(front) = lane.front()? else { break };
            if front.is_empty() {
                lane.take_empty()?;
                continue;
            }
            let room = &mut into[self.copied as usize..self.size as usize];
            if !is_ready(lane, front, room.len())? {
                break;
            }
            self.copied += lane.take(room)? as u32;
        }
        Ok(Step::Done(ReadOutcome {
            bytes: self.copied as usize,
            more: false,
        }))
    }

    /// A read in byte mode has met an empty message: alone it ends the read, before data it is skipped (semantics 111).
    fn after_empty<I: Inlet>(&self, lane: &mut I) -> Result<Step, Status> {
        let alone = self.size == 0 || self.published || lane.front()?.is_none();
        Ok(if alone {
            Step::Done(ReadOutcome::default())
        } else {
            Step::Again
        })
    }
}
