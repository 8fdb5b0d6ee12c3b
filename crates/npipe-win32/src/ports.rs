//! Completion ports.
//!
//! A port is a queue of packets: one for each operation of its handles that is complete, and those that programs post. They
//! come out first in, first out, to whichever thread asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use npipe::Access;
use npipe::overlapped::engine::{self, Signal};

use crate::dispatch::{self, locked};
use crate::failure::{Failure, Outcome, boundary, set_last_error};
use crate::handles;
use crate::object::{Object, pipe_end};
use crate::overlapped;
use crate::pointers::Out;
use crate::sanitizer;
use crate::threads::{self, Thread};
use crate::types::{
    Bool, FALSE, Handle, INFINITE, INVALID_HANDLE_VALUE, NULL, TRUE, WAIT_IO_COMPLETION, WAIT_TIMEOUT, code,
};

const FILE_SKIP_COMPLETION_PORT_ON_SUCCESS: u8 = 1;
const FILE_SKIP_SET_EVENT_ON_HANDLE: u8 = 2;

/// A completed operation, or what was posted.
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) key: usize,
    pub(crate) overlapped: usize,
    pub(crate) bytes: u32,
    /// The NT status of the operation.
    pub(crate) status: usize,
}

/// OVERLAPPED_ENTRY.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct OVERLAPPED_ENTRY {
    lpCompletionKey: usize,
    lpOverlapped: usize,
    Internal: usize,
    dwNumberOfBytesTransferred: u32,
}

/// The port of a handle, and the handle's key there.
pub(crate) struct Association {
    pub(crate) port: Arc<Port>,
    pub(crate) key: usize,
}

/// A completion port.
#[derive(Default)]
pub(crate) struct Port {
    packets: Mutex<VecDeque<Packet>>,
    signal: Arc<Signal>,
    handles: AtomicUsize,
}

/// Why a port gave nothing.
enum Nothing {
    Closed,
    Calls,
    TimedOut,
}

impl Port {
    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    pub(crate) fn push(&self, packet: Packet) {
        sanitizer::release(self);
        locked(&self.packets).push_back(packet);
        self.signal.notify();
    }

    pub(crate) fn opened(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// With the last handle, those who wait are told.
    pub(crate) fn closed(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.signal.notify();
        }
    }

    /// The next packet, for threads of the library; `None` when the port is closed.
    pub(crate) fn next(&self) -> Option<Packet> {
        self.take_one(INFINITE).ok()
    }

    /// The next packet, waiting for it.
    fn take_one(&self, timeout_ms: u32) -> Result<Packet, Nothing> {
        let deadline = dispatch::deadline(timeout_ms);
        let look = || self.look(VecDeque::pop_front);
        engine::wait_until(&[&*self.signal], deadline, look).unwrap_or(Err(Nothing::TimedOut))
    }

    /// Up to `limit` packets, waiting for the first, or for calls that are to run.
    fn take_many(&self, limit: usize, timeout_ms: u32, alertable: bool) -> Result<Vec<Packet>, Nothing> {
        let thread = Thread::current();
        let take = |packets: &mut VecDeque<Packet>| {
            let count = packets.len().min(limit);
            (count > 0).then(|| packets.drain(..count).collect())
        };
        let signals = [&*self.signal, &**thread.signal()];
        let signals = if alertable { &signals[..] } else { &signals[..1] };
        let found = engine::wait_until(signals, dispatch::deadline(timeout_ms), || {
            let called = || (alertable && thread.has_calls()).then_some(Err(Nothing::Calls));
            self.look(take).or_else(called)
        });
        found.unwrap_or(Err(Nothing::TimedOut))
    }

    /// What `take` finds, or that there will be no more.
    fn look<T>(&self, take: impl FnOnce(&mut VecDeque<Packet>) -> Option<T>) -> Option<Result<T, Nothing>> {
        if let Some(taken) = take(&mut locked(&self.packets)) {
            sanitizer::acquire(self);
            return Some(Ok(taken));
        }
        (self.handles.load(Ordering::Acquire) == 0).then_some(Err(Nothing::Closed))
    }
}

