//! Waiting until the peer has read.

use std::time::{Duration, Instant};

use npipe::PipeStream;

use crate::support::{Call, until};
use crate::{NAME, Place, call, error, text};

fn begin_flush(client: &npipe::PipeClient) -> Call<npipe::Result<()>> {
    let client = client.try_clone().unwrap();
    call(move || client.flush()).blocked()
}

/// semantics 163, 165
#[test]
fn a_flush_waits_until_all_is_read() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.flush().unwrap();
    client.write(b"first").unwrap();
    client.write(b"second").unwrap();
    let flushing = begin_flush(&client);
    server.peek(&mut [0; 100]).unwrap();
    flushing.waits();
    assert_eq!(text(&server), "first");
    server.read(&mut [0; 5]).unwrap();
    flushing.waits();
    server.read(&mut [0; 5]).unwrap();
    flushing.end().unwrap();
    // What comes the other way does not matter.
    server.write(b"unread").unwrap();
    client.flush().unwrap();
}

/// A pipe with room for two bytes, and a flush that waits for a write which has waited, and for nothing else.
fn begin_flush_of_a_write(place: &Place) -> (npipe::PipeServer, npipe::PipeClient, Call<npipe::Result<()>>) {
    let server = place.bytes().in_buffer_size(2).create(NAME).unwrap();
    let client = place.open();
    let writer = client.try_clone().unwrap();
    let writing = call(move || writer.write(b"pending")).blocked();
    let flushing = begin_flush(&client);
    server.read(&mut [0; 5]).unwrap();
    writing.end().unwrap();
    flushing.waits();
    (server, client, flushing)
}

/// semantics 163: writes that wait are waited for.
#[test]
fn a_flush_covers_pending_writes() {
    let place = Place::new();
    let (server, _client, flushing) = begin_flush_of_a_write(&place);
    server.read(&mut [0; 2]).unwrap();
    flushing.end().unwrap();
}

/// semantics 163: what is written later is not waited for.
// Windows does not tell when a thread waits in a flush, which might begin after the write.
#[cfg(unix)]
#[test]
fn a_flush_covers_no_later_writes() {
    let place = Place::new();
    let (server, client, flushing) = begin_flush_of_a_write(&place);
    let later = call(move || client.write(b"later")).blocked();
    server.read(&mut [0; 2]).unwrap();
    flushing.end().unwrap();
    later.waits();
    assert_eq!(text(&server), "later");
    later.end().unwrap();
}

/// semantics 164
#[test]
fn unread_empty_messages_count() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"").unwrap();
    client.write(b"").unwrap();
    let flushing = begin_flush(&client);
    assert_eq!(text(&server), "");
    flushing.waits();
    assert_eq!(text(&server), "");
    flushing.end().unwrap();
}

/// semantics 167, 168, 186
// Windows does not tell when a thread waits in a flush, and the server might leave before.
#[cfg(unix)]
#[test]
fn the_reader_leaves() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    client.write(b"unread").unwrap();
    let flushing = begin_flush(&client);
    drop(server);
    assert_eq!(error(flushing.end()), "ERROR_BROKEN_PIPE");
    client.flush().unwrap();
}

/// semantics 167, 168
// As above.
#[cfg(unix)]
#[test]
fn the_server_disconnects() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    server.write(b"unread").unwrap();
    client.write(b"unread").unwrap();
    let flusher = server.try_clone().unwrap();
    let flushes = [begin_flush(&client), call(move || flusher.flush()).blocked()];
    server.disconnect().unwrap();
    for flush in flushes {
        assert_eq!(error(flush.end()), "ERROR_PIPE_NOT_CONNECTED");
    }
    assert_eq!(error(client.flush()), "ERROR_PIPE_NOT_CONNECTED");
    server.flush().unwrap();
}

/// semantics 168
#[test]
fn a_server_without_a_client_has_nothing_to_wait_for() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    server.flush().unwrap();
    let client = place.open();
    server.write(b"unread").unwrap();
    drop(client);
    until(|| server.flush().is_ok().then_some(()));
}

/// semantics 169: the write goes, and with it what was waited for.
#[test]
fn a_flush_ends_with_the_write_it_waits_for() {
    let place = Place::new();
    let server = place.bytes().in_buffer_size(2).create(NAME).unwrap();
    let client = place.open();
    client.set_write_timeout(Some(Duration::from_millis(300)));
    let writer = client.try_clone().unwrap();
    let writing = call(move || writer.write(b"pending")).blocked();
    client.set_write_timeout(None);
    let flushing = begin_flush(&client);
    assert_eq!(error(writing.end()), "ERROR_SEM_TIMEOUT");
    flushing.end().unwrap();
    drop(server);
}

/// semantics 228, 230-232: nothing is lost with a flush that is given up. Time-outs are this library's.
#[test]
fn a_flush_can_be_given_up() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    client.write(b"unread").unwrap();
    let flushing = begin_flush(&client);
    // On Windows it may be on its way to the kernel.
    until(|| {
        let _ = client.cancel();
        (!flushing.is_waiting()).then_some(())
    });
    assert_eq!(error(flushing.end()), "ERROR_OPERATION_ABORTED");
    client.set_write_timeout(Some(Duration::from_millis(20)));
    let start = Instant::now();
    assert_eq!(error(client.flush()), "ERROR_SEM_TIMEOUT");
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert_eq!(text(&server), "unread");
    client.flush().unwrap();
}

/// semantics 40, 170
#[test]
fn a_flush_needs_the_right_to_write() {
    let place = Place::new();
    let inbound = place.bytes().access_outbound(false).create(NAME).unwrap();
    let client = place.client().read(false).open(NAME).unwrap();
    assert_eq!(error(inbound.flush()), "ERROR_ACCESS_DENIED");
    client.flush().unwrap();
    drop(inbound);
    for read in [true, false] {
        let _server = place.bytes().create(NAME).unwrap();
        let client = place.client().read(read).write(false).open(NAME).unwrap();
        assert_eq!(error(client.flush()), "ERROR_ACCESS_DENIED");
    }
}

/// semantics 171: so it is; that they can be ended is what time-outs are for.
#[test]
fn two_ends_that_flush_wait_for_each_other() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    for end in [&*server as &PipeStream, &*client] {
        end.write(b"unread").unwrap();
    }
    server.set_write_timeout(Some(Duration::from_millis(30)));
    let flushing = begin_flush(&client);
    assert_eq!(error(server.flush()), "ERROR_SEM_TIMEOUT");
    flushing.waits();
    assert_eq!(text(&server), "unread");
    flushing.end().unwrap();
}
