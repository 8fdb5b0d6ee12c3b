//! Quotas, and writes that wait for them.

use std::time::{Duration, Instant};

use npipe::{PipeClient, PipeServer, PipeStream};

use crate::support::{Call, Puppet, until};
use crate::{NAME, Place, call, error, text};

const QUOTA: u32 = 10;

/// A message pipe with a small quota from client to server.
fn small(place: &Place) -> (PipeServer, PipeClient) {
    (
        place.messages().in_buffer_size(QUOTA).create(NAME).unwrap(),
        place.message_client(),
    )
}

fn begin_write(client: &PipeClient, data: &str) -> Call<npipe::Result<usize>> {
    let (client, data) = (client.try_clone().unwrap(), data.to_owned());
    call(move || client.write(data.as_bytes())).blocked()
}

fn total(end: &PipeStream) -> usize {
    end.peek(&mut []).unwrap().total
}

/// semantics 119, 120, 122, 130
#[test]
fn a_write_waits_until_it_fits() {
    let place = Place::new();
    let (server, client) = small(&place);
    assert_eq!(client.write(b"123456").unwrap(), 6);
    assert_eq!(client.write(b"7890").unwrap(), 4);
    let writing = begin_write(&client, "ab");
    assert_eq!(text(&server), "123456");
    assert_eq!(writing.end().unwrap(), 2);
    let writing = begin_write(&client, "cdefghi");
    assert_eq!(server.read(&mut [0; 2]).unwrap(), 2);
    writing.waits();
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 1);
    assert_eq!(writing.end().unwrap(), 7);
    assert_eq!(
        (text(&server), text(&server), text(&server)),
        ("0".into(), "ab".into(), "cdefghi".into())
    );
}

/// semantics 117, 121, 123
#[test]
fn a_write_beyond_the_quota_is_seen_while_it_waits() {
    let place = Place::new();
    let (server, client) = small(&place);
    let writing = begin_write(&client, "twenty-five characters...");
    let mut buffer = [0; 64];
    let seen = server.peek(&mut buffer).unwrap();
    assert_eq!((seen.bytes, seen.total, seen.left), (25, 25, 0));
    assert_eq!(&buffer[..25], b"twenty-five characters...");
    assert_eq!(server.read(&mut buffer[..14]).unwrap(), 14);
    writing.waits();
    assert_eq!(server.read(&mut buffer[..1]).unwrap(), 1);
    assert_eq!(writing.end().unwrap(), 25);
    assert_eq!(text(&server), "racters...");
}

/// semantics 124
#[test]
fn writes_that_wait_complete_in_order() {
    let place = Place::new();
    let (server, client) = small(&place);
    let first = begin_write(&client, "first message");
    let second = begin_write(&client, "2nd");
    let third = begin_write(&client, "third one");
    assert_eq!(total(&server), 25);
    assert_eq!(text(&server), "first message");
    assert_eq!((first.end().unwrap(), second.end().unwrap()), (13, 3));
    third.waits();
    assert_eq!(text(&server), "2nd");
    assert_eq!(third.end().unwrap(), 9);
    assert_eq!(text(&server), "third one");
}

/// semantics 125
#[test]
fn empty_writes_never_wait() {
    let place = Place::new();
    let (server, client) = small(&place);
    let writing = begin_write(&client, "more than ten");
    assert_eq!(client.write(b"").unwrap(), 0);
    assert_eq!(client.write(b"").unwrap(), 0);
    writing.waits();
    assert_eq!(
        (text(&server), text(&server), text(&server)),
        ("more than ten".into(), String::new(), String::new())
    );
    writing.end().unwrap();
}

/// semantics 126
#[test]
fn without_a_quota_a_write_is_complete_when_it_is_read() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(0).create(NAME).unwrap();
    let client = place.message_client();
    let writing = begin_write(&client, "abcd");
    assert_eq!(server.read(&mut [0; 3]).unwrap(), 3);
    writing.waits();
    assert_eq!(server.read(&mut [0; 3]).unwrap(), 1);
    assert_eq!(writing.end().unwrap(), 4);

    let reader = server.try_clone().unwrap();
    let reading = call(move || text(&reader)).blocked();
    assert_eq!(client.write(b"at once").unwrap(), 7);
    assert_eq!(reading.end(), "at once");
    assert_eq!(client.write(b"").unwrap(), 0);
}

