//! Anonymous pipes: a stream of bytes from one end to the other, without a name.
//!
//! They are the system's own pipes, so a child process can have an end as its standard input or output: both ends convert
//! into [`Stdio`] and [`OwnedFd`]. In this process they behave as Windows' do.
//!
//! ```
//! use std::io::Read;
//! use std::process::Command;
//!
//! let (mut reader, writer) = npipe::anonymous::pipe(0)?;
//! // The command, and with it this process's copy of the write end, is gone after this statement.
//! let mut child = Command::new("echo").arg("hello").stdout(writer).spawn()?;
//! let mut text = String::new();
//! reader.read_to_string(&mut text)?;
//! child.wait()?;
//! assert_eq!(text, "hello\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Differs from Windows
//! On Windows the pipe is the kernel's own, made for calls that block: those of one end wait for each other (semantics 224), `peek` and
//! `set_state` behind a read among them; an end that a child is given goes with its state; and a write that times out takes back all
//! that it has written.
//!
//! Elsewhere the system's pipe knows neither quotas nor waiting calls:
//! * A write that waits returns when its last byte is in the pipe, which holds up to four times the size asked for, not
//!   when all but that size has been read. What fits in the size never waits, and with PIPE_NOWAIT the size counts
//!   exactly, up to the system's limits (by default 512 KiB for a user without privileges).
//! * What a write has put into the pipe cannot be taken back. One that times out returns how much that was.
//! * Writes of this process do not mix. With those of other processes they do if they are longer than 4096 bytes.
//! * A reader that waits does not make room for a write with PIPE_NOWAIT.
//! * An end that was handed to another process has neither modes nor time-outs there: it is a descriptor that blocks.

#[cfg_attr(windows, path = "kernel/anonymous.rs")]
mod end;
mod take_over;
mod turn;

use std::fmt;
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle, RawHandle};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use npipe_core::Status;

use self::end::End;
use crate::error::{Error, Result};
use crate::info::{PipeEnd, PipeInfo, PipeMode, PipeState};
use crate::stream::Peeked;

/// What another process can be given: a descriptor, or a handle.
#[cfg(unix)]
type Raw = OwnedFd;
#[cfg(windows)]
type Raw = OwnedHandle;

// What errors call the operations.
const CREATE: &str = "create an anonymous pipe";
const READ: &str = "read from an anonymous pipe";
const WRITE: &str = "write to an anonymous pipe";
const PEEK: &str = "peek at an anonymous pipe";
const STATE: &str = "look at the state of an anonymous pipe";
const SET_STATE: &str = "set the state of an anonymous pipe";
const TAKE_OVER: &str = "take over an end of a pipe";

/// The size of a pipe whose size was given as 0.
const DEFAULT_SIZE: u32 = 4096;

/// Creates an anonymous pipe that holds `size` bytes; 0 stands for 4096. Win32 equivalent: CreatePipe.
///
/// The read end is the server end and the write end the client end of a byte pipe with one instance. Children do not
/// inherit them unless they are given them.
///
/// # Errors
/// * [`Status::TooManyOpenedFiles`]: no descriptors, or handles, are left; a pipe needs four.
/// * [`Status::ObjectPathNotFound`]: /proc is not mounted.
/// * [`Status::SystemError`]: the system refused the pipe for another reason, which is the source of the error.
#[doc(alias = "CreatePipe")]
pub fn pipe(size: u32) -> Result<(AnonymousReader, AnonymousWriter)> {
    let size = if size == 0 { DEFAULT_SIZE } else { size };
    let [(read_end, reader), (write_end, writer)] = end::pair(size)?;
    let handle = Handle::new(read_end, reader);
    let reader = AnonymousReader { handle };
    let handle = Handle::new(write_end, writer);
    Ok((reader, AnonymousWriter { handle }))
}

/// The end that reads, which is the server end. It has no call that writes (Windows: ERROR_ACCESS_DENIED).
pub struct AnonymousReader {
    handle: Handle,
}

