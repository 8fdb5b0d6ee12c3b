//! What the tests of ends stand on: two ends joined by the lanes of a [`Pair`], and the oracle they are compared with.
//!
//! Any system's lanes can be tested with the same suite: the tests of its crate include this module and `suite` by their
//! paths, implement [`Pair`] and call it `Lanes` in the root of the test.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test that includes this module uses a part of it"
)]
#![allow(unreachable_pub, reason = "a module of tests is no library")]

pub mod ends;
pub mod memory_wire;
pub mod operations;
pub mod oracle;
pub mod weak;

use npipe_core::wire::{Inlet, Outlet};
use npipe_core::{PipeType, Reader, Writer};

pub use ends::{End, Ends, Flushing, Got, Reading, Writing, part, whole};

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Server, Side::Client];

    pub fn other(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

/// A connection to be made.
#[derive(Clone, Debug)]
pub struct Setup {
    pub pipe_type: PipeType,
    /// By the side that writes (semantics 36).
    pub quota_bytes: [u32; 2],
    /// What each lane should hold, headers included: at least [`Pair::LEAST_LANE_BYTES`], more if the lanes are coarser.
    pub lane_bytes: u32,
}

impl Setup {
    /// More than any test without streaming puts into a lane.
    pub const AMPLE_BYTES: u32 = 1 << 16;
}

/// Lanes that join two ends.
pub trait Pair: Sized {
    type Outlet: Outlet;
    type Inlet: Inlet;

    /// The smallest lane there is: a message a few times as large streams through it.
    const LEAST_LANE_BYTES: u32;

    fn new(setup: &Setup) -> Self;

    /// The lanes of one end; each side asks once.
    fn halves(&mut self, side: Side) -> (Self::Outlet, Self::Inlet);

    /// The end of `side` was closed, or its process died: the other side sees `PeerState::Closed`.
    fn close(&mut self, side: Side);

    /// `side` has disconnected the other one for good, which sees `PeerState::Disconnected`.
    fn disconnect(&mut self, side: Side);

    /// An end has done something: where several processes hold it, another one goes on. Whether it does.
    fn hand_over(_reader: &mut Reader<Self::Inlet>, _writer: &mut Writer<Self::Outlet>) -> bool {
        false
    }
}
