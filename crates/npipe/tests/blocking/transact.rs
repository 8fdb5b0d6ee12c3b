//! Transactions and calls.

use std::time::Duration;

use npipe::{PipeClient, PipeMode, PipeServer, ReadOutcome};

use crate::support::{Call, PATIENCE, relisten};
use crate::{NAME, Place, call, error, text};

type Reply = npipe::Result<(String, bool)>;

fn begin_transact(client: &PipeClient, request: &str, size: usize) -> Call<Reply> {
    let (client, request) = (client.try_clone().unwrap(), request.to_owned());
    call(move || {
        let mut reply = vec![0; size];
        let ReadOutcome { bytes, more } = client.transact(request.as_bytes(), &mut reply)?;
        Ok((String::from_utf8_lossy(&reply[..bytes]).into_owned(), more))
    })
    .blocked()
}

/// semantics 152, 154
#[test]
fn a_request_and_its_reply() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let transaction = begin_transact(&client, "request", 5);
    assert_eq!(text(&server), "request");
    transaction.waits();
    server.write(b"long reply").unwrap();
    assert_eq!(transaction.end().unwrap(), ("long ".to_owned(), true));
    assert_eq!(text(&client), "reply");
}

/// semantics 150: nothing is sent.
#[test]
fn what_a_transaction_needs() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    assert_eq!(error(client.transact(b"x", &mut [0])), "ERROR_BAD_PIPE");
    assert_eq!(error(server.transact(b"x", &mut [0])), "ERROR_BAD_PIPE");
    drop((server, client));

    let (server, client) = place.message_pair();
    client.set_state(PipeMode::Byte, false).unwrap();
    assert_eq!(error(client.transact(b"x", &mut [0])), "ERROR_BAD_PIPE");
    assert_eq!(server.peek(&mut []).unwrap().total, 0);
    drop((server, client));

    let server = place.messages().create(NAME).unwrap();
    let client = place.client().read(false).open(NAME).unwrap();
    assert_eq!(error(client.transact(b"x", &mut [0])), "ERROR_ACCESS_DENIED");
    server.disconnect().unwrap();
    relisten(&server);
    let client = place.client().write(false).open(NAME).unwrap();
    assert_eq!(error(client.transact(b"x", &mut [0])), "ERROR_ACCESS_DENIED");
    assert_eq!(server.peek(&mut []).unwrap().total, 0);
    drop(server);

    let server = place.messages().access_inbound(false).create(NAME).unwrap();
    assert_eq!(error(server.transact(b"x", &mut [0])), "ERROR_ACCESS_DENIED");
}

/// semantics 151
#[test]
fn unread_data_refuses_a_transaction() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.write(b"unread").unwrap();
    assert_eq!(error(client.transact(b"x", &mut [0])), "ERROR_PIPE_BUSY");
    assert_eq!(server.peek(&mut []).unwrap().total, 0);
    client.read(&mut [0]).unwrap();
    assert_eq!(error(client.transact(b"x", &mut [0])), "ERROR_PIPE_BUSY");
    assert_eq!(text(&client), "nread");
    server.write(b"").unwrap();
    assert_eq!(error(client.transact(b"x", &mut [0])), "ERROR_PIPE_BUSY");
}

/// semantics 153
#[test]
fn a_request_does_not_wait_for_quota() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(10).create(NAME).unwrap();
    let client = place.message_client();
    let writer = client.try_clone().unwrap();
    let writing = call(move || writer.write(b"more than ten")).blocked();
    let transaction = begin_transact(&client, "request, and also long", 10);
    assert_eq!(server.peek(&mut []).unwrap().total, 35);
    server.write(b"reply").unwrap();
    assert_eq!(transaction.end().unwrap(), ("reply".to_owned(), false));
    writing.waits();
    assert_eq!(
        (text(&server), text(&server)),
        ("more than ten".to_owned(), "request, and also long".to_owned())
    );
    writing.end().unwrap();
}

/// semantics 155
#[test]
fn requests_and_replies_may_be_empty() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let transaction = begin_transact(&client, "", 10);
    assert_eq!(text(&server), "");
    server.write(b"").unwrap();
    assert_eq!(transaction.end().unwrap(), (String::new(), false));
}

/// semantics 156
#[test]
fn a_reply_may_be_a_transaction_itself() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let transaction = begin_transact(&client, "question", 20);
    assert_eq!(text(&server), "question");
    let counter = call(move || {
        let mut reply = [0; 20];
        server
            .transact(b"counter-question", &mut reply)
            .map(|outcome| reply[..outcome.bytes].to_vec())
    });
    assert_eq!(transaction.end().unwrap(), ("counter-questio".to_owned() + "n", false));
    client.write(b"answer").unwrap();
    assert_eq!(counter.end().unwrap(), b"answer");
}

