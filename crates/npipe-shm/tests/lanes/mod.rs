//! Two ends joined by a segment on the heap, for the suite that every system's lanes pass.

#![allow(dead_code, reason = "each test that includes this module uses a part of it")]

use std::sync::Arc;

use npipe_core::wire::PeerState;
use npipe_shm::control::Standing;
use npipe_shm::layout::{self, Layout};
use npipe_shm::memory::{HeapMemory, Memory};
use npipe_shm::ring::{RingInlet, RingOutlet};

use crate::support::{Pair, Setup, Side};

/// A segment on the heap. Its parts are so small that most messages have several.
#[derive(Debug)]
pub(crate) struct RingPair {
    pub(crate) memory: Arc<HeapMemory>,
}

pub(crate) fn to_layout(side: Side) -> layout::Side {
    match side {
        Side::Server => layout::Side::Server,
        Side::Client => layout::Side::Client,
    }
}

/// Lanes of `lane_bytes` with parts of `part_bytes`, every other size with a nook.
pub(crate) fn scaled(lane_bytes: u64, part_bytes: u64) -> Layout {
    let quarter = lane_bytes.next_multiple_of(32) / 4;
    let layout = Layout::scaled(quarter, part_bytes, [3 * quarter; 2]);
    match quarter.is_multiple_of(16) {
        true => layout.with_nook(128),
        false => layout,
    }
}

/// What is said of `side` from now on; a disconnection is for good (semantics 182).
pub(crate) fn stand(memory: &impl Memory, side: Side, standing: Standing) {
    let attention = &memory.control().end(to_layout(side)).attention.0;
    if attention.standing() != PeerState::Disconnected {
        attention.set_standing(standing);
    }
}

impl Pair for RingPair {
    type Outlet = RingOutlet<HeapMemory>;
    type Inlet = RingInlet<HeapMemory>;

    const LEAST_LANE_BYTES: u32 = 640;

    fn new(setup: &Setup) -> Self {
        let part_bytes = if setup.lane_bytes == Setup::AMPLE_BYTES { 8 } else { 32 };
        let layout = scaled(setup.lane_bytes.into(), part_bytes);
        RingPair {
            memory: Arc::new(HeapMemory::new(layout)),
        }
    }

    fn halves(&mut self, side: Side) -> (Self::Outlet, Self::Inlet) {
        let side = to_layout(side);
        (
            RingOutlet::new(self.memory.clone(), side),
            RingInlet::new(self.memory.clone(), side),
        )
    }

    fn close(&mut self, side: Side) {
        stand(&*self.memory, side, Standing::Closed);
    }

    fn disconnect(&mut self, side: Side) {
        stand(&*self.memory, side, Standing::Disconnected);
    }
}
