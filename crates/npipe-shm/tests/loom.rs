//! Every interleaving of two ends, as far as the model goes: nothing is lost, doubled or overwritten, and nobody sleeps on.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p npipe-shm --release --test loom`.

#![cfg(loom)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use npipe_core::wire::{Frame, Inlet, Outlet, PeerState, Standing as Firmness};
use npipe_core::{PipeType, Progress, ReadMode, ReadOutcome, Reader, Status, WaitMode, Writer};
use npipe_shm::control::Standing;
use npipe_shm::doorbell::{self, Cause, Sleeper};
use npipe_shm::layout::{Layout, Side};
use npipe_shm::memory::{HeapMemory, Memory};
use npipe_shm::ring::{RingInlet, RingOutlet};

type Ticket = <RingOutlet<HeapMemory> as Outlet>::Ticket;

/// Who goes first where nothing else decides. The model looks for conflicts from there, and it remembers only the last
/// access to each word, so it finds more if both go first in turn.
#[derive(Clone, Copy)]
enum First {
    Writer,
    Reader,
}

impl First {
    /// Runs both at once.
    fn race<W: 'static, R: 'static>(
        self,
        writer: impl FnOnce() -> W + 'static,
        reader: impl FnOnce() -> R + 'static,
    ) -> (W, R) {
        match self {
            First::Writer => {
                let reading = thread::spawn(reader);
                let written = writer();
                (written, reading.join().expect("no panic"))
            }
            First::Reader => {
                let writing = thread::spawn(writer);
                let read = reader();
                (writing.join().expect("no panic"), read)
            }
        }
    }
}

/// Explores the interleavings with at most so many preemptions.
fn explore(preemptions: usize, model: impl Fn(First) + Copy + Sync + Send + 'static) {
    for first in [First::Writer, First::Reader] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.max_branches = 20_000;
        builder.check(move || model(first));
    }
}

/// A lane for a few parts of eight bytes.
fn memory() -> Arc<HeapMemory> {
    Arc::new(HeapMemory::new(Layout::scaled(112, 8, [112; 2])))
}

fn outlet(memory: &Arc<HeapMemory>) -> RingOutlet<HeapMemory> {
    RingOutlet::new(memory.clone(), Side::Server)
}

fn inlet(memory: &Arc<HeapMemory>) -> RingInlet<HeapMemory> {
    RingInlet::new(memory.clone(), Side::Client)
}

/// Places what there is room for of a frame, from `placed` on, and returns how many bytes are placed then.
fn put(
    outlet: &mut RingOutlet<HeapMemory>,
    ticket: &mut Ticket,
    standing: Firmness,
    data: &[u8],
    mut placed: usize,
) -> usize {
    let frame = Frame {
        length: data.len() as u32,
        standing,
    };
    while placed < data.len() {
        match outlet.put(ticket, frame, placed as u32, &data[placed..]) {
            0 => break,
            bytes => placed += bytes,
        }
    }
    placed
}

/// A bell that can be slept on, as the system does it: to look and to fall asleep is one step.
#[derive(Default)]
struct Futex {
    lock: Mutex<()>,
    woken: Condvar,
}

impl Futex {
    fn wait(&self, memory: &HeapMemory, side: Side, bell: u32) {
        let guard = self.lock.lock().expect("no panic");
        if memory.control().end(side).bell.0.load(Ordering::Acquire) == bell {
            drop(self.woken.wait(guard).expect("no panic"));
        }
    }

    fn wake_all(&self) {
        drop(self.lock.lock().expect("no panic"));
        self.woken.notify_all();
    }
}

/// Sleeps until `ready` says so; a lost wake-up is a deadlock, which the model reports.
fn sleep_until(memory: &HeapMemory, futex: &Futex, cause: Cause, mut ready: impl FnMut() -> bool) {
    while !ready() {
        let own = memory.control().end(Side::Client);
        let sleeper = Sleeper::announce(own, cause);
        if ready() {
            return;
        }
        futex.wait(memory, Side::Client, sleeper.bell());
    }
}

fn ring(memory: &HeapMemory, futex: &Futex, cause: Cause) {
    if doorbell::ring(memory.control().end(Side::Client), cause) {
        futex.wake_all();
    }
}

