//! Server ends that other processes hold: the place of the instance, disconnecting, connecting again.

use npipe::{PipeClient, PipeServer};

use crate::support::{NAME, Place, Puppet, error, fails_with, text, until};

/// A pipe of one instance, whose server end was passed on to another process.
fn worker(place: &Place) -> (PipeClient, PipeServer, Puppet, String) {
    let server = place.messages().max_instances(1).shareable(true).create(NAME).unwrap();
    let client = place.message_client();
    server.connect().unwrap();
    let mut puppet = Puppet::start(place);
    let end = puppet.give("server", server.try_clone().unwrap().into_raw().unwrap());
    (client, server, puppet, end)
}

/// A client is handed to a worker; the instance is in use until the worker is done.
///
/// semantics 13, 16, 28, 190
#[test]
fn a_worker_serves_a_client() {
    let place = Place::new();
    let (client, server, mut puppet, end) = worker(&place);
    drop(server);
    client.write(b"question").unwrap();
    assert_eq!(puppet.ask(&format!("read {end} 64")), "question");
    assert_eq!(puppet.ask(&format!("write {end} answer")), "6");
    assert_eq!(text(&client), "answer");
    assert_eq!(puppet.ask(&format!("connect {end}")), "connected");
    assert_eq!(puppet.ask(&format!("instances {end}")), "1");
    assert_eq!(client.state().unwrap().instances, 1);
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    assert_eq!(error(place.messages().create(NAME)), "ERROR_PIPE_BUSY");
    assert_eq!(puppet.ask(&format!("close {end}")), "closed");
    assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
    until(|| fails_with(place.client().open(NAME), "ERROR_FILE_NOT_FOUND").then_some(()));
    until(|| place.messages().create(NAME).ok());
    assert!(place.files().is_empty());
}

/// semantics 13, 183, 190
#[test]
fn the_place_of_a_worker_that_is_killed_is_free() {
    let place = Place::new();
    let (client, server, puppet, _) = worker(&place);
    drop(server);
    puppet.kill();
    assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
    until(|| place.messages().create(NAME).ok());
}

/// An instance that nobody takes up gives its place back too.
///
/// semantics 13, 190
#[test]
fn the_place_of_an_end_that_is_lost_on_its_way_is_free() {
    let place = Place::new();
    let server = place.messages().max_instances(1).shareable(true).create(NAME).unwrap();
    let client = place.message_client();
    let raw = server.into_raw().unwrap();
    assert_eq!(error(place.messages().create(NAME)), "ERROR_PIPE_BUSY");
    drop(raw);
    assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
    until(|| place.messages().create(NAME).ok());
}

/// Whoever holds the end disconnects its client; the process that created the instance serves the next one.
///
/// semantics 172, 173, 175, 180
#[test]
fn a_disconnect_is_for_all_holders() {
    let place = Place::new();
    let (client, server, mut puppet, end) = worker(&place);
    client.write(b"unread").unwrap();
    assert_eq!(puppet.ask(&format!("disconnect {end}")), "disconnected");
    assert_eq!(error(client.read(&mut [0])), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(error(server.read(&mut [0])), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(error(server.disconnect()), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(puppet.ask(&format!("read {end} 1")), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(puppet.ask(&format!("disconnect {end}")), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(puppet.ask(&format!("connect {end}")), "ERROR_INVALID_FUNCTION");
    crate::support::relisten_disconnected(&server);
    let next = place.message_client();
    server.connect().unwrap();
    next.write(b"next").unwrap();
    assert_eq!(text(&server), "next");
    assert_eq!(puppet.ask(&format!("close {end}")), "closed");
    server.write(b"undisturbed").unwrap();
    assert_eq!(text(&next), "undisturbed");
}

/// The same, when the process that created the instance disconnects while another one's call waits.
///
/// semantics 173, 177
#[test]
fn a_disconnect_ends_the_calls_of_all_holders() {
    let place = Place::new();
    let (client, server, mut puppet, end) = worker(&place);
    assert_eq!(puppet.ask(&format!("begin read {end} 1")), "waits");
    server.disconnect().unwrap();
    assert_eq!(puppet.ask("result"), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(error(client.write(b"x")), "ERROR_PIPE_NOT_CONNECTED");
}

/// A holder that closes its part of what another has disconnected does not make a mere close of it.
///
/// semantics 173, 182
#[test]
fn a_disconnect_stays_one() {
    let place = Place::new();
    let (client, server, mut puppet, end) = worker(&place);
    assert_eq!(puppet.ask(&format!("disconnect {end}")), "disconnected");
    drop(server);
    assert_eq!(error(client.read(&mut [0])), "ERROR_PIPE_NOT_CONNECTED");
    until(|| place.messages().create(NAME).ok());
}

/// When the process that created the instance ends, those who hold the connection go on; the name is gone.
///
/// semantics 16
#[test]
fn a_connection_outlives_the_process_that_created_the_instance() {
    let place = Place::new();
    let mut creator = Puppet::start(&place);
    assert_eq!(creator.ask(&format!("create message {NAME} shareable")), "0");
    let client = place.message_client();
    let server = PipeServer::from_raw(creator.take("0")).unwrap();
    creator.kill();
    server.write(b"orphaned").unwrap();
    assert_eq!(text(&client), "orphaned");
    assert!(client.is_connected());
    until(|| fails_with(place.client().open(NAME), "ERROR_FILE_NOT_FOUND").then_some(()));
    assert_eq!(server.state().unwrap().instances, 0);
    client.write(b"all the same").unwrap();
    assert_eq!(text(&server), "all the same");
    drop(server);
    assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
}
