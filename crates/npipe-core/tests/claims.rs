//! A PIPE_NOWAIT write against a reader that changes its mind between the writer's look and its claim.

use std::cell::{Cell, RefCell};

use npipe_core::feed::WaitingReads;
use npipe_core::wire::{Frame, Outlet, PeerState};
use npipe_core::{PipeType, Progress, Status, WaitMode, Writer};

/// What the reader does, look by look.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// A read of so many bytes waits.
    waiting: u32,
    /// Whether it still does when it is claimed.
    stays: bool,
}

/// A lane that only counts what is put on it.
#[derive(Debug, Default)]
struct Lane {
    looks: RefCell<Vec<Look>>,
    now: Cell<Option<Look>>,
    claims: Cell<i32>,
    put: Vec<u8>,
}

impl Outlet for Lane {
    type Ticket = ();

    fn peer(&self) -> PeerState {
        PeerState::Open
    }

    fn taken(&self) -> u64 {
        0
    }

    fn empties_taken(&self) -> u64 {
        0
    }

    fn publish_queued(&mut self, _: u64) {}

    fn has_room(&self, _: u32) -> bool {
        true
    }

    fn refresh(&mut self) {}

    fn put(&mut self, (): &mut (), _: Frame, _: u32, data: &[u8]) -> usize {
        self.put.extend_from_slice(data);
        data.len()
    }

    fn put_empty(&mut self) -> bool {
        true
    }

    fn retract(&mut self, (): &mut (), placed: u32, _: u32) -> Option<u32> {
        self.put.truncate(self.put.len() - placed as usize);
        Some(placed)
    }

    fn waiting_reads(&self) -> WaitingReads {
        if self.claims.get() == 0 && self.now.get().is_none() {
            self.now.set(self.looks.borrow_mut().pop());
        }
        let Some(look) = self.now.get() else {
            return WaitingReads::default();
        };
        let mut reads = WaitingReads::new(&[look.waiting], 0);
        if !self.put.is_empty() {
            reads.feed(self.put.len() as u32);
        }
        reads
    }

    fn claim(&self, _: &WaitingReads) -> bool {
        let stays = self.now.get().is_some_and(|look| look.stays);
        if stays {
            self.claims.set(self.claims.get() + 1);
        } else {
            self.now.set(None);
        }
        stays
    }

    fn release_claim(&self) {
        self.claims.set(self.claims.get() - 1);
        self.now.set(None);
    }
}

/// Writes "data" without waiting, with no quota at all, while the reader looks so.
fn write(looks: &[Look]) -> (Result<Progress<usize>, Status>, Lane) {
    let mut writer = Writer::new(PipeType::Message, 0, Status::PipeListening);
    writer.attach(Lane {
        looks: RefCell::new(looks.iter().rev().copied().collect()),
        ..Lane::default()
    });
    let written = writer.write(b"data", WaitMode::NoWait);
    let lane = writer
        .detach(Status::PipeBroken, Status::PipeBroken)
        .expect("it was attached");
    (written, lane)
}

/// semantics 96, 134, 135
#[test]
fn only_a_read_that_still_waits_is_counted_on() {
    let stays = Look {
        waiting: 10,
        stays: true,
    };
    let goes = Look { stays: false, ..stays };
    let (written, lane) = write(&[stays]);
    assert_eq!((written, &lane.put[..]), (Ok(Progress::Done(4)), &b"data"[..]));
    assert_eq!(lane.claims.get(), 0, "a claim is given back");
    // Withdrawn in between: the next look finds none, or another.
    let (written, lane) = write(&[goes]);
    assert_eq!((written, &lane.put[..]), (Ok(Progress::Done(0)), &b""[..]));
    let (written, lane) = write(&[goes, goes, stays]);
    assert_eq!((written, &lane.put[..]), (Ok(Progress::Done(4)), &b"data"[..]));
    // One that is never there when it is claimed does not hold the writer up.
    let (written, lane) = write(&[goes; 100]);
    assert_eq!((written, lane.put.len()), (Ok(Progress::Done(0)), 0));
}
