//! The call that a thread is inside of, so that this one can be ended and no other (semantics 232).

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use npipe_core::{CallId, Status};
use npipe_shm::doorbell::Cause;

use super::{End, Home, locked};
use crate::sys::forks;

/// What a thread waits for on an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Read(CallId),
    /// A write or a flush.
    Write(CallId),
    Connect,
}

#[derive(Clone, Copy, Debug)]
struct Inside {
    /// Where the end is, which cannot go while a thread is inside.
    end: usize,
    waiting: Waiting,
    /// A connect that is to end; the others are told by their half.
    cancelled: bool,
}

/// The blocking call of one thread, as others see it. Win32 equivalent: a thread's handle given to CancelSynchronousIo.
#[derive(Debug, Default)]
pub struct BlockedCall(Mutex<Option<Inside>>);

thread_local! {
    static CURRENT: RefCell<Option<(u32, Arc<BlockedCall>)>> = const { RefCell::new(None) };
}

/// That of the calling thread.
pub fn current_blocked() -> Arc<BlockedCall> {
    CURRENT.with_borrow_mut(|current| {
        let generation = forks::generation();
        if let Some(inherited) = current.take_if(|(made, _)| *made != generation) {
            // Its lock may be held by a thread that does not exist here.
            std::mem::forget(inherited);
        }
        let (_, call) = current.get_or_insert_with(|| (generation, Arc::default()));
        Arc::clone(call)
    })
}

impl BlockedCall {
    /// What it waits for on this end.
    fn on(&self, end: &End) -> Option<Waiting> {
        let inside = *locked(&self.0);
        let here = std::ptr::from_ref(end).addr();
        inside.filter(|inside| inside.end == here).map(|inside| inside.waiting)
    }

    /// Ends a connect on this end, if that is what it waits for; the caller has the host's lock.
    pub(crate) fn cancel_connect(&self, end: &End) -> bool {
        let is_connect = self.on(end) == Some(Waiting::Connect);
        if is_connect && let Some(inside) = &mut *locked(&self.0) {
            inside.cancelled = true;
        }
        is_connect
    }

    /// Whether a connect is to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        locked(&self.0).is_some_and(|inside| inside.cancelled)
    }
}

impl End {
    /// Waits, so that others can see in what.
    pub(crate) fn blocked<T>(&self, waiting: Waiting, wait: impl FnOnce(&BlockedCall) -> T) -> T {
        let call = current_blocked();
        *locked(&call.0) = Some(Inside {
            end: std::ptr::from_ref(self).addr(),
            waiting,
            cancelled: false,
        });
        let result = wait(&call);
        *locked(&call.0) = None;
        result
    }

    /// Ends the call that a thread waits in on this end.
    ///
    /// # Errors
    /// [`Status::NotFound`]: it waits in none, any more or at all.
    pub(crate) fn cancel_blocked(&self, call: &BlockedCall) -> Result<(), Status> {
        self.require_own()?;
        let ended = match (call.on(self), &self.home) {
            (Some(Waiting::Read(id)), _) => self.reading()?.end_call(id, Status::Cancelled),
            (Some(Waiting::Write(id)), _) => self.writing()?.end_call(id, Status::Cancelled),
            (Some(Waiting::Connect), Home::Server { seat: Some(seat), .. }) => seat.cancel_connect(self, call),
            _ => false,
        };
        if !ended {
            return Err(Status::NotFound);
        }
        if let Some(link) = self.link() {
            link.sound_alarm();
            link.ring(Cause::ANY);
        }
        // What stood behind it may go on.
        self.pump();
        Ok(())
    }
}
