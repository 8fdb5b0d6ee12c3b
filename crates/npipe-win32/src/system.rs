#![allow(unsafe_code, reason = "localtime_r")]

//! What a program asks of the system: names, the calendar, processors, directories, a debugger.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::environment::file_time;
use crate::failure::{Failure, Outcome};
use crate::files::system_path;
use crate::pointers::{Ansi, In, Out, TextOut, WideText};
use crate::text::{Page, Words};
use crate::types::{Bool, FALSE, TRUE, code};

/// SYSTEMTIME: year, month, day of the week, day, hour, minute, second, millisecond.
type Calendar = [u16; 8];

/// SYSTEM_INFO.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SYSTEM_INFO {
    wProcessorArchitecture: u16,
    wReserved: u16,
    dwPageSize: u32,
    lpMinimumApplicationAddress: usize,
    lpMaximumApplicationAddress: usize,
    dwActiveProcessorMask: usize,
    dwNumberOfProcessors: u32,
    dwProcessorType: u32,
    dwAllocationGranularity: u32,
    wProcessorLevel: u16,
    wProcessorRevision: u16,
}

const PROCESSOR_ARCHITECTURE_AMD64: u16 = 9;
const PROCESSOR_ARCHITECTURE_ARM64: u16 = 12;
const PROCESSOR_ARCHITECTURE_UNKNOWN: u16 = 0xFFFF;
/// Windows reserves addresses in such steps; programs align to them.
const GRANULARITY: u32 = 0x1_0000;

/// From 1601 to 1970, in seconds.
const EPOCH_S: i64 = 11_644_473_600;
const TICKS_PER_S: u64 = 10_000_000;
const TICKS_PER_DAY: u64 = 86_400 * TICKS_PER_S;
/// 1601 began on a Monday.
const FIRST_WEEKDAY: u64 = 1;
/// The last year of a calendar.
const LAST_YEAR: u64 = 30827;

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the beginning of 1601 to that of a year.
fn days_before(year: u64) -> u64 {
    let years = year - 1601;
    years * 365 + years / 4 - years / 100 + years / 400
}

