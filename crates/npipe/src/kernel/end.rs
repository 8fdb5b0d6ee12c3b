//! One end: a handle of the kernel's, which the handles of the program share.
//!
//! Calls hold the lock for reading, so that the kernel's handle lives as long as they do. Who closes the end while calls wait
//! says so first, cancels them, and then takes the lock for writing.

use std::ops::Deref;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use npipe_core::pipe::InstanceState;
use npipe_core::reader::Peeked;
use npipe_core::security::rights::ACCESS_SYSTEM_SECURITY;
use npipe_core::wire::PeerState;
use npipe_core::{
    Access, EndRole, PipeName, ReadMode, ReadOutcome, SecurityDescriptor, SecurityInformation, Status, WaitMode,
};

use crate::error::{Error, Explain, Result};
use crate::host;
use crate::info::{LocalState, Peer, PipeEnd, PipeInfo, PipeMode, PipeState};
use crate::kernel::{Failure, asked};
use crate::object::RawEnd;
use crate::sys::namespace::Root;
use crate::sys::transfer::{self, Moved, Patience};
use crate::sys::{CodeResult, pipe, security};

mod calls;

pub(crate) use calls::{Calls, Started, outcome_of};

/// How soon calls that were on their way to the kernel when they were cancelled are told again.
const TELL_AGAIN: Duration = Duration::from_millis(1);

const FOREVER: u64 = u64::MAX;

pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

/// What is fixed for an end when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) name: PipeName,
    #[allow(dead_code, reason = "says where it is, in what is printed of it")]
    pub(crate) root: Root,
    pub(crate) role: EndRole,
}

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) shape: Shape,
    /// `None` once it is closed.
    handle: RwLock<Option<OwnedHandle>>,
    closed: AtomicBool,
    read_timeout_ns: AtomicU64,
    write_timeout_ns: AtomicU64,
    /// The program's.
    handles: AtomicUsize,
    pub(crate) calls: Calls,
}

impl End {
    /// Asks the kernel something about the end, as long as it is open.
    pub(crate) fn ask<T>(
        &self,
        meanings: &[Status],
        question: impl FnOnce(BorrowedHandle<'_>) -> CodeResult<T>,
    ) -> Outcome<T> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let handle = match &*handle {
            Some(handle) if !self.is_closed() => handle,
            _ => return Err(Status::InvalidHandle.into()),
        };
        let outcome = asked(question(handle.as_handle()), meanings);
        match outcome {
            // semantics 79, 192
            Err(failure) if failure.status() == Status::Cancelled && self.is_closed() => Err(Status::PipeBroken.into()),
            outcome => outcome,
        }
    }

