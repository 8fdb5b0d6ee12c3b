//! Unix stream sockets in tokio, and what all asynchronous rows have in common.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;

use super::transport::{Link, Place, Transport};

/// A stream of a runtime's.
pub(super) struct AsyncLink<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Link for AsyncLink<S> {
    async fn send(&mut self, block: &[u8]) -> io::Result<()> {
        self.0.write_all(block).await
    }

    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(block).await.map(drop)
    }
}

/// Runs the work of a process in a runtime of one thread.
pub(super) fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}

pub(super) struct TokioUnix(UnixListener);

impl Transport for TokioUnix {
    type Accepted = AsyncLink<UnixStream>;
    type Connected = AsyncLink<UnixStream>;

    async fn listen(place: &Place<'_>) -> io::Result<TokioUnix> {
        Ok(TokioUnix(UnixListener::bind(place.directory.join("socket"))?))
    }

    async fn accept(&mut self) -> io::Result<AsyncLink<UnixStream>> {
        Ok(AsyncLink(self.0.accept().await?.0))
    }

    async fn connect(place: &Place<'_>) -> io::Result<AsyncLink<UnixStream>> {
        Ok(AsyncLink(UnixStream::connect(place.directory.join("socket")).await?))
    }

    fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        run(work)
    }
}
