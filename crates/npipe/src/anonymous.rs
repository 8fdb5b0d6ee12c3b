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
//! The system's pipe knows neither quotas nor waiting calls:
//! * A write that waits returns when its last byte is in the pipe, which holds up to four times the size asked for, not
//!   when all but that size has been read. What fits in the size never waits, and with PIPE_NOWAIT the size counts
//!   exactly, up to the system's limits (by default 512 KiB for a user without privileges).
//! * What a write has put into the pipe cannot be taken back. One that times out returns how much that was.
//! * Writes of this process do not mix. With those of other processes they do if they are longer than 4096 bytes.
//! * A reader that waits does not make room for a write with PIPE_NOWAIT.
//! * An end that was handed to another process has neither modes nor time-outs there: it is a descriptor that blocks.

mod take_over;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use npipe_core::Status;

use crate::error::{Error, Result};
use crate::info::{PipeEnd, PipeInfo, PipeMode, PipeState};
use crate::stream::Peeked;
use crate::sys::SysResult;
use crate::sys::anonymous::{self as channel, Transfer};

/// The size of a pipe whose size was given as 0.
const DEFAULT_SIZE: u32 = 4096;

/// Creates an anonymous pipe that holds `size` bytes; 0 stands for 4096. Win32 equivalent: CreatePipe.
///
/// The read end is the server end and the write end the client end of a byte pipe with one instance. Children do not
/// inherit them unless they are given them.
///
/// # Errors
/// * [`Status::TooManyOpenedFiles`]: no descriptors are left; a pipe needs four.
/// * [`Status::ObjectPathNotFound`]: /proc is not mounted.
/// * [`Status::SystemError`]: the system refused the pipe for another reason, which is the source of the error.
#[doc(alias = "CreatePipe")]
pub fn pipe(size: u32) -> Result<(AnonymousReader, AnonymousWriter)> {
    let size = if size == 0 { DEFAULT_SIZE } else { size };
    let (read_fd, write_fd) = create(size).map_err(|error| Error::from_sys(error, "create an anonymous pipe"))?;
    Ok((
        AnonymousReader {
            handle: Handle::new(read_fd, PipeEnd::Server, size),
        },
        AnonymousWriter {
            handle: Handle::new(write_fd, PipeEnd::Client, size),
        },
    ))
}

/// The two descriptions of one end.
struct Descriptions {
    given_away: OwnedFd,
    private: OwnedFd,
}

fn create(size: u32) -> SysResult<(Descriptions, Descriptions)> {
    let (reader, writer) = channel::pipe(usize::try_from(size).unwrap_or(usize::MAX))?;
    let private_reader = channel::private_reader(reader.as_fd())?;
    let private_writer = channel::private_writer(writer.as_fd())?;
    Ok((
        Descriptions {
            given_away: reader,
            private: private_reader,
        },
        Descriptions {
            given_away: writer,
            private: private_writer,
        },
    ))
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
        const OPERATION: &str = "read from an anonymous pipe";
        let end = &*self.handle.end;
        let patience = end.patience();
        loop {
            match end.take(buffer).map_err(|error| Error::from_sys(error, OPERATION))? {
                Transfer::Moved(bytes) => return Ok(bytes),
                Transfer::Closed => return Err(Error::new(Status::PipeBroken, OPERATION)),
                Transfer::WouldWait => {}
            }
            let Patience::Until(deadline) = patience else {
                return Err(Error::new(Status::PipeEmpty, OPERATION));
            };
            let came = channel::wait_readable_until(end.channel.as_fd(), deadline);
            if !came.map_err(|error| Error::from_sys(error, OPERATION))? {
                return Err(Error::new(Status::IoTimeout, OPERATION));
            }
        }
    }

    /// Looks at what there is without taking it. Never waits. Win32 equivalent: PeekNamedPipe.
    ///
    /// # Errors
    /// * [`Status::PipeBroken`]: the end of the file.
    /// * [`Status::TooManyOpenedFiles`]: no descriptors are left; with a buffer that is not empty, two are needed.
    #[doc(alias = "PeekNamedPipe")]
    pub fn peek(&self, buffer: &mut [u8]) -> Result<Peeked> {
        const OPERATION: &str = "peek at an anonymous pipe";
        let seen = self
            .handle
            .end
            .peek(buffer)
            .map_err(|error| Error::from_sys(error, OPERATION))?;
        seen.ok_or_else(|| Error::new(Status::PipeBroken, OPERATION))
    }

    /// How long reads wait; `None`, as at first, for ever. Duplicates share it. No Win32 equivalent.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        *lock(&self.handle.end.timeout) = timeout;
    }
}

