//! Information, state, and what can be seen from outside.

#[cfg(unix)]
use npipe::Direction;
use npipe::{InstanceState, PipeEnd, PipeMode};

use crate::support::Puppet;
#[cfg(unix)]
use crate::support::{relisten, until};
use crate::{NAME, Place, error};

/// semantics 195, 196
#[test]
fn both_ends_tell_the_same() {
    let place = Place::new();
    let server = place
        .messages()
        .out_buffer_size(1)
        .in_buffer_size(100)
        .max_instances(7)
        .create(NAME)
        .unwrap();
    let client = place.open();
    for (info, end) in [
        (server.info().unwrap(), PipeEnd::Server),
        (client.info().unwrap(), PipeEnd::Client),
    ] {
        assert_eq!((info.end, info.mode, info.max_instances), (end, PipeMode::Message, 7));
        assert_eq!((info.out_buffer_size, info.in_buffer_size), (1, 100));
    }
    drop(server);
    let (server, client) = place.byte_pair();
    for info in [server.info().unwrap(), client.info().unwrap()] {
        assert_eq!((info.mode, info.max_instances), (PipeMode::Byte, 255));
    }
}

/// semantics 210: how much may be written before a write waits.
#[test]
fn what_room_there_is() {
    let place = Place::new();
    let mut options = place.messages();
    let server = options.out_buffer_size(10).in_buffer_size(20).create(NAME).unwrap();
    let room = |end: &npipe::PipeStream| end.local_state().unwrap().writable;
    assert_eq!(room(&server), 10);
    let client = place.message_client();
    client.write(b"1234567").unwrap();
    server.write(b"123").unwrap();
    assert_eq!((room(&server), room(&client)), (7, 13));
    server.read(&mut [0; 2]).unwrap();
    assert_eq!(room(&client), 15);
    drop(client);
    assert_eq!(room(&server), 7);
}

/// semantics 206, 210
#[test]
fn what_is_in_the_pipe() {
    let place = Place::new();
    let server = place
        .messages()
        .out_buffer_size(10)
        .in_buffer_size(20)
        .create(NAME)
        .unwrap();
    let told = |end: &npipe::PipeStream| {
        let local = end.local_state().unwrap();
        (local.state, local.readable)
    };
    assert_eq!(told(&server), (InstanceState::Listening, 0));
    let client = place.message_client();
    client.write(b"1234567").unwrap();
    server.write(b"123").unwrap();
    assert_eq!(told(&server), (InstanceState::Connected, 7));
    assert_eq!(told(&client), (InstanceState::Connected, 3));
    server.read(&mut [0; 2]).unwrap();
    assert_eq!(told(&server), (InstanceState::Connected, 5));
    assert_eq!(
        (server.creator(), client.creator()),
        (std::process::id(), std::process::id())
    );
    assert_eq!(client.pipe_name().path(), NAME);
    drop(client);
    assert_eq!(told(&server), (InstanceState::Closing, 5));
    server.disconnect().unwrap();
    assert_eq!(told(&server).0, InstanceState::Disconnected);
}

/// semantics 197
#[test]
fn the_state_of_an_end() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let instances = || (server.state().unwrap().instances, client.state().unwrap().instances);
    assert_eq!(instances(), (1, 1));
    let second = place.messages().create(NAME).unwrap();
    let third = place.messages().create(NAME).unwrap();
    assert_eq!(instances(), (3, 3));
    let _another = place.open();
    second.disconnect().unwrap();
    assert_eq!(instances(), (3, 3));
    drop((second, third));
    assert_eq!(instances(), (1, 1));
}

/// semantics 201, 203
#[test]
fn both_modes_are_set_at_once() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    for end in [&*server, &*client] {
        for mode in [PipeMode::Message, PipeMode::Byte] {
            for nowait in [true, false] {
                end.set_state(mode, nowait).unwrap();
                let state = end.state().unwrap();
                assert_eq!((state.read_mode, state.nowait), (mode, nowait));
            }
        }
    }
    drop((server, client));

    let (server, client) = place.byte_pair();
    for end in [&*server, &*client] {
        assert_eq!(error(end.set_state(PipeMode::Message, true)), "ERROR_INVALID_PARAMETER");
        let state = end.state().unwrap();
        assert_eq!((state.read_mode, state.nowait), (PipeMode::Byte, false));
    }
}

/// semantics 40, 53, 204
#[test]
fn state_needs_the_rights_to_attributes() {
    let place = Place::new();
    let inbound = place.bytes().access_outbound(false).create(NAME).unwrap();
    let writer = place.client().read(false).open(NAME).unwrap();
    inbound.state().unwrap();
    assert_eq!(error(inbound.set_state(PipeMode::Byte, true)), "ERROR_ACCESS_DENIED");
    writer.state().unwrap();
    writer.set_state(PipeMode::Byte, true).unwrap();
    drop(inbound);

    let outbound = place.bytes().access_inbound(false).create(NAME).unwrap();
    let reader = place.client().write(false).open(NAME).unwrap();
    assert_eq!(error(outbound.state()), "ERROR_ACCESS_DENIED");
    outbound.set_state(PipeMode::Byte, true).unwrap();
    // Here it is told all the same.
    #[cfg(unix)]
    outbound.info().unwrap();
    #[cfg(windows)]
    assert_eq!(error(outbound.info()), "ERROR_ACCESS_DENIED");
    reader.state().unwrap();
}

/// semantics 204
#[test]
fn a_client_needs_the_right_to_set_its_modes() {
    let place = Place::new();
    for read in [true, false] {
        let _server = place.bytes().create(NAME).unwrap();
        let client = place.client().read(read).write(false).open(NAME).unwrap();
        assert_eq!(error(client.set_state(PipeMode::Byte, true)), "ERROR_ACCESS_DENIED");
    }
}

