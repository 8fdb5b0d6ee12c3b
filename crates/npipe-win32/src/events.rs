//! Events, mutexes and semaphores.
//!
//! They have no names: a name would have to be seen by other processes, and an object that only looks as if it were would
//! let two processes into what one of them may do. Creating or opening one by name fails with ERROR_CALL_NOT_IMPLEMENTED.

use std::sync::Arc;

use npipe::Access;

use crate::dispatch::Waitable;
use crate::failure::{Failure, Outcome, not_implemented};
use crate::handles;
use crate::object::Object;
use crate::pointers::{Ansi, In, Out, WideText};
use crate::types::{Bool, FALSE, Handle, NULL, SECURITY_ATTRIBUTES, TRUE, code};

/// A handle of a new object. A name that is empty is none.
pub(crate) fn create<U: Copy + PartialEq + Default>(
    attributes: In<SECURITY_ATTRIBUTES>,
    name: crate::pointers::Text<'_, U>,
    what: &'static str,
    make: impl FnOnce() -> Object,
) -> Outcome<Handle> {
    if name.units().is_some_and(|name| !name.is_empty()) {
        return Err(not_implemented(what));
    }
    let inherit = attributes
        .get()
        .is_some_and(|attributes| attributes.bInheritHandle != FALSE);
    handles::insert(make(), Access::READ_WRITE, inherit)
}

const NAMED_EVENT: &str = "an event with a name";
const NAMED_MUTEX: &str = "a mutex with a name";
const NAMED_SEMAPHORE: &str = "a semaphore with a name";
const MANUAL_RESET: u32 = 1;
const INITIAL_SET: u32 = 2;
const INITIAL_OWNER: u32 = 1;

