#![allow(unsafe_code, reason = "errno has no safe setter")]

//! How a function fails: the last error, errno beside it, and the boundary around every export.
//!
//! The last error is a thread's own and is left alone by what succeeds, but for the few functions that are documented to set
//! it then. errno agrees with it, by the table of [`npipe::Status`].

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use npipe::Status;

use crate::types::code;

/// A Win32 error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) u32);

/// What a function ends with.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<npipe::Error> for Failure {
    fn from(error: npipe::Error) -> Failure {
        Failure(error.win32())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure(status.win32())
    }
}

impl From<npipe::SecurityError> for Failure {
    fn from(error: npipe::SecurityError) -> Failure {
        error.status().into()
    }
}

/// Errors of ordinary files.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        use io::ErrorKind as Kind;
        Failure(match error.kind() {
            Kind::NotFound => code::FILE_NOT_FOUND,
            Kind::PermissionDenied | Kind::IsADirectory | Kind::ReadOnlyFilesystem => code::ACCESS_DENIED,
            Kind::AlreadyExists => code::FILE_EXISTS,
            Kind::NotADirectory => code::PATH_NOT_FOUND,
            Kind::DirectoryNotEmpty => code::DIR_NOT_EMPTY,
            Kind::InvalidInput => code::INVALID_PARAMETER,
            Kind::BrokenPipe => code::BROKEN_PIPE,
            Kind::StorageFull => code::DISK_FULL,
            Kind::OutOfMemory => code::NOT_ENOUGH_MEMORY,
            _ => match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE) => code::TOO_MANY_OPEN_FILES,
                Some(libc::EBADF) => code::INVALID_HANDLE,
                _ => code::GEN_FAILURE,
            },
        })
    }
}

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// The errno that goes with a Win32 number; none where nobody has said what it is.
fn errno(number: u32) -> Option<i32> {
    match number {
        code::SUCCESS => Some(0),
        code::FILE_EXISTS | code::ALREADY_EXISTS => Some(libc::EEXIST),
        code::NOT_ENOUGH_MEMORY => Some(libc::ENOMEM),
        code::DISK_FULL => Some(libc::ENOSPC),
        code::CALL_NOT_IMPLEMENTED => Some(libc::ENOSYS),
        code::NOACCESS => Some(libc::EFAULT),
        code::DIR_NOT_EMPTY => Some(libc::ENOTEMPTY),
        code::UNKNOWN_REVISION | code::REVISION_MISMATCH | code::BAD_DESCRIPTOR_FORMAT => Some(libc::EINVAL),
        code::BAD_TOKEN_TYPE | code::GENERIC_NOT_MAPPED => Some(libc::EINVAL),
        code::ALLOTTED_SPACE_EXCEEDED => Some(libc::ENOSPC),
        code::NONE_MAPPED | code::NO_TOKEN | code::NO_IMPERSONATION_TOKEN | code::NO_SUCH_PRIVILEGE => {
            Some(libc::ENOENT)
        }
        code::NOT_OWNER | code::NOT_LOCKED | code::NOT_ALL_ASSIGNED => Some(libc::EPERM),
        code::MOD_NOT_FOUND | code::PROC_NOT_FOUND | code::ENVVAR_NOT_FOUND => Some(libc::ENOENT),
        code::TIMEOUT => Some(libc::ETIMEDOUT),
        _ => Status::from_win32(number).map(Status::errno),
    }
}

/// Sets the last error of this thread, and errno with it.
pub(crate) fn set_last_error(number: u32) {
    LAST_ERROR.set(number);
    if let Some(errno) = errno(number) {
        // SAFETY: always succeeds.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: the C library keeps a word for each thread, whose address this is.
        unsafe { place.write(errno) };
    }
}

/// The last error of this thread.
pub(crate) fn last_error() -> u32 {
    LAST_ERROR.get()
}

/// Runs the body of an export: a failure becomes the last error, a panic ERROR_INTERNAL_ERROR.
#[inline]
pub(crate) fn boundary<T>(failed: T, body: impl FnOnce() -> Outcome<T>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(Failure(number))) => {
            set_last_error(number);
            failed
        }
        Err(_) => {
            set_last_error(code::INTERNAL_ERROR);
            failed
        }
    }
}

/// What this library does not do: the failure, after one line on stderr that names it. Each is named once.
pub(crate) fn not_implemented(what: &'static str) -> Failure {
    static NAMED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if NAMED.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
        // Where there is no stderr nobody reads it.
        let _ = writeln!(
            io::stderr(),
            "npipe: {what} is not implemented (ERROR_CALL_NOT_IMPLEMENTED)"
        );
    }
    Failure(code::CALL_NOT_IMPLEMENTED)
}

crate::export! {
    /// GetLastError: why the last function failed that this thread called.
    fn GetLastError() -> u32 [code::INTERNAL_ERROR] {
        Ok(last_error())
    }

    /// SetLastError. errno is set too where it has a number for the error.
    fn SetLastError(number: u32) -> () [()] {
        set_last_error(number);
        Ok(())
    }
}
