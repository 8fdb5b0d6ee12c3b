//! Holders that die, close or stop at the worst of moments, in one process: a turn that is forgotten never ends.

mod late;
mod leaving;

use std::sync::atomic::Ordering;
use std::time::Duration;

use npipe_core::{Progress, Status, WaitMode};
use npipe_shm::layout::Side;
use npipe_shm::memory::Memory;
use npipe_shm::object::{Half, Seen};

use crate::end::link::Wish;
use crate::{ClientOptions, PipeClient, PipeMode, PipeServer, ServerOptions};

/// Against hanging only.
const PATIENCE: Duration = Duration::from_secs(60);

const NAME: &str = r"\\.\pipe\test";

fn options(root: &std::path::Path) -> ServerOptions {
    let mut options = ServerOptions::new();
    options.root(root).pipe_mode(PipeMode::Message);
    options
}

fn server(root: &std::path::Path) -> PipeServer {
    options(root).create(NAME).expect("the name is free")
}

/// A server, and two holders of its client's end, of which the second is about to die.
fn holders(root: &std::path::Path) -> (PipeServer, PipeClient, PipeClient) {
    holders_with_quota(root, 4096)
}

/// The same, where so many bytes of the client's can be unread.
fn holders_with_quota(root: &std::path::Path, bytes: u32) -> (PipeServer, PipeClient, PipeClient) {
    let server = options(root).in_buffer_size(bytes).create(NAME);
    let server = server.expect("the name is free");
    let mut options = ClientOptions::new();
    options.root(root).pipe_mode(PipeMode::Message).shareable(true);
    let client = options.open(NAME).expect("it listens");
    let raw = client.try_clone().and_then(PipeClient::into_raw).expect("shareable");
    (server, client, PipeClient::from_raw(raw).expect("an end"))
}

/// How others see a holder.
fn seen(holder: &PipeClient) -> Seen {
    let link = holder.end.link().expect("it is connected");
    link.object().expect("it is shared").seen()
}

/// Of three messages it reads two, and dies in the middle of its turn.
fn dies_reading(server: &PipeServer, dead: &PipeClient) -> Seen {
    // One that is pending leaves marks in the lane when it is read.
    server.write(b"message").expect("there is room");
    for _ in 0..2 {
        server.write(b"").expect("empty messages need none");
    }
    let seen = seen(dead);
    let mut turn = dead.end.reading().expect("nobody else has it");
    for _ in 0..2 {
        assert!(matches!(turn.read(&mut [0; 16]), Ok(Progress::Done(_))));
    }
    std::mem::forget(turn);
    seen
}

/// A process is killed when it has read a message and nobody knows yet: another reads it, and need not wait.
///
/// semantics 101, 190
#[test]
fn what_was_read_in_a_turn_that_never_ended_is_read_again() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, dead) = holders(root.path());
    let seen = dies_reading(&server, &dead);
    let link = client.end.link().expect("it is connected");
    let waiting = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut buffer = [0; 16];
            let lengths = [0; 3].map(|_| client.read(&mut buffer).expect("three messages"));
            (lengths, client.peek(&mut []).expect("it is open").total)
        });
        client.end.0.holder_gone(&link, &seen);
        reading.join().expect("no panic")
    });
    assert_eq!(waiting, ([7, 0, 0], 0));
    server.flush().expect("all was read");
    std::mem::forget(dead);
}

/// The same for one that writes: nothing of it is seen, and what others write comes in its place.
///
/// semantics 128, 129
#[test]
fn what_was_written_in_a_turn_that_never_ended_was_not() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, dead) = holders(root.path());
    client.write(b"before").expect("there is room");
    let seen = seen(&dead);
    let link = client.end.link().expect("it is connected");
    let mut turn = dead.end.writing().expect("nobody else has it");
    for data in [b"unheard".as_slice(), b"", &[0; 100_000]] {
        turn.write(data, WaitMode::Wait).expect("somebody reads");
    }
    std::mem::forget(turn);
    client.end.0.holder_gone(&link, &seen);
    client.write(b"after").expect("there is room");
    let mut buffer = [0; 16];
    let lengths = [0; 2].map(|_| server.read(&mut buffer).expect("two messages"));
    assert_eq!((lengths, server.peek(&mut []).expect("it is open").total), ([6, 5], 0));
    client.flush().expect("all was read");
    std::mem::forget(dead);
}