/// semantics 92
#[test]
fn a_reader_that_falls_asleep_is_woken_by_a_write() {
    explore(4, |first| {
        let (memory, futex) = (memory(), Arc::new(Futex::default()));
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        let (sleeping, alarm) = ((memory.clone(), futex.clone()), (memory, futex));
        first.race(
            move || {
                assert!(outlet.put_empty());
                ring(&alarm.0, &alarm.1, Cause::DATA);
            },
            move || {
                let is_there = || inlet.front().expect("honest").is_some();
                sleep_until(&sleeping.0, &sleeping.1, Cause::DATA, is_there);
            },
        );
    });
}

/// semantics 92, 219
#[test]
fn two_sleepers_are_both_woken() {
    explore(2, |first| {
        let (memory, futex) = (memory(), Arc::new(Futex::default()));
        let sleep = |cause| {
            let (memory, futex) = (memory.clone(), futex.clone());
            move || {
                let tail = &memory.control().end(Side::Server).writer.0.tail;
                sleep_until(&memory, &futex, cause, || tail.load(Ordering::Acquire) != 0);
            }
        };
        let (one, other) = (sleep(Cause::DATA), sleep(Cause::ANY));
        let mut outlet = outlet(&memory);
        let write = move || {
            assert!(outlet.put_empty());
            ring(&memory, &futex, Cause::DATA);
        };
        let other = thread::spawn(other);
        first.race(write, one);
        other.join().expect("no panic");
    });
}

/// semantics 122
#[test]
fn a_writer_that_waits_for_room_is_woken_by_a_read() {
    explore(4, |first| {
        let (memory, futex) = (memory(), Arc::new(Futex::default()));
        let (sleeping, alarm) = ((memory.clone(), futex.clone()), (memory, futex));
        first.race(
            move || {
                let taken = &sleeping.0.control().end(Side::Server).reader.0.taken;
                sleep_until(&sleeping.0, &sleeping.1, Cause::ROOM, || {
                    taken.load(Ordering::Acquire) != 0
                });
            },
            move || {
                // What it does not wait for changes nothing.
                ring(&alarm.0, &alarm.1, Cause::DATA);
                alarm
                    .0
                    .control()
                    .end(Side::Server)
                    .reader
                    .0
                    .taken
                    .store(1, Ordering::Release);
                ring(&alarm.0, &alarm.1, Cause::ROOM);
            },
        );
    });
}

/// semantics 183, 186
#[test]
fn a_sleeper_is_woken_when_its_peer_closes() {
    explore(4, |first| {
        let (memory, futex) = (memory(), Arc::new(Futex::default()));
        let inlet = inlet(&memory);
        let (sleeping, alarm) = ((memory.clone(), futex.clone()), (memory, futex));
        first.race(
            move || {
                alarm
                    .0
                    .control()
                    .end(Side::Server)
                    .attention
                    .0
                    .set_standing(Standing::Closed);
                doorbell::ring_always(alarm.0.control().end(Side::Client));
                alarm.1.wake_all();
            },
            move || {
                sleep_until(&sleeping.0, &sleeping.1, Cause::DATA, || {
                    inlet.peer() != PeerState::Open
                })
            },
        );
    });
}

/// Takes from the frames at the front until `count` bytes have come.
fn take_all(inlet: &mut RingInlet<HeapMemory>, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let taken = take_some(inlet, 16);
        if taken.is_empty() {
            thread::yield_now();
        }
        all.extend(taken);
    }
    all
}

/// Takes what is there of the frame at the front, up to `size` bytes.
fn take_some(inlet: &mut RingInlet<HeapMemory>, size: usize) -> Vec<u8> {
    let mut buffer = vec![0; size];
    let taken = match inlet.front().expect("honest") {
        Some(_) => inlet.take(&mut buffer).expect("honest"),
        None => 0,
    };
    buffer.truncate(taken);
    buffer
}

