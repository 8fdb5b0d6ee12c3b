//! Quotas and the writes that wait for them.

use std::task::Poll;

use npipe_core::{PipeType, Status};

use super::{PLENTY, Pipe};
use crate::Lanes;
use crate::support::{Ends, Pair, Setup, Side, part, whole};

/// semantics 119, 130
#[test]
fn a_write_completes_at_once_up_to_the_very_last_byte_of_the_quota() {
    let mut pipe = Pipe::byte(5);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.put(b"de"), Ok(2));
    assert_eq!(pipe.client.write(b"f").known(), Poll::Pending);
}

/// semantics 36, 130
#[test]
fn each_direction_has_its_quota() {
    let setup = Setup {
        pipe_type: PipeType::Byte,
        quota_bytes: [1, 3],
        lane_bytes: Setup::AMPLE_BYTES,
    };
    let mut pipe: Pipe = Ends::join(setup);
    assert_eq!(pipe.server.put(b"a"), Ok(1));
    assert_eq!(pipe.server.write(b"b").known(), Poll::Pending);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.write(b"d").known(), Poll::Pending);
}

/// semantics 119
#[test]
fn what_waiting_reads_take_needs_no_quota() {
    let mut pipe = Pipe::byte(2);
    let mut read = pipe.server.read(4);
    assert_eq!(
        pipe.client.put(b"abcdef"),
        Ok(6),
        "four for the read, two within the quota"
    );
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abcd")));
    assert_eq!(pipe.server.get(10), whole(b"ef"));
}

/// semantics 119, 120
#[test]
fn a_write_beyond_reads_and_quota_waits_as_a_whole() {
    let mut pipe = Pipe::byte(2);
    let mut read = pipe.server.read(4);
    let mut write = pipe.client.write(b"abcdefg");
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Pending);
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abcd")));
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Pending);
    assert_eq!(pipe.server.get(1), whole(b"e"));
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Ready(Ok(7)));
}

/// semantics 121, 142
#[test]
fn the_data_of_a_waiting_write_can_be_read_and_peeked() {
    let mut pipe = Pipe::byte(2);
    let _waits = pipe.client.write(b"abcdef");
    assert_eq!(pipe.server.peek(10), Ok((b"abcdef".to_vec(), 6, 0)));
    assert_eq!(pipe.server.get(3), whole(b"abc"));
}

/// semantics 122, 123
#[test]
fn a_write_completes_as_soon_as_what_is_left_of_it_fits() {
    let mut pipe = Pipe::byte(3);
    let mut write = pipe.client.write(b"abcdefgh");
    assert_eq!(pipe.server.get(4), whole(b"abcd"));
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Pending);
    assert_eq!(pipe.server.get(1), whole(b"e"));
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Ready(Ok(8)));
    assert_eq!(pipe.server.get(10), whole(b"fgh"));
}

/// semantics 122, 124
#[test]
fn waiting_writes_complete_in_order() {
    let mut pipe = Pipe::message(4);
    assert_eq!(pipe.client.put(b"1234"), Ok(4));
    let mut first = pipe.client.write(b"ab");
    let mut second = pipe.client.write(b"cd");
    assert_eq!(pipe.server.get(2), part(b"12"));
    assert_eq!(pipe.client.poll_write(&mut second), Poll::Pending);
    assert_eq!(pipe.client.poll_write(&mut first), Poll::Ready(Ok(2)));
    assert_eq!(pipe.server.get(2), whole(b"34"));
    assert_eq!(pipe.client.poll_write(&mut second), Poll::Ready(Ok(2)));
    assert_eq!(pipe.server.get(10), whole(b"ab"));
    assert_eq!(pipe.server.get(10), whole(b"cd"));
}

/// semantics 119, 124
#[test]
fn a_write_that_would_fit_waits_behind_one_that_does_not() {
    let mut pipe = Pipe::byte(2);
    let _first = pipe.client.write(b"abc");
    assert_eq!(pipe.client.write(b"d").known(), Poll::Pending);
    assert_eq!(pipe.server.get(10), whole(b"abcd"));
}

