//! Many at once: connections that say nothing, and waiters by the thousand.

use std::io::Write;
use std::os::unix::net::UnixStream;

use npipe::PipeMode;
use npipe_core::handshake::Message;
use rustix::process::{Resource, getrlimit};

use crate::innocent;
use crate::intruder::{answer, has_hung_up, knock, name};
use crate::support::{PATIENCE, Place, Random};
use crate::tally::{Tally, tell};
use crate::victim::{ECHO, MESSAGES, Victim, allow_many_descriptors};

/// Descriptors that the rest of this process needs.
const SPARE: u64 = 200;

/// As many as are wanted, or as this process may have descriptors for, which is said.
fn as_many_as(wanted: u64) -> u64 {
    allow_many_descriptors();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let possible = wanted.min(limit.saturating_sub(SPARE));
    if possible < wanted {
        tell(&format!(
            "{possible} instead of {wanted}: this user may have no more descriptors"
        ));
    }
    possible
}

/// semantics 46-47
#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let mut random = Random::new(10);
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let before = victim.account();
    let mut crowd = Vec::new();
    for number in 0..as_many_as(1_000) {
        crowd.push(knock(place.path(), ECHO));
        tally.count(1);
        if number % 100 == 0 {
            innocent::exchange(&innocent, &mut random, &tally);
            innocent::exchange(&innocent::open(&place, PipeMode::Message, ECHO), &mut random, &tally);
        }
    }
    innocent::exchange(&innocent::open(&place, PipeMode::Message, ECHO), &mut random, &tally);
    drop(crowd);
    victim.end(before, &tally);
    tally.report("a thousand connections");
}

/// The server gives those up who have said nothing for longest.
///
/// semantics 46-47
#[test]
fn more_silent_connections_than_the_server_has_descriptors_keep_nobody_out() {
    const SPARE: u64 = 50;
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let mut random = Random::new(13);
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let before = victim.account();
    victim.limit_descriptors(SPARE);
    let crowd: Vec<_> = (0..8 * SPARE).map(|_| knock(place.path(), ECHO)).collect();
    tally.count(crowd.len() as u64);
    innocent::exchange(&innocent, &mut random, &tally);
    let newcomer = place
        .client()
        .pipe_mode(PipeMode::Message)
        .open(ECHO)
        .expect("an innocent gets in");
    innocent::exchange(&newcomer, &mut random, &tally);
    drop((crowd, newcomer));
    victim.end(before, &tally);
    tally.report("more connections than descriptors");
}

/// A waiter, who has been told that it waits, or that there are too many.
fn wait_by_hand(place: &Place, path: &str) -> UnixStream {
    let mut socket = knock(place.path(), path);
    let request = Message::Wait { name: name(path) };
    // One too many is told so, and hung up on, before it has said a word.
    let _ = socket.write_all(&request.encode());
    let told = answer(&socket).map(|(message, _)| message);
    assert!(
        matches!(told, None | Some(Message::Waiting { .. } | Message::Refused { .. })),
        "{told:?}"
    );
    socket
}

/// semantics 81, 86-87
#[test]
fn thousands_of_waiters_keep_nobody_from_waiting() {
    const NAME: &str = r"\\.\pipe\busy";
    let place = Place::new();
    let tally = Tally::default();
    let mut random = Random::new(11);
    let mut victim = Victim::start(&place);
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let before = victim.account();
    // Each needs a descriptor at either end, and both ends are of this process.
    let many = as_many_as(6_000) / 2;
    let server = place.server(PipeMode::Message).create(NAME).expect("the name is free");
    let occupant = place
        .client()
        .pipe_mode(PipeMode::Message)
        .open(NAME)
        .expect("an instance listens");
    let mut waiters = Vec::new();
    for _ in 0..many {
        waiters.push(wait_by_hand(&place, NAME));
        tally.count(1);
    }
    // The connection that makes them wait goes on, and so does the rest of the machine.
    occupant.write(b"hello").expect("it is connected");
    assert_eq!(server.read(&mut [0; 8]).expect("it is there"), 5);
    innocent::exchange(&innocent, &mut random, &tally);
    // Those who go are forgotten; one who is honest waits among the others, and gets in when there is room.
    waiters.truncate(waiters.len() / 2);
    std::thread::scope(|scope| {
        let honest = scope.spawn(|| {
            let mut options = place.client();
            let options = options.pipe_mode(PipeMode::Message).connect_timeout(PATIENCE);
            options.open(NAME).map(drop)
        });
        drop(occupant);
        server.disconnect().expect("it was connected");
        let connected = server.connect();
        honest.join().expect("no panic").expect("the honest one gets in");
        assert!(
            connected.is_ok() || connected.is_err_and(|error| error.status() == npipe::Status::PipeClosing),
            "somebody came"
        );
    });
    for waiter in &waiters {
        let told = answer(waiter).map(|(message, _)| message);
        assert!(matches!(told, Some(Message::Ready)) || has_hung_up(waiter), "{told:?}");
    }
    drop(waiters);
    victim.end(before, &tally);
    tally.report("thousands of waiters");
}
