//! What the command asks of the system besides pipes, the same on each: signals, the terminal, the shell, sockets, names of
//! users.
//!
//! | | elsewhere | on Windows |
//! |---|---|---|
//! | interrupts | SIGINT and SIGTERM | Ctrl+C, Ctrl+Break, the closing of the console |
//! | the shell | `/bin/sh -c`, hung up on as a group | `cmd /C`, ended |
//! | local sockets | streams and packets | none: a relay on the other side has them |
//! | users | numbers, named by `/etc/passwd`, a directory service, or whatever `nsswitch.conf` names | accounts, named by the system |

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
