//! Cancelling operations: one, those of a thread, all; by dropping them, and with the thread that started them.

use std::sync::Arc;

use npipe::Status;

use crate::{NAME, Place, error, finish, moved, outcome, pending_read, text, until, whole};

/// semantics 127, 228, 230, 231: one of several; those behind move up.
#[test]
fn one_operation_of_several() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(3).create(NAME).unwrap();
    let client = place.message_client();
    let (first, second) = (pending_read(&server), pending_read(&server));
    first.cancel().unwrap();
    assert!(first.is_complete() && !second.is_complete());
    assert_eq!(error(first.result()), "ERROR_OPERATION_ABORTED");
    assert_eq!(error(first.cancel()), "ERROR_NOT_FOUND");
    let cancelled = first.finish();
    assert_eq!((cancelled.data(), cancelled.buffer.len()), (&b""[..], 64));

    client.write(b"one").unwrap();
    assert_eq!(error(second.cancel()), "ERROR_NOT_FOUND", "it is complete");
    assert_eq!(outcome(second.finish()), whole("one"), "its result stands");

    let (first, second) = (client.start_write("1234").unwrap(), client.start_write("567").unwrap());
    first.cancel().unwrap();
    assert_eq!(first.finish().result, Err(Status::Cancelled));
    assert_eq!(finish(second).result, moved(3));
    assert_eq!(text(&server), "567");
    assert_eq!(server.peek(&mut []).unwrap().total, 0);
}

/// semantics 228-230: all, by another handle, whichever thread has started them.
#[test]
fn all_operations_of_an_end() {
    let place = Place::new();
    let server = place.messages().out_buffer_size(1).create(NAME).unwrap();
    let client = place.message_client();
    let (reading, writing) = (pending_read(&server), server.start_write("waits").unwrap());
    let other = server.try_clone().unwrap();
    crate::call(move || other.cancel()).end().unwrap();
    assert_eq!(finish(reading).result, Err(Status::Cancelled));
    assert_eq!(finish(writing).result, Err(Status::Cancelled));
    assert_eq!(client.peek(&mut []).unwrap().total, 0, "the write is taken back");
}

/// semantics 227: those of the calling thread, and success if there are none.
#[test]
fn the_operations_of_this_thread() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    assert_eq!(server.cancel_own(), 0);
    let own = pending_read(&server);
    let other = server.try_clone().unwrap();
    let counted = crate::call(move || {
        let theirs = pending_read(&other);
        (other.cancel_own(), theirs.is_complete())
    });
    assert_eq!(counted.end(), (1, true));
    assert!(!own.is_complete());
    assert_eq!(server.cancel_own(), 1);
    assert_eq!(own.finish().result, Err(Status::Cancelled));
    client.write(b"for nobody").unwrap();
    assert_eq!(text(&server), "for nobody");
}

/// semantics 127, 230: dropping an operation cancels it, and takes nothing.
#[test]
fn dropping_cancels() {
    let place = Place::new();
    let server = place.messages().out_buffer_size(1).create(NAME).unwrap();
    let client = place.message_client();
    drop(pending_read(&server));
    client.write(b"kept").unwrap();
    assert_eq!(text(&server), "kept");
    drop(server.start_write("taken back").unwrap());
    assert_eq!(client.peek(&mut []).unwrap().total, 0);
    // One that is complete, though nobody has looked, takes what it was served.
    let served = pending_read(&server);
    client.write(b"served").unwrap();
    client.write(b"next").unwrap();
    assert!(served.is_complete());
    drop(served);
    assert_eq!(text(&server), "next");
}

/// semantics 211: a detached operation goes on.
#[test]
fn a_detached_operation_goes_on() {
    let place = Place::new();
    let server = place.messages().out_buffer_size(1).create(NAME).unwrap();
    let client = place.message_client();
    server.start_write("goes on").unwrap().detach();
    assert_eq!(text(&client), "goes on");
    pending_read(&server).detach();
    client.write(b"read by it").unwrap();
    client.write(b"next").unwrap();
    until(|| (server.peek(&mut []).unwrap().total == 4).then_some(()));
    assert_eq!(text(&server), "next");
}

/// semantics 233: operations end with the thread that started them.
#[test]
fn operations_end_with_their_thread() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let theirs = std::thread::scope(|scope| scope.spawn(|| pending_read(&server)).join().unwrap());
    assert_eq!(finish(theirs).result, Err(Status::Cancelled));
    let held = Arc::new(());
    let of_routine = held.clone();
    std::thread::scope(|scope| {
        let routine = move |_| unreachable!("its thread is gone: {of_routine:?}");
        let with_routine = || server.read_then(vec![0; 8], routine);
        scope.spawn(with_routine).join().unwrap().unwrap();
    });
    assert_eq!(Arc::strong_count(&held), 1, "the routine goes with its thread");
    client.write(b"for nobody").unwrap();
    assert_eq!(text(&server), "for nobody");
}

/// semantics 127, 230: an operation that is dropped has its memory until it has ended: what is allocated meanwhile stays as it is.
#[test]
fn memory_of_dropped_operations_is_nobody_elses() {
    const ROUNDS: usize = 2_000;
    const BYTES: usize = 300;
    let place = Place::new();
    let (server, client) = place.byte_pair();
    std::thread::scope(|scope| {
        for end in [&*server, &*client] {
            scope.spawn(move || {
                let mut fresh = std::collections::VecDeque::new();
                for round in 0..ROUNDS {
                    drop(end.start_read(vec![0; BYTES]).unwrap());
                    drop(end.start_write(vec![0; BYTES]).unwrap());
                    fresh.push_back(vec![0xAA_u8; BYTES]);
                    if round >= 8 {
                        let oldest: Vec<u8> = fresh.pop_front().unwrap();
                        assert!(oldest.iter().all(|byte| *byte == 0xAA), "it was written to");
                    }
                }
            });
        }
    });
}

/// semantics 79, 192: an end may go while another thread waits for operations on it, in either order.
#[test]
fn an_end_goes_under_operations() {
    for round in 0..100 {
        let place = Place::new();
        let server = place.messages().in_buffer_size(1).out_buffer_size(1).create(NAME);
        let (server, client) = (server.unwrap(), place.message_client());
        let start = |end: &npipe::PipeStream| match round % 2 {
            0 => pending_read(end),
            _ => end.start_write("waits").unwrap(),
        };
        let operations = [start(&server), start(&client), start(&client), start(&server)];
        std::thread::scope(|scope| {
            scope.spawn(|| drop(server));
            scope.spawn(|| drop(client));
            for operation in operations {
                assert_eq!(finish(operation).result, Err(Status::PipeBroken));
            }
        });
    }
}

/// semantics 228, 231: where all are meant, too, one that is complete, was cancelled or never started is none.
#[test]
fn nothing_is_left_to_cancel() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let nothing_left = || error(server.cancel()) == "ERROR_NOT_FOUND";
    assert!(nothing_left());
    assert_eq!(error(server.start_read(vec![0; 1])), "ERROR_PIPE_LISTENING");
    assert!(nothing_left());
    let connecting = server.start_connect().unwrap();
    server.cancel().unwrap();
    assert!(nothing_left() && connecting.is_complete());
    let client = place.message_client();
    let reading = pending_read(&server);
    client.write(b"served").unwrap();
    assert!(reading.is_complete() && nothing_left());
    drop(pending_read(&server));
    assert!(nothing_left());
    std::thread::scope(|scope| {
        let read = || server.read_then(vec![0; 8], |_| unreachable!("its thread is gone"));
        scope.spawn(read).join().unwrap().unwrap();
    });
    assert!(nothing_left());
}