/// semantics 125
#[test]
fn an_empty_message_never_waits_but_keeps_its_place() {
    let mut pipe = Pipe::message(0);
    let _first = pipe.client.write(b"abc");
    assert_eq!(pipe.client.put(b""), Ok(0));
    let _second = pipe.client.write(b"def");
    assert_eq!(pipe.server.get(10), whole(b"abc"));
    assert_eq!(pipe.server.get(10), whole(b""));
    assert_eq!(pipe.server.get(10), whole(b"def"));
}

/// semantics 125
#[test]
fn an_empty_write_to_a_byte_pipe_never_waits() {
    let mut pipe = Pipe::byte(0);
    let _waits = pipe.client.write(b"abc");
    assert_eq!(pipe.client.put(b""), Ok(0));
}

/// semantics 126
#[test]
fn without_quota_a_write_completes_when_its_last_byte_is_read() {
    let mut pipe = Pipe::byte(0);
    let mut write = pipe.client.write(b"ab");
    assert_eq!(pipe.server.get(1), whole(b"a"));
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Pending);
    assert_eq!(pipe.server.get(1), whole(b"b"));
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Ready(Ok(2)));
}

/// semantics 126
#[test]
fn without_quota_a_write_completes_at_once_if_a_read_waits() {
    let mut pipe = Pipe::byte(0);
    let mut read = pipe.server.read(2);
    assert_eq!(pipe.client.put(b"ab"), Ok(2));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"ab")));
}

/// semantics 119, 126
#[test]
fn waiting_reads_pay_for_one_write_each() {
    let mut pipe = Pipe::byte(0);
    let mut first = pipe.server.read(10);
    assert_eq!(pipe.client.put(b"ab"), Ok(2));
    let mut waits = pipe.client.write(b"cd");
    assert_eq!(
        pipe.client.poll_write(&mut waits),
        Poll::Pending,
        "the read has its write"
    );
    let mut second = pipe.server.read(10);
    assert_eq!(pipe.server.poll_read(&mut first), Poll::Ready(whole(b"ab")));
    assert_eq!(pipe.server.poll_read(&mut second), Poll::Ready(whole(b"cd")));
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Ready(Ok(2)));
}

/// semantics 127
#[test]
fn cancelling_removes_the_data_and_later_writes_move_up() {
    let mut pipe = Pipe::message(4);
    let mut first = pipe.client.write(b"abcdef");
    let mut second = pipe.client.write(b"wxyz");
    assert_eq!(pipe.client.poll_write(&mut second), Poll::Pending);
    assert_eq!(pipe.client.cancel_write(&mut first), Err(Status::Cancelled));
    assert_eq!(pipe.client.poll_write(&mut second), Poll::Ready(Ok(4)));
    assert_eq!(pipe.server.get(10), whole(b"wxyz"));
}

/// semantics 127
#[test]
fn cancelling_removes_the_rest_of_what_was_read_in_part() {
    let mut pipe = Pipe::message(1);
    let mut write = pipe.client.write(b"abcdef");
    assert_eq!(pipe.server.get(2), part(b"ab"));
    assert_eq!(pipe.client.cancel_write(&mut write), Err(Status::Cancelled));
    assert_eq!(pipe.server.peek(10), Ok((vec![], 0, 0)));
    assert_eq!(pipe.client.put(b"x"), Ok(1));
    assert_eq!(pipe.server.get(10), whole(b"x"));
}

/// semantics 122, 127, 231
#[test]
fn a_write_that_is_complete_cannot_be_cancelled() {
    let mut pipe = Pipe::byte(1);
    let mut write = pipe.client.write(b"ab");
    assert_eq!(pipe.server.get(1), whole(b"a"));
    assert_eq!(pipe.client.cancel_write(&mut write), Ok(2));
    assert_eq!(pipe.server.get(10), whole(b"b"));
}

/// semantics 128
#[test]
fn the_waiting_writes_of_a_process_that_dies_are_removed() {
    let mut pipe = Pipe::message(2);
    assert_eq!(pipe.client.put(b"ab"), Ok(2));
    let _first = pipe.client.write(b"cdef");
    let _second = pipe.client.write(b"g");
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.get(10), whole(b"ab"));
    assert_eq!(pipe.server.read(10).known(), Poll::Ready(Err(Status::PipeBroken)));
}

/// semantics 128
#[test]
fn a_small_write_behind_a_large_one_dies_with_it() {
    let mut pipe = Pipe::byte(3);
    let _first = pipe.client.write(b"abcdefgh");
    let _second = pipe.client.write(b"ij");
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.get(10), Err(Status::PipeBroken));
}

