//! A peer that is stopped (SIGSTOP): it is there, and does nothing.
//!
//! Calls that would wait for it end by their time-outs; everything else works as if nothing were, and so does everything
//! once it goes on.

use std::time::{Duration, Instant};

use npipe::{PipeMode, PipeStream};

use crate::support::{NAME, PATIENCE, Place, Puppet, error};

const SHORT: Duration = Duration::from_millis(30);

/// Fits in the pipes of these tests with no byte to spare.
const QUOTA: &str = "100";

/// With a peer that is stopped and has read nothing.
#[track_caller]
fn calls_end_by_their_time_outs(end: &PipeStream) {
    end.set_read_timeout(Some(SHORT));
    end.set_write_timeout(Some(SHORT));
    assert_eq!(error(end.read(&mut [0; 8])), "ERROR_SEM_TIMEOUT");
    assert_eq!(end.write(b"fits").unwrap(), 4);
    assert_eq!(error(end.write(&[b'x'; 100])), "ERROR_SEM_TIMEOUT");
    assert_eq!(error(end.flush()), "ERROR_SEM_TIMEOUT");
    assert_eq!(error(end.transact(b"request", &mut [0; 8])), "ERROR_SEM_TIMEOUT");
    assert!(end.is_connected());
    assert_eq!(error(end.read(&mut [0; 8])), "ERROR_SEM_TIMEOUT");
    end.set_read_timeout(None);
    end.set_write_timeout(None);
}

/// The peer goes on: it finds what was written, the request too (semantics 158), nothing of what was given up.
#[track_caller]
fn everything_goes_on(end: &PipeStream, peer: &mut Puppet) {
    peer.go_on();
    assert_eq!(peer.ask("read 0 200"), "fits");
    assert_eq!(peer.ask("read 0 200"), "request");
    end.flush().unwrap();
    assert_eq!(peer.ask("write 0 reply"), "5");
    let mut buffer = [0; 16];
    assert_eq!(end.read(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"reply");
    assert_eq!(peer.ask("begin read 0 200"), "waits");
    assert_eq!(end.write(&[b'y'; 150]).unwrap(), 150);
    assert_eq!(peer.ask("result").len(), 150);
}

/// semantics 92, 119-120, 127, 152-153, 158, 163
#[test]
fn a_server_is_not_held_up_by_a_stopped_client() {
    let place = Place::new();
    let quota_bytes = QUOTA.parse().unwrap();
    let mut options = place.server(PipeMode::Message);
    let server = options
        .in_buffer_size(quota_bytes)
        .out_buffer_size(quota_bytes)
        .create(NAME)
        .unwrap();
    let mut client = Puppet::start(&place);
    assert_eq!(client.ask(&format!("open rw {NAME} message")), "0");
    client.stop();
    calls_end_by_their_time_outs(&server);
    // Its other clients come and go.
    let other_server = place.server(PipeMode::Message).create(NAME).unwrap();
    let other = place.message_client();
    other.write(b"hello").unwrap();
    assert_eq!(other_server.read(&mut [0; 8]).unwrap(), 5);
    everything_goes_on(&server, &mut client);
}

/// semantics 92, 119-120, 127, 152-153, 158, 163
#[test]
fn a_client_is_not_held_up_by_a_stopped_server() {
    let place = Place::new();
    let mut server = Puppet::start(&place);
    assert_eq!(server.ask(&format!("create message {NAME} quota={QUOTA}")), "0");
    let client = place.message_client();
    server.stop();
    calls_end_by_their_time_outs(&client);
    everything_goes_on(&client, &mut server);
}

/// semantics 177: a stopped client can be thrown out, and learns of it when it goes on.
#[test]
fn a_stopped_client_can_be_disconnected() {
    let place = Place::new();
    let server = place.server(PipeMode::Message).create(NAME).unwrap();
    let mut client = Puppet::start(&place);
    assert_eq!(client.ask(&format!("open rw {NAME} message")), "0");
    assert_eq!(client.ask("begin read 0 200"), "waits");
    client.stop();
    server.write(b"lost").unwrap();
    server.disconnect().unwrap();
    client.go_on();
    assert_eq!(client.ask("result"), "ERROR_PIPE_NOT_CONNECTED");
}

/// semantics 82, 84-85, 162: a name whose server is stopped is busy, at most for as long as the caller will have it.
#[test]
fn a_stopped_server_is_known_and_busy() {
    const OTHER: &str = r"\\.\pipe\other";
    let place = Place::new();
    let mut server = Puppet::start(&place);
    assert_eq!(server.ask(&format!("create message {NAME} quota={QUOTA}")), "0");
    let _other = place.server(PipeMode::Byte).create(OTHER).unwrap();
    server.stop();

    let begun = Instant::now();
    let namespace = place.namespace();
    let listed = namespace.list().unwrap();
    let seen: Vec<_> = listed
        .iter()
        .map(|entry| (entry.name.to_string(), entry.answering))
        .collect();
    assert_eq!(seen, [("other".to_owned(), true), ("test".to_owned(), false)]);
    assert_eq!(listed[1].server_pid, Some(server.pid()));
    assert_eq!(error(namespace.wait(NAME, Some(SHORT))), "ERROR_SEM_TIMEOUT");
    let opened = place
        .client()
        .pipe_mode(PipeMode::Message)
        .connect_timeout(SHORT)
        .open(NAME);
    assert_eq!(error(opened), "ERROR_SEM_TIMEOUT");
    assert_eq!(
        error(namespace.call(NAME, b"request", &mut [0; 8], SHORT)),
        "ERROR_SEM_TIMEOUT"
    );
    // Who has the name is told to those who want to have it.
    let wanted = place.server(PipeMode::Message).create(NAME).unwrap_err();
    assert_eq!(wanted.status().win32_name(), "ERROR_PIPE_BUSY");
    assert!(
        wanted.to_string().contains(&format!("process {} ", server.pid())),
        "{wanted}"
    );
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());

    server.go_on();
    namespace.wait(NAME, Some(PATIENCE)).unwrap();
    assert!(namespace.list().unwrap().iter().all(|entry| entry.answering));
    // Those who knocked meanwhile and gave up took nothing.
    place.message_client();
    assert_eq!(server.ask("drop"), "dropped");
    assert_eq!(namespace.list().unwrap().len(), 1);
}

/// No rule: a listing waits for all that do not answer at once, not for each in its turn.
#[test]
fn a_stopped_server_of_many_names_is_listed() {
    const NAMES: usize = 100;
    let place = Place::new();
    let mut server = Puppet::start(&place);
    for number in 0..NAMES {
        assert_eq!(
            server.ask(&format!(r"create byte \\.\pipe\name{number} quota=100")),
            number.to_string()
        );
    }
    server.stop();
    let begun = Instant::now();
    let listed = place.namespace().list().unwrap();
    assert_eq!(listed.len(), NAMES);
    assert!(listed.iter().all(|entry| !entry.answering));
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    server.go_on();
    assert!(place.namespace().list().unwrap().iter().all(|entry| entry.answering));
}
