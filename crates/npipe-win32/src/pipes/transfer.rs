//! PeekNamedPipe and TransactNamedPipe.

use npipe::{Peeked, PipeMode, Status};

use super::AnonymousEnd;
use crate::failure::{Failure, Outcome};
use crate::handles;
use crate::object::Object;
use crate::operations;
use crate::overlapped::{self, Moved};
use crate::pointers::{Buffer, Bytes, Out, Shared};
use crate::types::{Bool, FALSE, Handle, OVERLAPPED, TRUE, code};

/// What a peek saw, and whether the pipe carries bytes.
fn peek(handle: Handle, buffer: Buffer<'_>, size: u32) -> Outcome<(Peeked, bool)> {
    let entry = handles::get(handle)?;
    if matches!(entry.object, Object::PipeDevice) {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    // Without a buffer its size means nothing (semantics 141).
    let size = if buffer.is_null() { 0 } else { size };
    match &entry.object {
        Object::Pipe(end) => {
            entry.access.require_read()?;
            let seen = end.peek(buffer.slice(size)?)?;
            end.channel.acquire();
            Ok((seen, end.info()?.mode == PipeMode::Byte))
        }
        Object::Anonymous(end) => match &**end {
            AnonymousEnd::Reader(reader) => Ok((reader.peek(buffer.slice(size)?)?, true)),
            AnonymousEnd::Writer(_) => Err(Failure::from(Status::AccessDenied)),
        },
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

crate::export! {
    /// PeekNamedPipe. Never waits; all pointers may be NULL.
    ///
    /// # Errors
    /// ERROR_BROKEN_PIPE, ERROR_BAD_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE.
    // semantics 140-149
    fn PeekNamedPipe(
        handle: Handle,
        buffer: Buffer<'_>,
        size: u32,
        bytes: Out<u32>,
        total: Out<u32>,
        left: Out<u32>,
    ) -> Bool [FALSE] {
        let (seen, of_bytes) = peek(handle, buffer, size)?;
        bytes.set(seen.bytes as u32);
        total.set(seen.total as u32);
        // semantics 144
        left.set(if of_bytes { 0_u32.wrapping_sub(seen.bytes as u32) } else { seen.left as u32 });
        Ok(TRUE)
    }

    /// TransactNamedPipe.
    ///
    /// # Errors
    /// ERROR_MORE_DATA (the reply is longer; its rest can be read), ERROR_BAD_PIPE, ERROR_PIPE_BUSY (unread data),
    /// ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_OPERATION_ABORTED, ERROR_INVALID_HANDLE.
    // semantics 150-159
    fn TransactNamedPipe(
        handle: Handle,
        request: Bytes<'_>,
        request_bytes: u32,
        reply: Buffer<'_>,
        reply_bytes: u32,
        bytes: Out<u32>,
        overlapped: Shared<'_, OVERLAPPED>,
    ) -> Bool [FALSE] {
        bytes.set(0);
        overlapped::begin(overlapped);
        let entry = handles::get(handle)?;
        let end = match &entry.object {
            Object::Pipe(end) => end,
            Object::Anonymous(_) => return Err(Failure::from(Status::AccessDenied)),
            _ => return Err(Failure(code::INVALID_HANDLE)),
        };
        entry.access.require_read()?;
        entry.access.require_write()?;
        if end.overlapped && overlapped.get().is_some() {
            return operations::transact(end, (request, request_bytes), (reply, reply_bytes), overlapped, bytes);
        }
        let (request, reply) = (request.slice(request_bytes)?, reply.slice(reply_bytes)?);
        let transact = || end.inside(|| end.transact(request, reply)).map(Moved::from);
        overlapped::synchronously(overlapped, transact)?.answer(bytes)
    }
}
