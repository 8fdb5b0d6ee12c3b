//! The server end of a pipe.

use std::io;
use std::ops::Deref;

#[cfg(not(windows))]
use npipe_core::PeerIdentity;
use npipe_core::{EndRole, Status};

use crate::end::Handle;
use crate::error::{Explain, Result};
#[cfg(not(windows))]
use crate::impersonation::Token;
use crate::impersonation::{self, Impersonation};
use crate::object::RawEnd;
use crate::stream::PipeStream;
use crate::sys::impersonation::at_home;

/// One instance of a pipe: the server end. Made by [`ServerOptions::create`](crate::ServerOptions::create).
///
/// An instance listens from the moment it is created. It serves one client at a time; after
/// [`disconnect`](PipeServer::disconnect), [`connect`](PipeServer::connect) makes it available again. When the last handle
/// of the last instance is dropped, the name vanishes.
///
/// ```
/// # fn main() -> npipe::Result<()> {
/// # let temporary = tempfile::tempdir().unwrap();
/// # let directory = temporary.path();
/// use npipe::{ClientOptions, ServerOptions};
///
/// let server = ServerOptions::new().root(directory).create(r"\\.\pipe\echo")?;
/// let client = ClientOptions::new().root(directory).open(r"\\.\pipe\echo")?;
/// server.connect()?;
/// client.write(b"hello")?;
/// let mut buffer = [0; 16];
/// let count = server.read(&mut buffer)?;
/// assert_eq!(&buffer[..count], b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PipeServer {
    stream: PipeStream,
}

impl PipeServer {
    pub(crate) fn new(end: Handle) -> PipeServer {
        PipeServer {
            stream: PipeStream { end },
        }
    }

    /// The end's place in its pipe, if this process has created it.
    #[cfg(not(windows))]
    pub(crate) fn seat(&self) -> Option<&crate::host::Seat> {
        self.stream.end.seat()
    }

    /// Waits for a client. Win32 equivalent: ConnectNamedPipe.
    ///
    /// A client that came before the call is success too; Win32 reports it as ERROR_PIPE_CONNECTED. After a
    /// [`disconnect`](PipeServer::disconnect) the instance begins to listen again.
    ///
    /// # Errors
    /// * [`Status::PipeClosing`]: the client came and left; what it wrote can be read.
    /// * [`Status::PipeListening`]: no client yet, with PIPE_NOWAIT.
    /// * [`Status::Cancelled`]: by [`cancel`](PipeStream::cancel); the instance goes on listening.
    /// * [`Status::PipeDisconnected`]: another thread disconnected the instance.
    #[doc(alias = "ConnectNamedPipe")]
    pub fn connect(&self) -> Result<()> {
        match self.listen() {
            Err(error) if error.status() == Status::PipeConnected => Ok(()),
            other => other,
        }
    }

    /// Waits for a client to come; one that is there already is an error, as with ConnectNamedPipe itself. Most programs
    /// want [`connect`](PipeServer::connect).
    ///
    /// # Errors
    /// Those of [`connect`](PipeServer::connect), and [`Status::PipeConnected`].
    #[doc(alias = "ConnectNamedPipe")]
    #[doc(alias = "ERROR_PIPE_CONNECTED")]
    pub fn listen(&self) -> Result<()> {
        let end = &self.stream.end;
        end.listen().explain("connect", &end.shape.name)
    }

    /// Throws the client out: everything unread in both directions is lost, and its end is dead. On a listening instance,
    /// stops the listening. Win32 equivalent: DisconnectNamedPipe.
    ///
    /// # Errors
    /// [`Status::PipeDisconnected`]: it is disconnected already.
    #[doc(alias = "DisconnectNamedPipe")]
    pub fn disconnect(&self) -> Result<()> {
        let end = &self.stream.end;
        end.disconnect().explain("disconnect", &end.shape.name)
    }

    /// Who the client is, and how far the server may act as it. Win32 equivalent: ImpersonateNamedPipeClient, OpenThreadToken
    /// and RevertToSelf.
    ///
    /// It is who opened the pipe, by the kernel's word and as it was at that moment, also after it has closed its end.
    ///
    /// # Errors
    /// * [`Status::CannotImpersonate`]: nothing was read from this client yet, or there is none.
    // semantics 261, 262
    #[cfg(not(windows))]
    pub fn client_token(&self) -> Result<Token> {
        impersonation::client_of(&self.stream.end)
    }

