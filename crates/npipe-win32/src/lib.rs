#![allow(
    unsafe_code,
    reason = "every function is exported under its own name; blocks stand only in files that say so themselves"
)]
#![allow(
    non_snake_case,
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the names are Windows'"
)]

//! Windows' functions for pipes and what pipe programs use beside them, for C and C++ on Linux.
//!
//! The functions here are the C library's: `include/windows.h` declares them, and a program that was written for Windows
//! compiles against it and links with `libnpipe`. The behaviour of pipes is npipe's; this crate adds what is Win32.
//!
//! * **Handles** ([`handles`]) are small numbers. Behind each stands an [`object::Object`]; a number that is closed, or was
//!   never a handle, is ERROR_INVALID_HANDLE and nothing worse, also when one thread closes what another one uses.
//! * **Waiting** ([`dispatch`]): events, mutexes, semaphores, threads and ends of pipes are *waitable*; one lock orders all
//!   that changes them, so that waits for many of them take all or nothing.
//! * **Children** ([`processes`]) find the handles that they inherit in a table that the parent leaves for them, and take
//!   them before their `main` runs.
//! * **Descriptors and identities** ([`security`]) lie in the program's memory in Windows' forms and are npipe's values inside;
//!   tokens are handles, and threads act by them.
//! * **Errors** ([`failure`]): a function gives its outcome as a `Result`; the frame around it sets the last error and
//!   errno, and is the boundary that no panic passes.
//! * **Sanitizers** ([`sanitizer`]): every call that orders threads says so to ThreadSanitizer, if the program has it.
//! * **Pointers** ([`pointers`]) from C are types of their own, which only a C caller can make. What they promise is in the
//!   headers, and only that file reads or writes through them.
//!
//! What is not offered fails to compile, or fails with ERROR_CALL_NOT_IMPLEMENTED and one line on stderr.

mod addresses;
mod clock;
mod command_lines;
mod console;
mod control;
mod deletion;
mod dispatch;
mod environment;
mod events;
mod failure;
mod files;
mod handle_calls;
mod handles;
mod heap;
mod inserts;
mod io;
mod locks;
mod messages;
mod nt;
mod object;
mod once;
mod operations;
mod overlapped;
mod own_heaps;
mod pipes;
mod pointers;
mod pool;
mod ports;
mod processes;
mod procs;
mod sanitizer;
mod scheduling;
mod security;
mod slots;
mod strings;
mod system;
mod text;
mod threads;
mod timers;
mod types;
mod waits;

/// A function of this library, as [`procs`] finds it by name.
pub(crate) struct Export {
    /// Its name in C.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) address: fn() -> usize,
}

/// Defines functions that C calls.
///
/// `fn Name(arguments) -> Type [FAILED] { body }`: the body evaluates to `Outcome<Type>` and may use `?`. If it fails, the
/// last error is set and FAILED returned; so it is if it panics, which it never should.
macro_rules! export {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty [$failed:expr] $body:block
    )+) => {
        $(
            $(#[$attribute])*
            // SAFETY: the name is Windows', and no other function of this library or of the C library has it.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name($($argument: $kind),*) -> $result {
                $crate::failure::boundary($failed, || -> $crate::failure::Outcome<$result> { $body })
            }
        )+

        /// The functions of this file.
        pub(crate) const EXPORTS: &[$crate::Export] = &[
            $($crate::Export {
                name: stringify!($name),
                address: || $name as *const () as usize,
            },)+
        ];
    };
}
pub(crate) use export;

/// Defines functions that call back into the program, which may end its thread there.
///
/// As [`export!`], but the body is the bare function: it keeps nothing that would have to be dropped while the program's
/// code runs, since `ExitThread` unwinds the stack through it.
macro_rules! export_unwinding {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty $body:block
    )+) => {
        $(
            $(#[$attribute])*
            // SAFETY: the name is Windows', and no other function of this library or of the C library has it.
            #[unsafe(no_mangle)]
            pub(crate) extern "C-unwind" fn $name($($argument: $kind),*) -> $result $body
        )+

        /// The functions of this file that call back into the program.
        pub(crate) const UNWINDING: &[$crate::Export] = &[
            $($crate::Export {
                name: stringify!($name),
                address: || $name as *const () as usize,
            },)+
        ];
    };
}
pub(crate) use export_unwinding;
