//! Throwing a client out.

use npipe::{PipeMode, PipeStream};

#[cfg(unix)]
use crate::support::until;
use crate::support::{Puppet, relisten};
use crate::{NAME, Place, call, error, text};

/// semantics 172, 173, 175, 176
#[test]
fn what_works_after_a_disconnect() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.write(b"lost").unwrap();
    client.write(b"lost").unwrap();
    server.disconnect().unwrap();
    let dead = "ERROR_PIPE_NOT_CONNECTED";

    assert_eq!(error(client.read(&mut [0; 10])), dead);
    assert_eq!(error(client.read(&mut [])), dead);
    assert_eq!(error(client.write(b"x")), dead);
    assert_eq!(error(client.write(b"")), dead);
    assert_eq!(error(client.peek(&mut [])), dead);
    assert_eq!(error(client.flush()), dead);
    assert_eq!(error(client.state()), dead);
    assert_eq!(error(client.set_state(PipeMode::Byte, false)), dead);
    assert_eq!(error(client.info()), dead);
    assert!(!client.is_connected());

    assert_eq!(error(server.read(&mut [0; 10])), dead);
    assert_eq!(error(server.write(b"x")), dead);
    assert_eq!(error(server.peek(&mut [])), "ERROR_BAD_PIPE");
    server.flush().unwrap();
    assert_eq!(server.state().unwrap().instances, 1);
    server.set_state(PipeMode::Message, false).unwrap();
    server.info().unwrap();
    assert_eq!(error(server.disconnect()), dead);
}

/// semantics 207: who the other one was.
#[test]
fn what_is_forgotten_by_a_disconnect() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.disconnect().unwrap();
    assert_eq!(error(client.peer()), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(error(server.peer()), "ERROR_NOT_FOUND");
}

/// semantics 172: also when the client has left already.
#[test]
fn what_a_client_left_goes_too() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    client.write(b"lost").unwrap();
    drop(client);
    server.disconnect().unwrap();
    assert_eq!(error(server.read(&mut [0])), "ERROR_PIPE_NOT_CONNECTED");
    relisten(&server);
    let client = place.open();
    client.write(b"new").unwrap();
    assert_eq!(text(&server), "new");
}

/// semantics 177
#[test]
fn calls_that_wait_end() {
    let place = Place::new();
    let server = place.bytes().out_buffer_size(1).in_buffer_size(1).create(NAME).unwrap();
    let client = place.open();
    let mut calls = Vec::new();
    let (one, other) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    calls.push(call(move || one.write(b"long")).blocked());
    calls.push(call(move || other.write(b"long")).blocked());
    let (one, other) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    // Windows does not tell when a thread waits in a flush.
    if cfg!(unix) {
        calls.push(call(move || one.flush().map(|()| 0)).blocked());
        calls.push(call(move || other.flush().map(|()| 0)).blocked());
    }
    server.disconnect().unwrap();
    for call in calls {
        assert_eq!(error(call.end()), "ERROR_PIPE_NOT_CONNECTED");
    }

    relisten(&server);
    let client = place.open();
    let (one, other) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let reads = [
        call(move || one.read(&mut [0])).blocked(),
        call(move || other.read(&mut [0])).blocked(),
    ];
    server.disconnect().unwrap();
    for read in reads {
        assert_eq!(error(read.end()), "ERROR_PIPE_NOT_CONNECTED");
    }
}

/// semantics 173, 177: in another process as well.
#[test]
fn a_client_of_another_process_is_thrown_out() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    server.write(b"lost").unwrap();
    assert_eq!(child.ask("read 0 2"), "lo");
    assert_eq!(child.ask("read 0 2"), "st");
    assert_eq!(child.ask("begin read 0 2"), "waits");
    server.disconnect().unwrap();
    assert_eq!(child.ask("result"), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(child.ask("write 0 x"), "ERROR_PIPE_NOT_CONNECTED");
}

/// semantics 180, 181
#[test]
fn the_old_client_stays_dead() {
    let place = Place::new();
    let (server, old) = place.byte_pair();
    server.disconnect().unwrap();
    relisten(&server);
    let new = place.open();
    new.write(b"to be read").unwrap();
    assert_eq!(error(old.write(b"x")), "ERROR_PIPE_NOT_CONNECTED");
    drop(old);
    assert_eq!(text(&server), "to be read");
    server.write(b"reply").unwrap();
    assert_eq!(text(&new), "reply");
    assert!(server.is_connected());
}

/// semantics 180: its modes remain.
#[test]
fn modes_outlive_a_disconnect() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.set_state(PipeMode::Byte, true).unwrap();
    server.disconnect().unwrap();
    let state = server.state().unwrap();
    assert_eq!((state.read_mode, state.nowait), (PipeMode::Byte, true));
    assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    let state = server.state().unwrap();
    assert_eq!((state.read_mode, state.nowait), (PipeMode::Byte, true));
    drop(client);
}

/// semantics 182
#[test]
fn a_disconnected_client_never_reads_that_the_pipe_is_broken() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    server.disconnect().unwrap();
    drop(server);
    let dead = |end: &PipeStream| error(end.read(&mut [0]));
    assert_eq!(dead(&client), "ERROR_PIPE_NOT_CONNECTED");

    // Nor when the process goes.
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("create byte {NAME}")), "0");
    let client = place.open();
    assert_eq!(child.ask("disconnect 0"), "disconnected");
    child.kill();
    for _ in 0..100 {
        assert_eq!(dead(&client), "ERROR_PIPE_NOT_CONNECTED");
    }
}

/// semantics 172, 181: many rounds, each with a client that is dead before it knows.
#[test]
fn clients_come_and_are_thrown_out() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    for _ in 0..200 {
        let client = place.open();
        client.write(b"x").unwrap();
        server.disconnect().unwrap();
        relisten(&server);
        assert_eq!(error(client.write(b"x")), "ERROR_PIPE_NOT_CONNECTED");
    }
    #[cfg(unix)]
    until(|| (place.namespace().info(NAME).unwrap().instances.len() == 1).then_some(()));
}