/// semantics 99, 118, 121
#[test]
fn a_message_of_several_parts_arrives_whole_and_once() {
    explore(4, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        first.race(
            move || {
                let placed = put(
                    &mut outlet,
                    &mut Ticket::default(),
                    Firmness::Complete,
                    b"hello, world",
                    0,
                );
                assert_eq!(placed, 12);
            },
            move || {
                assert_eq!(take_all(&mut inlet, 12), *b"hello, world");
                assert_eq!(inlet.front(), Ok(None));
            },
        );
    });
}

/// A lane is full; while a part is read, the next one is placed where room comes up, and over nothing else.
///
/// semantics 117, 124
#[test]
fn what_is_read_makes_room_and_nothing_else_does() {
    const LENGTH: u8 = 88;
    explore(3, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        let data: Vec<u8> = (0..LENGTH).collect();
        let mut ticket = Ticket::default();
        let mut placed = put(&mut outlet, &mut ticket, Firmness::Pending, &data, 0);
        assert!((24..64).contains(&placed));
        let write = move |data: &[u8]| {
            placed = put(&mut outlet, &mut ticket, Firmness::Pending, data, placed);
        };
        let writing = {
            let (mut write, data) = (write, data.clone());
            move || {
                write(&data);
                write(&data);
                write
            }
        };
        let (mut write, (mut inlet, mut read)) = first.race(writing, move || {
            let read = [take_some(&mut inlet, 20), take_some(&mut inlet, 20)].concat();
            (inlet, read)
        });
        while read.len() < data.len() {
            write(&data);
            read.extend(take_all(&mut inlet, 1));
        }
        assert_eq!(read, data);
    });
}

/// semantics 122, 127
fn a_retraction_and_a_read_agree(length: usize, size: usize, first: First) {
    let memory = memory();
    let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
    let data = &b"abcdefghijkl"[..length];
    let mut ticket = Ticket::default();
    assert_eq!(put(&mut outlet, &mut ticket, Firmness::Pending, data, 0), length);
    let ((outlet, removed), (mut inlet, read)) = first.race(
        move || {
            let removed = outlet.retract(&mut ticket, length as u32, length as u32);
            (outlet, removed)
        },
        move || {
            let read = take_some(&mut inlet, size);
            (inlet, read)
        },
    );
    assert_eq!(read, data[..read.len()]);
    assert_eq!(read.len() + removed.unwrap_or(0) as usize, length);
    assert_eq!(removed.is_none(), read.len() == length);
    assert_eq!(outlet.taken(), read.len() as u64);
    assert_eq!(inlet.front(), Ok(None), "nothing is left of it");
}

/// semantics 122, 127
#[test]
fn a_retraction_and_a_read_agree_on_every_byte() {
    explore(4, |first| a_retraction_and_a_read_agree(8, 8, first));
    explore(4, |first| a_retraction_and_a_read_agree(8, 3, first));
}

/// semantics 122, 127
#[test]
fn a_retraction_and_a_read_agree_on_every_part() {
    explore(4, |first| a_retraction_and_a_read_agree(12, 16, first));
    explore(4, |first| a_retraction_and_a_read_agree(12, 8, first));
    explore(4, |first| a_retraction_and_a_read_agree(12, 5, first));
}

/// A frame of which some parts are placed is taken away from a reader that is in the middle of it.
///
/// semantics 117, 127
#[test]
fn a_frame_that_streams_is_retracted_and_the_next_one_follows() {
    explore(3, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        let mut ticket = Ticket::default();
        let frame = Frame {
            length: 12,
            standing: Firmness::Pending,
        };
        assert_eq!(outlet.put(&mut ticket, frame, 0, b"abcdefghijkl"), 8);
        let (removed, taken) = first.race(
            move || {
                let removed = outlet.retract(&mut ticket, 8, 12);
                put(&mut outlet, &mut Ticket::default(), Firmness::Complete, b"z", 0);
                removed.expect("four bytes were never placed") as usize
            },
            move || {
                let mut taken = 0;
                loop {
                    match &*take_some(&mut inlet, 16) {
                        b"z" => return taken,
                        piece => taken += piece.len(),
                    }
                    thread::yield_now();
                }
            },
        );
        assert_eq!(taken + removed, 8);
    });
}

