//! Ends of pipes as objects.
//!
//! What an end does is npipe's; here is what a handle adds: how many there are, whether its calls may be overlapped, and
//! the signal that waits for it see. The signal is the file object's of Windows: on from the beginning, off while a call is
//! inside, and off on a client whose server has disconnected it, until an operation that this has ended turns it on again.

mod anonymous;
pub(crate) mod create;
pub(crate) mod local;
pub(crate) mod named;
pub(crate) mod state;
pub(crate) mod transfer;

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use npipe::{PipeClient, PipeServer, PipeStream, Status};

use crate::dispatch::{Waitable, locked};
use crate::failure::{Failure, Outcome};
use crate::operations::Pending;
use crate::sanitizer::Channel;
pub(crate) use anonymous::AnonymousEnd;

/// Which end it is.
pub(crate) enum Side {
    Server(PipeServer),
    Client(PipeClient),
}

/// An end of a named pipe.
pub(crate) struct PipeEnd {
    pub(crate) side: Side,
    /// Opened with FILE_FLAG_OVERLAPPED.
    pub(crate) overlapped: bool,
    gate: Arc<Waitable>,
    /// Whether the disconnect of a client has ended an operation that signals the handle.
    signaled_dead: Mutex<bool>,
    /// Where a sanitizer sees it meet the other end.
    pub(crate) channel: Channel,
    /// Its overlapped operations.
    pub(crate) pending: Pending,
    /// A client whose server is this process too.
    is_local: AtomicBool,
    handles: AtomicUsize,
}

impl PipeEnd {
    /// A new end, which has met others already when it was created or opened.
    pub(crate) fn new(side: Side, overlapped: bool, channel: Channel) -> Arc<PipeEnd> {
        channel.acquire();
        let end = Arc::new(PipeEnd {
            side,
            overlapped,
            gate: Waitable::gate(),
            signaled_dead: Mutex::new(false),
            channel,
            pending: Pending::default(),
            is_local: AtomicBool::new(false),
            handles: AtomicUsize::new(0),
        });
        local::enter(&end);
        end
    }

    pub(crate) fn opened(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.channel.release();
            self.close();
            local::leave(self);
        }
    }

    /// The server's end.
    ///
    /// # Errors
    /// ERROR_INVALID_FUNCTION for a client's.
    // semantics 65, 179
    pub(crate) fn server(&self) -> Outcome<&PipeServer> {
        match &self.side {
            Side::Server(server) => Ok(server),
            Side::Client(_) => Err(Failure::from(Status::IllegalFunction)),
        }
    }

    /// The signal of its handles.
    pub(crate) fn gate(&self) -> &Waitable {
        &self.gate
    }

    /// An operation without an event is over, and signals the handle (semantics 221).
    pub(crate) fn signal(&self, disconnected: bool) {
        if disconnected {
            // Whoever takes a look at the client now closes no gate that is open for this.
            *locked(&self.signaled_dead) = true;
        }
        self.gate.open_gate();
    }

    pub(crate) fn waitable(&self) -> Arc<Waitable> {
        // semantics 174
        if let Side::Client(client) = &self.side
            && client
                .info()
                .is_err_and(|error| error.status() == Status::PipeDisconnected)
        {
            let signaled = locked(&self.signaled_dead);
            if !*signaled {
                self.gate.close_gate();
            }
        }
        Arc::clone(&self.gate)
    }

    /// Runs a call that may block: the handle is not signaled meanwhile.
    #[inline]
    pub(crate) fn inside<T, E: From<npipe::Error>>(&self, act: impl FnOnce() -> npipe::Result<T>) -> Result<T, E> {
        self.gate.close_gate();
        self.channel.release();
        let result = act();
        self.channel.acquire();
        self.gate.open_gate();
        local::settle();
        Ok(result?)
    }
}

impl Deref for PipeEnd {
    type Target = PipeStream;

    fn deref(&self) -> &PipeStream {
        match &self.side {
            Side::Server(server) => server,
            Side::Client(client) => client,
        }
    }
}
