//! An end of the system's pipe, made to behave as Windows' does.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use npipe_core::Status;

use super::turn::Turn;
use super::{PEEK, READ, STATE, TAKE_OVER, WRITE, lock, no_end};
use crate::error::{Error, Result};
use crate::info::{PipeEnd, PipeMode, PipeState};
use crate::stream::Peeked;
use crate::sys::SysResult;
use crate::sys::anonymous::{self as channel, Transfer};

/// Makes the two ends of a pipe, each with what is given away of it; the reading one first.
pub(super) fn pair(size: u32) -> Result<[(OwnedFd, End); 2]> {
    let make = || {
        let (reader, writer) = channel::pipe(usize::try_from(size).unwrap_or(usize::MAX))?;
        Ok([
            End::new(reader, PipeEnd::Server, size)?,
            End::new(writer, PipeEnd::Client, size)?,
        ])
    };
    make().map_err(|error| Error::from_sys(error, super::CREATE))
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
pub(super) struct End {
    /// The private description, by which this process reads or writes. It never blocks.
    channel: OwnedFd,
    role: PipeEnd,
    /// Bytes, as given.
    pub(super) size: u32,
    nowait: AtomicBool,
    timeout: Mutex<Option<Duration>>,
    /// Whose turn it is to write: the bytes of one write stay together (semantics 124).
    writing: Turn,
}

impl End {
    /// The two descriptions of an end of a pipe of the system's: the private one, and the one that is given away.
    fn new(given_away: OwnedFd, role: PipeEnd, size: u32) -> SysResult<(OwnedFd, End)> {
        let private = match role {
            PipeEnd::Server => channel::private_reader(given_away.as_fd())?,
            PipeEnd::Client => channel::private_writer(given_away.as_fd())?,
        };
        let end = End {
            channel: private,
            role,
            size,
            nowait: AtomicBool::new(false),
            timeout: Mutex::new(None),
            writing: Turn::default(),
        };
        Ok((given_away, end))
    }

    /// Makes the private description of an end that came from elsewhere.
    pub(super) fn take_over(fd: OwnedFd, role: PipeEnd, size: u32) -> Result<(OwnedFd, End)> {
        let failed = |error| Error::from_sys(error, TAKE_OVER);
        let writes = role == PipeEnd::Client;
        if !channel::is_end(fd.as_fd(), writes).map_err(failed)? {
            return Err(Error::new(Status::InvalidHandle, TAKE_OVER).because(no_end(role)));
        }
        End::new(fd, role, size).map_err(failed)
    }

    pub(super) fn set_timeout(&self, timeout: Option<Duration>) {
        *lock(&self.timeout) = timeout;
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        const OPERATION: &str = READ;
        let patience = self.patience();
        loop {
            match self.take(buffer).map_err(|error| Error::from_sys(error, OPERATION))? {
                Transfer::Moved(bytes) => return Ok(bytes),
                Transfer::Closed => return Err(Error::new(Status::PipeBroken, OPERATION)),
                Transfer::WouldWait => {}
            }
            let Patience::Until(deadline) = patience else {
                return Err(Error::new(Status::PipeEmpty, OPERATION));
            };
            let came = channel::wait_readable_until(self.channel.as_fd(), deadline);
            if !came.map_err(|error| Error::from_sys(error, OPERATION))? {
                return Err(Error::new(Status::IoTimeout, OPERATION));
            }
        }
    }

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

    pub(super) fn peek(&self, buffer: &mut [u8]) -> Result<Peeked> {
        let failed = |error| Error::from_sys(error, PEEK);
        let Some(total) = self.available().map_err(failed)? else {
            return Err(Error::new(Status::PipeBroken, PEEK));
        };
        let bytes = match buffer.len().min(total) {
            0 => 0,
            wanted => channel::copy_unread(self.channel.as_fd(), &mut buffer[..wanted]).map_err(failed)?,
        };
        Ok(Peeked { bytes, total, left: 0 })
    }

    pub(super) fn write(&self, data: &[u8]) -> Result<usize> {
        const OPERATION: &str = WRITE;
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

    pub(super) fn state(&self) -> Result<PipeState> {
        let server_gone = self.role == PipeEnd::Client
            && channel::is_other_end_closed(self.channel.as_fd()).map_err(|error| Error::from_sys(error, STATE))?;
        Ok(PipeState {
            read_mode: PipeMode::Byte,
            nowait: self.nowait.load(Ordering::Relaxed),
            // semantics 189
            instances: if server_gone { 0 } else { 1 },
        })
    }

    pub(super) fn set_nowait(&self, nowait: bool) -> Result<()> {
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
