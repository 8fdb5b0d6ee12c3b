#![allow(unsafe_code, reason = "what happens between fork and exec")]

//! Children that wait to be resumed: CREATE_SUSPENDED.
//!
//! The child is there and has its number, and waits before its program is loaded, at a *gate*: a socket from which it reads one
//! byte. The thread that starts it waits as well, until the program is loaded, so it is one that nobody misses. A child whose
//! gate is closed instead ends; so it does with its parent, unless somebody resumed it.

use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::JoinHandle;

use npipe::overlapped::engine;
use rustix::net::SendFlags;

use super::create::spawn;
use crate::failure::{Failure, Outcome};
use crate::types::code;

/// A child that has not begun, or has since it was resumed.
pub(super) struct Suspended {
    id: u32,
    /// Closed with it, unless it is resumed.
    gate: Option<OwnedFd>,
    starter: JoinHandle<Outcome<Child>>,
}

/// The signals that this thread blocks, which its children block too.
fn own_mask() -> libc::sigset_t {
    let mut mask = MaybeUninit::zeroed();
    // SAFETY: asks for the mask and changes nothing; the place is writable.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr()) };
    // SAFETY: it was written, or is all zeros, which is a mask too.
    unsafe { mask.assume_init() }
}

impl Suspended {
    /// Starts a child that waits.
    ///
    /// # Errors
    /// Those of starting it. What keeps the program from being loaded shows when it is resumed.
    pub(super) fn start(mut command: Command) -> Outcome<Suspended> {
        let (theirs, gate) = UnixStream::pair()?;
        let (mut report, told) = std::io::pipe()?;
        let gate = OwnedFd::from(gate);
        let ours = gate.as_raw_fd();
        let mask = own_mask();
        let wait = move || {
            // SAFETY: a mask that the system gave; the thread that starts the child has its own.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut()) };
            let id = rustix::process::getpid().as_raw_nonzero().get() as u32;
            // SAFETY: the child's copy of the parent's side, which is used by nobody here; else it would keep its own gate open.
            unsafe { libc::close(ours) };
            rustix::io::write(&told, &id.to_ne_bytes())?;
            let mut byte = [0];
            loop {
                match rustix::io::read(&theirs, &mut byte) {
                    Ok(1) => return Ok(()),
                    Err(rustix::io::Errno::INTR) => {}
                    // Nobody will resume it any more.
                    _ => return Err(std::io::ErrorKind::BrokenPipe.into()),
                }
            }
        };
        // SAFETY: between fork and exec this makes system calls alone, takes no lock and allocates nothing.
        unsafe { command.pre_exec(wait) };
        let starter = std::thread::Builder::new()
            .name("npipe-suspended".into())
            .spawn(move || {
                // A handler of the program's must not run on a thread that it did not make; refused, it may.
                let _ = engine::block_signals();
                spawn(command)
            })?;
        let mut id = [0; 4];
        match report.read_exact(&mut id) {
            Ok(()) => Ok(Suspended {
                id: u32::from_ne_bytes(id),
                gate: Some(gate),
                starter,
            }),
            Err(_) => Err(starter.join().map_or(Failure(code::INTERNAL_ERROR), |started| {
                started.err().unwrap_or(Failure(code::GEN_FAILURE))
            })),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Opens the gate; whether it was closed.
    pub(super) fn resume(&mut self) -> bool {
        match self.gate.take() {
            // A child that is no more has nothing to go on with.
            Some(gate) => {
                let _ = rustix::net::send(&gate, &[1], SendFlags::NOSIGNAL);
                true
            }
            None => false,
        }
    }

    /// Waits until it has ended; `None` if its program could not be loaded.
    pub(super) fn wait(self) -> Option<ExitStatus> {
        drop(self.gate);
        let started = self.starter.join().ok()?;
        started.ok()?.wait().ok()
    }
}
