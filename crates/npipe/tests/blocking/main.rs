//! The blocking library as programs use it, end to end.
//!
//! Every test has a namespace directory of its own ([`Place`]) and waits for events: for a call to return, for a thread to
//! sleep in one, for a line from another process. Nothing sleeps for a time, and what hangs fails after
//! [`support::PATIENCE`]. Errors are compared by their Win32 names, as the rules state them.
//!
//! On Windows, the same tests hold the kernel's pipes to the same rules, but for those of what only the library has, or only Unix:
//! users by numbers, signals, descriptors, memory. What Wine does otherwise is in `wine.tsv`.
//!
//! Other processes are this program again, see [`support::again`].

#[cfg(unix)]
mod access;
mod acting;
#[cfg(unix)]
mod cancelling;
mod closing;
mod connecting;
mod disconnecting;
mod flush;
#[cfg(unix)]
mod impersonation;
mod info;
mod instances;
mod large;
mod listener;
#[cfg(unix)]
mod memory;
mod names;
mod nowait;
mod opening;
mod peek;
mod quotas;
mod reading;
mod same_thread;
#[cfg(unix)]
mod security;
#[cfg(unix)]
mod sharing;
#[cfg(unix)]
mod signals;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod transact;
mod waiting;

use support::{NAME, Place, call, error, text};

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    assert_eq!(role, "puppet", "there is no other");
    support::obey(root, &[]);
}
