//! Overlapped transactions.

use npipe::Status;

use crate::{NAME, Place, error, finish, outcome, pending_read, text, whole};

/// semantics 152, 154, 157
#[test]
fn a_transaction_is_pending_until_its_reply() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let transaction = client.start_transact("request", vec![0; 5]).unwrap();
    assert!(!transaction.is_complete());
    assert_eq!(error(transaction.result()), "ERROR_IO_INCOMPLETE");
    assert_eq!(text(&server), "request");
    server.write(b"long reply").unwrap();
    assert_eq!(outcome(finish(transaction)), Ok(("long ".to_owned(), true)));
    assert_eq!(text(&client), "reply");
}

/// semantics 127, 158: the request stays, a later reply is an ordinary message.
#[test]
fn a_cancelled_transaction_leaves_its_request() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let transaction = client.start_transact("request", vec![0; 16]).unwrap();
    transaction.cancel().unwrap();
    assert_eq!(transaction.finish().result, Err(Status::Cancelled));
    assert_eq!(text(&server), "request");
    server.write(b"reply").unwrap();
    assert_eq!(text(&client), "reply");
    drop(client.start_transact("another", vec![0; 16]).unwrap());
    assert_eq!(text(&server), "another");
}

/// semantics 150, 151, 159: refused at once, nothing is sent.
#[test]
fn a_transaction_is_refused_as_the_blocking_one() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.write(b"unread").unwrap();
    assert_eq!(error(client.start_transact("x", vec![0; 1])), "ERROR_PIPE_BUSY");
    assert_eq!(text(&client), "unread");
    assert_eq!(server.peek(&mut []).unwrap().total, 0);
    let transaction = client.start_transact("x", vec![0; 1]).unwrap();
    drop(server);
    assert_eq!(finish(transaction).result, Err(Status::PipeBroken));
    assert_eq!(error(client.start_transact("x", vec![0; 1])), "ERROR_BAD_PIPE");
}

/// semantics 151: what is unread is refused, a read that waits is not.
#[test]
fn a_transaction_waits_behind_a_read() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let reading = pending_read(&client);
    let transaction = client.start_transact("x", vec![0; 8]).unwrap();
    server.write(b"first").unwrap();
    assert_eq!(outcome(finish(reading)), whole("first"));
    server.write(b"second").unwrap();
    assert_eq!(outcome(finish(transaction)), whole("second"));
}

/// semantics 153, 156: beyond the quota and larger than the ring's small area, against a reply that is a transaction too.
#[test]
fn transactions_of_both_ends() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(1).create(NAME).unwrap();
    let client = place.message_client();
    let request = "question ".repeat(100_000);
    let transaction = client.start_transact(request.clone(), vec![0; 64]).unwrap();
    let reading = server.start_read(vec![0; request.len()]).unwrap();
    assert_eq!(outcome(finish(reading)), whole(&request));
    let counter = server.start_transact("counter-question", vec![0; 64]).unwrap();
    assert_eq!(outcome(finish(transaction)), whole("counter-question"));
    client.write(b"answer").unwrap();
    assert_eq!(outcome(finish(counter)), whole("answer"));
}
