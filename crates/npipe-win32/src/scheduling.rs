//! What is done with threads from outside: priorities, and what cannot be done; processors that a process may use.
//!
//! A priority is the thread's niceness, in steps of five around what it had. A thread that may not become nicer to itself
//! (CAP_SYS_NICE, or the limit RLIMIT_NICE) is told so; without either there is no way back from a lower priority.

use rustix::process::{Pid, getpriority_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity};

use crate::dispatch::locked;
use crate::failure::{Failure, Outcome, not_implemented};
use crate::object::Object;
use crate::pointers::Out;
use crate::threads;
use crate::types::{Bool, FALSE, Handle, TRUE, code};

const THREAD_PRIORITY_ERROR_RETURN: i32 = i32::MAX;

/// What a thread was given.
#[derive(Default)]
pub(crate) struct Priority {
    level: i32,
    /// Its niceness before it was given any.
    normal: Option<i32>,
}

/// How much nicer than normal a thread is to others.
fn niceness(level: i32) -> Option<i32> {
    match level {
        -15 | 15 => Some(-level),
        -2..=2 => Some(-5 * level),
        _ => None,
    }
}

fn set(handle: Handle, level: i32) -> Outcome<()> {
    let nicer = niceness(level).ok_or(Failure(code::INVALID_PARAMETER))?;
    let thread = threads::thread(handle)?;
    // The number of one that is over may be another's.
    let id = thread.live_id().ok_or(Failure(code::INVALID_HANDLE))?;
    let id = Pid::from_raw(id as i32);
    let mut priority = locked(&thread.priority);
    let normal = match priority.normal {
        Some(normal) => normal,
        None => getpriority_process(id).map_err(std::io::Error::from)?,
    };
    setpriority_process(id, (normal + nicer).clamp(-20, 19)).map_err(std::io::Error::from)?;
    *priority = Priority {
        level,
        normal: Some(normal),
    };
    Ok(())
}

/// The first 64 processors as bits, of those that there are.
fn mask(includes: impl Fn(usize) -> bool) -> usize {
    (0..usize::BITS as usize)
        .filter(|&processor| includes(processor))
        .fold(0, |mask, processor| mask | 1 << processor)
}

/// Which processors the system uses, written as `0-3,8`; none if it does not say so.
fn online() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let ranges: Vec<(usize, usize)> = text
        .trim()
        .split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect();
    mask(|processor| ranges.iter().any(|&(first, last)| (first..=last).contains(&processor)))
}

crate::export! {
    /// TerminateThread. Nothing on Linux ends a thread wherever it is and lets the others go on: a lock of the C library's that it
    /// has would be nobody's.
    ///
    /// # Errors
    /// ERROR_CALL_NOT_IMPLEMENTED; ERROR_INVALID_HANDLE.
    fn TerminateThread(handle: Handle, _exit_code: u32) -> Bool [FALSE] {
        threads::thread(handle)?;
        Err(not_implemented("TerminateThread"))
    }

    /// SetThreadPriority: THREAD_PRIORITY_IDLE, _LOWEST to _HIGHEST, _TIME_CRITICAL.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED if the system does not allow it; ERROR_INVALID_PARAMETER for other values; ERROR_INVALID_HANDLE, also
    /// for a thread that is over.
    fn SetThreadPriority(handle: Handle, level: i32) -> Bool [FALSE] {
        set(handle, level).map(|()| TRUE)
    }

    /// GetThreadPriority: as it was set, THREAD_PRIORITY_NORMAL if it was not.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn GetThreadPriority(handle: Handle) -> i32 [THREAD_PRIORITY_ERROR_RETURN] {
        Ok(locked(&threads::thread(handle)?.priority).level)
    }

    /// GetProcessAffinityMask: the first 64 processors as bits, those that the process may use and those that there are.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no process.
    fn GetProcessAffinityMask(handle: Handle, process: Out<usize>, system: Out<usize>) -> Bool [FALSE] {
        let id = match crate::waits::object(handle)? {
            Object::Process => None,
            Object::OtherProcess(process) => Pid::from_raw(process.id() as i32),
            _ => return Err(Failure(code::INVALID_HANDLE)),
        };
        let usable: CpuSet = sched_getaffinity(id).map_err(std::io::Error::from)?;
        let usable = mask(|processor| usable.is_set(processor));
        process.set(usable);
        system.set(usable | online());
        Ok(TRUE)
    }
}
