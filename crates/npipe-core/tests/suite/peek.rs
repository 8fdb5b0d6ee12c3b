//! Peek looks and takes nothing.

use std::task::Poll;

use npipe_core::{PipeType, ReadMode, Status, WaitMode};

use super::{PLENTY, Pipe};
use crate::Lanes;
use crate::support::{End, Side, part, whole};

/// semantics 140
#[test]
fn a_peek_never_waits_and_never_consumes() {
    let mut pipe = Pipe::byte(PLENTY);
    assert_eq!(pipe.server.peek(10), Ok((vec![], 0, 0)));
    pipe.client.put(b"abc").unwrap();
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 3, 0)));
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 3, 0)));
    assert_eq!(pipe.server.get(10), whole(b"abc"));
}

/// semantics 140
#[test]
fn a_peek_ignores_the_wait_mode() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.server.set_modes(ReadMode::Byte, WaitMode::NoWait).unwrap();
    assert_eq!(pipe.server.peek(10), Ok((vec![], 0, 0)));
}

/// semantics 141
#[test]
fn a_peek_without_a_buffer_tells_the_amounts() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.client.put(b"de").unwrap();
    assert_eq!(pipe.server.peek(0), Ok((vec![], 5, 3)));
}

/// semantics 142
#[test]
fn the_total_counts_all_messages_and_waiting_writes() {
    let mut pipe = Pipe::message(3);
    pipe.client.put(b"abc").unwrap();
    let mut waits = pipe.client.write(b"defg");
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 7, 0)));
    assert_eq!(pipe.client.cancel_write(&mut waits), Err(Status::Cancelled));
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 3, 0)));
}

/// semantics 143, 145
#[test]
fn a_message_longer_than_the_buffer_is_no_error() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"abcdef").unwrap();
    pipe.client.put(b"gh").unwrap();
    assert_eq!(pipe.server.peek(2), Ok((b"ab".to_vec(), 8, 4)));
    assert_eq!(pipe.server.peek(10), Ok((b"abcdef".to_vec(), 8, 0)));
}

/// semantics 113, 143
#[test]
fn a_message_pipe_is_peeked_by_messages_in_byte_mode_too() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.server.set_modes(ReadMode::Byte, WaitMode::Wait).unwrap();
    pipe.client.put(b"abc").unwrap();
    pipe.client.put(b"de").unwrap();
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 5, 0)));
}

/// semantics 144
#[test]
fn a_byte_pipe_is_peeked_across_writes() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.client.put(b"de").unwrap();
    assert_eq!(pipe.server.peek(4), Ok((b"abcd".to_vec(), 5, 0)));
    assert_eq!(pipe.server.peek(10), Ok((b"abcde".to_vec(), 5, 0)));
}

/// semantics 146
#[test]
fn a_message_that_was_read_in_part_is_seen_as_its_rest() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"abcdef").unwrap();
    assert_eq!(pipe.server.get(2), part(b"ab"));
    assert_eq!(pipe.server.peek(3), Ok((b"cde".to_vec(), 4, 1)));
}

/// semantics 147
#[test]
fn an_empty_message_at_the_head_shows_the_total_of_later_ones() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.put(b"").unwrap();
    pipe.client.put(b"abc").unwrap();
    assert_eq!(pipe.server.peek(10), Ok((vec![], 3, 0)));
    assert_eq!(pipe.server.get(10), whole(b""));
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 3, 0)));
}

/// semantics 80, 149
#[test]
fn a_listening_end_cannot_be_peeked() {
    let mut server = End::<Lanes>::unconnected(PipeType::Byte, PLENTY, Status::PipeListening);
    assert_eq!(server.peek(10), Err(Status::InvalidPipeState));
}

/// semantics 149, 173, 175
#[test]
fn a_disconnected_end_cannot_be_peeked() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.server.put(b"abc").unwrap();
    pipe.disconnect();
    assert_eq!(pipe.server.peek(10), Err(Status::InvalidPipeState));
    assert_eq!(pipe.client.peek(10), Err(Status::PipeDisconnected));
}

/// semantics 149, 183
#[test]
fn what_a_closed_peer_left_can_be_peeked() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.put(b"abc").unwrap();
    pipe.close(Side::Client);
    assert_eq!(pipe.server.peek(10), Ok((b"abc".to_vec(), 3, 0)));
    assert_eq!(pipe.server.get(10), whole(b"abc"));
    assert_eq!(pipe.server.peek(10), Err(Status::PipeBroken));
}

/// semantics 128, 149
#[test]
fn what_a_dead_peer_had_not_completed_is_not_seen() {
    let mut pipe = Pipe::byte(2);
    pipe.client.put(b"a").unwrap();
    let _waits = pipe.client.write(b"bcd");
    assert_eq!(pipe.server.peek(10), Ok((b"abcd".to_vec(), 4, 0)));
    pipe.kill(Side::Client);
    assert_eq!(pipe.server.peek(10), Ok((b"a".to_vec(), 1, 0)));
}

/// semantics 140
#[test]
fn a_peek_leaves_waiting_reads_alone() {
    let mut pipe = Pipe::byte(PLENTY);
    let mut read = pipe.server.read(10);
    assert_eq!(pipe.server.peek(10), Ok((vec![], 0, 0)));
    pipe.client.put(b"abc").unwrap();
    assert_eq!(pipe.server.poll_read(&mut read), Poll::Ready(whole(b"abc")));
}
