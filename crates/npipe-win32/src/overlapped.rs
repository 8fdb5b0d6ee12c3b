//! OVERLAPPED structures: how a call that waits fills one in, and how results are asked for.
//!
//! A handle that was opened without FILE_FLAG_OVERLAPPED blocks and fills the structure in all the same; so do ordinary
//! files. Results are asked of the structure alone: of `Internal`, and where that is still pending, of the event in it or
//! of the handle.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use npipe::Status;
use npipe::overlapped::engine;

use crate::dispatch::{self, Waitable};
use crate::failure::{Failure, Outcome, boundary, set_last_error};
use crate::handles;
use crate::object::{Object, pipe_end};
use crate::pointers::{Out, Shared};
use crate::sanitizer;
use crate::types::{
    Bool, FALSE, Handle, INFINITE, OVERLAPPED, STATUS_PENDING, TRUE, WAIT_IO_COMPLETION, WAIT_OBJECT_0, WAIT_TIMEOUT,
    code,
};

/// What a call moved, and whether the message has more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) bytes: usize,
    pub(crate) more: bool,
}

impl From<npipe::ReadOutcome> for Moved {
    fn from(outcome: npipe::ReadOutcome) -> Moved {
        Moved {
            bytes: outcome.bytes,
            more: outcome.more,
        }
    }
}

impl From<usize> for Moved {
    fn from(bytes: usize) -> Moved {
        Moved { bytes, more: false }
    }
}

impl Moved {
    /// What ReadFile and its kin return for it.
    pub(crate) fn answer(self, count: Out<u32>) -> Outcome<Bool> {
        count.set(self.bytes as u32);
        match self.more {
            true => Err(Failure(code::MORE_DATA)),
            false => Ok(TRUE),
        }
    }
}

/// The event of a structure; its low bit is for completion ports alone.
// semantics 226
pub(crate) fn event(overlapped: &OVERLAPPED) -> Outcome<Option<Arc<Waitable>>> {
    match overlapped.hEvent.load(Ordering::Relaxed) & !1 {
        0 => Ok(None),
        handle => match handles::get(handle)?.object {
            Object::Event(event) => Ok(Some(event)),
            _ => Err(Failure(code::INVALID_HANDLE)),
        },
    }
}

/// Marks a structure as that of a call that has begun, which is done before anything is looked at: a call that is refused
/// leaves it pending, and its event as it was.
// semantics 213
pub(crate) fn begin(overlapped: Shared<'_, OVERLAPPED>) {
    if let Some(overlapped) = overlapped.get() {
        overlapped.Internal.store(STATUS_PENDING, Ordering::Relaxed);
    }
}

/// Runs a call that waits, and fills in the structure.
pub(crate) fn filling(overlapped: &OVERLAPPED, act: impl FnOnce() -> Outcome<Moved>) -> Outcome<Moved> {
    overlapped.Internal.store(STATUS_PENDING, Ordering::Relaxed);
    // What fails at once leaves the structure pending; that it waited first is not told apart.
    let moved = act()?;
    let status = if moved.more {
        Status::BufferOverflow.ntstatus() as usize
    } else {
        0
    };
    overlapped.InternalHigh.store(moved.bytes, Ordering::Relaxed);
    overlapped.Internal.store(status, Ordering::Release);
    Ok(moved)
}

/// The same with the event in the structure, if there is a structure.
// semantics 74, 213, 223
pub(crate) fn synchronously(
    overlapped: Shared<'_, OVERLAPPED>,
    act: impl FnOnce() -> Outcome<Moved>,
) -> Outcome<Moved> {
    let Some(overlapped) = overlapped.get() else {
        return act();
    };
    let event = event(overlapped)?;
    if let Some(event) = &event {
        event.set_event(false);
    }
    let moved = filling(overlapped, act)?;
    if let Some(event) = event {
        event.set_event(true);
    }
    Ok(moved)
}

/// The Win32 number of what stands in `Internal`.
pub(crate) fn result_of(status: usize) -> u32 {
    match status as u32 {
        0 => code::SUCCESS,
        status => Status::from_ntstatus(status).map_or(code::GEN_FAILURE, Status::win32),
    }
}

/// GetOverlappedResult and its Ex form: the outcome, or the wait's if that ended first.
// semantics 216-218
fn result(
    handle: Handle,
    overlapped: Shared<'_, OVERLAPPED>,
    count: Out<u32>,
    timeout_ms: u32,
    alertable: bool,
) -> Outcome<u32> {
    let overlapped = overlapped.require()?;
    let mut status = overlapped.Internal.load(Ordering::Acquire);
    if status == STATUS_PENDING && timeout_ms == 0 {
        // It may be complete and nobody has looked.
        if let Ok(end) = pipe_end(handle) {
            engine::pump(&end);
        }
        status = overlapped.Internal.load(Ordering::Acquire);
    }
    if status == STATUS_PENDING {
        // Without a wait there is none to run calls in (semantics 218).
        if timeout_ms == 0 {
            return Ok(code::IO_INCOMPLETE);
        }
        let object = match event(overlapped)? {
            Some(event) => event,
            None => handles::get(handle)?.object.waitable(),
        };
        match dispatch::wait(vec![object], false, timeout_ms, alertable) {
            WAIT_OBJECT_0 => {}
            other => return Ok(other),
        }
        status = overlapped.Internal.load(Ordering::Acquire);
        if status == STATUS_PENDING {
            return Ok(code::IO_INCOMPLETE);
        }
    }
    sanitizer::acquire(overlapped);
    count.set(overlapped.InternalHigh.load(Ordering::Relaxed) as u32);
    Ok(result_of(status))
}

/// A result as a function returns it.
fn settle(result: u32) -> Bool {
    if result == code::SUCCESS {
        return TRUE;
    }
    set_last_error(result);
    FALSE
}

crate::export! {
    /// GetOverlappedResult.
    ///
    /// # Errors
    /// That of the operation; ERROR_IO_INCOMPLETE while it runs and `wait` is FALSE.
    fn GetOverlappedResult(
        handle: Handle,
        overlapped: Shared<'_, OVERLAPPED>,
        count: Out<u32>,
        wait: Bool,
    ) -> Bool [FALSE] {
        let timeout_ms = if wait == FALSE { 0 } else { INFINITE };
        Ok(settle(result(handle, overlapped, count, timeout_ms, false)?))
    }
}

crate::export_unwinding! {
    /// GetOverlappedResultEx. When calls of the thread have run, FALSE with WAIT_IO_COMPLETION.
    ///
    /// # Errors
    /// As GetOverlappedResult; WAIT_TIMEOUT.
    fn GetOverlappedResultEx(
        handle: Handle,
        overlapped: Shared<'_, OVERLAPPED>,
        count: Out<u32>,
        timeout_ms: u32,
        alertable: Bool,
    ) -> Bool {
        let outcome = boundary(None, || result(handle, overlapped, count, timeout_ms, alertable != FALSE).map(Some));
        match outcome {
            None => FALSE,
            Some(outcome @ (WAIT_IO_COMPLETION | WAIT_TIMEOUT)) => settle(crate::threads::deliver(outcome)),
            Some(outcome) => settle(outcome),
        }
    }
}
