//! What is measured: a transport makes links, a link moves blocks of bytes.
//!
//! Both processes know the size of the next block, so a transport with messages
//! and one without do the same work: `send` one block, `receive` exactly one
//! block. A block of another length is an error, never a figure.
//!
//! Some transports are programs of their own, see [`programs`](super::programs).
//! Everything is written as futures once. Those of a transport that blocks are
//! ready when they are first polled, and cost nothing beside it.

use std::io::{self, Read, Write};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};

use super::load::Load;
use super::measure::{Job, Workload};
use super::plan::{ASYNCHRONOUS_SIZES, Task};

/// The transports, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Npipe,
    NpipeSpinOff,
    NpipeByte,
    CBlocking,
    CRoutines,
    CPort,
    NpipeTokio,
    NpipeTokioSpinOff,
    Seqpacket,
    SeqpacketEpoll,
    Stream,
    Pipe,
    Tcp,
    TokioUnix,
    Interprocess,
    Wine,
    ZeroMq,
    Iceoryx2,
}

impl Kind {
    pub(super) const ALL: [Kind; 18] = [
        Kind::Npipe,
        Kind::NpipeSpinOff,
        Kind::NpipeByte,
        Kind::CBlocking,
        Kind::CRoutines,
        Kind::CPort,
        Kind::NpipeTokio,
        Kind::NpipeTokioSpinOff,
        Kind::Seqpacket,
        Kind::SeqpacketEpoll,
        Kind::Stream,
        Kind::Pipe,
        Kind::Tcp,
        Kind::TokioUnix,
        Kind::Interprocess,
        Kind::Wine,
        Kind::ZeroMq,
        Kind::Iceoryx2,
    ];

    /// How the tables call it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Kind::Npipe => "npipe",
            Kind::NpipeSpinOff => "npipe, spin off",
            Kind::NpipeByte => "npipe, byte pipe",
            Kind::CBlocking => "npipe from C",
            Kind::CRoutines => "npipe from C, routines",
            Kind::CPort => "npipe from C, port",
            Kind::NpipeTokio => "npipe-tokio",
            Kind::NpipeTokioSpinOff => "npipe-tokio, spin off",
            Kind::Seqpacket => "Unix seqpacket",
            Kind::SeqpacketEpoll => "Unix seqpacket, epoll",
            Kind::Stream => "Unix stream",
            Kind::Pipe => "pipe pair",
            Kind::Tcp => "TCP loopback",
            Kind::TokioUnix => "tokio Unix stream",
            Kind::Interprocess => "interprocess, tokio",
            Kind::Wine => "Wine's pipes",
            Kind::ZeroMq => "ZeroMQ",
            Kind::Iceoryx2 => "iceoryx2, polling",
        }
    }

    /// Whether a task is measured with it. Spinning is about waiting for an answer, and so are styles of servers, which
    /// only short round trips show. What a pipe carries makes no difference to connecting, there is no connecting to a
    /// pipe pair, nor to what connects by itself. Loads show how ends wait, which is the same in the others.
    pub(super) fn takes_part(self, task: Task) -> bool {
        let Task {
            load,
            workload,
            size_bytes,
        } = task;
        let is_round_trip = workload == Workload::RoundTrip;
        match self {
            Kind::Npipe | Kind::Seqpacket | Kind::Stream => true,
            Kind::NpipeSpinOff => is_round_trip,
            Kind::Pipe => workload != Workload::Connect,
            _ if load != Load::Alone => false,
            Kind::Tcp => true,
            Kind::CBlocking | Kind::CRoutines | Kind::CPort | Kind::SeqpacketEpoll => is_round_trip && size_bytes == 32,
            Kind::NpipeTokioSpinOff => is_round_trip && ASYNCHRONOUS_SIZES.contains(&size_bytes),
            Kind::NpipeTokio | Kind::TokioUnix | Kind::Interprocess => ASYNCHRONOUS_SIZES.contains(&size_bytes),
            Kind::NpipeByte | Kind::ZeroMq | Kind::Iceoryx2 => workload != Workload::Connect,
            Kind::Wine => workload != Workload::OneWay && size_bytes == 32,
        }
    }

    /// Whether one server has several clients at a time; of the programs of their own only some could.
    pub(super) const fn takes_clients(self) -> bool {
        matches!(
            self,
            Kind::Npipe
                | Kind::NpipeSpinOff
                | Kind::NpipeByte
                | Kind::Seqpacket
                | Kind::SeqpacketEpoll
                | Kind::Stream
                | Kind::Tcp
        )
    }

    pub(super) const fn is_npipe(self) -> bool {
        use Kind::{CBlocking, CPort, CRoutines, Npipe, NpipeByte, NpipeSpinOff, NpipeTokio, NpipeTokioSpinOff};
        matches!(
            self,
            Npipe | NpipeSpinOff | NpipeByte | CBlocking | CRoutines | CPort | NpipeTokio | NpipeTokioSpinOff
        )
    }

    /// Whether it is told not to spin.
    pub(super) const fn is_without_spin(self) -> bool {
        matches!(self, Kind::NpipeSpinOff | Kind::NpipeTokioSpinOff)
    }
}

/// Where the two processes meet, and how much room a direction gets.
pub(super) struct Place<'a> {
    /// Empty, ours, and the same for both processes.
    pub(super) directory: &'a Path,
    /// Room for unread bytes in each direction.
    pub(super) buffer_bytes: usize,
    /// Whether npipe may spin before it sleeps.
    pub(super) spin: bool,
    /// Whether npipe's pipe is a stream.
    pub(super) is_byte: bool,
}

impl Place<'_> {
    /// Every transport gets room for four blocks and at least 64 KiB, npipe's
    /// default; one whose own default is larger keeps that.
    pub(super) fn of(job: &Job) -> Place<'_> {
        Place {
            directory: &job.directory,
            buffer_bytes: (4 * job.size_bytes).max(64 << 10),
            spin: !job.transport.is_without_spin(),
            is_byte: job.transport == Kind::NpipeByte,
        }
    }
}

/// One end of a connection.
pub(super) trait Link {
    async fn send(&mut self, block: &[u8]) -> io::Result<()>;
    /// Fills the buffer with exactly one block. At the end of the connection:
    /// `UnexpectedEof`.
    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()>;
}

/// A way to connect two processes.
pub(super) trait Transport: Sized {
    /// A server of several clients has a thread for each.
    type Accepted: Link + Send + 'static;
    type Connected: Link;
    /// From here on a client may connect.
    async fn listen(place: &Place<'_>) -> io::Result<Self>;
    async fn accept(&mut self) -> io::Result<Self::Accepted>;
    async fn connect(place: &Place<'_>) -> io::Result<Self::Connected>;

    /// Runs what one of the two processes does. One that blocks never has to
    /// wait for anything else.
    fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        at_once(work)
    }
}

/// Runs a future that never waits.
pub(super) fn at_once<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::Error::other("a transport that blocks has waited for a task")),
    }
}

/// A link without boundaries, over any stream.
pub(super) struct StreamLink<S>(pub(super) S);

impl<S: Read + Write> Link for StreamLink<S> {
    async fn send(&mut self, block: &[u8]) -> io::Result<()> {
        self.0.write_all(block)
    }

    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(block)
    }
}

/// Holds a received length against the expected one.
pub(super) fn check_length(received: usize, expected: usize) -> io::Result<()> {
    match received {
        _ if received == expected => Ok(()),
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("received {received} bytes instead of {expected}"),
        )),
    }
}
