//! Closing an end, in order and by dying.

use std::sync::Arc;

use npipe::{Access, PipeMode, PipeStream, ReadOutcome};

use crate::support::Puppet;
use crate::{NAME, Place, call, error, text};

/// semantics 183-185, 188
#[test]
fn what_was_written_can_be_read() {
    let place = Place::new();
    for closer_is_client in [true, false] {
        let (server, client) = place.message_pair();
        let write = |end: &PipeStream| {
            for message in ["first", "", "second"] {
                end.write(message.as_bytes()).unwrap();
            }
        };
        let read = |end: &PipeStream| {
            assert_eq!(
                end.read_message(&mut [0; 3]).unwrap(),
                ReadOutcome { bytes: 3, more: true }
            );
            assert_eq!(
                (text(end), text(end), text(end)),
                ("st".to_owned(), String::new(), "second".to_owned())
            );
            assert_eq!(error(end.read(&mut [0])), "ERROR_BROKEN_PIPE");
            assert_eq!(error(end.read(&mut [])), "ERROR_BROKEN_PIPE");
            assert_eq!(error(end.write(b"x")), "ERROR_NO_DATA");
            assert_eq!(error(end.write(b"")), "ERROR_NO_DATA");
            assert!(!end.is_connected());
        };
        if closer_is_client {
            write(&client);
            drop(client);
            read(&server);
        } else {
            write(&server);
            drop(server);
            read(&client);
        }
    }
}

/// Writes, reads and flushes; but Windows does not tell when a thread waits in a flush.
const KINDS: usize = if cfg!(unix) { 3 } else { 2 };

/// semantics 186
#[test]
fn calls_that_wait_end_when_the_peer_closes() {
    let place = Place::new();
    let server = place.bytes().out_buffer_size(1).create(NAME).unwrap();
    let client = place.open();
    let clones: Vec<_> = (0..3).map(|_| server.try_clone().unwrap()).collect();
    let mut calls = Vec::new();
    for (number, server) in clones.into_iter().enumerate().take(KINDS) {
        let act = move || match number {
            0 => server.write(b"long"),
            1 => server.read(&mut [0]),
            _ => server.flush().map(|()| 0),
        };
        calls.push(call(act).blocked());
    }
    drop(client);
    for call in calls {
        assert_eq!(error(call.end()), "ERROR_BROKEN_PIPE");
    }
}

/// semantics 187: and nobody waits for it.
#[test]
fn what_the_closer_had_not_read_is_lost() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    client.write(b"lost").unwrap();
    drop(server);
    client.flush().unwrap();
    assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 189
#[test]
fn the_client_of_a_closed_server() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    drop(server);
    // Another pipe of that name is none of its business.
    let another = place.messages().create(NAME).unwrap();
    let state = client.state().unwrap();
    assert_eq!((state.instances, state.read_mode), (0, PipeMode::Message));
    drop(another);
    assert_eq!(client.state().unwrap().instances, 0);
    assert_eq!(client.info().unwrap().mode, PipeMode::Message);
    client.set_state(PipeMode::Byte, true).unwrap();
    let state = client.state().unwrap();
    assert_eq!((state.read_mode, state.nowait), (PipeMode::Byte, true));
}

/// semantics 190
#[test]
fn an_end_closes_with_its_last_handle() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let duplicate = client.try_clone().unwrap();
    drop(client);
    duplicate.write(b"alive").unwrap();
    assert_eq!(text(&server), "alive");
    let reader = duplicate.try_clone().unwrap();
    let reading = call(move || reader.read(&mut [0])).blocked();
    drop(duplicate);
    reading.waits();
    server.write(b"x").unwrap();
    assert_eq!(reading.end().unwrap(), 1);
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 129, 183, 186, 190: a process that is killed has closed its ends.
#[test]
fn a_process_dies() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(child.ask("write 0 testament"), "9");
    let writer = server.try_clone().unwrap();
    let writing = call(move || writer.write(&[0; 1 << 20])).blocked();
    child.kill();
    assert_eq!(text(&server), "testament");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
    assert_eq!(error(writing.end()), "ERROR_BROKEN_PIPE");
    assert_eq!(error(server.write(b"x")), "ERROR_NO_DATA");
    assert_eq!(error(server.connect()), "ERROR_NO_DATA");
}

/// semantics 129, 183, 186: the same for a client whose server is killed.
#[test]
fn a_server_process_dies() {
    let place = Place::new();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("create message {NAME}")), "0");
    let client = place.message_client();
    assert_eq!(child.ask("write 0 testament"), "9");
    assert_eq!(text(&client), "testament");
    let reader = client.try_clone().unwrap();
    let reading = call(move || reader.read(&mut [0])).blocked();
    child.kill();
    assert_eq!(error(reading.end()), "ERROR_BROKEN_PIPE");
    assert_eq!(error(client.write(b"")), "ERROR_NO_DATA");
    assert_eq!(client.state().unwrap().instances, 0);
}

/// An end that is closed under calls of other threads ends them. semantics 79, 192
#[test]
fn closing_ends_the_calls_of_other_threads() {
    let place = Place::new();
    let server = Arc::new(place.bytes().out_buffer_size(1).create(NAME).unwrap());
    let client = place.open();
    let mut calls = Vec::new();
    for number in 0..KINDS {
        let server = Arc::clone(&server);
        let act = move || match number {
            0 => server.write(b"long"),
            1 => server.read(&mut [0]),
            _ => server.flush().map(|()| 0),
        };
        calls.push(call(act).blocked());
    }
    server.close();
    for waiting in calls {
        assert_eq!(error(waiting.end()), "ERROR_BROKEN_PIPE");
    }
    assert_eq!(error(server.read(&mut [0])), "ERROR_INVALID_HANDLE");
    assert_eq!(error(server.write(b"x")), "ERROR_INVALID_HANDLE");
    assert_eq!(error(server.connect()), "ERROR_INVALID_HANDLE");
    assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
    // The name is free although a handle is left.
    let again = Arc::new(place.bytes().first_pipe_instance(true).create(NAME).unwrap());
    let listening = Arc::clone(&again);
    let listening = call(move || listening.connect()).blocked();
    again.close();
    assert_eq!(error(listening.end()), "ERROR_BROKEN_PIPE");
}

/// semantics 61, 62, 64
#[test]
fn listening_tells_who_came_first() {
    let place = Place::new();
    let server = Arc::new(place.bytes().create(NAME).unwrap());
    let listening = Arc::clone(&server);
    let listening = call(move || listening.listen()).blocked();
    let client = place.open();
    listening.end().unwrap();
    assert_eq!(error(server.listen()), "ERROR_PIPE_CONNECTED");
    server.connect().unwrap();
    drop(client);
}

/// semantics 204: the right to change the modes can be asked for alone.
#[test]
fn rights_are_asked_for_one_by_one() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let rights = Access {
        write_attributes: true,
        ..Access::READ
    };
    let client = place.client().access(rights).open(NAME).unwrap();
    client.set_state(PipeMode::Message, false).unwrap();
    assert_eq!(error(client.write(b"x")), "ERROR_ACCESS_DENIED");
    drop(server);
}