    /// Who the client is, to decide by it what it may do.
    ///
    /// # Errors
    /// * [`Status::CannotImpersonate`]: nothing was read from this client yet, or there is none.
    /// * [`Status::CantOpenAnonymous`]: the client does not let itself be identified.
    // semantics 261, 262
    #[cfg(not(windows))]
    pub fn client_identity(&self) -> Result<PeerIdentity> {
        self.client_token()?.identity().cloned()
    }

    /// Has the calling thread act as the client until the guard is dropped. Win32 equivalent: ImpersonateNamedPipeClient, and
    /// RevertToSelf.
    ///
    /// **Ask the guard for its [`level`](Impersonation::level)**: below
    /// [`ImpersonationLevel::Impersonation`](crate::impersonation::ImpersonationLevel::Impersonation), because the client or
    /// the system does not allow more, the thread only knows who the client is and is still the server. Read
    /// [`impersonation`](crate::impersonation) first.
    ///
    /// # Errors
    /// * [`Status::CannotImpersonate`]: nothing was read from this client yet, or there is none.
    /// * [`Status::SystemError`]: what the system refused is in the detail; the thread is who it was before.
    // semantics 261, 262
    #[doc(alias = "ImpersonateNamedPipeClient")]
    pub fn impersonate_client(&self) -> Result<Impersonation> {
        impersonation::of_client(&self.stream.end)
    }

    /// Another handle of the same end. Win32 equivalent: DuplicateHandle within the process.
    ///
    /// The two share modes, time-outs and data; the end closes with the last handle.
    ///
    /// # Errors
    /// None at present; where the system supplies pipes, running out of handles.
    #[doc(alias = "DuplicateHandle")]
    pub fn try_clone(&self) -> Result<PipeServer> {
        Ok(PipeServer::new(self.stream.end.clone()))
    }

    /// Gives this handle up for a descriptor from which another process of the same user makes the end its own; [`RawEnd`] says
    /// how that goes. Win32 equivalent: DuplicateHandle into another process, and handles that a child inherits.
    ///
    /// The instance keeps its place in the pipe, as one that is in use, until nobody holds it. That place stays with the process
    /// that has created the instance: the others can disconnect the client, but only that process can have the instance
    /// listen again, and when it ends, the place goes with it; those who hold the connection go on.
    ///
    /// # Errors
    /// * [`Status::NotSupported`]: not made with [`shareable`](crate::ServerOptions::shareable).
    /// * [`Status::InvalidPipeState`]: no client; [`Status::PipeDisconnected`]: disconnected.
    /// * [`Status::TooManyOpenedFiles`], [`Status::SystemError`]: what the system refused is in the detail.
    ///
    /// In any of these cases the handle is closed.
    #[doc(alias = "DuplicateHandle")]
    pub fn into_raw(self) -> Result<RawEnd> {
        at_home(|| self.stream.end.into_raw())
    }

    /// Takes over an end that [`into_raw`](PipeServer::into_raw) has given, in this process or another one of the same user.
    ///
    /// # Errors
    /// * [`Status::InvalidHandle`]: not such a descriptor, or from another version of npipe.
    /// * [`Status::InvalidParameter`]: a client end.
    /// * [`Status::AccessDenied`]: from another user.
    /// * [`Status::InsufficientResources`]: 64 processes hold the end already.
    /// * [`Status::ObjectPathNotFound`]: the namespace directory is not there any more.
    /// * [`Status::TooManyOpenedFiles`], [`Status::SystemError`]: what the system refused is in the detail.
    ///
    /// In any of these cases the descriptor is closed.
    pub fn from_raw(raw: RawEnd) -> Result<PipeServer> {
        at_home(|| Handle::from_raw(raw, EndRole::Server)).map(PipeServer::new)
    }
}

impl Deref for PipeServer {
    type Target = PipeStream;

    fn deref(&self) -> &PipeStream {
        &self.stream
    }
}

crate::stream_io::implement_io!(PipeServer);