/// semantics 104, 125
#[test]
fn empty_messages_are_counted_by_both_ends_alike() {
    explore(3, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        let (outlet, mut inlet) = first.race(
            move || {
                for _ in 0..3 {
                    assert!(outlet.put_empty());
                }
                outlet
            },
            move || {
                for _ in 0..2 {
                    while inlet.front().expect("honest").is_none() {
                        thread::yield_now();
                    }
                    inlet.take_empty().expect("honest");
                }
                inlet
            },
        );
        assert!(inlet.front().expect("honest").is_some());
        inlet.take_empty().expect("honest");
        assert_eq!(inlet.front(), Ok(None));
        assert_eq!(outlet.empties_taken(), 3);
    });
}

/// semantics 96, 119, 127
#[test]
fn a_read_that_the_writer_counted_on_finds_the_frame_although_it_is_withdrawn() {
    explore(4, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        let (eaten, found) = first.race(
            move || {
                put(&mut outlet, &mut Ticket::default(), Firmness::Pending, b"12345678", 0);
                outlet.waiting_reads().eaten()
            },
            move || {
                inlet.offer(&mut [8].into_iter());
                inlet.offer(&mut [].into_iter());
                inlet.front().expect("honest").is_some()
            },
        );
        assert!(eaten == 0 || eaten == 8 && found);
    });
}

/// semantics 134-136
#[test]
fn a_read_that_was_claimed_finds_the_frame() {
    explore(4, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        let (claimed, found) = first.race(
            move || {
                let view = outlet.waiting_reads();
                let claimed = view.clone().feed(9) == 4 && outlet.claim(&view);
                if claimed {
                    put(&mut outlet, &mut Ticket::default(), Firmness::Pending, b"1234", 0);
                    outlet.release_claim();
                }
                claimed
            },
            move || {
                inlet.offer(&mut [4].into_iter());
                inlet.offer(&mut [].into_iter());
                inlet.front().expect("honest").is_some()
            },
        );
        assert_eq!(found, claimed);
    });
}

/// The writer's view belongs to one moment: the sizes of one list, and no bytes that were taken since.
///
/// semantics 96, 119, 120
#[test]
fn a_view_and_the_reads_that_are_served_meanwhile_fit() {
    explore(4, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        put(&mut outlet, &mut Ticket::default(), Firmness::Complete, b"12345678", 0);
        first.race(
            move || {
                let before = outlet.taken();
                let eaten = outlet.waiting_reads().eaten();
                if outlet.taken() == before {
                    assert!(eaten == 0 || before + eaten == 8, "{eaten} besides {before}");
                }
            },
            move || {
                inlet.offer(&mut [3, 9].into_iter());
                assert_eq!(take_some(&mut inlet, 3), *b"123");
                inlet.offer(&mut [9].into_iter());
                inlet.offer(&mut [].into_iter());
            },
        );
    });
}

/// semantics 128, 129, 183
#[test]
fn of_a_writer_that_dies_only_whole_frames_remain() {
    explore(3, |first| {
        let memory = memory();
        let (mut outlet, mut inlet) = (outlet(&memory), inlet(&memory));
        first.race(
            move || {
                put(&mut outlet, &mut Ticket::default(), Firmness::Complete, b"a", 0);
                let frame = Frame {
                    length: 12,
                    standing: Firmness::Complete,
                };
                assert_eq!(outlet.put(&mut Ticket::default(), frame, 0, b"abcdefghijkl"), 8);
                memory
                    .control()
                    .end(Side::Server)
                    .attention
                    .0
                    .set_standing(Standing::Closed);
            },
            move || {
                // It may be in the middle of the frame that lacks a part.
                let mut read = take_some(&mut inlet, 16);
                let begun = take_some(&mut inlet, 2);
                if read.is_empty() {
                    read = begun;
                } else {
                    assert_eq!(begun, b"ab"[..begun.len()]);
                }
                while inlet.peer() == PeerState::Open {
                    thread::yield_now();
                }
                inlet.settle(100).expect("honest");
                read.extend(take_some(&mut inlet, 16));
                assert_eq!(read, b"a");
                assert_eq!(inlet.front(), Ok(None));
                assert_eq!(inlet.unread(), 0);
            },
        );
    });
}

