//! Holders of one end share its modes, its data and its queue of waiting calls.

use npipe::{PipeClient, PipeMode, PipeServer};

use super::passing_on::message_pair;
use crate::support::{NAME, Place, Puppet, call, error, text, until};

/// A client end of a byte pipe that this process and another hold.
pub(crate) fn shared(place: &Place, quota_bytes: u32) -> (PipeServer, PipeClient, Puppet, String) {
    let server = place
        .bytes()
        .in_buffer_size(quota_bytes)
        .out_buffer_size(quota_bytes)
        .create(NAME)
        .expect("the name is free");
    let client = place.client().shareable(true).open(NAME).expect("an instance listens");
    let mut puppet = Puppet::start(place);
    let raw = client.try_clone().expect("a handle").into_raw().expect("shareable");
    let end = puppet.give("client", raw);
    (server, client, puppet, end)
}

/// semantics 101
#[test]
fn another_process_goes_on_inside_a_message() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let mut puppet = Puppet::start(&place);
    server.write(b"abcdef").unwrap();
    server.write(b"next").unwrap();
    let mut buffer = [0; 2];
    assert!(client.read_message(&mut buffer).unwrap().more);
    let end = puppet.give("client", client.try_clone().unwrap().into_raw().unwrap());
    assert_eq!(puppet.ask(&format!("more {end} 2")), "cd+");
    let outcome = client.read_message(&mut buffer).unwrap();
    assert_eq!((&buffer, outcome.more), (b"ef", false));
    assert_eq!(puppet.ask(&format!("more {end} 64")), "next");
}

/// semantics 201, 205
#[test]
fn modes_belong_to_the_end() {
    let place = Place::new();
    let (_server, client) = message_pair(&place);
    let mut puppet = Puppet::start(&place);
    let end = puppet.give("client", client.try_clone().unwrap().into_raw().unwrap());
    assert_eq!(puppet.ask(&format!("modes {end}")), "Message false");
    assert_eq!(puppet.ask(&format!("mode {end} byte,nowait")), "set");
    let state = client.state().unwrap();
    assert_eq!((state.read_mode, state.nowait), (PipeMode::Byte, true));
    assert_eq!(error(client.read(&mut [0])), "ERROR_NO_DATA");
    client.set_state(PipeMode::Message, false).unwrap();
    assert_eq!(puppet.ask(&format!("modes {end}")), "Message false");
}

/// Reads of several processes wait in one queue.
///
/// semantics 219
#[test]
fn reads_are_served_in_their_order() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 4096);
    for _ in 0..20 {
        assert_eq!(puppet.ask(&format!("begin read {end} 1")), "waits");
        let second = call({
            let client = client.try_clone().unwrap();
            move || text(&client)
        })
        .blocked();
        server.write(b"1").unwrap();
        assert_eq!(puppet.ask("result"), "1");
        second.waits();
        server.write(b"2").unwrap();
        assert_eq!(second.end(), "2");
    }
}

/// A write beyond the quota waits in one process, and another sees it waiting; what is read completes it.
///
/// semantics 119, 121, 138
#[test]
fn writes_wait_for_the_quota_of_the_end() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 8);
    client.write(b"01234567").unwrap();
    assert_eq!(puppet.ask(&format!("begin write {end} 89")), "waits");
    assert_eq!(error(client.set_state(PipeMode::Byte, true)), "ERROR_PIPE_BUSY");
    assert_eq!(server.peek(&mut []).unwrap().total, 10);
    let mut buffer = [0; 2];
    assert_eq!(server.read(&mut buffer).unwrap(), 2);
    assert_eq!(puppet.ask("result"), "2");
    assert_eq!(text(&server), "23456789");
    client.flush().unwrap();
}

/// A write that only waiting reads have room for is complete as soon as they are there.
///
/// semantics 105, 119, 134
#[test]
fn reads_that_wait_make_room() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 0);
    for _ in 0..20 {
        let waiting = call({
            let server = server.try_clone().unwrap();
            move || text(&server)
        })
        .blocked();
        assert_eq!(puppet.ask(&format!("write {end} whole")), "5");
        assert_eq!(waiting.end(), "whole");
        client.set_state(PipeMode::Byte, true).unwrap();
        let waiting = call({
            let server = server.try_clone().unwrap();
            move || text(&server)
        })
        .blocked();
        let written = until(|| Some(client.write(b"at once").unwrap()).filter(|&count| count > 0));
        assert_eq!(waiting.end(), "at once"[..written]);
        assert_eq!(client.write(b"nobody waits").unwrap(), 0);
        client.set_state(PipeMode::Byte, false).unwrap();
    }
}

/// semantics 228, 230
#[test]
fn a_process_cancels_its_own_calls() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 4096);
    assert_eq!(puppet.ask(&format!("begin read {end} 5")), "waits");
    assert_eq!(error(client.cancel()), "ERROR_NOT_FOUND");
    assert_eq!(puppet.ask(&format!("cancel {end}")), "cancelled");
    assert_eq!(puppet.ask("result"), "ERROR_OPERATION_ABORTED");
    server.write(b"later").unwrap();
    assert_eq!(text(&client), "later");
}

/// Messages of any size go through, whoever reads and writes their parts.
///
/// semantics 91, 106, 121
#[test]
fn large_writes_and_empty_messages_go_through() {
    const LARGE: usize = 3 << 20;
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let mut puppet = Puppet::start(&place);
    let end = puppet.give("client", client.try_clone().unwrap().into_raw().unwrap());
    for _ in 0..4 {
        assert_eq!(puppet.ask(&format!("begin fill {end} {LARGE}")), "waits");
        let mut buffer = vec![0; LARGE];
        assert_eq!(server.read(&mut buffer).unwrap(), LARGE);
        assert_eq!(puppet.ask("result"), LARGE.to_string());
        let whole = call({
            let server = server.try_clone().unwrap();
            move || server.write(&vec![7; LARGE]).unwrap()
        });
        let mut total = 0;
        while total < LARGE {
            let outcome = client.read_message(&mut buffer[..LARGE / 3]).unwrap();
            total += outcome.bytes;
            assert_eq!(outcome.more, total < LARGE);
        }
        assert_eq!(whole.end(), LARGE);
        for _ in 0..3 {
            client.write(b"").unwrap();
            server.write(b"").unwrap();
        }
        assert_eq!(puppet.ask(&format!("more {end} 9")), "");
        for _ in 0..2 {
            assert_eq!(client.read_message(&mut buffer).unwrap().bytes, 0);
        }
        for _ in 0..3 {
            assert_eq!(server.read_message(&mut buffer).unwrap().bytes, 0);
        }
    }
    client.flush().unwrap();
}
