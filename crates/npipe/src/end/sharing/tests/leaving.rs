//! What is left of a holder that goes: its place, its threads, what is watched on its behalf, descriptors.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use npipe_shm::layout::Side;
use npipe_shm::memory::Memory;
use npipe_shm::object::MAX_HOLDERS;

use super::{another, holders, seen, server, until};
use crate::end::link::{Link, Wish};
use crate::object::Object;
use crate::{ClientOptions, PipeClient, PipeMode, PipeServer, background};

fn object(holder: &PipeClient) -> Arc<Object> {
    let link = holder.end.link().expect("it is connected");
    link.object().expect("it is shared").clone()
}

/// Who closes is there for the others while threads of it may take turns or sleep: else they would not know that it dies.
///
/// semantics 190, 192
#[test]
fn who_closes_leaves_when_its_threads_are_out() {
    let root = tempfile::tempdir().expect("a directory");
    let (_server, client, closing) = holders(root.path());
    let (object, seen) = (object(&client), seen(&closing));
    let link = closing.end.link().expect("it is connected");
    let rung = || link.control().end(Side::Client).bell.0.load(Ordering::SeqCst);
    let asleep = link.announce(Wish::Data);
    std::thread::scope(|scope| {
        let closed = scope.spawn(|| closing.close());
        // No thread takes a turn any more; then it wakes those who sleep, again and again.
        until(|| closing.end.reading().is_ok_and(|half| half.object().is_none()));
        until(|| closing.end.writing().is_ok_and(|half| half.object().is_none()));
        for _ in 0..3 {
            let before = rung();
            until(|| rung() != before || closed.is_finished());
            assert!(!closed.is_finished(), "it leaves while a thread sleeps");
            assert!(object.present().contains(&seen));
        }
        drop(asleep);
        closed.join().expect("no panic");
    });
    assert!(!object.present().contains(&seen));
}

/// A thread that waits does not take away the call for the delegate, which another holder may have made.
///
/// semantics 246
#[test]
fn the_delegate_of_another_stays_called() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, other) = holders(root.path());
    let reading = other.start_read(vec![0; 16]).expect("it waits");
    let link = client.end.link().expect("it is connected");
    link.relieve_delegate(Wish::Data);
    server.write(b"x").expect("there is room");
    until(|| reading.is_complete());
    assert_eq!(reading.finish().data(), b"x");
    link.relieve_delegate(Wish::Data);
}

/// An end finds out that another holder has disconnected it, and lets go of the connection, whose socket others have open.
///
/// semantics 175
#[test]
fn nothing_is_watched_of_a_connection_that_was_let_go() {
    let root = tempfile::tempdir().expect("a directory");
    let mut options = crate::ServerOptions::new();
    options.root(root.path()).pipe_mode(PipeMode::Message).shareable(true);
    let server = options.create(super::NAME).expect("the name is free");
    let _client = ClientOptions::new()
        .root(root.path())
        .open(super::NAME)
        .expect("it listens");
    let raw = server.try_clone().and_then(PipeServer::into_raw).expect("shareable");
    let other = PipeServer::from_raw(raw).expect("an end");
    let link = other.end.link().expect("it is connected");
    let object = link.object().expect("it is shared").clone();
    let mut tokens = object.tokens();
    tokens.push(link.token().load(Ordering::SeqCst));
    assert!(tokens.len() > 1 && tokens.iter().all(|&token| background::knows(token)));
    // Nothing but this tells of it: the socket does not hang up.
    object.set_disconnected();
    let weak: std::sync::Weak<Link> = Arc::downgrade(&link);
    drop((link, object));
    other.peek(&mut []).expect_err("it is disconnected");
    other.write(b"x").expect_err("it is disconnected");
    until(|| weak.strong_count() == 0);
    assert!(!tokens.iter().any(|&token| background::knows(token)));
}

/// What is in a message counts against the user's limit, so the capsule is gone with the descriptor.
///
/// semantics 190
#[test]
fn an_end_that_is_held_has_nothing_in_flight() {
    let root = tempfile::tempdir().expect("a directory");
    let (_server, client, _other) = holders(root.path());
    let raw = client.try_clone().and_then(PipeClient::into_raw).expect("shareable");
    let capsule = format!(
        "socket:[{}]",
        rustix::fs::fstat(raw.as_fd()).expect("it is open").st_ino
    );
    let is_open = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("procfs");
        let mut targets = descriptors
            .flatten()
            .filter_map(|one| std::fs::read_link(one.path()).ok());
        targets.any(|target| target.as_os_str() == capsule.as_str())
    };
    assert!(is_open());
    let _holder = PipeClient::from_raw(raw).expect("an end");
    assert!(!is_open());
}

/// One that was killed when it had joined and nobody knew of it is found by whoever needs its place.
///
/// semantics 190
#[test]
fn the_place_of_one_that_died_unknown_is_found() {
    let root = tempfile::tempdir().expect("a directory");
    let (_server, client, _other) = holders(root.path());
    let mut process = std::process::Command::new("true").spawn().expect("it starts");
    let unknown = object(&client);
    process.wait().expect("it ends");
    for _ in unknown.present().len()..MAX_HOLDERS {
        unknown.forge_holder(process.id(), 1);
    }
    assert_eq!(unknown.present().len(), MAX_HOLDERS);
    let _more = another(&client);
    until(|| unknown.present().len() == 3);
}

/// The background thread closes an instance whose end nobody holds, while another thread begins or ends to serve the name.
///
/// semantics 13
#[test]
fn an_instance_left_to_others_is_closed_while_its_name_is_in_use() {
    let root = tempfile::tempdir().expect("a directory");
    let server = server(root.path());
    let crate::end::Home::Server { seat: Some(seat), .. } = &server.end.home else {
        panic!("it is the creator's");
    };
    let serving = seat.host.hold_slot();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| seat.host.vacate_for_others(seat.id));
        // Unwinding lets go of it, or the thread would never end.
        let serving = serving;
        until(|| closing.is_finished());
        drop(serving);
    });
}
