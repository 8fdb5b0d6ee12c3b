//! Messages: boundaries, what is longer than a buffer, what is empty, what is larger than its lane.

use std::io;

use npipe_tokio::named_pipe::PipeMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pair;
use crate::support::Place;

/// semantics 100, 101
#[tokio::test]
async fn a_message_that_is_longer_than_the_buffer() -> io::Result<()> {
    let place = Place::new();
    let (server, mut client) = pair(&place, PipeMode::Message);
    client.write_all(b"abcdefg").await?;
    client.write_all(b"next").await?;
    let mut buffer = [0; 4];
    for (text, more) in [(&b"abcd"[..], true), (b"efg", false), (b"next", false)] {
        let outcome = server.read_message(&mut buffer).await?;
        assert_eq!((&buffer[..outcome.bytes], outcome.more), (text, more));
    }
    Ok(())
}

/// An empty message is not the end. semantics 104, 125, 183
#[tokio::test]
async fn an_empty_message_and_the_end() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    client.write_message(b"").await?;
    client.write_message(b"x").await?;
    drop(client);
    let mut buffer = [0; 4];
    assert_eq!(server.read_message(&mut buffer).await?.bytes, 0);
    assert_eq!(server.read_message(&mut buffer).await?.bytes, 1);
    let end = server.read_message(&mut buffer).await.expect_err("the client has gone");
    assert_eq!(end.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(server.try_read(&mut buffer)?, 0, "as a stream, that is its end");
    Ok(())
}

/// Larger than the lane, in both directions at once. semantics 119-123
#[tokio::test]
async fn messages_larger_than_their_lane() -> io::Result<()> {
    const BYTES: usize = 9 << 20;
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    let message: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    let other = message.clone();
    let echo = tokio::spawn(async move {
        let mut whole = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let outcome = server.read_message(&mut buffer).await?;
            whole.extend_from_slice(&buffer[..outcome.bytes]);
            if !outcome.more {
                break;
            }
        }
        assert!(whole == other, "it came as it was sent");
        server.write_message(&whole).await?;
        server.flush_until_read().await
    });
    client.write_message(&message).await?;
    let mut back = vec![0; 4096];
    let mut count = 0;
    loop {
        let outcome = client.read_message(&mut back).await?;
        assert!(back[..outcome.bytes] == message[count..count + outcome.bytes]);
        count += outcome.bytes;
        if !outcome.more {
            break;
        }
    }
    assert_eq!(count, BYTES);
    echo.await?
}

/// Parts of a vectored write are one message. semantics 99
#[tokio::test]
async fn parts_are_one_message() -> io::Result<()> {
    let place = Place::new();
    let (mut server, client) = pair(&place, PipeMode::Message);
    let parts = [
        io::IoSlice::new(b"head"),
        io::IoSlice::new(b""),
        io::IoSlice::new(b"body"),
    ];
    assert_eq!(client.try_write_vectored(&parts)?, 8);
    let mut buffer = [0; 16];
    assert_eq!(server.read(&mut buffer).await?, 8);
    assert_eq!(&buffer[..8], b"headbody");
    Ok(())
}
