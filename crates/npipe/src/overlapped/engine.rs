//! The engine's own interface: operations on memory of any owner, completed into anything.
//!
//! This is what other surfaces are built on, the C interface and those of asynchronous runtimes. Rust programs have
//! [`PipeStream::start_read`] and its like. It is not there on Windows, whose own calls do this.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use npipe_core::{ReadOutcome, Status};

pub use super::attend::{
    Attendant, Bell, Flush, attend, await_ring, await_vacancy, error, expect_read, is_readable, rested, spin_limit,
    try_read, try_write, vacancies,
};
pub use super::buffer::Buffer;
pub use super::inbox::{current_issuer, has_queued_calls, run_queued_calls};
pub use super::issuer::Issuer;
pub use super::outlook::Outlook;
pub use super::signal::Signal;
pub use super::wait::{MAX_SIGNALS, wait_until};
pub use crate::connect::Waiting;
pub use crate::end::blocked::{BlockedCall, current_blocked};
pub use crate::end::link::Wish;
use crate::{PipeServer, PipeStream};

/// Tells an operation from every other one of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(u64);

impl OperationId {
    pub(crate) fn next() -> OperationId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        OperationId(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// What became of an operation.
#[derive(Debug)]
pub struct Completion {
    /// Which one.
    pub id: OperationId,
    /// How many bytes it has moved, and whether the message that was read has more; none of a connect.
    pub result: Result<ReadOutcome, Status>,
    /// The memory it was started with; of a transaction, that for the reply.
    pub buffer: Buffer,
}

/// Where completions go.
pub trait Sink: Send + Sync {
    /// Takes the completion of an operation that was pending.
    ///
    /// Called once for each, in the order of completion, from whichever thread has found it, with the end's lock held: it
    /// keeps the completion and returns, calls nothing of this library, and waits for nobody who does.
    fn complete(&self, completion: Completion);

    /// Called afterwards, with no lock held, before the signal is notified. Here it may wake a task, or use the library.
    fn notify(&self) {}
}

/// How an operation is to be completed if it is not at once.
#[derive(Clone)]
pub struct Order {
    /// What gets its completion.
    pub sink: Arc<dyn Sink>,
    /// What is notified afterwards, where those sleep who wait for it.
    pub signal: Arc<Signal>,
    /// The thread that it belongs to, with whose end it is cancelled.
    pub issuer: Option<Issuer>,
}

/// An order, or what makes one of an operation that turns out to be pending.
///
/// What is complete at once needs none, and mostly operations are. It is made with the end's lock held, before anybody
/// can complete the operation: it calls nothing of this library.
pub trait IntoOrder {
    /// The order for the operation that will go by `id`.
    fn into_order(self, id: OperationId) -> Order;
}

impl IntoOrder for Order {
    fn into_order(self, _id: OperationId) -> Order {
        self
    }
}

impl<F: FnOnce(OperationId) -> Order> IntoOrder for F {
    fn into_order(self, id: OperationId) -> Order {
        self(id)
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// An operation that was not refused.
#[derive(Debug)]
pub enum Started {
    /// It is finished; the sink hears nothing of it.
    Complete(Completion),
    /// The sink gets its completion, and may have it by now.
    Pending(OperationId),
}

/// An operation that has failed at once: nothing is pending, and the sink hears nothing of it.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub status: Status,
    /// The memory it was to use; of a transaction, that for the reply.
    pub buffer: Buffer,
}

/// Starts to read. Win32 equivalent: ReadFile with an OVERLAPPED.
///
/// # Errors
/// As [`PipeStream::read`], but for those of waiting.
#[doc(alias = "ReadFile")]
pub fn read(stream: &PipeStream, into: Buffer, order: impl IntoOrder) -> Result<Started, Refused> {
    stream.end.submit_read(into, order)
}

/// Starts to write. Win32 equivalent: WriteFile with an OVERLAPPED.
///
/// # Errors
/// As [`PipeStream::write`], but for those of waiting.
#[doc(alias = "WriteFile")]
pub fn write(stream: &PipeStream, data: Buffer, order: impl IntoOrder) -> Result<Started, Refused> {
    stream.end.submit_write(data, order)
}

/// Starts a transaction. Win32 equivalent: TransactNamedPipe with an OVERLAPPED.
///
/// # Errors
/// As [`PipeStream::transact`], but for those of waiting.
#[doc(alias = "TransactNamedPipe")]
pub fn transact(
    stream: &PipeStream,
    request: Buffer,
    reply: Buffer,
    order: impl IntoOrder,
) -> Result<Started, Refused> {
    stream.end.submit_transact(request, reply, order)
}

/// Starts to wait for a client. Win32 equivalent: ConnectNamedPipe with an OVERLAPPED.
///
/// # Errors
/// As [`PipeServer::connect`], but for those of waiting, and [`Status::PipeConnected`] if there is a client already
/// (semantics 62, 69).
#[doc(alias = "ConnectNamedPipe")]
pub fn connect(server: &PipeServer, order: impl IntoOrder) -> Result<Started, Refused> {
    server.end.submit_connect(order)
}

/// Cancels one operation that is pending; it completes with [`Status::Cancelled`], unless it was about to complete
/// otherwise. Win32 equivalent: CancelIoEx with an OVERLAPPED.
///
/// # Errors
/// [`Status::NotFound`]: it is not pending.
#[doc(alias = "CancelIoEx")]
pub fn cancel(stream: &PipeStream, id: OperationId) -> Result<(), Status> {
    stream.end.cancel_operation(id)
}

/// Cancels the operations of `issuer` on this end, and says how many there were. Win32 equivalent: CancelIo.
#[doc(alias = "CancelIo")]
pub fn cancel_issued(stream: &PipeStream, issuer: Issuer) -> usize {
    stream.end.cancel_issued(issuer)
}

/// Ends the blocking call that a thread waits in, if it does so on this end: a read, write, transaction, flush or connect.
/// It fails with [`Status::Cancelled`], and nothing else does. Win32 equivalent: CancelSynchronousIo.
///
/// # Errors
/// [`Status::NotFound`]: it waits in none on this end.
#[doc(alias = "CancelSynchronousIo")]
pub fn cancel_blocked(stream: &PipeStream, call: &BlockedCall) -> Result<(), Status> {
    stream.end.cancel_blocked(call)
}

/// Blocks signals in a thread that the surface has made for itself, but for those that a thread brings upon itself: handlers
/// of the program's are to run on the program's threads.
///
/// # Errors
/// [`Status::SystemError`].
pub fn block_signals() -> Result<(), Status> {
    crate::sys::signals::block_all().map_err(|_| Status::SystemError)
}

/// Completes what can be completed on this end by now, for those who look and do not wait.
pub fn pump(stream: &PipeStream) {
    stream.end.pump();
}

/// Waits until it is known which peers are gone by now, for those who have seen a process end: what it had not finished
/// writing is gone with it then (semantics 128).
pub fn catch_up() {
    crate::background::catch_up();
}
