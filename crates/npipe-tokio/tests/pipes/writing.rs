//! Writes that exceed the quota: accepted at once, on their way until there is room, and never taken back.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use npipe_tokio::named_pipe::{NamedPipeClient, PipeMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

use crate::support::{NAME, Place};
use crate::{client_options, meet_again, pair, poll_once, server_options};

/// The first write is accepted whatever the quota, the next one waits for it. semantics 119, 121
#[tokio::test]
async fn one_write_is_on_its_way() -> io::Result<()> {
    let place = Place::new();
    let server = server_options(&place).in_buffer_size(16).create(NAME)?;
    let client = client_options(&place).open(NAME)?;
    assert_eq!(client.try_write(&[1; 100])?, 100);
    let error = client.try_write(&[2; 1]).expect_err("the first is on its way");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let mut writable = std::pin::pin!(client.writable());
    assert!(poll_once(writable.as_mut()).is_pending());
    let mut buffer = [0; 100];
    assert_eq!(server.try_read(&mut buffer[..50])?, 50);
    assert!(
        poll_once(writable.as_mut()).is_pending(),
        "50 are unread, and 16 may be"
    );
    assert_eq!(server.try_read(&mut buffer[50..])?, 50);
    writable.await?;
    assert!(client.ready(Interest::WRITABLE).await?.is_writable());
    assert_eq!(client.try_write(&[2; 16])?, 16);
    assert_eq!(buffer, [1; 100]);
    Ok(())
}

/// An end that is dropped closes when its data is where it is read. semantics 121, 193 of ends that close at once.
#[tokio::test]
async fn what_was_accepted_arrives() -> io::Result<()> {
    const BYTES: usize = 6 << 20;
    let place = Place::new();
    let (mut server, mut client) = pair(&place, PipeMode::Byte);
    client.write_all(&vec![7; BYTES]).await?;
    drop(client);
    let mut all = Vec::new();
    server.read_to_end(&mut all).await?;
    assert_eq!((all.len(), all.iter().all(|byte| *byte == 7)), (BYTES, true));
    Ok(())
}

/// The same when the runtime that it was written in has ended.
#[test]
fn what_was_accepted_outlives_its_runtime() -> io::Result<()> {
    const BYTES: usize = 6 << 20;
    let place = Place::new();
    let server = npipe::ServerOptions::new().root(place.path()).create(NAME)?;
    let mut client = client_options(&place).open(NAME)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(client.write_all(&vec![7; BYTES]))?;
    drop(runtime);
    drop(client);
    let mut all = Vec::new();
    io::Read::read_to_end(&mut &server, &mut all)?;
    assert_eq!(all.len(), BYTES);
    Ok(())
}

/// Without any runtime, the library's own thread sees to it.
#[test]
fn calls_that_do_not_wait_need_no_runtime() -> io::Result<()> {
    const BYTES: usize = 6 << 20;
    let place = Place::new();
    let server = server_options(&place).create(NAME)?;
    let client = npipe::ClientOptions::new().root(place.path()).open(NAME)?;
    assert_eq!(server.try_write(&vec![7; BYTES])?, BYTES);
    drop(server);
    let mut all = Vec::new();
    io::Read::read_to_end(&mut &client, &mut all)?;
    assert_eq!(all.len(), BYTES);
    Ok(())
}

/// A write that fails on its way is reported by the next one, and not after a disconnect. semantics 177, 186
#[tokio::test]
async fn a_failure_on_the_way() -> io::Result<()> {
    let place = Place::new();
    let mut server = server_options(&place).out_buffer_size(16).create(NAME)?;
    let client = client_options(&place).open(NAME)?;
    server.write_all(&[0; 100]).await?;
    drop(client);
    let error = server.write_all(b"x").await.expect_err("it could not arrive");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let error = server.write_all(b"x").await.expect_err("nobody is there");
    assert_eq!(error.raw_os_error(), Some(232));
    server.disconnect()?;

    let client = meet_again(&server, &place).await;
    server.write_all(&[0; 100]).await?;
    server.disconnect()?;
    drop(client);
    let mut client = meet_again(&server, &place).await;
    server.write_all(b"fresh").await?;
    let mut buffer = [0; 8];
    assert_eq!(client.read(&mut buffer).await?, 5);
    Ok(())
}

/// Writes its data as soon as it is woken and can, and drops its end.
struct Successor(Mutex<Option<NamedPipeClient>>);

impl Wake for Successor {
    fn wake(self: Arc<Self>) {
        let mut place = self.0.lock().expect("nobody panics");
        if let Some(client) = place.take()
            && client.try_write(b"second").is_err()
        {
            *place = Some(client);
        }
    }
}

/// A write that begins while the end of the one before it is still being told, as on another thread of the runtime, keeps its
/// end open by itself. semantics 121, 193 of ends that close at once.
#[tokio::test]
async fn a_write_follows_another_at_once() -> io::Result<()> {
    let place = Place::new();
    let mut server = server_options(&place).in_buffer_size(1).create(NAME)?;
    let client = client_options(&place).open(NAME)?;
    assert_eq!(client.try_write(b"first")?, 5);
    let successor = Arc::new(Successor(Mutex::new(None)));
    let waker = Waker::from(successor.clone());
    assert!(client.poll_write_ready(&mut Context::from_waker(&waker)).is_pending());
    *successor.0.lock().expect("nobody panics") = Some(client);
    let mut all = Vec::new();
    server.read_to_end(&mut all).await?;
    assert_eq!(all, b"firstsecond");
    Ok(())
}
