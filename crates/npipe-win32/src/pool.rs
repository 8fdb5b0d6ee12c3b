#![allow(unsafe_code, reason = "calls back into the program")]

//! Callbacks on threads of the library: registered waits, and completions of bound handles.
//!
//! A registered wait has a thread of its own, which waits and calls; Windows shares its threads among many. Bound handles
//! complete into one port, which some threads empty. A callback may not end its thread.

use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use npipe::Access;
use npipe::impersonation::as_process;

use crate::dispatch::{self, Waitable, locked};
use crate::failure::{Failure, Outcome};
use crate::handles;
use crate::object::{Object, pipe_end};
use crate::overlapped;
use crate::pointers::Out;
use crate::ports::{Association, Port};
use crate::sanitizer;
use crate::threads::CompletionRoutine;
use crate::types::{Bool, FALSE, Handle, INVALID_HANDLE_VALUE, NULL, TRUE, WAIT_OBJECT_0, WAIT_TIMEOUT, code};

/// WAITORTIMERCALLBACK.
type WaitCallback = unsafe extern "C" fn(*mut c_void, u8);

const WT_EXECUTEONLYONCE: u32 = 8;
/// As many threads empty the port of bound handles.
const COMPLETERS: usize = 2;
const IO_PENDING: u32 = 997;

/// A registered wait.
pub(crate) struct Registration {
    /// Set when it is to end.
    ending: Arc<Waitable>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread is inside the callback, or about to be.
    calls: bool,
    over: bool,
    /// Signaled when it is over, for UnregisterWaitEx.
    notified: Option<Arc<Waitable>>,
}

/// What a wait calls.
struct Callback {
    routine: WaitCallback,
    context: *mut c_void,
}

// SAFETY: the program registers both for the use of another thread.
unsafe impl Send for Callback {}

impl Registration {
    /// Waits and calls until it is ended, or once.
    fn run(&self, object: &Arc<Waitable>, callback: &Callback, timeout_ms: u32, once: bool) {
        loop {
            let objects = vec![Arc::clone(&self.ending), Arc::clone(object)];
            let timed_out = match dispatch::wait(objects, false, timeout_ms, false) {
                WAIT_OBJECT_0 => break,
                WAIT_TIMEOUT => 1,
                _ => 0,
            };
            locked(&self.state).calls = true;
            // SAFETY: the program vouches for its callback.
            unsafe { (callback.routine)(callback.context, timed_out) };
            sanitizer::release(self);
            locked(&self.state).calls = false;
            if once {
                break;
            }
        }
        let mut state = locked(&self.state);
        state.over = true;
        let notified = state.notified.take();
        drop(state);
        self.changed.notify_all();
        if let Some(event) = notified {
            event.set_event(true);
        }
    }

    fn wait_until_over(&self) {
        let mut state = locked(&self.state);
        while !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        sanitizer::acquire(self);
    }
}

