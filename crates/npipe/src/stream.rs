//! What both ends of a pipe can do.

use std::fmt;
use std::time::{Duration, Instant};

#[cfg(doc)]
use npipe_core::Status;
use npipe_core::wire::PeerState;
use npipe_core::{Access, PipeName, WaitMode};

use crate::end::Handle;
use crate::error::{Explain, Result};
use crate::info::{LocalState, Peer, PipeInfo, PipeMode, PipeState};

pub use npipe_core::ReadOutcome;

/// What a peek saw. Win32 equivalent: the results of PeekNamedPipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peeked {
    /// Bytes copied.
    pub bytes: usize,
    /// Unread bytes in all, those of writes that still wait included.
    pub total: usize,
    /// Bytes of the first message beyond the copied ones. 0 on a byte pipe, where Windows reports 0 minus the copied ones.
    pub left: usize,
}

/// One end of a pipe, as [`PipeServer`](crate::PipeServer) and [`PipeClient`](crate::PipeClient) share it.
///
/// All calls take `&self`: an end may be used by many threads at once. Reads wait in one queue and are served in their
/// order; so are writes; the two directions do not disturb each other. Where Windows lets the calls of a handle that was
/// opened without FILE_FLAG_OVERLAPPED wait for each other, npipe does not.
///
/// **Waiting.** A call that has to wait spins for a few microseconds and then sleeps. It ends when it is served, when its
/// time-out passes ([`set_read_timeout`](PipeStream::set_read_timeout)), when another thread calls
/// [`cancel`](PipeStream::cancel), or when the peer leaves. Signals do not end it.
pub struct PipeStream {
    pub(crate) end: Handle,
}

impl fmt::Debug for PipeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeStream")
            .field("name", &self.end.shape.name.path())
            .field("end", &self.end.role())
            .field("peer", &self.end.peer_state())
            .finish_non_exhaustive()
    }
}

impl PipeStream {
    pub(crate) fn name(&self) -> &PipeName {
        &self.end.shape.name
    }

