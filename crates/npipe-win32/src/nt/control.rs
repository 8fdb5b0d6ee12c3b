//! NtFsControlFile: peeking, connecting, transacting and waiting, as Windows' own functions do it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use npipe::{Peeked, PipeMode, Status};

use super::{Done, IO_STATUS_BLOCK, Refusal, STATUS_INFO_LENGTH_MISMATCH, STATUS_INTERNAL_ERROR, answer, unsupported};
use crate::dispatch::Waitable;
use crate::failure::{Failure, Outcome};
use crate::handles::{self, Entry};
use crate::object::Object;
use crate::pipes::{AnonymousEnd, PipeEnd, local};
use crate::pointers::{Buffer, Bytes, Out};
use crate::text::wtf8;
use crate::types::{Handle, NULL, code};

const FSCTL_PIPE_DISCONNECT: u32 = 0x0011_0004;
const FSCTL_PIPE_LISTEN: u32 = 0x0011_0008;
const FSCTL_PIPE_PEEK: u32 = 0x0011_400C;
const FSCTL_PIPE_WAIT: u32 = 0x0011_0018;
const FSCTL_PIPE_TRANSCEIVE: u32 = 0x0011_C017;

/// NamedPipeState.
const CONNECTED: u32 = 3;
const CLOSING: u32 = 4;

/// FILE_PIPE_PEEK_BUFFER up to its data.
const PEEK_HEADER: usize = 16;
/// FILE_PIPE_WAIT_FOR_BUFFER up to its name.
const WAIT_HEADER: usize = 14;

