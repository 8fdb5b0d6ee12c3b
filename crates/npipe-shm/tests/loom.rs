//! Interleavings of the two ends, explored by loom: sleeping and waking, retraction, waiting reads, empty messages.
//!
//! Run as `RUSTFLAGS="--cfg loom" cargo test -p npipe-shm --release --test loom`; in an ordinary build there is nothing here.
//! A lost wake-up shows as a thread that waits for ever, which loom reports.
#![cfg(loom)]

use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use npipe_core::{PipeType, Progress, ReadMode, ReadOutcome, Reader, Status, WaitMode, Writer};
use npipe_shm::control::EndWords;
use npipe_shm::doorbell::{self, Cause, Sleeper};
use npipe_shm::layout::{Layout, Side};
use npipe_shm::memory::{HeapMemory, Memory};
use npipe_shm::object::{Half, Object};
use npipe_shm::ring::{RingInlet, RingOutlet};

type ReadEnd = Reader<RingInlet<HeapMemory>>;
type WriteEnd = Writer<RingOutlet<HeapMemory>>;

/// Explores `model` with as many preemptions as are affordable.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// A server end that writes and a client end that reads, over lanes with parts of 8 bytes.
fn ends(quota_bytes: u32) -> (Arc<HeapMemory>, WriteEnd, ReadEnd) {
    let memory = Arc::new(HeapMemory::new(Layout::scaled(128, 8, [128; 2])));
    let mut writer = Writer::new(PipeType::Message, quota_bytes, Status::PipeListening);
    writer.attach(RingOutlet::new(memory.clone(), Side::Server));
    let mut reader = Reader::new(
        PipeType::Message,
        ReadMode::Message,
        WaitMode::Wait,
        Status::PipeListening,
    );
    reader.attach(RingInlet::new(memory.clone(), Side::Client), quota_bytes);
    (memory, writer, reader)
}

/// The kernel's side of a futex: whether the word still has its value is looked at under the lock of the wait queue.
#[derive(Default)]
struct Futex {
    lock: Mutex<()>,
    queue: Condvar,
}

impl Futex {
    /// Sleeps until the bell has another value than the sleeper saw.
    fn sleep(&self, own: &EndWords, sleeper: &Sleeper<'_>) {
        let mut held = self.lock.lock().unwrap();
        while own.bell.0.load(Ordering::Acquire) == sleeper.bell() {
            held = self.queue.wait(held).unwrap();
        }
    }

    /// Tells the client end of a change, with a system call only if somebody sleeps.
    fn ring(&self, memory: &HeapMemory) {
        if doorbell::ring(memory.control().end(Side::Client), Cause::DATA).sleepers {
            let held = self.lock.lock().unwrap();
            self.queue.notify_all();
            drop(held);
        }
    }
}

fn wait_for(own: &EndWords, futex: &Futex, changed: &AtomicU32) {
    while changed.load(Ordering::Acquire) == 0 {
        let sleeper = Sleeper::announce(own, Cause::DATA);
        if changed.load(Ordering::Acquire) == 0 {
            futex.sleep(own, &sleeper);
        }
    }
}

fn wake(sleepers: usize) {
    let memory = Arc::new(HeapMemory::new(Layout::scaled(128, 8, [128; 2])));
    let changed = Arc::new(AtomicU32::new(0));
    let futex = Arc::new(Futex::default());
    let sleepers: Vec<_> = (0..sleepers)
        .map(|_| {
            let (its, called, flag) = (memory.clone(), futex.clone(), changed.clone());
            thread::spawn(move || wait_for(its.control().end(Side::Client), &called, &flag))
        })
        .collect();
    changed.store(1, Ordering::Release);
    futex.ring(&memory);
    for sleeper in sleepers {
        sleeper.join().unwrap();
    }
}

/// semantics 92
#[test]
fn no_wake_up_is_lost() {
    explore(8, || wake(1));
}

/// semantics 92, 219
#[test]
fn one_ring_wakes_both_sleepers() {
    explore(3, || wake(2));
}

