//! What both ends have beyond tokio on every system.

use std::future::Future;
use std::io;
#[cfg(windows)]
use std::os::windows::io::AsHandle;

use npipe::Peer;

use super::{NamedPipeClient, NamedPipeServer};

mod sealed {
    /// Of the ends of this crate.
    pub trait End {}
}

/// What both ends have beyond tokio on every system.
///
/// On Windows, where they are tokio's own, they have it by this trait alone. Elsewhere they have the methods themselves, with
/// others besides, and the trait is for functions that take either end.
pub trait NamedPipeExt: sealed::End {
    /// Who is at the other end, by the kernel's word. Win32 equivalents: GetNamedPipeClientProcessId,
    /// GetNamedPipeServerProcessId.
    ///
    /// # Errors
    /// As [`npipe::PipeStream::peer`].
    #[doc(alias = "GetNamedPipeClientProcessId")]
    #[doc(alias = "GetNamedPipeServerProcessId")]
    fn peer(&self) -> io::Result<Peer>;

    /// Writes all of `buf`, as one message on a message pipe. Win32 equivalent: WriteFile. Cancel safe: a dropped write has
    /// written nothing.
    ///
    /// # Errors
    /// As `try_write`, but for waiting.
    #[doc(alias = "WriteFile")]
    fn write_message(&self, buf: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

macro_rules! implement {
    ($end:ident) => {
        impl sealed::End for $end {}

        #[cfg(not(windows))]
        impl NamedPipeExt for $end {
            fn peer(&self) -> io::Result<Peer> {
                self.peer()
            }

            async fn write_message(&self, buf: &[u8]) -> io::Result<()> {
                self.write_message(buf).await
            }
        }

        #[cfg(windows)]
        impl NamedPipeExt for $end {
            fn peer(&self) -> io::Result<Peer> {
                Ok(Peer::of_handle(self.as_handle())?)
            }

            async fn write_message(&self, buf: &[u8]) -> io::Result<()> {
                loop {
                    // It takes all or nothing.
                    match self.try_write(buf) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                        outcome => return outcome.map(drop),
                    }
                }
            }
        }
    };
}

implement!(NamedPipeServer);
implement!(NamedPipeClient);
