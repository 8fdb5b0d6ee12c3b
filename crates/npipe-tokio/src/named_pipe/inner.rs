//! One end, as its tasks share it: calls that try, and resting until they are worth another try.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker, ready};

use npipe::overlapped::engine::{self, Attendant, Bell, Wish};
use npipe::{PipeClient, PipeServer, PipeStream, ReadOutcome, Status};
use tokio::io::ReadBuf;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::coop;

use super::end::or_end;
use super::patience::Patience;
use super::scanner;
use super::tasks::{Slot, Tasks, locked};
use super::watched::watch_bell;
use super::writing::Flight;

/// Either end.
#[derive(Debug)]
pub(crate) enum End {
    Server(PipeServer),
    Client(PipeClient),
}

impl Deref for End {
    type Target = PipeStream;

    #[inline]
    fn deref(&self) -> &PipeStream {
        match self {
            End::Server(server) => server,
            End::Client(client) => client,
        }
    }
}

/// One end and what its tasks share.
pub(crate) struct Inner {
    // Before the end: the socket leaves the runtime before it is closed.
    hearing: Mutex<Hearing>,
    lent: Lent,
    pub(crate) end: End,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) flight: Flight,
    patience: Patience,
}

/// Who hears the bell of the connection.
#[derive(Debug, Default)]
enum Hearing {
    /// It has none, or nobody has waited yet.
    #[default]
    Nobody,
    /// The runtime in which a task first had to wait.
    Runtime(AsyncFd<Bell>),
    /// npipe's background thread: there is no runtime, or not any more, or other processes may hold the end.
    Library(Bell),
}

impl Hearing {
    fn bell(&self) -> Option<&Bell> {
        match self {
            Hearing::Nobody => None,
            Hearing::Runtime(fd) => Some(fd.get_ref()),
            Hearing::Library(bell) => Some(bell),
        }
    }
}

/// How hearing went.
enum Heard {
    All,
    /// The peer rings on and on; it is heard again in the next turn.
    TooMuch,
    /// What is pending goes on without it.
    RuntimeEnds,
}

/// Sockets that programs have borrowed, one after another. They stay open until the end is dropped.
#[derive(Debug, Default)]
struct Lent(OnceLock<Box<(Bell, Lent)>>);

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PipeStream::fmt(&self.end, f)
    }
}

/// Times in a row that a bell is heard; a peer that rings on and on has to wait for the next turn.
const HEARINGS: usize = 4;

impl Inner {
    pub(crate) fn new(end: End) -> Arc<Inner> {
        let tasks = Arc::<Tasks>::default();
        let attendant: Arc<dyn Attendant> = tasks.clone();
        engine::attend(&end, Arc::downgrade(&attendant));
        let patience = Patience::new(engine::spin_limit(&end));
        let inner = Arc::new(Inner {
            hearing: Mutex::default(),
            lent: Lent::default(),
            end,
            flight: Flight::default(),
            tasks: tasks.clone(),
            patience,
        });
        tasks.belong_to(Arc::downgrade(&inner));
        inner
    }

    /// The server end, of one.
    pub(crate) fn server(&self) -> Option<&PipeServer> {
        match &self.end {
            End::Server(server) => Some(server),
            End::Client(_) => None,
        }
    }

    #[cold]
    pub(crate) fn error(&self, status: Status, operation: &'static str) -> io::Error {
        engine::error(&self.end, status, operation).into()
    }

