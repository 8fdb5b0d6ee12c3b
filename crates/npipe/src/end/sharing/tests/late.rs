//! Calls that end while another holder has stopped in its turn, so that nothing can be done about them: they are ended once it
//! goes on, and hold nobody up, though nobody of their process looks after them any more.

use std::sync::Mutex;
use std::time::Duration;

use npipe_core::Progress;

use super::{PATIENCE, another, holders, holders_with_quota, until};
use crate::end::turn::{Entered, Portable};
use crate::{Error, PipeClient, PipeServer};

/// Longer than a call needs to begin, shorter than a process has its turn.
const SOON: Duration = Duration::from_millis(100);

/// Has a call's time pass while another holder has a half to itself in which the call waits.
#[track_caller]
fn end_late<H: Portable, T: Send + std::fmt::Debug>(
    half: &Mutex<H>,
    mut waits: impl FnMut(&mut H) -> bool,
    call: impl Fn() -> crate::Result<T> + Sync,
) -> Error {
    loop {
        let (result, was_held) = std::thread::scope(|scope| {
            let calling = scope.spawn(&call);
            let mut turn = Entered::enter(half).expect("nobody has it for long");
            while !waits(&mut turn) && !calling.is_finished() {
                drop(turn);
                std::thread::yield_now();
                turn = Entered::enter(half).expect("nobody has it for long");
            }
            let was_held = !calling.is_finished();
            (calling.join().expect("no panic"), was_held)
        });
        let error = result.expect_err("its time has passed");
        assert_eq!(error.status().win32_name(), "ERROR_SEM_TIMEOUT");
        // Else it was over before we could stop in our turn.
        if was_held {
            return error;
        }
    }
}

fn unread(server: &PipeServer) -> usize {
    server.peek(&mut []).expect("it is open").total
}

/// Nobody reads before `next`.
#[track_caller]
fn reads_next(server: &PipeServer, next: &PipeClient) {
    next.set_read_timeout(Some(PATIENCE));
    server.write(b"x").expect("there is room");
    assert_eq!(next.read(&mut [0; 16]).expect("nobody is before it"), 1);
}

/// semantics 127, 219
#[test]
fn a_read() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, stopped) = holders(root.path());
    client.set_read_timeout(Some(SOON));
    end_late(
        &stopped.end.reading,
        |half| !half.is_idle(),
        || client.read(&mut [0; 16]),
    );
    reads_next(&server, &stopped);
}

/// semantics 127, 219
#[test]
fn a_write() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, stopped) = holders_with_quota(root.path(), 4);
    client.set_write_timeout(Some(SOON));
    end_late(
        &stopped.end.writing,
        |half| !half.is_idle(),
        || client.write(b"too much"),
    );
    until(|| unread(&server) == 0);
}

/// semantics 163
#[test]
fn a_flush() {
    let root = tempfile::tempdir().expect("a directory");
    let (_server, client, stopped) = holders(root.path());
    client.write(b"unread").expect("there is room");
    client.set_write_timeout(Some(SOON));
    let known = || {
        stopped
            .end
            .writing()
            .expect("nobody has it")
            .save()
            .expect("bytes")
            .len()
    };
    let before = known();
    end_late(
        &stopped.end.writing,
        |half| half.save().expect("bytes").len() != before,
        || client.flush(),
    );
    until(|| known() == before);
}

/// A request that is larger than the pipe.
fn request() -> Vec<u8> {
    vec![7; 8 << 20]
}

/// semantics 127, 158
#[test]
fn a_transaction() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, stopped) = holders(root.path());
    client.set_read_timeout(Some(SOON));
    end_late(
        &stopped.end.writing,
        |half| !half.is_idle(),
        || client.transact(&request(), &mut [0; 16]),
    );
    // What lies in the pipe by then stays there.
    until(|| stopped.end.writing().is_ok_and(|half| half.is_idle()));
    reads_next(&server, &stopped);
}

/// semantics 228, 231
#[test]
fn an_operation_that_reads() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, stopped) = holders(root.path());
    let operation = client.start_read(vec![0; 16]).expect("it waits");
    let turn = stopped.end.reading().expect("nobody else has it");
    operation.cancel().expect("it waits");
    drop(turn);
    reads_next(&server, &stopped);
}

/// semantics 228, 231
#[test]
fn an_operation_that_writes() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, stopped) = holders_with_quota(root.path(), 4);
    let operation = client.start_write("too much").expect("it waits");
    assert_eq!(unread(&server), 8);
    let turn = stopped.end.writing().expect("nobody else has it");
    operation.cancel().expect("it waits");
    drop(turn);
    until(|| unread(&server) == 0);
}

/// semantics 158, 228
#[test]
fn an_operation_that_transacts() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, stopped) = holders(root.path());
    let operation = client.start_transact(request(), vec![0; 16]).expect("it waits");
    assert_ne!(unread(&server), 0);
    let turn = stopped.end.writing().expect("nobody else has it");
    operation.cancel().expect("it waits");
    drop(turn);
    // What lies in the pipe by then stays there.
    until(|| stopped.end.writing().is_ok_and(|half| half.is_idle()));
    reads_next(&server, &stopped);
}

/// The thread that answers while others are elsewhere does not wait for one who has stopped as long as they do: others are
/// served before their patience is at its end.
///
/// semantics 45, 230
#[test]
fn the_background_thread_is_held_up_by_nobody() {
    let root = tempfile::tempdir().expect("a directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (_server, client, stopped) = holders(root.path());
    let patient = another(&client);
    let operation = client.start_read(vec![0; 16]).expect("it waits");
    // Under load the patience may be at its end before anybody is served; but not again and again.
    let served_first = || {
        let turn = stopped.end.reading().expect("nobody else has it");
        let served_first = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| patient.end.reading().map(drop));
            let object = client.end.link().and_then(|link| link.object().cloned());
            until(|| object.as_ref().expect("it is shared").is_awaited());
            object.expect("it is shared").stir();
            let (other, mut options) = (super::server(elsewhere.path()), crate::ClientOptions::new());
            let other_client = options.root(elsewhere.path()).open(super::NAME);
            let served_first = !waiting.is_finished();
            drop((other_client.expect("it listens"), other));
            let _ = waiting.join().expect("no panic");
            served_first
        });
        drop(turn);
        served_first
    };
    assert!((0..20).any(|_| served_first()));
    operation.cancel().expect("it waits");
    assert!(matches!(
        client.end.reading().expect("nobody has it").read(&mut [0]),
        Ok(Progress::Pending(_))
    ));
}