/// Steps of 100 ns since 1601 as a calendar.
fn calendar(ticks: u64) -> Outcome<Calendar> {
    if ticks >> 63 != 0 {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let (days, within) = (ticks / TICKS_PER_DAY, ticks % TICKS_PER_DAY);
    // Not before the year, and at most one after it.
    let mut year = 1601 + days / 366;
    while days_before(year + 1) <= days {
        year += 1;
    }
    let mut day = days - days_before(year);
    let mut month = 1;
    while day >= days_of_month(year, month) {
        day -= days_of_month(year, month);
        month += 1;
    }
    let seconds = within / TICKS_PER_S;
    let parts = [
        year,
        month,
        (days + FIRST_WEEKDAY) % 7,
        day + 1,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        within % TICKS_PER_S / 10_000,
    ];
    Ok(parts.map(|part| part as u16))
}

/// The reverse; the day of the week does not matter.
fn ticks(calendar: Calendar) -> Outcome<u64> {
    let [year, month, _, day, hour, minute, second, millisecond] = calendar.map(u64::from);
    let is_sound = (1601..=LAST_YEAR).contains(&year)
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_of_month(year, month)
        && hour < 24
        && minute < 60
        && second < 60
        && millisecond < 1000;
    if !is_sound {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let days = days_before(year) + (1..month).map(|month| days_of_month(year, month)).sum::<u64>() + day - 1;
    Ok(days * TICKS_PER_DAY + (hour * 3600 + minute * 60 + second) * TICKS_PER_S + millisecond * 10_000)
}

/// The offset of local time from UTC at a time, in seconds.
fn local_offset(ticks: u64) -> i64 {
    let seconds = (ticks / TICKS_PER_S) as i64 - EPOCH_S;
    // SAFETY: all zeros is a calendar of the C library.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both are of this frame.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut local) };
    local.tm_gmtoff
}

fn local(ticks: u64) -> Outcome<u64> {
    let offset = local_offset(ticks) * TICKS_PER_S as i64;
    ticks.checked_add_signed(offset).ok_or(Failure(code::INVALID_PARAMETER))
}

fn joined(time: [u32; 2]) -> u64 {
    u64::from(time[1]) << 32 | u64::from(time[0])
}

fn parted(ticks: u64) -> [u32; 2] {
    [ticks as u32, (ticks >> 32) as u32]
}

/// The name of this computer as NetBIOS would have it: upper case, without its domain, at most fifteen bytes.
fn computer_name() -> Vec<u8> {
    let system = rustix::system::uname();
    let name = String::from_utf8_lossy(system.nodename().to_bytes()).to_uppercase();
    let host = name.split('.').next().unwrap_or_default();
    let end = (0..=host.len().min(15)).rev().find(|&end| host.is_char_boundary(end));
    host.as_bytes()[..end.unwrap_or(0)].to_vec()
}

/// The computer's name into a buffer whose size is told and answered; what is answered counts the zero if it does not fit.
fn answer_computer_name(place: impl Page, size: Out<u32>) -> Outcome<Bool> {
    let name = computer_name();
    let room = size.get().ok_or(Failure(code::NOACCESS))?;
    let length = place.length_of(&name) as u32;
    if place.is_missing() || room <= length {
        size.set(length + 1);
        return Err(Failure(code::BUFFER_OVERFLOW));
    }
    place.put(&name);
    size.set(length);
    Ok(TRUE)
}

fn set_directory(name: impl Words) -> Outcome<Bool> {
    std::env::set_current_dir(system_path(&name.path())).map_err(|error| match Failure::from(error) {
        // Windows asks for a directory, and finds a file.
        Failure(code::PATH_NOT_FOUND) => Failure(code::DIRECTORY),
        other => other,
    })?;
    Ok(TRUE)
}

fn directory(place: impl Page, size: u32) -> Outcome<u32> {
    Ok(place.fill(size, std::env::current_dir()?.as_os_str().as_bytes()))
}

/// Ends with a slash, which is the backslash of this system.
fn temporary(place: impl Page, size: u32) -> Outcome<u32> {
    let mut path = std::env::temp_dir().into_os_string().into_encoded_bytes();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    Ok(place.fill(size, &path))
}

/// Whether somebody traces this process.
fn is_debugged() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// Where a debugger shows it.
fn debug(text: impl Words) {
    if is_debugged() {
        // A debugger that does not look loses it, as on Windows.
        let _ = std::io::stderr().write_all(&text.bytes().unwrap_or_default());
    }
}

crate::export! {
    /// GetComputerNameA: the host's name in upper case, without its domain, of fifteen bytes at most.
    ///
    /// # Errors
    /// ERROR_BUFFER_OVERFLOW, with the size that it takes.
    fn GetComputerNameA(name: TextOut<u8>, size: Out<u32>) -> Bool [FALSE] {
        answer_computer_name(name, size)
    }

    /// GetComputerNameW.
    ///
    /// # Errors
    /// As GetComputerNameA.
    fn GetComputerNameW(name: TextOut<u16>, size: Out<u32>) -> Bool [FALSE] {
        answer_computer_name(name, size)
    }

    /// GetSystemTime, in UTC.
    fn GetSystemTime(time: Out<Calendar>) -> () [()] {
        time.set(calendar(file_time())?);
        Ok(())
    }

    /// GetLocalTime.
    fn GetLocalTime(time: Out<Calendar>) -> () [()] {
        time.set(calendar(local(file_time())?)?);
        Ok(())
    }

    /// FileTimeToSystemTime.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER (after the year 30827).
    fn FileTimeToSystemTime(time: In<[u32; 2]>, to: Out<Calendar>) -> Bool [FALSE] {
        to.set(calendar(joined(time.get().ok_or(Failure(code::INVALID_PARAMETER))?))?);
        Ok(TRUE)
    }

    /// SystemTimeToFileTime. The day of the week does not matter.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for what is in no calendar.
    fn SystemTimeToFileTime(time: In<Calendar>, to: Out<[u32; 2]>) -> Bool [FALSE] {
        to.set(parted(ticks(time.get().ok_or(Failure(code::INVALID_PARAMETER))?)?));
        Ok(TRUE)
    }

    /// FileTimeToLocalFileTime, by the offset of the time given.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER.
    fn FileTimeToLocalFileTime(time: In<[u32; 2]>, to: Out<[u32; 2]>) -> Bool [FALSE] {
        to.set(parted(local(joined(time.get().ok_or(Failure(code::INVALID_PARAMETER))?))?));
        Ok(TRUE)
    }

    /// GetSystemInfo: how many processors this process may use, and how memory is divided.
    fn GetSystemInfo(to: Out<SYSTEM_INFO>) -> () [()] {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        to.set(SYSTEM_INFO {
            wProcessorArchitecture: match std::env::consts::ARCH {
                "x86_64" => PROCESSOR_ARCHITECTURE_AMD64,
                "aarch64" => PROCESSOR_ARCHITECTURE_ARM64,
                _ => PROCESSOR_ARCHITECTURE_UNKNOWN,
            },
            wReserved: 0,
            dwPageSize: rustix::param::page_size() as u32,
            lpMinimumApplicationAddress: GRANULARITY as usize,
            lpMaximumApplicationAddress: 0x7FFF_FFFE_FFFF,
            dwActiveProcessorMask: usize::MAX >> (usize::BITS as usize - processors.min(usize::BITS as usize)),
            dwNumberOfProcessors: processors as u32,
            dwProcessorType: 0,
            dwAllocationGranularity: GRANULARITY,
            wProcessorLevel: 0,
            wProcessorRevision: 0,
        });
        Ok(())
    }

    /// GetCurrentDirectoryA: the length of the path, or the size it takes if that is more.
    fn GetCurrentDirectoryA(size: u32, path: TextOut<u8>) -> u32 [0] {
        directory(path, size)
    }

    /// GetCurrentDirectoryW.
    fn GetCurrentDirectoryW(size: u32, path: TextOut<u16>) -> u32 [0] {
        directory(path, size)
    }

    /// SetCurrentDirectoryA.
    ///
    /// # Errors
    /// ERROR_FILE_NOT_FOUND, ERROR_DIRECTORY (a file), ERROR_ACCESS_DENIED.
    fn SetCurrentDirectoryA(path: Ansi<'_>) -> Bool [FALSE] {
        set_directory(path)
    }

    /// SetCurrentDirectoryW.
    ///
    /// # Errors
    /// As SetCurrentDirectoryA.
    fn SetCurrentDirectoryW(path: WideText<'_>) -> Bool [FALSE] {
        set_directory(path)
    }

    /// GetTempPathA: with a slash at its end. The length of the path, or the size it takes if that is more.
    fn GetTempPathA(size: u32, path: TextOut<u8>) -> u32 [0] {
        temporary(path, size)
    }

    /// GetTempPathW.
    fn GetTempPathW(size: u32, path: TextOut<u16>) -> u32 [0] {
        temporary(path, size)
    }

    /// IsDebuggerPresent.
    fn IsDebuggerPresent() -> Bool [FALSE] {
        Ok(if is_debugged() { TRUE } else { FALSE })
    }

    /// OutputDebugStringA: to standard error, if a debugger is there; else nobody sees it, as on Windows.
    fn OutputDebugStringA(text: Ansi<'_>) -> () [()] {
        debug(text);
        Ok(())
    }

    /// OutputDebugStringW.
    fn OutputDebugStringW(text: WideText<'_>) -> () [()] {
        debug(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_are_those_of_1601_and_later() {
        assert_eq!(calendar(0), Ok([1601, 1, 1, 1, 0, 0, 0, 0]));
        let second = 11_644_473_600 * TICKS_PER_S;
        assert_eq!(calendar(second), Ok([1970, 1, 4, 1, 0, 0, 0, 0]));
        assert_eq!(
            calendar(second + 951_782_400 * TICKS_PER_S),
            Ok([2000, 2, 2, 29, 0, 0, 0, 0])
        );
        assert_eq!(calendar(u64::MAX), Err(Failure(code::INVALID_PARAMETER)));
        assert_eq!(
            ticks([2023, 2, 0, 29, 0, 0, 0, 0]),
            Err(Failure(code::INVALID_PARAMETER))
        );
    }

    #[test]
    fn a_calendar_is_its_time() {
        for days in (0..500_000).step_by(97) {
            let time = days * TICKS_PER_DAY + 86_399 * TICKS_PER_S + 9_990_000;
            assert_eq!(calendar(time).and_then(ticks), Ok(time));
        }
        assert_eq!(calendar(i64::MAX as u64).map(|parts| u64::from(parts[0])), Ok(30828));
    }
}
