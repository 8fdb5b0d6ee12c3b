//! Operations whose peer is another process, which rings this one's background thread.

use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use npipe::overlapped::{Completed, Waited, Woken, sleep_alertable};
use npipe::{PipeMode, PipeServer, Status};

use crate::support::{Process, Puppet, again};
use crate::{NAME, PATIENCE, Place, error, finish, moved, outcome, until, whole};

/// semantics 71, 122, 214: nobody waits here, and the other process gets on.
#[test]
fn another_process_rings() {
    let place = Place::new();
    let server = place
        .messages()
        .in_buffer_size(2)
        .out_buffer_size(2)
        .create(NAME)
        .unwrap();
    let connecting = server.start_connect().unwrap();
    let mut peer = Puppet::start(&place);
    peer.ask(&format!("open rw {NAME} message"));
    assert_eq!(finish(connecting).result, moved(0));
    for _ in 0..100 {
        // Both wait for their quota, so each goes on only by being read.
        let reading = server.start_read(vec![0; 16]).unwrap();
        assert_eq!(peer.ask("write 0 question"), "8");
        assert_eq!(outcome(finish(reading)), whole("question"));
        let writing = server.start_write("answer").unwrap();
        assert_eq!(peer.ask("read 0 16"), "answer");
        assert_eq!(finish(writing).result, moved(6));
    }
    // One behind the other, detached: the second is placed only once the first is read.
    server.start_write(vec![b'a'; 300_000]).unwrap().detach();
    server.start_write("behind").unwrap().detach();
    assert_eq!(peer.ask("length 0 300000"), "300000");
    assert_eq!(peer.ask("read 0 16"), "behind");
    peer.end();
}

/// semantics 128, 186, 248: the other process dies.
#[test]
fn another_process_dies() {
    let place = Place::new();
    let server = place.messages().out_buffer_size(1).create(NAME).unwrap();
    let mut peer = Puppet::start(&place);
    peer.ask(&format!("open rw {NAME} message"));
    let reading = server.start_read(vec![0; 8]).unwrap();
    let writing = server.start_write("waits").unwrap();
    peer.kill();
    assert_eq!(finish(reading).result, Err(Status::PipeBroken));
    assert_eq!(finish(writing).result, Err(Status::PipeBroken));
}

/// semantics 157, 158
#[test]
fn a_transaction_with_another_process() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let mut peer = Puppet::start(&place);
    peer.ask(&format!("open rw {NAME} message"));
    let transaction = server.start_transact("question", vec![0; 16]).unwrap();
    assert_eq!(peer.ask("read 0 16"), "question");
    assert_eq!(peer.ask("write 0 answer"), "6");
    assert_eq!(outcome(finish(transaction)), whole("answer"));
    peer.end();
}

/// An instance of the single-threaded server below, and its client's next request.
fn serve(server: Rc<PipeServer>, buffer: Vec<u8>) {
    let next = server.clone();
    let answer = move |read: Completed| {
        if read.result.is_ok() {
            let (writer, answer) = (next.clone(), read.into_data());
            let written = move |written: Completed| serve(next, written.buffer);
            writer.write_then(answer, written).expect("the client reads");
        }
    };
    // A client that has gone already is none of the server's business.
    let _ = server.read_then(buffer, answer);
}

/// semantics 68, 71, 234-236, 238: one thread, an event for connects and routines for the rest, as in seed 000.
#[test]
fn a_single_threaded_completion_server() {
    const CLIENTS: usize = 5;
    let place = Place::new();
    let create = || {
        let server = place.bytes().create(NAME).unwrap();
        let connecting = server.start_connect().unwrap();
        (server, connecting)
    };
    let mut peer = Puppet::start(&place);
    let (mut server, mut connecting) = create();
    for number in 0..CLIENTS {
        peer.tell(&format!("open rw {NAME}"));
        assert_eq!(connecting.wait_alertable(Some(PATIENCE)), Waited::Complete);
        assert_eq!(peer.answer(), number.to_string());
        let client = server;
        (server, connecting) = create();
        serve(Rc::new(client), vec![0; 64]);
    }
    drop((server, connecting));
    for round in 0..3 {
        for client in 0..CLIENTS {
            peer.tell(&format!("write {client} round-{round}"));
            assert_eq!(sleep_alertable(Some(PATIENCE)), Woken::Completions);
            peer.answer();
            assert_eq!(peer.ask(&format!("read {client} 64")), format!("round-{round}"));
        }
    }
    peer.ask("drop");
    // The last routines let go of the servers, and with them the name goes.
    until(|| {
        sleep_alertable(Some(Duration::from_millis(1)));
        place.namespace().info(NAME).is_err().then_some(())
    });
    peer.end();
}

/// semantics 129, 211, 214: a peer that is stopped holds nobody up.
#[cfg(unix)]
#[test]
fn a_stopped_peer_holds_nobody_up() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let mut peer = Puppet::start(&place);
    peer.ask(&format!("open rw {NAME} message"));
    peer.stop();
    let reading = server.start_read(vec![0; 8]).unwrap();
    assert_eq!(finish(server.start_write("x").unwrap()).result, moved(1));
    assert!(!reading.is_complete());
    peer.go_on();
    assert_eq!(peer.ask("read 0 8"), "x");
    assert_eq!(peer.ask("write 0 y"), "1");
    assert_eq!(outcome(finish(reading)), whole("y"));
    peer.end();
}

/// The example, as it is printed: clients one after the other, at once, and such that leave without a word.
///
/// semantics 234-236, 239
#[test]
fn the_example_serves() {
    const SAMPLE: &str = r"\\.\pipe\mynamedpipe";
    let place = Place::new();
    let mut command = again("server", place.path());
    command.env("NPIPE_ROOT", place.path()).stdout(Stdio::null());
    let mut server = Process(command.spawn().expect("this program can be started again"));
    let open = || {
        let mut options = place.client();
        options.pipe_mode(PipeMode::Message).connect_timeout(PATIENCE);
        until(|| options.open(SAMPLE).ok())
    };
    let clients = [open(), open(), open()];
    for _ in 0..3 {
        drop(open());
        for client in &clients {
            let mut answer = [0; 64];
            let outcome = client.transact(b"a request", &mut answer).unwrap();
            assert_eq!(&answer[..outcome.bytes], b"Default answer from server");
        }
    }
    server.kill();
    assert_eq!(error(clients[0].read(&mut [0; 8])), "ERROR_BROKEN_PIPE");
}
