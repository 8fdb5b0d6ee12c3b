//! The writing half of an end: quota, writes that wait, flush.
//!
//! A write is complete once the unread bytes up to and including its own last one are within the quota (semantics 119-123).
//! What is unread is the difference of two counts, bytes queued here and bytes taken there, so a stopped or dead reader
//! needs no help, and neither does a stopped writer: both ends compute the same.
//!
//! Counts are live bytes modulo 2^64: retracting a write takes its bytes back from everything queued behind it.

mod at_once;
mod flush;
mod handing;

use std::collections::VecDeque;
use std::task::Poll;

use serde::{Deserialize, Serialize};

use self::flush::FlushCall;
use crate::wire::{Frame, Outlet, PeerState, Standing};
use crate::{CallId, HolderId, PipeType, Progress, Status, WaitMode};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WriteCall<T> {
    id: CallId,
    /// The process that made it.
    holder: HolderId,
    length: u32,
    /// Bytes of it that are on the lane.
    placed: u32,
    /// Live bytes queued up to and including its last one.
    end: u64,
    /// Decided when its first part is placed.
    standing: Standing,
    /// A request, complete as soon as the lane has room for all of it (semantics 153).
    any_quota: bool,
    ticket: T,
    /// The result, of a call that was ended by another than its owner.
    ended: Option<Result<usize, Status>>,
    /// Empty messages that follow it and are not on the lane yet.
    empties_behind: u32,
}

impl<T: Default> WriteCall<T> {
    fn ended((id, holder): (CallId, HolderId), end: u64, ended: Option<Result<usize, Status>>) -> Self {
        WriteCall {
            id,
            holder,
            length: 0,
            placed: 0,
            end,
            standing: Standing::Complete,
            any_quota: false,
            ticket: T::default(),
            ended,
            empties_behind: 0,
        }
    }

    /// Live bytes queued before its first one.
    fn start(&self) -> u64 {
        self.end.wrapping_sub(u64::from(self.length))
    }

    fn is_placed(&self) -> bool {
        self.placed == self.length && self.empties_behind == 0
    }
}

/// The writing half of an end.
#[derive(Debug)]
pub struct Writer<O: Outlet> {
    lane: Option<O>,
    pipe_type: PipeType,
    quota_bytes: u32,
    holder: HolderId,
    known: WriterState<O::Ticket>,
}

/// What changes about a writing half, but for its lane: what the processes that hold an end tell each other of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WriterState<T> {
    /// Why there is no lane, when there is none.
    absent: Status,
    /// Live bytes queued since the connection began.
    queued: u64,
    /// Empty messages queued since the connection began.
    empties: u64,
    /// Messages written since the connection began, for people to look at.
    messages: u64,
    /// The reader's count when last looked at; spares the shared word on the common path.
    taken: u64,
    calls: VecDeque<WriteCall<T>>,
    /// Empty messages ahead of all calls that are not on the lane yet: only a lane of headers alone is ever so full.
    owed: u32,
    flushes: Vec<FlushCall>,
    next_call: u64,
    /// A process ended while it took something back: more may be counted as queued than there is, until all was read.
    in_doubt: bool,
}

impl<O: Outlet> Writer<O> {
    /// A half without a connection: writes fail with `absent` until [`Writer::attach`].
    pub fn new(pipe_type: PipeType, quota_bytes: u32, absent: Status) -> Self {
        Writer {
            lane: None,
            pipe_type,
            quota_bytes,
            holder: HolderId::default(),
            known: WriterState {
                absent,
                queued: 0,
                empties: 0,
                messages: 0,
                taken: 0,
                calls: VecDeque::new(),
                owed: 0,
                flushes: Vec::new(),
                next_call: 0,
                in_doubt: false,
            },
        }
    }

    /// Begins a connection.
    pub fn attach(&mut self, lane: O) {
        self.lane = Some(lane);
        (self.known.queued, self.known.empties, self.known.taken, self.known.owed) = (0, 0, 0, 0);
        self.known.messages = 0;
        self.known.in_doubt = false;
    }

