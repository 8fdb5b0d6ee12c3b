//! NT's own functions for pipes, as programs take them from ntdll.dll.
//!
//! They return statuses and leave the last error alone. What they do is what the functions of Win32 do, which stand on them
//! on Windows; here it is the other way round. A status that is an error leaves the IO_STATUS_BLOCK and the event as they
//! were; a warning, such as STATUS_BUFFER_OVERFLOW, fills them in.

pub(crate) mod control;
pub(crate) mod information;

use npipe::Status;

use crate::failure::{Failure, not_implemented};
use crate::pointers::Out;
use crate::types::code;

/// An NTSTATUS that is no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(u32);

const STATUS_SUCCESS: u32 = 0;
const STATUS_BUFFER_OVERFLOW: u32 = 0x8000_0005;
const STATUS_UNSUCCESSFUL: u32 = 0xC000_0001;
const STATUS_NOT_IMPLEMENTED: u32 = 0xC000_0002;
const STATUS_INFO_LENGTH_MISMATCH: u32 = 0xC000_0004;
const STATUS_ACCESS_VIOLATION: u32 = 0xC000_0005;
const STATUS_OBJECT_TYPE_MISMATCH: u32 = 0xC000_0024;
const STATUS_NOT_SUPPORTED: u32 = 0xC000_00BB;
const STATUS_INTERNAL_ERROR: u32 = 0xC000_00E5;

/// Statuses that are no pipe's, and what they are in Win32.
const OTHERS: &[(u32, u32)] = &[
    (STATUS_SUCCESS, code::SUCCESS),
    (0x0000_0080, 735),
    (0x0000_00C0, 0xC0),
    (0x0000_0102, code::TIMEOUT),
    (STATUS_NOT_IMPLEMENTED, 1),
    (0xC000_0003, code::INVALID_PARAMETER),
    (STATUS_INFO_LENGTH_MISMATCH, 24),
    (STATUS_ACCESS_VIOLATION, code::NOACCESS),
    (0xC000_000F, code::FILE_NOT_FOUND),
    (0xC000_0010, 1),
    (0xC000_0011, code::HANDLE_EOF),
    (0xC000_0017, code::NOT_ENOUGH_MEMORY),
    (STATUS_OBJECT_TYPE_MISMATCH, code::INVALID_HANDLE),
    (0xC000_0035, code::ALREADY_EXISTS),
    (0xC000_0043, 32),
    (0xC000_0046, code::NOT_OWNER),
    (0xC000_0047, code::TOO_MANY_POSTS),
    (0xC000_007F, code::DISK_FULL),
    (STATUS_INTERNAL_ERROR, code::INTERNAL_ERROR),
    (0xC000_0101, code::DIR_NOT_EMPTY),
    (0xC000_0103, code::DIRECTORY),
];

/// What a status is in Win32.
fn dos_error(status: u32) -> u32 {
    let other = OTHERS
        .iter()
        .find(|(known, _)| *known == status)
        .map(|(_, error)| *error);
    let pipes = || Status::from_ntstatus(status).map(Status::win32);
    // A Win32 number in the dress of a status, as NT itself wraps them.
    let wrapped = || (status & 0xFFFF_0000 == 0xC007_0000).then_some(status & 0xFFFF);
    other.or_else(pipes).or_else(wrapped).unwrap_or(code::MR_MID_NOT_FOUND)
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal(status.ntstatus())
    }
}

impl From<npipe::Error> for Refusal {
    fn from(error: npipe::Error) -> Refusal {
        error.status().into()
    }
}

impl From<Failure> for Refusal {
    fn from(Failure(number): Failure) -> Refusal {
        Refusal(match number {
            code::NOACCESS => STATUS_ACCESS_VIOLATION,
            code::CALL_NOT_IMPLEMENTED => STATUS_NOT_SUPPORTED,
            _ => Status::from_win32(number).map_or(STATUS_UNSUCCESSFUL, Status::ntstatus),
        })
    }
}

/// IO_STATUS_BLOCK. Its first member is as large as a pointer.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct IO_STATUS_BLOCK {
    Status: usize,
    Information: usize,
}

/// What a function came to, with how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    status: u32,
    bytes: usize,
}

impl Done {
    fn with(bytes: usize) -> Done {
        let status = STATUS_SUCCESS;
        Done { status, bytes }
    }

    /// With a warning if there was more than went into the buffer.
    fn or_more(bytes: usize, more: bool) -> Done {
        let status = if more { STATUS_BUFFER_OVERFLOW } else { STATUS_SUCCESS };
        Done { status, bytes }
    }
}

/// Tells a caller what came of it.
fn answer(block: Out<IO_STATUS_BLOCK>, done: Result<Done, Refusal>) -> u32 {
    match done {
        Ok(Done { status, bytes }) => {
            block.set(IO_STATUS_BLOCK {
                Status: status as usize,
                Information: bytes,
            });
            status
        }
        Err(Refusal(status)) => status,
    }
}

/// What is not offered: STATUS_NOT_SUPPORTED, after one line on stderr that names it.
fn unsupported(what: &'static str) -> Refusal {
    not_implemented(what).into()
}

crate::export! {
    /// RtlNtStatusToDosError: the error number of Win32 for a status; ERROR_MR_MID_NOT_FOUND for one that nobody here gives.
    fn RtlNtStatusToDosError(status: u32) -> u32 [code::MR_MID_NOT_FOUND] {
        Ok(dos_error(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_pipes_has_its_number() {
        for status in Status::all() {
            assert_eq!(dos_error(status.ntstatus()), status.win32(), "{status:?}");
        }
        assert_eq!(dos_error(0xC007_0005), 5);
        assert_eq!(dos_error(0xCFFF_FFFF), code::MR_MID_NOT_FOUND);
        let statuses: std::collections::HashSet<_> = OTHERS.iter().map(|(status, _)| status).collect();
        assert_eq!(statuses.len(), OTHERS.len());
    }
}
