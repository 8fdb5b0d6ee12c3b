//! [`std::io::Read`] and [`std::io::Write`] for both ends, by value and by reference.
//!
//! End of file is `Ok(0)` here, as readers of streams expect. `flush` waits for nothing: what was written needs no
//! flushing to be seen, and waiting for the peer is what [`PipeStream::flush`](crate::PipeStream::flush) is for.
//!
//! The three methods that share their names with those of the traits are repeated on both ends, so that a call with dots
//! means the pipe's own, whether the traits are in scope or not.

use std::io;

use npipe_core::Status;

use crate::PipeStream;

/// Implements the traits, and what goes by the same names, for a type that dereferences to [`PipeStream`].
macro_rules! implement_io {
    ($end:ty) => {
        impl $end {
            /// See [`PipeStream::read`].
            ///
            /// # Errors
            /// As there.
            #[inline]
            pub fn read(&self, buffer: &mut [u8]) -> $crate::Result<usize> {
                self.stream.read(buffer)
            }

            /// See [`PipeStream::write`].
            ///
            /// # Errors
            /// As there.
            #[inline]
            pub fn write(&self, data: &[u8]) -> $crate::Result<usize> {
                self.stream.write(data)
            }

            /// See [`PipeStream::flush`].
            ///
            /// # Errors
            /// As there.
            pub fn flush(&self) -> $crate::Result<()> {
                self.stream.flush()
            }
        }

        impl io::Read for &$end {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                $crate::stream_io::read(self, buffer)
            }
        }

        impl io::Read for $end {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                $crate::stream_io::read(self, buffer)
            }
        }

        impl io::Write for &$end {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                Ok(PipeStream::write(self, data)?)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl io::Write for $end {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                Ok(PipeStream::write(self, data)?)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(crate) use implement_io;

pub(crate) fn read(stream: &PipeStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer) {
        Err(error) if error.status() == Status::PipeBroken => Ok(0),
        other => Ok(other?),
    }
}
