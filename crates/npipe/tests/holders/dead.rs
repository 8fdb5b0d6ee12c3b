//! Holders that are killed: what they had begun ends, what they had finished stays, the others go on.

use super::conversation::shared;
use super::passing_on::message_pair;
use crate::support::{Place, Puppet, call, error, text, until};

/// semantics 128, 129
#[test]
fn the_waiting_write_of_one_that_is_killed_is_taken_back() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 8);
    assert_eq!(puppet.ask(&format!("write {end} finished")), "8");
    assert_eq!(puppet.ask(&format!("begin fill {end} 100000")), "waits");
    let own = call({
        let client = client.try_clone().unwrap();
        move || client.write(b"own").unwrap()
    })
    .blocked();
    puppet.kill();
    until(|| (server.peek(&mut []).unwrap().total == 11).then_some(()));
    let mut buffer = [0; 8];
    server.read(&mut buffer).unwrap();
    assert_eq!(&buffer, b"finished");
    assert_eq!(own.end(), 3);
    assert_eq!(text(&server), "own");
    client.write(b"and on").unwrap();
    assert_eq!(text(&server), "and on");
}

/// The same although the others do nothing at all.
///
/// semantics 128
#[test]
fn it_is_taken_back_while_the_others_are_idle() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 0);
    assert_eq!(puppet.ask(&format!("begin write {end} unheard")), "waits");
    assert_eq!(server.peek(&mut []).unwrap().total, 7);
    puppet.kill();
    until(|| (server.peek(&mut []).unwrap().total == 0).then_some(()));
    drop(client);
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 219, 230
#[test]
fn the_waiting_read_of_one_that_is_killed_takes_nothing() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 4096);
    assert_eq!(puppet.ask(&format!("begin read {end} 64")), "waits");
    let own = call({
        let client = client.try_clone().unwrap();
        move || text(&client)
    })
    .blocked();
    puppet.kill();
    // Until it is known, what is written is for the dead.
    server.write(b"for the living").unwrap();
    assert_eq!(own.end(), "for the living");
}

/// semantics 190
#[test]
fn an_end_closes_with_the_last_holder_that_is_killed() {
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let (mut first, mut second) = (Puppet::start(&place), Puppet::start(&place));
    for puppet in [&mut first, &mut second] {
        puppet.give("client", client.try_clone().unwrap().into_raw().unwrap());
    }
    drop(client);
    first.kill();
    server.write(b"one is left").unwrap();
    assert_eq!(second.ask("read 0 64"), "one is left");
    second.kill();
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}
