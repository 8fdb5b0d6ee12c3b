//! What is left when an end goes.

use std::task::Poll;

use npipe_core::{PipeType, Status};

use super::{PLENTY, Pipe};
use crate::Lanes;
use crate::support::{End, Side, part, whole};

/// semantics 80
#[test]
fn an_end_without_a_peer_says_that_it_listens() {
    let mut server = End::<Lanes>::unconnected(PipeType::Message, PLENTY, Status::PipeListening);
    assert_eq!(server.get(10), Err(Status::PipeListening));
    assert_eq!(server.put(b"abc"), Err(Status::PipeListening));
    assert_eq!(server.put(b""), Err(Status::PipeListening));
}

/// semantics 172
#[test]
fn a_disconnection_loses_what_was_unread_in_both_directions() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.server.put(b"def").unwrap();
    pipe.disconnect();
    assert_eq!(pipe.server.get(10), Err(Status::PipeDisconnected));
    assert_eq!(pipe.client.get(10), Err(Status::PipeDisconnected));
    let _old = pipe.reconnect();
    assert_eq!(pipe.server.peek(10), Ok((vec![], 0, 0)));
    assert_eq!(pipe.client.peek(10), Ok((vec![], 0, 0)));
    assert_eq!(pipe.server.writer.quota_available(), PLENTY);
}

/// semantics 172
#[test]
fn a_client_that_closed_can_be_disconnected() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.close(Side::Client);
    pipe.disconnect();
    assert_eq!(pipe.server.get(10), Err(Status::PipeDisconnected));
}

/// semantics 173, 175
#[test]
fn reads_and_writes_fail_after_a_disconnection() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.disconnect();
    for end in [&mut pipe.server, &mut pipe.client] {
        assert_eq!(end.get(10), Err(Status::PipeDisconnected));
        assert_eq!(end.put(b"abc"), Err(Status::PipeDisconnected));
        assert_eq!(end.put(b""), Err(Status::PipeDisconnected));
    }
}

/// semantics 177
#[test]
fn a_disconnection_ends_what_waits_at_either_end() {
    let mut pipe = Pipe::byte(0);
    let mut write = pipe.client.write(b"abc");
    let mut read = pipe.client.read(10);
    pipe.disconnect();
    assert_eq!(
        pipe.client.poll_write(&mut write),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
    assert_eq!(
        pipe.client.poll_read(&mut read),
        Poll::Ready(Err(Status::PipeDisconnected))
    );

    let mut pipe = Pipe::byte(0);
    let mut write = pipe.server.write(b"abc");
    let mut read = pipe.server.read(10);
    pipe.disconnect();
    assert_eq!(
        pipe.server.poll_write(&mut write),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
    assert_eq!(
        pipe.server.poll_read(&mut read),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
}

/// semantics 177, 180
#[test]
fn a_call_that_a_disconnection_ended_takes_nothing_of_the_next_client() {
    let mut pipe = Pipe::byte(0);
    let mut read = pipe.server.read(10);
    let mut write = pipe.server.write(b"old");
    pipe.disconnect();
    let _old = pipe.reconnect();
    let mut waits = pipe.client.write(b"new");
    assert_eq!(
        pipe.server.poll_read(&mut read),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
    assert_eq!(
        pipe.server.poll_write(&mut write),
        Poll::Ready(Err(Status::PipeDisconnected))
    );
    assert_eq!(pipe.server.get(10), whole(b"new"));
    assert_eq!(pipe.client.poll_write(&mut waits), Poll::Ready(Ok(3)));
    assert_eq!(pipe.client.peek(10), Ok((vec![], 0, 0)));
}

/// semantics 173, 181
#[test]
fn a_disconnected_client_never_comes_back() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.disconnect();
    let (mut old, _lanes) = pipe.reconnect();
    pipe.server.put(b"for the new one").unwrap();
    assert_eq!(old.get(100), Err(Status::PipeDisconnected));
    assert_eq!(old.put(b"abc"), Err(Status::PipeDisconnected));
    drop(old);
    assert_eq!(pipe.client.get(100), whole(b"for the new one"));
}

/// semantics 182
#[test]
fn a_client_stays_disconnected_when_the_server_closes() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.disconnect();
    pipe.close(Side::Server);
    assert_eq!(pipe.client.get(10), Err(Status::PipeDisconnected));
    assert_eq!(pipe.client.put(b"abc"), Err(Status::PipeDisconnected));
}

/// semantics 183, 188
#[test]
fn what_was_written_is_read_before_the_pipe_is_broken() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.server.put(b"abc").unwrap();
    pipe.server.put(b"def").unwrap();
    pipe.close(Side::Server);
    assert_eq!(pipe.client.get(2), whole(b"ab"));
    assert_eq!(pipe.client.get(0), whole(b""));
    assert_eq!(pipe.client.get(10), whole(b"cdef"));
    assert_eq!(pipe.client.get(10), Err(Status::PipeBroken));
    assert_eq!(pipe.client.get(0), Err(Status::PipeBroken));
}

/// semantics 184
#[test]
fn messages_keep_their_bounds_after_the_close() {
    let mut pipe = Pipe::message(PLENTY);
    for message in [b"abc".as_slice(), b"", b"def"] {
        pipe.server.put(message).unwrap();
    }
    assert_eq!(pipe.client.get(2), part(b"ab"));
    pipe.close(Side::Server);
    assert_eq!(pipe.client.get(10), whole(b"c"));
    assert_eq!(pipe.client.get(10), whole(b""));
    assert_eq!(pipe.client.get(10), whole(b"def"));
    assert_eq!(pipe.client.get(10), Err(Status::PipeBroken));
}

/// semantics 185
#[test]
fn writes_fail_at_once_when_the_reader_is_gone() {
    for mut pipe in [Pipe::byte(PLENTY), Pipe::message(PLENTY)] {
        pipe.close(Side::Server);
        assert_eq!(pipe.client.put(b"abc"), Err(Status::PipeClosing));
        assert_eq!(pipe.client.put(b""), Err(Status::PipeClosing));
    }
}

/// semantics 186
#[test]
fn calls_that_wait_are_broken_when_the_peer_closes() {
    let mut pipe = Pipe::byte(0);
    let mut write = pipe.client.write(b"abc");
    let mut read = pipe.client.read(10);
    pipe.close(Side::Server);
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Ready(Err(Status::PipeBroken)));
    assert_eq!(pipe.client.poll_read(&mut read), Poll::Ready(Err(Status::PipeBroken)));
}

