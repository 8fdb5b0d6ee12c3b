#![allow(
    unsafe_code,
    reason = "overlapped calls, whose buffers the system writes to until they complete"
)]
//! One overlapped call from its start to its completion, with a deadline; and calls that Windows can only do in one go.
//!
//! A call that is given up is cancelled and then waited for: the system has the buffer until it says otherwise. So it may
//! complete all the same, and then it has.

use std::cell::{Cell, OnceCell};
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_OPERATION_ABORTED, ERROR_SEM_TIMEOUT, ERROR_TIMEOUT, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{FlushFileBuffers, ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, CancelSynchronousIo, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{ConnectNamedPipe, TransactNamedPipe};
use windows_sys::Win32::System::Threading::{CreateEventW, THREAD_TERMINATE, WaitForSingleObject};

use super::alertable::open_this_thread;
use super::{Code, CodeResult, done, milliseconds};

/// How soon a call that was not yet waiting when it was to be ended is told again.
const TELL_AGAIN: Duration = Duration::from_millis(2);

/// What a call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) bytes: usize,
    /// The message has more than the buffer.
    pub(crate) more: bool,
}

/// What may end a call early.
pub(crate) struct Patience<'a> {
    /// `None`: never.
    pub(crate) deadline: Option<Instant>,
    /// Whether the end was closed while the call was on its way to the system.
    pub(crate) is_over: &'a dyn Fn() -> bool,
}

thread_local! {
    /// Signalled when this thread's call is complete; a thread is in one at a time.
    static EVENT: OnceCell<OwnedHandle> = const { OnceCell::new() };
    static WAITS: Cell<Option<&'static std::sync::atomic::AtomicBool>> = const { Cell::new(None) };
}

/// Has this thread show from now on whether it waits for a pipe.
pub(crate) fn show_waiting(by: &'static std::sync::atomic::AtomicBool) {
    WAITS.set(Some(by));
}

/// Runs a part of a call in which the thread waits.
pub(crate) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let show = |waits| {
        let shown = WAITS.try_with(Cell::get).ok().flatten();
        if let Some(shown) = shown {
            shown.store(waits, std::sync::atomic::Ordering::SeqCst);
        }
    };
    show(true);
    let outcome = wait();
    show(false);
    outcome
}

/// Reads what there is, or the next message.
pub(crate) fn read(end: BorrowedHandle<'_>, buffer: &mut [u8], patience: &Patience<'_>) -> CodeResult<Moved> {
    let length = length_of(buffer);
    run(end, patience, |overlapped| {
        // SAFETY: the buffer and the operation live until `run` has seen its completion.
        unsafe {
            ReadFile(
                end.as_raw_handle(),
                buffer.as_mut_ptr(),
                length,
                std::ptr::null_mut(),
                overlapped,
            )
        }
    })
}

/// Writes all of it; not more than 4 GiB - 1.
pub(crate) fn write(end: BorrowedHandle<'_>, data: &[u8], patience: &Patience<'_>) -> CodeResult<Moved> {
    let length = length_of(data);
    run(end, patience, |overlapped| {
        // SAFETY: as in `read`; the system only reads.
        unsafe {
            WriteFile(
                end.as_raw_handle(),
                data.as_ptr(),
                length,
                std::ptr::null_mut(),
                overlapped,
            )
        }
    })
}

/// Writes a message and reads the next one.
pub(crate) fn transact(
    end: BorrowedHandle<'_>,
    request: &[u8],
    reply: &mut [u8],
    patience: &Patience<'_>,
) -> CodeResult<Moved> {
    let (request_length, reply_length) = (length_of(request), length_of(reply));
    run(end, patience, |overlapped| {
        // SAFETY: as in `read`, for both buffers.
        unsafe {
            TransactNamedPipe(
                end.as_raw_handle(),
                request.as_ptr().cast(),
                request_length,
                reply.as_mut_ptr().cast(),
                reply_length,
                std::ptr::null_mut(),
                overlapped,
            )
        }
    })
}

/// Waits for a client.
pub(crate) fn listen(end: BorrowedHandle<'_>, patience: &Patience<'_>) -> CodeResult<()> {
    let connected = run(end, patience, |overlapped| {
        // SAFETY: the operation lives until `run` has seen its completion.
        unsafe { ConnectNamedPipe(end.as_raw_handle(), overlapped) }
    });
    connected.map(drop)
}

/// Waits until the peer has read everything.
pub(crate) fn flush(end: BorrowedHandle<'_>, deadline: Option<Instant>) -> CodeResult<()> {
    // SAFETY: the handle is open.
    in_one_go(deadline, || done(unsafe { FlushFileBuffers(end.as_raw_handle()) }))
}