/// semantics 126, 119: a writer whose data a waiting read takes need not wait for that read's process.
#[cfg(unix)]
#[test]
fn a_stopped_reader_completes_the_write_that_it_waits_for() {
    let place = Place::new();
    let server = place.bytes().out_buffer_size(2).create(NAME).unwrap();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(child.ask("begin read 0 4"), "waits");
    child.stop();
    server.set_write_timeout(Some(crate::support::PATIENCE));
    assert_eq!(server.write(b"123456").unwrap(), 6);
}

/// semantics 127, 228, 230
#[test]
fn a_cancelled_write_takes_its_data_back() {
    let place = Place::new();
    let (server, client) = small(&place);
    client.write(b"stays").unwrap();
    let writing = begin_write(&client, "is taken back");
    assert_eq!(total(&server), 18);
    client.cancel().unwrap();
    assert_eq!(error(writing.end()), "ERROR_OPERATION_ABORTED");
    assert_eq!(total(&server), 5);
    assert_eq!(client.write(b"12345").unwrap(), 5);
    assert_eq!((text(&server), text(&server)), ("stays".into(), "12345".into()));
}

/// semantics 127: also if part of it was read.
#[test]
fn a_cancelled_write_that_was_partly_read() {
    let place = Place::new();
    let (server, client) = small(&place);
    let writing = begin_write(&client, "twenty-five characters...");
    assert_eq!(server.read(&mut [0; 6]).unwrap(), 6);
    client.cancel().unwrap();
    assert_eq!(error(writing.end()), "ERROR_OPERATION_ABORTED");
    assert_eq!(total(&server), 0);
    client.write(b"next").unwrap();
    assert_eq!(text(&server), "next");
}

/// semantics 127: time-outs of writes are this library's, and end them as a cancellation does; later writes move up.
#[test]
fn a_write_that_times_out_takes_its_data_back() {
    let place = Place::new();
    let (server, client) = small(&place);
    client.set_write_timeout(Some(Duration::from_millis(50)));
    let start = Instant::now();
    let timed = begin_write(&client, "is taken back");
    client.set_write_timeout(None);
    let later = begin_write(&client, "moves up");
    assert_eq!(error(timed.end()), "ERROR_SEM_TIMEOUT");
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(later.end().unwrap(), 8);
    assert_eq!(text(&server), "moves up");
}

/// semantics 128, 129
#[test]
fn the_data_of_a_dead_writer() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(QUOTA).create(NAME).unwrap();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(child.ask("write 0 complete"), "8");
    assert_eq!(child.ask("begin fill 0 100"), "waits");
    assert_eq!(total(&server), 108);
    child.kill();
    until(|| (!server.is_connected()).then_some(()));
    assert_eq!(text(&server), "complete");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 128: a read that waits is not given half of what a dying writer had begun.
#[test]
fn the_data_of_a_writer_that_dies_in_the_middle() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(QUOTA).create(NAME).unwrap();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(child.ask("begin fill 0 100"), "waits");
    let mut buffer = [0; 20];
    assert_eq!(
        server.read_message(&mut buffer).unwrap(),
        npipe::ReadOutcome { bytes: 20, more: true }
    );
    child.kill();
    until(|| (!server.is_connected()).then_some(()));
    assert_eq!(error(server.read(&mut buffer)), "ERROR_BROKEN_PIPE");
}

/// semantics 119, 130: a quota's worth of messages of one byte, each with a header of its own, in a mebibyte.
#[test]
fn a_quota_can_be_filled_with_the_smallest_messages() {
    // The kernel's own pipes have no headers of ours, and each call under Wine goes to another process.
    const BYTES: usize = if cfg!(windows) { 1 << 12 } else { 1 << 20 };
    let place = Place::new();
    let server = place.messages().in_buffer_size(BYTES as u32).create(NAME).unwrap();
    let client = place.message_client();
    for number in 0..BYTES {
        assert_eq!(client.write(&[number as u8]).unwrap(), 1);
    }
    client.set_state(npipe::PipeMode::Message, true).unwrap();
    assert_eq!(client.write(b"x").unwrap(), 0);
    assert_eq!(total(&server), BYTES);
    let mut buffer = [0; 16];
    for number in 0..BYTES {
        assert_eq!(server.read(&mut buffer).unwrap(), 1);
        assert_eq!(buffer[0], number as u8);
    }
    assert_eq!(client.write(b"x").unwrap(), 1);
}
