//! For surfaces that wait in their own way, those of asynchronous runtimes above all: calls that never wait, and what to
//! watch until they are worth another try.
//!
//! A task that finds nothing to do 1. leaves word where its [`Attendant`], or whoever watches the [`Bell`], wakes it,
//! 2. calls [`await_ring`], 3. tries once more, and only then sleeps. The peer publishes, looks whether it is to ring, and
//! sends one byte on the connection's socket: as with threads, one of the two sees what the other has done.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use npipe_core::{CallId, ReadOutcome, Status};

use crate::PipeStream;
use crate::end::End;
use crate::end::link::{Link, Wish};
use crate::error::Error;

/// Who looks after an end besides the library. A panic in the middle of its work leaves it fit to be used, as an end is.
pub trait Attendant: Send + Sync + RefUnwindSafe {
    /// The peer has rung, has come, or has gone: whoever waits tries again.
    ///
    /// Called by the library's background thread, with no lock held. It wakes tasks and waits for nobody.
    fn rung(&self);
}

/// Has `attendant` told what the background thread hears of an end. The first one of an end stays.
pub fn attend(stream: &PipeStream, attendant: Weak<dyn Attendant>) {
    let _ = stream.end.calls.attendant.set(attendant);
}

/// Reads what there is, and never waits; `None`: there is nothing yet. With `patient`, looks for a moment whether something
/// comes, for as long as the end's options allow and as it has paid off lately.
///
/// A message that is larger than 4 MiB may come in pieces, of which all but the last have more.
///
/// # Errors
/// As [`PipeStream::read`], but for those of waiting. PIPE_NOWAIT makes no difference.
#[inline]
pub fn try_read(stream: &PipeStream, into: &mut [u8], patient: bool) -> Result<Option<ReadOutcome>, Status> {
    stream.end.try_read(into, patient)
}

/// Writes all of `data` if the quota allows that now; `None`: it does not, and nothing is written.
///
/// # Errors
/// As [`PipeStream::write`], but for those of waiting.
#[inline]
pub fn try_write(stream: &PipeStream, data: &[u8]) -> Result<Option<usize>, Status> {
    stream.end.try_write(data)
}

/// Whether [`try_read`] has a result to give, an error included.
pub fn is_readable(stream: &PipeStream) -> bool {
    stream.end.is_readable()
}

/// The error that a surface reports for a status of the engine.
#[cold]
pub fn error(stream: &PipeStream, status: Status, operation: &'static str) -> Error {
    Error::new(status, operation).about(&stream.end.shape.name)
}

/// Has the peer ring, once, when there is something to do for what `wish` says. `false`: there is no connection.
pub fn await_ring(stream: &PipeStream, wish: Wish) -> bool {
    match stream.end.link() {
        Some(link) => {
            stream.end.await_ring(&link, wish);
            true
        }
        None => false,
    }
}

/// The peer has rung: has the processor fetch what a read is about to look at, and what it answers into, while the task that
/// reads is on its way there. If answers have been prompt of late, it rings the peer, so that it wakes up while this one comes.
pub fn expect_read(stream: &PipeStream) {
    stream.end.expect_read();
}

/// For how long a call on an end may look for its peer before it rests, by the end's options.
pub fn spin_limit(stream: &PipeStream) -> Duration {
    stream.end.shape.max_spin
}

/// Learns from a rest of `waited` in all, after which patience may pay off better or worse.
pub fn rested(stream: &PipeStream, waited: Duration) {
    if let Some(link) = stream.end.link() {
        link.slept(waited);
    }
}

/// The bell of one connection: a socket that becomes readable when the peer has rung or has gone.
///
/// The background thread hears it, and tells the [`Attendant`], unless somebody has [taken](Bell::take) it.
#[derive(Debug)]
pub struct Bell {
    end: Arc<End>,
    link: Arc<Link>,
    /// How often the peer was heard since its bytes were read.
    unread: AtomicU32,
}

/// Rings that are heard before their bytes are read: each costs the peer some hundred bytes of what its socket may hold.
const MAX_UNREAD: u32 = 8;

impl Bell {
    /// That of the connection that an end has now.
    pub fn of(stream: &PipeStream) -> Option<Bell> {
        let link = stream.end.link()?;
        let end = stream.end.shared().clone();
        let unread = AtomicU32::new(0);
        Some(Bell { end, link, unread })
    }

    /// Whether it is that of the connection that the end has now.
    pub fn is_of(&self, stream: &PipeStream) -> bool {
        stream.end.link().is_some_and(|link| Arc::ptr_eq(&link, &self.link))
    }

    /// From now on the caller hears it, and the background thread looks for the end of the peer alone. `false`: other
    /// processes may hold this end, and it stays with the background thread.
    pub fn take(&self) -> bool {
        self.end.take_bell(&self.link)
    }

    /// The background thread hears it again, and looks after what is pending.
    pub fn give_back(&self) {
        self.end.give_back_bell(&self.link);
    }

    /// Takes note that the peer has rung, or that the socket `is_closing`. `false`: the peer has gone, and nothing more is to
    /// be heard.
    ///
    /// Who watches the socket is to be told of each byte that comes, whether those before it were read or not: most of them
    /// stay where they are, which spares a system call for each.
    pub fn hear(&self, is_closing: bool) -> bool {
        let unread = self.unread.load(Ordering::Relaxed) + 1;
        if unread < MAX_UNREAD && !is_closing {
            self.unread.store(unread, Ordering::Relaxed);
            return true;
        }
        self.unread.store(0, Ordering::Relaxed);
        let is_open = self.link.hear_bell();
        if !is_open {
            self.link.peer_hung_up();
        }
        is_open
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.socket()
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.link.socket().as_raw_fd()
    }
}

/// A flush that waits until the peer has read everything written before it. Dropping it ends it.
#[derive(Debug)]
pub struct Flush {
    end: Arc<End>,
    call: CallId,
}

impl Flush {
    /// Begins one; `None`: everything is read.
    ///
    /// # Errors
    /// As [`PipeStream::flush`], but for those of waiting.
    pub fn begin(stream: &PipeStream) -> Result<Option<Flush>, Status> {
        let end = stream.end.shared().clone();
        let call = end.begin_flush()?;
        Ok(call.map(|call| Flush { end, call }))
    }

    /// Asks how it goes; to be asked again when the peer has read something.
    pub fn poll(&self) -> Poll<Result<(), Status>> {
        self.end.poll_flush(self.call)
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.end.end_flush(self.call);
    }
}

/// The number of instances that have closed in this process so far.
pub fn vacancies() -> u64 {
    crate::host::vacancies()
}

/// Blocks until more have closed than `before`, or for a tenth of a second: one of another process may have.
pub fn await_vacancy(before: u64) {
    crate::host::await_vacancy(before);
}
