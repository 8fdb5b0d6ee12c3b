//! When other processes end.
//!
//! A process is named by its number and by when it began, so that a later one with that number is not taken for it. All
//! of it is within one process namespace.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

use rustix::event::{EventfdFlags, PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use rustix::time::Timespec;

use super::forks::ProcessFd;
use crate::sys::{SysError, SysResult};

/// When a process began, in the kernel's ticks; `None` if there is none of that number.
pub(crate) fn began(pid: u32) -> SysResult<Option<u64>> {
    let stat = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(SysError::new("look at a process", error)),
    };
    // Behind the name, which may hold anything, in parentheses.
    let fields = stat.rfind(')').and_then(|end| stat.get(end + 1..));
    Ok(fields.and_then(|fields| fields.split_ascii_whitespace().nth(19)?.parse().ok()))
}

/// Whether there is a process of that number, or was and nobody has asked how it ended.
pub(crate) fn exists(pid: u32) -> bool {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    number.is_some_and(|number| rustix::process::test_kill_process(number) != Err(Errno::SRCH))
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Which process namespace we are in: only there the numbers of processes mean the same.
pub(crate) fn namespace() -> Option<u64> {
    std::fs::metadata("/proc/self/ns/pid")
        .ok()
        .map(|namespace| namespace.ino())
}

/// Becomes readable when that process ends; `None` if it has ended.
pub(crate) fn end_of(pid: u32, began_at: u64) -> SysResult<Option<ProcessFd>> {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    let process = match rustix::process::pidfd_open(number, PidfdFlags::empty()) {
        Ok(process) => ProcessFd::from(process),
        Err(Errno::SRCH) => return Ok(None),
        Err(errno) => return Err(SysError::new("watch a process", errno)),
    };
    // Asked after it is held: the number is not given to another from here on. One whose first thread has ended is not
    // at its end.
    let mut watched = [PollFd::new(&process, PollFlags::IN)];
    let has_ended = poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready > 0);
    Ok((!has_ended && began(pid)? == Some(began_at)).then_some(process))
}

/// A counter that processes share to stir each other.
pub(crate) fn bell() -> SysResult<ProcessFd> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    rustix::event::eventfd(0, flags)
        .map(ProcessFd::from)
        .map_err(|errno| SysError::new("create an event counter", errno))
}

/// Stirs all who watch a bell for its edge.
pub(crate) fn ring(bell: &ProcessFd) {
    // Full after 2^64 - 2 times.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// Makes a bell that was rung, or is about to be, one that was not, for its only listener.
pub(crate) fn hush(bell: &ProcessFd) {
    while let Err(Errno::AGAIN | Errno::INTR) = rustix::io::read(bell, &mut [0; 8]) {
        // Whoever rings has yet to do so. A ring that nobody takes would be taken for all that come.
        let _ = poll(&mut [PollFd::new(bell, PollFlags::IN)], None);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sys::epoll::{Interest, Poller};

    /// semantics 190
    #[test]
    fn the_end_of_a_process_is_told() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (pid, began_at) = (child.id(), began(child.id()).unwrap().unwrap());
        let end = end_of(pid, began_at).unwrap().expect("it lives");
        assert!(end_of(pid, began_at + 1).unwrap().is_none(), "an earlier one");
        let poller = Poller::new().unwrap();
        poller.add(&end, 1, Interest::Readable).unwrap();
        let mut events = Vec::new();
        poller.wait(&mut events, Some(Instant::now())).unwrap();
        assert!(events.is_empty());
        drop(child.stdin.take());
        poller
            .wait(&mut events, Some(Instant::now() + Duration::from_secs(60)))
            .unwrap();
        assert!(events[0].readable);
        assert!(
            end_of(pid, began_at).unwrap().is_none(),
            "nobody has asked how it ended"
        );
        child.wait().unwrap();
        assert!(end_of(pid, began_at).unwrap().is_none());
        assert!(began(std::process::id()).unwrap().is_some() && began(0).unwrap().is_none());
        assert!(exists(std::process::id()) && !exists(pid) && !exists(0));
        assert!(namespace().is_some());
    }

    /// Each of several processes is told, and told again.
    #[test]
    fn a_bell_stirs_all_who_watch_it() {
        let bell = bell().unwrap();
        let pollers = [Poller::new().unwrap(), Poller::new().unwrap()];
        for poller in &pollers {
            poller.add(&bell, 1, Interest::Stir).unwrap();
        }
        let mut events = Vec::new();
        for _ in 0..2 {
            ring(&bell);
            for poller in &pollers {
                poller.wait(&mut events, Some(Instant::now())).unwrap();
                assert_eq!(events.len(), 1);
                poller.wait(&mut events, Some(Instant::now())).unwrap();
                assert!(events.is_empty(), "once");
            }
        }
    }
}
