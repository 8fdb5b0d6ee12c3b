//! An end in two halves, one to read from and one to write to.

use std::error::Error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inner::Inner;
use super::{NamedPipeClient, NamedPipeServer};

/// The half of an end to read from, as a borrow; made by `split`.
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a Arc<Inner>);

/// The half of an end to write to, as a borrow; made by `split`.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a Arc<Inner>);

/// The half of an end to read from; made by `into_split`.
pub struct OwnedReadHalf<E>(Arc<Inner>, PhantomData<fn() -> E>);

/// The half of an end to write to; made by `into_split`.
pub struct OwnedWriteHalf<E>(Arc<Inner>, PhantomData<fn() -> E>);

/// Two halves that are not of one end; they come back with it.
pub struct ReuniteError<E>(pub OwnedReadHalf<E>, pub OwnedWriteHalf<E>);

pub(crate) fn borrowed(inner: &Arc<Inner>) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(inner), WriteHalf(inner))
}

pub(crate) fn owned<E>(inner: Arc<Inner>) -> (OwnedReadHalf<E>, OwnedWriteHalf<E>) {
    (
        OwnedReadHalf(inner.clone(), PhantomData),
        OwnedWriteHalf(inner, PhantomData),
    )
}

fn reunite<E>(
    read: OwnedReadHalf<E>,
    write: OwnedWriteHalf<E>,
    whole: fn(Arc<Inner>) -> E,
) -> Result<E, ReuniteError<E>> {
    if Arc::ptr_eq(&read.0, &write.0) {
        Ok(whole(write.0))
    } else {
        Err(ReuniteError(read, write))
    }
}

impl OwnedReadHalf<NamedPipeServer> {
    /// Puts the end together again.
    ///
    /// # Errors
    /// The halves are not of one end.
    pub fn reunite(
        self,
        write: OwnedWriteHalf<NamedPipeServer>,
    ) -> Result<NamedPipeServer, ReuniteError<NamedPipeServer>> {
        reunite(self, write, NamedPipeServer::from_inner)
    }
}

impl OwnedReadHalf<NamedPipeClient> {
    /// Puts the end together again.
    ///
    /// # Errors
    /// The halves are not of one end.
    pub fn reunite(
        self,
        write: OwnedWriteHalf<NamedPipeClient>,
    ) -> Result<NamedPipeClient, ReuniteError<NamedPipeClient>> {
        reunite(self, write, NamedPipeClient::from_inner)
    }
}

impl<E> fmt::Debug for OwnedReadHalf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReadHalf").field(&self.0).finish()
    }
}

impl<E> fmt::Debug for OwnedWriteHalf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedWriteHalf").field(&self.0).finish()
    }
}

impl<E> fmt::Debug for ReuniteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError").field(&self.0).field(&self.1).finish()
    }
}

impl<E> fmt::Display for ReuniteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of one end")
    }
}

impl<E> Error for ReuniteError<E> {}

/// Implements the traits of a half by those of the end.
macro_rules! implement_read {
    ($half:ty $(, $e:ident)?) => {
        impl $(<$e>)? AsyncRead for $half {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                self.0.poll_read_buf(cx, buf)
            }
        }
    };
}

macro_rules! implement_write {
    ($half:ty $(, $e:ident)?) => {
        impl $(<$e>)? AsyncWrite for $half {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.0.poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

implement_read!(ReadHalf<'_>);
implement_read!(OwnedReadHalf<E>, E);
implement_write!(WriteHalf<'_>);
implement_write!(OwnedWriteHalf<E>, E);
