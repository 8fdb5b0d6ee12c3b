//! What a writer has written is there when the writer is not.

use npipe::PipeMode;

use crate::support::{NAME, Place, Puppet, error};

/// semantics 38, 60, 63, 83, 183-185
#[test]
fn a_client_comes_and_goes_before_the_server_makes_a_call() {
    let place = Place::new();
    let server = place.server(PipeMode::Message).create(NAME).unwrap();
    {
        let client = place.message_client();
        for message in [&b"one"[..], b"", &[7; 60_000]] {
            assert_eq!(client.write(message).unwrap(), message.len());
        }
    }
    assert_eq!(error(server.connect()), "ERROR_NO_DATA");
    let mut buffer = vec![0; 100_000];
    assert_eq!(server.read(&mut buffer).unwrap(), 3);
    assert_eq!(&buffer[..3], b"one");
    assert_eq!(server.read(&mut buffer).unwrap(), 0);
    assert_eq!(server.read(&mut buffer).unwrap(), 60_000);
    assert_eq!(error(server.read(&mut buffer)), "ERROR_BROKEN_PIPE");
    assert_eq!(error(server.write(b"x")), "ERROR_NO_DATA");

    server.disconnect().unwrap();
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
}

/// semantics 38, 60, 67, 76-77, 132: again and again on one thread, which is all that a program may have.
#[test]
fn one_thread_is_both_ends_of_many_connections() {
    let place = Place::new();
    let server = place.server(PipeMode::Byte).nowait(true).create(NAME).unwrap();
    for round in 0..200_u32 {
        let client = place.client().open(NAME).unwrap();
        client.write(&round.to_le_bytes()).unwrap();
        drop(client);
        let mut buffer = [0; 8];
        assert_eq!(server.read(&mut buffer).unwrap(), 4);
        assert_eq!(buffer[..4], round.to_le_bytes());
        assert_eq!(error(server.read(&mut buffer)), "ERROR_BROKEN_PIPE");
        server.disconnect().unwrap();
        assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    }
}

/// semantics 119, 129-130, 134, 142, 183-184
#[test]
fn a_quota_full_of_the_smallest_messages_outlives_its_writer() {
    const QUOTA_BYTES: usize = 1 << 20;
    let place = Place::new();
    let mut options = place.server(PipeMode::Message);
    let server = options.in_buffer_size(QUOTA_BYTES as u32).create(NAME).unwrap();
    let mut writer = Puppet::start(&place);
    assert_eq!(writer.ask(&format!("open rw {NAME} message")), "0");
    assert_eq!(writer.ask(&format!("ones 0 {QUOTA_BYTES}")), QUOTA_BYTES.to_string());
    // One more has to wait, and is taken back with its writer.
    assert_eq!(writer.ask("begin ones 0 1"), "waits");
    assert_eq!(server.peek(&mut []).unwrap().total, QUOTA_BYTES + 1);
    writer.kill();

    crate::support::until(|| (!server.is_connected()).then_some(()));
    let mut buffer = [0; 16];
    for index in 0..QUOTA_BYTES {
        let outcome = server.read_message(&mut buffer).unwrap();
        assert_eq!((outcome.bytes, outcome.more, buffer[0]), (1, false, index as u8));
    }
    assert_eq!(error(server.read(&mut buffer)), "ERROR_BROKEN_PIPE");
}

/// semantics 129, 183, 190: a process that ends in order, with its ends open.
#[test]
fn what_a_process_wrote_before_it_exited_is_read() {
    let place = Place::new();
    let server = place.server(PipeMode::Message).create(NAME).unwrap();
    let mut writer = Puppet::start(&place);
    assert_eq!(writer.ask(&format!("open rw {NAME} message")), "0");
    assert_eq!(writer.ask("fill 0 65000"), "65000");
    assert_eq!(writer.ask("write 0 end"), "3");
    writer.end();
    let mut buffer = vec![0; 65_536];
    assert_eq!(server.read(&mut buffer).unwrap(), 65_000);
    assert_eq!(server.read(&mut buffer).unwrap(), 3);
    assert_eq!(error(server.read(&mut buffer)), "ERROR_BROKEN_PIPE");
}

/// semantics 119, 126, 128-129: the reads that waited had completed the write, although the reader has not run since.
#[test]
fn a_write_that_waiting_reads_completed_outlives_its_writer() {
    for (quota, size, written, expected) in [(0, 9000, "9000", "9000"), (4096, 50_000, "54096", "50000")] {
        let place = Place::new();
        let mut reader = Puppet::start(&place);
        assert_eq!(reader.ask(&format!("create message {NAME} quota={quota}")), "0");
        let mut writer = Puppet::start(&place);
        assert_eq!(writer.ask(&format!("open rw {NAME} message")), "0");
        assert_eq!(reader.ask("connect 0"), "connected");
        assert_eq!(reader.ask(&format!("begin length 0 {size}")), "waits");
        reader.stop();
        assert_eq!(writer.ask(&format!("fill 0 {written}")), written);
        // This one waits, and goes with its writer.
        assert_eq!(writer.ask("begin write 0 waiting"), "waits");
        writer.kill();
        reader.go_on();
        assert_eq!(reader.ask("result"), expected);
        // Until it hears of the death it reads what it finds, as if it had read in time.
        assert_eq!(reader.ask("bereft 0"), "bereft");
        if written != expected {
            assert_eq!(reader.ask("length 0 50000"), "4096");
        }
        assert_eq!(reader.ask("read 0 9"), "ERROR_BROKEN_PIPE");
    }
}
