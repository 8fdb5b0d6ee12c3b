//! Opening the client end.

use npipe::PipeMode;

use crate::support::{Puppet, fails_with, relisten, until};
use crate::{NAME, Place, call, error, text};

/// semantics 46
#[test]
fn a_name_that_nobody_serves_is_not_found() {
    let place = Place::new();
    let refusal = place.client().open(NAME).unwrap_err();
    assert_eq!(refusal.win32(), 2);
    // Windows has one place for all.
    #[cfg(unix)]
    assert!(
        refusal.to_string().contains(&place.path().display().to_string()),
        "it says where it looked: {refusal}"
    );
    for (read, write) in [(true, false), (false, true), (false, false)] {
        assert_eq!(
            error(place.client().read(read).write(write).open(NAME)),
            "ERROR_FILE_NOT_FOUND"
        );
    }
    let patient = place.client().connect_timeout(crate::support::PATIENCE).open(NAME);
    assert_eq!(error(patient), "ERROR_FILE_NOT_FOUND", "it is not waited for");
}

/// semantics 47, 48
#[test]
fn busy_means_that_nobody_listens() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let open = || error(place.client().open(NAME));

    let client = place.open();
    assert_eq!(open(), "ERROR_PIPE_BUSY");
    drop(client);
    assert_eq!(open(), "ERROR_PIPE_BUSY");
    until(|| fails_with(server.write(b""), "ERROR_NO_DATA").then_some(()));
    assert_eq!(open(), "ERROR_PIPE_BUSY");
    server.disconnect().unwrap();
    assert_eq!(open(), "ERROR_PIPE_BUSY");
    relisten(&server);
    place.open();
}

/// semantics 49, 52: what the direction does not permit is refused and takes nothing.
#[test]
fn access_is_checked_against_the_direction() {
    for (inbound, outbound) in [(true, false), (false, true), (true, true)] {
        for (read, write) in [(true, true), (true, false), (false, true)] {
            let place = Place::new();
            let _server = place
                .bytes()
                .access_inbound(inbound)
                .access_outbound(outbound)
                .create(NAME)
                .unwrap();
            let opened = place.client().read(read).write(write).open(NAME);
            if (!read || outbound) && (!write || inbound) {
                opened.unwrap();
            } else {
                assert_eq!(error(opened), "ERROR_ACCESS_DENIED");
                place.client().read(outbound).write(inbound).open(NAME).unwrap();
            }
        }
    }
}

/// semantics 51, 53: without any access an instance is taken all the same, and can be asked about.
#[test]
fn an_open_for_attributes_takes_an_instance() {
    let place = Place::new();
    for (inbound, outbound) in [(true, false), (false, true), (true, true)] {
        let server = place
            .bytes()
            .access_inbound(inbound)
            .access_outbound(outbound)
            .create(NAME)
            .unwrap();
        let client = place.client().read(false).write(false).open(NAME).unwrap();
        assert_eq!(
            error(place.client().read(false).write(false).open(NAME)),
            "ERROR_PIPE_BUSY"
        );
        server.connect().unwrap();
        assert_eq!(client.state().unwrap().instances, 1);
        client.info().unwrap();
        assert_eq!(error(client.read(&mut [0])), "ERROR_ACCESS_DENIED");
        assert_eq!(error(client.write(b"")), "ERROR_ACCESS_DENIED");
        assert_eq!(error(client.peek(&mut [])), "ERROR_ACCESS_DENIED");
    }
}

/// semantics 54
#[test]
fn clients_do_not_exclude_each_other() {
    let place = Place::new();
    let servers: Vec<_> = (0..3).map(|_| place.bytes().create(NAME).unwrap()).collect();
    let clients: Vec<_> = (0..3).map(|_| place.open()).collect();
    for (server, client) in servers.iter().zip(&clients) {
        client.write(b"x").unwrap();
        assert_eq!(text(server), "x");
    }
}

