#![allow(unsafe_code, reason = "the system's calls on anonymous pipes, which take pointers")]
//! Anonymous pipes. Their handles are made for calls that block, since children expect that.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::time::Instant;

use npipe_core::security::rights::{FILE_READ_DATA, FILE_WRITE_DATA};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::Pipes::CreatePipe;

use super::transfer::{in_one_go, length_of};
use super::{CodeResult, done, pipe};

/// A new pipe, its read end first.
pub(crate) fn create(size: u32) -> CodeResult<(OwnedHandle, OwnedHandle)> {
    let (mut reader, mut writer): (HANDLE, HANDLE) = (null_mut(), null_mut());
    // SAFETY: the places of both handles live until the call returns.
    done(unsafe { CreatePipe(&raw mut reader, &raw mut writer, null(), size) })?;
    // SAFETY: it is a new handle that nobody else closes.
    let reader = unsafe { OwnedHandle::from_raw_handle(reader) };
    // SAFETY: as above.
    let writer = unsafe { OwnedHandle::from_raw_handle(writer) };
    Ok((reader, writer))
}

/// Whether a handle is an end of a pipe, that may be read or written.
pub(crate) fn is_end(handle: BorrowedHandle<'_>, writes: bool) -> bool {
    let needed = if writes { FILE_WRITE_DATA } else { FILE_READ_DATA };
    let granted = pipe::granted_access(handle).unwrap_or_default();
    granted & needed != 0 && pipe::fixed(handle).is_ok()
}

/// Reads what there is.
pub(crate) fn read(end: BorrowedHandle<'_>, buffer: &mut [u8], deadline: Option<Instant>) -> CodeResult<usize> {
    let (address, length, end) = (buffer.as_mut_ptr(), length_of(buffer), end.as_raw_handle());
    let mut bytes = 0;
    in_one_go(deadline, || {
        // SAFETY: the buffer and the number live until the call returns, which it does when the system is done with them.
        done(unsafe { ReadFile(end, address, length, &raw mut bytes, null_mut()) })
    })?;
    Ok(bytes as usize)
}

/// Writes all of it; not more than 4 GiB - 1.
pub(crate) fn write(end: BorrowedHandle<'_>, data: &[u8], deadline: Option<Instant>) -> CodeResult<usize> {
    let (address, length, end) = (data.as_ptr(), length_of(data), end.as_raw_handle());
    let mut bytes = 0;
    in_one_go(deadline, || {
        // SAFETY: as in `read`; the system only reads.
        done(unsafe { WriteFile(end, address, length, &raw mut bytes, null_mut()) })
    })?;
    Ok(bytes as usize)
}
