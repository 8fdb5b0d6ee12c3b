//! GetModuleHandle and GetProcAddress for this library's own functions.
//!
//! Programs look functions up that their oldest Windows may lack. Here all are in one module, whichever of Windows' names
//! for its parts is asked for.

use crate::failure::{Failure, Outcome};
use crate::pointers::{Ansi, WideText};
use crate::text::Words;
use crate::types::{Bool, FALSE, Handle, NULL, TRUE, code};
use crate::{
    Export, addresses, command_lines, console, control, environment, events, failure, files, handle_calls, heap, io,
    locks, messages, nt, once, overlapped, pipes, pool, ports, processes, scheduling, security, slots, strings, system,
    threads, timers, waits,
};

/// The module of the program and of this library.
pub(crate) const MODULE: Handle = 0x0040_0000;

/// The parts of Windows that have what is here.
const PARTS: &[&str] = &[
    "kernel32",
    "kernelbase",
    "advapi32",
    "ntdll",
    "shell32",
    "npipe",
    "libnpipe.so",
];

/// All functions.
fn all() -> impl Iterator<Item = &'static Export> {
    [
        addresses::EXPORTS,
        command_lines::EXPORTS,
        console::EXPORTS,
        control::EXPORTS,
        environment::EXPORTS,
        environment::UNWINDING,
        events::EXPORTS,
        failure::EXPORTS,
        files::EXPORTS,
        handle_calls::EXPORTS,
        heap::EXPORTS,
        io::EXPORTS,
        locks::EXPORTS,
        messages::EXPORTS,
        nt::EXPORTS,
        nt::control::EXPORTS,
        nt::information::EXPORTS,
        once::EXPORTS,
        once::UNWINDING,
        overlapped::EXPORTS,
        overlapped::UNWINDING,
        pipes::create::EXPORTS,
        pipes::named::EXPORTS,
        pipes::state::EXPORTS,
        pipes::transfer::EXPORTS,
        pool::io::EXPORTS,
        pool::queues::EXPORTS,
        pool::timers::EXPORTS,
        pool::waits::EXPORTS,
        pool::work::EXPORTS,
        ports::EXPORTS,
        ports::UNWINDING,
        processes::EXPORTS,
        processes::as_user::EXPORTS,
        processes::attributes::EXPORTS,
        processes::create::EXPORTS,
        EXPORTS,
        scheduling::EXPORTS,
        security::acls::EXPORTS,
        security::descriptors::EXPORTS,
        security::explicit::EXPORTS,
        security::lookups::EXPORTS,
        security::objects::EXPORTS,
        security::sddl::EXPORTS,
        security::sids::EXPORTS,
        security::access::EXPORTS,
        security::accounts::EXPORTS,
        security::impersonation::EXPORTS,
        security::privileges::EXPORTS,
        security::tokens::EXPORTS,
        slots::EXPORTS,
        strings::EXPORTS,
        system::EXPORTS,
        threads::EXPORTS,
        threads::UNWINDING,
        timers::EXPORTS,
        waits::EXPORTS,
    ]
    .into_iter()
    .flatten()
}

/// The module of this name; NULL is the program's.
fn module(name: Option<Vec<u8>>) -> Outcome<Handle> {
    let Some(name) = name else {
        return Ok(MODULE);
    };
    let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
    let bare = name.strip_suffix(".dll").unwrap_or(&name);
    if PARTS.contains(&bare) {
        Ok(MODULE)
    } else {
        Err(Failure(code::MOD_NOT_FOUND))
    }
}

crate::export! {
    /// GetModuleHandleA: of the program, or of the parts of Windows that are here.
    ///
    /// # Errors
    /// ERROR_MOD_NOT_FOUND.
    fn GetModuleHandleA(name: Ansi<'_>) -> Handle [NULL] {
        module(name.bytes())
    }

    /// GetModuleHandleW.
    ///
    /// # Errors
    /// As GetModuleHandleA.
    fn GetModuleHandleW(name: WideText<'_>) -> Handle [NULL] {
        module(name.bytes())
    }

    /// LoadLibraryA, of the parts of Windows that are here.
    ///
    /// # Errors
    /// ERROR_MOD_NOT_FOUND.
    fn LoadLibraryA(name: Ansi<'_>) -> Handle [NULL] {
        module(Some(name.bytes().ok_or(Failure(code::INVALID_PARAMETER))?))
    }

    /// LoadLibraryW.
    ///
    /// # Errors
    /// As LoadLibraryA.
    fn LoadLibraryW(name: WideText<'_>) -> Handle [NULL] {
        module(Some(name.bytes().ok_or(Failure(code::INVALID_PARAMETER))?))
    }

    /// FreeLibrary.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no module.
    fn FreeLibrary(module: Handle) -> Bool [FALSE] {
        if module == MODULE { Ok(TRUE) } else { Err(Failure(code::INVALID_HANDLE)) }
    }

    /// GetProcAddress, by name.
    ///
    /// # Errors
    /// ERROR_PROC_NOT_FOUND, ERROR_INVALID_HANDLE.
    fn GetProcAddress(module: Handle, name: Ansi<'_>) -> usize [0] {
        if module != MODULE && module != NULL {
            return Err(Failure(code::INVALID_HANDLE));
        }
        // Below this it is no pointer but a number in the table of a library of Windows'.
        let missing = Failure(code::PROC_NOT_FOUND);
        if name.address() <= 0xFFFF {
            return Err(missing);
        }
        let name = name.units().unwrap_or_default();
        let export = all().find(|export| export.name.as_bytes() == name).ok_or(missing)?;
        Ok((export.address)())
    }
}