    /// The same for a call that may wait.
    fn call<T>(
        &self,
        deadline: Option<Instant>,
        meanings: &[Status],
        call: impl FnOnce(BorrowedHandle<'_>, &Patience<'_>) -> CodeResult<T>,
    ) -> Outcome<T> {
        let patience = Patience {
            deadline,
            is_over: &|| self.is_closed(),
        };
        self.ask(meanings, |end| call(end, &patience))
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn role(&self) -> EndRole {
        self.shape.role
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> Outcome<ReadOutcome> {
        let moved = self.call(self.read_deadline(), &[Status::PipeEmpty], |end, patience| {
            transfer::read(end, buffer, patience)
        });
        moved.map(read_outcome)
    }

    pub(crate) fn write(&self, data: &[u8]) -> Outcome<usize> {
        if u32::try_from(data.len()).is_err() {
            return Err(Status::InvalidParameter.into());
        }
        let deadline = deadline(&self.write_timeout_ns);
        let moved = self.call(deadline, &[], |end, patience| transfer::write(end, data, patience));
        moved.map(|moved| moved.bytes)
    }

    pub(crate) fn transact(&self, request: &[u8], reply: &mut [u8], deadline: Option<Instant>) -> Outcome<ReadOutcome> {
        if u32::try_from(request.len()).is_err() {
            return Err(Status::InvalidParameter.into());
        }
        let moved = self.call(deadline, &[Status::PipeBusy], |end, patience| {
            transfer::transact(end, request, reply, patience)
        });
        match moved {
            Err(failure) => Err(self.judge_transaction(failure)),
            Ok(moved) => Ok(read_outcome(moved)),
        }
    }

    /// Which of the statuses that share a code a transaction has failed with.
    fn judge_transaction(&self, failure: Failure) -> Failure {
        match failure.status() == Status::InvalidPipeState && self.reads_bytes() {
            true => Status::InvalidReadMode.into(),
            false => failure,
        }
    }

    fn reads_bytes(&self) -> bool {
        self.ask(&[], pipe::changing).is_ok_and(|now| !now.reads_messages)
    }

    pub(crate) fn peek(&self, buffer: &mut [u8]) -> Outcome<Peeked> {
        let [bytes, total, left] = self.ask(&[], |end| pipe::peek(end, buffer))?;
        // Of a byte pipe Windows tells 0 minus what was copied.
        let left = if left > total { 0 } else { left };
        Ok(Peeked {
            bytes: bytes as usize,
            total: total.into(),
            left: left.into(),
        })
    }

    pub(crate) fn flush(&self) -> Outcome<()> {
        let deadline = deadline(&self.write_timeout_ns);
        self.ask(&[], |end| transfer::flush(end, deadline))
    }

    /// Waits for a client.
    pub(crate) fn listen(&self) -> Outcome<()> {
        self.call(None, &[], transfer::listen)
    }

    pub(crate) fn disconnect(&self) -> Outcome<()> {
        self.ask(&[], pipe::disconnect)
    }

    pub(crate) fn info(&self) -> Outcome<PipeInfo> {
        let fixed = self.ask(&[], pipe::fixed)?;
        Ok(PipeInfo {
            mode: mode_of(fixed.is_message),
            end: match fixed.is_server {
                true => PipeEnd::Server,
                false => PipeEnd::Client,
            },
            max_instances: fixed.max_instances,
            out_buffer_size: fixed.out_quota,
            in_buffer_size: fixed.in_quota,
        })
    }

    pub(crate) fn state(&self) -> Result<PipeState> {
        let now = self.ask(&[], pipe::changing).explain("state", &self.shape.name)?;
        Ok(PipeState {
            read_mode: mode_of(now.reads_messages),
            nowait: now.nowait,
            instances: now.instances,
        })
    }

    pub(crate) fn set_modes(&self, mode: ReadMode, wait: WaitMode) -> Outcome<()> {
        self.ask(&[Status::PipeBusy], |end| {
            pipe::set_modes(end, mode == ReadMode::Message, wait == WaitMode::NoWait)
        })
    }

    pub(crate) fn peer(&self) -> Outcome<Peer> {
        self.ask(&[], |end| peer_of(end, self.role()))
    }

    /// The process that made the end.
    pub(crate) fn creator(&self) -> u32 {
        let made = match self.role() {
            EndRole::Server => self.ask(&[], pipe::server_process),
            EndRole::Client => self.ask(&[], pipe::client_process),
        };
        made.unwrap_or_else(|_| std::process::id())
    }

    pub(crate) fn access(&self) -> Access {
        let granted = self.ask(&[], pipe::granted_access);
        granted.map_or(Access::NONE, Access::from_win32)
    }

    /// NT's numbers of the end.
    pub(crate) fn local(&self) -> Outcome<pipe::Local> {
        self.ask(&[], pipe::local)
    }

    pub(crate) fn local_state(&self) -> Outcome<LocalState> {
        let local = self.local()?;
        Ok(LocalState {
            state: match local.state {
                2 => InstanceState::Listening,
                3 => InstanceState::Connected,
                4 => InstanceState::Closing,
                _ => InstanceState::Disconnected,
            },
            readable: local.readable as usize,
            writable: local.writable,
        })
    }

    /// How the peer is; `None` without a connection.
    pub(crate) fn peer_state(&self) -> Option<PeerState> {
        match self.local_state().ok()?.state {
            InstanceState::Connected => Some(PeerState::Open),
            InstanceState::Closing => Some(PeerState::Closed),
            _ => None,
        }
    }

    /// The descriptor, as far as this end may see it.
    pub(crate) fn descriptor(&self) -> Result<SecurityDescriptor> {
        const OPERATION: &str = "security";
        let mut parts = SecurityInformation::READABLE;
        parts.sacl = self.access().require_further(ACCESS_SYSTEM_SECURITY).is_ok();
        let bytes = self.ask(&[], |end| security::get(end, parts.to_win32()));
        let bytes = bytes.explain(OPERATION, &self.shape.name)?;
        SecurityDescriptor::decode(&bytes)
            .map_err(|error| Error::from_security(&error, OPERATION).about(&self.shape.name))
    }

    /// Changes parts of the descriptor.
    pub(crate) fn set_descriptor(&self, parts: SecurityInformation, descriptor: &SecurityDescriptor) -> Result<()> {
        let bytes = descriptor.only(parts).encode();
        self.ask(&[], |end| security::set(end, parts.to_win32(), &bytes))
            .explain("set_security", &self.shape.name)
    }

    /// Has this thread act as the client.
    pub(crate) fn impersonate(&self) -> Outcome<()> {
        self.ask(&[], crate::sys::impersonation::impersonate_client)
    }

    /// Ends all calls of this process that wait on this end (semantics 127, 228, 230, 231).
    pub(crate) fn cancel(&self) -> Outcome<()> {
        self.ask(&[], transfer::cancel_all)
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.read_timeout_ns.store(to_ns(timeout), Ordering::Relaxed);
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.write_timeout_ns.store(to_ns(timeout), Ordering::Relaxed);
    }

    pub(crate) fn read_deadline(&self) -> Option<Instant> {
        deadline(&self.read_timeout_ns)
    }

    /// Closes the end. Calls that wait, and operations, end with PipeBroken (semantics 79, 192).
    pub(crate) fn close(&self) {
        if self.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        self.calls.abandon();
        loop {
            if let Ok(mut handle) = self.handle.try_write() {
                if let Some(handle) = handle.take() {
                    self.calls.end(handle.as_handle());
                }
                break;
            }
            if let Some(handle) = &*self.handle.read().unwrap_or_else(PoisonError::into_inner) {
                // That there is none to cancel at the moment is no failure.
                let _ = transfer::cancel_all(handle.as_handle());
            }
            thread::sleep(TELL_AGAIN);
        }
        if self.role() == EndRole::Server {
            host::vacate();
        }
    }
}

fn read_outcome(moved: Moved) -> ReadOutcome {
    ReadOutcome {
        bytes: moved.bytes,
        more: moved.more,
    }
}

fn mode_of(is_message: bool) -> PipeMode {
    if is_message { PipeMode::Message } else { PipeMode::Byte }
}

fn deadline(timeout_ns: &AtomicU64) -> Option<Instant> {
    match timeout_ns.load(Ordering::Relaxed) {
        FOREVER => None,
        ns => Instant::now().checked_add(Duration::from_nanos(ns)),
    }
}

fn to_ns(timeout: Option<Duration>) -> u64 {
    timeout.map_or(FOREVER, |timeout| {
        timeout.as_nanos().min(u128::from(FOREVER - 1)) as u64
    })
}

/// Which end of a pipe a handle is.
fn role_of(end: BorrowedHandle<'_>) -> Outcome<EndRole> {
    match asked(pipe::fixed(end), &[]) {
        Ok(fixed) if fixed.is_server => Ok(EndRole::Server),
        Ok(_) => Ok(EndRole::Client),
        // A server's that only writes may not be asked, a client's always may (semantics 40, 53).
        Err(failure) if failure.status() == Status::AccessDenied => Ok(EndRole::Server),
        // Not a pipe's.
        Err(failure) if matches!(failure.status(), Status::IllegalFunction | Status::InvalidParameter) => {
            Err(Status::InvalidHandle.into())
        }
        Err(failure) => Err(failure),
    }
}

fn peer_of(end: BorrowedHandle<'_>, role: EndRole) -> CodeResult<Peer> {
    let pid = match role {
        EndRole::Server => pipe::client_process(end),
        EndRole::Client => pipe::server_process(end),
    };
    pid.map(Peer::of_process)
}

impl Peer {
    /// Who is at the other end of a pipe whose handle is another library's. Only on Windows, as
    /// [`PipeStream::peer`](crate::PipeStream::peer) otherwise.
    ///
    /// # Errors
    /// As [`PipeStream::peer`](crate::PipeStream::peer); [`Status::InvalidHandle`]: it is no pipe.
    pub fn of_handle(end: BorrowedHandle<'_>) -> Result<Peer> {
        let peer = role_of(end).and_then(|role| asked(peer_of(end, role), &[]));
        peer.map_err(|failure| failure.error("peer"))
    }
}

/// A handle of an end, as programs hold it; the end closes with the last of them, whatever else keeps it.
#[derive(Debug)]
pub(crate) struct Handle(Arc<End>);

impl Handle {
    /// The first handle of a new end.
    pub(crate) fn new(handle: OwnedHandle, shape: Shape) -> Handle {
        Handle(Arc::new(End {
            shape,
            handle: RwLock::new(Some(handle)),
            closed: AtomicBool::new(false),
            read_timeout_ns: AtomicU64::new(FOREVER),
            write_timeout_ns: AtomicU64::new(FOREVER),
            handles: AtomicUsize::new(1),
            calls: Calls::default(),
        }))
    }

    /// The end, for what outlives the handle.
    pub(crate) fn shared(&self) -> &Arc<End> {
        &self.0
    }

    /// Gives this handle up for one of the kernel's.
    pub(crate) fn into_raw(self) -> Result<RawEnd> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let Some(handle) = &*handle else {
            return Err(Error::new(Status::InvalidHandle, "hand over").about(&self.shape.name));
        };
        handle.try_clone().map_err(|error| {
            let error = crate::sys::SysError::new("duplicate a handle", error);
            Error::from_sys(error, "hand over").about(&self.shape.name)
        })
    }

    /// Makes an end of a handle of the kernel's.
    pub(crate) fn from_raw(raw: RawEnd, role: EndRole) -> Result<Handle> {
        const OPERATION: &str = "take over";
        let fail = |failure: Failure| failure.error(OPERATION);
        if role_of(raw.as_handle()).map_err(fail)? != role {
            return Err(Error::new(Status::InvalidParameter, OPERATION).because("it is the other end"));
        }
        let root = crate::options::find_root(None, OPERATION)?;
        let system_name = asked(pipe::name_of(raw.as_handle()), &[]).map_err(fail)?;
        let name = root.own_name(&system_name);
        let name = name.map_or_else(|| PipeName::from_units(&system_name), Ok);
        let name = name.map_err(|status| Error::new(status, OPERATION))?;
        Ok(Handle::new(raw, Shape { name, root, role }))
    }
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        self.handles.fetch_add(1, Ordering::Relaxed);
        Handle(self.0.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }
}

impl Deref for Handle {
    type Target = End;

    fn deref(&self) -> &End {
        &self.0
    }
}
