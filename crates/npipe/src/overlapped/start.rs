//! Starting operations from Rust: one to wait for, or one with a completion routine.

use npipe_core::Status;

use super::inbox;
use super::operation::{Completed, Operation};
use super::work::Work;
use crate::error::{Error, Explain, Result};
use crate::{PipeServer, PipeStream};

impl PipeStream {
    /// Starts to read into `buffer`, which the operation has until it is complete. Win32 equivalent: ReadFile with an
    /// OVERLAPPED.
    ///
    /// What is there is read at once. Pending reads are served first come, first served.
    ///
    /// # Errors
    /// As [`read`](PipeStream::read), but for those of waiting, which are results of the operation.
    #[doc(alias = "ReadFile")]
    pub fn start_read(&self, buffer: Vec<u8>) -> Result<Operation> {
        Operation::start(&self.end, Work::Read(buffer))
    }

    /// Starts to write `data`, which the operation has until it is complete. Win32 equivalent: WriteFile with an
    /// OVERLAPPED.
    ///
    /// # Errors
    /// As [`write`](PipeStream::write), but for those of waiting, which are results of the operation.
    #[doc(alias = "WriteFile")]
    pub fn start_write(&self, data: impl Into<Vec<u8>>) -> Result<Operation> {
        Operation::start(&self.end, Work::Write(data.into()))
    }

    /// Starts a transaction; its buffer is the one for the reply. Win32 equivalent: TransactNamedPipe with an OVERLAPPED.
    ///
    /// Cancelled, it leaves the request in the pipe; a reply that comes later is an ordinary message.
    ///
    /// # Errors
    /// As [`transact`](PipeStream::transact), but for those of waiting, which are results of the operation.
    #[doc(alias = "TransactNamedPipe")]
    pub fn start_transact(&self, request: impl Into<Vec<u8>>, reply: Vec<u8>) -> Result<Operation> {
        let request = request.into();
        Operation::start(&self.end, Work::Transact { request, reply })
    }

    /// Starts to read; `routine` runs in an alertable wait of this thread once that is complete, and not before, even if
    /// it is complete at once. Win32 equivalent: ReadFileEx.
    ///
    /// See [`sleep_alertable`](crate::overlapped::sleep_alertable) for the waits. The operation ends, cancelled, with the
    /// thread, and then the routine does not run.
    ///
    /// # Errors
    /// As [`read`](PipeStream::read) for what fails at once, [`Status::InvalidParameter`] if the end has a completion
    /// port; then the routine does not run.
    #[doc(alias = "ReadFileEx")]
    pub fn read_then(&self, buffer: Vec<u8>, routine: impl FnOnce(Completed) + 'static) -> Result<()> {
        self.start_then(Work::Read(buffer), routine)
    }

    /// Starts to write; `routine` runs in an alertable wait of this thread once that is complete. Win32 equivalent:
    /// WriteFileEx. All else is as for [`read_then`](PipeStream::read_then).
    ///
    /// # Errors
    /// As [`write`](PipeStream::write) for what fails at once, [`Status::InvalidParameter`] if the end has a completion
    /// port; then the routine does not run.
    #[doc(alias = "WriteFileEx")]
    pub fn write_then(&self, data: impl Into<Vec<u8>>, routine: impl FnOnce(Completed) + 'static) -> Result<()> {
        self.start_then(Work::Write(data.into()), routine)
    }

    fn start_then(&self, work: Work, routine: impl FnOnce(Completed) + 'static) -> Result<()> {
        let (name, pipe) = (work.name(), &self.end.shape.name);
        if self.end.calls.port.get().is_some() {
            let why = "an end with a completion port takes no completion routines";
            return Err(Error::new(Status::InvalidParameter, name).about(pipe).because(why));
        }
        inbox::start_then(&self.end, work, Box::new(routine)).explain(name, pipe)
    }

    /// Cancels what the calling thread has started on this end and is pending; says how many operations that were. Win32
    /// equivalent: CancelIo. [`cancel`](PipeStream::cancel) does the same for all threads, and for calls that block.
    #[doc(alias = "CancelIo")]
    pub fn cancel_own(&self) -> usize {
        self.end.cancel_issued(inbox::current_issuer())
    }
}

impl PipeServer {
    /// Starts to wait for a client. Win32 equivalent: ConnectNamedPipe with an OVERLAPPED.
    ///
    /// A client that is there already completes it at once; Win32 reports it as ERROR_PIPE_CONNECTED. Dropping the
    /// operation leaves the instance listening.
    ///
    /// # Errors
    /// As [`connect`](PipeServer::connect), but for those of waiting, which are results of the operation.
    #[doc(alias = "ConnectNamedPipe")]
    pub fn start_connect(&self) -> Result<Operation> {
        match Operation::start(&self.end, Work::Connect) {
            Err(error) if error.status() == Status::PipeConnected => {
                Ok(Operation::complete(&self.end, Work::Connect.name()))
            }
            started => started,
        }
    }
}
