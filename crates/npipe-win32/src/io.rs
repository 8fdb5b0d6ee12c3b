//! ReadFile, WriteFile, FlushFileBuffers and their cancellation, for all that can be read and written.

use std::sync::Arc;

use npipe::Status;
use npipe::overlapped::engine;

use crate::failure::{Failure, Outcome};
use crate::handles::{self, Entry};
use crate::object::Object;
use crate::operations;
use crate::overlapped::{self, Moved};
use crate::pipes::{AnonymousEnd, PipeEnd, local};
use crate::pointers::{Buffer, Bytes, Out, Shared};
use crate::threads::CompletionRoutine;
use crate::types::{Bool, FALSE, Handle, OVERLAPPED, TRUE, code};

type Structure<'a> = Shared<'a, OVERLAPPED>;

fn read(handle: Handle, into: Buffer<'_>, size: u32, count: Out<u32>, structure: Structure<'_>) -> Outcome<Bool> {
    let entry = handles::get(handle)?;
    let moved = match &entry.object {
        Object::Pipe(end) => {
            entry.access.require_read()?;
            if end.overlapped && structure.get().is_some() {
                return operations::read(end, into, size, structure, count);
            }
            let into = into.slice(size)?;
            let read = || end.inside(|| end.read_message(into)).map(Moved::from);
            overlapped::synchronously(structure, read)?
        }
        Object::Anonymous(end) => match &**end {
            // semantics 256
            AnonymousEnd::Reader(reader) => {
                let into = into.slice(size)?;
                overlapped::synchronously(structure, || Ok(reader.read(into)?.into()))?
            }
            AnonymousEnd::Writer(_) => return Err(Failure::from(Status::AccessDenied)),
        },
        Object::File(file) => {
            entry.access.require_read()?;
            file.read(into.slice(size)?, structure)?
        }
        Object::PipeDevice => return Err(Failure(code::INVALID_PARAMETER)),
        _ => return Err(Failure(code::INVALID_HANDLE)),
    };
    moved.answer(count)
}

fn write(handle: Handle, data: Bytes<'_>, size: u32, count: Out<u32>, structure: Structure<'_>) -> Outcome<Bool> {
    let entry = handles::get(handle)?;
    let moved = match &entry.object {
        Object::Pipe(end) => {
            entry.access.require_write()?;
            if end.overlapped && structure.get().is_some() {
                return operations::write(end, data, size, structure, count);
            }
            let data = data.slice(size)?;
            let write = || end.inside(|| end.write(data)).map(Moved::from);
            overlapped::synchronously(structure, write)?
        }
        Object::Anonymous(end) => match &**end {
            AnonymousEnd::Writer(writer) => {
                let data = data.slice(size)?;
                overlapped::synchronously(structure, || Ok(writer.write(data)?.into()))?
            }
            AnonymousEnd::Reader(_) => return Err(Failure::from(Status::AccessDenied)),
        },
        Object::File(file) => {
            entry.access.require_write()?;
            file.write(data.slice(size)?, structure)?
        }
        Object::PipeDevice => return Err(Failure(code::INVALID_PARAMETER)),
        _ => return Err(Failure(code::INVALID_HANDLE)),
    };
    moved.answer(count)
}

