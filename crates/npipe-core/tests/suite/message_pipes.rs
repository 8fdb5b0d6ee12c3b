//! Message pipes are queues of messages.

use std::task::Poll;

use npipe_core::{ReadMode, Status, WaitMode};

use super::{PLENTY, Pipe};
use crate::Lanes;
use crate::support::{Pair, part, whole};

/// A message pipe whose client reads in byte mode, as it starts.
fn byte_reading() -> Pipe {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.set_modes(ReadMode::Byte, WaitMode::Wait).unwrap();
    pipe
}

/// semantics 99, 118
#[test]
fn each_write_is_a_message_and_each_read_at_most_one() {
    let mut pipe = Pipe::message(PLENTY);
    assert_eq!(pipe.server.put(b"one"), Ok(3));
    assert_eq!(pipe.server.put(b"two"), Ok(3));
    assert_eq!(pipe.client.get(100), whole(b"one"));
    assert_eq!(pipe.client.get(100), whole(b"two"));
}

/// semantics 100, 102, 103
#[test]
fn a_short_buffer_gets_the_message_in_pieces_up_to_its_exact_end() {
    let mut pipe = Pipe::message(PLENTY);
    assert_eq!(pipe.server.put(b"abcdef"), Ok(6));
    assert_eq!(pipe.server.put(b"next"), Ok(4));
    assert_eq!(pipe.client.get(2), part(b"ab"));
    assert_eq!(pipe.client.get(2), part(b"cd"));
    assert_eq!(pipe.client.get(2), whole(b"ef"));
    assert_eq!(pipe.client.get(4), whole(b"next"));
}

/// semantics 103
#[test]
fn the_rest_of_a_message_never_runs_into_the_next() {
    let mut pipe = Pipe::message(PLENTY);
    assert_eq!(pipe.server.put(b"abc"), Ok(3));
    assert_eq!(pipe.server.put(b"def"), Ok(3));
    assert_eq!(pipe.client.get(2), part(b"ab"));
    assert_eq!(pipe.client.get(100), whole(b"c"));
    assert_eq!(pipe.client.get(100), whole(b"def"));
}

/// semantics 96, 100, 101
#[test]
fn waiting_reads_share_a_message_that_is_too_long_for_the_first() {
    let mut pipe = Pipe::message(PLENTY);
    let mut first = pipe.client.read(2);
    let mut second = pipe.client.read(2);
    assert_eq!(pipe.server.put(b"abcde"), Ok(5));
    assert_eq!(pipe.client.poll_read(&mut first), Poll::Ready(part(b"ab")));
    assert_eq!(pipe.client.poll_read(&mut second), Poll::Ready(part(b"cd")));
    assert_eq!(pipe.client.get(2), whole(b"e"));
}

/// semantics 104, 106
#[test]
fn an_empty_message_is_read_as_one() {
    let mut pipe = Pipe::message(PLENTY);
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.server.put(b"end"), Ok(3));
    assert_eq!(pipe.client.get(10), whole(b""));
    assert_eq!(pipe.client.get(10), whole(b""));
    assert_eq!(pipe.client.get(10), whole(b"end"));
}

/// semantics 105
#[test]
fn an_empty_message_wakes_exactly_one_read() {
    let mut pipe = Pipe::message(PLENTY);
    let mut first = pipe.client.read(10);
    let mut second = pipe.client.read(10);
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.client.poll_read(&mut first), Poll::Ready(whole(b"")));
    assert_eq!(pipe.client.poll_read(&mut second), Poll::Pending);
    assert_eq!(pipe.server.put(b"x"), Ok(1));
    assert_eq!(pipe.client.poll_read(&mut second), Poll::Ready(whole(b"x")));
}

/// semantics 105, 111
#[test]
fn an_empty_message_wakes_a_read_in_byte_mode_too() {
    let mut pipe = byte_reading();
    let mut read = pipe.client.read(10);
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.server.put(b"x"), Ok(1));
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Ready(whole(b"")));
    assert_eq!(pipe.client.get(10), whole(b"x"));
}