impl AnonymousWriter {
    /// Writes all of `data`, waiting for room. Win32 equivalent: WriteFile.
    ///
    /// With PIPE_NOWAIT the result is 0 if `data` does not fit. After a time-out it is what fitted; if that was nothing,
    /// the call fails. Raises no SIGPIPE.
    ///
    /// # Errors
    /// * [`Status::PipeClosing`]: every copy of the read end is closed; [`Status::PipeBroken`]: that happened while the
    ///   call waited.
    /// * [`Status::IoTimeout`]: there was no room in time.
    #[doc(alias = "WriteFile")]
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        self.handle.end.write(data)
    }

    /// How long writes wait; `None`, as at first, for ever. Duplicates share it. No Win32 equivalent.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) {
        *lock(&self.handle.end.timeout) = timeout;
    }
}

/// One handle of an end: what is given away, and what all handles of the end in this process share.
struct Handle {
    fd: OwnedFd,
    end: Arc<End>,
}

impl Handle {
    fn new(fds: Descriptions, role: PipeEnd, size: u32) -> Handle {
        let Descriptions { given_away, private } = fds;
        let end = End {
            channel: private,
            role,
            size,
            nowait: AtomicBool::new(false),
            timeout: Mutex::new(None),
            writing: Turn::default(),
        };
        Handle {
            fd: given_away,
            end: Arc::new(end),
        }
    }

    fn try_clone(&self) -> Result<Handle> {
        let fd = self.fd.try_clone().map_err(|error| {
            Error::from_sys(
                crate::sys::SysError::new("duplicate a descriptor", error),
                "duplicate an anonymous pipe",
            )
        })?;
        Ok(Handle {
            fd,
            end: Arc::clone(&self.end),
        })
    }
}

/// How long a call waits.
#[derive(Clone, Copy)]
enum Patience {
    /// Not at all: PIPE_NOWAIT.
    None,
    /// Until then, or for ever.
    Until(Option<Instant>),
}

/// What the handles of one end share. Closed with the last of them.
struct End {
    /// The private description, by which this process reads or writes. It never blocks.
    channel: OwnedFd,
    role: PipeEnd,
    /// Bytes, as given.
    size: u32,
    nowait: AtomicBool,
    timeout: Mutex<Option<Duration>>,
    /// Whose turn it is to write: the bytes of one write stay together (semantics 124).
    writing: Turn,
}

