//! A process whose descriptors have run out: it is told so, loses nothing that it has, and does not run hot.

use std::time::Duration;

use npipe::PipeMode;

use crate::support::{NAME, PATIENCE, Place, Puppet, error};

/// More than any call takes at once.
const ENOUGH: usize = 16;

/// Tries a command with ever more descriptors to spare until it succeeds, each time in a process that has done nothing yet;
/// returns how often it failed for want of them.
fn failures(place: &Place, command: &str) -> usize {
    for spare in 0..ENOUGH {
        let mut puppet = Puppet::start(place);
        assert_eq!(puppet.ask(&format!("descriptors {spare}")), "done");
        let answer = puppet.ask(command);
        if answer == "0" {
            puppet.end();
            return spare;
        }
        assert!(
            answer.starts_with("ERROR_TOO_MANY_OPEN_FILES"),
            "with {spare} to spare: {answer}"
        );
        // What was not to be had a moment ago is to be had now.
        assert_eq!(puppet.ask("unlimited descriptors"), "done");
        assert_eq!(puppet.ask(command), "0", "with {spare} to spare at first");
        puppet.end();
    }
    panic!("{command} goes on failing");
}

/// semantics 13, 46: a server that cannot be made leaves nothing behind.
#[test]
fn a_server_cannot_be_made() {
    let place = Place::new();
    assert!(failures(&place, &format!("create byte {NAME} quota=100")) > 0);
    assert!(place.files().is_empty(), "left behind: {:?}", place.files());
}

/// semantics 52: a client that cannot be made takes nothing away from others.
#[test]
fn a_client_cannot_be_made() {
    let place = Place::new();
    let servers: Vec<_> = (0..2 * ENOUGH)
        .map(|_| place.server(PipeMode::Byte).create(NAME).unwrap())
        .collect();
    assert!(failures(&place, &format!("open rw {NAME}")) > 0);
    place.client().open(NAME).unwrap();
    drop(servers);
}

/// semantics 38, 47, 52: clients of an exhausted server are kept waiting or turned away, and are served when it recovers.
#[test]
fn a_server_has_no_descriptor_for_a_client() {
    const KNOCK: Duration = Duration::from_secs(1);
    let place = Place::new();
    let mut server = Puppet::start(&place);
    for end in ["0", "1", "2", "3"] {
        assert_eq!(server.ask(&format!("create byte {NAME} quota=100")), end);
    }
    let client = place.client().open(NAME).unwrap();
    for spare in 0..3 {
        assert_eq!(server.ask(&format!("descriptors {spare}")), "done");
        let before: u64 = server.ask("cpu_ms").parse().unwrap();
        let opened = place.client().connect_timeout(KNOCK).open(NAME);
        let outcome = opened
            .as_ref()
            .map_or_else(|error| error.status().win32_name(), |_| "opened");
        match spare {
            // The spare descriptor serves to tell so, and for a segment on its way.
            0 => assert_eq!(outcome, "ERROR_NO_SYSTEM_RESOURCES"),
            _ => assert_eq!(outcome, "opened"),
        }
        let spent_ms = server.ask("cpu_ms").parse::<u64>().unwrap() - before;
        assert!(
            spent_ms < 300,
            "{spent_ms} ms of work within about {KNOCK:?}, with {spare} descriptors"
        );
        // Who is connected is not concerned.
        assert_eq!(server.ask("write 0 hello"), "5");
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 5);
        assert_eq!(client.write(b"hello").unwrap(), 5);
        assert_eq!(server.ask("read 0 8"), "hello");
    }
    // Three instances are taken now. Who is turned away does not take the fourth.
    assert_eq!(server.ask("descriptors 0"), "done");
    let refused = place.client().connect_timeout(KNOCK).open(NAME);
    assert_eq!(error(refused), "ERROR_NO_SYSTEM_RESOURCES");
    assert_eq!(server.ask("unlimited descriptors"), "done");
    place.client().connect_timeout(PATIENCE).open(NAME).unwrap();
}
