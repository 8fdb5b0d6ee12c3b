//! WaitForSingleObject, WaitForMultipleObjects and Sleep.

use std::sync::Arc;

use crate::dispatch;
use crate::failure::{Failure, Outcome};
use crate::handles;
use crate::object::Object;
use crate::pointers::In;
use crate::types::{Bool, CURRENT_PROCESS, CURRENT_THREAD, FALSE, Handle, MAXIMUM_WAIT_OBJECTS, WAIT_FAILED, code};

/// The object behind a handle, the two that mean whoever uses them included.
pub(crate) fn object(handle: Handle) -> Outcome<Object> {
    match handle {
        CURRENT_PROCESS => Ok(Object::Process),
        CURRENT_THREAD => Ok(Object::Thread(crate::threads::thread(handle)?)),
        _ => handles::get(handle)?.object.of_the_system(),
    }
}

pub(crate) fn single(handle: Handle, timeout_ms: u32, alertable: Bool) -> Outcome<u32> {
    let objects = vec![object(handle)?.waitable()];
    Ok(dispatch::wait(objects, false, timeout_ms, alertable != FALSE))
}

pub(crate) fn multiple(count: u32, handles: In<Handle>, all: Bool, timeout_ms: u32, alertable: Bool) -> Outcome<u32> {
    let invalid = Failure(code::INVALID_PARAMETER);
    let count = count as usize;
    if count == 0 || count > MAXIMUM_WAIT_OBJECTS {
        return Err(invalid);
    }
    let handles = handles.array(count).ok_or(Failure(code::NOACCESS))?;
    let mut objects = Vec::with_capacity(count);
    for handle in handles {
        objects.push(object(handle)?.waitable());
    }
    let all = all != FALSE;
    // Nothing can be taken twice at once.
    if all && (1..count).any(|index| objects[..index].iter().any(|other| Arc::ptr_eq(other, &objects[index]))) {
        return Err(invalid);
    }
    Ok(dispatch::wait(objects, all, timeout_ms, alertable != FALSE))
}

/// The first half of SignalObjectAndWait.
pub(crate) fn signal(handle: Handle) -> Outcome<()> {
    match handles::get(handle)?.object {
        Object::Event(event) => {
            event.set_event(true);
            Ok(())
        }
        Object::Semaphore(semaphore) => semaphore.release_semaphore(1).map(|_| ()),
        Object::Mutex(mutex) => mutex.release_mutex(),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

crate::export! {
    /// WaitForSingleObject: WAIT_OBJECT_0, WAIT_ABANDONED or WAIT_TIMEOUT.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn WaitForSingleObject(handle: Handle, timeout_ms: u32) -> u32 [WAIT_FAILED] {
        single(handle, timeout_ms, FALSE)
    }

    /// WaitForMultipleObjects: the number of the object, from WAIT_OBJECT_0 or WAIT_ABANDONED_0, or WAIT_TIMEOUT.
    ///
    /// # Errors
    /// As WaitForMultipleObjectsEx.
    fn WaitForMultipleObjects(count: u32, handles: In<Handle>, all: Bool, timeout_ms: u32) -> u32 [WAIT_FAILED] {
        multiple(count, handles, all, timeout_ms, FALSE)
    }

    /// Sleep.
    fn Sleep(timeout_ms: u32) -> () [()] {
        if timeout_ms == 0 {
            std::thread::yield_now();
        } else {
            dispatch::sleep(timeout_ms, false);
        }
        Ok(())
    }
}
