//! The engine for those who wait in their own way: calls that never wait, and what tells when they are worth another try.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use npipe::overlapped::engine::{self, Attendant, Bell, Flush, Outlook, Wish};
use npipe::{PipeMode, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::support::{NAME, PATIENCE, Place, until};

/// Counts how often it is told.
#[derive(Default)]
struct Counter(AtomicU32);

impl Attendant for Counter {
    fn rung(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counter {
    fn of(stream: &npipe::PipeStream) -> Arc<Counter> {
        let counter = Arc::<Counter>::default();
        let attendant: Arc<dyn Attendant> = counter.clone();
        engine::attend(stream, Arc::downgrade(&attendant));
        counter
    }

    /// Waits until it is told, and forgets that.
    #[track_caller]
    fn is_told(&self) {
        until(|| (self.0.swap(0, Ordering::SeqCst) > 0).then_some(()));
    }
}

fn is_ringing(bell: &Bell) -> bool {
    let mut watched = [PollFd::new(bell, PollFlags::IN)];
    poll(&mut watched, Some(&Timespec::default())).expect("a socket") == 1
}

/// What is ready can be done, what is not leaves nothing behind. semantics 91, 99, 119, 183
#[test]
fn calls_that_never_wait() {
    let place = Place::new();
    let server = place.messages().in_buffer_size(4).create(NAME).unwrap();
    let mut buffer = [0; 8];
    assert!(!engine::is_readable(&server), "nobody is there");
    assert_eq!(
        engine::try_read(&server, &mut buffer, true).unwrap_err(),
        Status::PipeListening
    );
    let client = place.message_client();
    assert_eq!(engine::try_read(&server, &mut buffer, true), Ok(None));
    assert!(!engine::is_readable(&server));
    assert_eq!(engine::try_write(&client, b"four"), Ok(Some(4)));
    assert_eq!(engine::try_write(&client, b"more"), Ok(None), "the quota is full");
    assert_eq!(
        engine::try_write(&client, b""),
        Ok(Some(0)),
        "an empty message never waits"
    );
    for (bytes, more) in [(3, true), (1, false), (0, false)] {
        assert!(engine::is_readable(&server));
        let outcome = engine::try_read(&server, &mut buffer[..3], false).unwrap().unwrap();
        assert_eq!((outcome.bytes, outcome.more), (bytes, more));
    }
    assert!(!engine::is_readable(&server));
    drop(client);
    until(|| engine::is_readable(&server).then_some(()));
    assert_eq!(engine::try_read(&server, &mut buffer, true), Err(Status::PipeBroken));
    assert_eq!(engine::try_write(&server, b"x"), Err(Status::PipeClosing));
}

/// An attendant is told of a client that comes, of what it writes if that was asked for, and of its end.
///
/// semantics 57, 92, 183
#[test]
fn an_attendant_is_told() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let counter = Counter::of(&server);
    assert!(!engine::await_ring(&server, Wish::Data), "nobody is there");
    let client = place.open();
    counter.is_told();
    for _ in 0..3 {
        assert!(engine::await_ring(&server, Wish::Data));
        assert_eq!(engine::try_read(&server, &mut [0], false), Ok(None));
        client.write(b"x").unwrap();
        counter.is_told();
        assert!(engine::try_read(&server, &mut [0], false).unwrap().is_some());
    }
    server.write(b"y").unwrap();
    assert!(engine::await_ring(&server, Wish::Room));
    client.read(&mut [0]).unwrap();
    counter.is_told();
    drop(client);
    counter.is_told();
    assert_eq!(engine::try_read(&server, &mut [0], false), Err(Status::PipeBroken));
}

/// Who has taken a bell hears it alone, and what is pending goes on when it is given back. semantics 92, 119
#[test]
fn a_bell_that_is_taken() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let bell = Bell::of(&server).unwrap();
    assert!(bell.is_of(&server) && !bell.is_of(&client));
    assert!(bell.take());
    for _ in 0..3 {
        engine::await_ring(&server, Wish::Data);
        assert!(!is_ringing(&bell));
        client.write(b"x").unwrap();
        client.write(b"y").unwrap();
        assert!(is_ringing(&bell), "one byte for both");
        assert!(bell.hear(true));
        assert!(!is_ringing(&bell));
        assert_eq!(engine::try_read(&server, &mut [0; 4], false).unwrap().unwrap().bytes, 2);
    }
    let reading = server.start_read(vec![0; 4]).unwrap();
    bell.give_back();
    client.write(b"z").unwrap();
    assert!(reading.wait(Some(PATIENCE)));
    assert_eq!(reading.finish().data(), b"z");
    assert!(bell.take());
    drop(client);
    until(|| (!bell.hear(true)).then_some(()));
    assert_eq!(engine::try_read(&server, &mut [0], false), Err(Status::PipeBroken));
}

/// Bytes that stay unread never fill the socket of a peer that rings when it is called. semantics 92
#[test]
fn most_rings_are_heard_without_a_byte_being_read() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let bell = Bell::of(&server).unwrap();
    assert!(bell.take());
    let mut unread = 0;
    for _ in 0..2_000 {
        engine::await_ring(&server, Wish::Data);
        client.write(b"x").unwrap();
        assert!(bell.hear(false));
        unread += u32::from(is_ringing(&bell));
        assert_eq!(engine::try_read(&server, &mut [0; 4], false).unwrap().unwrap().bytes, 1);
    }
    assert!((1_000..2_000).contains(&unread), "{unread}");
}

