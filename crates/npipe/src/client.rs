//! The client end of a pipe.

use std::io;
use std::ops::Deref;

use npipe_core::EndRole;
#[cfg(doc)]
use npipe_core::Status;

use crate::end::Handle;
use crate::error::Result;
use crate::object::RawEnd;
use crate::stream::PipeStream;
use crate::sys::impersonation::at_home;

/// The client end of a pipe. Made by [`ClientOptions::open`](crate::ClientOptions::open).
///
/// ```
/// # fn main() -> npipe::Result<()> {
/// # let temporary = tempfile::tempdir().unwrap();
/// # let directory = temporary.path();
/// use npipe::{ClientOptions, PipeMode, ServerOptions};
///
/// let server = ServerOptions::new().root(directory).pipe_mode(PipeMode::Message).create(r"\\.\pipe\sums")?;
/// let client = ClientOptions::new().root(directory).pipe_mode(PipeMode::Message).open(r"\\.\pipe\sums")?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let mut request = [0; 2];
///         server.read(&mut request)?;
///         server.write(&[request[0] + request[1]])
///     });
///     let mut reply = [0; 1];
///     let outcome = client.transact(&[2, 3], &mut reply)?;
///     assert_eq!((reply, outcome.more), ([5], false));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct PipeClient {
    stream: PipeStream,
}

impl PipeClient {
    pub(crate) fn new(end: Handle) -> PipeClient {
        PipeClient {
            stream: PipeStream { end },
        }
    }

    /// Another handle of the same end. Win32 equivalent: DuplicateHandle within the process.
    ///
    /// The two share modes, time-outs and data; the end closes with the last handle.
    ///
    /// # Errors
    /// None at present; where the system supplies pipes, running out of handles.
    #[doc(alias = "DuplicateHandle")]
    pub fn try_clone(&self) -> Result<PipeClient> {
        Ok(PipeClient {
            stream: PipeStream {
                end: self.stream.end.clone(),
            },
        })
    }

    /// Gives this handle up for a descriptor from which another process of the same user makes the end its own; [`RawEnd`] says
    /// how that goes. Win32 equivalent: DuplicateHandle into another process, and handles that a child inherits.
    ///
    /// # Errors
    /// * [`Status::NotSupported`]: not made with [`shareable`](crate::ClientOptions::shareable).
    /// * [`Status::PipeDisconnected`]: disconnected by the server.
    /// * [`Status::TooManyOpenedFiles`], [`Status::SystemError`]: what the system refused is in the detail.
    ///
    /// In any of these cases the handle is closed.
    #[doc(alias = "DuplicateHandle")]
    pub fn into_raw(self) -> Result<RawEnd> {
        at_home(|| self.stream.end.into_raw())
    }

    /// Takes over an end that [`into_raw`](PipeClient::into_raw) has given, in this process or another one of the same user.
    ///
    /// # Errors
    /// * [`Status::InvalidHandle`]: not such a descriptor, or from another version of npipe.
    /// * [`Status::InvalidParameter`]: a server end.
    /// * [`Status::AccessDenied`]: from another user.
    /// * [`Status::InsufficientResources`]: 64 processes hold the end already.
    /// * [`Status::ObjectPathNotFound`]: the namespace directory is not there any more.
    /// * [`Status::TooManyOpenedFiles`], [`Status::SystemError`]: what the system refused is in the detail.
    ///
    /// In any of these cases the descriptor is closed.
    pub fn from_raw(raw: RawEnd) -> Result<PipeClient> {
        at_home(|| Handle::from_raw(raw, EndRole::Client)).map(PipeClient::new)
    }
}

impl Deref for PipeClient {
    type Target = PipeStream;

    fn deref(&self) -> &PipeStream {
        &self.stream
    }
}

crate::stream_io::implement_io!(PipeClient);
