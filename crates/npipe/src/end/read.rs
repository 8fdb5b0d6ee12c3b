//! Reading, peeking and transactions on an end.

use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use npipe_core::wire::PeerState;
use npipe_core::{CallId, EndRole, Peeked, PipeType, Progress, ReadMode, ReadOutcome, Reader, Status};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::Half;
use npipe_shm::ring::RingInlet;

use super::End;
use super::blocked::Waiting;
use super::link::{Glance, Link, Wish};
use super::turn::{Entered, unless_late};
use super::wait::{Look, wait_for};

/// A transaction that has begun.
pub(super) struct Transaction {
    pub(super) link: Arc<Link>,
    /// The call of the request, while some of it found no room.
    pub(super) request: Option<CallId>,
    /// The call of the reply.
    pub(super) reply: CallId,
    seen: Glance,
}

impl End {
    /// Reads, waiting for data if the end waits (semantics 91-95, 99-112, 131-133).
    #[inline]
    pub(crate) fn read(&self, into: &mut [u8]) -> Result<ReadOutcome, Status> {
        self.require_own()?;
        self.shape.access.require_read()?;
        let mut reading = self.reading()?;
        let result = reading.read(into);
        reading.commit();
        let Some(lane) = reading.lane() else {
            return result.and(Err(Status::PipeDisconnected));
        };
        if let Ok(Progress::Done(outcome)) = result {
            lane.memory().ring(Cause::ROOM);
            return Ok(outcome);
        }
        let link = lane.memory();
        let seen = link.glance_from(Wish::Data, lane.seen_tail());
        if let Ok(Progress::Pending(id)) = result
            && reading.object().is_none()
            && link.spin_held(seen)
            && let Poll::Ready(outcome) = reading.poll(id, into)
        {
            return self.end_prompt_read(reading, outcome);
        }
        let Some(link) = reading.lane().map(|lane| lane.memory().clone()) else {
            return result.and(Err(Status::PipeDisconnected));
        };
        drop(reading);
        match self.judge(&link, result)? {
            Progress::Done(outcome) => Ok(outcome),
            Progress::Pending(id) => self.await_read(&link, id, into, seen),
        }
    }

    /// A read that a prompt peer has fed while its lock was held: the common case of two ends that talk.
    #[inline]
    fn end_prompt_read(
        &self,
        reading: Entered<'_, Reader<RingInlet<Link>>>,
        outcome: Result<ReadOutcome, Status>,
    ) -> Result<ReadOutcome, Status> {
        let Some(lane) = reading.lane() else { return outcome };
        let link = lane.memory();
        link.ring(Cause::ROOM);
        if !reading.is_idle() {
            let link = link.clone();
            drop(reading);
            link.wake_own();
            self.pump();
            return self.judge(&link, outcome);
        }
        self.judge(link, outcome)
    }

    fn await_read(&self, link: &Arc<Link>, id: CallId, into: &mut [u8], seen: Glance) -> Result<ReadOutcome, Status> {
        let deadline = End::deadline(&self.read_timeout_ns);
        // A part of a large message that was taken already makes room.
        link.ring(Cause::ROOM);
        let outcome = self.blocked(Waiting::Read(id), |_| {
            let poll = |look| self.poll_read(link, id, into, look);
            wait_for(link, Wish::Data, seen, deadline, poll, self.upkeep())
        });
        let result = outcome.unwrap_or_else(|| self.give_up_read(link, id, into));
        self.judge(link, result)
    }

    fn poll_read(&self, link: &Link, id: CallId, into: &mut [u8], look: Look) -> Poll<Result<ReadOutcome, Status>> {
        let tail = link.progress()[0];
        if look == Look::BeforeSleep
            && let Ok(mut writing) = self.writing()
        {
            // Empty messages that found no room wait for nobody, so somebody has to think of them.
            writing.place_empties();
        }
        let mut reading = match self.reading() {
            Ok(reading) => reading,
            Err(status) => return unless_late(status),
        };
        let placed = link.progress()[0] != tail;
        let before = link.progress();
        let news = look == Look::BeforeSleep && reading.publish();
        // What is published is to be seen before this thread looks for the last time.
        reading.commit();
        let polled = reading.poll(id, into);
        let others = polled.is_ready() && !reading.is_idle();
        reading.commit();
        let news = news || placed || link.progress() != before;
        drop(reading);
        if news {
            link.ring(if placed { Cause::ANY } else { Cause::ROOM });
        }
        if others {
            link.wake_own();
            self.pump();
        }
        polled
    }

