//! NtQueryInformationFile and NtSetInformationFile for pipes and files, and what Win32 has of them.

use std::os::fd::{AsFd, AsRawFd};

use npipe::{Direction, InstanceState, PipeEnd as Role, PipeInfo, PipeMode, Status};

use super::{
    Done, IO_STATUS_BLOCK, Refusal, STATUS_INFO_LENGTH_MISMATCH, STATUS_INTERNAL_ERROR, answer, dos_error, unsupported,
};
use crate::failure::Failure;
use crate::files::OpenFile;
use crate::handles::{self, Entry};
use crate::object::Object;
use crate::pipes::{AnonymousEnd, PipeEnd, state};
use crate::pointers::{Buffer, Bytes, Out};
use crate::text::utf16;
use crate::types::{Bool, FALSE, Handle, PIPE_NOWAIT, PIPE_READMODE_MESSAGE, TRUE, code};

/// FILE_INFORMATION_CLASS.
const STANDARD: u32 = 5;
const NAME: u32 = 9;
const MODE: u32 = 16;
const PIPE: u32 = 23;
const PIPE_LOCAL: u32 = 24;

/// FILE_SYNCHRONOUS_IO_NONALERT.
const SYNCHRONOUS: u32 = 0x20;

/// How long the fixed part of FILE_STANDARD_INFORMATION is, with its padding.
const STANDARD_BYTES: usize = 24;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn direction(end: &PipeEnd, info: &PipeInfo, entry: &Entry) -> Direction {
    // A client may have opened less than there is, and knows only that.
    let (to_server, to_client) = match info.end {
        Role::Server => (entry.access.read, entry.access.write),
        Role::Client => match npipe::info(end.pipe_name().path()) {
            Ok(details) => return details.direction,
            Err(_) => (entry.access.write, entry.access.read),
        },
        _ => (true, true),
    };
    match (to_server, to_client) {
        (true, false) => Direction::Inbound,
        (false, true) => Direction::Outbound,
        _ => Direction::Duplex,
    }
}

fn state_number(state: InstanceState) -> u32 {
    match state {
        InstanceState::Disconnected => 1,
        InstanceState::Listening => 2,
        InstanceState::Connected => 3,
        InstanceState::Closing => 4,
    }
}

/// What there is in both directions, as far as it is known: readable, writable, and the state.
fn fill(entry: &Entry, info: &PipeInfo) -> Result<(usize, u32, InstanceState), Refusal> {
    match &entry.object {
        Object::Pipe(end) => {
            let local = end.local_state()?;
            Ok((local.readable, local.writable, local.state))
        }
        Object::Anonymous(end) => Ok(match &**end {
            AnonymousEnd::Reader(reader) => match reader.peek(&mut []) {
                Ok(seen) => (seen.total, info.out_buffer_size, InstanceState::Connected),
                Err(_) => (0, info.out_buffer_size, InstanceState::Closing),
            },
            AnonymousEnd::Writer(writer) => (0, writer.room(), InstanceState::Connected),
        }),
        _ => Err(Status::InvalidParameter.into()),
    }
}

// semantics 195-197, 210
fn pipe_local(entry: &Entry) -> Result<Vec<u8>, Refusal> {
    let now = state::state(entry)?;
    let info = state::info(entry)?;
    let (readable, writable, state) = fill(entry, &info)?;
    let direction = match &entry.object {
        Object::Pipe(end) => direction(end, &info, entry),
        _ => Direction::Inbound,
    };
    Ok(words(&[
        u32::from(info.mode == PipeMode::Message),
        match direction {
            Direction::Inbound => 0,
            Direction::Outbound => 1,
            Direction::Duplex => 2,
        },
        match info.max_instances {
            crate::types::PIPE_UNLIMITED_INSTANCES => u32::MAX,
            instances => instances,
        },
        now.instances,
        info.in_buffer_size,
        readable as u32,
        info.out_buffer_size,
        writable,
        state_number(state),
        u32::from(info.end == Role::Server),
    ]))
}

fn pipe(entry: &Entry) -> Result<Vec<u8>, Refusal> {
    let now = state::state(entry)?;
    Ok(words(&[
        u32::from(now.read_mode == PipeMode::Message),
        u32::from(now.nowait),
    ]))
}

fn standard(entry: &Entry) -> Result<Vec<u8>, Refusal> {
    let (allocated, length, links, flags) = match &entry.object {
        Object::File(file) => {
            let seen = file.metadata()?;
            use std::os::unix::fs::MetadataExt;
            (
                seen.blocks() * 512,
                seen.len(),
                seen.nlink() as u32,
                [0, u8::from(seen.is_dir())],
            )
        }
        Object::Pipe(_) | Object::Anonymous(_) => {
            let info = state::info(entry)?;
            let (readable, ..) = fill(entry, &info)?;
            let both = u64::from(info.in_buffer_size) + u64::from(info.out_buffer_size);
            // A pipe is gone with its last handle, as a file is that was deleted.
            (both, readable as u64, 1, [1, 0])
        }
        _ => return Err(Status::InvalidParameter.into()),
    };
    let mut bytes = Vec::with_capacity(STANDARD_BYTES);
    bytes.extend(allocated.to_ne_bytes());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(links.to_ne_bytes());
    bytes.extend(flags);
    bytes.resize(STANDARD_BYTES, 0);
    Ok(bytes)
}

fn path_of(file: &OpenFile) -> Result<Vec<u16>, Refusal> {
    use std::os::unix::ffi::OsStrExt;
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let path = std::fs::read_link(link).map_err(Failure::from)?;
    let mut units = utf16(path.as_os_str().as_bytes());
    for unit in &mut units {
        if *unit == u16::from(b'/') {
            *unit = u16::from(b'\\');
        }
    }
    Ok(units)
}

