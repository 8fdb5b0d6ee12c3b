//! What goes beyond tokio.

use std::io;
use std::time::Duration;

use npipe::impersonation::ImpersonationLevel;
use npipe_tokio::named_pipe::{NamedPipeClient, NamedPipeListener, NamedPipeServer, PipeMode, wait_in};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{NAME, Place};
use crate::{client_options, pair, poll_once, server_options};

/// What a client lets its server do with its identity arrives: by default as little as with tokio.
///
/// semantics 262
#[tokio::test]
async fn clients_limit_what_servers_may_do_as_them() -> io::Result<()> {
    let place = Place::new();
    for (flags, level) in [
        (None, ImpersonationLevel::Identification),
        (Some(0), ImpersonationLevel::Anonymous),
        (Some(2 << 16), ImpersonationLevel::Impersonation),
    ] {
        let server = npipe::ServerOptions::new().root(place.path()).create(NAME)?;
        let mut options = client_options(&place);
        if let Some(flags) = flags {
            options.security_qos_flags(flags);
        }
        let mut client = options.open(NAME)?;
        client.write_all(b"x").await?;
        server.read(&mut [0])?;
        assert_eq!(server.client_token()?.level(), level, "{flags:?}");
    }
    Ok(())
}

/// semantics 265
#[tokio::test]
async fn a_descriptor_says_who_may_open() -> io::Result<()> {
    let place = Place::new();
    let mut options = server_options(&place);
    options.security_descriptor("D:".parse().expect("an empty list"));
    let _server = options.create(NAME)?;
    let refused = client_options(&place).open(NAME).err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::PermissionDenied));
    Ok(())
}

/// semantics 140, 142, 143
#[tokio::test]
async fn peeking_takes_nothing() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    assert_eq!(server.peek(&mut [0; 4])?.total, 0);
    client.write_message(b"message").await?;
    let mut buffer = [0; 4];
    for _ in 0..2 {
        let seen = server.peek(&mut buffer)?;
        assert_eq!((seen.bytes, seen.total, seen.left), (4, 7, 3));
        assert_eq!(&buffer, b"mess");
    }
    assert!(server.read_message(&mut buffer).await?.more);
    Ok(())
}

/// semantics 150, 151, 154
#[tokio::test]
async fn transactions() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    let serving = tokio::spawn(async move {
        let mut buffer = [0; 64];
        for _ in 0..3 {
            let outcome = server.read_message(&mut buffer).await?;
            buffer[..outcome.bytes].reverse();
            server.write_message(&buffer[..outcome.bytes]).await?;
        }
        io::Result::Ok(server)
    });
    let mut reply = [0; 8];
    for (request, answer, more) in [(&b"abc"[..], &b"cba"[..], false), (b"0123456789", b"98765432", true)] {
        let outcome = client.transact(request, &mut reply).await?;
        assert_eq!((&reply[..outcome.bytes], outcome.more), (answer, more));
        if more {
            let error = client.transact(b"x", &mut reply).await.expect_err("there is a rest");
            assert_eq!(error.raw_os_error(), Some(231));
            assert_eq!(client.read_message(&mut reply).await?.bytes, 2);
        }
    }
    // A read of another task waits until the reply is taken.
    let mut rest = [0; 8];
    {
        let mut transaction = std::pin::pin!(client.transact(b"q", &mut reply));
        let mut reading = std::pin::pin!(client.read_message(&mut rest));
        assert!(poll_once(transaction.as_mut()).is_pending());
        assert!(poll_once(reading.as_mut()).is_pending());
        let outcome = transaction.await?;
        assert_eq!(outcome.bytes, 1);
        let server = serving.await??;
        server.write_message(b"later").await?;
        assert_eq!(reading.await?.bytes, 5);
        drop(server);
    }
    let error = client.transact(b"x", &mut reply).await.expect_err("nobody answers");
    assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
    Ok(())
}

/// semantics 163, 165, 170
#[tokio::test]
async fn flushing_until_everything_is_read() -> io::Result<()> {
    let place = Place::new();
    let (mut server, mut client) = pair(&place, PipeMode::Byte);
    client.flush_until_read().await?;
    client.write_all(&[0; 100_000]).await?;
    client.flush().await?;
    let mut flushing = Box::pin(client.flush_until_read());
    assert!(poll_once(flushing.as_mut()).is_pending());
    let mut buffer = vec![0; 100_000];
    let (flushed, read) = tokio::join!(flushing, server.read_exact(&mut buffer));
    flushed?;
    read?;
    client.write_all(b"x").await?;
    let mut flushing = Box::pin(client.flush_until_read());
    assert!(poll_once(flushing.as_mut()).is_pending());
    drop(server);
    assert_eq!(
        flushing.await.expect_err("it goes unread").kind(),
        io::ErrorKind::BrokenPipe
    );
    Ok(())
}

/// semantics 198
#[tokio::test]
async fn who_is_there() -> io::Result<()> {
    let place = Place::new();
    let server = server_options(&place).create(NAME)?;
    assert!(server.peer().is_err());
    let client = client_options(&place).open(NAME)?;
    for peer in [server.peer()?, client.peer()?] {
        assert_eq!(peer.pid, Some(std::process::id()));
    }
    Ok(())
}