/// Who calls for the delegate and then looks has seen the change, or the delegate is rung.
///
/// semantics 92, 122
#[test]
fn no_call_for_the_delegate_is_lost() {
    explore(8, || {
        let memory = Arc::new(HeapMemory::new(Layout::scaled(128, 8, [128; 2])));
        let changed = Arc::new(AtomicU32::new(0));
        let (its, flag) = (memory.clone(), changed.clone());
        let ringing = thread::spawn(move || {
            flag.store(1, Ordering::Release);
            doorbell::ring(its.control().end(Side::Client), Cause::DATA).delegate
        });
        doorbell::call_delegate(memory.control().end(Side::Client), Cause::DATA);
        let seen = changed.load(Ordering::Acquire) == 1;
        assert!(ringing.join().unwrap() || seen);
    });
}

/// A connection's socket as an asynchronous runtime has it: bytes, what the runtime knows of them, and the task that waits.
#[derive(Default)]
struct Watched {
    socket: Mutex<Socket>,
    woken: Condvar,
}

#[derive(Default)]
struct Socket {
    bytes: u32,
    /// So many stay unread when they are heard.
    most_unread: u32,
    /// Whether the runtime takes it for readable, and how many events have said so.
    is_ready: bool,
    events: u32,
    has_hung_up: bool,
    /// Whether the task has left its waker, and whether that was used.
    is_kept: bool,
    is_woken: bool,
}

impl Watched {
    /// Something happens to the socket; then the runtime learns of it; then it wakes whoever has left word. It may all be
    /// late, and other things may happen in between.
    fn happens(&self, what: impl FnOnce(&mut Socket)) {
        what(&mut self.socket.lock().unwrap());
        let mut socket = self.socket.lock().unwrap();
        socket.is_ready = true;
        socket.events += 1;
        drop(socket);
        self.wake();
    }

    /// Has the runtime tell of bytes that come later than those it knows of, which are read now or stay.
    fn hear(&self) {
        let socket = self.socket.lock().unwrap();
        let (is_ready, events) = (socket.is_ready && !socket.has_hung_up, socket.events);
        let stays = socket.bytes < socket.most_unread;
        drop(socket);
        if is_ready {
            if !stays {
                self.socket.lock().unwrap().bytes = 0;
            }
            let mut socket = self.socket.lock().unwrap();
            // A later event stands.
            socket.is_ready = socket.events != events || socket.has_hung_up;
        }
    }

    fn sleep(&self) {
        let mut socket = self.socket.lock().unwrap();
        while !std::mem::take(&mut socket.is_woken) {
            socket = self.woken.wait(socket).unwrap();
        }
    }

    fn wake(&self) {
        let mut socket = self.socket.lock().unwrap();
        if std::mem::take(&mut socket.is_kept) {
            socket.is_woken = true;
            self.woken.notify_all();
        }
    }

    /// Waits as a task does until there is something to see.
    fn wait_for(&self, own: &EndWords, is_there: impl Fn() -> bool) {
        while !is_there() {
            self.socket.lock().unwrap().is_kept = true;
            self.hear();
            doorbell::call_delegate(own, Cause::DATA);
            if is_there() {
                return;
            }
            self.sleep();
        }
    }
}

/// A peer that writes so many times, and rings if it is to; before some of it, too, if it is early.
fn write_and_ring(memory: &HeapMemory, written: &AtomicU32, watched: &Watched, times: u32, early: u32) {
    for number in 1..=times {
        if number <= early && doorbell::ring_early(memory.control().end(Side::Client)) {
            watched.happens(|socket| socket.bytes += 1);
        }
        written.store(number, Ordering::Release);
        if doorbell::ring(memory.control().end(Side::Client), Cause::DATA).delegate {
            watched.happens(|socket| socket.bytes += 1);
        }
    }
}

/// A task that waits in a runtime is woken for everything that its peer does, whether that is a thread or a task itself: both
/// ring alike.
///
/// semantics 92, 122
#[test]
fn no_task_sleeps_through_a_ring() {
    for (most_unread, early) in [(0, 0), (2, 0), (2, 1)] {
        explore(4, move || {
            let memory = Arc::new(HeapMemory::new(Layout::scaled(128, 8, [128; 2])));
            let (written, watched) = (Arc::new(AtomicU32::new(0)), Arc::new(Watched::default()));
            watched.socket.lock().unwrap().most_unread = most_unread;
            let (its, count, socket) = (memory.clone(), written.clone(), watched.clone());
            let peer = thread::spawn(move || write_and_ring(&its, &count, &socket, 2, early));
            for number in 1..=2 {
                let own = memory.control().end(Side::Client);
                watched.wait_for(own, || written.load(Ordering::Acquire) >= number);
            }
            peer.join().unwrap();
            // What was not heard is one byte for each call, never more than the socket holds.
            assert!(watched.socket.lock().unwrap().bytes <= 2 + early);
        });
    }
}

