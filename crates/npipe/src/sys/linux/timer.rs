//! A time that has passed, as something that can be watched.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::sys::{SysError, SysResult};

/// A timer that does not run.
pub(crate) fn new() -> SysResult<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)
        .map_err(|errno| SysError::new("create a timer", errno))
}

/// It becomes readable once after so long, which is not nothing.
pub(crate) fn set(timer: &OwnedFd, after: Duration) {
    run(timer, Timespec::try_from(after).unwrap_or_default());
}

/// It does not run any more, and is not readable.
pub(crate) fn stop(timer: &OwnedFd) {
    run(timer, Timespec::default());
}

fn run(timer: &OwnedFd, it_value: Timespec) {
    let it_interval = Timespec::default();
    let time = Itimerspec { it_interval, it_value };
    // Fails for times and descriptors that are none.
    let _ = rustix::time::timerfd_settime(timer, TimerfdTimerFlags::empty(), &time);
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::socket;

    /// No rule: it is the system's.
    #[test]
    fn a_timer_that_runs_becomes_readable() {
        let timer = new().unwrap();
        let has_passed = || socket::any_readable([timer.as_fd()]);
        assert!(!has_passed());
        set(&timer, Duration::from_nanos(1));
        while !has_passed() {
            std::thread::yield_now();
        }
        stop(&timer);
        assert!(!has_passed());
    }
}