/// semantics 158: what was asked stays asked; a late reply is an ordinary message.
#[test]
fn a_request_outlives_its_transaction() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let transaction = begin_transact(&client, "cancelled", 10);
    client.cancel().unwrap();
    assert_eq!(error(transaction.end()), "ERROR_OPERATION_ABORTED");
    client.set_read_timeout(Some(Duration::from_millis(10)));
    assert_eq!(error(client.transact(b"timed out", &mut [0])), "ERROR_SEM_TIMEOUT");
    for request in ["cancelled", "timed out"] {
        assert_eq!(text(&server), request);
        server.write(request.as_bytes()).unwrap();
    }
    assert_eq!(
        (text(&client), text(&client)),
        ("cancelled".to_owned(), "timed out".to_owned())
    );
}

/// semantics 159
#[test]
fn without_a_peer_there_is_no_transaction() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let transact = |end: &npipe::PipeStream| error(end.transact(b"x", &mut [0]));
    let transaction = begin_transact(&client, "x", 10);
    server.disconnect().unwrap();
    assert_eq!(error(transaction.end()), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(transact(&client), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(transact(&server), "ERROR_BAD_PIPE");
    relisten(&server);
    assert_eq!(transact(&server), "ERROR_BAD_PIPE");

    let client = place.message_client();
    let transaction = begin_transact(&client, "x", 10);
    drop(server);
    assert_eq!(error(transaction.end()), "ERROR_BROKEN_PIPE");
    assert_eq!(transact(&client), "ERROR_BAD_PIPE");
}

/// Answers one call of a client with its own words.
fn answer(server: PipeServer) -> Call<npipe::Result<PipeServer>> {
    call(move || {
        server.connect()?;
        let mut request = [0; 100];
        let count = server.read(&mut request)?;
        server.write(&request[..count])?;
        server.flush()?;
        server.disconnect()?;
        Ok(server)
    })
}

/// semantics 160, 161
#[test]
fn a_call_opens_asks_and_closes() {
    let place = Place::new();
    let answering = answer(place.messages().create(NAME).unwrap());
    let mut reply = [0; 20];
    let outcome = place.namespace().call(NAME, b"ping", &mut reply, PATIENCE).unwrap();
    assert_eq!((&reply[..outcome.bytes], outcome.more), (&b"ping"[..], false));
    let server = answering.end().unwrap();
    drop(server);

    let server = place.messages().create(NAME).unwrap();
    let namespace = place.namespace();
    let calling = call(move || {
        let mut reply = [0; 4];
        namespace
            .call(NAME, b"ping", &mut reply, PATIENCE)
            .map(|outcome| (reply, outcome.more))
    });
    server.connect().unwrap();
    assert_eq!(text(&server), "ping");
    server.write(b"too long").unwrap();
    assert_eq!(calling.end().unwrap(), (*b"too ", true));
    // The rest went with the client's end.
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 160: a busy pipe is waited for.
#[test]
fn a_call_waits_for_an_instance() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let occupant = place.open();
    let namespace = place.namespace();
    let calling = call(move || {
        let mut reply = [0; 10];
        namespace
            .call(NAME, b"ping", &mut reply, PATIENCE)
            .map(|outcome| reply[..outcome.bytes].to_vec())
    })
    .blocked();
    drop(occupant);
    server.disconnect().unwrap();
    let answering = answer(server);
    assert_eq!(calling.end().unwrap(), b"ping");
    answering.end().unwrap();
}

/// semantics 162
#[test]
fn calls_that_cannot_be_made() {
    let place = Place::new();
    let call = |timeout| error(place.namespace().call(NAME, b"x", &mut [0], timeout));
    assert_eq!(call(PATIENCE), "ERROR_FILE_NOT_FOUND");
    let server = place.bytes().create(NAME).unwrap();
    assert_eq!(call(PATIENCE), "ERROR_INVALID_PARAMETER");
    drop(server);
    let server = place.messages().create(NAME).unwrap();
    let occupant = place.open();
    assert_eq!(call(Duration::from_millis(20)), "ERROR_SEM_TIMEOUT");
    drop(occupant);
    server.disconnect().unwrap();
    relisten(&server);
    // The time-out covers the wait for the reply as well; that is this library's.
    assert_eq!(call(Duration::from_millis(20)), "ERROR_SEM_TIMEOUT");
}
