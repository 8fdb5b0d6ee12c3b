//! Exit codes: what a script learns from `npipe` without reading its output.
//!
//! The numbers are an interface: they are never reused and never change.

use npipe::Status;

/// Why the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Other = 1,
    Usage = 2,
    NotFound = 3,
    TimedOut = 4,
    Denied = 5,
    Busy = 6,
    Broken = 7,
    Truncated = 8,
    Expectation = 9,
    Interrupted = 130,
    Terminated = 143,
}

/// The table of exit codes, as the help shows it.
pub(crate) const HELP: &str = "\
Exit codes:
  0  ok              4  time-out         8  reply truncated
  1  other failure   5  access denied    9  expectation failed
  2  usage           6  pipe busy      130  interrupted
  3  not found       7  pipe broken    143  terminated";

impl Exit {
    /// The code by which a status ends the command.
    ///
    /// Sorted by Win32 code rather than by status, because that is what users
    /// know: several statuses share ERROR_PIPE_BUSY, and all of them are "busy".
    pub(crate) fn of(status: Status) -> Exit {
        match status.win32() {
            2 | 3 => Exit::NotFound,         // FILE_NOT_FOUND, PATH_NOT_FOUND
            121 => Exit::TimedOut,           // SEM_TIMEOUT
            5 => Exit::Denied,               // ACCESS_DENIED
            231 => Exit::Busy,               // PIPE_BUSY
            109 | 232 | 233 => Exit::Broken, // BROKEN_PIPE, NO_DATA, PIPE_NOT_CONNECTED
            234 => Exit::Truncated,          // MORE_DATA
            _ => Exit::Other,
        }
    }

    /// The number that the system sees.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By Win32 code, so that statuses which share one end alike.
    #[test]
    fn statuses_end_with_the_documented_codes() {
        let expected = [
            (Status::ObjectNameNotFound, Exit::NotFound),
            (Status::IoTimeout, Exit::TimedOut),
            (Status::AccessDenied, Exit::Denied),
            (Status::PipeBusy, Exit::Busy),
            (Status::PipeNotAvailable, Exit::Busy),
            (Status::InstanceNotAvailable, Exit::Busy),
            (Status::PipeBroken, Exit::Broken),
            (Status::PipeClosing, Exit::Broken),
            (Status::PipeDisconnected, Exit::Broken),
            (Status::BufferOverflow, Exit::Truncated),
            (Status::InvalidParameter, Exit::Other),
        ];
        for (status, exit) in expected {
            assert_eq!(Exit::of(status), exit, "{}", status.name());
        }
    }
}
