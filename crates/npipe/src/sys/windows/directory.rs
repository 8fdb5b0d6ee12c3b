#![allow(unsafe_code, reason = "the system's calls for listing a directory")]
//! What the directory `\\.\pipe\` tells: names and numbers of instances, without opening anything.

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_NO_MORE_FILES, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{FindClose, FindFirstFileW, FindNextFileW, WIN32_FIND_DATAW};

use super::{Code, CodeResult, done, terminated};

/// A pipe in the directory.
pub(crate) struct Listed {
    pub(crate) name: Vec<u16>,
    pub(crate) instances: u32,
}

/// A search, closed with it.
struct Search(HANDLE);

impl Drop for Search {
    fn drop(&mut self) {
        // SAFETY: it is a search, and nobody else closes it.
        unsafe { FindClose(self.0) };
    }
}

/// All pipes of the system.
pub(crate) fn list() -> CodeResult<Vec<Listed>> {
    let pattern: Vec<u16> = r"\\.\pipe\*".encode_utf16().collect();
    let pattern = terminated(&pattern);
    let mut found = WIN32_FIND_DATAW::default();
    // SAFETY: the pattern ends with a zero; both live until the call returns.
    let search = unsafe { FindFirstFileW(pattern.as_ptr(), &raw mut found) };
    if search == INVALID_HANDLE_VALUE {
        return match Code::last() {
            Code::Win32(ERROR_FILE_NOT_FOUND) => Ok(Vec::new()),
            code => Err(code),
        };
    }
    let search = Search(search);
    let mut listed = Vec::new();
    loop {
        let length = found.cFileName.iter().position(|&unit| unit == 0);
        listed.push(Listed {
            name: found.cFileName[..length.unwrap_or(found.cFileName.len())].to_vec(),
            // What would be the size of a file.
            instances: found.nFileSizeLow,
        });
        // SAFETY: the search is open, and what it fills lives until the call returns.
        match done(unsafe { FindNextFileW(search.0, &raw mut found) }) {
            Ok(()) => {}
            Err(Code::Win32(ERROR_NO_MORE_FILES)) => return Ok(listed),
            Err(code) => return Err(code),
        }
    }
}