/// Makes a call that the system can only do in one go, and ends it when the deadline has passed.
pub(super) fn in_one_go<T>(deadline: Option<Instant>, call: impl FnOnce() -> CodeResult<T>) -> CodeResult<T> {
    let Some(deadline) = deadline else {
        return waiting(call);
    };
    // What CancelSynchronousIo needs is the right to end the thread.
    let this_thread = open_this_thread(THREAD_TERMINATE)?;
    let (returned, has_returned) = mpsc::channel::<()>();
    let mut is_late = false;
    let outcome = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let has_returned = has_returned;
            let mut left = deadline.saturating_duration_since(Instant::now());
            let mut late = false;
            while has_returned.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                // SAFETY: the handle is a thread's, and open; that thread does nothing else that could be cancelled until it
                // has joined this one.
                unsafe { CancelSynchronousIo(this_thread.as_raw_handle()) };
                (late, left) = (true, TELL_AGAIN);
            }
            late
        });
        let outcome = waiting(call);
        drop(returned);
        is_late = watch.join().unwrap_or(false);
        outcome
    });
    match outcome {
        Err(Code::Win32(ERROR_OPERATION_ABORTED)) if is_late => Err(Code::Win32(ERROR_SEM_TIMEOUT)),
        outcome => outcome,
    }
}

/// Ends all calls of this process on the end.
pub(crate) fn cancel_all(end: BorrowedHandle<'_>) -> CodeResult<()> {
    // SAFETY: the handle is open; without an operation all are meant.
    done(unsafe { CancelIoEx(end.as_raw_handle(), std::ptr::null()) })
}

/// As the system takes it; what is beyond is not read into.
pub(super) fn length_of(buffer: &[u8]) -> u32 {
    u32::try_from(buffer.len()).unwrap_or(u32::MAX)
}

pub(super) fn new_event() -> CodeResult<OwnedHandle> {
    // SAFETY: no memory is passed. It stays signalled until the next operation starts.
    let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
    if event.is_null() {
        return Err(Code::last());
    }
    // SAFETY: it is a new handle that nobody else closes.
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

/// An event as an OVERLAPPED has it: this bit keeps the completion from the end's port (semantics 226).
pub(super) fn without_packet(event: &OwnedHandle) -> RawHandle {
    event.as_raw_handle().map_addr(|address| address | 1)
}

/// Starts an operation and waits for its completion.
fn run(
    end: BorrowedHandle<'_>,
    patience: &Patience<'_>,
    start: impl FnOnce(*mut OVERLAPPED) -> i32,
) -> CodeResult<Moved> {
    let mut start = Some(start);
    let mut go = |event: &OwnedHandle| start.take().map(|start| run_with(event, end, patience, start));
    let outcome = EVENT.try_with(|slot| match slot.get() {
        Some(event) => go(event),
        None => match new_event() {
            Ok(event) => go(slot.get_or_init(|| event)),
            Err(code) => Some(Err(code)),
        },
    });
    match outcome {
        Ok(Some(outcome)) => outcome,
        // While the thread ends it has no event any more.
        _ => new_event().and_then(|event| go(&event).unwrap_or(Err(Code::Win32(ERROR_OPERATION_ABORTED)))),
    }
}

fn run_with(
    event: &OwnedHandle,
    end: BorrowedHandle<'_>,
    patience: &Patience<'_>,
    start: impl FnOnce(*mut OVERLAPPED) -> i32,
) -> CodeResult<Moved> {
    let mut overlapped = OVERLAPPED {
        hEvent: without_packet(event),
        ..Default::default()
    };
    let operation = &raw mut overlapped;
    if start(operation) == 0 {
        match Code::last() {
            Code::Win32(ERROR_IO_PENDING) => {}
            Code::Win32(ERROR_MORE_DATA) => return result(end, operation),
            refused => return Err(refused),
        }
    } else {
        return result(end, operation);
    }
    let is_late = waiting(|| wait(event, end, operation, patience));
    match result(end, operation) {
        Err(Code::Win32(ERROR_OPERATION_ABORTED)) if is_late => Err(Code::Win32(ERROR_SEM_TIMEOUT)),
        // As the wait for the event says it.
        Err(Code::Win32(ERROR_TIMEOUT)) => Err(Code::Win32(ERROR_SEM_TIMEOUT)),
        outcome => outcome,
    }
}

/// Waits until the operation is complete, or is to be given up, which is true then.
fn wait(event: &OwnedHandle, end: BorrowedHandle<'_>, operation: *mut OVERLAPPED, patience: &Patience<'_>) -> bool {
    // Whoever closes the end says so first and cancels then: one of the two is seen.
    let is_over = (patience.is_over)();
    let mut is_late = false;
    loop {
        let left = patience
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        is_late |= left == Some(Duration::ZERO);
        if is_over || is_late {
            // SAFETY: the operation is pending or complete, and lives. That it is complete is no failure.
            unsafe { CancelIoEx(end.as_raw_handle(), operation) };
            return is_late;
        }
        // SAFETY: the event is open.
        if unsafe { WaitForSingleObject(event.as_raw_handle(), milliseconds(left)) } != WAIT_TIMEOUT {
            return false;
        }
    }
}

/// Waits for the end of an operation that is complete or cancelled, and tells how it went.
fn result(end: BorrowedHandle<'_>, operation: *mut OVERLAPPED) -> CodeResult<Moved> {
    let mut bytes = 0;
    // SAFETY: both live; the operation was started on this handle.
    let outcome = unsafe { GetOverlappedResult(end.as_raw_handle(), operation, &raw mut bytes, 1) };
    let moved = |more| Moved {
        bytes: bytes as usize,
        more,
    };
    match done(outcome) {
        Ok(()) => Ok(moved(false)),
        Err(Code::Win32(ERROR_MORE_DATA)) => Ok(moved(true)),
        Err(code) => Err(code),
    }
}
