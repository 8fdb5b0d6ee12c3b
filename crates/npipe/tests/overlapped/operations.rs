//! Operations that a program waits for: reads, writes, their order and their results.

use std::time::Duration;

use npipe::{PipeMode, Status};

use crate::{Place, error, finish, moved, outcome, pending_read, text, whole};

/// semantics 211, 212, 220: what can complete at once does.
#[test]
fn what_can_complete_at_once_does() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let writing = client.start_write("hello").unwrap();
    assert!(writing.is_complete());
    assert_eq!(writing.result().unwrap().bytes, 5);
    let reading = server.start_read(vec![0; 16]).unwrap();
    assert!(reading.is_complete());
    assert_eq!(outcome(reading.finish()), whole("hello"));
    assert_eq!(writing.finish().data(), b"hello");
}

/// semantics 211, 214, 216, 217: pending, then complete, and its result may be asked for again.
#[test]
fn what_cannot_is_pending_until_it_can() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reading = server.start_read(vec![0; 16]).unwrap();
    for _ in 0..2 {
        assert!(!reading.is_complete());
        assert_eq!(error(reading.result()), "ERROR_IO_INCOMPLETE");
        assert!(!reading.wait(Some(Duration::ZERO)));
    }
    client.write(b"late").unwrap();
    for _ in 0..2 {
        assert!(reading.is_complete());
        assert_eq!(reading.result().unwrap().bytes, 4);
        assert!(reading.wait(Some(Duration::ZERO)));
    }
    let completed = reading.finish();
    assert_eq!((completed.buffer.len(), completed.data()), (16, &b"late"[..]));
    assert_eq!(completed.into_data(), b"late");
}

/// semantics 213: what fails at once starts nothing.
#[test]
fn immediate_failures_start_nothing() {
    let place = Place::new();
    let server = place.messages().create(crate::NAME).unwrap();
    assert_eq!(error(server.start_read(vec![0; 1])), "ERROR_PIPE_LISTENING");
    assert_eq!(error(server.start_write("x")), "ERROR_PIPE_LISTENING");
    let client = place.client().write(false).open(crate::NAME).unwrap();
    assert_eq!(error(client.start_write("x")), "ERROR_ACCESS_DENIED");
    drop(client);
    assert_eq!(error(server.start_read(vec![0; 1])), "ERROR_BROKEN_PIPE");
    assert_eq!(error(server.start_write("x")), "ERROR_NO_DATA");
}

/// semantics 215: at once, and pending.
#[test]
fn a_message_that_is_longer_has_more() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"longer").unwrap();
    let reading = server.start_read(vec![0; 4]).unwrap();
    assert!(reading.is_complete() && reading.result().unwrap().more);
    assert_eq!(outcome(reading.finish()), Ok(("long".to_owned(), true)));
    assert_eq!(text(&server), "er");

    let reading = server.start_read(vec![0; 4]).unwrap();
    assert!(!reading.is_complete());
    client.write(b"longer").unwrap();
    assert_eq!(outcome(finish(reading)), Ok(("long".to_owned(), true)));
    assert_eq!(text(&server), "er");
}

/// semantics 96, 105, 219: first come, first served; a short write serves the first only.
#[test]
fn pending_reads_are_served_in_order() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let read = || server.start_read(vec![0; 4]).unwrap();
    let (first, second, third) = (read(), read(), read());
    client.write(b"ab").unwrap();
    assert_eq!(outcome(finish(first)), whole("ab"));
    assert!(!second.is_complete() && !third.is_complete());
    client.write(b"cdefgh").unwrap();
    assert_eq!(outcome(finish(third)), whole("gh"), "one write serves several");
    assert_eq!(outcome(finish(second)), whole("cdef"));
    drop((server, client));

    let (server, client) = place.message_pair();
    let (first, second) = (pending_read(&server), pending_read(&server));
    client.write(b"").unwrap();
    assert_eq!(outcome(finish(first)), whole(""));
    assert!(!second.is_complete());
}

/// semantics 119, 121-124: writes wait for quota, in order, and can be read meanwhile.
#[test]
fn writes_wait_for_quota() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(4).create(crate::NAME).unwrap();
    let client = place.message_client();
    let (first, second) = (
        client.start_write("123456").unwrap(),
        client.start_write("7890").unwrap(),
    );
    assert!(!first.is_complete() && !second.is_complete());
    assert_eq!(server.peek(&mut []).unwrap().total, 10);
    assert_eq!(text(&server), "123456");
    assert!(first.is_complete() && second.is_complete());
    assert_eq!((finish(first).result, finish(second).result), (moved(6), moved(4)));
    assert_eq!(text(&server), "7890");
}