fn event(handle: Handle) -> Outcome<Arc<Waitable>> {
    match handles::get(handle)?.object {
        Object::Event(event) => Ok(event),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

fn new_event(manual: bool, set: bool) -> impl FnOnce() -> Object {
    move || Object::Event(Waitable::event(manual, set))
}

fn new_mutex(owned: bool) -> impl FnOnce() -> Object {
    move || Object::Mutex(Waitable::mutex(owned))
}

fn check_semaphore(count: i32, maximum: i32) -> Outcome<()> {
    match maximum > 0 && (0..=maximum).contains(&count) {
        true => Ok(()),
        false => Err(Failure(code::INVALID_PARAMETER)),
    }
}

fn new_semaphore(count: i32, maximum: i32) -> impl FnOnce() -> Object {
    move || Object::Semaphore(Waitable::semaphore(count, maximum))
}

crate::export! {
    /// CreateEventA.
    ///
    /// # Errors
    /// ERROR_CALL_NOT_IMPLEMENTED for one with a name.
    fn CreateEventA(attributes: In<SECURITY_ATTRIBUTES>, manual: Bool, set: Bool, name: Ansi<'_>) -> Handle [NULL] {
        create(attributes, name, NAMED_EVENT, new_event(manual != FALSE, set != FALSE))
    }

    /// CreateEventW.
    ///
    /// # Errors
    /// As CreateEventA.
    fn CreateEventW(attributes: In<SECURITY_ATTRIBUTES>, manual: Bool, set: Bool, name: WideText<'_>) -> Handle [NULL] {
        create(attributes, name, NAMED_EVENT, new_event(manual != FALSE, set != FALSE))
    }

    /// CreateEventExA.
    ///
    /// # Errors
    /// As CreateEventA; ERROR_INVALID_PARAMETER for unknown flags.
    fn CreateEventExA(attributes: In<SECURITY_ATTRIBUTES>, name: Ansi<'_>, flags: u32, _access: u32) -> Handle [NULL] {
        if flags & !(MANUAL_RESET | INITIAL_SET) != 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        create(attributes, name, NAMED_EVENT, new_event(flags & MANUAL_RESET != 0, flags & INITIAL_SET != 0))
    }

    /// CreateEventExW.
    ///
    /// # Errors
    /// As CreateEventExA.
    fn CreateEventExW(attributes: In<SECURITY_ATTRIBUTES>, name: WideText<'_>, flags: u32, _access: u32) -> Handle [NULL] {
        if flags & !(MANUAL_RESET | INITIAL_SET) != 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        create(attributes, name, NAMED_EVENT, new_event(flags & MANUAL_RESET != 0, flags & INITIAL_SET != 0))
    }

    /// SetEvent.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn SetEvent(handle: Handle) -> Bool [FALSE] {
        event(handle)?.set_event(true);
        Ok(TRUE)
    }

    /// ResetEvent.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn ResetEvent(handle: Handle) -> Bool [FALSE] {
        event(handle)?.set_event(false);
        Ok(TRUE)
    }

    /// PulseEvent: releases who waits now.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn PulseEvent(handle: Handle) -> Bool [FALSE] {
        event(handle)?.pulse_event();
        Ok(TRUE)
    }

    /// CreateMutexA.
    ///
    /// # Errors
    /// ERROR_CALL_NOT_IMPLEMENTED for one with a name.
    fn CreateMutexA(attributes: In<SECURITY_ATTRIBUTES>, owned: Bool, name: Ansi<'_>) -> Handle [NULL] {
        create(attributes, name, NAMED_MUTEX, new_mutex(owned != FALSE))
    }

    /// CreateMutexW.
    ///
    /// # Errors
    /// As CreateMutexA.
    fn CreateMutexW(attributes: In<SECURITY_ATTRIBUTES>, owned: Bool, name: WideText<'_>) -> Handle [NULL] {
        create(attributes, name, NAMED_MUTEX, new_mutex(owned != FALSE))
    }

    /// CreateMutexExW.
    ///
    /// # Errors
    /// As CreateMutexA.
    fn CreateMutexExW(attributes: In<SECURITY_ATTRIBUTES>, name: WideText<'_>, flags: u32, _access: u32) -> Handle [NULL] {
        create(attributes, name, NAMED_MUTEX, new_mutex(flags & INITIAL_OWNER != 0))
    }

    /// ReleaseMutex.
    ///
    /// # Errors
    /// ERROR_NOT_OWNER for a thread that does not own it; ERROR_INVALID_HANDLE.
    fn ReleaseMutex(handle: Handle) -> Bool [FALSE] {
        match handles::get(handle)?.object {
            Object::Mutex(mutex) => mutex.release_mutex()?,
            _ => return Err(Failure(code::INVALID_HANDLE)),
        }
        Ok(TRUE)
    }

    /// CreateSemaphoreA.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER unless 0 <= count <= maximum and 0 < maximum; ERROR_CALL_NOT_IMPLEMENTED for one with a name.
    fn CreateSemaphoreA(
        attributes: In<SECURITY_ATTRIBUTES>,
        count: i32,
        maximum: i32,
        name: Ansi<'_>,
    ) -> Handle [NULL] {
        check_semaphore(count, maximum)?;
        create(attributes, name, NAMED_SEMAPHORE, new_semaphore(count, maximum))
    }

    /// CreateSemaphoreW.
    ///
    /// # Errors
    /// As CreateSemaphoreA.
    fn CreateSemaphoreW(
        attributes: In<SECURITY_ATTRIBUTES>,
        count: i32,
        maximum: i32,
        name: WideText<'_>,
    ) -> Handle [NULL] {
        check_semaphore(count, maximum)?;
        create(attributes, name, NAMED_SEMAPHORE, new_semaphore(count, maximum))
    }

    /// ReleaseSemaphore.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for less than one; ERROR_TOO_MANY_POSTS beyond the maximum; ERROR_INVALID_HANDLE.
    fn ReleaseSemaphore(handle: Handle, by: i32, previous: Out<i32>) -> Bool [FALSE] {
        let Object::Semaphore(semaphore) = handles::get(handle)?.object else {
            return Err(Failure(code::INVALID_HANDLE));
        };
        if by <= 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        previous.set(semaphore.release_semaphore(by)?);
        Ok(TRUE)
    }
}
