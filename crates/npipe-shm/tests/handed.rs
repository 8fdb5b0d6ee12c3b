//! The rules on ends that go from process to process with every move, while others die in their turns.
//!
//! Between any two moves of an end what it knows goes into bytes and comes back out of them, and a process that went on
//! from there has read, looked and written, and has died before it left anything. Nothing of that may show.

#![cfg(not(loom))]

use std::cell::Cell;

use lanes::RingPair;
use npipe_core::{HolderId, Reader, ReaderState, Status, WaitMode, Writer, WriterState};
use npipe_shm::memory::HeapMemory;
use npipe_shm::ring::{InletState, OutletState, RingInlet, RingOutlet, Ticket};
use serde::Serialize;
use serde::de::DeserializeOwned;

use support::{Pair, Setup, Side};

mod lanes;

#[path = "../../npipe-core/tests/suite/random.rs"]
mod random;
#[path = "../../npipe-core/tests/suite/mod.rs"]
mod suite;
#[path = "../../npipe-core/tests/support/mod.rs"]
mod support;

/// As [`RingPair`], for ends that several processes hold.
pub(crate) struct Lanes(RingPair);

impl Pair for Lanes {
    type Outlet = RingOutlet<HeapMemory>;
    type Inlet = RingInlet<HeapMemory>;

    const LEAST_LANE_BYTES: u32 = RingPair::LEAST_LANE_BYTES;

    fn new(setup: &Setup) -> Self {
        Lanes(RingPair::new(setup))
    }

    fn halves(&mut self, side: Side) -> (Self::Outlet, Self::Inlet) {
        let (mut outlet, mut inlet) = self.0.halves(side);
        outlet.hold_back();
        inlet.hold_back();
        (outlet, inlet)
    }

    fn close(&mut self, side: Side) {
        self.0.close(side);
    }

    fn disconnect(&mut self, side: Side) {
        self.0.disconnect(side);
    }

    fn hand_over(reader: &mut Reader<Self::Inlet>, writer: &mut Writer<Self::Outlet>) -> bool {
        let (lane, known) = reader.parts();
        let read = image(&(known, lane.as_ref().map(|lane| lane.state())));
        let (outlet, known) = writer.parts();
        let written = image(&(known, outlet.as_ref().map(|lane| lane.state())));
        if let (Some(inlet), Some(outlet)) = (reader.parts().0, writer.parts().0) {
            inlet.publish();
            outlet.publish();
        }
        die_in_a_turn(reader, writer);
        resume(reader, writer, &read, &written);
        if let Some(inlet) = reader.parts().0 {
            inlet.revert().expect("an honest peer");
            reader.publish_calls();
        }
        if let (Some(inlet), Some(outlet)) = (reader.parts().0, writer.parts().0) {
            inlet.publish();
            outlet.publish();
        }
        true
    }
}

fn image(known: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(known).expect("it has bytes")
}

fn known<T: DeserializeOwned>(image: &[u8]) -> T {
    postcard::from_bytes(image).expect("it was written so")
}

fn resume(
    reader: &mut Reader<RingInlet<HeapMemory>>,
    writer: &mut Writer<RingOutlet<HeapMemory>>,
    read: &[u8],
    written: &[u8],
) {
    let (state, lane): (ReaderState, Option<InletState>) = known(read);
    reader.resume(HolderId(0), state).expect("it was left so");
    if let (Some(inlet), Some(state)) = (reader.parts().0, lane) {
        inlet.resume(state).expect("it was left so");
    }
    let (state, lane): (WriterState<Ticket>, Option<OutletState>) = known(written);
    writer.resume(HolderId(0), state).expect("it was left so");
    if let (Some(outlet), Some(state)) = (writer.parts().0, lane) {
        outlet.resume(state).expect("it was left so");
    }
}