impl End {
    fn patience(&self) -> Patience {
        if self.nowait.load(Ordering::Relaxed) {
            return Patience::None;
        }
        Patience::Until(lock(&self.timeout).and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// A read that does not wait.
    fn take(&self, buffer: &mut [u8]) -> SysResult<Transfer> {
        if !buffer.is_empty() {
            return channel::read(self.channel.as_fd(), buffer);
        }
        // A read of nothing waits for data and takes none (semantics 94, 95, 188).
        Ok(match self.available()? {
            None => Transfer::Closed,
            Some(0) => Transfer::WouldWait,
            Some(_) => Transfer::Moved(0),
        })
    }

    /// How much there is to read; `None` at the end of the file.
    fn available(&self) -> SysResult<Option<usize>> {
        // In this order: what was written before the last writer closed is seen.
        let closed = channel::is_other_end_closed(self.channel.as_fd())?;
        let unread = channel::unread(self.channel.as_fd())?;
        Ok(if closed && unread == 0 { None } else { Some(unread) })
    }

    /// `None` at the end of the file.
    fn peek(&self, buffer: &mut [u8]) -> SysResult<Option<Peeked>> {
        let Some(total) = self.available()? else {
            return Ok(None);
        };
        let bytes = match buffer.len().min(total) {
            0 => 0,
            wanted => channel::copy_unread(self.channel.as_fd(), &mut buffer[..wanted])?,
        };
        Ok(Some(Peeked { bytes, total, left: 0 }))
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        const OPERATION: &str = "write to an anonymous pipe";
        let refused = |error| Error::from_sys(error, OPERATION);
        let fd = self.channel.as_fd();
        let patience = self.patience();
        // Writes of nothing pass those that wait, and fail as they do (semantics 125, 185).
        if data.is_empty() || matches!(patience, Patience::None) {
            if channel::is_other_end_closed(fd).map_err(refused)? {
                return Err(Error::new(Status::PipeClosing, OPERATION));
            }
            if data.is_empty() {
                return Ok(0);
            }
        }
        let turn = match patience {
            Patience::None => self.writing.take_if_free(),
            Patience::Until(deadline) => self.writing.take_until(deadline),
        };
        let Some(turn) = turn else {
            return nothing_written(patience, OPERATION);
        };
        if matches!(patience, Patience::None) && !self.fits(data.len()).map_err(refused)? {
            return Ok(0);
        }
        let mut has_waited = turn.has_waited;
        let mut written = 0;
        while written < data.len() {
            match channel::write(fd, &data[written..]).map_err(refused)? {
                Transfer::Moved(bytes) => written += bytes,
                // semantics 185, 186, 191
                Transfer::Closed if has_waited || written > 0 => return Err(Error::new(Status::PipeBroken, OPERATION)),
                Transfer::Closed => return Err(Error::new(Status::PipeClosing, OPERATION)),
                Transfer::WouldWait => {
                    has_waited = true;
                    let has_room = match patience {
                        // Another process was faster.
                        Patience::None => false,
                        Patience::Until(deadline) => channel::wait_writable_until(fd, deadline).map_err(refused)?,
                    };
                    if !has_room {
                        break;
                    }
                }
            }
        }
        if written == 0 {
            nothing_written(patience, OPERATION)
        } else {
            Ok(written)
        }
    }

    /// Whether `bytes` more stay within the size that was given, or that the system allowed (semantics 134).
    fn fits(&self, bytes: usize) -> SysResult<bool> {
        let given = usize::try_from(self.size).unwrap_or(usize::MAX);
        let quota = given.min(channel::holds(self.channel.as_fd())?);
        Ok(channel::unread(self.channel.as_fd())?.saturating_add(bytes) <= quota)
    }

    fn info(&self) -> PipeInfo {
        PipeInfo {
            mode: PipeMode::Byte,
            end: self.role,
            max_instances: 1,
            out_buffer_size: self.size,
            in_buffer_size: self.size,
        }
    }

    fn state(&self) -> Result<PipeState> {
        let server_gone = self.role == PipeEnd::Client
            && channel::is_other_end_closed(self.channel.as_fd())
                .map_err(|error| Error::from_sys(error, "look at the state of an anonymous pipe"))?;
        Ok(PipeState {
            read_mode: PipeMode::Byte,
            nowait: self.nowait.load(Ordering::Relaxed),
            // semantics 189
            instances: if server_gone { 0 } else { 1 },
        })
    }

    fn set_state(&self, read_mode: PipeMode, nowait: bool) -> Result<()> {
        if read_mode == PipeMode::Message {
            return Err(
                Error::new(Status::InvalidParameter, "set the state of an anonymous pipe")
                    .because("anonymous pipes carry bytes, so they cannot be read by messages"),
            );
        }
        self.nowait.store(nowait, Ordering::Relaxed);
        Ok(())
    }
}

/// The result of a write that found no room for a single byte.
fn nothing_written(patience: Patience, operation: &'static str) -> Result<usize> {
    match patience {
        Patience::None => Ok(0),
        Patience::Until(_) => Err(Error::new(Status::IoTimeout, operation)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lock that is held while a thread waits, so that those behind it wait no longer than they want to.
#[derive(Default)]
struct Turn {
    taken: Mutex<bool>,
    given_back: Condvar,
}

struct TurnGuard<'a> {
    turn: &'a Turn,
    has_waited: bool,
}

impl Turn {
    fn take_if_free(&self) -> Option<TurnGuard<'_>> {
        let mut taken = lock(&self.taken);
        if *taken {
            return None;
        }
        *taken = true;
        Some(TurnGuard {
            turn: self,
            has_waited: false,
        })
    }

    /// `None` when the deadline came first.
    fn take_until(&self, deadline: Option<Instant>) -> Option<TurnGuard<'_>> {
        let mut taken = lock(&self.taken);
        let has_waited = *taken;
        while *taken {
            taken = match deadline {
                None => self.given_back.wait(taken).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    self.given_back
                        .wait_timeout(taken, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        *taken = true;
        Some(TurnGuard { turn: self, has_waited })
    }
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        *lock(&self.turn.taken) = false;
        self.turn.given_back.notify_one();
    }
}

/// What both ends can do, and what they convert into.
macro_rules! implement_handle {
    ($end:ident) => {
        impl $end {
            /// What is fixed about the pipe. Win32 equivalent: GetNamedPipeInfo.
            #[doc(alias = "GetNamedPipeInfo")]
            pub fn info(&self) -> PipeInfo {
                self.handle.end.info()
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
            /// Duplicates in this process share it. A call that waits already goes on waiting.
            ///
            /// # Errors
            /// [`Status::InvalidParameter`]: reading by messages; nothing changes.
            #[doc(alias = "SetNamedPipeHandleState")]
            pub fn set_state(&self, read_mode: PipeMode, nowait: bool) -> Result<()> {
                self.handle.end.set_state(read_mode, nowait)
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
                    .field("fd", &self.handle.fd.as_raw_fd())
                    .field("size", &self.handle.end.size)
                    .finish_non_exhaustive()
            }
        }

        /// The descriptor that may be handed to another process. Reading or writing it blocks, whatever the state.
        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.handle.fd.as_fd()
            }
        }

        /// As [`AsFd`].
        impl AsRawFd for $end {
            fn as_raw_fd(&self) -> RawFd {
                self.handle.fd.as_raw_fd()
            }
        }

        /// Leaves the descriptor that may be handed to another process, and closes the rest.
        impl From<$end> for OwnedFd {
            fn from(end: $end) -> OwnedFd {
                end.handle.fd
            }
        }

        /// Makes it a standard stream of a child. It stays open here until the `Command` is dropped.
        impl From<$end> for Stdio {
            fn from(end: $end) -> Stdio {
                OwnedFd::from(end).into()
            }
        }
    };
}

implement_handle!(AnonymousReader);
implement_handle!(AnonymousWriter);

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