/// semantics 122, 186
#[test]
fn a_write_of_which_enough_was_read_succeeds_although_the_reader_closed() {
    let mut pipe = Pipe::byte(1);
    let mut write = pipe.client.write(b"abc");
    assert_eq!(pipe.server.get(2), whole(b"ab"));
    pipe.close(Side::Server);
    assert_eq!(pipe.client.poll_write(&mut write), Poll::Ready(Ok(3)));
}

/// semantics 187
#[test]
fn a_closer_that_left_data_unread_does_not_disturb_what_it_wrote() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.server.put(b"unread").unwrap();
    pipe.client.put(b"last words").unwrap();
    pipe.close(Side::Client);
    assert_eq!(pipe.server.get(100), whole(b"last words"));
    assert_eq!(pipe.server.get(100), Err(Status::PipeBroken));
}

/// semantics 192
#[test]
fn the_closers_own_reads_are_broken() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut read = pipe.server.read(10);
    pipe.close(Side::Server);
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(Err(Status::PipeBroken)));
}

/// semantics 193
#[test]
fn the_closers_own_waiting_writes_are_discarded() {
    let mut pipe = Pipe::byte(3);
    pipe.server.put(b"ab").unwrap();
    let mut write = pipe.server.write(b"cdef");
    pipe.close(Side::Server);
    assert_eq!(pipe.server.poll_write(&mut write), Poll::Ready(Err(Status::PipeBroken)));
    assert_eq!(pipe.client.get(10), whole(b"ab"));
    assert_eq!(pipe.client.get(10), Err(Status::PipeBroken));
}

/// semantics 185
#[test]
fn the_direction_a_dead_process_read_is_closed_like_the_other() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.kill(Side::Server);
    assert_eq!(pipe.client.put(b"abc"), Err(Status::PipeClosing));
    assert_eq!(pipe.client.get(10), Err(Status::PipeBroken));
}

/// Any message counts, an empty one and a part of one too; a look does not. It is over with the connection.
///
/// semantics 261
#[test]
fn whether_anything_was_read_is_known_while_the_connection_lasts() {
    let mut pipe = Pipe::message(PLENTY);
    for (message, size) in [(b"abc".as_slice(), 2), (b"", 2)] {
        assert!(!pipe.server.reader.has_read());
        pipe.client.put(message).unwrap();
        pipe.server.peek(10).unwrap();
        assert!(!pipe.server.reader.has_read());
        pipe.server.get(size).unwrap();
        assert!(pipe.server.reader.has_read());
        assert!(!pipe.client.reader.has_read(), "the other end");
        pipe.disconnect();
        assert!(!pipe.server.reader.has_read());
        let _old = pipe.reconnect();
    }
    pipe.client.put(b"x").unwrap();
    pipe.close(Side::Client);
    assert!(!pipe.server.reader.has_read());
    pipe.server.get(9).unwrap();
    assert_eq!(pipe.server.get(9), Err(Status::PipeBroken));
    assert!(pipe.server.reader.has_read(), "the client is gone");
}
