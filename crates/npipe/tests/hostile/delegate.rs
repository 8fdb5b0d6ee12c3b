//! Peers that play with how the background thread is rung: bytes without end on the socket, bells that nobody has asked
//! for, and rings that are never heard.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use npipe::overlapped::CompletionPort;
use npipe::{AccessRules, PipeClient, PipeMode, PipeServer};
use npipe_shm::layout::Side;

use crate::intruder::Intruder;
use crate::support::{NAME, PATIENCE, Place, until};

fn server(place: &Place) -> PipeServer {
    let mut options = place.server(PipeMode::Message);
    let rules = AccessRules::from_mode(0o666).expect("mode bits");
    options.access_rules(rules).create(NAME).expect("the name is free")
}

/// An innocent connection, served by operations that nobody waits on, and its client.
struct Innocent {
    server: PipeServer,
    client: PipeClient,
}

impl Innocent {
    fn new(place: &Place) -> Innocent {
        const OTHER: &str = r"\\.\pipe\innocent";
        let server = place.messages().create(OTHER).expect("the name is free");
        let mut options = place.client();
        let client = options.pipe_mode(PipeMode::Message).open(OTHER).expect("it listens");
        client.set_read_timeout(Some(PATIENCE));
        Innocent { server, client }
    }

    /// One exchange, of which the background thread does the server's part.
    fn exchange(&self, port: &CompletionPort) {
        self.server.queue_read(vec![0; 16], 1).expect("it can be read");
        self.client.write(b"innocent").expect("it can be written");
        let packet = port.get(Some(PATIENCE)).expect("a packet comes");
        assert_eq!(packet.completed.data(), b"innocent");
    }
}

/// Does something without end beside a victim with pending operations, while an innocent connection goes on.
fn beside(disturb: impl Fn(&Intruder) + Sync) {
    const EXCHANGES: u32 = 2_000;
    let place = Place::new();
    let victim = server(&place);
    let intruder = Intruder::open(place.path(), NAME).expect("an instance listens");
    intruder.socket.set_nonblocking(true).expect("it is a socket");
    let port = CompletionPort::new();
    let innocent = Innocent::new(&place);
    port.associate(&innocent.server, 1).expect("it has none");
    let reading = victim.start_read(vec![0; 16]).expect("it can be read");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                disturb(&intruder);
            }
        });
        for _ in 0..EXCHANGES {
            innocent.exchange(&port);
            assert!(!reading.is_complete());
            // Complete at once, whatever the peer does.
            let _ = victim.start_write("x").expect("it can be written").cancel();
        }
        over.store(true, Ordering::Relaxed);
    });
    drop(intruder);
    assert!(reading.wait(Some(PATIENCE)));
    assert!(reading.result().is_err(), "nothing was written");
}

/// semantics 71, 214
#[test]
fn bytes_without_end_hold_nobody_up() {
    beside(|intruder| drop((&intruder.socket).write(&[7; 4096])));
}

/// semantics 71, 214: the words in which the victim counts its sleepers and calls for its delegate are the peer's to write.
#[test]
fn spoilt_calls_for_the_delegate_hold_nobody_up() {
    beside(|intruder| {
        for value in [0, u32::MAX, 1 << 15, 1 << 31] {
            for side in [Side::Server, Side::Client] {
                intruder.words(side).attention.0.sleepers.store(value, Ordering::SeqCst);
            }
            let _ = (&intruder.socket).write(&[7]);
        }
    });
}

/// A peer that calls for its delegate again and again and never hears it: the victim's writes do not block.
///
/// semantics 119
#[test]
fn rings_that_nobody_hears_do_not_block() {
    const WRITES: u32 = 20_000;
    let place = Place::new();
    let victim = server(&place);
    let intruder = Intruder::open(place.path(), NAME).expect("an instance listens");
    let begun = Instant::now();
    for _ in 0..WRITES {
        let words = intruder.words(Side::Client);
        words.attention.0.sleepers.store(1 << 15, Ordering::SeqCst);
        // As if it had read everything.
        let queued = words_of_lane(&intruder);
        words.reader.0.taken.store(queued, Ordering::SeqCst);
        let writing = victim.start_write("x").expect("it can be written");
        drop(writing);
    }
    assert!(begun.elapsed() < PATIENCE, "a write blocks");
    drop(intruder);
    until(|| (!victim.is_connected()).then_some(()));
}

/// A lane that no honest writer writes ends what is pending on it, and nothing else.
///
/// semantics 71, 214
#[test]
fn a_lane_of_lies_ends_what_is_pending() {
    let place = Place::new();
    let victim = server(&place);
    let intruder = Intruder::open(place.path(), NAME).expect("an instance listens");
    let reads = [(); 2].map(|()| victim.start_read(vec![0; 16]).expect("it can be read"));
    let tail = &intruder.words(Side::Client).writer.0.tail;
    tail.store(u64::MAX, Ordering::SeqCst);
    (&intruder.socket).write_all(&[1]).expect("it is heard");
    for reading in reads {
        assert!(reading.wait(Some(PATIENCE)));
        assert!(reading.result().is_err());
    }
    assert!(victim.start_read(vec![0; 16]).is_err());
}

fn words_of_lane(intruder: &Intruder) -> u64 {
    intruder.words(Side::Server).writer.0.queued.load(Ordering::SeqCst)
}
