#![allow(
    unsafe_code,
    reason = "the system's calls on security descriptors, which take pointers"
)]
//! Descriptors of ends, as bytes.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::Security::{GetKernelObjectSecurity, SetKernelObjectSecurity};

use super::{Code, CodeResult, done};

/// These parts of the descriptor, self-relative.
pub(crate) fn get(end: BorrowedHandle<'_>, parts: u32) -> CodeResult<Vec<u8>> {
    let mut needed = 0;
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        let room = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let place = if buffer.is_empty() {
            null_mut()
        } else {
            buffer.as_mut_ptr()
        };
        // SAFETY: the buffer has that much room, and lives until the call returns.
        let outcome =
            unsafe { GetKernelObjectSecurity(end.as_raw_handle(), parts, place.cast(), room, &raw mut needed) };
        match done(outcome) {
            Ok(()) => {
                buffer.truncate(needed as usize);
                return Ok(buffer);
            }
            // It may have grown in between.
            Err(Code::Win32(ERROR_INSUFFICIENT_BUFFER)) if needed > room => buffer.resize(needed as usize, 0),
            Err(code) => return Err(code),
        }
    }
}

/// Changes these parts to those of a descriptor that is self-relative.
pub(crate) fn set(end: BorrowedHandle<'_>, parts: u32, descriptor: &[u8]) -> CodeResult<()> {
    // SAFETY: the descriptor is a whole one and lives until the call returns, which only reads.
    done(unsafe { SetKernelObjectSecurity(end.as_raw_handle(), parts, descriptor.as_ptr().cast_mut().cast()) })
}
