//! Waiting for a client.

#[cfg(unix)]
use std::io::Write;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use npipe::{PipeServer, PipeStream};
#[cfg(unix)]
use npipe_core::handshake::Message;
#[cfg(unix)]
use npipe_core::{Access, PipeName, SecurityQos};

#[cfg(unix)]
use crate::support::hear;
use crate::support::{Call, fails_with, relisten, until};
use crate::{NAME, Place, call, error, text};

fn begin_connect(server: &PipeServer) -> Call<npipe::Result<()>> {
    let server = server.try_clone().unwrap();
    call(move || server.connect()).blocked()
}

/// semantics 61: a connect waits until somebody opens the pipe.
#[test]
fn a_connect_waits_for_a_client() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connecting = begin_connect(&server);
    connecting.waits();
    let client = place.open();
    connecting.end().unwrap();
    client.write(b"x").unwrap();
    assert_eq!(text(&server), "x");
}

/// Whoever is at the door of a thread that waits for a client keeps nobody out: those who say nothing, ask something else, talk
/// nonsense or have gone again. semantics 52, 61, 82, 197
#[cfg(unix)]
#[test]
fn a_thread_that_waits_keeps_the_door() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let door = place.file(rustix::process::geteuid().as_raw(), "");
    let knock = || UnixStream::connect(&door).unwrap();
    for round in 0..10 {
        let connecting = begin_connect(&server);
        let silent = [knock(), knock(), knock()];
        (&silent[0]).write_all(b"nonsense").unwrap();
        let mut cut_short = knock();
        cut_short.write_all(b"npip").unwrap();
        drop(knock());
        assert_eq!(place.namespace().info(NAME).unwrap().instances.len(), 1);
        place.namespace().wait(NAME, None).unwrap();
        connecting.waits();
        let client = place.open();
        connecting.end().unwrap();
        client.write(format!("round {round}").as_bytes()).unwrap();
        assert_eq!(text(&server), format!("round {round}"));
        // Who has yet to say something is still heard.
        drop((silent, cut_short));
        server.disconnect().unwrap();
    }
}

/// Who knocks when the thread that has kept the door went off with a client is answered although it does not come back: one of
/// this process at once, and one that it does not know of in a moment. semantics 38, 60
#[cfg(unix)]
#[test]
fn a_door_that_was_left_is_answered() {
    let place = Place::new();
    let door = place.file(rustix::process::geteuid().as_raw(), "");
    for of_this_process in [true, false] {
        let server = place.bytes().create(NAME).unwrap();
        let _another = place.bytes().create(NAME).unwrap();
        let connecting = begin_connect(&server);
        let _first = place.open();
        connecting.end().unwrap();
        if of_this_process {
            drop(place.open());
        } else {
            let mut stranger = UnixStream::connect(&door).unwrap();
            stranger.write_all(&open_request().encode()).unwrap();
            assert!(matches!(hear(&mut stranger), Message::Opened(_)));
        }
    }
}

#[cfg(unix)]
fn open_request() -> Message {
    Message::Open {
        name: PipeName::from_path(NAME.as_bytes()).unwrap(),
        access: Access::READ_WRITE,
        qos: SecurityQos::default(),
        processor: None,
    }
}

/// One thread keeps the door for all that wait, and another one when it has gone. semantics 56, 61, 78
#[test]
fn a_door_passes_from_thread_to_thread() {
    let place = Place::new();
    let servers: Vec<_> = (0..3).map(|_| place.bytes().create(NAME).unwrap()).collect();
    for _ in 0..20 {
        let mut calls: Vec<_> = servers.iter().map(begin_connect).collect();
        // Whoever it is that keeps the door.
        until(|| servers[0].cancel().ok());
        assert_eq!(error(calls.remove(0).end()), "ERROR_OPERATION_ABORTED");
        let clients: Vec<_> = servers.iter().map(|_| place.open()).collect();
        for call in calls {
            call.end().unwrap();
        }
        assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
        drop(clients);
        for server in &servers {
            server.disconnect().unwrap();
        }
    }
}

/// semantics 62, 64: a client that is there already is success, however often one asks.
#[test]
fn a_connected_instance_need_not_wait() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let _client = place.open();
    server.connect().unwrap();
    server.connect().unwrap();
}

