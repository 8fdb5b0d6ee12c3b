//! PIPE_NOWAIT: calls that never wait.

use std::task::Poll;

use npipe_core::{ReadMode, Status, WaitMode};

use super::{PLENTY, Pipe};
use crate::support::{Side, part, whole};

/// A byte pipe whose client does not wait.
fn byte(quota_bytes: u32) -> Pipe {
    let mut pipe = Pipe::byte(quota_bytes);
    pipe.client.set_modes(ReadMode::Byte, WaitMode::NoWait).unwrap();
    pipe
}

/// A message pipe whose client does not wait.
fn message(quota_bytes: u32) -> Pipe {
    let mut pipe = Pipe::message(quota_bytes);
    pipe.client.set_modes(ReadMode::Message, WaitMode::NoWait).unwrap();
    pipe
}

/// semantics 131
#[test]
fn a_read_of_an_empty_pipe_fails_at_once() {
    for mut pipe in [byte(PLENTY), message(PLENTY)] {
        assert_eq!(pipe.client.get(10), Err(Status::PipeEmpty));
        assert_eq!(pipe.client.get(0), Err(Status::PipeEmpty));
        assert_eq!(pipe.server.put(b"ab"), Ok(2));
        assert_eq!(pipe.client.get(10), whole(b"ab"));
        assert_eq!(pipe.client.get(10), Err(Status::PipeEmpty));
    }
}

/// semantics 131, 100
#[test]
fn a_read_takes_a_part_of_a_message() {
    let mut pipe = message(PLENTY);
    assert_eq!(pipe.server.put(b"abc"), Ok(3));
    assert_eq!(pipe.client.get(2), part(b"ab"));
    assert_eq!(pipe.client.get(2), whole(b"c"));
}

/// semantics 132
#[test]
fn a_pipe_that_is_broken_is_told_from_an_empty_one() {
    let mut pipe = byte(PLENTY);
    assert_eq!(pipe.server.put(b"ab"), Ok(2));
    pipe.close(Side::Server);
    assert_eq!(pipe.client.get(10), whole(b"ab"));
    assert_eq!(pipe.client.get(10), Err(Status::PipeBroken));
}

/// semantics 133
#[test]
fn an_empty_message_is_data() {
    let mut pipe = message(PLENTY);
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.client.get(10), whole(b""));
    assert_eq!(pipe.client.get(10), Err(Status::PipeEmpty));
}

/// semantics 134
#[test]
fn a_write_that_does_not_fit_writes_nothing() {
    for mut pipe in [byte(4), message(4)] {
        assert_eq!(pipe.client.put(b"abc"), Ok(3));
        assert_eq!(pipe.client.put(b"de"), Ok(0));
        assert_eq!(pipe.client.put(b"f"), Ok(1));
        assert_eq!(pipe.server.get(3), whole(b"abc"));
        assert_eq!(pipe.server.get(3), whole(b"f"));
    }
}

/// semantics 134
#[test]
fn a_write_fits_again_once_the_waiting_ones_are_read() {
    let mut pipe = Pipe::byte(4);
    let _done_but_not_asked_for = pipe.client.write(b"abcdef");
    assert_eq!(pipe.server.get(6), whole(b"abcdef"));
    pipe.client.set_modes(ReadMode::Byte, WaitMode::NoWait).unwrap();
    let mut read = pipe.server.read(1);
    assert_eq!(pipe.client.put(b"gh"), Ok(2));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"g")));
    assert_eq!(pipe.client.put(b"ijkl"), Ok(0));
}

/// semantics 135
#[test]
fn with_a_read_waiting_all_is_written_if_the_rest_fits() {
    let mut pipe = byte(2);
    let mut read = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abcde"), Ok(5));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abc")));
    assert_eq!(pipe.server.get(10), whole(b"de"));
}

/// semantics 135
#[test]
fn with_a_read_waiting_a_byte_pipe_takes_what_the_read_takes() {
    let mut pipe = byte(2);
    let mut read = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abcdef"), Ok(3));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abc")));
    assert_eq!(pipe.server.reader.has_data(), Ok(false));
}