/// The buffers of a call.
struct Request<'a> {
    handle: Handle,
    input: (Bytes<'a>, u32),
    output: (Buffer<'a>, u32),
}

fn event(handle: Handle) -> Outcome<Option<Arc<Waitable>>> {
    match handle {
        NULL => Ok(None),
        handle => match handles::get(handle)?.object {
            Object::Event(event) => Ok(Some(event)),
            _ => Err(Failure(code::INVALID_HANDLE)),
        },
    }
}

/// What a peek brings, whether the pipe carries messages, and whether the peer is there.
fn look(entry: &Entry, into: &mut [u8]) -> Result<(Peeked, bool, bool), Refusal> {
    match &entry.object {
        Object::Pipe(end) => {
            entry.access.require_read()?;
            let seen = end.peek(into)?;
            Ok((seen, end.info()?.mode == PipeMode::Message, end.is_connected()))
        }
        Object::Anonymous(end) => match &**end {
            AnonymousEnd::Reader(reader) => Ok((reader.peek(into)?, false, true)),
            AnonymousEnd::Writer(_) => Err(Status::AccessDenied.into()),
        },
        _ => Err(Status::InvalidParameter.into()),
    }
}

// semantics 140-148
fn peek(entry: &Entry, output: &mut [u8]) -> Result<Done, Refusal> {
    let (header, data) = output
        .split_at_mut_checked(PEEK_HEADER)
        .ok_or(Refusal(STATUS_INFO_LENGTH_MISMATCH))?;
    let (seen, of_messages, is_connected) = look(entry, data)?;
    let length = if of_messages { seen.bytes + seen.left } else { 0 };
    let words = [
        if is_connected { CONNECTED } else { CLOSING },
        seen.total as u32,
        // How many are behind the first is not counted.
        u32::from(of_messages && seen.total > 0),
        length as u32,
    ];
    for (place, word) in header.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Ok(Done::or_more(PEEK_HEADER + seen.bytes, of_messages && seen.left > 0))
}

/// The end that a call is for which may wait.
fn end_to_wait_on(entry: Entry, what: &'static str) -> Result<Arc<PipeEnd>, Refusal> {
    match entry.object {
        Object::Pipe(end) if end.overlapped => Err(unsupported(what)),
        Object::Pipe(end) => Ok(end),
        Object::Anonymous(_) => Err(Status::IllegalFunction.into()),
        _ => Err(Status::InvalidParameter.into()),
    }
}

// semantics 81-89
fn wait(entry: &Entry, input: &[u8]) -> Result<Done, Refusal> {
    if !matches!(entry.object, Object::PipeDevice) {
        return Err(Status::IllegalFunction.into());
    }
    let short = || Refusal::from(Status::InvalidParameter);
    let (header, rest) = input.split_at_checked(WAIT_HEADER).ok_or_else(short)?;
    let time = i64::from_ne_bytes(header[..8].try_into().map_err(|_| short())?);
    let length = u32::from_ne_bytes(header[8..12].try_into().map_err(|_| short())?);
    let is_given = header[12] != 0;
    let name = rest.get(..length as usize).ok_or_else(short)?;
    let units: Vec<u16> = name
        .chunks_exact(2)
        .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
        .collect();
    let mut path = br"\\.\pipe\".to_vec();
    path.extend(wtf8(&units));
    let patience = match (is_given, time) {
        // The pipe's own.
        (false, _) => Some(Duration::ZERO),
        (true, i64::MIN) => None,
        // Steps of 100 ns, below zero for a time from now on; nothing at all is the pipe's own too, so it is not said.
        (true, ..=0) => Some(Duration::from_nanos(time.unsigned_abs().max(1).saturating_mul(100))),
        (true, _) => return Err(unsupported("FSCTL_PIPE_WAIT until a time of day")),
    };
    npipe::wait(OsString::from_vec(path), patience)?;
    Ok(Done::with(0))
}

fn control(request: Request<'_>, control: u32) -> Result<Done, Refusal> {
    let entry = handles::get(request.handle)?;
    let (input, output) = (request.input, request.output);
    match control {
        FSCTL_PIPE_PEEK => peek(&entry, output.0.slice(output.1)?),
        FSCTL_PIPE_DISCONNECT => {
            crate::object::pipe_end(request.handle)?.server()?.disconnect()?;
            local::settle();
            Ok(Done::with(0))
        }
        FSCTL_PIPE_LISTEN => {
            let end = end_to_wait_on(entry, "FSCTL_PIPE_LISTEN on an overlapped handle")?;
            let server = end.server()?;
            end.inside::<_, Refusal>(|| server.listen())?;
            Ok(Done::with(0))
        }
        FSCTL_PIPE_TRANSCEIVE => {
            entry.access.require_read()?;
            entry.access.require_write()?;
            let end = end_to_wait_on(entry, "FSCTL_PIPE_TRANSCEIVE on an overlapped handle")?;
            let (question, reply) = (input.0.slice(input.1)?, output.0.slice(output.1)?);
            let outcome = end.inside::<_, Refusal>(|| end.transact(question, reply))?;
            Ok(Done::or_more(outcome.bytes, outcome.more))
        }
        FSCTL_PIPE_WAIT => wait(&entry, input.0.slice(input.1)?),
        _ => Err(unsupported("NtFsControlFile with another code than those of pipes")),
    }
}

crate::export! {
    /// NtFsControlFile: FSCTL_PIPE_PEEK, FSCTL_PIPE_DISCONNECT, FSCTL_PIPE_LISTEN, FSCTL_PIPE_TRANSCEIVE and, on
    /// `\\.\pipe\` itself, FSCTL_PIPE_WAIT. NumberOfMessages of a peek is 1 if there are any. The call returns when it is
    /// complete.
    ///
    /// # Errors
    /// The statuses of the functions of Win32 that do the same; STATUS_NOT_SUPPORTED for other codes, an APC routine, and
    /// for what waits on an overlapped handle.
    fn NtFsControlFile(
        handle: Handle,
        event_handle: Handle,
        routine: usize,
        _context: usize,
        block: Out<IO_STATUS_BLOCK>,
        code: u32,
        input: Bytes<'_>,
        input_size: u32,
        output: Buffer<'_>,
        output_size: u32,
    ) -> u32 [STATUS_INTERNAL_ERROR] {
        let act = || -> Result<Done, Refusal> {
            if routine != 0 {
                return Err(unsupported("NtFsControlFile with an APC routine"));
            }
            let event = event(event_handle)?;
            if let Some(event) = &event {
                event.set_event(false);
            }
            let request = Request { handle, input: (input, input_size), output: (output, output_size) };
            let done = control(request, code)?;
            if let Some(event) = &event {
                event.set_event(true);
            }
            Ok(done)
        };
        Ok(answer(block, act()))
    }
}
