//! Those at a server's door: how long they may take, how many they may be, and that they do not cost others their place.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use npipe::PipeName;
use npipe_core::handshake::Message;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::hear;
use crate::{NAME, Place, Puppet, User, announce, number};

/// As stated: unfinished requests and waiters of one server process at most, and of one user.
const MAX_VISITORS: u64 = 4096;
const MAX_VISITORS_OF_ONE: u64 = 1024;

const STRANGER: User = User::new(40_012);
const GUEST: User = User::new(40_013);

/// So many sockets for this process, if they are to be had.
fn room_for(descriptors: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|most| most >= descriptors);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    enough(limit.current) || enough(limit.maximum) && setrlimit(Resource::Nofile, raised).is_ok()
}

/// Connections to a server of this user, on which `first` is said. `owner` is this user's number.
fn knock(place: &Place, owner: u32, count: u64, first: &[u8]) -> Vec<UnixStream> {
    let socket = place.file(owner, "");
    let knock = |_| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // Whoever is sent away at once cannot say it.
        let _ = stream.write_all(first);
        stream
    };
    (0..count).map(knock).collect()
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn name() -> PipeName {
    PipeName::from_path(NAME.as_bytes()).unwrap()
}

/// No rule: a request has to arrive whole within 10 s, whether its sender is silent or slow.
#[test]
fn requests_have_a_deadline() {
    const STATED: Duration = Duration::from_secs(10);
    /// How long the slow one takes for each byte.
    const PACE: Duration = Duration::from_millis(100);
    let place = Place::new();
    let owner = own_uid();
    let _server = place.bytes().create(NAME).unwrap();
    // At that pace it takes longer than anybody would wait.
    let long_name = PipeName::from_path(format!(r"\\.\pipe\{}", "x".repeat(200)).as_bytes()).unwrap();
    let request = Message::Query {
        name: Some(long_name),
        server_pid: None,
    }
    .encode();
    let start = Instant::now();
    let mut silent = knock(&place, owner, 1, b"").remove(0);
    let mut slow = knock(&place, owner, 1, &request[..1]).remove(0);
    slow.set_read_timeout(Some(PACE)).unwrap();
    let mut rest = request[1..].iter();
    loop {
        match slow.read(&mut [0; 64]) {
            Ok(0) => break,
            Ok(_) => panic!("a request that never ends is answered"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
        assert!(start.elapsed() < 6 * STATED, "the slow one may stay");
        let byte = rest.next().expect("there is more to say");
        // It may have been cut off at this moment.
        let _ = slow.write_all(&[*byte]);
    }
    silent.set_read_timeout(Some(5 * STATED)).unwrap();
    assert_eq!(silent.read(&mut [0; 64]).unwrap(), 0, "the silent one may stay");
    let took_s = start.elapsed().as_secs_f32();
    announce(&format!("a request that never comes is given up after {took_s:.1} s"));
    assert!(start.elapsed() >= STATED, "too early: {took_s} s");
}

/// semantics 38: as many as are stated are kept, not more, and others are served all the same.
#[test]
fn visitors_are_bounded() {
    const KNOCKS: u64 = MAX_VISITORS + 1000;
    let place = Place::new();
    let owner = own_uid();
    let mut server = Puppet::start(&place);
    if !room_for(KNOCKS + 100) || server.ask(&format!("room {}", KNOCKS + 100)) == "none" {
        announce("left out, since so many descriptors are not to be had: visitors_are_bounded");
        return;
    }
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600 count=4")), "3");
    // It holds a connection from now on.
    let client = place.client().open(NAME).unwrap();
    client.write(b"hello").unwrap();
    assert_eq!(server.ask("read 0 8"), "hello");
    let before = number(&server.ask("count_descriptors"));
    let silent = knock(&place, owner, KNOCKS, b"");
    // Behind them in the queue, so all of them are in or out when this is answered.
    place.client().open(NAME).unwrap().write(b"hello").unwrap();
    assert_eq!(server.ask("read 1 8"), "hello");
    let kept = number(&server.ask("count_descriptors")) - before;
    announce(&format!("{KNOCKS} silent visitors of one user: about {kept} are kept"));
    // And the connection, while it is closing. A visitor that is being sent away at this moment is out soon.
    let most = before + MAX_VISITORS_OF_ONE + 1;
    assert_eq!(server.ask(&format!("until_at_most {most}")), "done", "{kept} are kept");
    client.write(b"hello").unwrap();
    assert_eq!(server.ask("read 0 8"), "hello");
    drop(silent);
    // Both connections, of which the server has ended neither.
    assert_eq!(server.ask(&format!("until_at_most {}", before + 1)), "done");
    client.write(b"hello").unwrap();
    assert_eq!(server.ask("read 0 8"), "hello");
}

/// semantics 84, 86, 264: however many of a stranger's processes wait, the wait of another user is not ended by them.
#[test]
fn a_stranger_ends_no_wait() {
    const KNOCKS: u64 = MAX_VISITORS + 1000;
    let Some(place) = Place::shared("a_stranger_ends_no_wait") else {
        return;
    };
    let owner = own_uid();
    let mut server = Puppet::start(&place);
    if !room_for(KNOCKS + 100) || server.ask(&format!("room {}", KNOCKS + 100)) == "none" {
        announce("left out, since so many descriptors are not to be had: a_stranger_ends_no_wait");
        return;
    }
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600,u{}", GUEST.uid)), "0");
    let client = place.client().open(NAME).unwrap();
    let wait = Message::Wait { name: name() }.encode();
    let mut guest = GUEST.act(|| knock(&place, owner, 1, &wait)).remove(0);
    assert!(matches!(hear(&mut guest), Message::Waiting { .. }));
    let waiting = STRANGER.act(|| knock(&place, owner, KNOCKS, &wait));
    // Behind them in the queue.
    assert_eq!(crate::error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600")), "1");
    assert_eq!(hear(&mut guest), Message::Ready);
    drop((waiting, client));
}

/// semantics 38, 264: a stranger who takes all descriptors that a server has takes nobody's place.
#[test]
fn a_stranger_takes_no_place() {
    const KNOCKS: u64 = 1000;
    let Some(place) = Place::shared("a_stranger_takes_no_place") else {
        return;
    };
    let owner = own_uid();
    let (mut server, mut guest) = (Puppet::start(&place), Puppet::start_as(&place, GUEST));
    assert!(room_for(KNOCKS + 100), "the superuser has room");
    assert_eq!(
        server.ask(&format!("create byte {NAME} rules=600,u{} count=40", GUEST.uid)),
        "39"
    );
    assert_eq!(server.ask("descriptors 200"), "done");
    let mut opened = 0;
    for first in [vec![], Message::Wait { name: name() }.encode()] {
        let silent = STRANGER.act(|| knock(&place, owner, KNOCKS, &first));
        for _ in 0..10 {
            assert_eq!(guest.ask(&format!("open rw {NAME}")), opened.to_string());
            opened += 1;
        }
        drop(silent);
    }
    assert_eq!(guest.ask("write 0 hello"), "5");
    assert_eq!(server.ask("read 0 8"), "hello");
}
