//! Who makes progress: threads that wait, and the library's own thread for what nobody waits on.

use std::time::Duration;

use npipe::Status;
use npipe::overlapped::{CompletionPort, Woken, sleep_alertable};

use crate::{NAME, PATIENCE, Place, call, finish, outcome, pending_read, text, whole};

/// semantics 71, 122, 214: nobody waits, and it completes all the same: what the peer sees says so.
#[test]
fn what_nobody_waits_on_completes() {
    let place = Place::new();
    let server = place
        .messages()
        .in_buffer_size(4)
        .out_buffer_size(4)
        .create(NAME)
        .unwrap();
    let client = place.message_client();
    // A read that takes what does not fit the quota.
    pending_read(&server).detach();
    client.set_write_timeout(Some(PATIENCE));
    client.write(b"more than four").unwrap();
    client.flush().unwrap();
    // A write that is let go by reading, and behind it another one that was not even placed.
    let large = vec![b'x'; 300_000];
    server.start_write(large.clone()).unwrap().detach();
    server.start_write("and on").unwrap().detach();
    client.set_read_timeout(Some(PATIENCE));
    let mut into = vec![0; large.len()];
    assert_eq!(client.read(&mut into).unwrap(), large.len());
    assert_eq!(text(&client), "and on");
}

/// semantics 216, 244: a thread that sleeps is woken, whether it waits for one operation, for routines, or at a port.
#[test]
fn sleeping_threads_are_woken() {
    for _ in 0..20 {
        let place = Place::new();
        let (server, client) = place.message_pair();
        let server = std::sync::Arc::new(server);
        let waiting = {
            let server = server.clone();
            call(move || outcome(finish(server.start_read(vec![0; 16]).unwrap())))
        };
        let waiting = waiting.blocked();
        client.write(b"one").unwrap();
        assert_eq!(waiting.end(), whole("one"));

        let waiting = {
            let server = server.clone();
            let (tell, told) = std::sync::mpsc::channel();
            let routine = move |completed| tell.send(outcome(completed)).unwrap();
            call(move || {
                server.read_then(vec![0; 16], routine).unwrap();
                (sleep_alertable(Some(PATIENCE)), told.recv())
            })
        };
        let waiting = waiting.blocked();
        client.write(b"two").unwrap();
        assert_eq!(waiting.end(), (Woken::Completions, Ok(whole("two"))));

        let port = CompletionPort::new();
        port.associate(&server, 1).unwrap();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let port = port.clone();
                call(move || port.get(Some(PATIENCE)).map(|packet| outcome(packet.completed))).blocked()
            })
            .collect();
        server.queue_read(vec![0; 16], 1).unwrap();
        server.queue_read(vec![0; 16], 1).unwrap();
        client.write(b"three").unwrap();
        client.write(b"three").unwrap();
        for thread in threads {
            assert_eq!(thread.end(), Some(whole("three")));
        }
    }
}

/// semantics 216: the peer's death, a disconnect and a cancellation wake whoever waits.
#[test]
fn what_ends_an_operation_wakes_who_waits_for_it() {
    type End = fn(&npipe::PipeServer, &mut Option<npipe::PipeClient>);
    let ends: [(End, Status); 3] = [
        (|_, client| drop(client.take()), Status::PipeBroken),
        (|server, _| server.disconnect().unwrap(), Status::PipeDisconnected),
        (|server, _| server.cancel().unwrap(), Status::Cancelled),
    ];
    for (end, status) in ends {
        let place = Place::new();
        let (server, client) = place.byte_pair();
        let mut client = Some(client);
        let other = server.try_clone().unwrap();
        let waiting = call(move || finish(other.start_read(vec![0; 8]).unwrap()).result).blocked();
        end(&server, &mut client);
        assert_eq!(waiting.end(), Err(status));
    }
}

/// semantics 246, 252: more connections than a thread attends itself, and so few that it does, by turns.
#[test]
fn a_port_of_many_connections() {
    const CLIENTS: usize = 100;
    let place = Place::new();
    let port = CompletionPort::new();
    let servers: Vec<_> = (0..CLIENTS).map(|_| place.messages().create(NAME).unwrap()).collect();
    let clients: Vec<_> = servers.iter().map(|_| place.message_client()).collect();
    for (key, server) in servers.iter().enumerate() {
        port.associate(server, key).unwrap();
    }
    for count in [1, 31, 32, 33, CLIENTS, 8] {
        for server in &servers[..count] {
            assert!(server.queue_read(vec![0; 16], count).unwrap().is_none());
        }
        let collecting = {
            let port = port.clone();
            call(move || {
                let packets = (0..count).map(|_| port.get(Some(PATIENCE)).expect("a packet comes"));
                let mut keys: Vec<_> = packets.map(|packet| (packet.key, outcome(packet.completed))).collect();
                keys.sort();
                keys
            })
        };
        for (key, client) in clients[..count].iter().enumerate() {
            client.write(format!("from {key}").as_bytes()).unwrap();
        }
        let expected: Vec<_> = (0..count).map(|key| (key, whole(&format!("from {key}")))).collect();
        assert_eq!(collecting.end(), expected);
    }
    assert!(port.get(Some(Duration::ZERO)).is_none());
}

/// semantics 163, 166: a flush waits whatever else is pending.
#[test]
fn a_flush_waits_beside_operations() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let reading = pending_read(&client);
    client.write(b"unread").unwrap();
    let flushing = {
        let client = client.try_clone().unwrap();
        call(move || client.flush()).blocked()
    };
    assert_eq!(text(&server), "unread");
    flushing.end().unwrap();
    assert!(!reading.is_complete());
}

/// semantics 211, 220: two threads at each end, one with operations and one with calls that block, for a while.
#[test]
fn operations_and_blocking_calls_at_once() {
    const ROUNDS: u32 = 3_000;
    let place = Place::new();
    let server = place
        .messages()
        .in_buffer_size(64)
        .out_buffer_size(64)
        .create(NAME)
        .unwrap();
    let client = place.message_client();
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    std::thread::scope(|scope| {
        // The server's operations echo; the client writes and reads on threads of their own.
        scope.spawn(|| {
            let mut writes = std::collections::VecDeque::new();
            let mut reads: std::collections::VecDeque<_> =
                (0..4).map(|_| server.start_read(vec![0; 4]).unwrap()).collect();
            for round in 0..ROUNDS {
                let read = finish(reads.pop_front().unwrap());
                assert_eq!(number(read.data()), round);
                writes.push_back(server.start_write(read.data()).unwrap());
                if writes.len() > 8 {
                    finish(writes.pop_front().unwrap()).result.unwrap();
                }
                reads.push_back(server.start_read(read.buffer).unwrap());
            }
            for write in writes {
                finish(write).result.unwrap();
            }
        });
        scope.spawn(|| {
            for round in 0..ROUNDS {
                client.write(&round.to_le_bytes()).unwrap();
            }
        });
        scope.spawn(|| {
            let mut into = [0; 4];
            for round in 0..ROUNDS {
                assert_eq!(client.read(&mut into).unwrap(), 4);
                assert_eq!(number(&into), round);
            }
        });
    });
}
