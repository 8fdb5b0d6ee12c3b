//! The server end of a pipe.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use npipe::{Peeked, Peer, PipeServer, RawEnd, ReadOutcome};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::PipeInfo;
use super::end::{implement_end, or_end, unless_waiting};
use super::inner::{End, Inner};
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::tasks::Slot;

/// One instance of a pipe: the server end. Made by [`ServerOptions::create`](super::ServerOptions::create).
///
/// An instance listens from the moment it is created. To serve client after client without one ever finding no instance,
/// create the next instance before the one that has a client is handed to its task, as with tokio on Windows; or let
/// [`NamedPipeListener`](super::NamedPipeListener) do that.
pub struct NamedPipeServer {
    pub(crate) inner: Arc<Inner>,
}

impl NamedPipeServer {
    /// Waits for a client. Win32 equivalent: ConnectNamedPipe.
    ///
    /// A client that came before is success too. After a [`disconnect`](Self::disconnect) the instance listens again.
    ///
    /// Cancel safe: a dropped connect leaves the instance listening, and a client that came is met by the next one.
    ///
    /// # Errors
    /// * 232: the client came and left before this call; what it wrote can be read.
    /// * 233: another task has disconnected the instance.
    #[doc(alias = "ConnectNamedPipe")]
    pub async fn connect(&self) -> io::Result<()> {
        self.inner.connect().await
    }

    /// Throws the client out: everything unread in both directions is lost, and its end is dead. Win32 equivalent:
    /// DisconnectNamedPipe.
    ///
    /// # Errors
    /// 233: it is disconnected already.
    #[doc(alias = "DisconnectNamedPipe")]
    pub fn disconnect(&self) -> io::Result<()> {
        match self.inner.server() {
            Some(server) => self.inner.disconnect(server),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Takes over a server end from a descriptor that [`npipe::PipeServer::into_raw`] has given, in this process or another:
    /// what stands here for `from_raw_handle`. Beyond tokio.
    ///
    /// # Errors
    /// As [`npipe::PipeServer::from_raw`].
    pub fn from_raw(descriptor: OwnedFd) -> io::Result<NamedPipeServer> {
        Ok(PipeServer::from_raw(RawEnd::from(descriptor))?.into())
    }
}

/// Beyond tokio.
impl From<PipeServer> for NamedPipeServer {
    fn from(server: PipeServer) -> NamedPipeServer {
        NamedPipeServer::from_inner(Inner::new(End::Server(server)))
    }
}

implement_end!(NamedPipeServer);
