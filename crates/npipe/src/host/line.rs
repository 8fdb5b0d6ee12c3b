//! A line between two processes that serve the same name: messages and descriptors, both ways, without waiting.
//!
//! What the socket does not take at once waits here, in order, and goes when there is room.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use npipe_core::handshake::{Decoder, Message, Serving};

use crate::background;
use crate::sys::forks::{self, ProcessFd};
use crate::sys::{SysResult, socket};

/// So many bytes may wait for the other side; one that has not read for so long is stopped.
const MAX_UNSENT_BYTES: usize = 256 * 1024;

/// What is being sent.
#[derive(Debug)]
struct Parcel {
    bytes: Vec<u8>,
    sent: usize,
    descriptor: Option<Arc<ProcessFd>>,
}

/// One side of a line.
#[derive(Debug)]
pub(crate) struct Line {
    socket: Arc<ProcessFd>,
    decoder: Decoder,
    brings: Brings,
    descriptors: VecDeque<ProcessFd>,
    parcels: VecDeque<Parcel>,
    unsent_bytes: usize,
    /// The number under which the background thread watches the socket.
    token: Option<u64>,
    /// Whether it also watches for room.
    waits_for_room: bool,
    /// Whether there is more to do for it than was done. That its socket has room is told again and again until it is.
    deferred: bool,
    generation: u32,
}

/// What is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brings {
    /// Messages, and descriptors with some: from the leader.
    Descriptors,
    /// Messages alone: from a member.
    Messages,
}

/// The other side has hung up, or sent what makes no sense: nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut;

impl Line {
    /// A line over a socket, of which `decoder` may hold what has been received already.
    pub(super) fn new(socket: Arc<ProcessFd>, decoder: Decoder, brings: Brings) -> Line {
        Line {
            socket,
            decoder,
            brings,
            descriptors: VecDeque::new(),
            parcels: VecDeque::new(),
            unsent_bytes: 0,
            token: None,
            waits_for_room: false,
            deferred: false,
            generation: forks::generation(),
        }
    }

    /// From now on the background thread looks after it.
    pub(crate) fn watched_as(&mut self, token: u64) {
        self.token = Some(token);
        self.watch_for_room();
    }

    fn watch_for_room(&mut self) {
        let wanted = !self.is_clear() || self.deferred;
        if let Some(token) = self.token
            && wanted != self.waits_for_room
        {
            self.waits_for_room = wanted;
            background::watch_for_room(&self.socket, token, wanted);
        }
    }

    pub(crate) fn socket(&self) -> &Arc<ProcessFd> {
        &self.socket
    }

    /// Whether everything was sent.
    pub(super) fn is_clear(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Sends a message after all others. Where that fails the line ends, as both sides hear: nothing is kept for it.
    pub(super) fn send(&mut self, message: Serving, descriptor: Option<Arc<ProcessFd>>) -> Result<(), Cut> {
        debug_assert_eq!(descriptor.is_some(), message.brings_descriptor());
        let bytes = Message::Serving(message).encode();
        self.unsent_bytes += bytes.len();
        self.parcels.push_back(Parcel {
            bytes,
            sent: 0,
            descriptor,
        });
        let result = match self.flush() {
            Ok(()) if self.unsent_bytes > MAX_UNSENT_BYTES => Err(Cut),
            other => other,
        };
        result.inspect_err(|_| {
            self.parcels.clear();
            self.unsent_bytes = 0;
            socket::shutdown(self.socket.as_fd());
        })
    }

    /// Has the background thread come back to this line, once others have had their turn.
    pub(super) fn defer(&mut self, deferred: bool) {
        self.deferred = deferred;
        self.watch_for_room();
    }

    /// Sends what there is room for.
    pub(super) fn flush(&mut self) -> Result<(), Cut> {
        let result = self.send_parcels();
        self.watch_for_room();
        result
    }

    fn send_parcels(&mut self) -> Result<(), Cut> {
        while let Some(parcel) = self.parcels.front_mut() {
            let descriptor = parcel.descriptor.as_ref().map(|descriptor| descriptor.as_fd());
            let rest = &parcel.bytes[parcel.sent..];
            match socket::send(self.socket.as_fd(), rest, descriptor) {
                Ok(Some(sent)) => {
                    parcel.descriptor = None;
                    parcel.sent += sent;
                    self.unsent_bytes -= sent;
                    if parcel.sent == parcel.bytes.len() {
                        self.parcels.pop_front();
                    }
                }
                Ok(None) => return Ok(()),
                Err(_) => return Err(Cut),
            }
        }
        Ok(())
    }

    /// The next message that has arrived, and the descriptor that it brings.
    pub(super) fn receive(&mut self) -> Result<Option<(Serving, Option<ProcessFd>)>, Cut> {
        let mut buffer = [0; 4096];
        loop {
            match self.decoder.next_message().map_err(|_| Cut)? {
                Some(Message::Serving(serving)) => {
                    let descriptor = match serving.brings_descriptor() {
                        true => Some(self.descriptors.pop_front().ok_or(Cut)?),
                        false => None,
                    };
                    return Ok(Some((serving, descriptor)));
                }
                // From a later version, which must not rely on our knowing it.
                Some(Message::Unknown { .. }) => continue,
                Some(_) => return Err(Cut),
                None => {}
            }
            let received = match self.brings {
                Brings::Messages => socket::recv(self.socket.as_fd(), &mut buffer),
                Brings::Descriptors => self.receive_both(&mut buffer),
            };
            match received {
                Ok(None) => return Ok(None),
                Ok(Some(0)) | Err(_) => return Err(Cut),
                Ok(Some(bytes)) => self.decoder.push(&buffer[..bytes]),
            }
        }
    }

    fn receive_both(&mut self, buffer: &mut [u8]) -> SysResult<Option<usize>> {
        let received = socket::recv_descriptor(self.socket.as_fd(), buffer)?;
        Ok(received.map(|received| {
            self.descriptors.extend(received.descriptor);
            received.bytes
        }))
    }

    /// The next message, waiting for it; `None` when the deadline passes first.
    pub(super) fn receive_until(&mut self, deadline: Instant) -> Result<Option<(Serving, Option<ProcessFd>)>, Cut> {
        loop {
            if let Some(received) = self.receive()? {
                return Ok(Some(received));
            }
            match socket::wait_readable(self.socket.as_fd(), deadline) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(None),
                Err(_) => return Err(Cut),
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A forked child has nothing to do with it, and counts other tokens.
        if self.generation != forks::generation() {
            return;
        }
        if let Some(token) = self.token {
            background::unwatch_line(&self.socket, token);
        }
        // Whoever else holds a copy of the socket, a forked child perhaps, the other side hears of it.
        socket::shutdown(self.socket.as_fd());
    }
}
