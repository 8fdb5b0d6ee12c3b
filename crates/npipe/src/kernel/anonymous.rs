//! An end of an anonymous pipe of the kernel's.
//!
//! Its calls block, and the kernel has those of one end wait for each other; with a time-out they wait for their turn here, since
//! that the kernel's own wait for it cannot be ended.

use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use npipe_core::Status;

use super::turn::Turn;
use super::{CREATE, PEEK, READ, SET_STATE, STATE, TAKE_OVER, WRITE, lock, no_end};
use crate::error::{Error, Result};
use crate::info::{PipeEnd, PipeMode, PipeState};
use crate::kernel::{Failure, asked};
use crate::stream::Peeked;
use crate::sys::{CodeResult, anonymous as channel, pipe};

/// What the handles of one end share. Closed with the last of them.
pub(super) struct End {
    handle: OwnedHandle,
    /// Bytes, as given.
    pub(super) size: u32,
    timeout: Mutex<Option<Duration>>,
    turn: Turn,
}

/// Makes the two ends of a pipe, each with what is given away of it; the reading one first.
pub(super) fn pair(size: u32) -> Result<[(OwnedHandle, End); 2]> {
    let (reader, writer) = asked(channel::create(size), &[]).map_err(|failure| failure.error(CREATE))?;
    Ok([End::new(reader, size, CREATE)?, End::new(writer, size, CREATE)?])
}

impl End {
    fn new(given_away: OwnedHandle, size: u32, operation: &'static str) -> Result<(OwnedHandle, End)> {
        let handle = given_away.try_clone().map_err(|error| {
            let error = crate::sys::SysError::new("duplicate a handle", error);
            Error::from_sys(error, operation)
        })?;
        let end = End {
            handle,
            size,
            timeout: Mutex::new(None),
            turn: Turn::default(),
        };
        Ok((given_away, end))
    }

    /// An end that came from elsewhere.
    pub(super) fn take_over(handle: OwnedHandle, role: PipeEnd, size: u32) -> Result<(OwnedHandle, End)> {
        if !channel::is_end(handle.as_handle(), role == PipeEnd::Client) {
            return Err(Error::new(Status::InvalidHandle, TAKE_OVER).because(no_end(role)));
        }
        End::new(handle, size, TAKE_OVER)
    }

    pub(super) fn set_timeout(&self, timeout: Option<Duration>) {
        *lock(&self.timeout) = timeout;
    }

    /// Makes a call when it is this thread's turn.
    fn call<T>(&self, call: impl FnOnce(Option<Instant>) -> CodeResult<T>) -> std::result::Result<T, Failure> {
        let deadline = lock(&self.timeout).and_then(|timeout| Instant::now().checked_add(timeout));
        match self.turn.take_until(deadline) {
            Some(_turn) => asked(call(deadline), &[]),
            None => Err(Status::IoTimeout.into()),
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.call(|deadline| channel::read(self.handle.as_handle(), buffer, deadline));
        read.map_err(|failure| match failure.status() {
            // Of the two that share a code.
            Status::PipeClosing => Error::new(Status::PipeEmpty, READ),
            _ => failure.error(READ),
        })
    }

    pub(super) fn peek(&self, buffer: &mut [u8]) -> Result<Peeked> {
        let seen = asked(pipe::peek(self.handle.as_handle(), buffer), &[]);
        let [bytes, total, _] = seen.map_err(|failure| failure.error(PEEK))?;
        Ok(Peeked {
            bytes: bytes as usize,
            total: total as usize,
            left: 0,
        })
    }

    pub(super) fn write(&self, data: &[u8]) -> Result<usize> {
        if u32::try_from(data.len()).is_err() {
            return Err(Error::new(Status::InvalidParameter, WRITE));
        }
        self.call(|deadline| channel::write(self.handle.as_handle(), data, deadline))
            .map_err(|failure| failure.error(WRITE))
    }

    pub(super) fn state(&self) -> Result<PipeState> {
        let now = asked(pipe::changing(self.handle.as_handle()), &[]).map_err(|failure| failure.error(STATE))?;
        Ok(PipeState {
            read_mode: PipeMode::Byte,
            nowait: now.nowait,
            instances: now.instances,
        })
    }

    pub(super) fn set_nowait(&self, nowait: bool) -> Result<()> {
        let set = asked(pipe::set_modes(self.handle.as_handle(), false, nowait), &[]);
        set.map_err(|failure| failure.error(SET_STATE))
    }
}
