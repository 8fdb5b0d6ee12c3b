#![allow(
    unsafe_code,
    reason = "the system's waits, which take handles, and a thread's own handle"
)]
//! Waits in which a thread makes the calls that are queued to it, and queueing them.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{WAIT_IO_COMPLETION, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{
    GetCurrentThreadId, OpenThread, QueueUserAPC, SleepEx, THREAD_ACCESS_RIGHTS, THREAD_SET_CONTEXT,
    WaitForSingleObjectEx,
};

use super::transfer::waiting;
use super::{Code, CodeResult, milliseconds};

/// Why a wait has ended without what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// The thread has made calls that were queued to it.
    Calls,
    /// The time has passed.
    TimedOut,
}

/// How long there is until then, as the system's waits take it.
pub(super) fn left_until(deadline: Option<Instant>) -> u32 {
    milliseconds(deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())))
}

/// Whether it has passed.
pub(super) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) == Duration::ZERO)
}

/// A wait until then, which is a mere look if that has passed.
pub(super) fn unless_passed<T>(deadline: Option<Instant>, wait: impl FnOnce() -> T) -> T {
    if has_passed(deadline) { wait() } else { waiting(wait) }
}

/// Waits for an event; with `is_alertable` also until calls were made, and then the event goes first.
pub(crate) fn wait(event: &OwnedHandle, deadline: Option<Instant>, is_alertable: bool) -> Result<(), Unmet> {
    unless_passed(deadline, || {
        loop {
            let is_last = has_passed(deadline);
            // SAFETY: the handle is open.
            let woken =
                unsafe { WaitForSingleObjectEx(event.as_raw_handle(), left_until(deadline), is_alertable.into()) };
            match woken {
                WAIT_IO_COMPLETION => return Err(Unmet::Calls),
                WAIT_TIMEOUT if is_last => return Err(Unmet::TimedOut),
                WAIT_TIMEOUT => {}
                _ => return Ok(()),
            }
        }
    })
}

/// Sleeps until calls were made.
pub(crate) fn sleep(deadline: Option<Instant>) -> Unmet {
    unless_passed(deadline, || {
        loop {
            let is_last = has_passed(deadline);
            // SAFETY: no memory is passed.
            match unsafe { SleepEx(left_until(deadline), 1) } {
                WAIT_IO_COMPLETION => return Unmet::Calls,
                _ if is_last => return Unmet::TimedOut,
                _ => {}
            }
        }
    })
}

/// A handle of this thread by which others queue calls to it.
pub(crate) fn this_thread() -> CodeResult<OwnedHandle> {
    open_this_thread(THREAD_SET_CONTEXT)
}

/// A handle of this thread with these rights.
pub(super) fn open_this_thread(rights: THREAD_ACCESS_RIGHTS) -> CodeResult<OwnedHandle> {
    // SAFETY: no memory is passed.
    let number = unsafe { GetCurrentThreadId() };
    // SAFETY: no memory is passed.
    let handle = unsafe { OpenThread(rights, 0, number) };
    if handle.is_null() {
        return Err(Code::last());
    }
    // SAFETY: it is a new handle that nobody else closes.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Has a thread call this in an alertable wait, with a number that says nothing. Refused by one that has ended.
pub(crate) fn queue(thread: &OwnedHandle, call: extern "system" fn(usize)) -> CodeResult<()> {
    // SAFETY: the handle is open, and the function takes any number.
    match unsafe { QueueUserAPC(Some(call), thread.as_raw_handle(), 0) } {
        0 => Err(Code::last()),
        _ => Ok(()),
    }
}
