//! Completion ports: one queue for the completions of many ends, emptied by any number of threads.

use std::sync::Arc;
use std::time::Duration;

use npipe_core::{ReadOutcome, Status};

use super::deadline_of;
use super::mailbox::{Association, Mailbox};
use super::operation::{Completed, Waited};
use super::work::Work;
use crate::end::Handle;
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
    mailbox: Arc<Mailbox>,
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

impl Default for CompletionPort {
    fn default() -> CompletionPort {
        CompletionPort::new()
    }
}

impl CompletionPort {
    /// A port without ends.
    ///
    /// # Panics
    /// On Windows, if the system has no handle left for it.
    pub fn new() -> CompletionPort {
        CompletionPort {
            mailbox: Arc::new(Mailbox::new()),
        }
    }

    /// Associates an end with this port, for as long as the end lives. Win32 equivalent: CreateIoCompletionPort.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`]: it has a port.
    #[doc(alias = "CreateIoCompletionPort")]
    pub fn associate(&self, end: &PipeStream, key: usize) -> Result<()> {
        let associated = Association::make(&self.mailbox, &end.end, key);
        associated.explain("associate", &end.end.shape.name)
    }

    /// Queues a packet of one's own. Win32 equivalent: PostQueuedCompletionStatus.
    #[doc(alias = "PostQueuedCompletionStatus")]
    pub fn post(&self, key: usize, tag: usize, bytes: usize) {
        let result = Ok(ReadOutcome { bytes, more: false });
        let buffer = Vec::new();
        let completed = Completed { buffer, result };
        self.mailbox.post(Packet { key, tag, completed });
    }

    /// Waits for the next packet; `None`: the time has passed. `None` as a time-out waits for ever. Win32 equivalent:
    /// GetQueuedCompletionStatus.
    #[doc(alias = "GetQueuedCompletionStatus")]
    pub fn get(&self, timeout: Option<Duration>) -> Option<Packet> {
        self.mailbox.get(deadline_of(timeout))
    }

    /// The same, and ends also when completion routines of this thread have run: [`Waited::Completions`] is the error then.
    /// Win32 equivalent: GetQueuedCompletionStatusEx, alertable.
    ///
    /// # Errors
    /// [`Waited::Completions`] or [`Waited::TimedOut`], without a packet.
    #[doc(alias = "GetQueuedCompletionStatusEx")]
    pub fn get_alertable(&self, timeout: Option<Duration>) -> std::result::Result<Packet, Waited> {
        self.mailbox.get_alertable(deadline_of(timeout))
    }
}

/// Starts an operation whose packet goes to the end's port (semantics 246-250).
fn mail(end: &Handle, work: Work, tag: usize) -> Result<Option<Completed>> {
    let name = work.name();
    let Some(association) = end.calls.port.get() else {
        let why = "the end is associated with no completion port";
        let error = Error::new(Status::InvalidParameter, name).about(&end.shape.name);
        return Err(error.because(why));
    };
    association.start(end, work, tag).explain(name, &end.shape.name)
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
        mail(&self.end, Work::Read(buffer), tag)
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
        mail(&self.end, Work::Write(data.into()), tag)
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
        let request = request.into();
        mail(&self.end, Work::Transact { request, reply }, tag)
    }

    /// Whether operations that are complete at once, and without [more](ReadOutcome::more), are returned instead of queued
    /// to the end's port. Win32 equivalent: SetFileCompletionNotificationModes with FILE_SKIP_COMPLETION_PORT_ON_SUCCESS.
    #[doc(alias = "SetFileCompletionNotificationModes")]
    #[doc(alias = "FILE_SKIP_COMPLETION_PORT_ON_SUCCESS")]
    pub fn skip_port_on_success(&self, skip: bool) {
        self.end.skip_port_on_success(skip);
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
        mail(&self.end, Work::Connect, tag).map(drop)
    }
}
