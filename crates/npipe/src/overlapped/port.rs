//! Completion ports: one queue for the completions of many ends, emptied by any number of threads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use npipe_core::{ReadOutcome, Status};

use super::engine::{Completion, Order, Refused, Sink, Started};
use super::operation::{Completed, Waited};
use super::queue::Queue;
use super::thread::{self, AlertableThread};
use super::wait::wait_until;
use crate::end::End;
use crate::error::{Error, Explain, Result};
use crate::{PipeServer, PipeStream};

/// A queue of completions. Win32 equivalent: an I/O completion port.
///
/// An end is [associated](CompletionPort::associate) with it once; operations that are started by `queue_read` and its like
/// then complete into the port, each with the end's key and a tag of the operation's own. Packets come out first in, first
/// out. Clones are the same port.
///
/// Operations on a port do not end with the thread that started them.
#[doc(alias = "CreateIoCompletionPort")]
#[derive(Clone, Debug)]
pub struct CompletionPort {
    queue: Arc<Queue<Packet>>,
}

/// What comes out of a port. Win32 equivalent: OVERLAPPED_ENTRY.
#[doc(alias = "OVERLAPPED_ENTRY")]
#[derive(Debug)]
pub struct Packet {
    /// The key of the end, or of whoever has posted it.
    pub key: usize,
    /// The tag of the operation, or of whoever has posted it; Win32 has the address of the OVERLAPPED for it.
    pub tag: usize,
    /// The operation; of a posted packet, the number of bytes that was posted, and no buffer.
    pub completed: Completed,
}

/// An end's port, and its key there.
#[derive(Debug)]
pub(crate) struct Association {
    port: CompletionPort,
    key: usize,
}

/// Makes a packet of a completion.
struct Mailing {
    queue: Arc<Queue<Packet>>,
    key: usize,
    tag: usize,
}

impl Sink for Mailing {
    fn complete(&self, completion: Completion) {
        self.queue.push(Packet {
            key: self.key,
            tag: self.tag,
            completed: completion.into(),
        });
    }
}

impl Default for CompletionPort {
    fn default() -> CompletionPort {
        CompletionPort::new()
    }
}

impl CompletionPort {
    /// A port without ends.
    pub fn new() -> CompletionPort {
        CompletionPort {
            queue: Arc::new(Queue::new()),
        }
    }

    /// Associates an end with this port, for as long as the end lives. Win32 equivalent: CreateIoCompletionPort.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`]: it has a port.
    #[doc(alias = "CreateIoCompletionPort")]
    pub fn associate(&self, end: &PipeStream, key: usize) -> Result<()> {
        let association = Association {
            port: self.clone(),
            key,
        };
        let placed = end.end.calls.port.set(association);
        placed
            .map_err(|_| Status::InvalidParameter)
            .explain("associate", &end.end.shape.name)
    }

    /// Queues a packet of one's own. Win32 equivalent: PostQueuedCompletionStatus.
    #[doc(alias = "PostQueuedCompletionStatus")]
    pub fn post(&self, key: usize, tag: usize, bytes: usize) {
        let result = Ok(ReadOutcome { bytes, more: false });
        let buffer = Vec::new();
        let completed = Completed { buffer, result };
        self.queue.post(Packet { key, tag, completed });
    }

    /// Waits for the next packet; `None`: the time has passed. `None` as a time-out waits for ever. Win32 equivalent:
    /// GetQueuedCompletionStatus.
    #[doc(alias = "GetQueuedCompletionStatus")]
    pub fn get(&self, timeout: Option<Duration>) -> Option<Packet> {
        self.queue.wait(deadline_of(timeout))
    }

    /// The same, and ends also when completion routines of this thread have run: [`Waited::Completions`] is the error then.
    /// Win32 equivalent: GetQueuedCompletionStatusEx, alertable.
    ///
    /// # Errors
    /// [`Waited::Completions`] or [`Waited::TimedOut`], without a packet.
    #[doc(alias = "GetQueuedCompletionStatusEx")]
    pub fn get_alertable(&self, timeout: Option<Duration>) -> std::result::Result<Packet, Waited> {
        let thread = AlertableThread::current();
        let signals = [&*self.queue.signal, &**thread.signal()];
        let found = wait_until(&signals, deadline_of(timeout), || match self.queue.pop() {
            Some(packet) => Some(Ok(packet)),
            None => thread::has_queued_calls().then_some(Err(Waited::Completions)),
        });
        if let Some(Err(_)) = found {
            thread::run_queued_calls();
        }
        found.unwrap_or(Err(Waited::TimedOut))
    }
}