/// A runtime's scanner, as one end has to do with it.
#[derive(Default)]
struct Scanner {
    listing: Mutex<Listing>,
    stirred: Condvar,
}

#[derive(Default)]
struct Listing {
    is_listed: bool,
    /// Left to its bell, and so often can it be taken back still.
    is_retired: bool,
    recalls: u32,
    /// What the task saw before it tried for the last time.
    seen: Option<u32>,
    is_over: bool,
}

impl Listing {
    /// Takes the end back from its bell, if it is not about to be rung.
    fn recall(&mut self, own: &EndWords, written: impl Fn() -> u32) {
        if self.is_retired && self.recalls > 0 {
            self.is_retired = false;
            self.recalls -= 1;
            self.seen = self.seen.filter(|seen| *seen == written());
            if self.seen.is_some() {
                doorbell::dismiss_delegate(own, Cause::DATA);
                self.is_listed = true;
            }
        }
    }
}

impl Scanner {
    /// Looks at the end so many times before it retires it, whenever it is listed.
    fn run(&self, own: &EndWords, watched: &Watched, looks: usize, written: impl Fn() -> u32) {
        loop {
            let mut listing = self.listing.lock().unwrap();
            listing.recall(own, &written);
            while !listing.is_listed && !listing.is_over {
                listing = self.stirred.wait(listing).unwrap();
            }
            if !listing.is_listed {
                return;
            }
            drop(listing);
            for _ in 0..looks {
                let mut listing = self.listing.lock().unwrap();
                if listing.seen.is_some_and(|seen| written() != seen) {
                    listing.seen = None;
                    drop(listing);
                    watched.wake();
                }
            }
            self.retire(own, watched, &written);
        }
    }

    fn retire(&self, own: &EndWords, watched: &Watched, written: impl Fn() -> u32) {
        let mut listing = self.listing.lock().unwrap();
        listing.is_listed = false;
        listing.is_retired = true;
        let is_at_rest = listing.seen.is_some();
        drop(listing);
        if is_at_rest {
            watched.hear();
            doorbell::call_delegate(own, Cause::DATA);
            let listing = self.listing.lock().unwrap();
            let has_changed = listing.is_retired && listing.seen.is_some_and(|seen| written() != seen);
            drop(listing);
            if has_changed {
                watched.wake();
            }
        }
    }

    /// Waits as a task does that has a scanner.
    fn wait_for(&self, watched: &Watched, written: impl Fn() -> u32, number: u32) {
        while written() < number {
            watched.socket.lock().unwrap().is_kept = true;
            let mut listing = self.listing.lock().unwrap();
            listing.seen = Some(written());
            listing.is_listed = true;
            listing.is_retired = false;
            drop(listing);
            self.stirred.notify_all();
            if written() >= number {
                return;
            }
            watched.sleep();
        }
    }
}

/// A task that rests while a scanner looks after its end is woken, whether the scanner sees what has come, or has retired the
/// end, which then rings, or has taken it back.
///
/// semantics 92, 122
#[test]
fn no_task_sleeps_through_a_scan() {
    for (recalls, early) in [(0, 0), (1, 0), (0, 1)] {
        // Three threads: more preemptions take minutes.
        explore(2, move || scan(recalls, early));
    }
}

fn scan(recalls: u32, early: u32) {
    let memory = Arc::new(HeapMemory::new(Layout::scaled(128, 8, [128; 2])));
    let (written, watched) = (Arc::new(AtomicU32::new(0)), Arc::new(Watched::default()));
    let scanner = Arc::new(Scanner::default());
    scanner.listing.lock().unwrap().recalls = recalls;
    let (its, count, socket) = (memory.clone(), written.clone(), watched.clone());
    let peer = thread::spawn(move || write_and_ring(&its, &count, &socket, 2, early));
    let (its, count, socket, scans) = (memory, written.clone(), watched.clone(), scanner.clone());
    let scanning = thread::spawn(move || {
        let own = its.control().end(Side::Client);
        scans.run(own, &socket, 1, || count.load(Ordering::Acquire));
    });
    for number in 1..=2 {
        scanner.wait_for(&watched, || written.load(Ordering::Acquire), number);
    }
    scanner.listing.lock().unwrap().is_over = true;
    scanner.stirred.notify_all();
    peer.join().unwrap();
    scanning.join().unwrap();
}