/// semantics 205
#[test]
fn duplicates_share_the_modes() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let (other_server, other_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    server.set_state(PipeMode::Byte, true).unwrap();
    other_client.set_state(PipeMode::Byte, true).unwrap();
    for end in [&*other_server, &*client] {
        let state = end.state().unwrap();
        assert_eq!((state.read_mode, state.nowait), (PipeMode::Byte, true));
        assert_eq!(error(end.read(&mut [0])), "ERROR_NO_DATA");
    }
}

/// This process as a puppet tells who its peer is.
#[cfg(unix)]
fn myself() -> String {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    format!("{} {} {}", uid.as_raw(), gid.as_raw(), std::process::id())
}

/// semantics 206, 207
#[cfg(unix)]
#[test]
fn ends_know_each_others_process() {
    let place = Place::new();
    let mut child = Puppet::start(&place);
    let server = place.bytes().create(NAME).unwrap();
    assert_eq!(error(server.peer()), "ERROR_NOT_FOUND");
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(server.peer().unwrap().pid, Some(child.pid()));
    assert_eq!(child.ask("peer 0"), myself());
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!(details.server_pid, Some(std::process::id()));
    assert_eq!(details.instances[0].client.as_ref().unwrap().pid, Some(child.pid()));

    assert_eq!(child.ask("close 0"), "closed");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
    assert_eq!(server.peer().unwrap().pid, Some(child.pid()));
    server.disconnect().unwrap();
    assert_eq!(error(server.peer()), "ERROR_NOT_FOUND");

    relisten(&server);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "1");
    drop(server);
    assert_eq!(child.ask("peer 1"), myself());
}

/// semantics 206: on every system, a process has a number, a program and a user.
#[test]
fn a_peer_is_a_process_and_a_user() {
    let place = Place::new();
    let mut child = Puppet::start(&place);
    let server = place.bytes().create(NAME).unwrap();
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    let peer = server.peer().unwrap();
    assert_eq!(peer.pid, Some(child.pid()));
    assert!(peer.process.is_some());
    assert!(peer.sid().is_some());
    let told = child.ask("peer 0");
    assert!(told.ends_with(&format!(" {}", std::process::id())), "{told}");
}

/// semantics 46, 52, 56: who only asks takes nothing and disturbs nobody.
#[cfg(unix)]
#[test]
fn looking_takes_no_instance() {
    let place = Place::new();
    let server = place.bytes().max_instances(1).create(NAME).unwrap();
    for _ in 0..100 {
        let listed = place.namespace().list().unwrap();
        assert_eq!((listed.len(), listed[0].instances, listed[0].max_instances), (1, 1, 1));
        assert_eq!(
            (listed[0].server_pid, listed[0].answering),
            (Some(std::process::id()), true)
        );
        assert_eq!(listed[0].name.path(), NAME);
        let details = place.namespace().info(NAME).unwrap();
        assert_eq!(details.instances[0].state, InstanceState::Listening);
        assert!(details.instances[0].client.is_none());
        place.namespace().wait(NAME, None).unwrap();
    }
    assert_eq!(error(server.peer()), "ERROR_NOT_FOUND");
    place.open();
}

/// semantics 24, 37, 195: all that the first instance fixes is seen from outside.
#[cfg(unix)]
#[test]
fn details_of_a_pipe() {
    let place = Place::new();
    let inbound = place
        .messages()
        .access_outbound(false)
        .max_instances(3)
        .create(NAME)
        .unwrap();
    let _client = place.client().read(false).open(NAME).unwrap();
    let details = place.namespace().info(r"\\.\PIPE\TEST").unwrap();
    assert_eq!(details.name.to_string(), "test");
    assert_eq!(
        (details.mode, details.direction),
        (PipeMode::Message, Direction::Inbound)
    );
    assert_eq!((details.max_instances, details.instance_count), (3, 1));
    let own = npipe::Sid::user(rustix::process::geteuid().as_raw());
    let written = if own == npipe::Sid::LOCAL_SYSTEM {
        "SY".to_owned()
    } else {
        own.to_string()
    };
    assert!(
        details.access.ends_with(&format!("D:(A;;FA;;;SY)(A;;FA;;;{written})")),
        "{}",
        details.access
    );
    assert_eq!(details.instances[0].state, InstanceState::Connected);
    drop(inbound);
    assert_eq!(error(place.namespace().info(NAME)), "ERROR_FILE_NOT_FOUND");
}

/// semantics 13: what is served is listed, in the order of the names; what has died is not, and leaves nothing behind.
#[cfg(unix)]
#[test]
fn a_listing() {
    let place = Place::new();
    let names = ["b", "A", "c", r"a\b", "Ω", "10", "9"];
    let servers: Vec<_> = names
        .iter()
        .map(|name| place.bytes().create(format!(r"\\.\pipe\{name}")).unwrap())
        .collect();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(r"create byte \\.\pipe\other"), "0");
    let listed = |place: &Place| {
        let entries = place.namespace().list().unwrap();
        entries.iter().map(|entry| entry.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&place), ["10", "9", "A", r"a\b", "b", "c", "other", "Ω"]);
    let own = rustix::process::geteuid().as_raw();
    let told = listed(&place)
        .iter()
        .map(|name| format!("{name} of {own} answers"))
        .collect::<Vec<_>>();
    assert_eq!(child.ask("list"), told.join(", "));
    child.kill();
    assert_eq!(listed(&place).len(), 7);
    until(|| (std::fs::read_dir(place.path()).unwrap().count() == 14).then_some(()));
    drop(servers);
    assert!(listed(&place).is_empty());
}