fn port(handle: Handle) -> Outcome<Arc<Port>> {
    match handles::get(handle)?.object {
        Object::Port(port) => Ok(port),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

/// Only ends of pipes that take operations have a port.
// semantics 251
fn associate(file: Handle, port: Arc<Port>, key: usize) -> Outcome<()> {
    let entry = handles::get(file)?;
    entry.object.file_type()?;
    match entry.object {
        Object::Pipe(end) if end.overlapped => end.pending.set_port(Association { port, key }),
        _ => Err(Failure(code::INVALID_PARAMETER)),
    }
}

crate::export! {
    /// CreateIoCompletionPort: a port, and a handle whose operations complete into it.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for a handle that is not overlapped or has a port; ERROR_INVALID_HANDLE.
    fn CreateIoCompletionPort(file: Handle, existing: Handle, key: usize, _threads: u32) -> Handle [NULL] {
        if file == INVALID_HANDLE_VALUE {
            if existing != NULL {
                return Err(Failure(code::INVALID_PARAMETER));
            }
            return handles::insert(Object::Port(Arc::default()), Access::READ_WRITE, false);
        }
        if existing != NULL {
            associate(file, port(existing)?, key)?;
            return Ok(existing);
        }
        let made: Arc<Port> = Arc::default();
        let handle = handles::insert(Object::Port(Arc::clone(&made)), Access::READ_WRITE, false)?;
        match associate(file, made, key) {
            Ok(()) => Ok(handle),
            Err(failure) => {
                handles::close(handle)?;
                Err(failure)
            }
        }
    }

    /// PostQueuedCompletionStatus.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn PostQueuedCompletionStatus(handle: Handle, bytes: u32, key: usize, overlapped: usize) -> Bool [FALSE] {
        port(handle)?.push(Packet { key, overlapped, bytes, status: 0 });
        Ok(TRUE)
    }

    /// GetQueuedCompletionStatus. FALSE with an OVERLAPPED is an operation that failed, or a message that was longer.
    ///
    /// # Errors
    /// That of the operation; WAIT_TIMEOUT and ERROR_ABANDONED_WAIT_0 (the port was closed) without one;
    /// ERROR_INVALID_HANDLE.
    // semantics 246-248, 252
    fn GetQueuedCompletionStatus(
        handle: Handle,
        bytes: Out<u32>,
        key: Out<usize>,
        overlapped: Out<usize>,
        timeout_ms: u32,
    ) -> Bool [FALSE] {
        // Without a packet it is NULL, why ever there is none.
        overlapped.set(0);
        let port = port(handle)?;
        let packet = match port.take_one(timeout_ms) {
            Ok(packet) => packet,
            Err(Nothing::Closed) => return Err(Failure(code::ABANDONED_WAIT_0)),
            Err(_) => return Err(Failure(WAIT_TIMEOUT)),
        };
        bytes.set(packet.bytes);
        key.set(packet.key);
        overlapped.set(packet.overlapped);
        match overlapped::result_of(packet.status) {
            code::SUCCESS => Ok(TRUE),
            error => Err(Failure(error)),
        }
    }

    /// SetFileCompletionNotificationModes. A mode once set stays. FILE_SKIP_SET_EVENT_ON_HANDLE is accepted: that the handle
    /// is signaled costs nothing here.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for unknown modes and for a handle that is not overlapped, ERROR_INVALID_HANDLE.
    // semantics 250
    fn SetFileCompletionNotificationModes(file: Handle, modes: u8) -> Bool [FALSE] {
        if modes & !(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE) != 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let end = pipe_end(file)?;
        if !end.overlapped {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        if modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS != 0 {
            end.pending.set_skips_port(true);
        }
        Ok(TRUE)
    }
}

/// The outcome of GetQueuedCompletionStatusEx: how many packets, or the last error.
fn take_many(
    handle: Handle,
    entries: Out<OVERLAPPED_ENTRY>,
    limit: u32,
    timeout_ms: u32,
    alertable: Bool,
) -> Outcome<Result<u32, u32>> {
    let port = port(handle)?;
    if entries.is_null() || limit == 0 {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let packets = match port.take_many(limit as usize, timeout_ms, alertable != FALSE) {
        Ok(packets) => packets,
        Err(Nothing::Closed) => return Ok(Err(code::ABANDONED_WAIT_0)),
        Err(Nothing::Calls) => return Ok(Err(WAIT_IO_COMPLETION)),
        Err(Nothing::TimedOut) => return Ok(Err(WAIT_TIMEOUT)),
    };
    for (index, packet) in packets.iter().enumerate() {
        entries.set_at(
            index,
            OVERLAPPED_ENTRY {
                lpCompletionKey: packet.key,
                lpOverlapped: packet.overlapped,
                Internal: packet.status,
                dwNumberOfBytesTransferred: packet.bytes,
            },
        );
    }
    Ok(Ok(packets.len() as u32))
}

crate::export_unwinding! {
    /// GetQueuedCompletionStatusEx: several packets at once. When calls of the thread have run, FALSE with
    /// WAIT_IO_COMPLETION.
    ///
    /// # Errors
    /// WAIT_TIMEOUT, ERROR_ABANDONED_WAIT_0, ERROR_INVALID_PARAMETER, ERROR_INVALID_HANDLE.
    fn GetQueuedCompletionStatusEx(
        handle: Handle,
        entries: Out<OVERLAPPED_ENTRY>,
        limit: u32,
        removed: Out<u32>,
        timeout_ms: u32,
        alertable: Bool,
    ) -> Bool {
        match boundary(None, || take_many(handle, entries, limit, timeout_ms, alertable).map(Some)) {
            None => FALSE,
            Some(Ok(count)) => {
                removed.set(count);
                TRUE
            }
            Some(Err(outcome)) => {
                set_last_error(threads::deliver(outcome));
                FALSE
            }
        }
    }
}
