#![allow(
    unsafe_code,
    reason = "the system writes to an operation's memory until it is complete"
)]
//! Operations that go on while nobody waits for them.
//!
//! From its start to its completion the system writes to an operation's OVERLAPPED and to its buffer, whatever the program does
//! meanwhile. So both belong to one allocation, and [`Pending`] keeps that until the system has said that the operation is
//! complete: it gives up nothing before, and what is not complete when it is dropped itself is never freed. The call of a
//! completion routine keeps the allocation too, from the start until it has been made, since the system looks there for the
//! outcome then; if its thread ends without making it, that is never freed either. Nobody else has to take care.

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::offset_of;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle, RawHandle};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_MORE_DATA, STATUS_BUFFER_OVERFLOW, STATUS_PENDING};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, ReadFileEx, WriteFile, WriteFileEx};
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED, OVERLAPPED_0};
use windows_sys::Win32::System::Pipes::{ConnectNamedPipe, TransactNamedPipe};

use super::alertable::{self, Unmet};
use super::transfer::{Moved, length_of, new_event, without_packet};
use super::{Code, CodeResult, done};
use crate::overlapped::{Issuer, Work};

/// One operation, with all that the system uses.
#[repr(C)]
pub(crate) struct Operation {
    /// First, so that its address is the operation's.
    overlapped: UnsafeCell<OVERLAPPED>,
    notice: Notice,
    call: Call,
    request: Vec<u8>,
    /// What is read into or written; not looked at before the completion.
    buffer: Mutex<Vec<u8>>,
    has_started: AtomicBool,
    /// The thread that it ends with.
    pub(crate) issuer: Option<Issuer>,
    /// Whether it was pending when its end was closed.
    pub(crate) is_abandoned: AtomicBool,
}

// SAFETY: the OVERLAPPED is written to by the system alone once the operation has started, and read only as an atomic number and,
// once that says that it is complete, for good.
unsafe impl Sync for Operation {}
// SAFETY: as above; handles and memory belong to the process.
unsafe impl Send for Operation {}

/// Who is told of the completion.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Who waits for this event.
    Event(OwnedHandle),
    /// The thread that has started it, in an alertable wait.
    Routine(fn(Arc<Operation>)),
    /// The completion port of the end.
    Packet,
}

impl Notice {
    /// An event of the operation's own.
    pub(crate) fn event() -> CodeResult<Notice> {
        new_event().map(Notice::Event)
    }
}

