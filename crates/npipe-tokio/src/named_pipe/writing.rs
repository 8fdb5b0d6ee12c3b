//! Writing. What the quota has room for is in the pipe at once; the rest of the story is a *flight*: the data is copied, an
//! operation of the engine's carries it, and the next write waits for that. So a write is over when it is accepted, as with
//! tokio on Windows, and a dropped write has written nothing.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use npipe::Status;
use npipe::overlapped::engine::{self, Completion, Order, Refused, Sink, Started, Wish};
use tokio::task::coop;

use super::inner::{self, Inner};
use super::tasks::{Slot, locked};

/// No write is on its way.
const GROUNDED: u8 = 0;
/// One is.
const FLYING: u8 = 1;
/// The last one has failed, which the next one reports.
const FAILED: u8 = 2;

/// How the writes of an end go, of which one is on its way at most.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    state: AtomicU8,
    failure: Mutex<Option<Status>>,
}

impl Flight {
    fn land(&self, result: Result<(), Status>) {
        let state = match result {
            Ok(()) => GROUNDED,
            Err(status) => {
                *locked(&self.failure) = Some(status);
                FAILED
            }
        };
        self.state.store(state, Ordering::SeqCst);
    }

    /// Whether a write can begin, with the failure of the last one.
    pub(crate) fn check(&self) -> Result<bool, Status> {
        match self.state.load(Ordering::SeqCst) {
            GROUNDED => Ok(true),
            FAILED => {
                let failure = locked(&self.failure).take();
                self.forget_failure();
                failure.map_or(Ok(true), Err)
            }
            _ => Ok(false),
        }
    }

    /// What became of a connection that is over concerns nobody any more.
    pub(crate) fn forget_failure(&self) {
        // Fails where there is none.
        let _ = self
            .state
            .compare_exchange(FAILED, GROUNDED, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn take_off(&self) -> bool {
        self.state
            .compare_exchange(GROUNDED, FLYING, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

/// One write on its way: keeps its end open until its data is where it is read. Each has its own: the next one can be on its
/// way while others are still told that this is over.
struct Cargo(Mutex<Option<Arc<Inner>>>);

impl Sink for Cargo {
    fn complete(&self, completion: Completion) {
        if let Some(inner) = &*locked(&self.0) {
            inner.land(completion.result.map(drop));
        }
    }

    fn notify(&self) {
        let kept = locked(&self.0).take();
        if let Some(kept) = kept {
            kept.tasks.wake_all();
            inner::release(kept);
        }
    }
}

impl Inner {
    fn land(&self, result: Result<(), Status>) {
        self.flight.land(result);
        self.tasks.end(false);
    }

    /// Whether a write can begin, or has a failure to report.
    pub(crate) fn is_writable(&self) -> bool {
        self.flight.state.load(Ordering::SeqCst) != FLYING
    }

    /// Writes all of `data`, now or soon; `None`: another write is on its way.
    pub(crate) fn try_write(self: &Arc<Inner>, data: &[u8]) -> io::Result<Option<usize>> {
        let fail = |status| self.error(status, "write");
        if !self.flight.check().map_err(fail)? {
            return Ok(None);
        }
        match engine::try_write(&self.end, data).map_err(fail)? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.launch(data),
        }
    }

    fn launch(self: &Arc<Inner>, data: &[u8]) -> io::Result<Option<usize>> {
        // First, so that it is heard who reads.
        self.listen();
        if !self.flight.take_off() {
            return Ok(None);
        }
        self.tasks.begin(false);
        let order = Order {
            sink: Arc::new(Cargo(Mutex::new(Some(self.clone())))),
            signal: Arc::default(),
            issuer: None,
        };
        let refused = match engine::write(&self.end, data.to_vec().into(), order) {
            Ok(Started::Pending(_)) => return Ok(Some(data.len())),
            Ok(Started::Complete(_)) => None,
            Err(Refused { status, .. }) => Some(status),
        };
        self.land(Ok(()));
        match refused {
            Some(status) => Err(self.error(status, "write")),
            None => Ok(Some(data.len())),
        }
    }

    pub(crate) fn poll_write(self: &Arc<Inner>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let coop = ready!(coop::poll_proceed(cx));
        let mut tried = self.try_write(data);
        if let Ok(None) = tried {
            ready!(self.rest(cx, Slot::Write, Wish::Room, || {
                engine::pump(&self.end);
                tried = self.try_write(data);
                !matches!(tried, Ok(None))
            }));
        }
        coop.made_progress();
        match tried {
            Ok(Some(bytes)) => Poll::Ready(Ok(bytes)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// The parts of a write as one: a message is not to be cut where its parts meet.
    pub(crate) fn try_write_vectored(self: &Arc<Inner>, parts: &[io::IoSlice<'_>]) -> io::Result<Option<usize>> {
        match joined(parts) {
            Joined::One(part) => self.try_write(part),
            Joined::Many(whole) => self.try_write(&whole),
        }
    }

    pub(crate) fn poll_write_vectored(
        self: &Arc<Inner>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match joined(parts) {
            Joined::One(part) => self.poll_write(cx, part),
            Joined::Many(whole) => self.poll_write(cx, &whole),
        }
    }
}

enum Joined<'a> {
    One(&'a [u8]),
    Many(Vec<u8>),
}

fn joined<'a>(parts: &'a [io::IoSlice<'_>]) -> Joined<'a> {
    let mut filled = parts.iter().filter(|part| !part.is_empty());
    match (filled.next(), filled.next()) {
        (None, _) => Joined::One(&[]),
        (Some(part), None) => Joined::One(part),
        _ => Joined::Many(parts.iter().flat_map(|part| part.iter().copied()).collect()),
    }
}
