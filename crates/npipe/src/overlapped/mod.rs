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
//! [`engine`] is what all of this, and other surfaces, are made of.
//!
//! # Differs from Windows
//!
//! Ends have no mode that has to be chosen when they are opened: every end takes calls that block and operations alike. A
//! client that has come before a connect completes it, where Windows has the error ERROR_PIPE_CONNECTED.

mod attend;
mod buffer;
mod operation;
mod outlook;
mod port;
mod queue;
mod signal;
mod start;
mod thread;
mod wait;

pub mod engine;

pub(crate) use attend::Attendant;
pub(crate) use buffer::Buffer;
pub(crate) use engine::{Completion, IntoOrder, Issuer, OperationId, Order, Refused, Started};
pub use operation::{Completed, Operation, Waited};
pub(crate) use port::Association;
pub use port::{CompletionPort, Packet};
pub use thread::{AlertableThread, Woken, sleep_alertable};

#[allow(unused_imports, reason = "for links in the documentation")]
use crate::PipeStream;
