//! Several calls at once on one end, and their cancellation.

use std::task::Poll;

use npipe_core::Status;

use super::{PLENTY, Pipe};
use crate::support::{Reading, whole};

/// semantics 219
#[test]
fn reads_are_served_first_come_first_served() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut reads: Vec<Reading> = (0..3).map(|_| pipe.server.read(2)).collect();
    pipe.client.put(b"a").unwrap();
    pipe.client.put(b"bcd").unwrap();
    let results: Vec<_> = reads.iter_mut().map(|read| pipe.server.poll_read(read)).collect();
    assert_eq!(results, [whole(b"a"), whole(b"bc"), whole(b"d")].map(Poll::Ready));
}

/// semantics 219
#[test]
fn a_new_read_waits_behind_those_that_wait() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut first = pipe.server.read(2);
    pipe.client.put(b"abcd").unwrap();
    let mut second = pipe.server.read(2);
    assert_eq!(second.known(), Poll::Pending);
    assert_eq!(pipe.server.poll_read(&mut first), Poll::Ready(whole(b"ab")));
    assert_eq!(pipe.server.poll_read(&mut second), Poll::Ready(whole(b"cd")));
}

/// semantics 220
#[test]
fn reads_and_writes_on_one_end_are_independent() {
    let mut pipe = Pipe::byte(2);
    let mut read = pipe.server.read(10);
    assert_eq!(pipe.server.put(b"ab"), Ok(2));
    let mut write = pipe.server.write(b"cd");
    pipe.client.put(b"xy").unwrap();
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"xy")));
    assert_eq!(pipe.server.poll_write(&mut write), Poll::Pending);
}

/// semantics 230
#[test]
fn a_cancelled_read_leaves_the_data_to_the_next() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut first = pipe.server.read(2);
    let mut second = pipe.server.read(2);
    assert_eq!(pipe.server.cancel_read(&mut first), Err(Status::Cancelled));
    pipe.client.put(b"abc").unwrap();
    assert_eq!(pipe.server.poll_read(&mut second), Poll::Ready(whole(b"ab")));
    assert_eq!(pipe.server.get(10), whole(b"c"));
}

/// semantics 126, 230
#[test]
fn a_write_does_not_count_on_a_cancelled_read() {
    let mut pipe = Pipe::byte(0);
    let mut read = pipe.server.read(2);
    assert_eq!(pipe.server.cancel_read(&mut read), Err(Status::Cancelled));
    assert_eq!(pipe.client.write(b"ab").known(), Poll::Pending);
}

/// semantics 96, 231
#[test]
fn a_read_that_a_write_has_fed_cannot_be_cancelled() {
    let mut pipe = Pipe::byte(0);
    let mut read = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.server.cancel_read(&mut read), whole(b"abc"));
    assert_eq!(pipe.server.reader.has_data(), Ok(false));
}

/// semantics 96, 230
#[test]
fn a_read_that_was_fed_and_then_cancelled_with_all_others_has_its_data() {
    let mut pipe = Pipe::byte(0);
    let mut read = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.server.reader.end_all(Status::Cancelled), 1);
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abc")));
}

/// semantics 228, 230
#[test]
fn all_calls_of_an_end_are_cancelled_at_once() {
    let mut pipe = Pipe::message(0);
    let mut writes = [pipe.client.write(b"abc"), pipe.client.write(b"def")];
    let mut flush = pipe.client.flush();
    let mut reads = [pipe.client.read(10), pipe.client.read(10)];
    assert_eq!(pipe.client.writer.end_all(Status::Cancelled), 3);
    assert_eq!(pipe.client.reader.end_all(Status::Cancelled), 2);
    assert_eq!(pipe.client.writer.end_all(Status::Cancelled), 0);
    assert_eq!(pipe.client.reader.end_all(Status::Cancelled), 0);
    for write in &mut writes {
        assert_eq!(pipe.client.poll_write(write), Poll::Ready(Err(Status::Cancelled)));
    }
    for read in &mut reads {
        assert_eq!(pipe.client.poll_read(read), Poll::Ready(Err(Status::Cancelled)));
    }
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Err(Status::Cancelled)));
    assert_eq!(pipe.server.peek(10), Ok((vec![], 0, 0)));
}

/// semantics 211, 230
#[test]
fn cancelled_calls_whose_results_nobody_took_hold_nothing_up() {
    let mut pipe = Pipe::byte(2);
    let _read = pipe.client.read(10);
    let _write = pipe.client.write(b"abc");
    pipe.client.reader.end_all(Status::Cancelled);
    pipe.client.writer.end_all(Status::Cancelled);
    assert_eq!(pipe.client.put(b"ab"), Ok(2));
    pipe.server.put(b"xy").unwrap();
    assert_eq!(pipe.client.get(10), whole(b"xy"));
}

/// semantics 219
#[test]
fn reads_beyond_the_published_ones_are_served_in_their_turn() {
    let mut pipe = Pipe::byte(0);
    let mut reads: Vec<Reading> = (0..20).map(|_| pipe.server.read(1)).collect();
    let mut write = pipe.client.write(b"abcdefghijklmnopqrst");
    for (read, byte) in reads.iter_mut().zip(b'a'..) {
        assert_eq!(pipe.server.poll_read(read), Poll::Ready(whole(&[byte])));
    }
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Ready(Ok(20)));
}
