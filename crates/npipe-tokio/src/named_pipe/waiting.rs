//! Waiting for an instance by its name.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use npipe::Namespace;
use tokio::task::spawn_blocking;

use super::watched::watch_wait;

/// Waits until an instance of the pipe listens; beyond tokio. Win32 equivalent: WaitNamedPipe.
///
/// Nothing is reserved: an open that follows may still find all instances busy. `None` waits for ever, zero as long as the
/// server says. Cancel safe. With a time-out, the runtime needs its timers (`enable_time`).
///
/// # Errors
/// As [`npipe::wait`].
///
/// ```
/// use std::time::Duration;
///
/// use npipe_tokio::named_pipe::{ClientOptions, NamedPipeClient, wait};
///
/// const ERROR_PIPE_BUSY: i32 = 231;
///
/// async fn open(name: &str) -> std::io::Result<NamedPipeClient> {
///     loop {
///         match ClientOptions::new().open(name) {
///             Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
///                 wait(name, Some(Duration::from_secs(5))).await?;
///             }
///             other => return other,
///         }
///     }
/// }
/// ```
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
    let begin = move || {
        let mut waiting = namespace.begin_wait(name, timeout)?;
        waiting.look().map(|()| waiting)
    };
    let mut waiting = aside(begin).await?;
    while !waiting.is_over() {
        let deadline = waiting.deadline();
        let watched = watch_wait(waiting)?;
        match deadline {
            // When it is too late, the look says so.
            Some(deadline) => drop(tokio::time::timeout_at(deadline.into(), watched.readable()).await),
            None => drop(watched.readable().await?),
        }
        waiting = watched.into_inner().0;
        waiting = aside(move || waiting.look().map(|()| waiting)).await?;
    }
    Ok(())
}

/// Makes a short call that may block, if the server is stopped, where that disturbs nobody.
async fn aside<T: Send + 'static>(call: impl FnOnce() -> npipe::Result<T> + Send + 'static) -> io::Result<T> {
    Ok(spawn_blocking(call).await.map_err(io::Error::other)??)
}
