//! Ends that never wait.

use std::sync::Arc;

use npipe::{PipeMode, PipeServer};

use crate::support::Call;
use crate::{NAME, Place, call, error, text};

fn begin_read(server: &PipeServer, size: usize) -> Call<npipe::Result<String>> {
    let server = server.try_clone().unwrap();
    let read = move || {
        let mut buffer = vec![0; size];
        server
            .read(&mut buffer)
            .map(|count| String::from_utf8_lossy(&buffer[..count]).into_owned())
    };
    call(read).blocked()
}

/// semantics 131-133
#[test]
fn a_read_never_waits() {
    let place = Place::new();
    let server = place.messages().nowait(true).create(NAME).unwrap();
    let client = place.open();
    assert_eq!(error(server.read(&mut [0])), "ERROR_NO_DATA");
    assert_eq!(error(server.read(&mut [])), "ERROR_NO_DATA");
    client.write(b"").unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    assert_eq!(error(server.read(&mut [0])), "ERROR_NO_DATA");
    client.write(b"last").unwrap();
    drop(client);
    assert_eq!(text(&server), "last");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 134
#[test]
fn a_write_that_does_not_fit_writes_nothing() {
    for message in [true, false] {
        let place = Place::new();
        let mut options = if message { place.messages() } else { place.bytes() };
        let server = options.in_buffer_size(10).create(NAME).unwrap();
        let client = place.client().nowait(true).open(NAME).unwrap();
        assert_eq!(client.write(b"12345").unwrap(), 5);
        assert_eq!(client.write(b"678901").unwrap(), 0);
        assert_eq!(client.write(b"67890").unwrap(), 5);
        assert_eq!(client.write(b"x").unwrap(), 0);
        assert_eq!(client.write(b"").unwrap(), 0);
        assert_eq!(server.peek(&mut []).unwrap().total, 10);
    }
}

/// semantics 135
#[test]
fn a_byte_pipe_gives_waiting_reads_what_they_take() {
    let place = Place::new();
    let server = place.bytes().in_buffer_size(4).create(NAME).unwrap();
    let client = place.client().nowait(true).open(NAME).unwrap();
    let reading = begin_read(&server, 3);
    assert_eq!(client.write(b"1234567").unwrap(), 7);
    assert_eq!(reading.end().unwrap(), "123");
    assert_eq!(text(&server), "4567");
    let reading = begin_read(&server, 3);
    assert_eq!(client.write(b"12345678").unwrap(), 3);
    assert_eq!(reading.end().unwrap(), "123");
    assert_eq!(error(server_without_waiting(&server)), "ERROR_NO_DATA");
}

fn server_without_waiting(server: &PipeServer) -> npipe::Result<usize> {
    server.set_state(PipeMode::Byte, true).unwrap();
    server.read(&mut [0])
}

/// semantics 136
#[test]
fn a_message_that_does_not_fit_leaves_the_read_waiting() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(4).create(NAME).unwrap();
    let client = place.client().nowait(true).open(NAME).unwrap();
    let reading = begin_read(&server, 3);
    assert_eq!(client.write(b"12345678").unwrap(), 0);
    reading.waits();
    assert_eq!(client.write(b"1234567").unwrap(), 7);
    assert_eq!(reading.end().unwrap(), "123");
}

/// semantics 96, 119: what the read does not take is counted.
#[test]
fn a_message_that_fits_but_for_the_read_is_written() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(4).create(NAME).unwrap();
    let client = place.client().nowait(true).open(NAME).unwrap();
    let reading = begin_read(&server, 3);
    assert_eq!(client.write(b"1234567").unwrap(), 7);
    assert_eq!(reading.end().unwrap(), "123");
    assert_eq!(text(&server), "4567");
}

/// semantics 137
#[test]
fn the_other_end_may_wait() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let client = place.client().nowait(true).open(NAME).unwrap();
    let reading = begin_read(&server, 3);
    assert_eq!(error(client.read(&mut [0])), "ERROR_NO_DATA");
    reading.waits();
    client.write(b"x").unwrap();
    assert_eq!(reading.end().unwrap(), "x");
}

/// semantics 138
#[test]
fn the_mode_can_be_switched_while_nothing_waits() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    server.set_state(PipeMode::Byte, true).unwrap();
    assert_eq!(error(server.read(&mut [0])), "ERROR_NO_DATA");
    server.set_state(PipeMode::Byte, false).unwrap();
    let reading = begin_read(&server, 3);
    client.write(b"x").unwrap();
    assert_eq!(reading.end().unwrap(), "x");
    server.set_state(PipeMode::Byte, true).unwrap();
}

/// semantics 139
#[test]
fn flush_and_transact_wait_all_the_same() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let client = place
        .client()
        .pipe_mode(PipeMode::Message)
        .nowait(true)
        .open(NAME)
        .unwrap();
    client.write(b"unread").unwrap();
    let flusher = client.try_clone().unwrap();
    let flushing = call(move || flusher.flush()).blocked();
    flushing.waits();
    assert_eq!(text(&server), "unread");
    flushing.end().unwrap();

    let caller = client.try_clone().unwrap();
    let transaction = call(move || {
        let mut reply = [0; 10];
        caller
            .transact(b"request", &mut reply)
            .map(|outcome| reply[..outcome.bytes].to_vec())
    });
    assert_eq!(text(&server), "request");
    transaction.waits();
    server.write(b"reply").unwrap();
    assert_eq!(transaction.end().unwrap(), b"reply");
}

/// An end whose calls wait goes on waiting: the mode does not change under them.
///
/// semantics 138
#[test]
fn the_mode_is_kept_while_calls_wait() {
    let place = Place::new();
    let (server, client) = {
        let server = place.bytes().in_buffer_size(0).out_buffer_size(0).create(NAME).unwrap();
        (server, Arc::new(place.open()))
    };
    let writer = client.clone();
    let writing = call(move || writer.write(b"abc")).blocked();
    assert_eq!(error(client.set_state(PipeMode::Byte, true)), "ERROR_PIPE_BUSY");
    assert_eq!(text(&server), "abc");
    assert_eq!(writing.end().unwrap(), 3);
    client.set_state(PipeMode::Byte, true).unwrap();
    client.set_state(PipeMode::Byte, false).unwrap();
    let reader = client.clone();
    let reading = call(move || reader.read(&mut [0; 3])).blocked();
    assert_eq!(error(client.set_state(PipeMode::Byte, true)), "ERROR_PIPE_BUSY");
    server.write(b"abc").unwrap();
    assert_eq!(reading.end().unwrap(), 3);
}