/// semantics 55: the client begins with its own modes, whatever the server's are, on each connection.
#[test]
fn a_client_starts_by_reading_bytes_and_waiting() {
    let place = Place::new();
    let server = place.messages().nowait(true).create(NAME).unwrap();
    for _ in 0..2 {
        let client = place.open();
        let state = client.state().unwrap();
        assert_eq!((state.read_mode, state.nowait), (PipeMode::Byte, false));
        client.set_state(PipeMode::Message, true).unwrap();
        server.disconnect().unwrap();
        assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    }
    let asked = place
        .client()
        .pipe_mode(PipeMode::Message)
        .nowait(true)
        .open(NAME)
        .unwrap();
    let state = asked.state().unwrap();
    assert_eq!((state.read_mode, state.nowait), (PipeMode::Message, true));
}

/// semantics 98: a client that asks for messages of a byte pipe gets neither them nor, in the end, the instance.
#[test]
fn a_byte_pipe_is_not_read_by_messages() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    assert_eq!(
        error(place.client().pipe_mode(PipeMode::Message).open(NAME)),
        "ERROR_INVALID_PARAMETER"
    );
    // As after CreateFile and a refused SetNamedPipeHandleState: the client came and went.
    until(|| fails_with(server.connect(), "ERROR_NO_DATA").then_some(()));
}

/// semantics 56: creation starts the listening, so does a later connect; a pending one gives no preference.
#[test]
fn the_oldest_listener_is_taken() {
    let place = Place::new();
    let servers: Vec<_> = (0..3).map(|_| place.bytes().create(NAME).unwrap()).collect();
    let taken = || {
        let client = place.open();
        client.write(b"here").unwrap();
        let first = servers
            .iter()
            .position(|server| server.peek(&mut []).is_ok_and(|seen| seen.total == 4));
        let first = first.expect("one of them has it");
        servers[first].disconnect().unwrap();
        first
    };
    let last = servers[2].try_clone().unwrap();
    let connecting = call(move || last.connect()).blocked();
    assert_eq!(taken(), 0);
    relisten(&servers[0]);
    assert_eq!(taken(), 1);
    assert_eq!(taken(), 2);
    connecting.end().unwrap();
    relisten(&servers[2]);
    assert_eq!(taken(), 0);
    assert_eq!(taken(), 2);
    relisten(&servers[1]);
    relisten(&servers[0]);
    assert_eq!((taken(), taken()), (1, 0));
}

/// semantics 57
#[test]
fn an_open_completes_every_connect() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connecting = || {
        let server = server.try_clone().unwrap();
        call(move || server.connect()).blocked()
    };
    let calls = [connecting(), connecting(), connecting()];
    let _client = place.open();
    for call in calls {
        call.end().unwrap();
    }
}

/// semantics 60
#[test]
fn data_may_come_before_the_connect() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let client = place.open();
    client.write(b"early").unwrap();
    server.connect().unwrap();
    assert_eq!(text(&server), "early");
}

/// semantics 38, 46, 47, 60, 183: between two processes.
#[test]
fn a_client_of_another_process() {
    let place = Place::new();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "ERROR_FILE_NOT_FOUND");
    let server = place.bytes().create(NAME).unwrap();
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(child.ask(&format!("open rw {NAME}")), "ERROR_PIPE_BUSY");
    assert_eq!(child.ask("write 0 early"), "5");
    server.connect().unwrap();
    assert_eq!(text(&server), "early");
    assert_eq!(child.ask("begin read 0 100"), "waits");
    server.write(b"reply").unwrap();
    assert_eq!(child.ask("result"), "reply");
    assert_eq!(child.ask("write 0 last"), "4");
    assert_eq!(child.ask("close 0"), "closed");
    assert_eq!(text(&server), "last");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 47: a server that is stopped is waited for, for a while; the name exists, and nothing is known but that.
#[cfg(unix)]
#[test]
fn a_stopped_server_is_listed_as_not_answering() {
    let place = Place::new();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("create byte {NAME}")), "0");
    child.stop();
    let listed = place.namespace().list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].answering, listed[0].server_pid), (false, Some(child.pid())));
    assert_eq!(error(place.bytes().create(NAME)), "ERROR_PIPE_BUSY");
}
