//! Closing an end, in order and by dying.

use npipe::{PipeMode, PipeStream, ReadOutcome};

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

/// semantics 186
#[test]
fn calls_that_wait_end_when_the_peer_closes() {
    let place = Place::new();
    let server = place.bytes().out_buffer_size(1).create(NAME).unwrap();
    let client = place.open();
    let clones: Vec<_> = (0..3).map(|_| server.try_clone().unwrap()).collect();
    let mut calls = Vec::new();
    for (number, server) in clones.into_iter().enumerate() {
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
