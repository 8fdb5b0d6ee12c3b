//! Named pipes on Windows: tokio's own types, and beside them what goes beyond tokio and can be had with those.
//!
//! That is [`NamedPipeExt`], [`NamedPipeListener`] and [`wait`]. Not to be had are `peek`, `transact` and `read_message`: of each
//! end that is connected tokio has a read wait in the kernel, which takes what comes first, and does not tell whether a message
//! was longer; so a peek sees what is left, and the reply of a transaction goes to that read (semantics 151). Nor is
//! `flush_until_read`: FlushFileBuffers holds a thread for as long as the peer likes. `npipe` has all of them for threads that
//! block. An end is split by [`tokio::io::split`].

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use npipe::Namespace;
pub use npipe::Peer;
pub use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, PipeEnd, PipeInfo, PipeMode, ServerOptions,
};
use tokio::task::spawn_blocking;

#[path = "named_pipe/beyond.rs"]
mod beyond;
#[path = "named_pipe/listener.rs"]
mod listener;

pub use beyond::NamedPipeExt;
pub use listener::NamedPipeListener;

/// Waits until an instance of the pipe listens; beyond tokio. Win32 equivalent: WaitNamedPipe.
///
/// Nothing is reserved: an open that follows may still find all instances busy. `None` waits for ever, zero as long as the
/// server says. It takes a thread of those that may block, until it is over even if it is dropped.
///
/// # Errors
/// As [`npipe::wait`].
#[doc(alias = "WaitNamedPipe")]
pub async fn wait(name: impl AsRef<OsStr>, timeout: Option<Duration>) -> io::Result<()> {
    wait_in(&Namespace::find()?, name, timeout).await
}

/// The same in a namespace of choice.
///
/// # Errors
/// As [`wait`].
pub async fn wait_in(namespace: &Namespace, name: impl AsRef<OsStr>, timeout: Option<Duration>) -> io::Result<()> {
    let (namespace, name) = (namespace.clone(), name.as_ref().to_owned());
    let waiting = spawn_blocking(move || namespace.wait(name, timeout));
    Ok(waiting.await.map_err(io::Error::other)??)
}