/// A peer that goes, in order or not, says so by its socket alone, in whatever state the calls for the delegate are.
///
/// semantics 183
#[test]
fn no_task_sleeps_through_the_end_of_its_peer() {
    explore(4, || {
        let memory = Arc::new(HeapMemory::new(Layout::scaled(128, 8, [128; 2])));
        let (written, watched) = (Arc::new(AtomicU32::new(0)), Arc::new(Watched::default()));
        let (its, count, socket) = (memory.clone(), written.clone(), watched.clone());
        let peer = thread::spawn(move || {
            write_and_ring(&its, &count, &socket, 1, 1);
            socket.happens(|socket| socket.has_hung_up = true);
        });
        let own = memory.control().end(Side::Client);
        watched.wait_for(own, || written.load(Ordering::Acquire) == 1);
        // The end itself is a state of the socket, which the next look finds.
        watched.wait_for(own, || watched.socket.lock().unwrap().has_hung_up);
        peer.join().unwrap();
    });
}

/// Reads as a thread of an end does: looks, offers its read, sleeps, looks again.
fn read_waiting(memory: &HeapMemory, futex: &Futex, reader: &mut ReadEnd, into: &mut [u8]) -> ReadOutcome {
    let own = memory.control().end(Side::Client);
    let id = match reader.read(into).unwrap() {
        Progress::Done(outcome) => return outcome,
        Progress::Pending(id) => id,
    };
    loop {
        let sleeper = Sleeper::announce(own, Cause::DATA);
        reader.publish();
        match reader.poll(id, into) {
            Poll::Ready(outcome) => return outcome.unwrap(),
            Poll::Pending => futex.sleep(own, &sleeper),
        }
    }
}

/// semantics 92, 99, 124
#[test]
fn messages_of_several_parts_arrive_whole_and_in_order() {
    explore(2, || {
        let (memory, mut writer, mut reader) = ends(64);
        let futex = Arc::new(Futex::default());
        let (its, called) = (memory.clone(), futex.clone());
        let writing = thread::spawn(move || {
            for message in [&b"0123456789"[..], b"x"] {
                assert_eq!(writer.write(message, WaitMode::Wait), Ok(Progress::Done(message.len())));
                called.ring(&its);
            }
        });
        let mut into = [0; 16];
        let outcome = read_waiting(&memory, &futex, &mut reader, &mut into);
        assert_eq!((&into[..outcome.bytes], outcome.more), (&b"0123456789"[..], false));
        let outcome = read_waiting(&memory, &futex, &mut reader, &mut into);
        assert_eq!(&into[..outcome.bytes], b"x");
        writing.join().unwrap();
    });
}

/// What a read that is withdrawn after one look brought.
fn read_or_withdraw(reader: &mut ReadEnd, into: &mut [u8], publish: bool) -> Option<usize> {
    match reader.read(into).unwrap() {
        Progress::Done(outcome) => Some(outcome.bytes),
        Progress::Pending(id) => {
            if publish {
                reader.publish();
            }
            reader
                .cancel(id, into, Status::Cancelled)
                .ok()
                .map(|outcome| outcome.bytes)
        }
    }
}

/// semantics 127: the reader has the whole message, or the writer has it back.
#[test]
fn a_retraction_and_a_read_agree() {
    for length in [3, 12] {
        explore(3, move || {
            let (_memory, mut writer, mut reader) = ends(0);
            let message = &b"abcdefghijkl"[..length];
            let Ok(Progress::Pending(id)) = writer.write(message, WaitMode::Wait) else {
                panic!("quota 0 and no read")
            };
            let reading = thread::spawn(move || {
                let mut into = [0; 16];
                let got = read_or_withdraw(&mut reader, &mut into, false);
                (reader, got.map(|bytes| into[..bytes].to_vec()))
            });
            let cancelled = writer.cancel(id, Status::Cancelled);
            let (mut reader, mut got) = reading.join().unwrap();
            if got.as_ref().is_some_and(|got| got.len() < length) {
                // A read that met the retraction in the middle hands its part over; the writer has the rest back.
                assert_eq!(cancelled, Err(Status::Cancelled));
                return;
            }
            if got.is_none() {
                let mut into = [0; 16];
                got = read_or_withdraw(&mut reader, &mut into, false).map(|bytes| into[..bytes].to_vec());
            }
            assert_eq!(cancelled.is_ok(), got.is_some(), "{cancelled:?} {got:?}");
            assert!(got.is_none_or(|got| got == message));
        });
    }
}

