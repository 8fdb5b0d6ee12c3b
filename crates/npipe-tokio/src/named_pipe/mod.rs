//! Named pipes with tokio's interface.
//!
//! ```
//! use npipe_tokio::named_pipe::{ClientOptions, ServerOptions};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! # let temporary = tempfile::tempdir()?;
//! # let directory = temporary.path();
//! let mut server = ServerOptions::new().root(directory).create(r"\\.\pipe\greeter")?;
//! let greeting = tokio::spawn(async move {
//!     server.connect().await?;
//!     server.write_all(b"hello").await?;
//!     std::io::Result::Ok(())
//! });
//! let mut client = ClientOptions::new().root(directory).open(r"\\.\pipe\greeter")?;
//! let mut text = String::new();
//! client.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # greeting.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Beyond tokio
//!
//! `root` and the other settings of [`ServerOptions`] and [`ClientOptions`] that have no counterpart there; `peek`,
//! `transact`, `read_message`, `flush_until_read`, `peer` and `split` of both ends; [`wait`]; [`NamedPipeListener`]. Of both
//! ends, Windows has what is in [`NamedPipeExt`].
//!
//! # Cancel safety
//!
//! A future that is dropped before it is ready has done nothing, but for two that say so:
//!
//! | dropped | what has happened |
//! |---|---|
//! | `read` of any kind, `read_message` | nothing was taken: no byte is lost, and no boundary |
//! | `connect`, `accept` | the instance goes on listening; a client that came is met by the next `connect` |
//! | `write` | nothing was written; of `write_all` a part may be, as with every writer of tokio |
//! | `ready`, `readable`, `writable`, `async_io`, `wait` | nothing |
//! | `flush_until_read` | the data is where it was |
//! | `transact` | the request is sent. The reply, if it comes later, is the next message; one that has come is gone |
//!
//! # Writing
//!
//! As with tokio, `write` takes all of the data at once: what exceeds the pipe's quota is copied and goes on by itself, and
//! the next `write` waits for it. An end that is dropped meanwhile closes when the peer has read so much that the quota
//! holds the rest; only the end of the process takes such data back. `flush` waits for nothing; `flush_until_read` does.
//!
//! # Reading
//!
//! `AsyncRead` says `Ok(0)` at the end, when the peer has closed and everything was read, and for an empty message;
//! `read_message` tells the two apart. Reading from an instance that listens waits for its client.
//!
//! # Errors
//!
//! `raw_os_error()` is the Win32 number for 2 (not found), 231 (busy), 232 (closing), 233 (not connected), 234, 535 and 536,
//! so that programs find what they look for on Windows. The other numbers mean something else on Linux; there `kind()` is
//! right, and the inner error is an [`npipe::Error`] that says what, why and what to do.
//!
//! # Runtimes
//!
//! An end belongs to the runtime in which it first has to wait; when that ends, or where there is none, npipe's own thread
//! does its part, a little slower. A write of more than 4 MiB goes on while the runtime runs. A task that finds nothing to read looks for up to 5 µs
//! whether the peer answers, unless that has not paid off lately, or its thread also serves other pipes, or has other tasks
//! to run, or both run on the same processor; [`ServerOptions::spin`] changes the limit, zero turns it off. Then it sleeps, and
//! the peer wakes it by a byte on the connection's socket, which the runtime watches itself.
//!
//! # Panics
//!
//! Ends panic when they have to wait in a runtime without I/O (`enable_io`).
//!
//! # Differs from Windows
//!
//! * An end needs no runtime when it is made, only when it waits.
//! * A client that writes with PIPE_NOWAIT finds no room made by a task that waits to read.
//! * A message larger than 4 MiB may be read in pieces.
//! * There are descriptors instead of handles; see `as_fd` of both ends. `from_raw_handle` is `from_raw`.

mod beyond;
mod client;
mod end;
mod inner;
mod listener;
mod operation;
mod options;
mod patience;
mod ready;
mod scanner;
mod server;
mod split;
mod tasks;
mod waiting;
mod watched;
mod writing;

pub use beyond::NamedPipeExt;
pub use client::NamedPipeClient;
pub use listener::NamedPipeListener;
pub use npipe::{Peeked, Peer, PipeEnd, PipeInfo, PipeMode, ReadOutcome};
pub use options::{ClientOptions, ServerOptions};
pub use server::NamedPipeServer;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use waiting::{wait, wait_in};
