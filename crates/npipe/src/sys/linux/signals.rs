//! Keeping a program's signal handlers off our thread.
//!
//! A signal sent to a process runs its handler on any thread that does not block it. Programs do
//! not expect a thread they did not make, so ours blocks what it can: through the C library, which
//! keeps back the signals it needs itself (without them, setuid() in another thread would hang).
#![allow(unsafe_code, reason = "the C library's signal mask has no safe binding")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::sys::{SysError, SysResult};

/// Signals that a thread brings upon itself. Blocked, they would end the process without the
/// handler (a crash reporter's, say) being asked.
const OWN_FAULTS: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
];

/// Blocks all signals in the calling thread, except those that a thread brings upon itself.
pub(crate) fn block_all() -> SysResult<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is writable; this fails for an invalid pointer only.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: sigfillset has initialised the whole set.
    let mut set = unsafe { set.assume_init() };
    for signal in OWN_FAULTS {
        // SAFETY: a valid set, and a signal number the system defines.
        unsafe { libc::sigdelset(&mut set, signal) };
    }
    // SAFETY: a valid set; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()) } {
        0 => Ok(()),
        errno => Err(SysError::new(
            "block signals in the background thread",
            io::Error::from_raw_os_error(errno),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signals a line of /proc/thread-self/status says this thread blocks, as a bit mask.
    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("SigBlk:")).unwrap();
        u64::from_str_radix(line["SigBlk:".len()..].trim(), 16).unwrap()
    }

    /// Somebody of ours answers while the program's threads are
    /// elsewhere, without taking part in the program.
    #[test]
    fn all_but_faults_are_blocked() {
        let bit = |signal: libc::c_int| 1_u64 << (signal - 1);
        let mask = std::thread::spawn(|| {
            block_all().unwrap();
            blocked()
        });
        let mask = mask.join().unwrap();
        assert_ne!(mask & bit(libc::SIGTERM), 0);
        assert_ne!(mask & bit(libc::SIGCHLD), 0);
        assert_eq!(mask & bit(libc::SIGSEGV), 0);
        assert_eq!(mask & bit(libc::SIGABRT), 0);
    }
}