/// semantics 122, 129
#[test]
fn a_read_completes_the_write_of_a_process_that_does_not_run() {
    let mut pipe = Pipe::byte(2);
    let _write = pipe.client.write(b"abcd");
    assert_eq!(pipe.server.get(2), whole(b"ab"));
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.get(10), whole(b"cd"));
}

/// semantics 119, 129
#[test]
fn a_write_that_a_waiting_read_completed_outlives_its_writer() {
    let mut pipe = Pipe::byte(2);
    let mut read = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abcde"), Ok(5));
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abc")));
    assert_eq!(pipe.server.get(10), whole(b"de"));
}

/// semantics 129, 230
#[test]
fn a_write_that_counted_on_reads_which_are_cancelled_is_not_lost() {
    let mut pipe = Pipe::byte(0);
    let mut first = pipe.server.read(3);
    let mut second = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abcdef"), Ok(6));
    assert_eq!(pipe.server.reader.end_all(Status::Cancelled), 2);
    pipe.kill(Side::Client);
    let mut read = Vec::new();
    for waited in [&mut first, &mut second] {
        if let Poll::Ready(Ok(got)) = pipe.server.poll_read(waited) {
            read.extend(got.data);
        }
    }
    while let Ok(got) = pipe.server.get(10) {
        read.extend(got.data);
    }
    assert_eq!(read, b"abcdef");
}

/// semantics 129
#[test]
fn completed_writes_survive_the_writer() {
    let mut pipe = Pipe::message(PLENTY);
    assert_eq!(pipe.client.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.put(b""), Ok(0));
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.get(10), whole(b"abc"));
    assert_eq!(pipe.server.get(10), whole(b""));
    assert_eq!(pipe.server.get(10), Err(Status::PipeBroken));
}

/// semantics 210
#[test]
fn the_free_part_of_the_quota_can_be_asked_for() {
    let mut pipe = Pipe::byte(10);
    assert_eq!(pipe.client.writer.quota_available(), 10);
    pipe.client.put(b"abcd").unwrap();
    assert_eq!(pipe.client.writer.quota_available(), 6);
    let _waits = pipe.client.write(b"efghijkl");
    assert_eq!(pipe.client.writer.quota_available(), 0);
    pipe.server.get(4).unwrap();
    assert_eq!(pipe.client.writer.quota_available(), 2);
}

/// A write for which the lane had no room at first waits for quota like any other when there is some.
///
/// semantics 119, 122
#[test]
fn a_write_behind_a_full_lane_waits_for_quota_too() {
    let message = vec![7; 2 * Lanes::LEAST_LANE_BYTES as usize];
    let mut pipe = Pipe::message_through(Lanes::LEAST_LANE_BYTES, 0);
    let mut first = pipe.client.write(&message);
    let mut second = pipe.client.write(b"x");
    let mut read = pipe.server.read(message.len());
    while pipe.server.poll_read(&mut read).is_pending() {
        let _ = pipe.client.poll_write(&mut first);
    }
    assert_eq!(read.known(), Poll::Ready(whole(&message)));
    assert_eq!(pipe.client.poll_write(&mut first), Poll::Ready(Ok(message.len())));
    assert_eq!(pipe.client.poll_write(&mut second), Poll::Pending);
    assert_eq!(pipe.server.get(1), whole(b"x"));
    assert_eq!(pipe.client.poll_write(&mut second), Poll::Ready(Ok(1)));
}

/// semantics 138
#[test]
fn a_writer_is_idle_while_no_write_waits() {
    let mut pipe = Pipe::byte(2);
    assert!(pipe.client.writer.is_idle());
    pipe.client.put(b"ab").unwrap();
    assert!(pipe.client.writer.is_idle(), "unread data is no write that waits");
    let mut write = pipe.client.write(b"c");
    assert!(!pipe.client.writer.is_idle());
    assert_eq!(pipe.server.get(2), whole(b"ab"));
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Ready(Ok(1)));
    assert!(pipe.client.writer.is_idle());
    // One that was ended and not asked for since waits no more.
    let _ended = pipe.client.write(b"cde");
    assert_eq!(pipe.client.writer.end_all(Status::Cancelled), 1);
    assert!(pipe.client.writer.is_idle());
}