/// A process that stops in its turn holds nobody up for ever.
///
/// semantics 230
#[test]
fn a_turn_that_does_not_end_is_a_time_out() {
    let root = tempfile::tempdir().expect("a directory");
    let (_server, client, stopped) = holders(root.path());
    let turn = stopped.end.reading().expect("nobody else has it");
    let error = client.read(&mut [0]).expect_err("it waits in vain");
    assert_eq!(error.status().win32_name(), "ERROR_SEM_TIMEOUT");
    drop(turn);
    client.set_read_timeout(Some(std::time::Duration::from_millis(1)));
    assert!(client.read(&mut [0]).is_err(), "there is nothing to read");
}

/// One more holder.
fn another(client: &PipeClient) -> PipeClient {
    let raw = client.try_clone().and_then(PipeClient::into_raw).expect("shareable");
    PipeClient::from_raw(raw).expect("an end")
}

fn until(mut happens: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !happens() {
        assert!(begun.elapsed() < PATIENCE, "it does not happen");
        std::thread::yield_now();
    }
}

/// One holder dies while its read waits, and the next in the turn in which it has heard of that.
///
/// semantics 219, 230
#[test]
fn a_dead_one_is_not_forgotten_before_that_is_safe() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, dead) = holders(root.path());
    let heir = another(&client);
    let (seen_dead, seen_heir) = (seen(&dead), seen(&heir));
    let link = client.end.link().expect("it is connected");
    let mut turn = dead.end.reading().expect("nobody else has it");
    assert!(matches!(turn.read(&mut [0; 16]), Ok(Progress::Pending(_))));
    drop(turn);
    link.object().expect("it is shared").lose(&seen_dead);
    std::mem::forget(heir.end.reading().expect("nobody else has it"));
    client.end.0.holder_gone(&link, &seen_heir);
    client.set_read_timeout(Some(PATIENCE));
    server.write(b"hello").expect("there is room");
    assert_eq!(client.read(&mut [0; 16]).expect("nobody is before us"), 5);
    std::mem::forget((dead, heir));
}

/// A close under a call that sleeps takes its sleeper from the count once.
///
/// semantics 190, 192
#[test]
fn a_close_leaves_the_sleepers_of_others() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, other) = holders(root.path());
    let sleepers = || sleepers(&client);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| other.read(&mut [0; 16]));
        until(|| sleepers() != 0);
        other.close();
        blocked.join().expect("no panic").expect_err("its end is closed");
    });
    assert_eq!(sleepers(), 0);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| client.read(&mut [0; 16]));
        until(|| sleepers() != 0);
        server.write(b"x").expect("there is room");
        assert_eq!(reading.join().expect("no panic").expect("it is woken"), 1);
    });
    assert_eq!(sleepers(), 0);
}

/// A thread that looks after its own operations does not keep those of other holders from being told.
///
/// semantics 219, 246
#[test]
fn a_thread_that_waits_leaves_the_delegate_to_others() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, other) = holders(root.path());
    let port = crate::overlapped::CompletionPort::new();
    port.associate(&client, 1).expect("once");
    for _ in 0..50 {
        let first = other.start_read(vec![0; 16]).expect("it waits");
        assert!(client.queue_read(vec![0; 16], 5).expect("it waits").is_none());
        std::thread::scope(|scope| {
            let got = scope.spawn(|| port.get(Some(Duration::from_secs(60))));
            server.write(b"1").expect("there is room");
            server.write(b"22").expect("there is room");
            let packet = got.join().expect("no panic").expect("the second message comes");
            assert_eq!(packet.completed.data(), b"22");
        });
        assert_eq!(first.finish().data(), b"1");
    }
}

/// Bytes of a retracted part, taken by one that died in its turn, are counted by the first who inherits, and by no other.
///
/// semantics 127, 163
#[test]
fn what_a_dead_one_took_of_a_retracted_write_is_counted_once() {
    let root = tempfile::tempdir().expect("a directory");
    let server = options(root.path()).out_buffer_size(0).create(NAME);
    let server = server.expect("the name is free");
    let mut options = ClientOptions::new();
    options.root(root.path()).pipe_mode(PipeMode::Message).shareable(true);
    let client = options.open(NAME).expect("it listens");
    let (dead, heir) = (another(&client), another(&client));
    let (seen_dead, seen_heir) = (seen(&dead), seen(&heir));
    let link = client.end.link().expect("it is connected");
    let writing = server.start_write("message").expect("it waits");
    let mut turn = dead.end.reading().expect("nobody else has it");
    assert!(matches!(turn.read(&mut [0; 3]), Ok(Progress::Done(_))));
    std::mem::forget(turn);
    writing.cancel().expect("it waits");
    let counts = || {
        let taken = &link.control().end(Side::Client).reader.0.taken;
        let queued = &link.control().end(Side::Server).writer.0.queued;
        [taken, queued].map(|word| word.load(Ordering::SeqCst))
    };
    client.end.0.holder_gone(&link, &seen_dead);
    assert_eq!(counts(), [3, 3]);
    std::mem::forget(heir.end.reading().expect("nobody else has it"));
    client.end.0.holder_gone(&link, &seen_heir);
    assert_eq!(counts(), [3, 3]);
    std::mem::forget((dead, heir));
}

