//! What npipe asks of the operating system, behind one contract.
//!
//! A backend is a directory beside this file (`linux`). Windows is another matter: its kernel has the pipes themselves, so
//! `windows` holds the kernel's calls on them, and the crate's `kernel` stands where the engine does elsewhere.
//!
//! A backend knows nothing of pipes, modes or
//! statuses; it supplies mechanisms, named after what they are:
//!
//! * `segment`: memory shared by two processes. Created at its final size, sealed so that no
//!   holder can resize it, attached from a descriptor that an untrusted process sent. A small
//!   first mapping at a fixed address, and on demand a mapping of the whole.
//! * `futex`: sleeping until a word changes, in shared memory, in private memory, or either.
//! * `socket`: stream sockets between processes of one machine, non-blocking, one descriptor
//!   alongside the bytes, and helpers that block until a deadline.
//! * `epoll`: one thread waiting on many descriptors, and a `Waker` to interrupt it.
//! * `namespace` and `claim`: the directory where the processes meet: finding it, listing it,
//!   owning a name in it, connecting to the owner of a name.
//! * `identity`: who we are, and who is at the other end of a socket. Always the kernel's word,
//!   never the peer's.
//! * `impersonation`: one thread is somebody else for a while.
//! * `capsule`: one descriptor that carries others, and lives as they do.
//! * `lifetime`: when other processes end, and a bell to stir them.
//! * `forks`: what is not a forked child's to keep.
//! * `cpu`: the processor this thread runs on, and how many it may use.
//! * `anonymous`: pipes that a child can have as its standard streams.
//! * `timer`: a time that has passed, to be watched.
//! * `signals`: keeping a program's signal handlers off our thread.
//!
//! What holds for every backend:
//!
//! * Everything another process can influence is hostile: sizes, kinds and owners are checked
//!   before use, loops over it are bounded, and nothing here panics because of it. Panics are for
//!   our own mistakes in layout only.
//! * No descriptor outlives an exec, and no call blocks unless its name says `wait` or `until`.
//!   Deadlines are absolute ([`std::time::Instant`]); `None` means for ever.
//! * What is not ours is never removed.
//! * Failures are [`SysError`]: which operation, on what, why. A closed peer or an elapsed
//!   deadline is a value where the caller is meant to go on.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    anonymous, capsule, claim, cpu, epoll, forks, futex, identity, impersonation, lifetime, namespace, segment,
    signals, socket, timer,
};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(not(any(target_os = "linux", windows)))]
compile_error!("npipe has no backend for this system yet; see src/sys/mod.rs for what one supplies");

/// Result of an operation of the backend.
pub(crate) type SysResult<T> = Result<T, SysError>;

/// An operation the system refused, or that was refused because of what it found.
#[derive(Debug)]
pub(crate) struct SysError {
    operation: &'static str,
    subject: Option<PathBuf>,
    reason: Option<Cow<'static, str>>,
    source: io::Error,
}

impl SysError {
    /// `operation` completes the sentence "cannot …".
    pub(crate) fn new(operation: &'static str, source: impl Into<io::Error>) -> SysError {
        SysError {
            operation,
            subject: None,
            reason: None,
            source: source.into(),
        }
    }

    /// Names the file or directory the operation was about.
    pub(crate) fn on(mut self, subject: impl Into<PathBuf>) -> SysError {
        self.subject = Some(subject.into());
        self
    }

    /// Says what is wrong and what to do, where the system's own words do not.
    #[cfg(not(windows))]
    pub(crate) fn because(mut self, reason: impl Into<Cow<'static, str>>) -> SysError {
        self.reason = Some(reason.into());
        self
    }

    /// What is wrong and what to do, if more is known than the system's error.
    #[cfg(all(test, not(windows)))]
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The kind of the system's error.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The system's error number, if it came from the system.
    pub(crate) fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// Whether this process, or the whole system, has no descriptor or handle left.
    pub(crate) fn is_descriptor_shortage(&self) -> bool {
        // ERROR_TOO_MANY_OPEN_FILES; elsewhere ENFILE and EMFILE, which are old enough to be the same on every Unix.
        let shortages: &[i32] = if cfg!(windows) { &[4] } else { &[23, 24] };
        self.raw_os_error().is_some_and(|number| shortages.contains(&number))
    }

    /// The system's error alone.
    pub(crate) fn into_source(self) -> io::Error {
        self.source
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.operation)?;
        if let Some(subject) = &self.subject {
            write!(f, " {}", subject.display())?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => write!(f, ": {}", self.source),
        }
    }
}

impl std::error::Error for SysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
