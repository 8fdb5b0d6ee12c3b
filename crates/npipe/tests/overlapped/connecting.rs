//! Overlapped connects.

use npipe::Status;

use crate::{NAME, Place, call, error, finish, moved, text};

/// semantics 68, 71: pending until a client opens, then complete with 0 bytes.
#[test]
fn a_connect_completes_when_a_client_opens() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connecting = server.start_connect().unwrap();
    assert!(!connecting.is_complete());
    assert_eq!(error(connecting.result()), "ERROR_IO_INCOMPLETE");
    let client = place.open();
    assert_eq!(finish(connecting).result, moved(0));
    client.write(b"and on it goes").unwrap();
    assert_eq!(text(&server), "and on it goes");
}

/// semantics 62, 63: a client that was there before.
#[test]
fn a_client_may_be_there_before() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let connecting = server.start_connect().unwrap();
    assert!(connecting.is_complete());
    assert_eq!(connecting.finish().result, moved(0));
    drop(client);
    assert_eq!(error(server.start_connect()), "ERROR_NO_DATA");
}

/// semantics 57
#[test]
fn one_client_completes_all_connects() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connecting = [server.start_connect().unwrap(), server.start_connect().unwrap()];
    let blocking = {
        let server = server.try_clone().unwrap();
        call(move || server.connect()).blocked()
    };
    let _client = place.open();
    for connecting in connecting {
        assert_eq!(finish(connecting).result, moved(0));
    }
    blocking.end().unwrap();
}

/// semantics 78, 230, 231: cancelled or dropped, the instance goes on listening.
#[test]
fn a_cancelled_operation_leaves_the_instance_listening() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connecting = server.start_connect().unwrap();
    connecting.cancel().unwrap();
    assert_eq!(error(connecting.cancel()), "ERROR_NOT_FOUND");
    assert_eq!(connecting.finish().result, Err(Status::Cancelled));
    drop(server.start_connect().unwrap());
    let kept = server.start_connect().unwrap();
    server.cancel().unwrap();
    assert!(kept.is_complete());
    drop(place.open());
    assert_eq!(error(server.start_connect()), "ERROR_NO_DATA");
}

/// semantics 67, 177, 178: an instance that listens no more ends the connect.
#[test]
fn a_disconnect_ends_the_connect() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connecting = server.start_connect().unwrap();
    server.disconnect().unwrap();
    assert_eq!(finish(connecting).result, Err(Status::PipeDisconnected));
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
}

/// semantics 67, 79: an instance listens again, and its end ends the connect.
#[test]
fn the_end_of_the_instance_ends_the_connect() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let client = place.open();
    server.disconnect().unwrap();
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    drop(client);

    let connecting = server.start_connect().unwrap();
    let client = place.open();
    assert_eq!(finish(connecting).result, moved(0));
    drop(client);
    server.disconnect().unwrap();

    let connecting = server.start_connect().unwrap();
    drop(server);
    assert!(connecting.is_complete());
    assert_eq!(connecting.finish().result, Err(Status::PipeBroken));
}

/// semantics 76, 77
#[test]
fn a_connect_with_nowait_never_waits() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    server.set_state(npipe::PipeMode::Byte, true).unwrap();
    assert_eq!(error(server.start_connect()), "ERROR_PIPE_LISTENING");
}
