//! Serving one client after another.

use std::ffi::OsStr;
use std::sync::{Mutex, PoisonError};

use npipe_core::Status;

use crate::error::Result;
use crate::options::ServerOptions;
use crate::server::PipeServer;

/// Accepts the clients of a pipe, each on an instance of its own.
///
/// One instance listens at all times, so that no client meets "not found" between two accepts: before an instance with a
/// client is handed out, the next one is created. Win32 has no equivalent; it is the loop that every server writes.
///
/// With a [maximum](ServerOptions::max_instances) that is reached, clients find the pipe busy; and if all instances are
/// dropped then, the name is gone until the next accept.
///
/// ```
/// # fn main() -> npipe::Result<()> {
/// # let temporary = tempfile::tempdir().unwrap();
/// # let directory = temporary.path();
/// use npipe::{ClientOptions, PipeListener, ServerOptions};
///
/// let mut options = ServerOptions::new();
/// let listener = PipeListener::bind_with(options.root(directory), r"\\.\pipe\greeter")?;
/// let client = ClientOptions::new().root(directory).open(r"\\.\pipe\greeter")?;
/// for server in listener.incoming().take(1) {
///     server?.write(b"welcome")?;
/// }
/// let mut greeting = [0; 7];
/// client.read(&mut greeting)?;
/// assert_eq!(&greeting, b"welcome");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PipeListener {
    options: ServerOptions,
    name: std::ffi::OsString,
    /// The instance that listens; none while the maximum is reached.
    next: Mutex<Option<PipeServer>>,
}

impl PipeListener {
    /// Serves `name` with the default options. The name must be free.
    ///
    /// # Errors
    /// As [`ServerOptions::create`].
    pub fn bind(name: impl AsRef<OsStr>) -> Result<PipeListener> {
        PipeListener::bind_with(&ServerOptions::new(), name)
    }

    /// Serves `name`. The name must be free.
    ///
    /// # Errors
    /// As [`ServerOptions::create`].
    pub fn bind_with(options: &ServerOptions, name: impl AsRef<OsStr>) -> Result<PipeListener> {
        let mut options = options.clone();
        let first = options.first_pipe_instance(true).create(&name)?;
        options.first_pipe_instance(false);
        Ok(PipeListener {
            options,
            name: name.as_ref().to_owned(),
            next: Mutex::new(Some(first)),
        })
    }

    /// Waits for a client and returns the instance that it is connected to.
    ///
    /// When a maximum of instances is set and reached, waits until one of them is dropped. Of several threads that accept,
    /// one at a time waits for a client.
    ///
    /// # Errors
    /// Those of [`PipeServer::connect`] but for a client that has left again: its data can be read. Those of
    /// [`ServerOptions::create`] when the next instance cannot be made; the client at hand is then handed out first.
    pub fn accept(&self) -> Result<PipeServer> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let server = match next.take() {
            Some(server) => server,
            None => self.create_when_possible()?,
        };
        match server.connect() {
            Err(error) if error.status() != Status::PipeClosing => {
                *next = Some(server);
                return Err(error);
            }
            _ => {}
        }
        // What cannot be made now is tried again by the next accept, which reports it.
        *next = self.options.create_beside(&server, &self.name).ok();
        Ok(server)
    }

    fn create_when_possible(&self) -> Result<PipeServer> {
        loop {
            let vacancies = crate::host::vacancies();
            match self.options.create(&self.name) {
                Err(error) if error.status() == Status::InstanceNotAvailable && self.options.waits() => {
                    crate::host::await_vacancy(vacancies);
                }
                other => return other,
            }
        }
    }

    /// The clients, one after another, without an end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

/// The clients of a [`PipeListener`]; made by [`PipeListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a PipeListener,
}

impl Iterator for Incoming<'_> {
    type Item = Result<PipeServer>;

    fn next(&mut self) -> Option<Result<PipeServer>> {
        Some(self.listener.accept())
    }
}
