//! Looking without taking.

use npipe::{Peeked, PipeMode, PipeStream};

use crate::{NAME, Place, error, text};

/// What a peek with a buffer of `size` shows: the bytes, the total, what is left of the message.
#[track_caller]
fn peek(end: &PipeStream, size: usize) -> (String, usize, usize) {
    let mut buffer = vec![0; size];
    let Peeked { bytes, total, left, .. } = end.peek(&mut buffer).expect("a connection");
    (String::from_utf8_lossy(&buffer[..bytes]).into_owned(), total, left)
}

/// semantics 140-142, 144
#[test]
fn a_stream_is_seen_across_writes() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    assert_eq!(peek(&server, 10), (String::new(), 0, 0));
    client.write(b"abc").unwrap();
    client.write(b"defg").unwrap();
    for _ in 0..2 {
        assert_eq!(peek(&server, 0), (String::new(), 7, 0));
        assert_eq!(peek(&server, 5), ("abcde".to_owned(), 7, 0));
        assert_eq!(peek(&server, 100), ("abcdefg".to_owned(), 7, 0));
    }
    server.read(&mut [0; 4]).unwrap();
    assert_eq!(peek(&server, 100), ("efg".to_owned(), 3, 0));
}

/// semantics 113, 142, 143, 145, 146
#[test]
fn messages_are_seen_one_by_one_in_either_mode() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"first").unwrap();
    client.write(b"second").unwrap();
    for mode in [PipeMode::Message, PipeMode::Byte] {
        server.set_state(mode, false).unwrap();
        assert_eq!(peek(&server, 0), (String::new(), 11, 5));
        assert_eq!(peek(&server, 2), ("fi".to_owned(), 11, 3));
        assert_eq!(peek(&server, 100), ("first".to_owned(), 11, 0));
    }
    server.read(&mut [0; 3]).unwrap();
    assert_eq!(peek(&server, 1), ("s".to_owned(), 8, 1));
}

/// semantics 147
#[test]
fn an_empty_message_hides_what_follows() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"").unwrap();
    client.write(b"data").unwrap();
    assert_eq!(peek(&server, 10), (String::new(), 4, 0));
    assert_eq!(server.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(peek(&server, 10), ("data".to_owned(), 4, 0));
}

/// semantics 140: the wait mode does not matter.
#[test]
fn nothing_is_no_error() {
    let place = Place::new();
    let _server = place.bytes().create(NAME).unwrap();
    let client = place.client().nowait(true).open(NAME).unwrap();
    assert_eq!(peek(&client, 10), (String::new(), 0, 0));
}

/// semantics 148
#[test]
fn looking_needs_the_right_to_read() {
    let place = Place::new();
    let outbound = place.bytes().access_inbound(false).create(NAME).unwrap();
    assert_eq!(error(outbound.peek(&mut [0])), "ERROR_ACCESS_DENIED");
    drop(outbound);
    let _server = place.bytes().create(NAME).unwrap();
    let client = place.client().read(false).open(NAME).unwrap();
    assert_eq!(error(client.peek(&mut [0])), "ERROR_ACCESS_DENIED");
}

/// semantics 149
#[test]
fn after_the_peer_is_gone() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    client.write(b"left").unwrap();
    drop(client);
    assert_eq!(peek(&server, 10), ("left".to_owned(), 4, 0));
    assert_eq!(text(&server), "left");
    let mut untouched = [7; 4];
    assert_eq!(error(server.peek(&mut untouched)), "ERROR_BROKEN_PIPE");
    assert_eq!(untouched, [7; 4]);
    server.disconnect().unwrap();
    assert_eq!(error(server.peek(&mut untouched)), "ERROR_BAD_PIPE");
}

/// semantics 149
#[test]
fn after_a_disconnect() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    server.write(b"lost").unwrap();
    server.disconnect().unwrap();
    assert_eq!(error(client.peek(&mut [0; 4])), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(error(server.peek(&mut [0; 4])), "ERROR_BAD_PIPE");
}

/// semantics 140, 142: far more than one part of a large message, while its write waits.
#[test]
fn large_messages_are_seen_whole() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(100).create(NAME).unwrap();
    let client = place.message_client();
    let data: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let expected = data.clone();
    let writing = crate::call(move || client.write(&data)).blocked();
    let mut buffer = vec![0; 4_000_000];
    let Peeked { bytes, total, left, .. } = server.peek(&mut buffer).unwrap();
    assert_eq!((bytes, total, left), (expected.len(), expected.len(), 0));
    assert!(buffer[..bytes] == expected[..]);
    assert_eq!(server.read(&mut buffer).unwrap(), expected.len());
    assert_eq!(writing.end().unwrap(), expected.len());
}
