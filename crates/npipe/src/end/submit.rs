//! Starting operations, and cancelling them.
//!
//! A call that can be finished at once is, and its completion is returned (semantics 211); otherwise it stays with the end
//! and is completed by whoever looks after it. What is refused at once gives the buffer back (semantics 213, 240, 246).

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};

use npipe_core::{CallId, Progress, ReadOutcome, Status};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::Half;
use npipe_shm::ring::{RingInlet, RingOutlet};

use super::calls::{Entry, Queue, written};
use super::link::Link;
use super::{End, Handle};
use crate::overlapped::{Buffer, Completion, IntoOrder, Issuer, OperationId, Refused, Started, Work};

impl Entry {
    fn new(call: Option<CallId>, link: Option<Arc<Link>>, buffer: Buffer, order: impl IntoOrder) -> Entry {
        let id = OperationId::next();
        Entry {
            id,
            call,
            link,
            request: None,
            buffer,
            order: order.into_order(id),
        }
    }
}

fn completed(result: ReadOutcome, buffer: Buffer) -> Started {
    Started::Complete(Completion {
        id: OperationId::next(),
        result: Ok(result),
        buffer,
    })
}

impl Handle {
    /// Starts an operation.
    pub(crate) fn submit(&self, work: Work, order: impl IntoOrder) -> Result<Started, Refused> {
        match work {
            Work::Connect => self.submit_connect(order),
            Work::Read(buffer) => self.submit_read(buffer.into(), order),
            Work::Write(data) => self.submit_write(data.into(), order),
            Work::Transact { request, reply } => self.submit_transact(request.into(), reply.into(), order),
        }
    }

    /// Starts to wait for a client (semantics 62, 68, 69).
    pub(crate) fn submit_connect(&self, order: impl IntoOrder) -> Result<Started, Refused> {
        let started = match self.seat() {
            Some(seat) => seat.start_connect(self, order),
            None => self.connect_elsewhere().and(Err(Status::PipeConnected)),
        };
        started.map(Started::Pending).map_err(|status| Refused {
            status,
            buffer: Buffer::empty(),
        })
    }

    /// Starts to read (semantics 211-215, 219, 220).
    pub(crate) fn submit_read(&self, mut buffer: Buffer, order: impl IntoOrder) -> Result<Started, Refused> {
        if let Err(status) = self.require_own().and_then(|()| self.shape.access.require_read()) {
            return Err(Refused { status, buffer });
        }
        let queue = self.calls.lock();
        let mut reading = match self.reading() {
            Ok(reading) => reading,
            Err(status) => return Err(Refused { status, buffer }),
        };
        let result = reading.read(buffer.bytes_mut());
        if let Ok(Progress::Pending(_)) = result {
            // From here on a write may count on this read (semantics 119).
            reading.publish();
        }
        reading.commit();
        let Some(link) = reading.lane().map(RingInlet::memory) else {
            let status = result.err().unwrap_or(Status::PipeDisconnected);
            return Err(Refused { status, buffer });
        };
        link.ring(Cause::ROOM);
        match self.judge(link, result) {
            Ok(Progress::Done(outcome)) => Ok(completed(outcome, buffer)),
            Ok(Progress::Pending(call)) => {
                let link = link.clone();
                drop(reading);
                let entry = Entry::new(Some(call), Some(link), buffer, order);
                Ok(self.keep(queue, entry, |queue| &mut queue.reads))
            }
            Err(status) => Err(Refused { status, buffer }),
        }
    }

    /// Starts to write (semantics 211-214, 219, 220).
    pub(crate) fn submit_write(&self, buffer: Buffer, order: impl IntoOrder) -> Result<Started, Refused> {
        if let Err(status) = self.require_own().and_then(|()| self.shape.access.require_write()) {
            return Err(Refused { status, buffer });
        }
        let queue = self.calls.lock();
        let mut writing = match self.writing() {
            Ok(writing) => writing,
            Err(status) => return Err(Refused { status, buffer }),
        };
        let wait = self.wait_mode_in(&writing);
        let result = writing.write(buffer.bytes(), wait);
        writing.commit();
        let (link, progress) = match (writing.lane().map(RingOutlet::memory), result) {
            (Some(link), Ok(progress)) => (link, progress),
            (_, result) => {
                let status = result.err().unwrap_or(Status::PipeDisconnected);
                return Err(Refused { status, buffer });
            }
        };
        link.ring(Cause::DATA);
        match progress {
            Progress::Done(bytes) => Ok(completed(written(bytes), buffer)),
            Progress::Pending(call) => {
                let link = link.clone();
                drop(writing);
                let entry = Entry::new(Some(call), Some(link), buffer, order);
                Ok(self.keep(queue, entry, |queue| &mut queue.writes))
            }
        }
    }

