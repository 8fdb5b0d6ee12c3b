//! Handshakes that are cut short, oversized, random or slow, and whatever else arrives at the door. Those who come and go
//! in order notice nothing.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use npipe::PipeMode;
use npipe_core::handshake::Message;
use npipe_core::handshake::frame::MAX_FRAME_BYTES;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::innocent;
use crate::intruder::{answer, knock, name, request};
use crate::support::{Place, Random};
use crate::tally::{Tally, rounds};
use crate::victim::{ECHO, MESSAGES, Victim};

/// Hostile handshakes of a run.
const HANDSHAKES: u64 = 5_000;

/// What is sent instead of a request, and whether the sender waits for an answer.
fn nonsense(random: &mut Random) -> Vec<u8> {
    let mut bytes = request(random.one_of(&[MESSAGES, ECHO, r"\\.\pipe\nobody"]));
    match random.below(8) {
        // Noise.
        0 => bytes = (0..random.magnitude(5_000)).map(|_| random.next() as u8).collect(),
        // Cut short.
        1 => bytes.truncate(random.below(bytes.len() as u64) as usize),
        // One byte, or some, of a request changed.
        2 | 3 => {
            for _ in 0..random.magnitude(4) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next() as u8;
            }
        }
        // A length that is not that of the body.
        4 => {
            let length = random.one_of(&[0, 1, 0xffff, 0x1_0000, MAX_FRAME_BYTES as u32, u32::MAX, 1 << 31]);
            bytes[8..12].copy_from_slice(&length.to_le_bytes());
            bytes.resize(bytes.len() + random.magnitude(100_000) as usize, 0);
        }
        // Messages that are for others to send.
        5 => {
            let name = name(MESSAGES);
            let message = random.one_of(&[0, 1, 2, 3]);
            bytes = match message {
                0 => Message::Ready.encode(),
                1 => Message::Waiting {
                    default_timeout_ms: u32::MAX,
                }
                .encode(),
                2 => Message::Unknown {
                    kind: random.next() as u16,
                }
                .encode(),
                _ => Message::Query {
                    name: Some(name),
                    server_pid: None,
                }
                .encode(),
            };
            bytes.extend(bytes.clone());
        }
        // The same fields as another kind of message, such as those that servers of one name send each other.
        6 => bytes[6..8].copy_from_slice(&(random.below(40) as u16).to_le_bytes()),
        // More than one request.
        _ => bytes.extend(bytes.clone()),
    }
    bytes
}

/// Sends descriptors along, which nobody asked for.
pub(crate) fn send_with_descriptors(socket: &UnixStream, bytes: &[u8]) {
    let (ours, _theirs) = UnixStream::pair().expect("a pair");
    let descriptors = [ours.as_fd(); 100];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(100))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let _ = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL);
}

/// One visit. The server may hang up at any point of it.
fn visit(place: &Place, random: &mut Random, kept: &mut Vec<UnixStream>) {
    /// Visitors who stay and say nothing.
    const KEPT: usize = 100;
    let mut socket = knock(place.path(), random.one_of(&[MESSAGES, ECHO]));
    let bytes = nonsense(random);
    match random.below(8) {
        0 => send_with_descriptors(&socket, &bytes),
        // Piece by piece.
        1 => {
            for piece in bytes.chunks(random.magnitude(64) as usize).take(200) {
                if socket.write_all(piece).is_err() {
                    break;
                }
            }
        }
        _ => drop(socket.write_all(&bytes)),
    }
    match random.below(4) {
        0 => drop(socket.shutdown(Shutdown::Write)),
        // Slow: it goes on some other time, or never.
        1 if kept.len() < KEPT => kept.push(socket),
        1 => {
            let index = random.below(KEPT as u64) as usize;
            let mut old = std::mem::replace(&mut kept[index], socket);
            let _ = old.write_all(&bytes);
        }
        2 => {
            socket
                .set_read_timeout(Some(Duration::from_millis(1)))
                .expect("a time-out");
            let _ = socket.read(&mut [0; 4096]);
        }
        _ => {}
    }
}

/// semantics 46-47, 84
#[test]
fn nonsense_at_the_door_keeps_nobody_out() {
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let over = AtomicBool::new(false);
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let before = victim.account();
    std::thread::scope(|scope| {
        scope.spawn(|| innocent::exchange_until(&innocent, &over, &tally));
        scope.spawn(|| innocent::come_and_go_until(&place, &over, &tally));
        let attacker = scope.spawn(|| {
            let mut random = Random::new(6);
            let mut kept = Vec::new();
            for _ in 0..HANDSHAKES * rounds() {
                visit(&place, &mut random, &mut kept);
                tally.count(1);
            }
        });
        let end = attacker.join();
        over.store(true, Ordering::Release);
        end.expect("the attacker failed");
    });
    victim.end(before, &tally);
    tally.report("nonsense at the door");
}

/// A connection's socket says nothing but that its owner lives: what is written to it is not read.
///
/// semantics 91, 183
#[test]
fn a_flood_on_the_socket_of_a_connection_is_not_read() {
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let before = victim.account();
    let mut socket = knock(place.path(), MESSAGES);
    socket.write_all(&request(MESSAGES)).expect("the server listens");
    let (opened, segment): (Message, Option<OwnedFd>) = answer(&socket).expect("an instance listens");
    assert!(matches!(opened, Message::Opened(_)) && segment.is_some());
    socket.set_nonblocking(true).expect("a socket");
    let mut random = Random::new(9);
    let mut written = 0;
    while let Ok(count) = socket.write(&request(ECHO)) {
        written += count;
        tally.count(1);
        innocent::exchange(&innocent, &mut random, &tally);
    }
    assert!(written > 0);
    innocent::exchange(&innocent, &mut random, &tally);
    drop(socket);
    victim.end(before, &tally);
    tally.report("a flood on a connection's socket");
}