    fn give_up_read(&self, link: &Link, id: CallId, into: &mut [u8]) -> Result<ReadOutcome, Status> {
        let result = match self.reading() {
            Ok(mut reading) => reading.cancel(id, into, Status::IoTimeout),
            Err(status) => {
                link.give_up(Half::Reading, id);
                Err(status)
            }
        };
        link.ring(Cause::ANY);
        link.wake_own();
        self.pump();
        result
    }

    /// Looks at data without taking it (semantics 140-149).
    pub(crate) fn peek(&self, into: &mut [u8]) -> Result<Peeked, Status> {
        self.require_own()?;
        self.shape.access.require_read()?;
        let mut reading = self.reading()?;
        let result = reading.peek(into);
        let link = reading.lane().map(|lane| lane.memory().clone());
        drop(reading);
        match (link, result) {
            (Some(link), result) => self.judge(&link, result),
            (None, Err(_)) if self.role() == EndRole::Client => Err(Status::PipeDisconnected),
            (None, result) => result,
        }
    }

    /// How many bytes can be read, and how many written without waiting (semantics 142, 210).
    pub(crate) fn fill(&self) -> Result<(u64, u32), Status> {
        self.require_own()?;
        // Without a connection, or when its peer is gone, there is nothing more to read.
        let readable = self.reading()?.peek(&mut []).map_or(0, |seen| seen.total);
        Ok((readable, self.writing()?.quota_available()))
    }

    /// Sends a request and takes the next message as its reply (semantics 150-156, 159).
    pub(crate) fn transact(
        &self,
        request: &[u8],
        reply: &mut [u8],
        deadline: Option<Instant>,
    ) -> Result<ReadOutcome, Status> {
        self.pump();
        let Transaction {
            link,
            request: mut sending,
            reply: id,
            seen,
        } = self.begin_transact(request, reply.len())?;
        link.ring(Cause::ANY);
        let poll = |look| {
            if let Some(request_id) = sending
                && let Ok(mut writing) = self.writing()
                && writing.poll(request_id, request).is_ready()
            {
                sending = None;
            }
            self.poll_read(&link, id, reply, look)
        };
        let outcome = self.blocked(Waiting::Read(id), |_| {
            wait_for(&link, Wish::Both, seen, deadline, poll, self.upkeep())
        });
        let result = outcome.unwrap_or_else(|| self.give_up_read(&link, id, reply));
        if let Some(request_id) = sending {
            // Part of it was never placed; a request that lies in the pipe stays there (semantics 158).
            match self.writing() {
                Ok(mut writing) => drop(writing.cancel(request_id, Status::Cancelled)),
                Err(_) => link.give_up(Half::Writing, request_id),
            }
            link.ring(Cause::ANY);
        }
        self.judge(&link, result)
    }

    /// Places a request and queues the read of its reply. The caller rings the peer.
    pub(super) fn begin_transact(&self, request: &[u8], reply_bytes: usize) -> Result<Transaction, Status> {
        self.require_own()?;
        self.shape.access.require_read()?;
        self.shape.access.require_write()?;
        let mut reading = self.reading()?;
        let mut writing = self.writing()?;
        // A client that was disconnected hears of that alone (semantics 159, 173).
        match reading.peer() {
            Ok(PeerState::Open) => {}
            Ok(PeerState::Disconnected) => return Err(Status::PipeDisconnected),
            Ok(PeerState::Closed) | Err(_) => return Err(Status::InvalidPipeState),
        }
        if self.shape.pipe_type == PipeType::Byte || reading.mode() == ReadMode::Byte {
            return Err(Status::InvalidReadMode);
        }
        let Some(link) = reading.lane().map(|lane| lane.memory().clone()) else {
            return Err(Status::InvalidPipeState);
        };
        // What there is while reads wait is theirs; the reply is for whoever has waited for less time than they (semantics 151).
        if self.judge(&link, reading.has_data())? && reading.is_idle() {
            return Err(Status::PipeBusy);
        }
        let request = writing.request(request).map_err(|status| match status {
            // The peer has closed since the look at it above (semantics 159).
            Status::PipeClosing => Status::InvalidPipeState,
            other => other,
        })?;
        let request = match request {
            Progress::Done(_) => None,
            Progress::Pending(id) => Some(id),
        };
        let reply = reading.expect(reply_bytes);
        let seen = link.glance_from(Wish::Both, reading.lane().map_or(0, RingInlet::seen_tail));
        Ok(Transaction {
            link,
            request,
            reply,
            seen,
        })
    }

    /// The time by which a transaction on this end has to be answered.
    pub(crate) fn read_deadline(&self) -> Option<Instant> {
        End::deadline(&self.read_timeout_ns)
    }
}
