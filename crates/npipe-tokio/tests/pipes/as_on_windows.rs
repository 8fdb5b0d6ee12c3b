//! What tokio's documentation of its named pipes says, and what programs on Windows rely on.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use npipe_tokio::named_pipe::{PipeEnd, PipeMode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};

use crate::support::{NAME, Place};
use crate::{client_options, pair, poll_once, server_options};

const ERROR_PIPE_BUSY: i32 = 231;
const ERROR_NO_DATA: i32 = 232;
const ERROR_PIPE_NOT_CONNECTED: i32 = 233;
const ERROR_PIPE_LISTENING: i32 = 536;

/// The first write after the client has gone says so by the number that programs look for. semantics 185
#[tokio::test]
async fn writing_to_a_client_that_has_gone() -> io::Result<()> {
    let place = Place::new();
    let (mut server, client) = pair(&place, PipeMode::Byte);
    server.connect().await?;
    drop(client);
    let error = server.write_all(b"ping").await.expect_err("nobody reads it");
    assert_eq!(error.raw_os_error(), Some(ERROR_NO_DATA));
    assert_eq!(server.read(&mut [0; 4]).await?, 0, "the end of the stream");
    Ok(())
}

/// Lines there and back, through buffered readers. semantics 91, 119
#[tokio::test]
async fn lines_there_and_back() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Byte);
    let served = tokio::spawn(async move {
        server.connect().await?;
        let mut server = BufReader::new(server);
        let mut line = String::new();
        server.read_line(&mut line).await?;
        server.write_all(b"pong\n").await?;
        io::Result::Ok(line)
    });
    let mut client = BufReader::new(client);
    client.write_all(b"ping\n").await?;
    let mut line = String::new();
    client.read_line(&mut line).await?;
    assert_eq!(line, "pong\n");
    assert_eq!(served.await??, "ping\n");
    Ok(())
}

/// The loop that every server writes: the next instance is made before a client is served. Clients that find no instance
/// try again. semantics 24, 52
#[tokio::test]
async fn clients_one_after_another() -> io::Result<()> {
    const CLIENTS: usize = 10;
    let place = Place::new();
    let mut server = server_options(&place).first_pipe_instance(true).create(NAME)?;
    let options = server_options(&place);
    let serving = tokio::spawn(async move {
        let mut served = Vec::new();
        for _ in 0..CLIENTS {
            server.connect().await?;
            let connected = std::mem::replace(&mut server, options.create(NAME)?);
            served.push(tokio::spawn(async move {
                let mut lines = BufReader::new(connected);
                let mut line = String::new();
                lines.read_line(&mut line).await?;
                lines.write_all(line.to_uppercase().as_bytes()).await
            }));
        }
        for one in served {
            one.await??;
        }
        io::Result::Ok(())
    });
    let clients = (0..CLIENTS).map(|number| {
        let options = client_options(&place);
        tokio::spawn(async move {
            let client = loop {
                match options.open(NAME) {
                    Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => tokio::task::yield_now().await,
                    other => break other?,
                }
            };
            let mut client = BufReader::new(client);
            client.write_all(format!("client {number}\n").as_bytes()).await?;
            let mut answer = String::new();
            client.read_line(&mut answer).await?;
            assert_eq!(answer, format!("CLIENT {number}\n"));
            io::Result::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    serving.await?
}

/// The same by readiness and calls that do not wait. semantics 91, 119
#[tokio::test]
async fn readiness_and_calls_that_do_not_wait() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Byte);
    let would_block = |error: io::Error| assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    would_block(client.try_read(&mut [0; 8]).expect_err("nothing is there"));
    would_block(
        client
            .try_io(Interest::READABLE, || Ok(()))
            .expect_err("nothing is there"),
    );
    let ready = client.ready(Interest::READABLE | Interest::WRITABLE).await?;
    assert!(ready.is_writable() && !ready.is_readable());
    client.writable().await?;
    assert_eq!(client.try_write(b"ping")?, 4);
    server.readable().await?;
    let mut buffers = [[0; 2], [0; 2]];
    let [first, second] = &mut buffers;
    let mut parts = [io::IoSliceMut::new(first), io::IoSliceMut::new(second)];
    assert_eq!(server.try_read_vectored(&mut parts)?, 2);
    assert_eq!(&buffers[0], b"pi");
    let parts = [io::IoSlice::new(b"po"), io::IoSlice::new(b"ng")];
    assert_eq!(server.try_write_vectored(&parts)?, 4);
    let mut all = [0; 8];
    let read = client
        .async_io(Interest::READABLE, || client.try_read(&mut all))
        .await?;
    assert_eq!(&all[..read], b"pong");
    assert!(server.ready(Interest::READABLE).await?.is_readable(), "the rest of it");
    Ok(())
}

/// `async_io` waits for what happens next where the end is ready and the call is not.
#[tokio::test]
async fn a_call_that_goes_on_waiting_is_made_again() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Byte);
    client.try_write(b"a")?;
    let whole = server.async_io(Interest::READABLE, || match server.peek(&mut [0; 4])?.total {
        2 => Ok(()),
        _ => Err(io::ErrorKind::WouldBlock.into()),
    });
    let mut whole = std::pin::pin!(whole);
    assert!(poll_once(whole.as_mut()).is_pending());
    client.try_write(b"b")?;
    whole.await
}