/// semantics 107
#[test]
fn an_empty_read_tells_of_a_message_and_leaves_it() {
    let mut pipe = Pipe::message(PLENTY);
    assert_eq!(pipe.server.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.get(0), part(b""));
    assert_eq!(pipe.client.get(0), part(b""));
    assert_eq!(pipe.client.get(10), whole(b"abc"));
}

/// semantics 108
#[test]
fn an_empty_read_that_waits_tells_of_the_message_that_arrives() {
    let mut pipe = Pipe::message(PLENTY);
    let mut read = pipe.client.read(0);
    assert_eq!(pipe.server.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Ready(part(b"")));
    assert_eq!(pipe.client.get(10), whole(b"abc"));
}

/// semantics 108, 219
#[test]
fn a_message_goes_past_an_empty_read_to_the_one_behind_it() {
    let mut pipe = Pipe::message(0);
    let mut empty = pipe.client.read(0);
    let mut read = pipe.client.read(3);
    assert_eq!(pipe.server.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.poll_read(&mut empty), Poll::Ready(part(b"")));
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Ready(whole(b"abc")));
}

/// semantics 109
#[test]
fn an_empty_read_consumes_an_empty_message() {
    let mut pipe = Pipe::message(PLENTY);
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.server.put(b"x"), Ok(1));
    assert_eq!(pipe.client.get(0), whole(b""));
    assert_eq!(pipe.client.get(10), whole(b"x"));
}

/// semantics 110
#[test]
fn byte_mode_joins_messages() {
    let mut pipe = byte_reading();
    assert_eq!(pipe.server.put(b"abc"), Ok(3));
    assert_eq!(pipe.server.put(b"def"), Ok(3));
    assert_eq!(pipe.client.get(2), whole(b"ab"));
    assert_eq!(pipe.client.get(10), whole(b"cdef"));
}

/// semantics 111
#[test]
fn a_lone_empty_message_is_read_as_nothing_in_byte_mode() {
    let mut pipe = byte_reading();
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.client.get(10), whole(b""));
    assert_eq!(pipe.client.reader.has_data(), Ok(false));
}

/// semantics 111
#[test]
fn empty_messages_before_and_between_data_are_skipped_in_byte_mode() {
    let mut pipe = byte_reading();
    for message in [b"".as_slice(), b"ab", b"", b"", b"cd"] {
        pipe.server.put(message).unwrap();
    }
    assert_eq!(pipe.client.get(10), whole(b"abcd"));
}

/// semantics 112
#[test]
fn a_read_that_is_filled_leaves_the_empty_message_behind() {
    let mut pipe = byte_reading();
    assert_eq!(pipe.server.put(b"ab"), Ok(2));
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.client.get(2), whole(b"ab"));
    assert_eq!(pipe.client.get(2), whole(b""));
    assert_eq!(pipe.client.reader.has_data(), Ok(false));
}

/// semantics 112
#[test]
fn a_read_with_room_left_swallows_the_empty_message_behind() {
    let mut pipe = byte_reading();
    assert_eq!(pipe.server.put(b"ab"), Ok(2));
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.client.get(3), whole(b"ab"));
    assert_eq!(pipe.client.reader.has_data(), Ok(false));
}

/// semantics 114
#[test]
fn boundaries_reappear_when_message_mode_is_selected() {
    let mut pipe = byte_reading();
    assert_eq!(pipe.server.put(b"one"), Ok(3));
    assert_eq!(pipe.server.put(b"two"), Ok(3));
    pipe.client.set_modes(ReadMode::Message, WaitMode::Wait).unwrap();
    assert_eq!(pipe.client.get(10), whole(b"one"));
    assert_eq!(pipe.client.get(10), whole(b"two"));
}

/// semantics 115
#[test]
fn message_mode_yields_the_rest_of_what_byte_mode_began() {
    let mut pipe = byte_reading();
    assert_eq!(pipe.server.put(b"one"), Ok(3));
    assert_eq!(pipe.server.put(b"two"), Ok(3));
    assert_eq!(pipe.client.get(2), whole(b"on"));
    pipe.client.set_modes(ReadMode::Message, WaitMode::Wait).unwrap();
    assert_eq!(pipe.client.get(10), whole(b"e"));
    assert_eq!(pipe.client.get(10), whole(b"two"));
}