/// FILE_NAME_INFORMATION: the length in bytes, and the name as its device knows it.
fn name(entry: &Entry) -> Result<Vec<u8>, Refusal> {
    let units = match &entry.object {
        Object::Pipe(end) => {
            end.info()?;
            let mut units = vec![u16::from(b'\\')];
            units.extend(end.pipe_name().units());
            units
        }
        Object::PipeDevice => vec![u16::from(b'\\')],
        // Those of CreatePipe have none.
        Object::Anonymous(_) => Vec::new(),
        Object::File(file) => path_of(file)?,
        _ => return Err(Status::InvalidParameter.into()),
    };
    let mut bytes = words(&[units.len() as u32 * 2]);
    bytes.extend(units.iter().flat_map(|unit| unit.to_ne_bytes()));
    Ok(bytes)
}

fn mode(entry: &Entry) -> Vec<u8> {
    let overlapped = matches!(&entry.object, Object::Pipe(end) if end.overlapped);
    words(&[if overlapped { 0 } else { SYNCHRONOUS }])
}

/// Puts what there is to know into a buffer. A name may be cut short; anything else has to fit.
fn deliver(bytes: &[u8], fixed: usize, into: &mut [u8]) -> Result<Done, Refusal> {
    if into.len() < fixed {
        return Err(Refusal(STATUS_INFO_LENGTH_MISMATCH));
    }
    let length = bytes.len().min(into.len());
    into[..length].copy_from_slice(&bytes[..length]);
    Ok(Done::or_more(length, length < bytes.len()))
}

fn query(handle: Handle, class: u32, into: &mut [u8]) -> Result<Done, Refusal> {
    let entry = handles::get(handle)?;
    entry.object.file_type()?;
    let bytes = match class {
        STANDARD => standard(&entry)?,
        NAME => return deliver(&name(&entry)?, 4, into),
        MODE => mode(&entry),
        PIPE => pipe(&entry)?,
        PIPE_LOCAL => pipe_local(&entry)?,
        _ => return Err(unsupported("NtQueryInformationFile of another class")),
    };
    deliver(&bytes, bytes.len(), into)
}

// semantics 201-204
fn set(handle: Handle, class: u32, from: &[u8]) -> Result<Done, Refusal> {
    let entry = handles::get(handle)?;
    if class != PIPE {
        entry.object.file_type()?;
        return Err(unsupported("NtSetInformationFile of another class"));
    }
    state::info(&entry)?;
    entry.access.require_write_attributes()?;
    let word = |at: usize| {
        from.get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_ne_bytes)
    };
    let (Some(read), Some(completion)) = (word(0), word(4)) else {
        return Err(Refusal(STATUS_INFO_LENGTH_MISMATCH));
    };
    if read > 1 || completion > 1 {
        return Err(Status::InvalidParameter.into());
    }
    state::set_state(&entry, (read * PIPE_READMODE_MESSAGE) | (completion * PIPE_NOWAIT))?;
    Ok(Done::with(0))
}

crate::export! {
    /// NtQueryInformationFile: FilePipeInformation, FilePipeLocalInformation, FileStandardInformation, FileNameInformation
    /// and FileModeInformation. The name of a pipe's end is as it was created or opened, without `\\.\pipe`.
    ///
    /// # Errors
    /// STATUS_INFO_LENGTH_MISMATCH, STATUS_BUFFER_OVERFLOW (the name is cut short), STATUS_ACCESS_DENIED,
    /// STATUS_PIPE_DISCONNECTED, STATUS_INVALID_HANDLE; STATUS_NOT_SUPPORTED for other classes.
    fn NtQueryInformationFile(
        handle: Handle,
        block: Out<IO_STATUS_BLOCK>,
        into: Buffer<'_>,
        size: u32,
        class: u32,
    ) -> u32 [STATUS_INTERNAL_ERROR] {
        let done = into.slice(size).map_err(Refusal::from).and_then(|into| query(handle, class, into));
        Ok(answer(block, done))
    }

    /// NtSetInformationFile: FilePipeInformation.
    ///
    /// # Errors
    /// STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_PARAMETER, STATUS_PIPE_BUSY, STATUS_ACCESS_DENIED,
    /// STATUS_PIPE_DISCONNECTED, STATUS_INVALID_HANDLE; STATUS_NOT_SUPPORTED for other classes.
    fn NtSetInformationFile(
        handle: Handle,
        block: Out<IO_STATUS_BLOCK>,
        from: Bytes<'_>,
        size: u32,
        class: u32,
    ) -> u32 [STATUS_INTERNAL_ERROR] {
        let done = from.slice(size).map_err(Refusal::from).and_then(|from| set(handle, class, from));
        Ok(answer(block, done))
    }

    /// GetFileInformationByHandleEx: FileStandardInfo and FileNameInfo.
    ///
    /// # Errors
    /// ERROR_BAD_LENGTH, ERROR_MORE_DATA (the name is cut short), ERROR_INVALID_HANDLE; ERROR_CALL_NOT_IMPLEMENTED for other
    /// classes.
    fn GetFileInformationByHandleEx(handle: Handle, class: u32, into: Buffer<'_>, size: u32) -> Bool [FALSE] {
        let class = match class {
            1 => STANDARD,
            2 => NAME,
            _ => return Err(crate::failure::not_implemented("GetFileInformationByHandleEx of another class")),
        };
        match query(handle, class, into.slice(size)?) {
            Ok(Done { status: 0, .. }) => Ok(TRUE),
            Ok(_) => Err(Failure(code::MORE_DATA)),
            Err(Refusal(status)) => Err(Failure(dos_error(status))),
        }
    }
}