/// A message stays one, a stream runs together, whoever writes how. semantics 91, 99, 100
#[tokio::test]
async fn messages_and_bytes() -> io::Result<()> {
    let place = Place::new();
    for (mode, reads) in [(PipeMode::Message, 10), (PipeMode::Byte, 1)] {
        let (mut server, mut client) = pair(&place, mode);
        server.connect().await?;
        for _ in 0..10 {
            client.write_all(b"ping").await?;
            server.write_all(b"pong").await?;
        }
        let mut buffer = [0; 64];
        for _ in 0..reads {
            assert_eq!(server.read(&mut buffer).await?, 40 / reads);
            assert_eq!(client.read(&mut buffer).await?, 40 / reads);
        }
        let mut rest = std::pin::pin!(server.read(&mut buffer));
        assert!(poll_once(rest.as_mut()).is_pending(), "that was all");
    }
    Ok(())
}

/// Who may do what, with a connect that began before the client came and whose client has gone. semantics 47, 49, 57
#[tokio::test]
async fn directions() -> io::Result<()> {
    let place = Place::new();
    for (inbound, outbound, read, write, opens) in [
        (true, true, true, true, true),
        (true, true, false, false, true),
        (true, false, false, true, true),
        (true, false, true, false, false),
        (false, true, true, false, true),
        (false, true, false, true, false),
    ] {
        let mut options = server_options(&place);
        let server = options.access_inbound(inbound).access_outbound(outbound).create(NAME)?;
        let mut connected = std::pin::pin!(server.connect());
        assert!(poll_once(connected.as_mut()).is_pending());
        match client_options(&place).read(read).write(write).open(NAME) {
            Ok(client) => {
                assert!(opens);
                drop(client);
                connected.await?;
            }
            Err(error) => {
                assert!(!opens);
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            }
        }
    }
    let mut none = server_options(&place);
    let none = none.access_inbound(false).access_outbound(false);
    assert_eq!(
        none.create(NAME).expect_err("no way").kind(),
        io::ErrorKind::InvalidInput
    );
    Ok(())
}

/// semantics 28, 29, 32, 46, 52, 173
#[tokio::test]
async fn errors_are_found_by_their_numbers() -> io::Result<()> {
    let place = Place::new();
    let error = client_options(&place).open(NAME).expect_err("nobody serves it");
    assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::NotFound, Some(2)));
    let mut options = server_options(&place);
    let server = options.max_instances(2).first_pipe_instance(true).create(NAME)?;
    let error = options.create(NAME).expect_err("it is not the first");
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let second = options.first_pipe_instance(false).create(NAME)?;
    let error = options.create(NAME).expect_err("two are the most");
    assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_BUSY));
    drop(second);
    let mut client = client_options(&place).open(NAME)?;
    let error = client_options(&place).open(NAME).expect_err("it is busy");
    assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_BUSY));
    server.connect().await?;
    server.disconnect()?;
    for error in [
        client.write_all(b"x").await.expect_err("it is dead"),
        client.read(&mut [0]).await.expect_err("it is dead"),
        server.try_read(&mut [0]).expect_err("there is no client"),
        server.disconnect().expect_err("it is disconnected"),
    ] {
        assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_NOT_CONNECTED));
    }
    let fresh = server_options(&place).create(r"\\.\pipe\other")?;
    let error = fresh.try_write(b"x").expect_err("nobody is there");
    assert_eq!(error.raw_os_error(), Some(ERROR_PIPE_LISTENING));
    Ok(())
}