/// Which of the system's calls it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Connect,
    Read,
    Write,
    Transact,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("call", &self.call)
            .field("complete", &self.is_complete())
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// One that has not started.
    pub(crate) fn new(work: Work, notice: Notice, issuer: Option<Issuer>) -> Arc<Operation> {
        let nothing = Vec::new;
        let (call, request, buffer) = match work {
            Work::Connect => (Call::Connect, nothing(), nothing()),
            Work::Read(buffer) => (Call::Read, nothing(), buffer),
            Work::Write(data) => (Call::Write, nothing(), data),
            Work::Transact { request, reply } => (Call::Transact, request, reply),
        };
        let event = match &notice {
            Notice::Event(event) => without_packet(event),
            Notice::Routine(_) | Notice::Packet => null_mut(),
        };
        let overlapped = OVERLAPPED {
            Internal: STATUS_PENDING as usize,
            InternalHigh: 0,
            Anonymous: OVERLAPPED_0 { Pointer: null_mut() },
            hEvent: event,
        };
        Arc::new(Operation {
            overlapped: UnsafeCell::new(overlapped),
            notice,
            call,
            request,
            buffer: Mutex::new(buffer),
            has_started: AtomicBool::new(false),
            issuer,
            is_abandoned: AtomicBool::new(false),
        })
    }

    /// What the system knows it by.
    fn overlapped(self: &Arc<Self>) -> *mut OVERLAPPED {
        Arc::as_ptr(self).cast_mut().cast()
    }

    /// What its packet tells.
    pub(crate) fn address(self: &Arc<Self>) -> usize {
        self.overlapped().addr()
    }

    fn status(&self) -> i32 {
        const { assert!(offset_of!(OVERLAPPED, Internal) == 0) };
        // SAFETY: the number lives as long as this value, is aligned, and from the start on it is changed by the system alone,
        // in one go.
        let status = unsafe { AtomicUsize::from_ptr(self.overlapped.get().cast()) };
        status.load(Ordering::Acquire) as i32
    }

    /// Whether the system is done with it.
    pub(crate) fn is_complete(&self) -> bool {
        self.status() != STATUS_PENDING
    }

    /// What it has brought; `None`: it is pending.
    pub(crate) fn outcome(&self) -> Option<CodeResult<Moved>> {
        let status = self.status();
        if status == STATUS_PENDING {
            return None;
        }
        // SAFETY: it is complete, so nobody writes to it any more.
        let bytes = unsafe { (*self.overlapped.get()).InternalHigh };
        let moved = |more| Moved { bytes, more };
        Some(match status {
            STATUS_BUFFER_OVERFLOW => Ok(moved(true)),
            0.. => Ok(moved(false)),
            refused => Err(Code::Nt(refused)),
        })
    }

    /// Its buffer, once it is complete; empty before, and if it was taken.
    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        match self.is_complete() {
            true => std::mem::take(&mut self.buffer.lock().unwrap_or_else(PoisonError::into_inner)),
            false => Vec::new(),
        }
    }

    /// Which of the system's calls it is.
    pub(crate) fn call(&self) -> Call {
        self.call
    }

    /// Whether it sends more than the system takes at once.
    pub(crate) fn is_too_long(&self) -> bool {
        let length = match self.call {
            Call::Write => self.buffer.lock().unwrap_or_else(PoisonError::into_inner).len(),
            Call::Transact => self.request.len(),
            Call::Connect | Call::Read => 0,
        };
        u32::try_from(length).is_err()
    }

    /// Waits for its event.
    pub(crate) fn wait(&self, deadline: Option<Instant>, is_alertable: bool) -> Result<(), Unmet> {
        match &self.notice {
            Notice::Event(event) => alertable::wait(event, deadline, is_alertable),
            // Nobody waits for one that has none.
            Notice::Routine(_) | Notice::Packet => Err(Unmet::TimedOut),
        }
    }

    /// Cancels it.
    pub(crate) fn cancel(self: &Arc<Self>, end: BorrowedHandle<'_>) -> CodeResult<()> {
        // SAFETY: the handle is open. The address is only compared.
        done(unsafe { CancelIoEx(end.as_raw_handle(), self.overlapped()) })
    }

    /// Has the system begin it.
    fn begin(self: &Arc<Self>, end: RawHandle) -> CodeResult<()> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let (address, length) = (buffer.as_mut_ptr(), length_of(&buffer));
        let overlapped = self.overlapped();
        let routine = matches!(self.notice, Notice::Routine(_));
        // Of all the calls: the operation, and with it the OVERLAPPED and the two vectors' memory, lives until it is complete, which
        // `Pending::start` sees to; nobody looks at the buffer before, and nobody changes the request at all.
        let outcome = match self.call {
            // SAFETY: as above.
            Call::Connect => unsafe { ConnectNamedPipe(end, overlapped) },
            // SAFETY: as above. The routine is called once at most, with the operation's address, for which it is kept.
            Call::Read if routine => unsafe { ReadFileEx(end, address, length, overlapped, Some(run_routine)) },
            // SAFETY: as above.
            Call::Read => unsafe { ReadFile(end, address, length, null_mut(), overlapped) },
            // SAFETY: as above, for the routine too.
            Call::Write if routine => unsafe { WriteFileEx(end, address, length, overlapped, Some(run_routine)) },
            // SAFETY: as above.
            Call::Write => unsafe { WriteFile(end, address, length, null_mut(), overlapped) },
            Call::Transact => {
                let (request, request_length) = (self.request.as_ptr().cast(), length_of(&self.request));
                let reply = address.cast();
                // SAFETY: as above.
                unsafe { TransactNamedPipe(end, request, request_length, reply, length, null_mut(), overlapped) }
            }
        };
        // At once, since the last error is anybody's: even giving back a lock may change it.
        let outcome = done(outcome);
        drop(buffer);
        outcome
    }
}

/// What the system calls in an alertable wait of the thread that has started an operation with a routine.
///
/// # Safety
/// The address is that of an operation for which `Pending::start` has kept one reference to be taken here.
unsafe extern "system" fn run_routine(_error: u32, _bytes: u32, overlapped: *mut OVERLAPPED) {
    // SAFETY: as demanded; the OVERLAPPED is the first field.
    let operation = unsafe { Arc::from_raw(overlapped.cast::<Operation>().cast_const()) };
    if let Notice::Routine(routine) = operation.notice {
        routine(operation);
    }
}

/// How an operation has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It was complete when the call returned.
    AtOnce,
    /// It goes on.
    Pending,
}

/// Keeps operations until they are complete.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    operations: Vec<Arc<Operation>>,
    prune_at: usize,
}

impl Pending {
    /// Starts an operation. What is refused is not complete, and nobody is told of it.
    ///
    /// # Panics
    /// If it has been started before.
    pub(crate) fn start(&mut self, end: BorrowedHandle<'_>, operation: &Arc<Operation>) -> CodeResult<Begun> {
        assert!(
            !operation.has_started.swap(true, Ordering::AcqRel),
            "an operation starts once"
        );
        if self.operations.len() >= self.prune_at {
            self.operations.retain(|operation| !operation.is_complete());
            self.prune_at = (self.operations.len() * 2).max(8);
        }
        // Before it starts: it lives from here on.
        self.operations.push(operation.clone());
        let has_routine = matches!(operation.notice, Notice::Routine(_));
        if has_routine {
            std::mem::forget(operation.clone());
        }
        let begun = match operation.begin(end.as_raw_handle()) {
            Ok(()) | Err(Code::Win32(ERROR_MORE_DATA)) => return Ok(Begun::AtOnce),
            Err(Code::Win32(ERROR_IO_PENDING)) => return Ok(Begun::Pending),
            Err(code) => Err(code),
        };
        self.operations.pop();
        if has_routine {
            // SAFETY: this takes back what was kept for the call of the routine, which is not made.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(operation)) });
        }
        begun
    }

    /// Those that are pending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Operation>> {
        self.operations.iter().filter(|operation| !operation.is_complete())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for operation in self.operations.drain(..) {
            if !operation.is_complete() {
                // The system still has it.
                std::mem::forget(operation);
            }
        }
    }
}
