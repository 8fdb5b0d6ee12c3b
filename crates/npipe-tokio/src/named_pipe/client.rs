//! The client end of a pipe.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use npipe::{Peeked, Peer, PipeClient, RawEnd, ReadOutcome};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::PipeInfo;
use super::end::{implement_end, or_end, unless_waiting};
use super::inner::{End, Inner};
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::tasks::Slot;

/// The client end of a pipe. Made by [`ClientOptions::open`](super::ClientOptions::open).
pub struct NamedPipeClient {
    pub(crate) inner: Arc<Inner>,
}

impl NamedPipeClient {
    /// Takes over a client end from a descriptor that [`npipe::PipeClient::into_raw`] has given, in this process or another:
    /// what stands here for `from_raw_handle`. Beyond tokio.
    ///
    /// # Errors
    /// As [`npipe::PipeClient::from_raw`].
    pub fn from_raw(descriptor: OwnedFd) -> io::Result<NamedPipeClient> {
        Ok(PipeClient::from_raw(RawEnd::from(descriptor))?.into())
    }
}

/// Beyond tokio.
impl From<PipeClient> for NamedPipeClient {
    fn from(client: PipeClient) -> NamedPipeClient {
        NamedPipeClient::from_inner(Inner::new(End::Client(client)))
    }
}

implement_end!(NamedPipeClient);
