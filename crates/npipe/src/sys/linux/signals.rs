//! Keeping a program's signal handlers off our thread.
//!
//! A signal sent to a process runs its handler on any thread that does not block it. Programs do
//! not expect a thread they did not make, so ours blocks what it can: through the C library, which
//! keeps back the signals it needs itself (without them, setuid() in another thread would hang).
#![allow(unsafe_code, reason = "the C library's signal mask has no safe binding")]

use std::io;
use std::mem::MaybeUninit;

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

/// All signals, except those that a thread brings upon itself.
fn almost_all() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is writable; this fails for an invalid pointer only.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: sigfillset has initialised the whole set.
    let mut set = unsafe { set.assume_init() };
    for signal in OWN_FAULTS {
        // SAFETY: a valid set, and a signal number the system defines.
        unsafe { libc::sigdelset(&mut set, signal) };
    }
    set
}

/// Changes the mask of the calling thread; the old one.
fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> SysResult<libc::sigset_t> {
    let mut old = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: a valid set, and a place for the old one.
    match unsafe { libc::pthread_sigmask(how, set, old.as_mut_ptr()) } {
        // SAFETY: the call has succeeded and so initialised it.
        0 => Ok(unsafe { old.assume_init() }),
        errno => Err(SysError::new(
            "change which signals a thread blocks",
            io::Error::from_raw_os_error(errno),
        )),
    }
}

/// Blocks all signals in the calling thread, except those that a thread brings upon itself.
pub(crate) fn block_all() -> SysResult<()> {
    change_mask(libc::SIG_BLOCK, &almost_all()).map(drop)
}

/// Runs `act`, which does not panic, without a signal handler of the program's in between.
pub(crate) fn without<T>(act: impl FnOnce() -> T) -> SysResult<T> {
    let old = change_mask(libc::SIG_BLOCK, &almost_all())?;
    let result = act();
    change_mask(libc::SIG_SETMASK, &old)?;
    Ok(result)
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

    /// No rule: there are no signals on Windows.
    #[test]
    fn the_mask_is_what_it_was() {
        let before = blocked();
        let inside = without(blocked).unwrap();
        assert_ne!(inside & 1 << (libc::SIGTERM - 1), 0);
        assert_eq!(blocked(), before);
    }
}
