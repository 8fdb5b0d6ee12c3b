//! Sockets of npipe's with the runtime.
#![allow(
    unsafe_code,
    reason = "the runtime relies on a descriptor that stays as it is, which only its owner can vouch for"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use npipe::overlapped::engine::{Bell, Waiting};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches the bell of a connection, in the current runtime; it comes back if that cannot be.
///
/// # Panics
/// Outside of a runtime, and in one without I/O.
pub(crate) fn watch_bell(bell: Bell) -> Result<AsyncFd<Bell>, Bell> {
    // SAFETY: a bell keeps its connection, and that its socket, open and the same until it is dropped.
    let watched = unsafe { AsyncFd::register_with_interest(bell, Interest::READABLE) };
    watched.map_err(|error| error.into_parts().0)
}

/// A wait for an instance, by its descriptor.
pub(crate) struct WatchedWait(pub(crate) Waiting);

impl AsRawFd for WatchedWait {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Watches for the answer to a wait that is not over, in the current runtime.
///
/// # Panics
/// As [`watch_bell`].
pub(crate) fn watch_wait(waiting: Waiting) -> io::Result<AsyncFd<WatchedWait>> {
    // SAFETY: a wait keeps its socket open and the same while it is not looked at, for which it is taken out again.
    unsafe { AsyncFd::register_with_interest(WatchedWait(waiting), Interest::READABLE) }.map_err(Into::into)
}
