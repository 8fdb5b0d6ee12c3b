//! The two halves of a transaction. The checks of type, mode and rights are the caller's.

use std::task::Poll;

use npipe_core::Status;

use super::{PLENTY, Pipe};
use crate::Lanes;
use crate::support::{Pair, Side, part, whole};

/// semantics 152
#[test]
fn a_request_goes_out_and_the_next_message_is_the_reply() {
    let mut pipe = Pipe::message(PLENTY);
    let (request, mut reply) = pipe.client.transact(b"question", 10).unwrap();
    assert_eq!(request.known(), Poll::Ready(Ok(8)));
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Pending);
    assert_eq!(pipe.server.get(10), whole(b"question"));
    assert_eq!(pipe.server.put(b"answer"), Ok(6));
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Ready(whole(b"answer")));
}

/// semantics 151
#[test]
fn unread_data_refuses_a_transaction_and_nothing_is_sent() {
    let mut pipe = Pipe::message(PLENTY);
    for message in [b"".as_slice(), b"news"] {
        pipe.server.put(message).unwrap();
        assert_eq!(pipe.client.transact(b"question", 10).err(), Some(Status::PipeBusy));
        assert_eq!(pipe.server.reader.has_data(), Ok(false));
        assert_eq!(pipe.client.get(10), whole(message));
    }
}

/// semantics 153
#[test]
fn a_request_never_waits_for_quota() {
    let mut pipe = Pipe::message(0);
    let mut waits = pipe.client.write(b"first");
    let (request, _reply) = pipe.client.transact(b"question", 10).unwrap();
    assert_eq!(request.known(), Poll::Ready(Ok(8)));
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Pending);
    assert_eq!(pipe.server.get(10), whole(b"first"));
    assert_eq!(pipe.server.get(10), whole(b"question"));
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Ready(Ok(5)));
}

/// semantics 129, 153
#[test]
fn a_request_beyond_the_quota_outlives_its_process() {
    let mut pipe = Pipe::message(0);
    let _waits = pipe.client.write(b"first");
    let (_request, _reply) = pipe.client.transact(b"question", 10).unwrap();
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.get(10), whole(b"question"));
    assert_eq!(pipe.server.get(10), Err(Status::PipeBroken));
}

/// semantics 129, 153
#[test]
fn a_request_that_finds_the_lane_full_waits_for_room_and_then_outlives_its_process() {
    let lane_bytes = 4 * Lanes::LEAST_LANE_BYTES;
    let message = vec![7; lane_bytes as usize / 6];
    let mut pipe = Pipe::message_through(lane_bytes, 0);
    let mut writes = [(); 3].map(|()| pipe.client.write(&message));
    let (mut request, _reply) = pipe.client.transact(&message, 10).unwrap();
    for _ in 0..writes.len() {
        assert_eq!(pipe.server.get(message.len()), whole(&message));
        for write in &mut writes {
            let _ = pipe.client.poll_write(write);
        }
        let _ = pipe.client.poll_write(&mut request);
    }
    assert_eq!(pipe.client.poll_write(&mut request), Poll::Ready(Ok(message.len())));
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.get(message.len()), whole(&message));
    assert_eq!(pipe.server.get(10), Err(Status::PipeBroken));
}

/// semantics 119, 153
#[test]
fn a_request_counts_against_later_writes() {
    let mut pipe = Pipe::message(4);
    let (_request, _reply) = pipe.client.transact(b"question", 10).unwrap();
    let mut waits = pipe.client.write(b"x");
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Pending);
    assert_eq!(pipe.server.get(5), part(b"quest"));
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Ready(Ok(1)));
}

/// semantics 154
#[test]
fn a_reply_longer_than_the_buffer_is_read_on() {
    let mut pipe = Pipe::message(PLENTY);
    let (_request, mut reply) = pipe.client.transact(b"question", 3).unwrap();
    assert_eq!(pipe.server.put(b"answer"), Ok(6));
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Ready(part(b"ans")));
    assert_eq!(pipe.client.get(10), whole(b"wer"));
}

/// semantics 155
#[test]
fn requests_and_replies_may_be_empty() {
    let mut pipe = Pipe::message(PLENTY);
    let (request, mut reply) = pipe.client.transact(b"", 10).unwrap();
    assert_eq!(request.known(), Poll::Ready(Ok(0)));
    assert_eq!(pipe.server.get(10), whole(b""));
    assert_eq!(pipe.server.put(b""), Ok(0));
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Ready(whole(b"")));
}

/// semantics 156
#[test]
fn a_reply_may_itself_be_a_transaction() {
    let mut pipe = Pipe::message(PLENTY);
    let (_, mut reply) = pipe.client.transact(b"question", 10).unwrap();
    assert_eq!(pipe.server.get(10), whole(b"question"));
    let (_, mut answer) = pipe.server.transact(b"which?", 10).unwrap();
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Ready(whole(b"which?")));
    assert_eq!(pipe.client.put(b"this"), Ok(4));
    assert_eq!(pipe.server.poll_read(&mut answer), Poll::Ready(whole(b"this")));
}

/// semantics 158
#[test]
fn cancelling_keeps_the_request_and_a_later_reply_is_an_ordinary_message() {
    let mut pipe = Pipe::message(PLENTY);
    let (_, mut reply) = pipe.client.transact(b"question", 10).unwrap();
    assert_eq!(pipe.client.cancel_read(&mut reply), Err(Status::Cancelled));
    assert_eq!(pipe.server.get(10), whole(b"question"));
    assert_eq!(pipe.server.put(b"late"), Ok(4));
    assert_eq!(pipe.client.get(10), whole(b"late"));
}

/// semantics 159
#[test]
fn a_transaction_that_waits_ends_with_its_peer() {
    let mut pipe = Pipe::message(PLENTY);
    let (_, mut reply) = pipe.client.transact(b"question", 10).unwrap();
    pipe.close(Side::Server);
    assert_eq!(pipe.client.poll_read(&mut reply), Poll::Ready(Err(Status::PipeBroken)));
    assert!(pipe.client.transact(b"question", 10).is_err());
}

/// semantics 159, 177
#[test]
fn a_transaction_that_waits_ends_with_a_disconnection() {
    let mut pipe = Pipe::message(PLENTY);
    let (_, mut reply) = pipe.client.transact(b"question", 10).unwrap();
    pipe.disconnect();
    assert_eq!(
        pipe.client.poll_read(&mut reply),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
    assert_eq!(
        pipe.client.transact(b"question", 10).err(),
        Some(Status::PipeDisconnected)
    );
}
