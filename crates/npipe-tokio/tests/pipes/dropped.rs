//! Futures that are dropped before they are ready.

use std::io;
use std::time::Duration;

use npipe_tokio::named_pipe::{NamedPipeListener, PipeMode, wait_in};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{NAME, Place};
use crate::{client_options, pair, poll_once, server_options};

/// Reads that are dropped again and again, at every point of a race with the writer, lose no byte and no boundary.
///
/// semantics 99, 231
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_read_loses_nothing() -> io::Result<()> {
    const MESSAGES: u32 = 5_000;
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    let writing = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let length = (number % 7) as usize * 3 + 4;
            let mut message = vec![0; length];
            message[..4].copy_from_slice(&number.to_le_bytes());
            client.write_message(&message).await?;
            if number % 3 == 0 {
                tokio::task::yield_now().await;
            }
        }
        io::Result::Ok(client)
    });
    let mut dropped = 0;
    let mut buffer = [0; 64];
    for number in 0..MESSAGES {
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = server.read_message(&mut buffer) => break outcome?,
                () = tokio::task::yield_now() => dropped += 1,
            }
        };
        assert_eq!(outcome.bytes, (number % 7) as usize * 3 + 4);
        assert_eq!(buffer[..4], number.to_le_bytes());
        assert!(!outcome.more);
    }
    drop(writing.await??);
    assert!(dropped > 0, "no read was dropped");
    Ok(())
}

/// The same of a stream, in the middle of messages that are longer than the buffer. semantics 91, 100
#[tokio::test]
async fn a_dropped_read_inside_a_message() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    let mut buffer = [0; 4];
    client.write_message(b"abcdef").await?;
    assert!(server.read_message(&mut buffer).await?.more);
    let outcome = server.read_message(&mut buffer).await?;
    assert_eq!((outcome.bytes, outcome.more), (2, false));
    {
        let mut reading = std::pin::pin!(server.read_message(&mut buffer));
        assert!(poll_once(reading.as_mut()).is_pending());
    }
    client.write_message(b"xyz").await?;
    assert_eq!(server.read_message(&mut buffer).await?.bytes, 3);
    Ok(())
}

/// semantics 78, 231
#[tokio::test]
async fn a_dropped_connect_leaves_the_instance_listening() -> io::Result<()> {
    let place = Place::new();
    let mut server = server_options(&place).create(NAME)?;
    for _ in 0..3 {
        let mut connecting = std::pin::pin!(server.connect());
        assert!(poll_once(connecting.as_mut()).is_pending());
    }
    let mut client = client_options(&place).open(NAME)?;
    {
        // Ready by now, and dropped without being asked.
        let _connecting = server.connect();
    }
    server.connect().await?;
    client.write_all(b"hello").await?;
    let mut buffer = [0; 8];
    assert_eq!(server.read(&mut buffer).await?, 5);
    Ok(())
}

/// Connects that are dropped while clients come: each client is met once. semantics 57, 78
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connects_dropped_while_clients_come() -> io::Result<()> {
    const ROUNDS: u8 = 100;
    let place = Place::new();
    let mut server = server_options(&place).create(NAME)?;
    for round in 0..ROUNDS {
        let options = client_options(&place);
        let client = tokio::task::spawn_blocking(move || options.open(NAME));
        loop {
            tokio::select! {
                biased;
                connected = server.connect() => break connected?,
                () = tokio::task::yield_now() => {}
            }
        }
        let mut client = client.await??;
        client.write_all(&[round]).await?;
        assert_eq!(server.read_u8().await?, round);
        server.disconnect()?;
        let mut relistening = std::pin::pin!(server.connect());
        assert!(poll_once(relistening.as_mut()).is_pending());
    }
    Ok(())
}

/// semantics 78
#[tokio::test]
async fn a_dropped_accept_loses_no_client() -> io::Result<()> {
    let place = Place::new();
    let mut listener = NamedPipeListener::bind_with(&server_options(&place), NAME)?;
    {
        let mut accepting = std::pin::pin!(listener.accept());
        assert!(poll_once(accepting.as_mut()).is_pending());
    }
    let mut client = client_options(&place).open(NAME)?;
    let mut server = listener.accept().await?;
    client.write_all(b"x").await?;
    assert_eq!(server.read_u8().await?, b'x');
    Ok(())
}

/// semantics 121, 127
#[tokio::test]
async fn a_dropped_write_has_written_nothing() -> io::Result<()> {
    let place = Place::new();
    let server = server_options(&place)
        .pipe_mode(PipeMode::Message)
        .in_buffer_size(1)
        .create(NAME)?;
    let client = client_options(&place).open(NAME)?;
    client.write_message(b"first").await?;
    {
        let mut writing = std::pin::pin!(client.write_message(b"second"));
        assert!(poll_once(writing.as_mut()).is_pending());
    }
    let mut buffer = [0; 16];
    assert_eq!(server.read_message(&mut buffer).await?.bytes, 5);
    client.write_message(b"third!!").await?;
    assert_eq!(server.read_message(&mut buffer).await?.bytes, 7);
    Ok(())
}

/// The request of a dropped transaction is sent; a reply that comes later is a message. semantics 158
#[tokio::test]
async fn a_dropped_transaction_has_sent_its_request() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    let mut buffer = [0; 16];
    {
        let mut reply = [0; 16];
        let mut transaction = std::pin::pin!(client.transact(b"question", &mut reply));
        assert!(poll_once(transaction.as_mut()).is_pending());
    }
    assert_eq!(server.read_message(&mut buffer).await?.bytes, 8);
    server.write_message(b"answer").await?;
    assert_eq!(client.read_message(&mut buffer).await?.bytes, 6);
    Ok(())
}

/// semantics 163, 170
#[tokio::test]
async fn a_dropped_flush_changes_nothing() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Byte);
    client.try_write(b"data")?;
    for _ in 0..3 {
        let mut flushing = std::pin::pin!(client.flush_until_read());
        assert!(poll_once(flushing.as_mut()).is_pending());
    }
    let mut buffer = [0; 8];
    let (flushed, read) = tokio::join!(client.flush_until_read(), async { server.try_read(&mut buffer) });
    flushed?;
    assert_eq!(read?, 4);
    Ok(())
}

/// semantics 86
#[tokio::test]
async fn a_dropped_wait_is_forgotten() -> io::Result<()> {
    let place = Place::new();
    let server = server_options(&place).max_instances(1).create(NAME)?;
    let client = client_options(&place).open(NAME)?;
    let namespace = place.namespace();
    let waited = tokio::time::timeout(Duration::from_millis(20), wait_in(&namespace, NAME, None)).await;
    assert!(waited.is_err(), "it is busy");
    let waiting = wait_in(&namespace, NAME, None);
    let serving = async {
        tokio::task::yield_now().await;
        drop(client);
        server.disconnect()?;
        server.connect().await
    };
    tokio::select! {
        waited = waiting => waited?,
        served = serving => panic!("nobody opened it: {served:?}"),
    }
    Ok(())
}