/// One instance, client after client. semantics 65, 66, 172
#[tokio::test]
async fn an_instance_is_used_again() -> io::Result<()> {
    let place = Place::new();
    let mut server = server_options(&place).create(NAME)?;
    for round in 0..5_u8 {
        let mut client = client_options(&place).open(NAME)?;
        server.connect().await?;
        let (read, written) = tokio::join!(server.read_u8(), client.write_u8(round));
        written?;
        assert_eq!(read?, round);
        server.disconnect()?;
        // The instance listens again as soon as it is connected again.
        let mut connecting = std::pin::pin!(server.connect());
        assert!(poll_once(connecting.as_mut()).is_pending());
    }
    Ok(())
}

/// Reading from an instance that listens waits for its client, as with tokio. semantics 80
#[tokio::test]
async fn reading_before_a_client_is_there() -> io::Result<()> {
    let place = Place::new();
    let mut server = server_options(&place).create(NAME)?;
    let options = client_options(&place);
    let client = tokio::spawn(async move {
        tokio::task::yield_now().await;
        let mut client = options.open(NAME)?;
        client.write_all(b"early").await?;
        io::Result::Ok(client)
    });
    let mut buffer = [0; 8];
    let count = server.read(&mut buffer).await?;
    assert_eq!(&buffer[..count], b"early");
    drop(client.await??);
    Ok(())
}

/// semantics 195
#[tokio::test]
async fn what_is_known_of_a_pipe() -> io::Result<()> {
    let place = Place::new();
    let mut options = server_options(&place);
    options.pipe_mode(PipeMode::Message).max_instances(7);
    options
        .out_buffer_size(4096)
        .in_buffer_size(8192)
        .reject_remote_clients(true);
    options.write_dac(true).write_owner(true).access_system_security(false);
    let server = options.create(NAME)?;
    let client = client_options(&place).security_qos_flags(0).open(NAME)?;
    for (info, end) in [(server.info()?, PipeEnd::Server), (client.info()?, PipeEnd::Client)] {
        assert_eq!((info.mode, info.end), (PipeMode::Message, end));
        assert_eq!(
            (info.max_instances, info.out_buffer_size, info.in_buffer_size),
            (7, 4096, 8192)
        );
    }
    Ok(())
}

#[test]
#[should_panic(expected = "more than 254 instances")]
fn too_many_instances_are_a_mistake() {
    npipe_tokio::named_pipe::ServerOptions::new().max_instances(255);
}

/// Descriptors tell who the peer is and whether it lives, and stay what they are while they are borrowed.
#[tokio::test]
async fn descriptors_stand_for_handles() -> io::Result<()> {
    let place = Place::new();
    let server = server_options(&place).create(NAME)?;
    let listening = server.as_fd();
    assert!(
        rustix::net::sockopt::socket_peercred(listening).is_err(),
        "nobody is there"
    );
    let client = client_options(&place).open(NAME)?;
    server.connect().await?;
    let own = rustix::process::getpid();
    let connected = server.as_fd();
    assert_ne!(connected.as_raw_fd(), listening.as_raw_fd());
    assert_eq!(server.as_raw_fd(), connected.as_raw_fd());
    for fd in [connected, client.as_fd()] {
        assert_eq!(rustix::net::sockopt::socket_peercred(fd)?.pid, own);
    }
    server.disconnect()?;
    // Still the same socket, whose other end has gone.
    let mut watched = [rustix::event::PollFd::from_borrowed_fd(
        connected,
        rustix::event::PollFlags::RDHUP,
    )];
    assert_eq!(rustix::event::poll(&mut watched, None)?, 1);
    Ok(())
}