/// The end that ReadFileEx and WriteFileEx are for.
fn end_for_routines(entry: Entry) -> Outcome<Arc<PipeEnd>> {
    match entry.object {
        Object::Pipe(end) => Ok(end),
        // What blocks has no operations.
        Object::Anonymous(_) | Object::File(_) | Object::PipeDevice => Err(Failure(code::INVALID_PARAMETER)),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

fn flush(entry: &Entry) -> Outcome<()> {
    match &entry.object {
        Object::Pipe(end) => {
            entry.access.require_write()?;
            end.inside(|| end.flush())
        }
        // What stands in the system's pipe is the reader's.
        Object::Anonymous(_) => Ok(entry.access.require_write()?),
        Object::File(file) => {
            entry.access.require_write()?;
            file.flush()
        }
        Object::PipeDevice => Err(Failure(code::INVALID_PARAMETER)),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

/// Whether calls of this kind of object can be cancelled, and with which outcome.
fn cancel_all(object: &Object) -> Outcome<()> {
    match object {
        Object::Pipe(end) => Ok(end.cancel()?),
        Object::Anonymous(_) | Object::File(_) | Object::PipeDevice => Err(Failure(code::NOT_FOUND)),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

crate::export! {
    /// ReadFile. Waits for the first byte, unless the pipe is in PIPE_NOWAIT mode.
    ///
    /// # Errors
    /// ERROR_MORE_DATA (the message is longer), ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_PIPE_LISTENING,
    /// ERROR_NO_DATA (PIPE_NOWAIT), ERROR_ACCESS_DENIED, ERROR_OPERATION_ABORTED, ERROR_NOACCESS (NULL),
    /// ERROR_INVALID_HANDLE.
    fn ReadFile(
        handle: Handle,
        into: Buffer<'_>,
        size: u32,
        count: Out<u32>,
        overlapped: Shared<'_, OVERLAPPED>,
    ) -> Bool [FALSE] {
        count.set(0);
        overlapped::begin(overlapped);
        read(handle, into, size, count, overlapped)
    }

    /// WriteFile. Waits until what is unread fits the quota.
    ///
    /// # Errors
    /// ERROR_NO_DATA (the reader has closed), ERROR_BROKEN_PIPE (it did so meanwhile), ERROR_PIPE_NOT_CONNECTED,
    /// ERROR_PIPE_LISTENING, ERROR_ACCESS_DENIED, ERROR_OPERATION_ABORTED, ERROR_NOACCESS (NULL), ERROR_INVALID_HANDLE.
    fn WriteFile(
        handle: Handle,
        data: Bytes<'_>,
        size: u32,
        count: Out<u32>,
        overlapped: Shared<'_, OVERLAPPED>,
    ) -> Bool [FALSE] {
        count.set(0);
        overlapped::begin(overlapped);
        write(handle, data, size, count, overlapped)
    }

    /// FlushFileBuffers: of a pipe, waits until the peer has read everything.
    ///
    /// # Errors
    /// ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_ACCESS_DENIED, ERROR_OPERATION_ABORTED, ERROR_INVALID_HANDLE.
    fn FlushFileBuffers(handle: Handle) -> Bool [FALSE] {
        flush(&handles::get(handle)?)?;
        Ok(TRUE)
    }

    /// ReadFileEx: `routine` runs when this thread waits alertably after the operation is complete.
    ///
    /// # Errors
    /// Those of ReadFile that show at once, or at all if the handle is not overlapped, since it waits then;
    /// ERROR_INVALID_PARAMETER without an OVERLAPPED or a routine, for a handle that has a completion port.
    // semantics 234-245
    fn ReadFileEx(
        handle: Handle,
        into: Buffer<'_>,
        size: u32,
        overlapped: Shared<'_, OVERLAPPED>,
        routine: Option<CompletionRoutine>,
    ) -> Bool [FALSE] {
        let entry = handles::get(handle)?;
        entry.access.require_read()?;
        let end = end_for_routines(entry)?;
        if end.overlapped {
            return operations::read_ex(&end, into, size, overlapped, routine);
        }
        let into = into.slice(size)?;
        let read = || end.inside(|| end.read_message(into)).map(Moved::from);
        operations::finish_with_routine(&end, overlapped, routine, read)
    }

    /// WriteFileEx.
    ///
    /// # Errors
    /// As ReadFileEx, with those of WriteFile.
    fn WriteFileEx(
        handle: Handle,
        data: Bytes<'_>,
        size: u32,
        overlapped: Shared<'_, OVERLAPPED>,
        routine: Option<CompletionRoutine>,
    ) -> Bool [FALSE] {
        let entry = handles::get(handle)?;
        entry.access.require_write()?;
        let end = end_for_routines(entry)?;
        if end.overlapped {
            return operations::write_ex(&end, data, size, overlapped, routine);
        }
        let data = data.slice(size)?;
        let write = || end.inside(|| end.write(data)).map(Moved::from);
        operations::finish_with_routine(&end, overlapped, routine, write)
    }

    /// CancelIo: what this thread has started on a handle's end and is pending.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    // semantics 227
    fn CancelIo(handle: Handle) -> Bool [FALSE] {
        let object = handles::get(handle)?.object;
        object.file_type()?;
        if let Object::Pipe(end) = object {
            engine::cancel_issued(&end, engine::current_issuer());
        }
        Ok(TRUE)
    }

    /// CancelIoEx: one operation by its OVERLAPPED, or all operations and calls that wait on the handle's end, whichever
    /// thread's.
    ///
    /// # Errors
    /// ERROR_NOT_FOUND if there are none; ERROR_INVALID_HANDLE.
    // semantics 228-231
    fn CancelIoEx(handle: Handle, overlapped: Shared<'_, OVERLAPPED>) -> Bool [FALSE] {
        let object = handles::get(handle)?.object;
        object.file_type()?;
        match &object {
            Object::Pipe(end) if overlapped.get().is_some() => operations::cancel(end, overlapped)?,
            _ => cancel_all(&object)?,
        }
        Ok(TRUE)
    }

    /// CancelSynchronousIo: the call that a thread waits in, and no other. One that waits for an anonymous pipe or a file is
    /// not found.
    ///
    /// # Errors
    /// ERROR_NOT_FOUND if the thread waits in none; ERROR_INVALID_HANDLE.
    // semantics 232
    fn CancelSynchronousIo(thread: Handle) -> Bool [FALSE] {
        let thread = crate::threads::thread(thread)?;
        let nothing = Failure(code::NOT_FOUND);
        let call = thread.blocked_call().ok_or(nothing)?;
        let ended = local::all().iter().any(|end| engine::cancel_blocked(end, &call).is_ok());
        local::settle();
        if ended { Ok(TRUE) } else { Err(nothing) }
    }
}