/// semantics 119: a write counts on reads that are pending.
#[test]
fn a_pending_read_makes_room() {
    let place = Place::new();
    let server = place.bytes().in_buffer_size(0).create(crate::NAME).unwrap();
    let client = place.open();
    let reading = server.start_read(vec![0; 8]).unwrap();
    let writing = client.start_write("12345678").unwrap();
    assert!(writing.is_complete());
    assert_eq!(outcome(finish(reading)), whole("12345678"));
}

/// semantics 220: reads and writes of one end do not wait for each other.
#[test]
fn directions_are_independent() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reading = pending_read(&server);
    assert!(server.start_write("out").unwrap().is_complete());
    assert_eq!(text(&client), "out");
    client.write(b"in").unwrap();
    assert_eq!(outcome(finish(reading)), whole("in"));
}

/// semantics 177, 186, 192: what ends the connection ends what is pending on it.
#[test]
fn the_end_of_a_connection_ends_what_is_pending() {
    let place = Place::new();
    let pair = || {
        let server = place
            .messages()
            .in_buffer_size(1)
            .out_buffer_size(1)
            .create(crate::NAME);
        (server.unwrap(), place.message_client())
    };
    let (server, client) = pair();
    let (reading, writing) = (pending_read(&server), server.start_write("waits").unwrap());
    drop(client);
    assert_eq!(finish(reading).result, Err(Status::PipeBroken));
    assert_eq!(finish(writing).result, Err(Status::PipeBroken));
    drop(server);

    let (server, client) = pair();
    let of_client = (pending_read(&client), client.start_write("waits").unwrap());
    server.disconnect().unwrap();
    assert_eq!(finish(of_client.0).result, Err(Status::PipeDisconnected));
    assert_eq!(finish(of_client.1).result, Err(Status::PipeDisconnected));
    drop((server, client));

    let (server, client) = pair();
    let of_server = (pending_read(&server), server.start_write("waits").unwrap());
    server.disconnect().unwrap();
    assert!(of_server.0.is_complete() && of_server.1.is_complete());
    assert_eq!(of_server.0.finish().result, Err(Status::PipeDisconnected));
    assert_eq!(of_server.1.finish().result, Err(Status::PipeDisconnected));
    drop((server, client));

    // Its own end: of the closer's pending calls only the status is told.
    let (server, client) = pair();
    let (reading, writing) = (pending_read(&client), client.start_write("waits").unwrap());
    drop(client);
    assert!(reading.is_complete() && writing.is_complete());
    assert_eq!(reading.finish().result, Err(Status::PipeBroken));
    assert_eq!(writing.finish().result, Err(Status::PipeBroken));
    drop(server);
}

/// semantics 138: the mode stays as long as anything is pending.
#[test]
fn the_mode_is_kept_while_operations_are_pending() {
    let place = Place::new();
    let (server, _client) = place.byte_pair();
    let reading = pending_read(&server);
    assert_eq!(error(server.set_state(PipeMode::Byte, true)), "ERROR_PIPE_BUSY");
    drop(reading);
    server.set_state(PipeMode::Byte, true).unwrap();
}

/// semantics 131: with PIPE_NOWAIT nothing is ever pending.
#[test]
fn nothing_is_pending_with_nowait() {
    let place = Place::new();
    let (server, _client) = place.byte_pair();
    server.set_state(PipeMode::Byte, true).unwrap();
    assert_eq!(error(server.start_read(vec![0; 4])), "ERROR_NO_DATA");
}

/// semantics 219, 222: calls that block and operations stand in one queue.
#[test]
fn blocking_calls_and_operations_take_turns() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let first = pending_read(&server);
    let blocking = {
        let server = server.try_clone().unwrap();
        crate::call(move || text(&server)).blocked()
    };
    let last = pending_read(&server);
    for word in ["one", "two", "three"] {
        client.write(word.as_bytes()).unwrap();
    }
    assert_eq!(outcome(finish(last)), whole("three"));
    assert_eq!(blocking.end(), "two");
    assert_eq!(outcome(finish(first)), whole("one"));
}

/// semantics 99, 119: larger than the ring, both ways, while nobody waits at the server.
#[test]
fn bulk_goes_through_in_parts() {
    const BYTES: usize = 12 << 20;
    let place = Place::new();
    let (server, client) = place.message_pair();
    let data: Vec<u8> = (0..BYTES).map(|index| (index * 7) as u8).collect();
    let reading = server.start_read(vec![0; BYTES]).unwrap();
    let writing = client.start_write(data.clone()).unwrap();
    assert!(
        finish(reading).data() == data,
        "what arrives differs from what was sent"
    );
    assert_eq!(finish(writing).result, moved(BYTES));
}
