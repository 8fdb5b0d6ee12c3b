//! An end goes to another process, stays open on the way, and closes with its last holder.

use std::process::{Command, Stdio};

use npipe::{PipeClient, PipeServer};

use crate::support::{NAME, Place, Process, Puppet, again, call, error, fails_with, say, text, until};

/// Two connected ends of a message pipe; the client reads messages and can be passed on.
pub(crate) fn message_pair(place: &Place) -> (PipeServer, PipeClient) {
    let server = place.messages().create(NAME).expect("the name is free");
    let client = place
        .client()
        .pipe_mode(npipe::PipeMode::Message)
        .shareable(true)
        .open(NAME)
        .expect("an instance listens");
    (server, client)
}

/// semantics 190
#[test]
fn an_end_goes_to_another_process() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let mut puppet = Puppet::start(&place);
    client.write(b"before").unwrap();
    let end = puppet.give("client", client.into_raw().unwrap());
    assert_eq!(text(&server), "before");
    assert!(server.is_connected());
    server.write(b"question").unwrap();
    assert_eq!(puppet.ask(&format!("read {end} 64")), "question");
    assert_eq!(puppet.ask(&format!("write {end} answer")), "6");
    assert_eq!(text(&server), "answer");
    assert_eq!(puppet.ask(&format!("close {end}")), "closed");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
    assert_eq!(error(server.write(b"x")), "ERROR_NO_DATA");
}

/// It can come back, and go on to a third.
///
/// semantics 190
#[test]
fn an_end_goes_round() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let mut puppets = [Puppet::start(&place), Puppet::start(&place)];
    let mut raw = client.into_raw().unwrap();
    for round in 0..3 {
        for puppet in &mut puppets {
            let end = puppet.give("client", raw);
            server.write(format!("round {round}").as_bytes()).unwrap();
            assert_eq!(puppet.ask(&format!("read {end} 64")), format!("round {round}"));
            raw = puppet.take(&end);
            assert_eq!(puppet.ask(&format!("close {end}")), "closed");
        }
        let client = PipeClient::from_raw(raw).unwrap();
        client.write(b"home").unwrap();
        assert_eq!(text(&server), "home");
        raw = client.into_raw().unwrap();
    }
    drop(raw);
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// Whoever closes leaves the end to the others, and it closes at once with the last of them.
///
/// semantics 183, 185, 190
#[test]
fn an_end_closes_with_its_last_holder() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let mut puppet = Puppet::start(&place);
    let end = puppet.give("client", client.try_clone().unwrap().into_raw().unwrap());
    drop(client);
    assert!(server.is_connected());
    server.write(b"still there").unwrap();
    assert_eq!(puppet.ask(&format!("read {end} 64")), "still there");
    let client = PipeClient::from_raw(puppet.take(&end)).unwrap();
    assert_eq!(puppet.ask(&format!("close {end}")), "closed");
    assert_eq!(client.write(b"last words").unwrap(), 10);
    drop(client);
    assert_eq!(error(server.write(b"x")), "ERROR_NO_DATA");
    assert_eq!(text(&server), "last words");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// A descriptor that nobody has taken up counts, until the last copy of it is closed.
///
/// semantics 190
#[test]
fn an_end_on_its_way_is_open() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let raw = client.into_raw().unwrap();
    let copy = raw.try_clone().unwrap();
    drop(raw);
    assert!(server.is_connected());
    server.write(b"for whoever comes").unwrap();
    let blocked = call({
        let server = server.try_clone().unwrap();
        move || error(server.read(&mut [0]))
    })
    .blocked();
    drop(copy);
    assert_eq!(blocked.end(), "ERROR_BROKEN_PIPE");
}

/// A child gets an end as its standard input, and the end closes with the child.
///
/// semantics 190, 260
#[test]
fn a_child_inherits_an_end() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let mut heir = Process(
        again("heir", place.path())
            .stdin(client.into_raw().unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    for question in ["one", "two"] {
        server.write(question.as_bytes()).unwrap();
        assert_eq!(text(&server), format!("{question} it is"));
    }
    server.write(b"go").unwrap();
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
    assert!(heir.wait().success());
}

/// The child of [`a_child_inherits_an_end`].
pub(crate) fn inherit() {
    use std::os::fd::AsFd;

    let raw = std::io::stdin().as_fd().try_clone_to_owned().expect("it is there");
    let client = PipeClient::from_raw(raw).expect("an end was inherited");
    loop {
        let question = text(&client);
        if question == "go" {
            say("gone");
            return;
        }
        client
            .write(format!("{question} it is").as_bytes())
            .expect("somebody listens");
    }
}

/// A program that knows nothing of npipe keeps an end open by having its descriptor.
///
/// semantics 190
#[test]
fn a_child_that_knows_nothing_keeps_the_end_open() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let child = Command::new("tail")
        .args(["-f", "/dev/null"])
        .stdin(client.into_raw().unwrap())
        .spawn();
    let mut child = Process(child.unwrap());
    server.write(b"nobody reads this").unwrap();
    assert!(server.is_connected());
    child.kill();
    until(|| fails_with(server.write(b"x"), "ERROR_NO_DATA").then_some(()));
}