fn deadline_of(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

/// Starts an operation whose packet goes to the end's port (semantics 246-250).
fn mail(
    end: &End,
    name: &'static str,
    tag: usize,
    start: impl FnOnce(Order) -> std::result::Result<Started, Refused>,
) -> Result<Option<Completed>> {
    let Some(Association { port, key }) = end.calls.port.get() else {
        let why = "the end is associated with no completion port";
        let error = Error::new(Status::InvalidParameter, name).about(&end.shape.name);
        return Err(error.because(why));
    };
    let mailing = Arc::new(Mailing {
        queue: port.queue.clone(),
        key: *key,
        tag,
    });
    let order = Order {
        sink: mailing.clone(),
        signal: port.queue.signal.clone(),
        issuer: None,
    };
    match start(order) {
        Err(refused) => Err(refused.status).explain(name, &end.shape.name),
        Ok(Started::Pending(_)) => Ok(None),
        Ok(Started::Complete(completion)) => {
            let is_success = completion.result.is_ok_and(|outcome| !outcome.more);
            if is_success && end.calls.skips_port.load(Ordering::Relaxed) {
                return Ok(Some(completion.into()));
            }
            mailing.complete(completion);
            port.queue.signal.notify();
            Ok(None)
        }
    }
}

impl PipeStream {
    /// Starts to read; the packet goes to the end's [port](CompletionPort). Win32 equivalent: ReadFile on a handle with a
    /// completion port.
    ///
    /// `Some` only if it was complete at once and [`skip_port_on_success`](PipeStream::skip_port_on_success) is set: then
    /// there is no packet.
    ///
    /// # Errors
    /// As [`read`](PipeStream::read) for what fails at once, and then there is no packet;
    /// [`Status::InvalidParameter`] without a port.
    #[doc(alias = "ReadFile")]
    pub fn queue_read(&self, buffer: Vec<u8>, tag: usize) -> Result<Option<Completed>> {
        let submit = |order| self.end.submit_read(buffer.into(), order);
        mail(&self.end, "read", tag, submit)
    }

    /// Starts to write; the packet goes to the end's [port](CompletionPort). Win32 equivalent: WriteFile on a handle with a
    /// completion port.
    ///
    /// `Some` as for [`queue_read`](PipeStream::queue_read).
    ///
    /// # Errors
    /// As [`write`](PipeStream::write) for what fails at once, and then there is no packet;
    /// [`Status::InvalidParameter`] without a port.
    #[doc(alias = "WriteFile")]
    pub fn queue_write(&self, data: impl Into<Vec<u8>>, tag: usize) -> Result<Option<Completed>> {
        let submit = |order| self.end.submit_write(data.into().into(), order);
        mail(&self.end, "write", tag, submit)
    }

    /// Starts a transaction; the packet goes to the end's [port](CompletionPort). Win32 equivalent: TransactNamedPipe on a
    /// handle with a completion port.
    ///
    /// `Some` as for [`queue_read`](PipeStream::queue_read).
    ///
    /// # Errors
    /// As [`transact`](PipeStream::transact) for what fails at once, and then there is no packet;
    /// [`Status::InvalidParameter`] without a port.
    #[doc(alias = "TransactNamedPipe")]
    pub fn queue_transact(&self, request: impl Into<Vec<u8>>, reply: Vec<u8>, tag: usize) -> Result<Option<Completed>> {
        let submit = |order| self.end.submit_transact(request.into().into(), reply.into(), order);
        mail(&self.end, "transact", tag, submit)
    }

    /// Whether operations that are complete at once, and without [more](ReadOutcome::more), are returned instead of queued
    /// to the end's port. Win32 equivalent: SetFileCompletionNotificationModes with FILE_SKIP_COMPLETION_PORT_ON_SUCCESS.
    #[doc(alias = "SetFileCompletionNotificationModes")]
    #[doc(alias = "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS")]
    pub fn skip_port_on_success(&self, skip: bool) {
        self.end.calls.skips_port.store(skip, Ordering::Relaxed);
    }
}

impl PipeServer {
    /// Starts to wait for a client; the packet, without bytes, goes to the end's [port](CompletionPort). Win32 equivalent:
    /// ConnectNamedPipe on a handle with a completion port.
    ///
    /// # Errors
    /// As [`connect`](PipeServer::connect) for what fails at once, [`Status::PipeConnected`] for a client that is there
    /// already; then there is no packet. [`Status::InvalidParameter`] without a port.
    #[doc(alias = "ConnectNamedPipe")]
    pub fn queue_connect(&self, tag: usize) -> Result<()> {
        let submit = |order| super::engine::connect(self, order);
        mail(&self.end, "connect", tag, submit).map(drop)
    }
}