/// Whoever looks at an end sees all that its reader would, and nothing before it is there. semantics 92, 183
#[test]
fn an_outlook_shows_what_is_new() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let outlook = Outlook::of(&server).unwrap();
    outlook.expect_look();
    assert!(!outlook.has_changed());
    client.write(b"x").unwrap();
    assert!(outlook.has_changed());
    outlook.expect_read();
    let outlook = Outlook::of(&server).unwrap();
    assert!(!outlook.has_changed(), "it was there before");
    drop(client);
    until(|| outlook.has_changed().then_some(()));
    assert_eq!(engine::try_read(&server, &mut [0; 4], false).unwrap().unwrap().bytes, 1);
    assert_eq!(engine::try_read(&server, &mut [0; 4], false), Err(Status::PipeBroken));
    drop(server);

    let hasty = place.bytes().spin(Duration::ZERO).create(NAME).unwrap();
    assert!(Outlook::of(&hasty).is_none(), "there is no connection");
    let _client = place.open();
    assert!(Outlook::of(&hasty).is_none(), "it may not be looked at");
}

/// semantics 163, 165, 170
#[test]
fn a_flush_in_steps() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    assert!(Flush::begin(&client).unwrap().is_none());
    client.write(b"data").unwrap();
    let flush = Flush::begin(&client).unwrap().unwrap();
    drop(Flush::begin(&client).unwrap().unwrap());
    assert_eq!(flush.poll(), Poll::Pending);
    server.read(&mut [0; 4]).unwrap();
    assert_eq!(flush.poll(), Poll::Ready(Ok(())));
    client.write(b"data").unwrap();
    let flush = Flush::begin(&client).unwrap().unwrap();
    drop(server);
    until(|| flush.poll().is_ready().then_some(()));
}

/// A wait that is asked for and looked at. semantics 82, 84, 86
#[test]
fn a_wait_in_steps() {
    let place = Place::new();
    let namespace = place.namespace();
    let server = place.server(PipeMode::Byte).max_instances(1).create(NAME).unwrap();
    assert!(namespace.begin_wait(NAME, None).unwrap().is_over());
    let client = place.open();
    let mut waiting = namespace.begin_wait(NAME, Some(PATIENCE)).unwrap();
    waiting.look().unwrap();
    assert!(!waiting.is_over() && waiting.deadline().is_some_and(|deadline| deadline > Instant::now()));
    drop(client);
    server.disconnect().unwrap();
    crate::support::relisten(&server);
    until(|| {
        waiting.look().unwrap();
        waiting.is_over().then_some(())
    });
    let _client = place.open();
    // On a busy machine the time has passed by the first look.
    let error = match namespace.begin_wait(NAME, Some(Duration::from_millis(1))) {
        Ok(mut late) => until(|| late.look().err()),
        Err(error) => error,
    };
    assert_eq!(error.status(), Status::IoTimeout);
}

/// An attendant that has gone is told nothing. semantics 57
#[test]
fn an_attendant_that_has_gone() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let gone: Weak<dyn Attendant> = Weak::<Counter>::new();
    engine::attend(&server, gone);
    let client = place.open();
    server.connect().unwrap();
    client.write(b"x").unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 1);
}
