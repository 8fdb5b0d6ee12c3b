//! A process in want of descriptors, memory or threads: it is told so, does not run hot, and goes on when they come back.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::{NAME, Place, Puppet, User, announce, error, number};

/// What the errors of a shortage begin with: each names what is missing.
fn is_shortage(answer: &str) -> bool {
    [
        "ERROR_TOO_MANY_OPEN_FILES",
        "ERROR_NO_SYSTEM_RESOURCES",
        "ERROR_NOT_ENOUGH_MEMORY",
    ]
    .iter()
    .any(|name| answer.starts_with(name))
}

/// Waits for so long with something to do: a peer that says nothing.
fn let_pass(time: Duration, mut silent: &UnixStream) {
    silent.set_read_timeout(Some(time)).unwrap();
    let nothing = silent.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}

/// semantics 38, 52: those who knock are told that there is no room, for next to no work, and are let in when there is.
#[test]
fn a_server_without_descriptors_rests() {
    const KNOCKS: usize = 200;
    const WATCHED: Duration = Duration::from_secs(1);
    let place = Place::new();
    let mut server = Puppet::start(&place);
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600 count=4")), "3");
    assert_eq!(server.ask("descriptors 0"), "done");
    let uid = rustix::process::geteuid().as_raw();
    let (silent, _other) = UnixStream::pair().unwrap();
    let knocking: Vec<UnixStream> = (0..KNOCKS)
        .map(|_| UnixStream::connect(place.file(uid, "")).unwrap())
        .collect();
    let before_ms = number(&server.ask("cpu_ms"));
    let start = Instant::now();
    let_pass(WATCHED, &silent);
    let spent_ms = number(&server.ask("cpu_ms")) - before_ms;
    let watched_ms = start.elapsed().as_millis() as u64;
    announce(&format!(
        "a server without descriptors: {spent_ms} ms of processor time in {watched_ms} ms, with {KNOCKS} at its door"
    ));
    assert!(spent_ms * 4 < watched_ms, "{spent_ms} ms of work in {watched_ms} ms");
    drop(knocking);

    let refused = error(place.client().open(NAME));
    assert_eq!(refused, "ERROR_NO_SYSTEM_RESOURCES");
    assert_eq!(server.ask("unlimited descriptors"), "done");
    let client = place.client().open(NAME).unwrap();
    client.write(b"hello").unwrap();
    assert_eq!(server.ask("read 0 8"), "hello");
}

/// semantics 46, 81: with few descriptors a question is answered right or fails; a server that lives is not called silent.
#[test]
fn questions_without_descriptors() {
    const ENOUGH: usize = 16;
    let place = Place::new();
    let _server = place.bytes().create(NAME).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let pid = std::process::id();
    let questions = [
        ("list".to_owned(), format!("test of {uid} answers")),
        (format!("info {NAME}"), format!("{uid} {pid} 1")),
        (format!("wait {NAME}"), "ready".to_owned()),
    ];
    for (question, right) in &questions {
        let mut asker = Puppet::start(&place);
        let failed = (0..ENOUGH).take_while(|spare| {
            assert_eq!(asker.ask(&format!("descriptors {spare}")), "done");
            let answer = asker.ask(question);
            assert_eq!(asker.ask("unlimited descriptors"), "done");
            assert!(
                answer == *right || answer.starts_with("ERROR_TOO_MANY_OPEN_FILES"),
                "{question} with {spare} to spare: {answer}"
            );
            answer != *right
        });
        let failed = failed.count();
        assert!(0 < failed && failed < ENOUGH, "{question} failed {failed} times");
        assert_eq!(asker.ask(question), *right);
    }
}

