//! What both ends have, written once: tokio's methods and traits, and those beyond.

/// What a call that would have to wait fails with.
pub(crate) fn unless_waiting<T>(tried: std::io::Result<Option<T>>) -> std::io::Result<T> {
    tried?.ok_or_else(|| std::io::ErrorKind::WouldBlock.into())
}

/// The outcome of a read as a number of bytes: the end of the stream is none.
pub(crate) fn or_end(read: std::io::Result<npipe::ReadOutcome>) -> std::io::Result<usize> {
    match read {
        Ok(outcome) => Ok(outcome.bytes),
        Err(error) if is_end(&error) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Whether the peer has gone and everything was read.
fn is_end(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<npipe::Error>());
    inner.is_some_and(|error| error.status() == npipe::Status::PipeBroken)
}

/// Implements the methods of both ends for a type with an `inner`.
macro_rules! implement_end {
    ($end:ident) => {
        impl $end {
            /// What is fixed about the pipe. Win32 equivalent: GetNamedPipeInfo.
            ///
            /// # Errors
            /// 233 on a client end that was disconnected.
            #[doc(alias = "GetNamedPipeInfo")]
            pub fn info(&self) -> io::Result<PipeInfo> {
                Ok(self.inner.end.info()?.into())
            }

            /// Waits until one of the kinds of I/O in `interest` can be tried. It may turn out that it would have to wait
            /// after all: then wait again.
            ///
            /// Cancel safe.
            ///
            /// # Errors
            /// None; tokio's has some.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                Ok(self.inner.ready(interest).await)
            }

            /// Waits until something can be read, or reading would fail. Cancel safe.
            ///
            /// # Errors
            /// None; tokio's has some.
            pub async fn readable(&self) -> io::Result<()> {
                self.ready(Interest::READABLE).await.map(drop)
            }

            /// Waits until a write can begin. Cancel safe.
            ///
            /// # Errors
            /// None; tokio's has some.
            pub async fn writable(&self) -> io::Result<()> {
                self.ready(Interest::WRITABLE).await.map(drop)
            }

            /// The same as [`readable`](Self::readable) for a task that polls; that of the last call is woken.
            ///
            /// # Errors
            /// None; tokio's has some.
            pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.inner.poll_ready(cx, Interest::READABLE, Slot::Read).map(Ok)
            }

            /// The same as [`writable`](Self::writable) for a task that polls; that of the last call is woken.
            ///
            /// # Errors
            /// None; tokio's has some.
            pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.inner.poll_ready(cx, Interest::WRITABLE, Slot::Write).map(Ok)
            }

            /// Reads what there is, without waiting; `Ok(0)` at the end. Win32 equivalent: ReadFile.
            ///
            /// # Errors
            /// [`WouldBlock`](io::ErrorKind::WouldBlock): nothing yet. 233: there is no client any more.
            #[doc(alias = "ReadFile")]
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                or_end(self.try_read_message(buf))
            }

            /// The same into several buffers, the first of which that has room is filled.
            ///
            /// # Errors
            /// As [`try_read`](Self::try_read).
            pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
                match bufs.iter_mut().find(|buf| !buf.is_empty()) {
                    Some(buf) => self.try_read(buf),
                    None => self.try_read(&mut []),
                }
            }

            /// Writes all of `buf` if no other write is on its way: see [writing](crate::named_pipe#writing). Win32
            /// equivalent: WriteFile.
            ///
            /// # Errors
            /// * [`WouldBlock`](io::ErrorKind::WouldBlock): another write is on its way.
            /// * 232: the peer has gone; 536: there is no client yet; 233: no longer.
            /// * What the write before has failed with, if that became known later.
            #[doc(alias = "WriteFile")]
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                unless_waiting(self.inner.try_write(buf))
            }

            /// The same with several buffers, which become one message.
            ///
            /// # Errors
            /// As [`try_write`](Self::try_write).
            pub fn try_write_vectored(&self, buf: &[io::IoSlice<'_>]) -> io::Result<usize> {
                unless_waiting(self.inner.try_write_vectored(buf))
            }

            /// Calls `f` if the end is ready for `interest`.
            ///
            /// # Errors
            /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it is not; else those of `f`.
            pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.inner.try_io(interest, f)
            }

            /// Calls `f` whenever the end may be ready for `interest`, until it does anything but fail with
            /// [`WouldBlock`](io::ErrorKind::WouldBlock). Cancel safe, as far as `f` is.
            ///
            /// # Errors
            /// Those of `f`.
            pub async fn async_io<R>(&self, interest: Interest, f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
                self.inner.async_io(interest, f).await
            }

            /// Reads at most one message in message mode, and tells whether it has more; beyond tokio. Win32 equivalent:
            /// ReadFile, where more is ERROR_MORE_DATA.
            ///
            /// Cancel safe: a dropped read has taken nothing. A message that is larger than 4 MiB may come in pieces.
            ///
            /// # Errors
            /// * [`BrokenPipe`](io::ErrorKind::BrokenPipe): the peer has gone and everything was read; an empty message is
            ///   0 bytes instead.
            /// * 233: there is no client any more.
            #[doc(alias = "ERROR_MORE_DATA")]
            pub async fn read_message(&self, buf: &mut [u8]) -> io::Result<ReadOutcome> {
                self.inner.read_message(buf).await
            }

            /// The same without waiting; beyond tokio.
            ///
            /// # Errors
            /// As [`read_message`](Self::read_message), and [`WouldBlock`](io::ErrorKind::WouldBlock): nothing yet.
            pub fn try_read_message(&self, buf: &mut [u8]) -> io::Result<ReadOutcome> {
                let tried = self.inner.try_read(buf, false);
                unless_waiting(tried.map_err(|status| self.inner.error(status, "read")))
            }

            /// Writes all of `buf`, as one message on a message pipe; beyond tokio. Cancel safe: a dropped write has
            /// written nothing.
            ///
            /// # Errors
            /// As [`try_write`](Self::try_write), but for waiting.
            pub async fn write_message(&self, buf: &[u8]) -> io::Result<()> {
                let inner = &self.inner;
                poll_fn(|cx| inner.poll_write(cx, buf)).await.map(drop)
            }

            /// Looks at what there is without taking it, and never waits; beyond tokio. Win32 equivalent: PeekNamedPipe.
            ///
            /// # Errors
            /// As [`npipe::PipeStream::peek`].
            #[doc(alias = "PeekNamedPipe")]
            pub fn peek(&self, buf: &mut [u8]) -> io::Result<Peeked> {
                Ok(self.inner.end.peek(buf)?)
            }

            /// Writes a request and waits for the next message as its reply; beyond tokio. Win32 equivalent:
            /// TransactNamedPipe.
            ///
            /// Not cancel safe: when it is dropped, the request is sent. The reply, if it comes later, is the next message;
            /// one that has come is gone.
            ///
            /// # Errors
            /// As [`npipe::PipeStream::transact`].
            #[doc(alias = "TransactNamedPipe")]
            pub async fn transact(&self, request: &[u8], reply: &mut [u8]) -> io::Result<ReadOutcome> {
                self.inner.transact(request, reply).await
            }

            /// Waits until the peer has read everything that was written; beyond tokio, whose flush waits for nothing.
            /// Win32 equivalent: FlushFileBuffers. Cancel safe.
            ///
            /// # Errors
            /// As [`npipe::PipeStream::flush`].
            #[doc(alias = "FlushFileBuffers")]
            pub async fn flush_until_read(&self) -> io::Result<()> {
                self.inner.flush_until_read().await
            }

            /// Who is at the other end, by the kernel's word; beyond tokio. Win32 equivalents: GetNamedPipeClientProcessId,
            /// GetNamedPipeServerProcessId.
            ///
            /// # Errors
            /// As [`npipe::PipeStream::peer`].
            #[doc(alias = "GetNamedPipeClientProcessId")]
            #[doc(alias = "GetNamedPipeServerProcessId")]
            pub fn peer(&self) -> io::Result<Peer> {
                Ok(self.inner.end.peer()?)
            }

            /// A half to read from and one to write to, as borrows; beyond tokio.
            pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
                split::borrowed(&self.inner)
            }

            /// A half to read from and one to write to, for tasks of their own; beyond tokio. The end closes with the last
            /// of them: neither closes one direction alone, which pipes do not know.
            pub fn into_split(self) -> (OwnedReadHalf<$end>, OwnedWriteHalf<$end>) {
                split::owned(self.inner)
            }

            pub(crate) fn from_inner(inner: Arc<Inner>) -> $end {
                $end { inner }
            }
        }

        impl AsyncRead for $end {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                self.inner.poll_read_buf(cx, buf)
            }
        }

        impl AsyncWrite for $end {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.inner.poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.inner.poll_write_vectored(cx, bufs)
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

        /// The connection's socket, for asking who the peer is and for watching whether it lives. Data does not go through
        /// it, and what is read from it is lost to the runtime. An instance without a client gives a socket that is not
        /// connected. What was borrowed stays open until the end is dropped.
        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.inner.socket()
            }
        }

        /// As [`AsFd`].
        impl AsRawFd for $end {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }

        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($end)).field(&self.inner).finish()
            }
        }
    };
}

pub(crate) use implement_end;
