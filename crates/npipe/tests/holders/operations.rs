//! Operations that are pending at an end which several processes hold.

use npipe::overlapped::CompletionPort;

use super::conversation::shared;
use crate::support::{PATIENCE, Place, call, text, until};

/// Operations of several processes wait in one queue, and each process is told of its own, though nobody waits there.
///
/// semantics 219, 220
#[test]
fn operations_of_several_processes_are_served_in_their_order() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 4096);
    let port = CompletionPort::new();
    port.associate(&client, 7).unwrap();
    for round in 0..20 {
        assert_eq!(puppet.ask(&format!("begin read {end} 1")), "waits");
        assert!(client.queue_read(vec![0; 1], round).unwrap().is_none());
        server.write(b"1").unwrap();
        assert_eq!(puppet.ask("result"), "1");
        server.write(b"2").unwrap();
        let packet = port.get(Some(PATIENCE)).expect("it is completed");
        assert_eq!(
            (packet.key, packet.tag, packet.completed.data()),
            (7, round, b"2".as_slice())
        );
    }
}

/// A read that waits behind one of a process which is killed is served without anybody's doing.
///
/// semantics 219, 230
#[test]
fn an_operation_behind_one_of_a_process_that_is_killed_is_completed() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 4096);
    assert_eq!(puppet.ask(&format!("begin read {end} 64")), "waits");
    let reading = client.start_read(vec![0; 64]).unwrap();
    server.write(b"for the living").unwrap();
    // The one that waits first takes it, unless it is killed before it has looked.
    puppet.kill();
    until(|| {
        let _ = server.write(b"again");
        reading.is_complete().then_some(())
    });
    assert!(!reading.finish().data().is_empty());
}

/// Writes beyond the quota, pending in two processes, are completed in their order by what is read.
///
/// semantics 119, 219
#[test]
fn pending_writes_of_several_processes_are_completed() {
    let place = Place::new();
    let (server, client, mut puppet, end) = shared(&place, 4);
    for _ in 0..20 {
        assert_eq!(puppet.ask(&format!("begin write {end} first")), "waits");
        let second = client.start_write("second").unwrap();
        let mut buffer = [0; 5];
        assert_eq!(server.read(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer, b"first");
        assert_eq!(puppet.ask("result"), "5");
        assert_eq!(text(&server), "second");
        assert!(second.finish().result.is_ok());
        client.flush().unwrap();
    }
}

/// A read waits at the other end: a write for which there is no quota is complete at once.
///
/// semantics 96, 119
#[test]
fn an_operation_is_fed_to_a_read_that_waits() {
    let place = Place::new();
    let (server, client, _puppet, _) = shared(&place, 0);
    for _ in 0..20 {
        let waiting = call({
            let server = server.try_clone().unwrap();
            move || text(&server)
        })
        .blocked();
        assert!(client.start_write("whole").unwrap().finish().result.is_ok());
        assert_eq!(waiting.end(), "whole");
    }
}
