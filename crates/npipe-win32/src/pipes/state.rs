//! What programs ask about an end, and the modes that they set.

use npipe::impersonation::ImpersonationLevel;
use npipe::{PipeEnd as Role, PipeInfo, PipeMode, PipeState, Status};

use super::{AnonymousEnd, Side};
use crate::failure::{Failure, Outcome, not_implemented};
use crate::handles::{self, Entry};
use crate::object::{Object, pipe_end};
use crate::pointers::{In, Out, TextOut};
use crate::security::accounts;
use crate::text::Page;
use crate::types::{
    Bool, FALSE, Handle, PIPE_NOWAIT, PIPE_READMODE_MESSAGE, PIPE_SERVER_END, PIPE_TYPE_MESSAGE, TRUE, code,
};

/// What an end can be asked, whichever kind of pipe it is of.
pub(crate) fn info(entry: &Entry) -> Outcome<PipeInfo> {
    match &entry.object {
        Object::Pipe(end) => Ok(end.info()?),
        Object::Anonymous(end) => Ok(match &**end {
            AnonymousEnd::Reader(reader) => reader.info(),
            AnonymousEnd::Writer(writer) => writer.info(),
        }),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

pub(crate) fn state(entry: &Entry) -> Outcome<PipeState> {
    entry.access.require_read_attributes()?;
    match &entry.object {
        Object::Pipe(end) => Ok(end.state()?),
        Object::Anonymous(end) => Ok(match &**end {
            AnonymousEnd::Reader(reader) => reader.state()?,
            AnonymousEnd::Writer(writer) => writer.state()?,
        }),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

pub(crate) fn set_state(entry: &Entry, mode: u32) -> Outcome<()> {
    // semantics 202
    if mode & !(PIPE_READMODE_MESSAGE | PIPE_NOWAIT) != 0 {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let nowait = mode & PIPE_NOWAIT != 0;
    let read_mode = match mode & PIPE_READMODE_MESSAGE {
        0 => PipeMode::Byte,
        _ => PipeMode::Message,
    };
    match &entry.object {
        Object::Pipe(end) => end.set_state(read_mode, nowait)?,
        Object::Anonymous(end) => match &**end {
            AnonymousEnd::Reader(reader) => reader.set_state(read_mode, nowait)?,
            AnonymousEnd::Writer(writer) => writer.set_state(read_mode, nowait)?,
        },
        _ => return Err(Failure(code::INVALID_HANDLE)),
    }
    Ok(())
}

/// What the client's user is called, if the client lets its server act as it (semantics 200).
fn client_name(entry: &Entry) -> Outcome<Vec<u8>> {
    let Object::Pipe(end) = &entry.object else {
        return Err(not_implemented(
            "GetNamedPipeHandleState with the user's name of an anonymous pipe",
        ));
    };
    let token = end.server()?.client_token()?;
    let who = token.identity()?;
    match token.level() {
        level if level < ImpersonationLevel::Impersonation => Err(Failure::from(Status::BadImpersonationLevel)),
        _ => Ok(accounts::user_name(who.uid)),
    }
}

/// GetNamedPipeHandleState, in which only the form of the user's name differs.
fn handle_state<U: Copy + Default>(
    handle: Handle,
    modes: Out<u32>,
    instances: Out<u32>,
    collection: [Out<u32>; 2],
    (user, user_size): (TextOut<U>, u32),
) -> Outcome<Bool>
where
    TextOut<U>: Page,
{
    let entry = handles::get(handle)?;
    // semantics 199
    if collection.iter().any(|wanted| !wanted.is_null()) {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let state = state(&entry)?;
    let name = match user.is_null() {
        true => None,
        false => Some(client_name(&entry)?),
    };
    if let Some(name) = &name
        && user.fill(user_size, name) as usize > user.length_of(name)
    {
        return Err(Failure::from(Status::BufferTooSmall));
    }
    let message = if state.read_mode == PipeMode::Message {
        PIPE_READMODE_MESSAGE
    } else {
        0
    };
    let nowait = if state.nowait { PIPE_NOWAIT } else { 0 };
    modes.set(message | nowait);
    instances.set(state.instances);
    Ok(TRUE)
}

/// The process at the server's end, or the client's (semantics 206, 207).
fn process(handle: Handle, of_server: bool) -> Outcome<u32> {
    let end = pipe_end(handle)?;
    let is_server = matches!(end.side, Side::Server(_));
    if is_server == of_server {
        // A client's end that was disconnected answers nothing any more.
        end.info()?;
        return Ok(end.creator());
    }
    end.peer()?.pid.ok_or(Failure(code::NOT_FOUND))
}

/// A process' number into a place that must be there (semantics 208).
fn answer(place: Out<u32>, value: impl FnOnce() -> Outcome<u32>) -> Outcome<Bool> {
    if place.is_null() {
        return Err(Failure::from(Status::BufferTooSmall));
    }
    place.set(value()?);
    Ok(TRUE)
}

/// There is one session.
const SESSION: u32 = 0;

crate::export! {
    /// GetNamedPipeInfo.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED (a server's end that only writes), ERROR_PIPE_NOT_CONNECTED on a client's end that was
    /// disconnected, ERROR_INVALID_HANDLE.
    // semantics 195, 196, 198
    fn GetNamedPipeInfo(
        handle: Handle,
        flags: Out<u32>,
        out_size: Out<u32>,
        in_size: Out<u32>,
        instances: Out<u32>,
    ) -> Bool [FALSE] {
        let entry = handles::get(handle)?;
        entry.access.require_read_attributes()?;
        let info = info(&entry)?;
        let end = if info.end == Role::Server { PIPE_SERVER_END } else { 0 };
        let message = if info.mode == PipeMode::Message { PIPE_TYPE_MESSAGE } else { 0 };
        flags.set(end | message);
        out_size.set(info.out_buffer_size);
        in_size.set(info.in_buffer_size);
        instances.set(info.max_instances);
        Ok(TRUE)
    }

    /// GetNamedPipeHandleStateA. The user's name is the name alone, or the user's number where it has none.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED (a server's end that only writes), ERROR_PIPE_NOT_CONNECTED, ERROR_INVALID_PARAMETER (the
    /// collection counts of a local pipe). For the user's name also ERROR_INVALID_FUNCTION (a client's end),
    /// ERROR_CANNOT_IMPERSONATE (nothing was read yet, or there is no client), ERROR_BAD_IMPERSONATION_LEVEL and
    /// ERROR_CANT_OPEN_ANONYMOUS (the client does not allow impersonation), ERROR_INSUFFICIENT_BUFFER.
    fn GetNamedPipeHandleStateA(
        handle: Handle,
        modes: Out<u32>,
        instances: Out<u32>,
        collection_count: Out<u32>,
        collection_timeout: Out<u32>,
        user: TextOut<u8>,
        user_size: u32,
    ) -> Bool [FALSE] {
        handle_state(handle, modes, instances, [collection_count, collection_timeout], (user, user_size))
    }

    /// GetNamedPipeHandleStateW.
    ///
    /// # Errors
    /// As GetNamedPipeHandleStateA.
    fn GetNamedPipeHandleStateW(
        handle: Handle,
        modes: Out<u32>,
        instances: Out<u32>,
        collection_count: Out<u32>,
        collection_timeout: Out<u32>,
        user: TextOut<u16>,
        user_size: u32,
    ) -> Bool [FALSE] {
        handle_state(handle, modes, instances, [collection_count, collection_timeout], (user, user_size))
    }

    /// SetNamedPipeHandleState.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER (message reads on a byte pipe, unknown bits, the collection counts of a local pipe),
    /// ERROR_ACCESS_DENIED, ERROR_PIPE_BUSY (PIPE_NOWAIT while calls wait), ERROR_PIPE_NOT_CONNECTED.
    // semantics 199, 201-204
    fn SetNamedPipeHandleState(
        handle: Handle,
        mode: In<u32>,
        collection_count: In<u32>,
        collection_timeout: In<u32>,
    ) -> Bool [FALSE] {
        let entry = handles::get(handle)?;
        let sets_nothing = mode.get().is_none() && collection_count.get().is_none() && collection_timeout.get().is_none();
        if sets_nothing && matches!(entry.object, Object::Pipe(_) | Object::Anonymous(_)) {
            return Ok(TRUE);
        }
        // This says too whether it is a pipe.
        info(&entry)?;
        entry.access.require_write_attributes()?;
        if collection_count.get().is_some() || collection_timeout.get().is_some() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        if let Some(mode) = mode.get() {
            set_state(&entry, mode)?;
        }
        Ok(TRUE)
    }

    /// GetNamedPipeClientProcessId.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER for NULL, ERROR_NOT_FOUND without a client, ERROR_PIPE_NOT_CONNECTED.
    fn GetNamedPipeClientProcessId(handle: Handle, id: Out<u32>) -> Bool [FALSE] {
        answer(id, || process(handle, false))
    }

    /// GetNamedPipeServerProcessId.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER for NULL, ERROR_PIPE_NOT_CONNECTED.
    fn GetNamedPipeServerProcessId(handle: Handle, id: Out<u32>) -> Bool [FALSE] {
        answer(id, || process(handle, true))
    }

    /// GetNamedPipeClientSessionId: 0, since there is one session.
    ///
    /// # Errors
    /// As GetNamedPipeClientProcessId.
    fn GetNamedPipeClientSessionId(handle: Handle, id: Out<u32>) -> Bool [FALSE] {
        answer(id, || process(handle, false).map(|_| SESSION))
    }

    /// GetNamedPipeServerSessionId: 0, since there is one session.
    ///
    /// # Errors
    /// As GetNamedPipeServerProcessId.
    fn GetNamedPipeServerSessionId(handle: Handle, id: Out<u32>) -> Bool [FALSE] {
        answer(id, || process(handle, true).map(|_| SESSION))
    }

    /// GetNamedPipeClientComputerNameA: every client is on this computer.
    ///
    /// # Errors
    /// ERROR_PIPE_LOCAL, always; ERROR_INVALID_HANDLE.
    // semantics 209
    fn GetNamedPipeClientComputerNameA(handle: Handle, _name: TextOut<u8>, _size: u32) -> Bool [FALSE] {
        pipe_end(handle)?;
        Err(Failure(code::PIPE_LOCAL))
    }

    /// GetNamedPipeClientComputerNameW.
    ///
    /// # Errors
    /// As GetNamedPipeClientComputerNameA.
    fn GetNamedPipeClientComputerNameW(handle: Handle, _name: TextOut<u16>, _size: u32) -> Bool [FALSE] {
        pipe_end(handle)?;
        Err(Failure(code::PIPE_LOCAL))
    }
}
