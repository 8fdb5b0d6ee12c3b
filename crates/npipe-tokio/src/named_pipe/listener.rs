//! Serving one client after another.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use npipe::Status;

use super::{NamedPipeServer, ServerOptions};

/// Instances that listen, unless there may be fewer: those of a Windows server whose clients come in bursts.
const LISTENING: usize = 8;

/// Accepts the clients of a pipe, each on an instance of its own; beyond tokio.
///
/// Some instances listen at all times, so that no client meets "not found" between two accepts, and few that come together
/// meet "busy": before an instance with a client is handed out, another one is created. As a stream it yields client after client, without an end.
///
/// With a maximum of instances that is reached, clients find the pipe busy, and an accept waits until an instance is dropped.
///
/// ```
/// use npipe_tokio::named_pipe::{ClientOptions, NamedPipeListener, ServerOptions};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let temporary = tempfile::tempdir()?;
/// # let directory = temporary.path();
/// let mut options = ServerOptions::new();
/// let mut listener = NamedPipeListener::bind_with(options.root(directory), r"\\.\pipe\greeter")?;
/// tokio::spawn(async move {
///     while let Ok(mut client) = listener.accept().await {
///         tokio::spawn(async move { client.write_all(b"welcome").await });
///     }
/// });
/// let mut client = ClientOptions::new().root(directory).open(r"\\.\pipe\greeter")?;
/// let mut greeting = String::new();
/// client.read_to_string(&mut greeting).await?;
/// assert_eq!(greeting, "welcome");
/// # Ok(())
/// # }
/// ```
pub struct NamedPipeListener {
    options: ServerOptions,
    name: OsString,
    /// The instances that listen, in the order in which they get their clients; none while the maximum is reached.
    listening: VecDeque<NamedPipeServer>,
    /// Has the one that is to get the next client, and waits for that.
    connecting: Option<Waiting<(NamedPipeServer, io::Result<()>)>>,
    /// Waits until an instance may have been dropped.
    vacancy: Option<Waiting<io::Result<()>>>,
}

type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;

impl fmt::Debug for NamedPipeListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedPipeListener")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl NamedPipeListener {
    /// Serves `name` with the default options. The name must be free.
    ///
    /// # Errors
    /// As [`ServerOptions::create`].
    pub fn bind(name: impl AsRef<OsStr>) -> io::Result<NamedPipeListener> {
        NamedPipeListener::bind_with(&ServerOptions::new(), name)
    }

    /// Serves `name`. The name must be free.
    ///
    /// # Errors
    /// As [`ServerOptions::create`].
    pub fn bind_with(options: &ServerOptions, name: impl AsRef<OsStr>) -> io::Result<NamedPipeListener> {
        let mut options = options.clone();
        let first = options.first_pipe_instance(true).create(&name)?;
        options.first_pipe_instance(false);
        let mut listener = NamedPipeListener {
            options,
            name: name.as_ref().to_owned(),
            listening: VecDeque::from([first]),
            connecting: None,
            vacancy: None,
        };
        listener.create_more();
        Ok(listener)
    }

    /// Has as many instances listen as there are to be. What cannot be made now is tried again by the next accept, which
    /// reports it if there is none at all.
    fn create_more(&mut self) {
        while self.listening.len() < LISTENING {
            let Ok(next) = self.options.create(&self.name) else {
                return;
            };
            self.listening.push_back(next);
        }
    }

    /// Waits for a client and returns the instance that it is connected to.
    ///
    /// Cancel safe: a client that came is handed out by the next accept.
    ///
    /// # Errors
    /// Those of [`NamedPipeServer::connect`] but for a client that has left again: its data can be read. Those of
    /// [`ServerOptions::create`] when the next instance cannot be made; the client at hand is then handed out first.
    pub async fn accept(&mut self) -> io::Result<NamedPipeServer> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The same for a task that polls.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<NamedPipeServer>> {
        if self.connecting.is_none() {
            // A client gets the instance that has listened longest.
            let next = match self.listening.pop_front() {
                Some(next) => next,
                None => ready!(self.poll_create(cx))?,
            };
            self.connecting = Some(Box::pin(async move {
                let connected = next.connect().await;
                (next, connected)
            }));
        }
        let Some(connecting) = &mut self.connecting else {
            return Poll::Pending;
        };
        let (server, connected) = ready!(connecting.as_mut().poll(cx));
        self.connecting = None;
        match connected {
            // One that has left again may have left something to read.
            Err(error) if !is(&error, Status::PipeClosing) => {
                self.listening.push_front(server);
                Poll::Ready(Err(error))
            }
            _ => {
                // Before it is handed out, so that the name lives on.
                self.create_more();
                Poll::Ready(Ok(server))
            }
        }
    }

    /// Makes an instance, when there may be one more.
    fn poll_create(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<NamedPipeServer>> {
        loop {
            if let Some(vacancy) = &mut self.vacancy {
                let waited = ready!(vacancy.as_mut().poll(cx));
                self.vacancy = None;
                waited?;
            }
            let vacancies = vacancies();
            match self.options.create(&self.name) {
                Err(error) if is(&error, Status::InstanceNotAvailable) => {
                    self.vacancy = Some(Box::pin(until_vacant(vacancies)));
                }
                other => return Poll::Ready(other),
            }
        }
    }
}

fn is(error: &io::Error, status: Status) -> bool {
    error.raw_os_error() == Some(status.win32().cast_signed())
}

/// How many instances were closed so far.
#[cfg(not(windows))]
fn vacancies() -> u64 {
    npipe::overlapped::engine::vacancies()
}

/// Waits until one more may have closed than so many.
#[cfg(not(windows))]
async fn until_vacant(before: u64) -> io::Result<()> {
    let waiting = tokio::task::spawn_blocking(move || npipe::overlapped::engine::await_vacancy(before));
    waiting.await.map_err(io::Error::other)
}

/// Of tokio's instances that close nothing is heard, so it is looked now and then.
#[cfg(windows)]
fn vacancies() -> u64 {
    0
}

#[cfg(windows)]
async fn until_vacant(_before: u64) -> io::Result<()> {
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    Ok(())
}

impl Stream for NamedPipeListener {
    type Item = io::Result<NamedPipeServer>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<NamedPipeServer>>> {
        self.poll_accept(cx).map(Some)
    }
}
