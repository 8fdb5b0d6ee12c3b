//! The Linux backend: sealed memfds, futexes, Unix sockets, epoll, and a directory of sockets.
//!
//! Needs Linux 5.4 (memfd seals, pidfd, `SO_PEERGROUPS`) and a mounted `/proc`, through which
//! sockets are bound and reached so that the 108 bytes of a socket address never limit a path.
//! Newer calls (`futex_waitv`, `MFD_NOEXEC_SEAL`, `SO_PEERPIDFD`) are used where they exist.

pub(crate) mod anonymous;
pub(crate) mod capsule;
pub(crate) mod claim;
pub(crate) mod cpu;
mod directory;
pub(crate) mod epoll;
pub(crate) mod forks;
pub(crate) mod futex;
pub(crate) mod identity;
pub(crate) mod impersonation;
pub(crate) mod lifetime;
mod lock;
mod lock_text;
pub(crate) mod namespace;
pub(crate) mod segment;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod timer;
