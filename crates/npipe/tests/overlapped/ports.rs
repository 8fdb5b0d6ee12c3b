//! Completion ports.

use std::time::Duration;

use npipe::overlapped::{AlertableThread, CompletionPort, Packet, Waited};
use npipe::{PipeClient, Status};

use crate::support::Call;
use crate::{NAME, PATIENCE, Place, call, error, moved, outcome, text, whole};

const NOW: Option<Duration> = Some(Duration::ZERO);

/// The next packet, with patience.
#[track_caller]
fn next(port: &CompletionPort) -> Packet {
    port.get(Some(PATIENCE)).expect("a packet comes")
}

/// semantics 211, 246: one packet for each operation, complete at once or later.
#[test]
fn every_operation_queues_one_packet() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let port = CompletionPort::default();
    port.associate(&server, 7).unwrap();
    client.write(b"at once").unwrap();
    assert!(server.queue_read(vec![0; 16], 1).unwrap().is_none());
    assert!(server.queue_read(vec![0; 16], 2).unwrap().is_none());
    let packet = next(&port);
    assert_eq!(
        (packet.key, packet.tag, outcome(packet.completed)),
        (7, 1, whole("at once"))
    );
    assert!(port.get(NOW).is_none());
    client.write(b"later").unwrap();
    let packet = next(&port);
    assert_eq!(
        (packet.key, packet.tag, outcome(packet.completed)),
        (7, 2, whole("later"))
    );
    assert!(server.queue_write("out", 3).unwrap().is_none());
    let packet = next(&port);
    assert_eq!((packet.tag, packet.completed.result), (3, moved(3)));
    assert_eq!(text(&client), "out");
    assert!(port.get(NOW).is_none());
}

/// semantics 246: an immediate failure queues none.
#[test]
fn immediate_failures_queue_nothing() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    assert_eq!(
        error(server.queue_read(vec![0; 1], 1)),
        "ERROR_INVALID_PARAMETER",
        "no port yet"
    );
    let port = CompletionPort::new();
    port.associate(&server, 1).unwrap();
    drop(client);
    assert_eq!(error(server.queue_read(vec![0; 1], 1)), "ERROR_BROKEN_PIPE");
    assert_eq!(error(server.queue_write("x", 1)), "ERROR_NO_DATA");
    assert_eq!(error(server.queue_transact("x", vec![], 1)), "ERROR_BAD_PIPE");
    assert!(port.get(NOW).is_none());
}

/// semantics 247
#[test]
fn more_data_queues_a_packet() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let port = CompletionPort::new();
    port.associate(&server, 1).unwrap();
    server.skip_port_on_success(true);
    client.write(b"longer").unwrap();
    assert!(server.queue_read(vec![0; 4], 1).unwrap().is_none());
    assert_eq!(outcome(next(&port).completed), Ok(("long".to_owned(), true)));
}

/// semantics 230, 248: what was pending and failed or was cancelled; and a time-out.
#[test]
fn failures_of_pending_operations_queue_packets() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let port = CompletionPort::new();
    port.associate(&server, 1).unwrap();
    assert!(port.get(Some(Duration::from_millis(1))).is_none());
    server.queue_read(vec![0; 4], 10).unwrap();
    server.cancel().unwrap();
    let packet = next(&port);
    assert_eq!((packet.tag, packet.completed.result), (10, Err(Status::Cancelled)));
    server.queue_read(vec![0; 4], 11).unwrap();
    drop(client);
    let packet = next(&port);
    assert_eq!((packet.tag, packet.completed.result), (11, Err(Status::PipeBroken)));
    assert_eq!(packet.completed.buffer.len(), 4, "the buffer comes back");
}

/// semantics 249
#[test]
fn a_connect_is_a_packet_without_bytes() {
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let port = CompletionPort::new();
    port.associate(&server, 3).unwrap();
    server.queue_connect(4).unwrap();
    assert!(port.get(NOW).is_none());
    let client = place.open();
    let packet = next(&port);
    assert_eq!((packet.key, packet.tag, packet.completed.result), (3, 4, moved(0)));
    assert_eq!(error(server.queue_connect(5)), "ERROR_PIPE_CONNECTED");
    drop(client);
    assert_eq!(error(server.queue_connect(6)), "ERROR_NO_DATA");
    assert!(port.get(NOW).is_none());
}