    /// Starts a transaction; `reply` is the buffer that comes back (semantics 150-159).
    pub(crate) fn submit_transact(
        &self,
        request: Buffer,
        reply: Buffer,
        order: impl IntoOrder,
    ) -> Result<Started, Refused> {
        let mut queue = self.calls.lock();
        // What has arrived for reads that wait is theirs, and no unread data.
        self.go_on(&mut queue);
        let begun = match self.begin_transact(request.bytes(), reply.len()) {
            Ok(begun) => begun,
            Err(status) => {
                self.calls.tell_of(queue);
                return Err(Refused { status, buffer: reply });
            }
        };
        if let Ok(mut reading) = self.reading() {
            reading.publish();
        }
        begun.link.ring(Cause::ANY);
        let mut entry = Entry::new(Some(begun.reply), Some(begun.link), reply, order);
        entry.request = begun.request.map(|call| (call, request));
        Ok(self.keep(queue, entry, |queue| &mut queue.reads))
    }

    /// Keeps an operation that is pending, and sees to it that it goes on.
    fn keep<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
        entry: Entry,
        direction: impl FnOnce(&mut Queue) -> &mut VecDeque<Entry>,
    ) -> Started {
        let (id, link) = (entry.id, entry.link.clone());
        self.calls.enter(&self.0, &entry);
        direction(&mut queue).push_back(entry);
        self.delegate(&mut queue, link.as_deref(), Link::call_delegate_or_pledge);
        self.calls.tell_of(queue);
        Started::Pending(id)
    }

    /// Keeps a connect that waits; the caller has the host's lock.
    pub(crate) fn keep_connect(&self, order: impl IntoOrder) -> OperationId {
        let mut queue = self.calls.lock();
        let entry = Entry::new(None, None, Buffer::empty(), order);
        let id = entry.id;
        self.calls.enter(&self.0, &entry);
        queue.connects.push(entry);
        id
    }
}

impl End {
    /// Cancels one operation (semantics 228-231).
    ///
    /// # Errors
    /// [`Status::NotFound`]: it is not pending, any more or at all.
    pub(crate) fn cancel_operation(&self, id: OperationId) -> Result<(), Status> {
        self.require_own()?;
        match self.cancel_those(|entry| entry.id == id) {
            0 => Err(Status::NotFound),
            _ => Ok(()),
        }
    }

    /// Cancels the operations that a thread has started; says how many there were (semantics 227, 233).
    pub(crate) fn cancel_issued(&self, issuer: Issuer) -> usize {
        match self.require_own() {
            Ok(()) => self.cancel_those(|entry| entry.order.issuer == Some(issuer)),
            Err(_) => 0,
        }
    }

    fn cancel_those(&self, chosen: impl Fn(&Entry) -> bool) -> usize {
        let mut queue = self.calls.lock();
        // What is there to complete them has been there before the cancelling (semantics 231).
        self.go_on(&mut queue);
        let connects = std::mem::take(&mut queue.connects);
        let (cancelled, kept): (Vec<_>, Vec<_>) = connects.into_iter().partition(&chosen);
        queue.connects = kept;
        let mut count = cancelled.len();
        for entry in cancelled {
            queue.complete(entry, Err(Status::Cancelled));
        }
        count += self.cancel_reads(&mut queue, &chosen);
        count += self.cancel_writes(&mut queue, &chosen);
        if count > 0
            && let Some(link) = self.link()
        {
            link.ring(Cause::ANY);
            link.wake_own();
            self.go_on(&mut queue);
        }
        self.calls.tell_of(queue);
        count
    }

    fn cancel_reads(&self, queue: &mut Queue, chosen: impl Fn(&Entry) -> bool) -> usize {
        let mut count = 0;
        while let Some(index) = queue.reads.iter().position(&chosen) {
            let Some(mut entry) = queue.reads.remove(index) else {
                break;
            };
            let result = match (entry.call, self.reading()) {
                (Some(call), Ok(mut reading)) => reading.cancel(call, entry.buffer.bytes_mut(), Status::Cancelled),
                (Some(call), Err(status)) => entry.give_up(Half::Reading, call, status),
                (None, _) => Err(Status::Cancelled),
            };
            self.withdraw_request(&mut entry);
            queue.complete(entry, result);
            count += 1;
        }
        count
    }

    fn cancel_writes(&self, queue: &mut Queue, chosen: impl Fn(&Entry) -> bool) -> usize {
        let mut count = 0;
        // The latest first: what the first leaves room for would complete, and is to be cancelled itself.
        while let Some(index) = queue.writes.iter().rposition(&chosen) {
            let Some(entry) = queue.writes.remove(index) else { break };
            let result = match (entry.call, self.writing()) {
                (Some(call), Ok(mut writing)) => writing.cancel(call, Status::Cancelled),
                (Some(call), Err(status)) => entry.give_up(Half::Writing, call, status),
                (None, _) => Err(Status::Cancelled),
            };
            queue.complete(entry, result.map(written));
            count += 1;
        }
        count
    }
}
