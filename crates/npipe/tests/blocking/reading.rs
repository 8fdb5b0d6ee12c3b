//! Streams of bytes and messages.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use npipe::{PipeMode, PipeStream, ReadOutcome};

use crate::support::{Call, until};
use crate::{Place, call, error, text};

#[track_caller]
fn read(end: &PipeStream, size: usize) -> (String, bool) {
    let mut buffer = vec![0; size];
    let ReadOutcome { bytes, more } = end.read_message(&mut buffer).expect("something to read");
    (String::from_utf8_lossy(&buffer[..bytes]).into_owned(), more)
}

fn got(text: &str, more: bool) -> (String, bool) {
    (text.to_owned(), more)
}

/// A read of the server on a thread of its own.
fn begin_read(server: &npipe::PipeServer, size: usize) -> Call<npipe::Result<(String, bool)>> {
    let server = server.try_clone().unwrap();
    call(move || {
        let mut buffer = vec![0; size];
        let outcome = server.read_message(&mut buffer)?;
        Ok((
            String::from_utf8_lossy(&buffer[..outcome.bytes]).into_owned(),
            outcome.more,
        ))
    })
    .blocked()
}

/// semantics 91
#[test]
fn bytes_form_a_stream() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    client.write(b"abc").unwrap();
    client.write(b"defgh").unwrap();
    client.write(b"i").unwrap();
    assert_eq!(read(&server, 2), got("ab", false));
    assert_eq!(read(&server, 4), got("cdef", false));
    assert_eq!(read(&server, 100), got("ghi", false));
}

/// semantics 92, 96
#[test]
fn a_read_waits_for_the_first_byte() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reading = begin_read(&server, 10);
    reading.waits();
    client.write(b"x").unwrap();
    assert_eq!(reading.end().unwrap(), got("x", false));

    let reading = begin_read(&server, 3);
    client.write(b"12345").unwrap();
    assert_eq!(reading.end().unwrap(), got("123", false));
    assert_eq!(read(&server, 10), got("45", false));
}

/// semantics 93
#[test]
fn an_empty_write_leaves_nothing_on_a_byte_pipe() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reading = begin_read(&server, 10);
    assert_eq!(client.write(b"").unwrap(), 0);
    assert_eq!(client.write(b"x").unwrap(), 1);
    assert_eq!(reading.end().unwrap(), got("x", false));
    client.write(b"").unwrap();
    assert_eq!(server.peek(&mut []).unwrap().total, 0);
    client.flush().unwrap();
}

/// semantics 94, 95
#[test]
fn an_empty_read_consumes_nothing() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reading = begin_read(&server, 0);
    client.write(b"data").unwrap();
    assert_eq!(reading.end().unwrap(), got("", false));
    assert_eq!(read(&server, 0), got("", false));
    assert_eq!(read(&server, 10), got("data", false));
}

/// semantics 97
#[test]
fn the_directions_are_independent() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reading = begin_read(&server, 10);
    for _ in 0..100 {
        server.write(b"down").unwrap();
        assert_eq!(text(&client), "down");
    }
    client.write(b"up").unwrap();
    assert_eq!(reading.end().unwrap(), got("up", false));
}

/// semantics 96, 219: reads are served in their order, one write may complete several.
#[test]
fn reads_are_served_in_order() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let (first, second) = (begin_read(&server, 2), begin_read(&server, 10));
    client.write(b"abcde").unwrap();
    assert_eq!(first.end().unwrap(), got("ab", false));
    assert_eq!(second.end().unwrap(), got("cde", false));

    let (first, second) = (begin_read(&server, 10), begin_read(&server, 10));
    client.write(b"1").unwrap();
    assert_eq!(first.end().unwrap(), got("1", false));
    second.waits();
    client.write(b"2").unwrap();
    assert_eq!(second.end().unwrap(), got("2", false));
}

/// semantics 99, 100, 102, 103
#[test]
fn a_read_returns_one_message() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"one").unwrap();
    client.write(b"twotwo").unwrap();
    client.write(b"three").unwrap();
    assert_eq!(read(&server, 100), got("one", false));
    assert_eq!(read(&server, 3), got("two", true));
    assert_eq!(read(&server, 2), got("tw", true));
    assert_eq!(read(&server, 100), got("o", false));
    assert_eq!(read(&server, 5), got("three", false));
}

/// semantics 101: the rest of a message lies in the pipe and belongs to whoever reads next.
#[test]
fn another_thread_may_continue_a_message() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"long message").unwrap();
    assert_eq!(read(&server, 5), got("long ", true));
    let duplicate = server.try_clone().unwrap();
    assert_eq!(call(move || read(&duplicate, 100)).end(), got("message", false));
}