/// How many threads sleep at the client's end, as its peer sees it.
fn sleepers(client: &PipeClient) -> u32 {
    let link = client.end.link().expect("it is connected");
    let words = &link.control().end(Side::Client).attention.0;
    words.sleepers.load(Ordering::SeqCst)
}

/// A process is killed while a thread of it sleeps, in a call or for operations.
///
/// semantics 190
#[test]
fn the_sleepers_of_a_dead_one_are_not_counted() {
    let root = tempfile::tempdir().expect("a directory");
    let (_server, client, dead) = holders(root.path());
    let link = client.end.link().expect("it is connected");
    std::mem::forget(dead.end.link().expect("it is connected").announce(Wish::Both));
    assert_ne!(sleepers(&client), 0);
    client.end.0.holder_gone(&link, &seen(&dead));
    assert_eq!(sleepers(&client), 0);
    std::mem::forget(dead);
}

/// One holder inherits a turn and can make nothing of it; the next one inherits it from the dead all the same.
///
/// semantics 101, 190
#[test]
fn a_turn_of_which_nothing_could_be_made_is_inherited_by_the_next() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, dead) = holders(root.path());
    let spoiler = another(&client);
    let object = spoiler.end.link().and_then(|link| link.object().cloned());
    let object = object.expect("it is shared");
    let (_, whole) = object.news(Half::Reading).expect("it has not looked yet");
    // It knows its nonsense, and would go on from there.
    let held = crate::end::locked(&spoiler.end.reading);
    let seen = dies_reading(&server, &dead);
    let link = client.end.link().expect("it is connected");
    let mut buffer = [0; 16];
    assert!(object.store(Half::Reading, b""));
    client.end.0.holder_gone(&link, &seen);
    assert_eq!(client.end.reading().map(drop).err(), Some(Status::InvalidHandle));
    assert!(object.store(Half::Reading, &whole));
    client.set_read_timeout(Some(PATIENCE));
    let lengths = [0; 3].map(|_| client.read(&mut buffer).expect("three messages"));
    assert_eq!(
        (lengths, client.peek(&mut []).expect("it is open").total),
        ([7, 0, 0], 0)
    );
    drop(held);
    std::mem::forget(dead);
}

/// What is left of a half makes no sense: operations that wait for it end when they are looked at, as calls do.
///
/// semantics 190, 219
#[test]
fn operations_of_an_end_that_is_spoilt_end() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, other) = holders_with_quota(root.path(), 4);
    let reading = client.start_read(vec![0; 16]).expect("it waits");
    let writing = client.start_write("too much").expect("it waits");
    let link = other.end.link().expect("it is connected");
    for half in Half::BOTH {
        // Only in its turn is an image stored.
        match half {
            Half::Reading => std::mem::forget(other.end.reading().expect("nobody else has it")),
            Half::Writing => std::mem::forget(other.end.writing().expect("nobody else has it")),
        }
        let object = link.object().expect("it is shared");
        assert!(object.store(half, b""));
        object.pass_turn(half);
    }
    server.write(b"x").expect("there is room");
    for operation in [reading, writing] {
        let ended = operation.finish().result.expect_err("nothing can be made of it");
        assert_eq!(ended.win32_name(), "ERROR_INVALID_HANDLE");
    }
    std::mem::forget(other);
}

/// As many calls may wait as fit into a few megabytes.
///
/// semantics 219
#[test]
fn very_many_calls_can_wait() {
    let root = tempfile::tempdir().expect("a directory");
    let (server, client, other) = holders(root.path());
    let mut turn = client.end.reading().expect("nobody else has it");
    for _ in 0..150_000 {
        turn.expect(64);
    }
    drop(turn);
    server.write(b"x").expect("it is open");
    assert_eq!(other.peek(&mut []).expect("it is open").total, 1);
}
