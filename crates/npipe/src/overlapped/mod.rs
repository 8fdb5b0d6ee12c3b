//! Overlapped I/O: operations that are started now and complete later.
//!
//! On Windows a program starts an operation with an OVERLAPPED and learns of its completion in one of three ways; the same
//! three are here, and each operation has its buffer until it is complete:
//!
//! * It waits for the operation: [`PipeStream::start_read`] and its like give an [`Operation`].
//! * It gives a *completion routine*, which runs in an alertable wait of the thread that has started the operation:
//!   [`PipeStream::read_then`], [`PipeStream::write_then`], and for the waits [`sleep_alertable`],
//!   [`Operation::wait_alertable`], [`CompletionPort::get_alertable`].
//! * It collects completions from a [`CompletionPort`]: [`PipeStream::queue_read`] and its like.
//!
//! Progress does not depend on anybody waiting. A thread that waits looks after the operations it waits for itself, which is
//! as fast as a call that blocks; those that nobody waits for are completed by the library's background thread.
//!
//! ```
//! # fn main() -> npipe::Result<()> {
//! # let temporary = tempfile::tempdir().unwrap();
//! # let directory = temporary.path();
//! use npipe::{ClientOptions, ServerOptions};
//!
//! let server = ServerOptions::new().root(directory).create(r"\\.\pipe\echo")?;
//! let connecting = server.start_connect()?;
//! let client = ClientOptions::new().root(directory).open(r"\\.\pipe\echo")?;
//! assert!(connecting.finish().result.is_ok());
//!
//! let reading = server.start_read(vec![0; 16])?;
//! assert!(!reading.is_complete());
//! client.write(b"hello")?;
//! assert_eq!(reading.finish().data(), b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! On Windows these are the system's own operations, events, completion routines and ports; an operation's memory is kept until the
//! system says that it is complete, whatever the program drops. Elsewhere all of this, and other surfaces, are made of
//! `overlapped::engine`, which is not there on Windows: surfaces have the system's calls.
//!
//! # Differs from Windows
//!
//! Ends have no mode that has to be chosen when they are opened: every end takes calls that block and operations alike. A
//! client that has come before a connect completes it, where Windows has the error ERROR_PIPE_CONNECTED. Completion routines and
//! queued calls run in the waits of this module alone; on Windows itself, other alertable waits of the thread only bring them closer.

#[cfg(not(windows))]
mod attend;
#[cfg(not(windows))]
mod buffer;
#[cfg_attr(windows, path = "../kernel/inbox.rs")]
mod inbox;
mod issuer;
#[cfg_attr(windows, path = "../kernel/mailbox.rs")]
mod mailbox;
mod operation;
#[cfg(not(windows))]
mod outlook;
mod port;
#[cfg(not(windows))]
mod queue;
#[cfg_attr(windows, path = "../kernel/running.rs")]
mod running;
#[cfg(not(windows))]
mod signal;
mod start;
mod thread;
#[cfg(not(windows))]
mod wait;
mod work;

#[cfg(not(windows))]
pub mod engine;

use std::time::{Duration, Instant};

#[cfg(not(windows))]
pub(crate) use attend::Attendant;
#[cfg(not(windows))]
pub(crate) use buffer::Buffer;
#[cfg(not(windows))]
pub(crate) use engine::{Completion, IntoOrder, OperationId, Order, Refused, Started};
pub(crate) use issuer::Issuer;
pub(crate) use mailbox::Association;
pub use operation::{Completed, Operation, Waited};
pub use port::{CompletionPort, Packet};
pub use thread::{AlertableThread, Woken, sleep_alertable};
pub(crate) use work::Work;

#[allow(unused_imports, reason = "for links in the documentation")]
use crate::PipeStream;

/// When a time-out that begins now has passed; `None`: never.
fn deadline_of(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}
