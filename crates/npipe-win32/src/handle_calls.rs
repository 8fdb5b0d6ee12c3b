//! What can be done with any handle: close, duplicate, ask and set its flags.

use npipe::Access;

use crate::failure::{Failure, Outcome, not_implemented};
use crate::handles::{self, Entry};
use crate::object::Object;
use crate::pointers::Out;
use crate::processes;
use crate::types::{
    Bool, CURRENT_PROCESS, CURRENT_THREAD, DUPLICATE_CLOSE_SOURCE, DUPLICATE_SAME_ACCESS, FALSE, FILE_TYPE_UNKNOWN,
    HANDLE_FLAG_INHERIT, HANDLE_FLAG_PROTECT_FROM_CLOSE, Handle, TRUE, code,
};

/// Handles of other processes are out of reach.
fn require_this_process(process: Handle, what: &'static str) -> Outcome<()> {
    match processes::is_this(process)? {
        true => Ok(()),
        false => Err(not_implemented(what)),
    }
}

/// What a duplicate allows (semantics 258).
fn reduced(entry: &Entry, desired: u32, options: u32) -> Outcome<Access> {
    if matches!(entry.object, Object::Pooled(_)) {
        return Err(Failure(code::INVALID_HANDLE));
    }
    let is_file = matches!(entry.object, Object::Pipe(_) | Object::Anonymous(_) | Object::File(_));
    if options & DUPLICATE_SAME_ACCESS != 0 || !is_file {
        return Ok(entry.access);
    }
    let asked = Access::from_win32(desired);
    if asked.intersection(entry.access) != asked {
        return Err(Failure(code::ACCESS_DENIED));
    }
    Ok(asked)
}

fn duplicate(source: Handle, desired: u32, inherit: bool, options: u32) -> Outcome<Handle> {
    match source {
        CURRENT_PROCESS => handles::insert(Object::Process, Access::READ_WRITE, inherit),
        CURRENT_THREAD => {
            let thread = crate::threads::thread(source)?;
            handles::insert(Object::Thread(thread), Access::READ_WRITE, inherit)
        }
        _ => handles::duplicate(source, inherit, |entry| reduced(entry, desired, options)),
    }
}

crate::export! {
    /// CloseHandle. The last handle of a pipe's end closes it: calls of other threads on it end with ERROR_BROKEN_PIPE.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn CloseHandle(handle: Handle) -> Bool [FALSE] {
        // The two that mean whoever uses them are never open.
        if handle != CURRENT_PROCESS && handle != CURRENT_THREAD {
            handles::close(handle)?;
        }
        Ok(TRUE)
    }

    /// DuplicateHandle within the process.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE; ERROR_ACCESS_DENIED for more access than the source has; ERROR_CALL_NOT_IMPLEMENTED for handles
    /// of other processes.
    fn DuplicateHandle(
        source_process: Handle,
        source: Handle,
        target_process: Handle,
        target: Out<Handle>,
        desired: u32,
        inherit: Bool,
        options: u32,
    ) -> Bool [FALSE] {
        require_this_process(source_process, "DuplicateHandle from another process")?;
        require_this_process(target_process, "DuplicateHandle into another process")?;
        if options & !(DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE) != 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let made = if target.is_null() {
            Ok(None)
        } else {
            duplicate(source, desired, inherit != FALSE, options).map(Some)
        };
        // Asked for, it is closed whether the rest succeeds or not.
        if options & DUPLICATE_CLOSE_SOURCE != 0 {
            handles::close(source)?;
        }
        if let Some(handle) = made? {
            target.set(handle);
        }
        Ok(TRUE)
    }

    /// GetHandleInformation: HANDLE_FLAG_INHERIT and HANDLE_FLAG_PROTECT_FROM_CLOSE.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn GetHandleInformation(handle: Handle, flags: Out<u32>) -> Bool [FALSE] {
        let entry = handles::get(handle)?;
        let bit = |held, bit| if held { bit } else { 0 };
        flags.set(bit(entry.inherit, HANDLE_FLAG_INHERIT) | bit(entry.protect, HANDLE_FLAG_PROTECT_FROM_CLOSE));
        Ok(TRUE)
    }

    /// SetHandleInformation.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER for other flags.
    fn SetHandleInformation(handle: Handle, mask: u32, flags: u32) -> Bool [FALSE] {
        if mask & !(HANDLE_FLAG_INHERIT | HANDLE_FLAG_PROTECT_FROM_CLOSE) != 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        handles::change(handle, |entry| {
            if mask & HANDLE_FLAG_INHERIT != 0 {
                entry.inherit = flags & HANDLE_FLAG_INHERIT != 0;
            }
            if mask & HANDLE_FLAG_PROTECT_FROM_CLOSE != 0 {
                entry.protect = flags & HANDLE_FLAG_PROTECT_FROM_CLOSE != 0;
            }
        })?;
        Ok(TRUE)
    }

    /// GetFileType: FILE_TYPE_PIPE for both ends of pipes.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no file.
    // semantics 43
    fn GetFileType(handle: Handle) -> u32 [FILE_TYPE_UNKNOWN] {
        handles::get(handle)?.object.file_type()
    }

    /// GetProcessHandleCount, of this process.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no process.
    fn GetProcessHandleCount(process: Handle, count: Out<u32>) -> Bool [FALSE] {
        require_this_process(process, "GetProcessHandleCount of another process")?;
        count.set(handles::count() as u32);
        Ok(TRUE)
    }
}