/// What a process does in the last turn of its life.
fn die_in_a_turn(reader: &mut Reader<RingInlet<HeapMemory>>, writer: &mut Writer<RingOutlet<HeapMemory>>) {
    thread_local! {
        static TURN: Cell<usize> = const { Cell::new(0) };
    }
    let turn = TURN.get().wrapping_add(1);
    TURN.set(turn);
    let mut buffer = vec![0; turn % 13];
    match turn % 3 {
        0 => drop(reader.read(&mut buffer)),
        1 => drop(reader.peek(&mut buffer)),
        _ => {
            for _ in 0..3 {
                let _ = reader.read(&mut buffer);
            }
            reader.publish();
            reader.end_own(Status::Cancelled);
        }
    }
    for length in [0, turn % 7, turn % 40] {
        let _ = writer.write(&vec![b'?'; length], WaitMode::Wait);
    }
}

/// A holder whose memory is spoilt leaves nonsense: that is refused, or spoils this connection, and ends no process.
///
/// semantics 121, 190
#[test]
fn nonsense_is_refused_or_harmless() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let setup = Setup {
        pipe_type: npipe_core::PipeType::Message,
        quota_bytes: [20; 2],
        lane_bytes: Setup::AMPLE_BYTES,
    };
    // Mostly values that can be read as numbers, or little would be left to go on from.
    let byte = prop_oneof![9 => 0..0x80_u8, 1 => any::<u8>()];
    let spoilt = prop::collection::vec((any::<prop::sample::Index>(), byte), 0..3);
    let config = Config {
        cases: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    // The same cases each time: one that never ends is found where it was made, and not by somebody else.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    runner
        .run(&(spoilt.clone(), spoilt), |(read, written)| {
            let mut ends = support::Ends::<Lanes>::join(setup.clone());
            for length in [3, 40, 0, 7] {
                let _ = ends.client.write(&vec![1; length]);
                let _ = ends.server.write(&vec![2; length]);
            }
            let _ = ends.client.read(5);
            let _ = ends.client.read(30);
            let _ = ends.client.read(90);
            let end = &mut ends.client;
            let (lane, state) = end.reader.parts();
            let read = spoil(image(&(state, lane.map(|lane| lane.state().clone()))), &read);
            let (lane, state) = end.writer.parts();
            let written = spoil(image(&(state, lane.map(|lane| lane.state().clone()))), &written);
            if go_on(&mut end.reader, &mut end.writer, &read, &written).is_none() {
                return Ok(());
            }
            let mut buffer = [0; 64];
            let _ = end.reader.peek(&mut buffer);
            for length in [0, 5, 64] {
                let _ = end.reader.read(&mut buffer[..length]);
                let _ = end.writer.write(&buffer[..length], WaitMode::Wait);
                let _ = end.writer.write(&buffer[..length], WaitMode::NoWait);
            }
            let _ = end.writer.request(&buffer);
            let _ = end.writer.flush();
            end.reader.publish();
            if let (Some(inlet), Some(outlet)) = (end.reader.parts().0, end.writer.parts().0) {
                let _ = inlet.revert();
                inlet.publish();
                outlet.publish();
            }
            end.reader.abandon(HolderId(0));
            end.writer.abandon(HolderId(0));
            Ok(())
        })
        .expect("no panic");
}

fn spoil(mut image: Vec<u8>, changes: &[(proptest::sample::Index, u8)]) -> Vec<u8> {
    for (index, byte) in changes {
        let at = index.index(image.len());
        image[at] = *byte;
    }
    image
}

/// As [`resume`], where what was left may make no sense.
fn go_on(
    reader: &mut Reader<RingInlet<HeapMemory>>,
    writer: &mut Writer<RingOutlet<HeapMemory>>,
    read: &[u8],
    written: &[u8],
) -> Option<()> {
    let (state, lane): (ReaderState, Option<InletState>) = postcard::from_bytes(read).ok()?;
    reader.resume(HolderId(0), state).ok()?;
    reader.parts().0?.resume(lane?).ok()?;
    let (state, lane): (WriterState<Ticket>, Option<OutletState>) = postcard::from_bytes(written).ok()?;
    writer.resume(HolderId(0), state).ok()?;
    writer.parts().0?.resume(lane?).ok()
}