/// semantics 250: immediate successes only.
#[test]
fn immediate_successes_may_skip_the_port() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let port = CompletionPort::new();
    port.associate(&server, 1).unwrap();
    server.skip_port_on_success(true);
    client.write(b"at once").unwrap();
    let completed = server
        .queue_read(vec![0; 16], 1)
        .unwrap()
        .expect("it is returned instead");
    assert_eq!(outcome(completed), whole("at once"));
    assert!(port.get(NOW).is_none());
    assert!(server.queue_read(vec![0; 16], 2).unwrap().is_none());
    client.write(b"later").unwrap();
    assert_eq!(outcome(next(&port).completed), whole("later"));
    server.skip_port_on_success(false);
    client.write(b"again").unwrap();
    assert!(server.queue_read(vec![0; 16], 3).unwrap().is_none());
    assert_eq!(outcome(next(&port).completed), whole("again"));
}

/// semantics 251: once.
#[test]
fn an_end_has_one_port() {
    let place = Place::new();
    let (server, _client) = place.byte_pair();
    let port = CompletionPort::new();
    port.associate(&server, 1).unwrap();
    assert_eq!(error(port.associate(&server, 1)), "ERROR_INVALID_PARAMETER");
    assert_eq!(
        error(CompletionPort::new().associate(&server, 2)),
        "ERROR_INVALID_PARAMETER"
    );
}

/// semantics 252: first in, first out, with posted ones in between.
#[test]
fn packets_come_out_as_they_went_in() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let port = CompletionPort::new();
    port.associate(&server, 1).unwrap();
    server.queue_write("x", 1).unwrap();
    port.post(2, 2, 22);
    server.queue_read(vec![0; 4], 3).unwrap();
    client.write(b"y").unwrap();
    server.queue_write("z", 4).unwrap();
    port.post(5, 5, 55);
    let packets: Vec<_> = (0..5).map(|_| next(&port)).collect();
    let posted = packets.iter().find(|packet| packet.tag == 2).unwrap();
    assert_eq!((posted.key, posted.completed.result), (2, moved(22)));
    let tags = |chosen: &[usize]| -> Vec<usize> {
        let tags = packets.iter().map(|packet| packet.tag);
        tags.filter(|tag| chosen.contains(tag)).collect()
    };
    assert_eq!(tags(&[1, 2, 4, 5]), [1, 2, 4, 5]);
    assert_eq!(tags(&[1, 2, 3]), [1, 2, 3]);
}

/// semantics 157, 246
#[test]
fn a_transaction_on_a_port() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let port = CompletionPort::new();
    port.associate(&client, 1).unwrap();
    client.queue_transact("question", vec![0; 16], 1).unwrap();
    assert_eq!(text(&server), "question");
    server.write(b"answer").unwrap();
    assert_eq!(outcome(next(&port).completed), whole("answer"));
}

/// semantics 234: a wait on a port may be alertable; a packet goes first.
#[test]
fn a_wait_on_a_port_may_be_alertable() {
    let port = CompletionPort::new();
    AlertableThread::current().queue(|| {});
    port.post(1, 1, 1);
    assert_eq!(port.get_alertable(None).unwrap().key, 1);
    assert_eq!(port.get_alertable(None).unwrap_err(), Waited::Completions);
    assert_eq!(port.get_alertable(NOW).unwrap_err(), Waited::TimedOut);
}

/// semantics 233, 246: threads of a pool share the packets; operations do not end with the thread that started them.
#[test]
fn threads_share_a_port() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 200;
    let place = Place::new();
    let port = CompletionPort::new();
    let servers: Vec<_> = (0..CLIENTS).map(|_| place.messages().create(NAME).unwrap()).collect();
    let clients: Vec<_> = servers.iter().map(|_| place.message_client()).collect();
    // The clients stay until the pool is at rest.
    let _clients = std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            for (key, server) in servers.iter().enumerate() {
                port.associate(server, key).unwrap();
                server.queue_read(vec![0; 64], 0).unwrap();
            }
        });
        starting.join().unwrap();
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(packet) = port.get(Some(PATIENCE)) {
                    let Some(server) = servers.get(packet.key) else { return };
                    match packet.tag {
                        // Read: echo it, and read on.
                        0 => {
                            server.queue_write(packet.completed.data(), 1).unwrap();
                            server.queue_read(packet.completed.buffer, 0).unwrap();
                        }
                        _ => assert_eq!(packet.completed.result.map(|outcome| outcome.more), Ok(false)),
                    }
                }
            });
        }
        let talks: Vec<_> = clients
            .into_iter()
            .map(|client| {
                call(move || {
                    for round in 0..ROUNDS {
                        client.write(format!("round {round}").as_bytes()).unwrap();
                        assert_eq!(text(&client), format!("round {round}"));
                    }
                    client
                })
            })
            .collect();
        let clients: Vec<PipeClient> = talks.into_iter().map(Call::end).collect();
        for _ in 0..3 {
            port.post(usize::MAX, 0, 0);
        }
        clients
    });
}