    /// Reads what there is, waiting for the first byte. Win32 equivalent: ReadFile.
    ///
    /// In message mode at most one message is read, and whether it has more is lost: see
    /// [`read_message`](PipeStream::read_message). An empty message reads as 0 bytes; end of file is an error, so that the
    /// two differ.
    ///
    /// # Errors
    /// * [`Status::PipeBroken`]: the peer is gone and everything it wrote was read.
    /// * [`Status::PipeListening`], [`Status::PipeDisconnected`]: there is no client yet, or no longer.
    /// * [`Status::PipeEmpty`]: nothing to read, with PIPE_NOWAIT.
    /// * [`Status::IoTimeout`], [`Status::Cancelled`]: the wait was ended.
    /// * [`Status::AccessDenied`]: this end may not read.
    /// * [`Status::PeerMisbehaved`]: the peer broke the protocol; the connection is over.
    #[doc(alias = "ReadFile")]
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.read_message(buffer)?.bytes)
    }

    /// Reads at most one message in message mode, and tells whether it has more. Win32 equivalent: ReadFile, where more is
    /// the error ERROR_MORE_DATA; the next read goes on inside the message.
    ///
    /// # Errors
    /// As [`read`](PipeStream::read).
    #[doc(alias = "ReadFile")]
    #[doc(alias = "ERROR_MORE_DATA")]
    #[inline]
    pub fn read_message(&self, buffer: &mut [u8]) -> Result<ReadOutcome> {
        self.end.read(buffer).explain("read", self.name())
    }

    /// Writes all of `data`, as one message on a message pipe. Win32 equivalent: WriteFile.
    ///
    /// Returns when what the peer has not read fits in its quota. Until then the data can be read all the same, and is
    /// taken back if the call is cancelled, times out, or its process dies. With PIPE_NOWAIT the result may be 0, or on a
    /// byte pipe less than asked for.
    ///
    /// # Errors
    /// * [`Status::PipeClosing`]: the peer has closed its end; [`Status::PipeBroken`]: it did so while the call waited.
    /// * [`Status::PipeListening`], [`Status::PipeDisconnected`]: there is no client yet, or no longer.
    /// * [`Status::IoTimeout`], [`Status::Cancelled`]: the wait was ended, and nothing is written.
    /// * [`Status::AccessDenied`]: this end may not write.
    /// * [`Status::InvalidParameter`]: more than 4 GiB - 1 at once.
    #[doc(alias = "WriteFile")]
    #[inline]
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        self.end.write(data).explain("write", self.name())
    }

    /// Looks at what there is without taking it. Never waits. Win32 equivalent: PeekNamedPipe.
    ///
    /// # Errors
    /// * [`Status::InvalidPipeState`]: a server end without a client.
    /// * [`Status::PipeDisconnected`]: a client end that was disconnected.
    /// * [`Status::PipeBroken`]: the peer is gone and everything it wrote was read.
    /// * [`Status::AccessDenied`]: this end may not read.
    #[doc(alias = "PeekNamedPipe")]
    pub fn peek(&self, buffer: &mut [u8]) -> Result<Peeked> {
        let seen = self.end.peek(buffer).explain("peek", self.name())?;
        let fit = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Peeked {
            bytes: seen.bytes,
            total: fit(seen.total),
            left: fit(seen.left),
        })
    }

    /// Writes a request and reads the next message as its reply. Win32 equivalent: TransactNamedPipe.
    ///
    /// Needs message mode and both directions. The request never waits for quota. The read time-out covers the wait for
    /// the reply; when it passes, the request stays in the pipe. Reads that wait at this end get their messages first.
    ///
    /// # Errors
    /// * [`Status::InvalidReadMode`]: not a message pipe in message mode.
    /// * [`Status::PipeBusy`]: there is unread data; nothing was sent.
    /// * [`Status::InvalidPipeState`]: not connected; [`Status::PipeDisconnected`]: disconnected by the server.
    /// * [`Status::PipeBroken`]: the peer left before it replied.
    /// * [`Status::IoTimeout`], [`Status::Cancelled`], [`Status::AccessDenied`].
    #[doc(alias = "TransactNamedPipe")]
    pub fn transact(&self, request: &[u8], reply: &mut [u8]) -> Result<ReadOutcome> {
        self.end
            .transact(request, reply, self.end.read_deadline())
            .explain("transact", self.name())
    }

    pub(crate) fn transact_until(
        &self,
        request: &[u8],
        reply: &mut [u8],
        deadline: Option<Instant>,
    ) -> Result<ReadOutcome> {
        self.end.transact(request, reply, deadline).explain("call", self.name())
    }

    /// Waits until the peer has read everything that was written. Win32 equivalent: FlushFileBuffers.
    ///
    /// The write time-out covers this wait. If both ends flush while each has unread data, both wait for ever, as on
    /// Windows.
    ///
    /// # Errors
    /// * [`Status::PipeBroken`]: the peer left while the call waited. Left before, it is no error.
    /// * [`Status::PipeDisconnected`]: disconnected by the server.
    /// * [`Status::IoTimeout`], [`Status::Cancelled`], [`Status::AccessDenied`].
    #[doc(alias = "FlushFileBuffers")]
    pub fn flush(&self) -> Result<()> {
        self.end.flush().explain("flush", self.name())
    }

    /// What this end may do, as it was granted when it was made. Win32 equivalent: the granted access of the handle.
    pub fn access(&self) -> Access {
        self.end.access()
    }

    /// What is fixed about the pipe. Win32 equivalent: GetNamedPipeInfo.
    ///
    /// # Errors
    /// * [`Status::PipeDisconnected`] on a client end that was disconnected.
    /// * On Windows [`Status::AccessDenied`] on a server end that only writes.
    #[doc(alias = "GetNamedPipeInfo")]
    pub fn info(&self) -> Result<PipeInfo> {
        self.end.info().explain("info", self.name())
    }

    /// What changes about this end. Win32 equivalent: GetNamedPipeHandleState.
    ///
    /// On a client end, and on a server end whose name another process keeps, the server is asked for the number of instances; it answers without delay unless it is stopped.
    ///
    /// # Errors
    /// * [`Status::PipeDisconnected`] on a client end that was disconnected.
    /// * [`Status::AccessDenied`] on a server end that only writes.
    #[doc(alias = "GetNamedPipeHandleState")]
    pub fn state(&self) -> Result<PipeState> {
        self.end.state()
    }

    /// Sets how this end reads and whether its calls wait, both at once. Win32 equivalent: SetNamedPipeHandleState.
    ///
    /// # Errors
    /// * [`Status::InvalidParameter`]: message reads on a byte pipe; nothing changes.
    /// * [`Status::PipeBusy`]: PIPE_NOWAIT while calls of this end wait.
    /// * [`Status::PipeDisconnected`], [`Status::AccessDenied`] (ends that only read).
    #[doc(alias = "SetNamedPipeHandleState")]
    pub fn set_state(&self, read_mode: PipeMode, nowait: bool) -> Result<()> {
        let wait = if nowait { WaitMode::NoWait } else { WaitMode::Wait };
        self.end
            .set_modes(read_mode.into(), wait)
            .explain("set_state", self.name())
    }

    /// How long reads and transactions of this end wait; `None`, as at first, for ever. No Win32 equivalent.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.end.set_read_timeout(timeout);
    }

    /// How long writes and flushes of this end wait; `None`, as at first, for ever. No Win32 equivalent.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.end.set_write_timeout(timeout);
    }

    /// Ends all calls of this end that wait, whichever thread made them; they fail with [`Status::Cancelled`].
    /// Win32 equivalent: CancelIoEx without an OVERLAPPED.
    ///
    /// # Errors
    /// [`Status::NotFound`]: none waited.
    #[doc(alias = "CancelIoEx")]
    pub fn cancel(&self) -> Result<()> {
        self.end.cancel().explain("cancel", self.name())
    }

    /// Closes this end now, whatever handles of it there are and whatever calls of other threads wait. Those end with
    /// [`Status::PipeBroken`], later ones with [`Status::InvalidHandle`]. Win32 equivalent: the CloseHandle of an end's last
    /// handle while calls wait.
    ///
    /// Dropping the last handle does the same where no call waits.
    #[doc(alias = "CloseHandle")]
    pub fn close(&self) {
        self.end.close();
    }

    /// Who is at the other end. Win32 equivalents: GetNamedPipeClientProcessId, GetNamedPipeServerProcessId.
    ///
    /// Still known after the peer has closed.
    ///
    /// # Errors
    /// * [`Status::NotFound`]: a server end without a client.
    /// * [`Status::PipeDisconnected`]: a client end that was disconnected.
    #[doc(alias = "GetNamedPipeClientProcessId")]
    #[doc(alias = "GetNamedPipeServerProcessId")]
    pub fn peer(&self) -> Result<Peer> {
        self.end.peer().explain("peer", self.name())
    }

    /// The process that has made this end, which may have passed it on since. Win32 equivalents: GetNamedPipeServerProcessId
    /// on a server's end, GetNamedPipeClientProcessId on a client's.
    // semantics 206
    #[doc(alias = "GetNamedPipeClientProcessId")]
    #[doc(alias = "GetNamedPipeServerProcessId")]
    pub fn creator(&self) -> u32 {
        self.end.creator()
    }

    /// The name that this end was made with, without `\\.\pipe\`. NT equivalent: FileNameInformation.
    pub fn pipe_name(&self) -> &PipeName {
        self.name()
    }

    /// What there is in this end's pipe in both directions. NT equivalent: the changing part of FilePipeLocalInformation.
    ///
    /// # Errors
    /// [`Status::PipeDisconnected`] on a client end that was disconnected.
    // semantics 210
    #[doc(alias = "NtQueryInformationFile")]
    pub fn local_state(&self) -> Result<LocalState> {
        self.end.local_state().explain("local_state", self.name())
    }

    /// Whether the other end is there. On Windows a server end that only writes cannot know, and says no.
    pub fn is_connected(&self) -> bool {
        self.end.peer_state() == Some(PeerState::Open)
    }
}
