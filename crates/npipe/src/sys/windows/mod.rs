//! Windows: the kernel has the pipes, and these are its calls, as safe functions.
//!
//! Here the contract is another one than below the engine: ends are handles, opened for overlapped calls so that each call can
//! have a time-out and be cancelled. What a refusal means for a pipe is said in [`crate::kernel`]; here it is a [`Code`].

pub(crate) mod alertable;
pub(crate) mod anonymous;

pub(crate) mod directory;
pub(crate) mod identity;
pub(crate) mod impersonation;
pub(crate) mod namespace;
pub(crate) mod operation;
pub(crate) mod pipe;
pub(crate) mod port;
pub(crate) mod security;
pub(crate) mod transfer;

use std::io;
use std::time::Duration;

use windows_sys::Win32::System::Threading::INFINITE;

/// What the system said no with: a Win32 error code, or an NT status where one is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Win32(u32),
    Nt(i32),
}

impl Code {
    /// What the last call of this thread failed with.
    pub(crate) fn last() -> Code {
        let number = io::Error::last_os_error().raw_os_error().unwrap_or_default();
        Code::Win32(number.cast_unsigned())
    }
}

/// Result of one of the system's calls.
pub(crate) type CodeResult<T> = Result<T, Code>;

/// The outcome of a call that says no with 0.
fn done(outcome: i32) -> CodeResult<()> {
    if outcome == 0 { Err(Code::last()) } else { Ok(()) }
}

/// With the zero behind it that the system's texts have.
fn terminated(text: &[u16]) -> Vec<u16> {
    text.iter().copied().chain([0]).collect()
}

/// A time as the system's waits take it; `None` for ever. Rounded up, lest a wait ends before its time.
fn milliseconds(time: Option<Duration>) -> u32 {
    time.map_or(INFINITE, |time| {
        let ms = time.as_nanos().div_ceil(1_000_000);
        u32::try_from(ms).unwrap_or(INFINITE).min(INFINITE - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_ends_before_its_time() {
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_millis(40))), 40);
        assert_eq!(milliseconds(Some(Duration::from_nanos(39_000_001))), 40);
        assert_eq!(milliseconds(Some(Duration::MAX)), INFINITE - 1);
        assert_eq!(milliseconds(None), INFINITE);
    }
}
