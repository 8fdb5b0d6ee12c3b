#![allow(unsafe_code, reason = "the system's calls on completion ports, which take pointers")]
//! Completion ports.
//!
//! A packet brings an address, which this hands on as a number: whoever has a handle of an end can send any.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null_mut, without_provenance};
use std::time::Instant;

use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_IO_COMPLETION, WAIT_TIMEOUT};
use windows_sys::Win32::Storage::FileSystem::SetFileCompletionNotificationModes;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;

use super::alertable::{Unmet, has_passed, left_until, unless_passed};
use super::{Code, CodeResult, done};

/// A new port.
pub(crate) fn create() -> CodeResult<OwnedHandle> {
    // SAFETY: no memory is passed.
    let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 0) };
    if port.is_null() {
        return Err(Code::last());
    }
    // SAFETY: it is a new handle that nobody else closes.
    Ok(unsafe { OwnedHandle::from_raw_handle(port) })
}

/// Has the completions of an end queued to a port.
pub(crate) fn associate(port: &OwnedHandle, end: BorrowedHandle<'_>, key: usize) -> CodeResult<()> {
    // SAFETY: both handles are open.
    let made = unsafe { CreateIoCompletionPort(end.as_raw_handle(), port.as_raw_handle(), key, 0) };
    if made.is_null() { Err(Code::last()) } else { Ok(()) }
}

/// From now on what is complete at once is not queued.
pub(crate) fn skip_on_success(end: BorrowedHandle<'_>) -> CodeResult<()> {
    // SAFETY: the handle is open.
    done(unsafe { SetFileCompletionNotificationModes(end.as_raw_handle(), FILE_SKIP_COMPLETION_PORT_ON_SUCCESS as u8) })
}

/// Queues a packet.
pub(crate) fn post(port: &OwnedHandle, address: usize) -> CodeResult<()> {
    // SAFETY: the handle is open; the system hands the address on and does not use it.
    done(unsafe { PostQueuedCompletionStatus(port.as_raw_handle(), 0, 0, without_provenance(address)) })
}

/// Takes the next packet, which is an address, or waits for it; with `is_alertable` also until the thread has made calls that
/// were queued to it.
pub(crate) fn take(port: &OwnedHandle, deadline: Option<Instant>, is_alertable: bool) -> Result<usize, Unmet> {
    let mut entry = OVERLAPPED_ENTRY::default();
    let mut count = 0;
    unless_passed(deadline, || {
        loop {
            let is_last = has_passed(deadline);
            // SAFETY: the entry and the count live until the call returns.
            let taken = done(unsafe {
                GetQueuedCompletionStatusEx(
                    port.as_raw_handle(),
                    &raw mut entry,
                    1,
                    &raw mut count,
                    left_until(deadline),
                    is_alertable.into(),
                )
            });
            match taken {
                Ok(()) => return Ok(entry.lpOverlapped.addr()),
                Err(Code::Win32(WAIT_IO_COMPLETION)) => return Err(Unmet::Calls),
                Err(Code::Win32(WAIT_TIMEOUT)) if !is_last => {}
                Err(_) => return Err(Unmet::TimedOut),
            }
        }
    })
}