/// The end that writes, which is the client end. It has no call that reads (Windows: ERROR_ACCESS_DENIED).
pub struct AnonymousWriter {
    handle: Handle,
}

impl AnonymousReader {
    /// Reads what there is, waiting for the first byte. Win32 equivalent: ReadFile.
    ///
    /// With an empty buffer it waits all the same and takes nothing. End of file is an error here, and `Ok(0)` with
    /// [`std::io::Read`]. It comes when every copy of the write end is closed, those in children included.
    ///
    /// # Errors
    /// * [`Status::PipeBroken`]: the end of the file.
    /// * [`Status::PipeEmpty`]: nothing to read, with PIPE_NOWAIT.
    /// * [`Status::IoTimeout`]: nothing came in time.
    #[doc(alias = "ReadFile")]
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.handle.end.read(buffer)
    }

    /// Looks at what there is without taking it. Never waits. Win32 equivalent: PeekNamedPipe.
    ///
    /// # Errors
    /// * [`Status::PipeBroken`]: the end of the file.
    /// * [`Status::TooManyOpenedFiles`]: no descriptors are left; with a buffer that is not empty, two are needed.
    #[doc(alias = "PeekNamedPipe")]
    pub fn peek(&self, buffer: &mut [u8]) -> Result<Peeked> {
        self.handle.end.peek(buffer)
    }

    /// How long reads wait; `None`, as at first, for ever. Duplicates share it. No Win32 equivalent.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.handle.end.set_timeout(timeout);
    }
}

impl AnonymousWriter {
    /// Writes all of `data`, waiting for room. Win32 equivalent: WriteFile.
    ///
    /// With PIPE_NOWAIT the result is 0 if `data` does not fit. After a time-out it is what fitted; if that was nothing,
    /// the call fails, and on Windows it always does. Raises no SIGPIPE.
    ///
    /// # Errors
    /// * [`Status::PipeClosing`]: every copy of the read end is closed; [`Status::PipeBroken`]: that happened while the
    ///   call waited.
    /// * [`Status::IoTimeout`]: there was no room in time.
    /// * [`Status::InvalidParameter`]: on Windows, more than 4 GiB - 1 at once.
    #[doc(alias = "WriteFile")]
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        self.handle.end.write(data)
    }

    /// How long writes wait; `None`, as at first, for ever. Duplicates share it. No Win32 equivalent.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) {
        self.handle.end.set_timeout(timeout);
    }
}

/// One handle of an end: what is given away, and what all handles of the end in this process share.
struct Handle {
    raw: Raw,
    end: Arc<End>,
}

impl Handle {
    fn new(raw: Raw, end: End) -> Handle {
        Handle {
            raw,
            end: Arc::new(end),
        }
    }

    fn try_clone(&self) -> Result<Handle> {
        let raw = self.raw.try_clone().map_err(|error| {
            Error::from_sys(
                crate::sys::SysError::new("duplicate a descriptor", error),
                "duplicate an anonymous pipe",
            )
        })?;
        Ok(Handle {
            raw,
            end: Arc::clone(&self.end),
        })
    }

    fn info(&self, end: PipeEnd) -> PipeInfo {
        PipeInfo {
            mode: PipeMode::Byte,
            end,
            max_instances: 1,
            out_buffer_size: self.end.size,
            in_buffer_size: self.end.size,
        }
    }

    fn set_state(&self, read_mode: PipeMode, nowait: bool) -> Result<()> {
        if read_mode == PipeMode::Message {
            return Err(Error::new(Status::InvalidParameter, SET_STATE)
                .because("anonymous pipes carry bytes, so they cannot be read by messages"));
        }
        self.end.set_nowait(nowait)
    }
}