fn registration(handle: Handle) -> Outcome<Arc<Registration>> {
    match handles::get(handle)?.object {
        Object::Registration(registration) => Ok(registration),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

/// Ends a registered wait. A callback that runs goes on; whoever is in it must not wait for it.
fn unregister(handle: Handle, completion: Handle) -> Outcome<Bool> {
    let registration = registration(handle)?;
    let event = match completion {
        NULL | INVALID_HANDLE_VALUE => None,
        event => match handles::get(event)?.object {
            Object::Event(event) => Some(event),
            _ => return Err(Failure(code::INVALID_HANDLE)),
        },
    };
    handles::close(handle)?;
    registration.ending.set_event(true);
    if completion == INVALID_HANDLE_VALUE {
        registration.wait_until_over();
        return Ok(TRUE);
    }
    let mut state = locked(&registration.state);
    if !state.calls {
        sanitizer::acquire(&*registration);
    }
    if let Some(event) = event {
        if state.over {
            drop(state);
            event.set_event(true);
        } else {
            state.notified = Some(event);
        }
        return Ok(TRUE);
    }
    match state.calls {
        true => Err(Failure(IO_PENDING)),
        false => Ok(TRUE),
    }
}

/// The port that bound handles complete into, with its threads.
fn common_port() -> Outcome<Arc<Port>> {
    static PORT: OnceLock<Arc<Port>> = OnceLock::new();
    if let Some(port) = PORT.get() {
        return Ok(Arc::clone(port));
    }
    let port: Arc<Port> = Arc::default();
    // It is never closed.
    port.opened();
    if PORT.set(Arc::clone(&port)).is_err() {
        return common_port();
    }
    for _ in 0..COMPLETERS {
        let port = Arc::clone(&port);
        as_process(|| std::thread::Builder::new().spawn(move || complete_for_ever(&port)))?;
    }
    Ok(port)
}

fn complete_for_ever(port: &Port) {
    while let Some(packet) = port.next() {
        let error = overlapped::result_of(packet.status);
        // SAFETY: the key of a bound handle is its routine, by `BindIoCompletionCallback`, and nothing else is in this port.
        let routine = unsafe { std::mem::transmute::<usize, CompletionRoutine>(packet.key) };
        // SAFETY: the program vouches for its routine.
        unsafe { routine(error, packet.bytes, packet.overlapped) };
    }
}

crate::export! {
    /// RegisterWaitForSingleObject: calls back whenever the object is signaled or the time has passed, once if asked to.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER.
    fn RegisterWaitForSingleObject(
        made: Out<Handle>,
        handle: Handle,
        routine: Option<WaitCallback>,
        context: *mut c_void,
        timeout_ms: u32,
        flags: u32,
    ) -> Bool [FALSE] {
        let invalid = Failure(code::INVALID_PARAMETER);
        let object = crate::waits::object(handle)?.waitable();
        let callback = Callback { routine: routine.ok_or(invalid)?, context };
        if made.is_null() {
            return Err(invalid);
        }
        let registration = Arc::new(Registration {
            ending: Waitable::event(true, false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let new = handles::insert(Object::Registration(Arc::clone(&registration)), Access::READ_WRITE, false)?;
        // Before the thread can call back, which may look for it.
        made.set(new);
        let once = flags & WT_EXECUTEONLYONCE != 0;
        let run = move || {
            let callback = callback;
            registration.run(&object, &callback, timeout_ms, once);
        };
        if let Err(error) = as_process(|| std::thread::Builder::new().spawn(run)) {
            handles::close(new)?;
            return Err(error.into());
        }
        Ok(TRUE)
    }

    /// UnregisterWait.
    ///
    /// # Errors
    /// ERROR_IO_PENDING while its callback runs, which is success; ERROR_INVALID_HANDLE.
    fn UnregisterWait(handle: Handle) -> Bool [FALSE] {
        unregister(handle, NULL)
    }

    /// UnregisterWaitEx: INVALID_HANDLE_VALUE waits until no callback runs, an event is signaled then.
    ///
    /// # Errors
    /// As UnregisterWait.
    fn UnregisterWaitEx(handle: Handle, completion: Handle) -> Bool [FALSE] {
        unregister(handle, completion)
    }

    /// BindIoCompletionCallback: completions of the handle's operations go to `routine`, on threads of the library.
    ///
    /// # Errors
    /// As CreateIoCompletionPort.
    fn BindIoCompletionCallback(handle: Handle, routine: Option<CompletionRoutine>, _flags: u32) -> Bool [FALSE] {
        let invalid = Failure(code::INVALID_PARAMETER);
        let routine = routine.ok_or(invalid)?;
        let end = pipe_end(handle)?;
        if !end.overlapped {
            return Err(invalid);
        }
        end.pending.set_port(Association { port: common_port()?, key: routine as usize })?;
        Ok(TRUE)
    }
}
