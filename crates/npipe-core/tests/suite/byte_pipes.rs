//! Byte pipes are streams.

use std::task::Poll;

use npipe_core::{ReadMode, Status, WaitMode};

use super::{PLENTY, Pipe};
use crate::support::whole;

/// semantics 91
#[test]
fn write_boundaries_vanish() {
    let mut pipe = Pipe::byte(PLENTY);
    assert_eq!(pipe.client.put(b"one "), Ok(4));
    assert_eq!(pipe.client.put(b"two "), Ok(4));
    assert_eq!(pipe.client.put(b"three"), Ok(5));
    assert_eq!(pipe.server.get(6), whole(b"one tw"));
    assert_eq!(pipe.server.get(100), whole(b"o three"));
}

/// semantics 91
#[test]
fn a_read_takes_what_there_is_without_waiting_for_more() {
    let mut pipe = Pipe::byte(PLENTY);
    assert_eq!(pipe.server.put(b"ab"), Ok(2));
    assert_eq!(pipe.client.get(10), whole(b"ab"));
}

/// semantics 92
#[test]
fn a_read_of_an_empty_pipe_waits_for_the_first_bytes() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut read = pipe.server.read(10);
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Pending);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abc")));
}

/// semantics 93
#[test]
fn an_empty_write_leaves_nothing_and_wakes_nobody() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut read = pipe.server.read(10);
    assert_eq!(pipe.client.put(b""), Ok(0));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Pending);
    assert_eq!(pipe.server.cancel_read(&mut read), Err(Status::Cancelled));
    assert_eq!(pipe.server.peek(10), Ok((vec![], 0, 0)));
    assert_eq!(pipe.server.reader.has_data(), Ok(false));
}

/// semantics 94
#[test]
fn an_empty_read_with_data_consumes_nothing() {
    let mut pipe = Pipe::byte(PLENTY);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.server.get(0), whole(b""));
    assert_eq!(pipe.server.get(10), whole(b"abc"));
}

/// semantics 95
#[test]
fn an_empty_read_of_an_empty_pipe_waits_for_data_and_leaves_it() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut read = pipe.server.read(0);
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Pending);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"")));
    assert_eq!(pipe.server.get(10), whole(b"abc"));
}

/// semantics 96, 219
#[test]
fn one_write_feeds_waiting_reads_in_order_and_the_rest_is_kept() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut first = pipe.server.read(2);
    let mut second = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abcdefg"), Ok(7));
    assert_eq!(
        pipe.server.poll_read(&mut second),
        Poll::Pending,
        "the first is served first"
    );
    assert_eq!(pipe.server.poll_read(&mut first), Poll::Ready(whole(b"ab")));
    assert_eq!(pipe.server.poll_read(&mut second), Poll::Ready(whole(b"cde")));
    assert_eq!(pipe.server.get(10), whole(b"fg"));
}

/// semantics 91, 96
#[test]
fn a_waiting_read_is_fed_by_one_write_only() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut read = pipe.server.read(10);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.put(b"def"), Ok(3));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abc")));
    assert_eq!(pipe.server.get(10), whole(b"def"));
}

/// semantics 97
#[test]
fn the_directions_are_independent() {
    let mut pipe = Pipe::byte(4);
    assert_eq!(pipe.client.put(b"full"), Ok(4));
    assert_eq!(pipe.server.put(b"also"), Ok(4));
    let mut waits = pipe.client.write(b"!");
    assert_eq!(pipe.client.get(4), whole(b"also"));
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Pending);
    assert_eq!(pipe.server.get(4), whole(b"full"));
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Ready(Ok(1)));
}

/// semantics 98, 203
#[test]
fn message_reading_is_refused_and_changes_nothing() {
    let mut pipe = Pipe::byte(PLENTY);
    let refused = pipe.client.set_modes(ReadMode::Message, WaitMode::NoWait);
    assert_eq!(refused, Err(Status::InvalidParameter));
    assert_eq!(pipe.client.reader.mode(), ReadMode::Byte);
    assert_eq!(pipe.client.reader.wait_mode(), WaitMode::Wait);
}