/// semantics 96, 119, 126: a write that is complete because a read waits is read by it, even if it is withdrawn now.
#[test]
fn a_read_that_was_counted_on_is_served() {
    for wait in [WaitMode::Wait, WaitMode::NoWait] {
        explore(3, move || {
            let (_memory, mut writer, mut reader) = ends(0);
            let reading = thread::spawn(move || {
                let mut into = [0; 8];
                let got = read_or_withdraw(&mut reader, &mut into, true);
                (reader, got)
            });
            let written = writer.write(b"abc", wait).unwrap();
            let (mut reader, got) = reading.join().unwrap();
            match written {
                Progress::Done(0) => assert_eq!(got, None, "nothing was written"),
                Progress::Done(_) => assert_eq!(got, Some(3)),
                Progress::Pending(_) => {
                    let mut into = [0; 8];
                    let later = read_or_withdraw(&mut reader, &mut into, false);
                    assert_eq!(got.or(later), Some(3), "a write that waits is there to be read");
                }
            }
        });
    }
}

/// semantics 104, 125
#[test]
fn empty_messages_are_counted_once_each() {
    explore(3, || {
        let (_memory, mut writer, mut reader) = ends(0);
        let writing = thread::spawn(move || {
            for _ in 0..2 {
                assert_eq!(writer.write(b"", WaitMode::Wait), Ok(Progress::Done(0)));
            }
        });
        let mut into = [0; 4];
        let mut count = 0;
        for _ in 0..2 {
            count += usize::from(read_or_withdraw(&mut reader, &mut into, false).is_some());
        }
        writing.join().unwrap();
        while read_or_withdraw(&mut reader, &mut into, false).is_some() {
            count += 1;
        }
        assert_eq!(count, 2);
    });
}

/// Whoever leaves an end while another takes it up does not take it for closed.
#[test]
fn a_goodbye_does_not_overtake_an_arrival() {
    explore(3, || {
        let object = Arc::new(Object::default());
        let leaver = object.holders().join(1, 1).unwrap();
        object.send_off();
        let arriving = thread::spawn({
            let object = object.clone();
            move || {
                object.holders().join(2, 2).unwrap();
                object.arrive();
            }
        });
        object.holders().retire(leaver);
        assert!(object.is_held());
        arriving.join().unwrap();
        assert!(object.is_held());
    });
}

/// The same where the one that has arrived passes the end on at once, and leaves.
#[test]
fn a_goodbye_does_not_overtake_an_end_that_is_passed_on() {
    explore(2, || {
        let object = Arc::new(Object::default());
        let leaver = object.holders().join(1, 1).unwrap();
        object.send_off();
        let passing = thread::spawn({
            let object = object.clone();
            move || {
                let place = object.holders().join(2, 2).unwrap();
                object.arrive();
                object.send_off();
                object.holders().retire(place);
                assert!(object.is_held());
            }
        });
        object.holders().retire(leaver);
        assert!(object.is_held());
        passing.join().unwrap();
    });
}

/// Two halves forget one that is gone, and its place is free once, with its sleepers.
#[test]
fn a_place_becomes_free_once() {
    explore(3, || {
        let object = Arc::new(Object::default());
        let gone = object.holders().join(1, 1).unwrap();
        object.holders().of(gone.id).sleepers.store(5, Ordering::Relaxed);
        object.holders().retire(gone);
        let forgetting = thread::spawn({
            let object = object.clone();
            move || object.holders().forget(gone, Half::Writing)
        });
        let one = object.holders().forget(gone, Half::Reading);
        let other = forgetting.join().unwrap();
        assert!(matches!((one, other), (Some(5), None) | (None, Some(5))));
    });
}
