//! Named pipes on Windows: tokio's own types, and beside them what goes beyond tokio and needs no type of its own.
//!
//! What both ends of this crate have elsewhere besides tokio's methods (`peek`, `transact`, `read_message`, `peer`, `split`) is
//! not here: tokio's types are another crate's. `npipe` has it for threads that block.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::time::Duration;

use npipe::{Namespace, Status};
pub use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, PipeEnd, PipeInfo, PipeMode, ServerOptions,
};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Instances that listen, unless there may be fewer: those of a server whose clients come in bursts.
const LISTENING: usize = 8;

/// Of instances that close nothing is heard, so it is looked this often whether there may be one more.
const VACANCY_TIME: Duration = Duration::from_millis(50);

/// Accepts the clients of a pipe, each on an instance of its own; beyond tokio.
///
/// Some instances listen at all times, so that no client meets "not found" between two accepts, and few that come together
/// meet "busy": before an instance with a client is handed out, another one is created.
///
/// With a maximum of instances that is reached, clients find the pipe busy, and an accept waits until an instance is dropped.
pub struct NamedPipeListener {
    options: ServerOptions,
    name: OsString,
    /// The instances that listen, in the order in which they get their clients; none while the maximum is reached.
    listening: VecDeque<NamedPipeServer>,
}

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
        let connected = loop {
            // A client gets the instance that has listened longest.
            if let Some(next) = self.listening.front() {
                break next.connect().await;
            }
            match self.options.create(&self.name) {
                Ok(next) => self.listening.push_back(next),
                Err(error) if is(&error, Status::InstanceNotAvailable) => sleep(VACANCY_TIME).await,
                Err(error) => return Err(error),
            }
        };
        match connected {
            Err(error) if !is(&error, Status::PipeClosing) => return Err(error),
            _ => {}
        }
        let server = self.listening.pop_front();
        // Before it is handed out, so that the name lives on.
        self.create_more();
        server.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

fn is(error: &io::Error, status: Status) -> bool {
    error.raw_os_error() == Some(status.win32().cast_signed())
}

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