/// semantics 82, 84, 86, 89
#[tokio::test]
async fn waiting_for_an_instance() -> io::Result<()> {
    let place = Place::new();
    let namespace = place.namespace();
    let error = wait_in(&namespace, NAME, None).await.expect_err("nobody serves it");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let mut options = server_options(&place);
    options.max_instances(1).default_timeout(Duration::from_millis(1));
    let server = options.create(NAME)?;
    wait_in(&namespace, NAME, None).await?;
    let client = client_options(&place).open(NAME)?;
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        let error = wait_in(&namespace, NAME, Some(timeout)).await.expect_err("it is busy");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    let mut waiting = Box::pin(wait_in(&namespace, NAME, Some(Duration::from_secs(60))));
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop((server, client));
    let error = waiting.await.expect_err("its last instance has closed");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    Ok(())
}

/// Clients as a stream; with a maximum, one more when one has gone. semantics 32, 33
#[tokio::test]
async fn a_listener() -> io::Result<()> {
    use std::future::poll_fn;
    use std::pin::Pin;

    use futures_core::Stream;

    let place = Place::new();
    let mut options = server_options(&place);
    let listener = NamedPipeListener::bind_with(&options, NAME)?;
    let second = NamedPipeListener::bind_with(&options, NAME).expect_err("the name is taken");
    assert_eq!(second.kind(), io::ErrorKind::PermissionDenied);
    drop(listener);
    let mut listener = NamedPipeListener::bind_with(options.max_instances(2), NAME)?;
    let one = client_options(&place).open(NAME)?;
    let first = listener.accept().await?;
    let other = client_options(&place).open(NAME)?;
    let next = poll_fn(|cx| Pin::new(&mut listener).poll_next(cx))
        .await
        .expect("there is no end")?;
    let busy = client_options(&place).open(NAME).expect_err("two are the most");
    assert_eq!(busy.raw_os_error(), Some(231));
    let mut accepting = Box::pin(listener.accept());
    assert!(poll_once(accepting.as_mut()).is_pending());
    drop((first, one));
    let options = client_options(&place);
    let opening = async {
        loop {
            match options.open(NAME) {
                Err(error) if error.raw_os_error() == Some(231) => tokio::task::yield_now().await,
                other => break other,
            }
        }
    };
    let (third, client) = tokio::join!(accepting, opening);
    drop((third?, client?, next, other));
    Ok(())
}

/// A client that has left again is handed out for what it has left. semantics 63
#[tokio::test]
async fn a_client_that_has_left_again() -> io::Result<()> {
    let place = Place::new();
    let mut listener = NamedPipeListener::bind_with(&server_options(&place), NAME)?;
    client_options(&place).open(NAME)?.write_all(b"left").await?;
    let mut server = listener.accept().await?;
    let mut text = String::new();
    server.read_to_string(&mut text).await?;
    assert_eq!(text, "left");
    Ok(())
}

#[tokio::test]
async fn halves() -> io::Result<()> {
    let place = Place::new();
    let (mut server, client) = pair(&place, PipeMode::Byte);
    let (mut reading, mut writing) = client.into_split();
    {
        let (mut from, mut to) = server.split();
        let mut buffer = [0; 4];
        // Both directions of both ends at once.
        let (one, two, three, four) = tokio::join!(
            to.write_all(b"down"),
            writing.write_all(b"up!!"),
            from.read_exact(&mut buffer),
            async {
                let mut buffer = [0; 4];
                reading.read_exact(&mut buffer).await.map(|_| buffer)
            }
        );
        one.and(two).and(three)?;
        assert_eq!((&buffer, &four?), (b"up!!", b"down"));
    }
    let (other, _) = client_pair(&place)?;
    let (_, foreign) = other.into_split();
    let error = reading.reunite(foreign).expect_err("they are of two ends");
    let mut client = error.0.reunite(writing).expect("they are of one");
    client.write_all(b"whole").await?;
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).await?;
    // The end goes with its last half.
    let (reading, writing) = client.into_split();
    drop(writing);
    let mut more = Box::pin(server.read(&mut buffer));
    assert!(poll_once(more.as_mut()).is_pending());
    drop(reading);
    assert_eq!(more.await?, 0);
    Ok(())
}

fn client_pair(place: &Place) -> io::Result<(NamedPipeClient, NamedPipeServer)> {
    const OTHER: &str = r"\\.\pipe\other";
    let server = server_options(place).create(OTHER)?;
    Ok((client_options(place).open(OTHER)?, server))
}

/// An end that was passed on, which other processes may hold: what stands for `from_raw_handle`. semantics 190
#[tokio::test]
async fn from_a_descriptor() -> io::Result<()> {
    let place = Place::new();
    let blocking = place.bytes().shareable(true).create(NAME)?;
    let client = place.client().shareable(true).open(NAME)?;
    let mut server = NamedPipeServer::from_raw(blocking.into_raw()?)?;
    let copy = client.try_clone()?;
    let mut client = NamedPipeClient::from_raw(client.into_raw()?)?;
    let serving = async {
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).await?;
        server.write_all(&buffer).await?;
        server.flush_until_read().await
    };
    let asking = async {
        tokio::task::yield_now().await;
        client.write_all(b"ping").await?;
        let mut buffer = [0; 4];
        client.read_exact(&mut buffer).await?;
        io::Result::Ok(buffer)
    };
    let (served, answer) = tokio::join!(serving, asking);
    served?;
    assert_eq!(&answer?, b"ping");
    drop((client, copy));
    assert_eq!(server.read(&mut [0]).await?, 0);
    Ok(())
}