/// A message pipe without any quota.
fn ends(memory: &Arc<HeapMemory>) -> (Writer<RingOutlet<HeapMemory>>, Reader<RingInlet<HeapMemory>>) {
    let mut writer = Writer::new(PipeType::Message, 0, Status::PipeListening);
    let mut reader = Reader::new(
        PipeType::Message,
        ReadMode::Message,
        WaitMode::Wait,
        Status::PipeListening,
    );
    writer.attach(outlet(memory));
    reader.attach(inlet(memory), 0);
    (writer, reader)
}

/// What a read brings that is offered, looked at once more, and given up.
fn read_or_give_up(reader: &mut Reader<RingInlet<HeapMemory>>) -> Result<ReadOutcome, Status> {
    let mut buffer = [0; 8];
    match reader.read(&mut buffer).expect("honest") {
        Progress::Done(outcome) => Ok(outcome),
        Progress::Pending(id) => {
            reader.publish();
            reader.cancel(id, &mut buffer, Status::Cancelled)
        }
    }
}

const WHOLE: Result<ReadOutcome, Status> = Ok(ReadOutcome { bytes: 4, more: false });

/// The data is either written and read, or neither.
///
/// semantics 96, 119, 126, 127, 230
#[test]
fn a_write_without_quota_and_a_read_that_is_given_up_agree() {
    explore(2, |first| {
        let (mut writer, mut reader) = ends(&memory());
        let (written, read) = first.race(
            move || match writer.write(b"data", WaitMode::Wait).expect("the reader is there") {
                Progress::Done(bytes) => Ok(bytes),
                Progress::Pending(id) => match writer.poll(id, b"data") {
                    Poll::Ready(result) => result,
                    Poll::Pending => writer.cancel(id, Status::Cancelled),
                },
            },
            move || read_or_give_up(&mut reader),
        );
        match written {
            Ok(bytes) => assert_eq!((bytes, read), (4, WHOLE)),
            Err(status) => assert_eq!((status, read), (Status::Cancelled, Err(Status::Cancelled))),
        }
    });
}

/// semantics 134-136, 230
#[test]
fn a_write_that_may_not_wait_and_a_read_that_is_given_up_agree() {
    explore(3, |first| {
        let (mut writer, mut reader) = ends(&memory());
        let (written, read) = first.race(
            move || writer.write(b"data", WaitMode::NoWait).expect("the reader is there"),
            move || read_or_give_up(&mut reader),
        );
        match written {
            Progress::Done(0) => assert_eq!(read, Err(Status::Cancelled)),
            written => assert_eq!((written, read), (Progress::Done(4), WHOLE)),
        }
    });
}

/// A read offers itself and sleeps, as a thread of an end does.
///
/// semantics 92, 99, 126
#[test]
fn a_read_that_sleeps_is_served_and_completes_the_write() {
    explore(2, |first| {
        let (memory, futex) = (memory(), Arc::new(Futex::default()));
        let (mut writer, mut reader) = ends(&memory);
        let (sleeping, alarm) = ((memory.clone(), futex.clone()), (memory, futex));
        let (mut writer, id) = first
            .race(
                move || {
                    let written = writer.write(b"data", WaitMode::Wait).expect("the reader is there");
                    ring(&alarm.0, &alarm.1, Cause::DATA);
                    match written {
                        Progress::Pending(id) => (writer, Some(id)),
                        Progress::Done(bytes) => {
                            assert_eq!(bytes, 4);
                            (writer, None)
                        }
                    }
                },
                move || {
                    let mut buffer = [0; 8];
                    let id = match reader.read(&mut buffer).expect("honest") {
                        Progress::Done(outcome) => return assert_eq!(Ok(outcome), WHOLE),
                        Progress::Pending(id) => id,
                    };
                    sleep_until(&sleeping.0, &sleeping.1, Cause::DATA, || {
                        reader.publish();
                        match reader.poll(id, &mut buffer) {
                            Poll::Pending => false,
                            Poll::Ready(outcome) => {
                                assert_eq!(outcome, WHOLE);
                                true
                            }
                        }
                    });
                },
            )
            .0;
        if let Some(id) = id {
            assert_eq!(writer.poll(id, b"data"), Poll::Ready(Ok(4)));
        }
    });
}
