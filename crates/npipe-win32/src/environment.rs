#![allow(unsafe_code, reason = "setting environment variables")]

//! The process and its surroundings: numbers, time, environment variables, the end.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::ClockId;

use crate::failure::{Failure, Outcome, boundary};
use crate::pointers::{Ansi, Out, TextOut, WideText};
use crate::text::{Page, Words};
use crate::types::{Bool, CURRENT_PROCESS, FALSE, Handle, INVALID_HANDLE_VALUE, TRUE, code};

/// Ticks of the performance counter in a second, as on Windows.
const FREQUENCY: i64 = 10_000_000;
/// From 1601 to 1970, in steps of 100 ns.
const EPOCH: u64 = 116_444_736_000_000_000;

/// A clock in steps of `step_ns`.
fn clock(id: ClockId, step_ns: i64) -> i64 {
    let now = rustix::time::clock_gettime(id);
    now.tv_sec * (1_000_000_000 / step_ns) + now.tv_nsec / step_ns
}

fn variable(name: Option<Vec<u8>>) -> Outcome<OsString> {
    let name = OsString::from_vec(name.ok_or(Failure(code::INVALID_PARAMETER))?);
    std::env::var_os(name).ok_or(Failure(code::ENVVAR_NOT_FOUND))
}

fn get_variable(name: impl Words, value: impl Page, size: u32) -> Outcome<u32> {
    Ok(value.fill(size, variable(name.bytes())?.as_bytes()))
}

fn set_variable(name: impl Words, value: impl Words) -> Outcome<Bool> {
    let name = name.path();
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    match value.bytes() {
        // SAFETY: the program vouches, as with setenv, that no other thread reads the environment meanwhile.
        Some(value) => unsafe { std::env::set_var(name, OsStr::from_bytes(&value)) },
        // SAFETY: as above.
        None => unsafe { std::env::remove_var(name) },
    }
    Ok(TRUE)
}

/// The time in steps of 100 ns since 1601.
pub(crate) fn file_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EPOCH + since.as_secs() * 10_000_000 + u64::from(since.subsec_nanos() / 100)
}

fn tell_time(time: Out<[u32; 2]>) {
    let now = file_time();
    time.set([now as u32, (now >> 32) as u32]);
}

/// The program's own file, cut as GetModuleFileName cuts it.
fn module_name(module: Handle, name: impl Page, size: u32) -> Outcome<u32> {
    if module != 0 && module != crate::procs::MODULE {
        return Err(Failure(code::MOD_NOT_FOUND));
    }
    let path = std::env::current_exe()?.into_os_string();
    let written = name.fill(size, path.as_bytes());
    if written > size || size == 0 {
        return Err(Failure(code::INSUFFICIENT_BUFFER));
    }
    Ok(written)
}

crate::export! {
    /// GetCurrentProcessId.
    fn GetCurrentProcessId() -> u32 [0] {
        Ok(std::process::id())
    }

    /// GetCurrentProcess: a handle that means whichever process uses it.
    fn GetCurrentProcess() -> Handle [INVALID_HANDLE_VALUE] {
        Ok(CURRENT_PROCESS)
    }

    /// GetTickCount: milliseconds since the system started; begins anew after 49.7 days.
    fn GetTickCount() -> u32 [0] {
        Ok(clock(ClockId::Boottime, 1_000_000) as u32)
    }

    /// GetTickCount64.
    fn GetTickCount64() -> u64 [0] {
        Ok(clock(ClockId::Boottime, 1_000_000) as u64)
    }

    /// QueryPerformanceCounter.
    fn QueryPerformanceCounter(count: Out<i64>) -> Bool [FALSE] {
        count.set(clock(ClockId::Monotonic, 1_000_000_000 / FREQUENCY));
        Ok(TRUE)
    }

    /// QueryPerformanceFrequency: ten million in a second.
    fn QueryPerformanceFrequency(frequency: Out<i64>) -> Bool [FALSE] {
        frequency.set(FREQUENCY);
        Ok(TRUE)
    }

    /// GetSystemTimeAsFileTime.
    fn GetSystemTimeAsFileTime(time: Out<[u32; 2]>) -> () [()] {
        tell_time(time);
        Ok(())
    }

    /// GetSystemTimePreciseAsFileTime: the same, which is as precise.
    fn GetSystemTimePreciseAsFileTime(time: Out<[u32; 2]>) -> () [()] {
        tell_time(time);
        Ok(())
    }

    /// GetEnvironmentVariableA: the length of the value, or the size it takes if that is more.
    ///
    /// # Errors
    /// ERROR_ENVVAR_NOT_FOUND.
    fn GetEnvironmentVariableA(name: Ansi<'_>, value: TextOut<u8>, size: u32) -> u32 [0] {
        get_variable(name, value, size)
    }

    /// GetEnvironmentVariableW.
    ///
    /// # Errors
    /// As GetEnvironmentVariableA.
    fn GetEnvironmentVariableW(name: WideText<'_>, value: TextOut<u16>, size: u32) -> u32 [0] {
        get_variable(name, value, size)
    }

    /// SetEnvironmentVariableA. NULL removes it.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for a name that is none.
    fn SetEnvironmentVariableA(name: Ansi<'_>, value: Ansi<'_>) -> Bool [FALSE] {
        set_variable(name, value)
    }

    /// SetEnvironmentVariableW.
    ///
    /// # Errors
    /// As SetEnvironmentVariableA.
    fn SetEnvironmentVariableW(name: WideText<'_>, value: WideText<'_>) -> Bool [FALSE] {
        set_variable(name, value)
    }

    /// GetModuleFileNameA, of the program.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER, ERROR_MOD_NOT_FOUND for other modules.
    fn GetModuleFileNameA(module: Handle, name: TextOut<u8>, size: u32) -> u32 [0] {
        module_name(module, name, size)
    }

    /// GetModuleFileNameW.
    ///
    /// # Errors
    /// As GetModuleFileNameA.
    fn GetModuleFileNameW(module: Handle, name: TextOut<u16>, size: u32) -> u32 [0] {
        module_name(module, name, size)
    }
}

crate::export_unwinding! {
    /// ExitProcess. Runs what `atexit` was told, as `exit` does.
    fn ExitProcess(exit_code: u32) -> () {
        boundary((), || std::process::exit(exit_code as i32))
    }
}