    /// How many messages were written since the connection began, those that wait among them. An account, no rule rests
    /// on it.
    pub const fn messages(&self) -> u64 {
        self.known.messages
    }

    /// Ends the connection: calls that wait end with `status`, later ones fail with `absent` (semantics 175, 177).
    pub fn detach(&mut self, status: Status, absent: Status) -> Option<O> {
        self.known.absent = absent;
        self.end_all(status);
        self.lane.take()
    }

    /// Sets what calls fail with while there is no connection.
    pub fn set_absent(&mut self, absent: Status) {
        self.known.absent = absent;
    }

    /// The lane of the connection.
    pub fn lane(&self) -> Option<&O> {
        self.lane.as_ref()
    }

    /// The lane of the connection, for upkeep that changes nothing in it.
    pub fn lane_mut(&mut self) -> Option<&mut O> {
        self.lane.as_mut()
    }

    /// Whether no write waits.
    pub fn is_idle(&self) -> bool {
        self.known.calls.iter().all(|call| call.ended.is_some())
    }

    /// The free part of the quota (semantics 210).
    pub fn quota_available(&self) -> u32 {
        let unread = self
            .lane
            .as_ref()
            .map_or(0, |lane| outstanding(self.known.queued, lane.taken()));
        u64::from(self.quota_bytes).saturating_sub(unread) as u32
    }

    /// The peer's standing.
    ///
    /// # Errors
    /// What writes fail with when there is no connection.
    pub fn peer(&self) -> Result<PeerState, Status> {
        self.lane.as_ref().map(Outlet::peer).ok_or(self.known.absent)
    }

    /// The lane while the peer may read.
    fn open_lane(&mut self) -> Result<&mut O, Status> {
        let lane = self.lane.as_mut().ok_or(self.known.absent)?;
        match lane.peer() {
            PeerState::Open => Ok(lane),
            PeerState::Closed => Err(Status::PipeClosing),
            PeerState::Disconnected => Err(Status::PipeDisconnected),
        }
    }

    /// Writes now or queues a call for it. A write that waits is visible to the reader all the same (semantics 121).
    ///
    /// With PIPE_NOWAIT, a write that would wait writes nothing, or on a byte pipe what waiting reads take, and
    /// succeeds with that count (semantics 134-136).
    ///
    /// # Errors
    /// [`Status::PipeListening`], [`Status::PipeDisconnected`] without a connection, [`Status::PipeClosing`] once the
    /// peer is gone, for empty writes too (semantics 185), [`Status::InvalidParameter`] above `u32::MAX` bytes.
    #[inline]
    pub fn write(&mut self, data: &[u8], wait: WaitMode) -> Result<Progress<usize>, Status> {
        let length = u32::try_from(data.len()).map_err(|_| Status::InvalidParameter)?;
        self.open_lane()?;
        if length == 0 {
            self.write_empty();
            return Ok(Progress::Done(0));
        }
        if self.is_idle() && self.fits(length) && self.has_room(length) {
            return Ok(self.submit(length, Standing::Complete, data));
        }
        match wait {
            WaitMode::Wait => Ok(self.submit(length, Standing::Pending, data)),
            WaitMode::NoWait => Ok(Progress::Done(self.write_at_once(length, data))),
        }
    }