    /// Reads what there is; `None`: nothing yet, or nobody.
    #[inline]
    pub(crate) fn try_read(&self, into: &mut [u8], patient: bool) -> Result<Option<ReadOutcome>, Status> {
        match engine::try_read(&self.end, into, patient) {
            Err(Status::PipeListening) => Ok(None),
            other => other,
        }
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<Result<ReadOutcome, io::Error>> {
        self.patience.polled();
        let Poll::Ready(coop) = coop::poll_proceed(cx) else {
            self.patience.yielded();
            return Poll::Pending;
        };
        let may_look = self.patience.may_look();
        let mut tried = self.try_read(into, may_look);
        if let Ok(None) = tried {
            self.tasks.keep(Slot::Read, cx.waker());
            self.patience.rests();
            // One who has looked in vain has done what the scanner would do.
            if may_look || !scanner::look_after(&self.tasks, &self.end) {
                self.expect(Wish::Data);
            }
            tried = self.try_read(into, false);
            if let Ok(None) = tried {
                return Poll::Pending;
            }
        }
        coop.made_progress();
        if let Some(rest) = self.patience.rested() {
            engine::rested(&self.end, rest);
        }
        match tried {
            Ok(Some(outcome)) => Poll::Ready(Ok(outcome)),
            Ok(None) => Poll::Pending,
            Err(status) => Poll::Ready(Err(self.error(status, "read"))),
        }
    }

    pub(crate) fn poll_read_buf(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = ready!(self.poll_read(cx, buf.initialize_unfilled()));
        buf.advance(or_end(read)?);
        Poll::Ready(Ok(()))
    }

    pub(crate) async fn read_message(&self, into: &mut [u8]) -> io::Result<ReadOutcome> {
        poll_fn(|cx| self.poll_read(cx, into)).await
    }

    /// Has the task woken when the peer has done what `wish` says, unless `again` says that it has by now.
    pub(crate) fn rest(&self, cx: &Context<'_>, slot: Slot, wish: Wish, again: impl FnOnce() -> bool) -> Poll<()> {
        self.tasks.keep(slot, cx.waker());
        self.patience.rests();
        self.expect(wish);
        if again() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Has the tasks woken when the peer has done what `wish` says. Whoever relies on it looks once more.
    pub(crate) fn expect(&self, wish: Wish) {
        self.listen();
        engine::await_ring(&self.end, wish);
    }

    /// Sees to it that the bell of the connection is heard: by the runtime if there is one, and no other process holds the
    /// end, else by npipe's background thread. An instance without a client needs no bell: the thread tells of the client.
    pub(crate) fn listen(&self) {
        let mut hearing = locked(&self.hearing);
        let mut is_left = false;
        if hearing.bell().is_none_or(|bell| !bell.is_of(&self.end)) {
            // First, so that the socket of the connection before leaves the runtime.
            *hearing = Hearing::Nobody;
            let Some(bell) = Bell::of(&self.end) else { return };
            *hearing = match Handle::try_current().is_ok() && bell.take() {
                true => watch_bell(bell).map_or_else(Hearing::Library, Hearing::Runtime),
                false => Hearing::Library(bell),
            };
            is_left = matches!(&*hearing, Hearing::Library(_));
        }
        if let Hearing::Runtime(fd) = &*hearing {
            match self.hear(fd) {
                Heard::All => return,
                Heard::TooMuch => {
                    drop(hearing);
                    return self.tasks.wake_all();
                }
                Heard::RuntimeEnds => is_left = true,
            }
        }
        *hearing = match std::mem::take(&mut *hearing) {
            Hearing::Runtime(fd) => Hearing::Library(fd.into_inner()),
            other => other,
        };
        drop(hearing);
        if is_left && let Some(bell) = Bell::of(&self.end) {
            // The background thread looks after what is pending, and tells the tasks.
            bell.give_back();
        }
    }

    /// Hears what the runtime knows of, and has it tell the tasks of what comes later.
    fn hear(&self, fd: &AsyncFd<Bell>) -> Heard {
        let waker = Waker::from(self.tasks.clone());
        for _ in 0..HEARINGS {
            match fd.poll_read_ready(&mut Context::from_waker(&waker)) {
                Poll::Pending => return Heard::All,
                Poll::Ready(Ok(mut guard)) => {
                    let is_closing = guard.ready().is_read_closed();
                    if !guard.get_inner().hear(is_closing) {
                        // It stays ready; what has happened is seen by the look that follows.
                        return Heard::All;
                    }
                    guard.clear_ready();
                }
                Poll::Ready(Err(_)) => return Heard::RuntimeEnds,
            }
        }
        Heard::TooMuch
    }

    /// Something has happened: operations that are pending go on.
    pub(crate) fn go_on(&self) {
        let wish = match self.tasks.has_transactions() {
            true => Wish::Both,
            false => Wish::Room,
        };
        engine::pump(&self.end);
        self.expect(wish);
        engine::pump(&self.end);
    }

    /// The socket of the connection; one that is not connected, of an instance without a client.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        let mut place = &self.lent;
        loop {
            let lent = match place.0.get() {
                Some(lent) => lent,
                None => match Bell::of(&self.end) {
                    Some(bell) => place.0.get_or_init(|| Box::new((bell, Lent::default()))),
                    None => return unconnected(),
                },
            };
            if lent.0.is_of(&self.end) {
                return lent.0.as_fd();
            }
            place = &lent.1;
        }
    }

    /// Throws the client out. What it was still to get is gone.
    pub(crate) fn disconnect(&self, server: &PipeServer) -> io::Result<()> {
        let disconnected = server.disconnect();
        *locked(&self.hearing) = Hearing::Nobody;
        locked(self.tasks.listing()).forget_outlook();
        self.flight.forget_failure();
        self.tasks.wake_all();
        Ok(disconnected?)
    }
}

impl Drop for Inner {
    /// A scanner goes by no longer, and keeps no connection.
    fn drop(&mut self) {
        locked(self.tasks.listing()).forget_outlook();
    }
}

/// Gives up a share of an end. The last one closes it, which may wait for others: not on npipe's own thread.
pub(crate) fn release(share: Arc<Inner>) {
    let Some(last) = Arc::into_inner(share) else { return };
    if Handle::try_current().is_ok() {
        return drop(last);
    }
    let closing = std::thread::Builder::new().name("npipe-close".to_owned());
    // Where there are no threads any more, what was to close it is dropped, which closes it.
    let _ = closing.spawn(move || drop(last));
}

/// A socket without a connection, one for the process: what stands for an instance without a client.
fn unconnected() -> BorrowedFd<'static> {
    static SOCKET: OnceLock<Option<UnixDatagram>> = OnceLock::new();
    static STDERR: OnceLock<io::Stderr> = OnceLock::new();
    match SOCKET.get_or_init(|| UnixDatagram::unbound().ok()) {
        Some(socket) => socket.as_fd(),
        // There are no descriptors any more; this one is not connected to a peer either.
        None => STDERR.get_or_init(io::stderr).as_fd(),
    }
}
