//! ConnectNamedPipe, DisconnectNamedPipe, WaitNamedPipe, CallNamedPipe.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use npipe::{ClientOptions, PipeMode, Status};

use super::{AnonymousEnd, PipeEnd, local};
use crate::failure::{Failure, Outcome};
use crate::object::{Object, pipe_end};
use crate::operations;
use crate::overlapped;
use crate::pointers::{Ansi, Buffer, Bytes, Out, Shared, WideText};
use crate::sanitizer::Channel;
use crate::text::Words;
use crate::types::{Bool, FALSE, Handle, NMPWAIT_WAIT_FOREVER, OVERLAPPED, TRUE, code};

fn connect(end: &Arc<PipeEnd>, overlapped: Shared<'_, OVERLAPPED>) -> Outcome<()> {
    if end.overlapped && overlapped.get().is_some() && end.server().is_ok() {
        return operations::connect(end, overlapped);
    }
    // A client's end is refused when the call has begun: its event is reset (semantics 65, 69).
    overlapped::synchronously(overlapped, || {
        let server = end.server()?;
        end.inside(|| server.listen()).map(|()| 0.into())
    })?;
    Ok(())
}

/// The read end of an anonymous pipe is a server's that has its client.
fn connect_anonymous(end: &AnonymousEnd) -> Failure {
    match end {
        AnonymousEnd::Writer(_) => Failure::from(Status::IllegalFunction),
        AnonymousEnd::Reader(reader) => match reader.peek(&mut []) {
            Ok(_) => Failure(code::PIPE_CONNECTED),
            Err(_) => Failure::from(Status::PipeClosing),
        },
    }
}

/// How long npipe shall wait: 0 is the pipe's own time on both sides.
fn patience(timeout_ms: u32) -> Option<Duration> {
    (timeout_ms != NMPWAIT_WAIT_FOREVER).then(|| Duration::from_millis(timeout_ms.into()))
}

fn wait(name: &OsStr, timeout_ms: u32) -> Outcome<Bool> {
    npipe::wait(name, patience(timeout_ms))?;
    Channel::of_name(name).acquire();
    Ok(TRUE)
}

// semantics 160-162
fn call(name: &OsStr, request: &[u8], reply: &mut [u8], bytes: Out<u32>, timeout_ms: u32) -> Outcome<Bool> {
    let channel = Channel::of_name(name);
    channel.release();
    let mut options = ClientOptions::new();
    options.pipe_mode(PipeMode::Message);
    let client = loop {
        match options.open(name) {
            // Another client may take the instance that was waited for.
            Err(error) if error.status() == Status::PipeNotAvailable => npipe::wait(name, patience(timeout_ms))?,
            other => break other?,
        }
    };
    let outcome = client.transact(request, reply)?;
    channel.acquire();
    bytes.set(outcome.bytes as u32);
    if outcome.more {
        return Err(Failure(code::MORE_DATA));
    }
    Ok(TRUE)
}

crate::export! {
    /// ConnectNamedPipe. On a handle without FILE_FLAG_OVERLAPPED, or with a NULL OVERLAPPED, it waits.
    ///
    /// # Errors
    /// ERROR_IO_PENDING (an operation was started), ERROR_PIPE_CONNECTED (which is success), ERROR_NO_DATA (came and went), ERROR_PIPE_LISTENING (PIPE_NOWAIT),
    /// ERROR_INVALID_FUNCTION (a client's end), ERROR_OPERATION_ABORTED, ERROR_INVALID_HANDLE.
    fn ConnectNamedPipe(handle: Handle, overlapped: Shared<'_, OVERLAPPED>) -> Bool [FALSE] {
        match crate::handles::get(handle)?.object {
            Object::Pipe(end) => connect(&end, overlapped)?,
            Object::Anonymous(end) => return Err(connect_anonymous(&end)),
            _ => return Err(Failure(code::INVALID_HANDLE)),
        }
        Ok(TRUE)
    }

    /// DisconnectNamedPipe.
    ///
    /// # Errors
    /// ERROR_PIPE_NOT_CONNECTED (disconnected already), ERROR_INVALID_FUNCTION (a client's end), ERROR_INVALID_HANDLE.
    fn DisconnectNamedPipe(handle: Handle) -> Bool [FALSE] {
        let end = pipe_end(handle)?;
        end.channel.release();
        end.server()?.disconnect()?;
        local::settle();
        Ok(TRUE)
    }

    /// WaitNamedPipeA.
    ///
    /// # Errors
    /// ERROR_FILE_NOT_FOUND, ERROR_SEM_TIMEOUT, ERROR_BAD_PATHNAME.
    fn WaitNamedPipeA(name: Ansi<'_>, timeout_ms: u32) -> Bool [FALSE] {
        wait(&name.path(), timeout_ms)
    }

    /// WaitNamedPipeW.
    ///
    /// # Errors
    /// As WaitNamedPipeA.
    fn WaitNamedPipeW(name: WideText<'_>, timeout_ms: u32) -> Bool [FALSE] {
        wait(&name.path(), timeout_ms)
    }

    /// CallNamedPipeA. The time-out is for an instance, not for the reply.
    ///
    /// # Errors
    /// Those of CreateFile, WaitNamedPipe and TransactNamedPipe; ERROR_MORE_DATA if the reply was longer, whose rest is
    /// lost.
    fn CallNamedPipeA(
        name: Ansi<'_>,
        request: Bytes<'_>,
        request_bytes: u32,
        reply: Buffer<'_>,
        reply_bytes: u32,
        bytes: Out<u32>,
        timeout_ms: u32,
    ) -> Bool [FALSE] {
        call(&name.path(), request.slice(request_bytes)?, reply.slice(reply_bytes)?, bytes, timeout_ms)
    }

    /// CallNamedPipeW.
    ///
    /// # Errors
    /// As CallNamedPipeA.
    fn CallNamedPipeW(
        name: WideText<'_>,
        request: Bytes<'_>,
        request_bytes: u32,
        reply: Buffer<'_>,
        reply_bytes: u32,
        bytes: Out<u32>,
        timeout_ms: u32,
    ) -> Bool [FALSE] {
        call(&name.path(), request.slice(request_bytes)?, reply.slice(reply_bytes)?, bytes, timeout_ms)
    }
}
