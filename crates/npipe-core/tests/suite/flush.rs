//! Flush waits until the peer has read everything.

use std::task::Poll;

use npipe_core::{PipeType, Progress, Status};

use super::{PLENTY, Pipe};
use crate::Lanes;
use crate::support::{End, Side, part, whole};

/// semantics 163
#[test]
fn a_flush_waits_until_everything_is_read() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.client.put(b"de").unwrap();
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 5, 0)));
    assert_eq!(
        pipe.client.poll_flush(&mut flush),
        Poll::Pending,
        "peeking does not count"
    );
    assert_eq!(pipe.server.get(10), whole(b"abc"));
    assert_eq!(pipe.server.get(1), part(b"d"));
    assert_eq!(
        pipe.client.poll_flush(&mut flush),
        Poll::Pending,
        "a partly read message counts"
    );
    assert_eq!(pipe.server.get(10), whole(b"e"));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// semantics 163
#[test]
fn a_flush_waits_for_waiting_writes_too() {
    let mut pipe = Pipe::byte(2);
    let _waits = pipe.client.write(b"abcd");
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.server.get(3), whole(b"abc"));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Pending);
    assert_eq!(pipe.server.get(3), whole(b"d"));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// semantics 163
#[test]
fn a_flush_does_not_wait_for_what_is_written_after_it() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"abc").unwrap();
    let mut flush = pipe.client.flush();
    pipe.client.put(b"def").unwrap();
    pipe.client.put(b"").unwrap();
    assert_eq!(pipe.server.get(10), whole(b"abc"));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// semantics 164
#[test]
fn unread_empty_messages_count() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"").unwrap();
    pipe.client.put(b"").unwrap();
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.server.get(10), whole(b""));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Pending);
    assert_eq!(pipe.server.get(10), whole(b""));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// semantics 165
#[test]
fn a_flush_with_nothing_unread_returns_at_once() {
    let mut pipe = Pipe::byte(PLENTY);
    assert_eq!(pipe.client.flush().known(), Poll::Ready(Ok(())));
    pipe.server.put(b"incoming").unwrap();
    assert_eq!(pipe.client.flush().known(), Poll::Ready(Ok(())));
    pipe.client.put(b"").unwrap();
    assert_eq!(pipe.client.flush().known(), Poll::Ready(Ok(())));
}

/// semantics 167
#[test]
fn a_flush_fails_when_the_reader_closes() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    let mut flush = pipe.client.flush();
    pipe.close(Side::Server);
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Err(Status::PipeBroken)));
}

/// semantics 167
#[test]
fn a_flush_fails_when_the_server_disconnects() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.server.put(b"abc").unwrap();
    let mut of_client = pipe.client.flush();
    let mut of_server = pipe.server.flush();
    pipe.disconnect();
    assert_eq!(
        pipe.client.poll_flush(&mut of_client),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
    assert_eq!(
        pipe.server.poll_flush(&mut of_server),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
}

/// semantics 163, 167
#[test]
fn a_flush_whose_data_was_read_succeeds_although_the_reader_closed() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.server.get(10), whole(b"abc"));
    pipe.close(Side::Server);
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// semantics 168
#[test]
fn a_flush_without_a_reader_has_nothing_to_wait_for() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.close(Side::Server);
    assert_eq!(pipe.client.flush().known(), Poll::Ready(Ok(())));

    let mut server = End::<Lanes>::unconnected(PipeType::Byte, PLENTY, Status::PipeListening);
    assert_eq!(server.flush().known(), Poll::Ready(Ok(())));
}

/// semantics 168, 173, 175
#[test]
fn a_flush_after_a_disconnection_fails_on_the_client_only() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.disconnect();
    assert_eq!(pipe.client.flush().known(), Poll::Ready(Err(Status::PipeDisconnected)));
    assert_eq!(pipe.server.flush().known(), Poll::Ready(Ok(())));
}

/// semantics 169
#[test]
fn cancelling_the_write_it_waits_for_lets_a_flush_finish() {
    let mut pipe = Pipe::byte(0);
    let mut write = pipe.client.write(b"abc");
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.server.get(1), whole(b"a"));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Pending);
    assert_eq!(pipe.client.cancel_write(&mut write), Err(Status::Cancelled));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// semantics 163, 169
#[test]
fn cancelling_one_of_two_writes_leaves_a_flush_waiting_for_the_other() {
    let mut pipe = Pipe::message(0);
    let mut first = pipe.client.write(b"abc");
    let _second = pipe.client.write(b"de");
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.client.cancel_write(&mut first), Err(Status::Cancelled));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Pending);
    assert_eq!(pipe.server.get(10), whole(b"de"));
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Ok(())));
}

/// semantics 230, 232
#[test]
fn a_flush_can_be_cancelled() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    let mut flush = pipe.client.flush();
    assert_eq!(pipe.client.writer.end_all(Status::Cancelled), 1);
    assert_eq!(pipe.client.poll_flush(&mut flush), Poll::Ready(Err(Status::Cancelled)));
}

/// semantics 163, 232
#[test]
fn of_two_flushes_one_can_be_given_up() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    let [given_up, kept] = [(); 2].map(|()| match pipe.client.writer.flush() {
        Ok(Progress::Pending(id)) => id,
        other => panic!("{other:?} with unread data"),
    });
    pipe.client.writer.cancel_flush(given_up);
    assert_eq!(pipe.client.writer.poll_flush(kept), Poll::Pending);
    pipe.server.get(3).unwrap();
    assert_eq!(pipe.client.writer.poll_flush(kept), Poll::Ready(Ok(())));
    // Nothing is left of the other one, which would be ended with the end.
    assert_eq!(pipe.client.writer.end_all(Status::Cancelled), 0);
}

/// semantics 171
#[test]
fn two_ends_that_flush_unread_data_wait_for_each_other() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.server.put(b"abc").unwrap();
    let mut of_client = pipe.client.flush();
    let mut of_server = pipe.server.flush();
    assert_eq!(pipe.client.poll_flush(&mut of_client), Poll::Pending);
    assert_eq!(pipe.server.poll_flush(&mut of_server), Poll::Pending);
    pipe.client.get(10).unwrap();
    assert_eq!(pipe.server.poll_flush(&mut of_server), Poll::Ready(Ok(())));
    assert_eq!(pipe.client.poll_flush(&mut of_client), Poll::Pending);
}