/// semantics 116
#[test]
fn the_read_mode_belongs_to_one_end() {
    let mut pipe = byte_reading();
    for message in [b"one", b"two"] {
        pipe.server.put(message).unwrap();
        pipe.client.put(message).unwrap();
    }
    assert_eq!(pipe.client.get(10), whole(b"onetwo"));
    assert_eq!(pipe.server.get(10), whole(b"one"));
}

/// semantics 117, 123
#[test]
fn a_message_larger_than_the_quota_is_delivered_whole() {
    let mut pipe = Pipe::message(2);
    let mut write = pipe.server.write(b"abcdef");
    assert_eq!(pipe.server.poll_write(&mut write), Poll::Pending);
    assert_eq!(pipe.client.get(100), whole(b"abcdef"));
    assert_eq!(pipe.server.poll_write(&mut write), Poll::Ready(Ok(6)));
}

/// A message several times as large as a lane.
fn large_message() -> Vec<u8> {
    (0..4 * Lanes::LEAST_LANE_BYTES + 3).map(|place| place as u8).collect()
}

/// semantics 99, 117, 118
#[test]
fn a_message_larger_than_the_lane_comes_through_whole() {
    let message = large_message();
    let mut pipe = Pipe::message_through(Lanes::LEAST_LANE_BYTES, 0);
    let mut write = pipe.server.write(&message);
    let mut read = pipe.client.read(message.len());
    // Each look of the reader brings a byte at least.
    for _ in 0..message.len() {
        let _ = pipe.server.poll_write(&mut write);
        if pipe.client.poll_read(&mut read).is_ready() {
            break;
        }
    }
    assert_eq!(read.known(), Poll::Ready(whole(&message)));
    assert_eq!(pipe.server.poll_write(&mut write), Poll::Ready(Ok(message.len())));
}

/// semantics 119, 123
#[test]
fn a_write_counts_on_what_a_read_in_progress_still_takes_and_no_more() {
    let message = large_message();
    let mut pipe = Pipe::message_through(4 * Lanes::LEAST_LANE_BYTES, 0);
    let mut write = pipe.server.write(&message);
    let mut read = pipe.client.read(message.len() - 3);
    for _ in 0..message.len() {
        let written = pipe.server.poll_write(&mut write);
        assert_eq!(written, Poll::Pending, "three bytes are for nobody");
        if pipe.client.poll_read(&mut read).is_ready() {
            break;
        }
    }
    assert_eq!(read.known(), Poll::Ready(part(&message[..message.len() - 3])));
    assert_eq!(pipe.server.poll_write(&mut write), Poll::Pending);
    assert_eq!(pipe.client.get(3), whole(&message[message.len() - 3..]));
    assert_eq!(pipe.server.poll_write(&mut write), Poll::Ready(Ok(message.len())));
}

/// semantics 127
#[test]
fn a_read_that_has_a_part_of_a_cancelled_message_goes_on_to_the_next() {
    let message = large_message();
    let mut pipe = Pipe::message_through(Lanes::LEAST_LANE_BYTES, 0);
    let mut write = pipe.server.write(&message);
    let mut read = pipe.client.read(message.len());
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Pending);
    assert_eq!(pipe.server.cancel_write(&mut write), Err(Status::Cancelled));
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Pending);
    assert_eq!(pipe.server.put(b"x"), Ok(1));
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Ready(whole(b"x")));
}

/// semantics 128, 183
#[test]
fn a_read_that_has_a_part_of_a_message_ends_when_the_writer_dies() {
    let message = large_message();
    let mut pipe = Pipe::message_through(Lanes::LEAST_LANE_BYTES, 0);
    let _write = pipe.server.write(&message);
    let mut read = pipe.client.read(message.len());
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Pending);
    pipe.kill(crate::support::Side::Server);
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Ready(Err(Status::PipeBroken)));
}