/// Why something is not taken over.
fn no_end(role: PipeEnd) -> &'static str {
    match role {
        PipeEnd::Server => "it is not the read end of a pipe",
        PipeEnd::Client => "it is not the write end of a pipe",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What both ends can do, and what they convert into.
macro_rules! implement_handle {
    ($end:ident, $role:expr) => {
        impl $end {
            /// What is fixed about the pipe. Win32 equivalent: GetNamedPipeInfo.
            #[doc(alias = "GetNamedPipeInfo")]
            pub fn info(&self) -> PipeInfo {
                self.handle.info($role)
            }

            /// What changes about this end. Win32 equivalent: GetNamedPipeHandleState.
            ///
            /// The number of instances is 1, and 0 on a write end when every copy of the read end is closed.
            ///
            /// # Errors
            /// [`Status::SystemError`]: the system did not tell.
            #[doc(alias = "GetNamedPipeHandleState")]
            pub fn state(&self) -> Result<PipeState> {
                self.handle.end.state()
            }

            /// Sets whether calls of this end wait. Win32 equivalent: SetNamedPipeHandleState.
            ///
            /// Duplicates in this process share it. A call that waits already goes on waiting, and on Windows this waits for it.
            ///
            /// # Errors
            /// [`Status::InvalidParameter`]: reading by messages; nothing changes.
            #[doc(alias = "SetNamedPipeHandleState")]
            pub fn set_state(&self, read_mode: PipeMode, nowait: bool) -> Result<()> {
                self.handle.set_state(read_mode, nowait)
            }

            /// Another handle of the same end. Win32 equivalent: DuplicateHandle within the process.
            ///
            /// The two share modes and time-out; the end closes with the last handle.
            ///
            /// # Errors
            /// [`Status::TooManyOpenedFiles`]: no descriptor is left.
            #[doc(alias = "DuplicateHandle")]
            pub fn try_clone(&self) -> Result<$end> {
                Ok($end {
                    handle: self.handle.try_clone()?,
                })
            }
        }

        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end))
                    .field("raw", &self.handle.raw)
                    .field("size", &self.handle.end.size)
                    .finish_non_exhaustive()
            }
        }

        /// The descriptor that may be handed to another process. Reading or writing it blocks, whatever the state.
        #[cfg(unix)]
        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.handle.raw.as_fd()
            }
        }

        /// As [`AsFd`].
        #[cfg(unix)]
        impl AsRawFd for $end {
            fn as_raw_fd(&self) -> RawFd {
                self.handle.raw.as_raw_fd()
            }
        }

        /// Leaves the descriptor that may be handed to another process, and closes the rest.
        #[cfg(unix)]
        impl From<$end> for OwnedFd {
            fn from(end: $end) -> OwnedFd {
                end.handle.raw
            }
        }

        /// The handle that may be handed to another process, with its state.
        #[cfg(windows)]
        impl AsHandle for $end {
            fn as_handle(&self) -> BorrowedHandle<'_> {
                self.handle.raw.as_handle()
            }
        }

        /// As [`AsHandle`].
        #[cfg(windows)]
        impl AsRawHandle for $end {
            fn as_raw_handle(&self) -> RawHandle {
                self.handle.raw.as_raw_handle()
            }
        }

        /// Leaves the handle that may be handed to another process, and closes the rest.
        #[cfg(windows)]
        impl From<$end> for OwnedHandle {
            fn from(end: $end) -> OwnedHandle {
                end.handle.raw
            }
        }

        /// Makes it a standard stream of a child. It stays open here until the `Command` is dropped.
        impl From<$end> for Stdio {
            fn from(end: $end) -> Stdio {
                Raw::from(end).into()
            }
        }
    };
}

implement_handle!(AnonymousReader, PipeEnd::Server);
implement_handle!(AnonymousWriter, PipeEnd::Client);

/// The end of the file is `Ok(0)`.
impl io::Read for &AnonymousReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match AnonymousReader::read(self, buffer) {
            Err(error) if error.status() == Status::PipeBroken => Ok(0),
            other => Ok(other?),
        }
    }
}

/// The end of the file is `Ok(0)`.
impl io::Read for AnonymousReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut &*self, buffer)
    }
}

/// Flushing does nothing: what was written needs none to be seen.
impl io::Write for &AnonymousWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(AnonymousWriter::write(self, data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Flushing does nothing: what was written needs none to be seen.
impl io::Write for AnonymousWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(AnonymousWriter::write(self, data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