    /// Queues a request as one message, whatever the quota (semantics 153, 155).
    ///
    /// The request stays in the pipe whatever becomes of the transaction (semantics 158). Only while the lane is too full
    /// for all of it the call waits and has to be polled; one that is larger than the lane waits for quota like a write.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn request(&mut self, data: &[u8]) -> Result<Progress<usize>, Status> {
        let length = u32::try_from(data.len()).map_err(|_| Status::InvalidParameter)?;
        self.open_lane()?;
        if length == 0 {
            self.write_empty();
            return Ok(Progress::Done(0));
        }
        let Some(lane) = &mut self.lane else {
            return Ok(Progress::Done(0));
        };
        self.known.queued = self.known.queued.wrapping_add(u64::from(length));
        self.known.messages = self.known.messages.wrapping_add(1);
        lane.publish_queued(self.known.queued);
        let (id, index) = (self.next_id(), self.known.calls.len());
        self.known.calls.push_back(WriteCall {
            length,
            standing: Standing::Pending,
            any_quota: true,
            ..WriteCall::ended((id, self.holder), self.known.queued, None)
        });
        self.advance(index, data);
        if self.is_decided(index) {
            self.remove(index);
            return Ok(Progress::Done(data.len()));
        }
        Ok(Progress::Pending(id))
    }

    /// Whether a frame of `length` bytes may be placed whole now, after everything before it.
    #[inline]
    fn has_room(&mut self, length: u32) -> bool {
        self.place_empties() && self.lane.as_mut().is_some_and(|lane| lane_has_room(lane, length))
    }

    #[inline]
    fn fits(&mut self, length: u32) -> bool {
        if self.known.in_doubt {
            self.settle_doubt();
        }
        let limit = u64::from(self.quota_bytes);
        if outstanding(self.known.queued, self.known.taken) + u64::from(length) <= limit {
            return true;
        }
        let Some(lane) = &self.lane else { return false };
        self.known.taken = lane.taken();
        outstanding(self.known.queued, self.known.taken) + u64::from(length) <= limit
    }

    /// Empty messages never wait, even behind writes that do (semantics 125); byte pipes know none (semantics 93).
    fn write_empty(&mut self) {
        if self.pipe_type == PipeType::Byte {
            return;
        }
        self.known.empties += 1;
        self.known.messages = self.known.messages.wrapping_add(1);
        match self.known.calls.back_mut() {
            Some(last) => last.empties_behind += 1,
            None => self.known.owed += 1,
        }
        self.place_empties();
    }

    /// Places the empty messages whose turn it is; `false` while the lane has no room for all of them.
    ///
    /// Their writes have long returned. Other calls on this half do this by the way; an owner without any calls it once
    /// more when the reader has taken something.
    #[inline]
    pub fn place_empties(&mut self) -> bool {
        (self.known.owed == 0 && self.known.calls.is_empty()) || self.place_owed()
    }

    fn place_owed(&mut self) -> bool {
        let Some(lane) = &mut self.lane else { return false };
        if !put_empties(lane, &mut self.known.owed) {
            return false;
        }
        for call in &mut self.known.calls {
            if call.placed < call.length || !put_empties(lane, &mut call.empties_behind) {
                return false;
            }
        }
        true
    }

    fn submit(&mut self, length: u32, standing: Standing, data: &[u8]) -> Progress<usize> {
        let turn = self.place_empties();
        let Some(lane) = &mut self.lane else {
            return Progress::Done(0);
        };
        self.known.queued = self.known.queued.wrapping_add(u64::from(length));
        self.known.messages = self.known.messages.wrapping_add(1);
        lane.count_queued(self.known.queued);
        let mut ticket = O::Ticket::default();
        let mut placed = 0;
        if turn {
            placed = place(lane, &mut ticket, Frame { length, standing }, 0, data);
        }
        if placed == 0 {
            // No part tells of it (semantics 142).
            lane.publish_queued(self.known.queued);
        }
        if placed == length && (standing == Standing::Complete || self.is_within_quota(self.known.queued)) {
            return Progress::Done(data.len());
        }
        let id = self.next_id();
        let end = self.known.queued;
        self.known.calls.push_back(WriteCall {
            length,
            placed,
            standing,
            ticket,
            ..WriteCall::ended((id, self.holder), end, None)
        });
        Progress::Pending(id)
    }

    fn next_id(&mut self) -> CallId {
        self.known.next_call = self.known.next_call.wrapping_add(1);
        CallId(self.known.next_call)
    }

    /// Whether a write that ends at `end` is complete, counting what waiting reads are about to take (semantics 119).
    fn is_within_quota(&mut self, end: u64) -> bool {
        let Some(lane) = &self.lane else { return false };
        self.known.taken = lane.taken();
        let limit = u64::from(self.quota_bytes);
        let unread = outstanding(end, self.known.taken);
        unread <= limit || {
            let eaten = lane.waiting_reads().eaten();
            // Only as fresh as its view: the reader may have taken those bytes in between and counted them.
            lane.taken() == self.known.taken && unread.saturating_sub(eaten) <= limit
        }
    }

    /// Asks for the result of a waiting write, with the data that it was made with.
    ///
    /// An `Err` ends the call as a value does.
    pub fn poll(&mut self, id: CallId, data: &[u8]) -> Poll<Result<usize, Status>> {
        // Made with this data, by this process.
        let is_it =
            |call: &WriteCall<O::Ticket>| call.id == id && (call.ended.is_some() || call.length as usize == data.len());
        let Some(index) = self.known.calls.iter().position(is_it) else {
            return Poll::Ready(Err(Status::InvalidParameter));
        };
        if let Some(result) = self.known.calls[index].ended {
            self.known.calls.remove(index);
            return Poll::Ready(result);
        }
        // The peer's standing first: what it read before it left still completes the write.
        let standing = self.open_lane().map(drop);
        if standing.is_ok() {
            self.advance(index, data);
        }
        if self.is_decided(index) {
            let length = self.known.calls[index].length as usize;
            self.remove(index);
            return Poll::Ready(Ok(length));
        }
        match standing {
            Ok(()) => Poll::Pending,
            Err(status) => {
                self.known.calls.remove(index);
                // semantics 186: a call that waits when the reader goes says "broken", one made later "closing".
                let status = if status == Status::PipeClosing {
                    Status::PipeBroken
                } else {
                    status
                };
                Poll::Ready(Err(status))
            }
        }
    }

    /// Places more of a write whose turn it is.
    fn advance(&mut self, index: usize, data: &[u8]) {
        self.place_empties();
        if self.known.owed > 0 || !self.known.calls.iter().take(index).all(WriteCall::is_placed) {
            return;
        }
        let (call, Some(lane)) = (&mut self.known.calls[index], &mut self.lane) else {
            return;
        };
        if call.any_quota && call.placed == 0 {
            if lane_has_room(lane, call.length) {
                call.standing = Standing::Complete;
            } else if outstanding(call.start(), lane.taken()) > 0 {
                return;
            }
        }
        let frame = Frame {
            length: call.length,
            standing: call.standing,
        };
        call.placed += place(lane, &mut call.ticket, frame, call.placed, data);
        self.place_empties();
    }

    /// Whether a write is complete whatever the reader does from here on.
    fn is_decided(&mut self, index: usize) -> bool {
        let call = &self.known.calls[index];
        let (end, complete) = (call.end, call.standing == Standing::Complete);
        call.placed == call.length && (complete || self.is_within_quota(end))
    }

    /// Forgets a call; the empty messages behind it go on waiting for room.
    fn remove(&mut self, index: usize) -> Option<WriteCall<O::Ticket>> {
        let call = self.known.calls.remove(index)?;
        match index.checked_sub(1).and_then(|before| self.known.calls.get_mut(before)) {
            Some(before) => before.empties_behind += call.empties_behind,
            None => self.known.owed += call.empties_behind,
        }
        Some(call)
    }

    /// Ends a waiting write: with its count if it is complete by now, else its data goes and later ones move up
    /// (semantics 127).
    ///
    /// # Errors
    /// `status` once its data is gone.
    pub fn cancel(&mut self, id: CallId, status: Status) -> Result<usize, Status> {
        let index = self.known.calls.iter().position(|call| call.id == id).ok_or(status)?;
        if let Some(result) = self.known.calls[index].ended {
            self.known.calls.remove(index);
            return result;
        }
        let decided = self.is_decided(index);
        let Some(call) = self.remove(index) else {
            return Err(status);
        };
        let length = call.length as usize;
        if decided || !self.retract(call, index) {
            Ok(length)
        } else {
            Err(status)
        }
    }

    /// Takes back what is left of a write; `false` when all of it was taken before.
    fn retract(&mut self, mut call: WriteCall<O::Ticket>, index: usize) -> bool {
        let Some(lane) = &mut self.lane else { return true };
        let unplaced = call.length - call.placed;
        let removed = match call.placed {
            0 => Some(0),
            placed => lane.retract(&mut call.ticket, placed, call.length),
        };
        let Some(removed) = removed else { return false };
        let removed = u64::from(removed) + u64::from(unplaced);
        self.known.queued = self.known.queued.wrapping_sub(removed);
        if removed == u64::from(call.length) {
            self.known.messages = self.known.messages.wrapping_sub(1);
        }
        lane.publish_queued(self.known.queued);
        for later in self.known.calls.iter_mut().skip(index) {
            later.end = later.end.wrapping_sub(removed);
        }
        for flush in self
            .known
            .flushes
            .iter_mut()
            .filter(|flush| flush.bytes.wrapping_sub(call.end) as i64 >= 0)
        {
            flush.bytes = flush.bytes.wrapping_sub(removed);
        }
        self.place_empties();
        true
    }

    /// Cancels every waiting write and flush and returns how many there were; their owners collect the results.
    pub fn end_all(&mut self, status: Status) -> usize {
        self.end_calls(status, |_, _| true)
    }

    /// The same for the calls that this process made (semantics 228).
    pub fn end_own(&mut self, status: Status) -> usize {
        self.end_calls_of(self.holder, status)
    }

    /// The same for one write or flush; whether it waited (semantics 232).
    pub fn end_call(&mut self, id: CallId, status: Status) -> bool {
        self.end_calls(status, |call, _| call == id) > 0
    }

    fn end_calls_of(&mut self, holder: HolderId, status: Status) -> usize {
        self.end_calls(status, |_, of| of == holder)
    }

    fn end_calls(&mut self, status: Status, which: impl Fn(CallId, HolderId) -> bool) -> usize {
        let mut count = 0;
        // The youngest first, so that no retraction moves one that is still to be ended.
        for index in (0..self.known.calls.len()).rev() {
            let call = &self.known.calls[index];
            if call.ended.is_some() || !which(call.id, call.holder) {
                continue;
            }
            let who = (call.id, call.holder);
            let result = self.cancel(who.0, status);
            count += usize::from(result.is_err());
            let ended = WriteCall::ended(who, self.known.queued, Some(result));
            self.known.calls.insert(index, ended);
        }
        let waiting = |flush: &&mut FlushCall| flush.ended.is_none() && which(flush.id, flush.holder);
        for flush in self.known.flushes.iter_mut().filter(waiting) {
            flush.ended = Some(status);
            count += 1;
        }
        count
    }
}

/// What lies between two counts; a reader that claims more than there was is believed to have read all.
fn outstanding(queued: u64, taken: u64) -> u64 {
    let difference = queued.wrapping_sub(taken);
    if difference as i64 >= 0 { difference } else { 0 }
}

/// Places as much of `data` as the lane has room for and returns how many bytes went.
#[inline]
fn place<O: Outlet>(lane: &mut O, ticket: &mut O::Ticket, frame: Frame, offset: u32, data: &[u8]) -> u32 {
    let mut placed = offset;
    while placed < frame.length {
        match lane.put(ticket, frame, placed, &data[placed as usize..]) {
            0 => break,
            bytes => placed += bytes as u32,
        }
    }
    placed - offset
}

#[inline]
fn lane_has_room<O: Outlet>(lane: &mut O, length: u32) -> bool {
    lane.has_room(length) || {
        lane.refresh();
        lane.has_room(length)
    }
}

fn put_empties<O: Outlet>(lane: &mut O, count: &mut u32) -> bool {
    while *count > 0 && lane.put_empty() {
        *count -= 1;
    }
    *count == 0
}
