//! Messages beyond all quotas, and streams of many gibibytes' kind.

use npipe::ReadOutcome;

use crate::support::Puppet;
use crate::{NAME, Place, call, error};

/// Byte `at` of what is sent; its period fits no power of two.
const PERIOD: usize = 251;

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % PERIOD) as u8).collect()
}

/// semantics 99, 100, 102, 117, 118, 121, 123: one message of a gibibyte, read in pieces.
#[test]
fn a_message_of_a_gibibyte() {
    // Wine carries all of it to another process and back.
    const BYTES: usize = if cfg!(windows) { 1 << 26 } else { 1 << 30 };
    const PIECE: usize = PERIOD << 14;
    let place = Place::new();
    let (server, client) = place.message_pair();
    let piece = pattern(PIECE);
    let writing = call(move || {
        let mut data = Vec::with_capacity(BYTES);
        let piece = pattern(PIECE);
        while data.len() < BYTES {
            data.extend_from_slice(&piece[..PIECE.min(BYTES - data.len())]);
        }
        let written = client.write(&data);
        drop(data);
        written.map(|count| (count, client))
    });
    let mut buffer = vec![0; PIECE];
    let mut received = 0;
    loop {
        let ReadOutcome { bytes, more } = server.read_message(&mut buffer).unwrap();
        assert_eq!(bytes, PIECE.min(BYTES - received));
        assert!(buffer[..bytes] == piece[..bytes], "at {received}");
        received += bytes;
        if !more {
            break;
        }
    }
    assert_eq!(received, BYTES);
    let (written, client) = writing.end().unwrap();
    assert_eq!(written, BYTES);
    client.write(b"and on").unwrap();
    assert_eq!(server.read(&mut buffer).unwrap(), 6);
}

/// semantics 91, 124, 183: streams in both directions at once, in writes and reads of all sizes.
#[test]
fn streams_in_both_directions() {
    const BYTES: usize = 64 << 20;
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let data = pattern(PERIOD << 12);
    let send = |end: &npipe::PipeStream| {
        let (mut sent, mut size) = (0, 1);
        while sent < BYTES {
            let from = sent % PERIOD;
            let count = size.min(BYTES - sent).min(data.len() - from);
            assert_eq!(end.write(&data[from..from + count]).unwrap(), count);
            sent += count;
            size = size * 3 % 300_007 + 1;
        }
    };
    let receive = |end: &npipe::PipeStream| {
        let mut buffer = vec![0; 400_000];
        let (mut received, mut size) = (0, 1);
        while received < BYTES {
            let count = end.read(&mut buffer[..size]).unwrap();
            let from = received % PERIOD;
            assert!(buffer[..count] == data[from..from + count], "at {received}");
            received += count;
            size = size * 7 % 399_989 + 1;
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| send(&client));
        scope.spawn(|| send(&server));
        scope.spawn(|| receive(&client));
        receive(&server);
    });
}

/// semantics 128, 184, 186: a writer that dies in the middle of a message larger than everything leaves none of the rest.
#[test]
fn the_writer_of_a_large_message_dies() {
    const BYTES: usize = 300 << 20;
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(child.ask(&format!("begin fill 0 {BYTES}")), "waits");
    let mut buffer = vec![0; 10 << 20];
    for _ in 0..3 {
        assert_eq!(
            server.read_message(&mut buffer).unwrap(),
            ReadOutcome {
                bytes: 10 << 20,
                more: true
            }
        );
    }
    child.kill();
    // What was under way may still arrive, but never the end of the message.
    let broken = loop {
        match server.read_message(&mut buffer) {
            Ok(outcome) => assert!(outcome.more),
            Err(error) => break Err::<(), _>(error),
        }
    };
    assert_eq!(error(broken), "ERROR_BROKEN_PIPE");
}