/// semantics 63: what a client wrote that has left again can be read.
#[test]
fn a_client_that_came_and_left() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let client = place.open();
    client.write(b"was here").unwrap();
    drop(client);
    assert_eq!(error(server.connect()), "ERROR_NO_DATA");
    assert_eq!(text(&server), "was here");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
    assert_eq!(error(server.connect()), "ERROR_NO_DATA");
    server.disconnect().unwrap();
    relisten(&server);
    place.open();
}

/// semantics 67, 180
#[test]
fn an_instance_serves_client_after_client() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    for round in 0..50 {
        let connecting = begin_connect(&server);
        let client = place.open();
        connecting.end().unwrap();
        client.write(format!("round {round}").as_bytes()).unwrap();
        assert_eq!(text(&server), format!("round {round}"));
        server.disconnect().unwrap();
        assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    }
}

/// semantics 76, 77
#[test]
fn with_nowait_a_connect_tells_how_things_are() {
    let place = Place::new();
    let server = place.bytes().nowait(true).create(NAME).unwrap();
    assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    let client = place.open();
    server.connect().expect("connected is success");
    drop(client);
    until(|| fails_with(server.connect(), "ERROR_NO_DATA").then_some(()));
    server.disconnect().unwrap();
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    place.open();
}

/// semantics 78, 228, 230-232
#[test]
fn a_cancelled_connect_leaves_the_instance_listening() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    for _ in 0..20 {
        let calls = [begin_connect(&server), begin_connect(&server)];
        // One of them may be on its way to sleep.
        let mut ended = 0;
        until(|| {
            ended += usize::from(server.cancel().is_ok());
            (calls.iter().all(|call| !call.is_waiting())).then_some(())
        });
        assert!(ended > 0);
        for call in calls {
            assert_eq!(error(call.end()), "ERROR_OPERATION_ABORTED");
        }
    }
    let _client = place.open();
    server.connect().unwrap();
}

/// semantics 228, 231: neither before a call waits nor after it has ended.
#[test]
fn there_may_be_nothing_to_cancel() {
    let place = Place::new();
    let server = place.bytes().in_buffer_size(1).create(NAME).unwrap();
    let nothing = |end: &PipeStream| assert_eq!(error(end.cancel()), "ERROR_NOT_FOUND");
    nothing(&server);
    let connecting = begin_connect(&server);
    let client = place.open();
    connecting.end().unwrap();
    let (reader, writer) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let reading = call(move || reader.read(&mut [0; 10])).blocked();
    until(|| server.cancel().ok());
    assert_eq!(error(reading.end()), "ERROR_OPERATION_ABORTED");
    nothing(&server);
    let writing = call(move || writer.write(b"long")).blocked();
    until(|| client.cancel().ok());
    assert_eq!(error(writing.end()), "ERROR_OPERATION_ABORTED");
    nothing(&client);
}

/// semantics 177, 178: to disconnect a listening instance stops the listening and fails the connects that wait.
#[test]
fn a_disconnect_ends_a_connect() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connecting = begin_connect(&server);
    server.disconnect().unwrap();
    assert_eq!(error(connecting.end()), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    assert_eq!(error(server.read(&mut [0])), "ERROR_PIPE_NOT_CONNECTED");
    assert_eq!(error(server.disconnect()), "ERROR_PIPE_NOT_CONNECTED");
    let connecting = begin_connect(&server);
    place.open();
    connecting.end().unwrap();
}

/// semantics 80
#[test]
fn before_a_client_comes() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    for _ in 0..2 {
        assert_eq!(error(server.read(&mut [0])), "ERROR_PIPE_LISTENING");
        assert_eq!(error(server.read(&mut [])), "ERROR_PIPE_LISTENING");
        assert_eq!(error(server.write(b"x")), "ERROR_PIPE_LISTENING");
        assert_eq!(error(server.write(b"")), "ERROR_PIPE_LISTENING");
        assert_eq!(error(server.peek(&mut [])), "ERROR_BAD_PIPE");
        assert_eq!(error(server.transact(b"x", &mut [0])), "ERROR_BAD_PIPE");
        server.flush().unwrap();
        assert!(!server.is_connected());
        // And so it is when it listens again.
        drop(place.open());
        server.disconnect().unwrap();
        relisten(&server);
    }
}