/// semantics 52: a client without address space is told so, and a server without it refuses; both lose nothing else.
#[test]
fn address_space_runs_out() {
    const STEP: usize = 64 * 1024;
    let place = Place::new();
    for who in ["server", "client"] {
        let (mut server, mut client) = (Puppet::start(&place), Puppet::start(&place));
        // So that all that is made once is there.
        assert_eq!(server.ask(&format!("create byte {NAME} rules=600 count=40")), "39");
        assert_eq!(client.ask(&format!("open rw {NAME}")), "0");
        let mut refused = 0;
        for spare in (STEP..40 * STEP).step_by(STEP) {
            let poor = if who == "server" { &mut server } else { &mut client };
            assert_eq!(poor.ask(&format!("address_space {spare}")), "done");
            let answer = client.ask(&format!("open rw {NAME}"));
            let poor = if who == "server" { &mut server } else { &mut client };
            assert_eq!(poor.ask("unlimited address_space"), "done");
            if answer.parse::<u64>().is_ok() {
                break;
            }
            assert!(is_shortage(&answer), "{who} with {spare} bytes to spare: {answer}");
            refused += 1;
        }
        assert!(0 < refused && refused < 39, "{who}: refused {refused} times");
        // The first connection is as it was.
        assert_eq!(client.ask("write 0 hello"), "5");
        assert_eq!(server.ask("read 0 8"), "hello");
    }
}

/// semantics 52: the memory of a connection is a file to the system. A limit on those refuses clients, and ends no server.
#[test]
fn files_may_not_be_large() {
    let place = Place::new();
    let mut server = Puppet::start(&place);
    assert_eq!(server.ask("file_size 100000"), "done");
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600 count=2")), "1");
    let refused = || assert_eq!(error(place.client().open(NAME)), "ERROR_NO_SYSTEM_RESOURCES");
    refused();
    // By the thread that waits for a client, once it does: the library's own hears no signals.
    server.tell("connect 0");
    const ENOUGH: usize = 200;
    (0..ENOUGH).for_each(|_| refused());
}

/// semantics 119-120: a write that cannot map what it needs goes on in what is mapped, or says why not.
#[test]
fn a_large_write_without_address_space() {
    const LARGE: usize = 1 << 20;
    let place = Place::new();
    let mut options = place.bytes();
    let server = options.in_buffer_size(2 << 20).create(NAME).unwrap();
    let mut client = Puppet::start(&place);
    assert_eq!(client.ask(&format!("open rw {NAME}")), "0");
    // Its own copy of the data has to fit, the lane does not.
    assert_eq!(client.ask(&format!("address_space {}", 3 << 20)), "done");
    client.tell(&format!("fill 0 {LARGE}"));
    let mut buffer = vec![0; LARGE];
    let mut total = 0;
    while total < LARGE {
        match server.read(&mut buffer) {
            Ok(bytes) => total += bytes,
            Err(failed) => panic!("{failed} after {total} bytes; the client: {}", client.answer()),
        }
    }
    assert_eq!(client.answer(), LARGE.to_string());
    assert_eq!(client.ask("unlimited address_space"), "done");
    assert_eq!(client.ask("write 0 hello"), "5");
    assert_eq!(server.read(&mut buffer).unwrap(), 5);
}

/// semantics 13, 52: where no thread can be started, neither a server nor a client is made, and nothing stays behind.
#[test]
fn no_thread_to_be_had() {
    /// Of this test alone: threads are counted for each user.
    const USER: User = User::new(40_019);
    let Some(place) = Place::shared("no_thread_to_be_had") else {
        return;
    };
    let (mut server, mut client) = (Puppet::start_as(&place, USER), Puppet::start_as(&place, USER));
    let (create, open) = (format!("create byte {NAME} rules=600"), format!("open rw {NAME}"));
    for (process, command, made) in [(&mut server, create, "0"), (&mut client, open, "0")] {
        assert_eq!(process.ask("threads 1"), "done");
        let answer = process.ask_why(&command);
        assert!(answer.contains("cannot start the background thread"), "{answer}");
        assert_eq!(process.ask("unlimited threads"), "done");
        assert_eq!(process.ask(&command), made);
    }
}
