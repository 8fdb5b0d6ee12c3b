//! Ending the call that a thread waits in, and no other.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use npipe::PipeStream;
use npipe::overlapped::engine::{self, BlockedCall};

use crate::support::until;
use crate::{NAME, Place, error, text};

/// A call on a thread of its own, and what it can be found by.
fn begin<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> (JoinHandle<T>, Arc<BlockedCall>) {
    let (send, receive): (_, Receiver<Arc<BlockedCall>>) = channel();
    let thread = thread::spawn(move || {
        send.send(engine::current_blocked()).unwrap();
        call()
    });
    (thread, receive.recv().unwrap())
}

/// Cancels it as soon as it waits.
fn cancel(end: &PipeStream, call: &BlockedCall) {
    until(|| engine::cancel_blocked(end, call).ok());
}

/// semantics 127, 232
#[test]
fn one_read_of_two() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let reader = |end: npipe::PipeServer| begin(move || end.read(&mut [0; 8]));
    let (kept, kept_call) = reader(server.try_clone().unwrap());
    let (ended, ended_call) = reader(server.try_clone().unwrap());
    assert!(engine::cancel_blocked(&client, &ended_call).is_err(), "another end");
    cancel(&server, &ended_call);
    assert_eq!(error(ended.join().unwrap()), "ERROR_OPERATION_ABORTED");
    assert!(
        engine::cancel_blocked(&server, &ended_call).is_err(),
        "it waits no more"
    );
    assert!(!kept.is_finished());
    client.write(b"for it").unwrap();
    assert_eq!(kept.join().unwrap().unwrap(), 6);
    assert!(engine::cancel_blocked(&server, &kept_call).is_err());
}

/// semantics 127, 232
#[test]
fn one_write_of_two_and_a_flush() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(1).create(NAME).unwrap();
    let client = place.message_client();
    let writer = |end: npipe::PipeClient, data: &'static [u8]| begin(move || end.write(data));
    let (ended, ended_call) = writer(client.try_clone().unwrap(), b"taken back");
    let (kept, _) = writer(client.try_clone().unwrap(), b"kept");
    cancel(&client, &ended_call);
    assert_eq!(error(ended.join().unwrap()), "ERROR_OPERATION_ABORTED");
    assert_eq!(text(&server), "kept");
    assert_eq!(kept.join().unwrap().unwrap(), 4);

    client.write(b"x").unwrap();
    let end = client.try_clone().unwrap();
    let (flush, call) = begin(move || end.flush());
    cancel(&client, &call);
    assert_eq!(error(flush.join().unwrap()), "ERROR_OPERATION_ABORTED");
    assert_eq!(text(&server), "x");
}

/// semantics 78, 232
#[test]
fn one_connect_of_two() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let connect = |end: npipe::PipeServer| begin(move || end.connect());
    let (kept, _) = connect(server.try_clone().unwrap());
    let (ended, call) = connect(server.try_clone().unwrap());
    cancel(&server, &call);
    assert_eq!(error(ended.join().unwrap()), "ERROR_OPERATION_ABORTED");
    let _client = place.open();
    kept.join().unwrap().unwrap();
}
