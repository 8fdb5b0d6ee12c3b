//! Waiting for an instance that listens.

use std::time::{Duration, Instant};

use crate::support::{Call, PATIENCE, Puppet, relisten};
use crate::{NAME, Place, call, error};

fn begin_wait(place: &Place, timeout: Option<Duration>) -> Call<npipe::Result<()>> {
    let namespace = place.namespace();
    call(move || namespace.wait(NAME, timeout)).blocked()
}

/// semantics 81
#[test]
fn a_missing_name_is_not_waited_for() {
    let place = Place::new();
    for timeout in [
        None,
        Some(Duration::ZERO),
        Some(Duration::from_millis(1)),
        Some(PATIENCE),
    ] {
        assert_eq!(error(place.namespace().wait(NAME, timeout)), "ERROR_FILE_NOT_FOUND");
    }
}

/// semantics 82, 83: nothing is waited for, nothing reserved.
#[test]
fn a_listening_instance_is_not_waited_for() {
    let place = Place::new();
    let _server = place.bytes().create(NAME).unwrap();
    for timeout in [None, Some(Duration::ZERO), Some(Duration::from_millis(1))] {
        place.namespace().wait(NAME, timeout).unwrap();
    }
    let _client = place.open();
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
}

/// semantics 84, 85: never early.
#[test]
fn busy_instances_are_waited_for() {
    let place = Place::new();
    let _server = place
        .bytes()
        .default_timeout(Duration::from_millis(30))
        .create(NAME)
        .unwrap();
    let _client = place.open();
    for (timeout, at_least_ms) in [
        (Duration::from_millis(1), 1),
        (Duration::from_millis(60), 60),
        (Duration::ZERO, 30),
    ] {
        let start = Instant::now();
        assert_eq!(error(place.namespace().wait(NAME, Some(timeout))), "ERROR_SEM_TIMEOUT");
        assert!(start.elapsed() >= Duration::from_millis(at_least_ms));
    }
    let start = Instant::now();
    let open = place.client().connect_timeout(Duration::from_millis(40)).open(NAME);
    assert_eq!(error(open), "ERROR_SEM_TIMEOUT");
    assert!(start.elapsed() >= Duration::from_millis(40));
}

/// semantics 85-87: all are released together, and by nothing but an instance that listens.
#[test]
fn waiters_are_released_when_an_instance_listens_again() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let client = place.open();
    let waiters: Vec<_> = (0..5)
        .map(|number| begin_wait(&place, (number > 0).then_some(PATIENCE)))
        .collect();
    drop(client);
    server.disconnect().unwrap();
    // The server has heard of both by the time it answers this.
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    waiters.iter().for_each(Call::waits);
    let connecting = call(move || server.connect().map(|()| server));
    for waiter in waiters {
        waiter.end().unwrap();
    }
    let _client = place.open();
    connecting.end().unwrap();
}

/// semantics 88
#[test]
fn a_connect_with_nowait_releases_waiters() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let _client = place.open();
    let waiters = [begin_wait(&place, None), begin_wait(&place, None)];
    server.disconnect().unwrap();
    relisten(&server);
    for waiter in waiters {
        waiter.end().unwrap();
    }
}

/// semantics 86
#[test]
fn a_new_instance_releases_waiters() {
    let place = Place::new();
    let _server = place.bytes().create(NAME).unwrap();
    let _client = place.open();
    let waiters = [begin_wait(&place, None), begin_wait(&place, Some(PATIENCE))];
    let _another = place.bytes().create(NAME).unwrap();
    for waiter in waiters {
        waiter.end().unwrap();
    }
}

/// semantics 89
#[test]
fn waiters_hear_that_the_name_is_gone() {
    let place = Place::new();
    let first = place.bytes().create(NAME).unwrap();
    let second = place.bytes().create(NAME).unwrap();
    let clients = [place.open(), place.open()];
    let waiters = [begin_wait(&place, None), begin_wait(&place, Some(PATIENCE))];
    drop(first);
    waiters.iter().for_each(Call::waits);
    drop(second);
    for waiter in waiters {
        assert_eq!(error(waiter.end()), "ERROR_FILE_NOT_FOUND");
    }
    drop(clients);
}

/// semantics 89: also when its process is killed.
#[test]
fn waiters_hear_that_the_server_has_died() {
    let place = Place::new();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("create byte {NAME}")), "0");
    let _client = place.open();
    let waiters = [begin_wait(&place, None), begin_wait(&place, Some(PATIENCE))];
    child.kill();
    for waiter in waiters {
        assert_eq!(error(waiter.end()), "ERROR_FILE_NOT_FOUND");
    }
}

/// semantics 84: a waiter that has given up, or died, does not disturb the others.
#[test]
fn waiters_may_leave() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let _client = place.open();
    let mut children = [Puppet::start(&place), Puppet::start(&place)];
    for child in &mut children {
        assert_eq!(child.ask(&format!("open rw {NAME}")), "ERROR_PIPE_BUSY");
        child.tell(&format!("wait {NAME}"));
    }
    let staying = begin_wait(&place, None);
    assert_eq!(
        error(place.namespace().wait(NAME, Some(Duration::from_millis(1)))),
        "ERROR_SEM_TIMEOUT"
    );
    let [killed, mut kept] = children;
    killed.kill();
    server.disconnect().unwrap();
    let connecting = call(move || server.connect().map(|()| server));
    staying.end().unwrap();
    assert_eq!(kept.answer(), "ready");
    let _client = place.open();
    connecting.end().unwrap();
}

/// semantics 90
#[test]
fn what_is_no_name_cannot_be_waited_for() {
    let place = Place::new();
    for path in [
        "",
        "test",
        r"C:\pipe\test",
        r"\\.\pipe\",
        r"\\.\pipe",
        r"\\.\mailslot\x",
        "\\\\.\\pipe\\\0",
    ] {
        assert_eq!(
            error(place.namespace().wait(path, None)),
            "ERROR_BAD_PATHNAME",
            "{path:?}"
        );
    }
    let longer = format!(r"\\.\pipe\{}", "x".repeat(248));
    assert_eq!(error(place.namespace().wait(longer, None)), "ERROR_BAD_PATHNAME");
}

/// semantics 82, 86: opening with a time-out takes the next instance that is free, whoever else wants it.
#[test]
fn opens_with_a_time_out_take_turns() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let opening = || {
        let mut options = place.client();
        options.connect_timeout(PATIENCE);
        call(move || options.open(NAME).map(|client| client.write(b"x")))
    };
    let calls: Vec<_> = (0..8).map(|_| opening()).collect();
    for _ in &calls {
        // One of them has come already, perhaps, and left again.
        let _ = server.connect();
        assert_eq!(server.read(&mut [0; 2]).unwrap(), 1);
        server.disconnect().unwrap();
    }
    for call in calls {
        call.end().unwrap().unwrap();
    }
}
