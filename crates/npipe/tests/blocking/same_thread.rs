//! Both ends on one thread, as on Windows: the server need not make a call for its client to get on.

use npipe::PipeMode;

use crate::{NAME, Place, error, text};

/// semantics 38, 60, 63: opened, written to and closed before the server makes any further call.
#[test]
fn a_client_comes_and_goes_unnoticed() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let client = place.open();
    client.write(b"first").unwrap();
    client.write(b"").unwrap();
    client.write(b"third").unwrap();
    drop(client);
    assert_eq!(error(server.connect()), "ERROR_NO_DATA");
    assert_eq!(
        (text(&server), text(&server), text(&server)),
        ("first".into(), String::new(), "third".into())
    );
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 38, 60: a conversation.
#[test]
fn a_conversation_with_oneself() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    for round in 0..1000 {
        client.write(format!("question {round}").as_bytes()).unwrap();
        assert_eq!(text(&server), format!("question {round}"));
        server.write(format!("answer {round}").as_bytes()).unwrap();
        assert_eq!(text(&client), format!("answer {round}"));
    }
}

/// semantics 13, 38, 46, 82, 195, 197: everything about the name is answered meanwhile.
#[test]
fn a_server_that_does_nothing_is_there() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    place.namespace().wait(NAME, None).unwrap();
    let client = place.open();
    assert_eq!(client.state().unwrap().instances, 1);
    assert_eq!(client.info().unwrap().mode, PipeMode::Byte);
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    drop(server);
    assert_eq!(client.state().unwrap().instances, 0);
}

/// semantics 38, 60: many at once.
#[test]
fn many_clients_before_the_first_connect() {
    let place = Place::new();
    let servers: Vec<_> = (0..20).map(|_| place.bytes().create(NAME).unwrap()).collect();
    for number in 0..20 {
        place.open().write(format!("client {number}").as_bytes()).unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        assert_eq!(text(server), format!("client {number}"));
    }
}