/// semantics 135, 219
#[test]
fn a_byte_pipe_takes_what_several_reads_take() {
    let mut pipe = byte(0);
    let mut first = pipe.server.read(2);
    let mut second = pipe.server.read(2);
    assert_eq!(pipe.client.put(b"abcdef"), Ok(4));
    assert_eq!(pipe.client.put(b"ef"), Ok(0), "both reads have their write");
    assert_eq!(pipe.server.poll_read(&mut first), Poll::Ready(whole(b"ab")));
    assert_eq!(pipe.server.poll_read(&mut second), Poll::Ready(whole(b"cd")));
}

/// semantics 136
#[test]
fn a_message_is_never_written_in_part() {
    let mut pipe = message(2);
    let mut read = pipe.server.read(3);
    assert_eq!(pipe.client.put(b"abcdef"), Ok(0));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Pending);
    assert_eq!(pipe.client.put(b"abcde"), Ok(5));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(part(b"abc")));
    assert_eq!(pipe.server.get(10), whole(b"de"));
}

/// semantics 125, 134
#[test]
fn an_empty_message_is_always_written() {
    let mut pipe = message(0);
    assert_eq!(pipe.client.put(b""), Ok(0));
    assert_eq!(pipe.server.get(10), whole(b""));
}

/// semantics 137
#[test]
fn the_other_end_may_wait() {
    let mut pipe = byte(PLENTY);
    let mut read = pipe.server.read(10);
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Pending);
    assert_eq!(pipe.client.get(10), Err(Status::PipeEmpty));
    assert_eq!(pipe.client.put(b"ab"), Ok(2));
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"ab")));
}

/// semantics 138
#[test]
fn the_mode_is_refused_while_reads_wait() {
    let mut pipe = Pipe::message(PLENTY);
    let mut read = pipe.client.read(10);
    assert_eq!(
        pipe.client.set_modes(ReadMode::Byte, WaitMode::NoWait),
        Err(Status::PipeBusy)
    );
    assert_eq!(pipe.client.reader.mode(), ReadMode::Message);
    assert_eq!(pipe.client.cancel_read(&mut read), Err(Status::Cancelled));
    assert_eq!(pipe.client.set_modes(ReadMode::Message, WaitMode::NoWait), Ok(()));
    assert_eq!(pipe.client.set_modes(ReadMode::Message, WaitMode::Wait), Ok(()));
}

/// semantics 139, 219
#[test]
fn a_transaction_waits_and_its_reply_is_not_taken_by_a_read() {
    let mut pipe = message(PLENTY);
    let (_, mut reply) = pipe.client.transact(b"question", 10).unwrap();
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Pending);
    assert_eq!(pipe.server.put(b"answer"), Ok(6));
    assert_eq!(pipe.client.get(10), Err(Status::PipeEmpty));
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Ready(whole(b"answer")));
}

/// semantics 139
#[test]
fn a_flush_waits() {
    let mut pipe = byte(PLENTY);
    assert_eq!(pipe.client.put(b"ab"), Ok(2));
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Pending);
    assert_eq!(pipe.server.get(10), whole(b"ab"));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// A message of which the lane has room for a part is nothing yet, and never comes when its writer dies.
///
/// semantics 128, 131, 132
#[test]
fn a_message_whose_writer_dies_in_the_middle_is_no_data() {
    const LANE_BYTES: u32 = 4096;
    const LENGTH: usize = 300;
    let mut cut_short = 0;
    // Somewhere the rest of the lane holds a part of the second message.
    for before in (2_000..LANE_BYTES as usize).step_by(8) {
        let mut pipe = Pipe::message_through(LANE_BYTES, 0);
        pipe.client.set_modes(ReadMode::Message, WaitMode::NoWait).unwrap();
        let _first = pipe.server.write(&vec![b'x'; before]);
        let _second = pipe.server.write(&[b'y'; LENGTH]);
        if pipe.client.get(before) != whole(&vec![b'x'; before]) {
            // That one is longer than the lane.
            continue;
        }
        match pipe.client.get(LENGTH) {
            Err(Status::PipeEmpty) => cut_short += 1,
            placed => assert_eq!(placed, whole(&[b'y'; LENGTH])),
        }
        pipe.kill(Side::Server);
        assert_eq!(pipe.client.get(LENGTH), Err(Status::PipeBroken));
    }
    assert!(cut_short > 0);
}
