//! The client end of a pipe.

use std::io;
use std::ops::Deref;

use crate::end::Handle;
use crate::error::Result;
use crate::stream::PipeStream;

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
}

impl Deref for PipeClient {
    type Target = PipeStream;

    fn deref(&self) -> &PipeStream {
        &self.stream
    }
}

crate::stream_io::implement_io!(PipeClient);
