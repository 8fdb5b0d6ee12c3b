//! What can be done with names alone: waiting, calling, listing, asking.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use npipe_core::ReadOutcome;
#[cfg(doc)]
use npipe_core::Status;
use npipe_core::name::NameUse;

use crate::connect;
#[cfg(not(windows))]
use crate::connect::Waiting;
use crate::error::{Explain, Result};
use crate::impersonation;
use crate::info::{PipeDetails, PipeEntry, PipeMode};
use crate::options::{ClientOptions, find_root, parse};
use crate::sys::impersonation::with_own_files;
use crate::sys::namespace::Root;

/// The directory in which servers and clients meet.
///
/// The usual one is `$NPIPE_ROOT`, else `/run/npipe` where that exists, else the user's own: `/run/user/UID/npipe`, or
/// `/tmp/npipe-UID` where there is no such directory. On Windows it is all of `\\.\pipe\`, and a directory stands for a part of
/// it: the names with a prefix that is made of its path.
#[derive(Clone, Debug)]
pub struct Namespace {
    root: Root,
}

impl Namespace {
    /// The usual one.
    ///
    /// # Errors
    /// [`Status::AccessDenied`], [`Status::ObjectPathNotFound`]: it cannot be used; the detail says why.
    pub fn find() -> Result<Namespace> {
        Ok(Namespace {
            root: find_root(None, "find the namespace")?,
        })
    }

    /// A directory of your choice. It is made if its parent exists.
    ///
    /// # Errors
    /// As [`Namespace::find`].
    pub fn at(directory: impl Into<PathBuf>) -> Result<Namespace> {
        Ok(Namespace {
            root: find_root(Some(&directory.into()), "open the namespace")?,
        })
    }

    pub(crate) fn directory(&self) -> &Root {
        &self.root
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Waits until an instance listens; see [`wait`].
    ///
    /// # Errors
    /// As [`wait`].
    pub fn wait(&self, name: impl AsRef<OsStr>, timeout: Option<Duration>) -> Result<()> {
        let name = parse(name.as_ref(), NameUse::Wait, "wait")?;
        impersonation::require_acting().explain("wait", &name)?;
        connect::wait(&self.root, &name, timeout)
    }

    /// Asks for an instance without waiting in the call, for other surfaces; see [`wait`].
    ///
    /// # Errors
    /// As [`wait`].
    #[cfg(not(windows))]
    pub fn begin_wait(&self, name: impl AsRef<OsStr>, timeout: Option<Duration>) -> Result<Waiting> {
        let name = parse(name.as_ref(), NameUse::Wait, "wait")?;
        Waiting::begin(&self.root, &name, timeout)
    }

    /// Opens, transacts and closes; see [`call`].
    ///
    /// # Errors
    /// As [`call`].
    pub fn call(
        &self,
        name: impl AsRef<OsStr>,
        request: &[u8],
        reply: &mut [u8],
        timeout: Duration,
    ) -> Result<ReadOutcome> {
        let name = parse(name.as_ref(), NameUse::Open, "call")?;
        let deadline = Instant::now().checked_add(timeout);
        let mut options = ClientOptions::new();
        let client = options
            .pipe_mode(PipeMode::Message)
            .connect_timeout(timeout)
            .open_in(&self.root, &name)?;
        client.transact_until(request, reply, deadline)
    }

    /// All pipes that are served; see [`list`].
    ///
    /// # Errors
    /// As [`list`].
    pub fn list(&self) -> Result<Vec<PipeEntry>> {
        with_own_files(|| self.list_all())
    }

    /// Everything about one pipe; see [`info`].
    ///
    /// # Errors
    /// As [`info`].
    pub fn info(&self, name: impl AsRef<OsStr>) -> Result<PipeDetails> {
        let name = parse(name.as_ref(), NameUse::Open, "info")?;
        self.details(&name)
    }
}

/// Waits until an instance of the pipe listens. Win32 equivalent: WaitNamedPipe.
///
/// Nothing is reserved: an open that follows may still find all instances busy. `None` waits for ever
/// (NMPWAIT_WAIT_FOREVER), zero as long as the server says (NMPWAIT_USE_DEFAULT_WAIT).
///
/// # Errors
/// * [`Status::ObjectNameNotFound`]: nobody serves the name, or no longer.
/// * [`Status::IoTimeout`]: all instances were busy all the time.
/// * [`Status::ObjectPathSyntaxBad`]: not the name of a pipe.
#[doc(alias = "WaitNamedPipe")]
pub fn wait(name: impl AsRef<OsStr>, timeout: Option<Duration>) -> Result<()> {
    Namespace::find()?.wait(name, timeout)
}

/// Opens a message pipe, sends a request, reads the reply and closes. Win32 equivalent: CallNamedPipe.
///
/// The time-out covers the wait for an instance and the wait for the reply; Win32's covers the first only. What does not
/// fit in `reply` is lost, and `more` says so.
///
/// # Errors
/// Those of [`ClientOptions::open`] and of [`PipeStream::transact`](crate::PipeStream::transact);
/// [`Status::InvalidParameter`] for a byte pipe.
///
/// ```
/// # fn main() -> npipe::Result<()> {
/// # let temporary = tempfile::tempdir().unwrap();
/// # let directory = temporary.path();
/// use npipe::{Namespace, PipeMode, ServerOptions};
/// use std::time::Duration;
///
/// let server = ServerOptions::new().root(directory).pipe_mode(PipeMode::Message).create(r"\\.\pipe\time")?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         server.connect()?;
///         let mut request = [0; 16];
///         server.read(&mut request)?;
///         server.write(b"noon")
///     });
///     let mut reply = [0; 16];
///     let namespace = Namespace::at(directory)?;
///     let outcome = namespace.call(r"\\.\pipe\time", b"now?", &mut reply, Duration::from_secs(10))?;
///     assert_eq!(&reply[..outcome.bytes], b"noon");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "CallNamedPipe")]
pub fn call(name: impl AsRef<OsStr>, request: &[u8], reply: &mut [u8], timeout: Duration) -> Result<ReadOutcome> {
    Namespace::find()?.call(name, request, reply, timeout)
}

/// All pipes that are served in the usual namespace, by name. Takes no instance. Win32 equivalent: listing `\\.\pipe\`.
///
/// A server that does not answer within a second is listed as not answering. What servers left behind that have died is
/// not listed, and removed where it is ours. On Windows the kernel tells names and numbers of instances.
///
/// # Errors
/// [`Status::AccessDenied`], [`Status::ObjectPathNotFound`]: the namespace cannot be used.
#[doc(alias = "FindFirstFile")]
pub fn list() -> Result<Vec<PipeEntry>> {
    Namespace::find()?.list()
}

/// Everything about one pipe. Takes no instance. Win32 equivalent: GetNamedPipeInfo and more, without a handle.
///
/// Windows does not tell without a handle: there an instance is opened for a moment, for which one has to listen.
///
/// # Errors
/// * [`Status::ObjectNameNotFound`]: nobody serves the name.
/// * [`Status::PipeNotAvailable`]: the server has not answered for 10 s.
/// * [`Status::ObjectNameInvalid`], [`Status::ObjectPathNotFound`]: not the name of a pipe.
#[doc(alias = "GetNamedPipeInfo")]
pub fn info(name: impl AsRef<OsStr>) -> Result<PipeDetails> {
    Namespace::find()?.info(name)
}
