//! What the other side changes between two looks of this one, which no test of one thread over real lanes can show: a
//! reader that withdraws a read before the writer claims it, a writer that retracts a frame while the reader takes it.

use std::cell::{Cell, RefCell};

use npipe_core::feed::WaitingReads;
use npipe_core::wire::{Frame, Front, Inlet, Outlet, PeekSpan, PeerState};
use npipe_core::{PipeType, Progress, ReadMode, Reader, Status, WaitMode, Writer};

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

    fn release_claim(&mut self) {
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

/// A lane whose first frame is retracted when four of its bytes are copied; then another one is there.
#[derive(Debug, Default)]
struct Retracting {
    gone: bool,
    taken: bool,
}

const RETRACTED: &[u8] = b"retracted";
const NEXT: &[u8] = b"next";

impl Inlet for Retracting {
    fn peer(&self) -> PeerState {
        PeerState::Open
    }

    fn front(&mut self) -> Result<Option<Front>, Status> {
        let (serial, remaining) = match self.gone {
            false => (1, RETRACTED.len()),
            true => (2, NEXT.len()),
        };
        Ok((!self.taken).then_some(Front {
            serial,
            remaining: remaining as u32,
            streams: false,
        }))
    }

    fn ready(&mut self) -> Result<u32, Status> {
        Ok(if self.gone { NEXT.len() as u32 } else { 4 })
    }

    fn take(&mut self, into: &mut [u8]) -> Result<usize, Status> {
        if !self.gone {
            self.gone = true;
            into[..4].copy_from_slice(&RETRACTED[..4]);
            return Ok(4);
        }
        self.taken = true;
        into[..NEXT.len()].copy_from_slice(NEXT);
        Ok(NEXT.len())
    }

    fn take_empty(&mut self) -> Result<(), Status> {
        Ok(())
    }

    fn peek(&mut self, _: &mut [u8], _: PeekSpan) -> Result<usize, Status> {
        Ok(0)
    }

    fn unread(&self) -> u64 {
        0
    }

    fn offer(&mut self, _: &mut dyn Iterator<Item = u32>) {}

    fn settle(&mut self, _: u32) -> Result<(), Status> {
        Ok(())
    }
}

/// A read that had a part of a frame which is retracted meanwhile goes on to the next at once, with nothing of the first.
///
/// semantics 127
#[test]
fn a_read_goes_on_from_what_is_retracted_while_it_is_taken() {
    let mut reader = Reader::new(
        PipeType::Message,
        ReadMode::Message,
        WaitMode::Wait,
        Status::PipeListening,
    );
    reader.attach(Retracting::default(), 0);
    let mut into = [0; 16];
    let Ok(Progress::Done(outcome)) = reader.read(&mut into) else {
        panic!("it waits though a message is there");
    };
    assert_eq!((&into[..outcome.bytes], outcome.more), (NEXT, false));
}
