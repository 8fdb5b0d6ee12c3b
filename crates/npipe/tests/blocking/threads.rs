//! Many threads on one end.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

#[cfg(unix)]
use npipe::PipeStream;
use npipe::{PipeClient, PipeMode};

#[cfg(unix)]
use crate::support::Call;
use crate::{NAME, Place, call, error, text};

/// semantics 99, 124, 219: messages of many writers reach many readers whole, each once, each writer's in order.
#[test]
fn many_writers_and_many_readers() {
    const THREADS: usize = 4;
    const MESSAGES: usize = 2000;
    let place = Place::new();
    let server = place.messages().in_buffer_size(500).create(NAME).unwrap();
    let client = place.message_client();
    let received = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        for writer in 0..THREADS {
            let client = &client;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let text = format!("{writer} {number} {}", "x".repeat(number % 50));
                    assert_eq!(client.write(text.as_bytes()).unwrap(), text.len());
                }
            });
        }
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..MESSAGES {
                    let message = text(&server);
                    let mut words = message.split(' ');
                    let mut number = || words.next().unwrap().parse::<usize>().unwrap();
                    let (writer, number) = (number(), number());
                    assert_eq!(words.next().unwrap().len(), number % 50);
                    assert!(received.lock().unwrap().insert((writer, number), ()).is_none(), "once");
                }
            });
        }
    });
    assert_eq!(received.into_inner().unwrap().len(), THREADS * MESSAGES);
    client.flush().unwrap();
}

/// semantics 91, 124: one reader sees each writer's bytes in their order.
#[test]
fn a_reader_sees_the_order_of_each_writer() {
    const MESSAGES: u32 = 5000;
    let place = Place::new();
    let server = place.messages().in_buffer_size(64).create(NAME).unwrap();
    let client = place.message_client();
    std::thread::scope(|scope| {
        for writer in 0..3_u32 {
            let client = &client;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    client
                        .write(&[writer.to_ne_bytes(), number.to_ne_bytes()].concat())
                        .unwrap();
                }
            });
        }
        let mut next = [0_u32; 3];
        for _ in 0..3 * MESSAGES {
            let mut message = [0; 8];
            assert_eq!(server.read(&mut message).unwrap(), 8);
            let word = |at: usize| u32::from_ne_bytes(message[at..at + 4].try_into().unwrap());
            assert_eq!(word(4), next[word(0) as usize]);
            next[word(0) as usize] += 1;
        }
    });
}

/// semantics 96, 219: reads that wait are served in the order in which they came, beyond 16 of them too.
#[test]
fn waiting_reads_form_a_queue() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let reads: Vec<_> = (0..20)
        .map(|_| {
            let server = server.try_clone().unwrap();
            call(move || text(&server)).blocked()
        })
        .collect();
    for number in 0..20 {
        client.write(number.to_string().as_bytes()).unwrap();
    }
    for (number, read) in reads.into_iter().enumerate() {
        assert_eq!(read.end(), number.to_string());
    }
}

/// semantics 97, 220: calls on one end do not wait for each other, unlike those on a synchronous handle of Windows.
#[test]
fn directions_do_not_block_each_other() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let reader = client.try_clone().unwrap();
    let reading = call(move || text(&reader)).blocked();
    client.write(b"request").unwrap();
    assert_eq!(client.peek(&mut [0]).unwrap().total, 0);
    assert_eq!(text(&server), "request");
    reading.waits();
    client.flush().unwrap();
    server.write(b"reply").unwrap();
    assert_eq!(reading.end(), "reply");
}

/// semantics 190, 205: handles are dropped by one thread while others use theirs.
#[test]
fn handles_come_and_go() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    client.try_clone().unwrap().write(b"x").unwrap();
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    assert_eq!(server.try_clone().unwrap().read(&mut [0]).unwrap(), 1);
                }
            });
        }
    });
    assert!(server.is_connected() && client.is_connected());
    drop(client);
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 138, 172, 181, 228: whatever threads do to one end at once, each call ends by the rules.
#[test]
fn everything_at_once() {
    let place = Place::new();
    let server = place
        .messages()
        .in_buffer_size(20)
        .out_buffer_size(20)
        .create(NAME)
        .unwrap();
    let open = || -> Option<PipeClient> {
        place
            .client()
            .connect_timeout(Duration::from_millis(20))
            .open(NAME)
            .ok()
    };
    server.set_read_timeout(Some(Duration::from_millis(5)));
    server.set_write_timeout(Some(Duration::from_millis(5)));
    let rounds = || 0..300_usize;
    std::thread::scope(|scope| {
        scope.spawn(|| rounds().for_each(|_| drop(server.read(&mut [0; 100]))));
        scope.spawn(|| rounds().for_each(|_| drop(server.write(&[7; 15]))));
        scope.spawn(|| rounds().for_each(|_| drop(server.transact(b"request", &mut [0; 10]))));
        scope.spawn(|| rounds().for_each(|_| drop((server.peek(&mut [0; 10]), server.flush()))));
        scope.spawn(|| rounds().for_each(|round| drop(server.set_state(PipeMode::Message, round % 2 == 0))));
        scope.spawn(|| rounds().for_each(|_| drop(server.cancel())));
        scope.spawn(|| {
            for _ in 0..50 {
                let _ = server.disconnect();
                let _ = server.set_state(PipeMode::Message, true);
                let _ = server.connect();
            }
        });
        scope.spawn(|| {
            for _ in 0..50 {
                let Some(client) = open() else { continue };
                client.set_read_timeout(Some(Duration::from_millis(1)));
                client.set_write_timeout(Some(Duration::from_millis(1)));
                for _ in 0..10 {
                    let _ = client.write(&[9; 15]);
                    let _ = client.read(&mut [0; 100]);
                }
            }
        });
    });
    // And it is as good as new afterwards.
    let _ = server.disconnect();
    server.set_state(PipeMode::Message, false).unwrap();
    crate::support::relisten(&server);
    let client = place.message_client();
    client.write(b"sane").unwrap();
    assert_eq!(text(&server), "sane");
}

/// semantics 92, 120, 163: calls that wait at both ends leave each other in peace.
#[cfg(unix)]
#[test]
fn waiting_costs_nothing() {
    let place = Place::new();
    let act = |end: &PipeStream, kind: usize| match kind {
        0 => end.read(&mut [0]),
        1 => end.write(b"long"),
        _ => end.flush().map(|()| 0),
    };
    for kinds in [[0, 0], [1, 1], [0, 1], [1, 2]] {
        let server = place.bytes().in_buffer_size(1).out_buffer_size(1).create(NAME).unwrap();
        let client = place.open();
        let mut calls = Vec::new();
        for kind in kinds {
            let (server, client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            calls.push(call(move || drop(act(&server, kind))).blocked());
            calls.push(call(move || drop(act(&client, kind))).blocked());
        }
        let total = || calls.iter().map(Call::naps).sum::<u64>();
        let before = total();
        // Time for them to wake each other, if that is what they do.
        for _ in 0..200 {
            drop(place.bytes().create(r"\\.\pipe\other").unwrap());
        }
        let more = total() - before;
        assert!(more < 100, "{kinds:?}: they went to sleep {more} times");
        server.disconnect().unwrap();
        calls.into_iter().for_each(Call::end);
    }
}
