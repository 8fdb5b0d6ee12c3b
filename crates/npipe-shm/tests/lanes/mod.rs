//! Two ends joined by a segment on the heap, for the suite that every system's lanes pass.

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
    memory: Arc<HeapMemory>,
}

fn to_layout(side: Side) -> layout::Side {
    match side {
        Side::Server => layout::Side::Server,
        Side::Client => layout::Side::Client,
    }
}

impl RingPair {
    fn stand(&self, side: Side, standing: Standing) {
        let attention = &self.memory.control().end(to_layout(side)).attention.0;
        // semantics 182
        if attention.standing() != PeerState::Disconnected {
            attention.set_standing(standing);
        }
    }
}

impl Pair for RingPair {
    type Outlet = RingOutlet<HeapMemory>;
    type Inlet = RingInlet<HeapMemory>;

    const LEAST_LANE_BYTES: u32 = 640;

    fn new(setup: &Setup) -> Self {
        let lane_bytes = u64::from(setup.lane_bytes).next_multiple_of(32);
        let part_bytes = if setup.lane_bytes == Setup::AMPLE_BYTES { 8 } else { 32 };
        let layout = Layout::scaled(lane_bytes / 4, part_bytes, [lane_bytes / 4 * 3; 2]);
        RingPair {
            memory: Arc::new(HeapMemory::new(layout)),
        }
    }

    fn halves(&mut self, side: Side) -> (Self::Outlet, Self::Inlet) {
        let side = to_layout(side);
        (
            RingOutlet::new(Arc::clone(&self.memory), side),
            RingInlet::new(Arc::clone(&self.memory), side),
        )
    }

    fn close(&mut self, side: Side) {
        self.stand(side, Standing::Closed);
    }

    fn disconnect(&mut self, side: Side) {
        self.stand(side, Standing::Disconnected);
    }
}