/// semantics 104, 106
#[test]
fn an_empty_message_is_a_message() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"").unwrap();
    client.write(b"x").unwrap();
    client.write(b"").unwrap();
    client.write(b"").unwrap();
    drop(client);
    for expected in ["", "x", "", ""] {
        assert_eq!(read(&server, 10), got(expected, false));
    }
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 105
#[test]
fn an_empty_message_completes_one_read() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let (first, second) = (begin_read(&server, 10), begin_read(&server, 10));
    client.write(b"").unwrap();
    assert_eq!(first.end().unwrap(), got("", false));
    second.waits();
    client.write(b"x").unwrap();
    assert_eq!(second.end().unwrap(), got("x", false));
}

/// semantics 107, 108
#[test]
fn an_empty_read_of_a_message_tells_that_there_is_more() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let reading = begin_read(&server, 0);
    client.write(b"data").unwrap();
    assert_eq!(reading.end().unwrap(), got("", true));
    assert_eq!(read(&server, 0), got("", true));
    assert_eq!(read(&server, 10), got("data", false));
}

/// semantics 110, 111
#[test]
fn messages_can_be_read_as_a_stream() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.set_state(PipeMode::Byte, false).unwrap();
    for message in ["ab", "", "cd", "efg"] {
        client.write(message.as_bytes()).unwrap();
    }
    assert_eq!(read(&server, 3), got("abc", false));
    assert_eq!(read(&server, 100), got("defg", false));
    client.write(b"").unwrap();
    assert_eq!(read(&server, 100), got("", false));
    client.write(b"").unwrap();
    client.write(b"x").unwrap();
    assert_eq!(read(&server, 100), got("x", false));
}

/// semantics 114, 115
#[test]
fn boundaries_are_kept_in_the_pipe() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.set_state(PipeMode::Byte, false).unwrap();
    client.write(b"first").unwrap();
    client.write(b"second").unwrap();
    client.write(b"third").unwrap();
    assert_eq!(read(&server, 7), got("firstse", false));
    server.set_state(PipeMode::Message, false).unwrap();
    assert_eq!(read(&server, 100), got("cond", false));
    assert_eq!(read(&server, 100), got("third", false));
}

/// semantics 116
#[test]
fn read_modes_concern_reading_at_their_own_end() {
    let place = Place::new();
    let server = place.messages().create(crate::NAME).unwrap();
    let client = place.open();
    for end in [&*server, &*client] {
        end.write(b"one").unwrap();
        end.write(b"two").unwrap();
    }
    assert_eq!(read(&server, 10), got("one", false));
    assert_eq!(read(&client, 10), got("onetwo", false));
}

/// semantics 118: a write is one message, however long or short.
#[test]
fn each_write_is_one_message() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let sizes = [
        1, 2, 7, 8, 9, 100, 4095, 4096, 4097, 16_000, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 1_000_000,
    ];
    let writing = call(move || {
        for size in sizes {
            assert_eq!(client.write(&vec![size as u8; size]).unwrap(), size);
        }
    });
    for size in sizes {
        let mut buffer = vec![0; 1 << 20];
        assert_eq!(server.read_message(&mut buffer).unwrap(), outcome(size, false));
        assert!(buffer[..size].iter().all(|&byte| byte == size as u8));
    }
    writing.end();
}

fn outcome(bytes: usize, more: bool) -> ReadOutcome {
    ReadOutcome { bytes, more }
}

/// semantics 127, 228, 230, 231: a cancelled read takes nothing.
#[test]
fn a_read_can_be_cancelled() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reads = [begin_read(&server, 10), begin_read(&server, 10)];
    until(|| {
        let _ = server.cancel();
        reads.iter().all(|read| !read.is_waiting()).then_some(())
    });
    for read in reads {
        assert_eq!(error(read.end()), "ERROR_OPERATION_ABORTED");
    }
    client.write(b"kept").unwrap();
    assert_eq!(text(&server), "kept");
}

/// No rule: time-outs of reads are this library's. semantics 127: what has timed out takes nothing.
#[test]
fn reads_time_out() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    server.set_read_timeout(Some(Duration::from_millis(30)));
    let start = Instant::now();
    assert_eq!(error(server.read(&mut [0])), "ERROR_SEM_TIMEOUT");
    assert!(start.elapsed() >= Duration::from_millis(30));
    server.set_read_timeout(Some(Duration::ZERO));
    assert_eq!(error(server.read(&mut [0])), "ERROR_SEM_TIMEOUT");
    client.write(b"kept").unwrap();
    assert_eq!(text(&server), "kept");
    server.set_read_timeout(None);
    let reading = begin_read(&server, 10);
    client.write(b"x").unwrap();
    assert_eq!(reading.end().unwrap(), got("x", false));
}

/// semantics 183: end of file, as readers of streams know it.
#[test]
fn ends_are_readers_and_writers() {
    let place = Place::new();
    let (server, mut client) = place.byte_pair();
    let writing = call(move || {
        for number in 0..10_000 {
            writeln!(client, "{number}").unwrap();
        }
        Write::flush(&mut client).unwrap();
    });
    let mut received = String::new();
    (&server).read_to_string(&mut received).unwrap();
    let expected: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    assert!(received == expected);
    writing.end();
}
