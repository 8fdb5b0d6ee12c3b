//! Callbacks on threads of the library: work, timers, waits, and completions of operations.
//!
//! * [`workers`]: the threads, and what they are to do.
//! * [`outstanding`]: calls that have been asked for, for those who wait for their end or take them back.
//! * [`work`]: functions that are called once for each time that it is asked for.
//! * [`timers`] and [`queues`]: functions that are called when it is time, of thread pools and of timer queues.
//! * [`waits`]: functions that are called when an object is signaled, registered ones and those of thread pools.
//! * [`io`]: functions that are called when an operation is complete.
//!
//! What these make is named by handles too, so that a wrong or closed one does no harm, but only their own functions take them:
//! CloseHandle and waits do not. Structures that say on which threads a callback is to run are not offered. A callback may
//! not end its thread; one that acts as a client and does not revert leaves that to the library.

pub(crate) mod io;
mod outstanding;
pub(crate) mod queues;
pub(crate) mod timers;
pub(crate) mod waits;
pub(crate) mod work;
mod workers;

use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Instant;

use npipe::Access;

use crate::clock::when;
use crate::failure::{Failure, Outcome, not_implemented};
use crate::handles;
use crate::object::Object;
use crate::security::impersonation::RevertToSelf;
use crate::types::{Handle, code};

const WT_EXECUTEONLYONCE: u32 = 8;
const IO_PENDING: u32 = 997;

/// PTP_CALLBACK_INSTANCE, which is always NULL: nothing that could be done with one is offered.
type Instance = *const c_void;

const INSTANCE: Instance = std::ptr::null();

/// A handle for one of these.
fn insert<T: Send + Sync + 'static>(made: Arc<T>) -> Outcome<Handle> {
    handles::insert(Object::Pooled(made), Access::NONE, false)
}

/// What a handle stands for.
///
/// # Errors
/// ERROR_INVALID_HANDLE, also for what is of another kind.
fn get<T: Send + Sync + 'static>(handle: Handle) -> Outcome<Arc<T>> {
    of_kind(handles::get(handle)?.object)
}

/// The same, whose handle this closes.
fn take<T: Send + Sync + 'static>(handle: Handle) -> Outcome<Arc<T>> {
    of_kind(handles::take(handle, is_of_kind::<T>)?)
}

fn is_of_kind<T: Any>(object: &Object) -> bool {
    matches!(object, Object::Pooled(pooled) if pooled.is::<T>())
}

fn of_kind<T: Send + Sync + 'static>(object: Object) -> Outcome<Arc<T>> {
    let invalid = Failure(code::INVALID_HANDLE);
    match object {
        Object::Pooled(pooled) => pooled.downcast().map_err(|_| invalid),
        _ => Err(invalid),
    }
}

/// After a callback that acts as a client and has not come back: the next one of this thread is the process again.
fn come_back() {
    if npipe::impersonation::thread_token().is_some() {
        RevertToSelf();
    }
}

/// When a FILETIME is, or so much from now if it is negative.
fn time_of([low, high]: [u32; 2]) -> Instant {
    when((u64::from(high) << 32 | u64::from(low)) as i64)
}

/// A PTP_CALLBACK_ENVIRON, which is not offered.
///
/// # Errors
/// ERROR_CALL_NOT_IMPLEMENTED if there is one.
fn refuse_environment(environment: *const c_void) -> Outcome<()> {
    match environment.is_null() {
        true => Ok(()),
        false => Err(not_implemented("a callback environment of a thread pool")),
    }
}

/// A flag of callbacks that are to run as whom the thread acts on.
///
/// # Errors
/// ERROR_CALL_NOT_IMPLEMENTED if it is there.
fn refuse_impersonation(flags: u32) -> Outcome<()> {
    const WT_TRANSFER_IMPERSONATION: u32 = 0x100;
    match flags & WT_TRANSFER_IMPERSONATION {
        0 => Ok(()),
        _ => Err(not_implemented("WT_TRANSFER_IMPERSONATION")),
    }
}
