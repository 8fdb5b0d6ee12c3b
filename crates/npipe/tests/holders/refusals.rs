//! What cannot be passed on, and what is no end.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use npipe::{Error, PipeClient, PipeServer};

use super::passing_on::message_pair;
use crate::support::{NAME, Place, Puppet, User, call, error, text};

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: npipe::Result<T>) -> (&'static str, String) {
    let error: Error = result.expect_err("it is refused");
    (error.status().win32_name(), error.to_string())
}

/// Refused with a reason, and the handle is closed.
///
/// semantics 190
#[test]
fn only_what_was_made_for_it_is_passed_on() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let (name, text) = refusal(client.into_raw());
    assert_eq!(name, "ERROR_NOT_SUPPORTED");
    assert!(text.contains("shareable"), "{text}");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 173, 175
#[test]
fn only_a_connection_is_passed_on() {
    let place = Place::new();
    let listening = place.messages().shareable(true).create(NAME).unwrap();
    let (name, text) = refusal(listening.into_raw());
    assert_eq!(name, "ERROR_BAD_PIPE");
    assert!(text.contains("connection"), "{text}");
    let (server, client) = message_pair(&place);
    server.disconnect().unwrap();
    assert_eq!(refusal(client.into_raw()).0, "ERROR_PIPE_NOT_CONNECTED");
}

/// semantics 190
#[test]
fn what_is_no_end_is_told_so() {
    let place = Place::new();
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(
        refusal(PipeClient::from_raw(OwnedFd::from(file))).0,
        "ERROR_INVALID_HANDLE"
    );
    let (socket, other) = UnixDatagram::pair().unwrap();
    other.send(b"no passport").unwrap();
    assert_eq!(
        refusal(PipeServer::from_raw(OwnedFd::from(socket))).0,
        "ERROR_INVALID_HANDLE"
    );
    let (server, client) = message_pair(&place);
    let (name, text) = refusal(PipeServer::from_raw(client.into_raw().unwrap()));
    assert_eq!(name, "ERROR_INVALID_PARAMETER");
    assert!(text.contains("client end"), "{text}");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// A descriptor is taken up once, by whichever of its copies.
///
/// semantics 190
#[test]
fn what_was_taken_up_is_no_end_any_more() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let raw = client.into_raw().unwrap();
    let client = PipeClient::from_raw(raw.try_clone().unwrap()).unwrap();
    let (name, reason) = refusal(PipeClient::from_raw(raw));
    assert_eq!(name, "ERROR_INVALID_HANDLE");
    assert!(reason.contains("taken up before"), "{reason}");
    server.write(b"once").unwrap();
    assert_eq!(text(&client), "once");
}

/// A process that is short of descriptors takes nobody for dead whom it cannot look at.
///
/// semantics 190, 219
#[test]
fn a_holder_short_of_descriptors_takes_nobody_for_dead() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let mut puppet = Puppet::start(&place);
    // By two it is told what to take.
    for spare in 2..16 {
        let waiting = call({
            let client = client.try_clone().unwrap();
            move || text(&client)
        })
        .blocked();
        assert_eq!(puppet.ask(&format!("descriptors {spare}")), "done");
        let answer = puppet.give_openly("client", client.try_clone().unwrap().into_raw().unwrap());
        assert_eq!(puppet.ask("unlimited descriptors"), "done");
        server.write(b"for the living").unwrap();
        assert_eq!(
            waiting.end(),
            "for the living",
            "with {spare} descriptors to spare: {answer}"
        );
        if answer.parse::<usize>().is_ok() {
            assert_eq!(puppet.ask(&format!("close {answer}")), "closed");
        }
    }
}

/// semantics 190
#[test]
fn an_end_is_for_processes_of_one_user() {
    let Some(place) = Place::shared("an end that goes to another user") else {
        return;
    };
    let (server, client) = message_pair(&place);
    let mut stranger = Puppet::start_as(&place, User::new(4242));
    let meeting = client.try_clone().unwrap().into_raw().unwrap();
    let answer = stranger.give_openly("client", meeting);
    assert_eq!(answer, "ERROR_ACCESS_DENIED");
    server.write(b"ours").unwrap();
    assert_eq!(text(&client), "ours");
}

/// As many processes as there are places, and one more; a place is free again when its holder has left.
///
/// semantics 190
#[test]
fn there_are_sixty_four_holders() {
    let place = Place::new();
    let (_server, client) = message_pair(&place);
    let more = || PipeClient::from_raw(client.try_clone()?.into_raw()?);
    let mut others: Vec<PipeClient> = (0..63).map(|_| more().unwrap()).collect();
    assert_eq!(refusal(more()).0, "ERROR_NO_SYSTEM_RESOURCES");
    for _ in 0..10 {
        others.pop();
        // Nobody has to ask again.
        others.push(more().unwrap());
    }
    others[0].write(b"x").unwrap();
}
