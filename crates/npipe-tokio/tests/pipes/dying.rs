//! Peers that die, and forks.
#![allow(unsafe_code, reason = "fork and _exit have no safe binding")]

use std::io;

use npipe_tokio::named_pipe::{ClientOptions, ServerOptions};
use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{NAME, Place, Puppet};
use crate::{client_options, meet_again, poll_once, server_options};

/// A client that is killed ends every call that waits on its server, and what it had written is read. semantics 129, 183
#[tokio::test]
async fn a_client_is_killed() -> io::Result<()> {
    let place = Place::new();
    let mut server = server_options(&place).out_buffer_size(16).create(NAME)?;
    let mut puppet = Puppet::start(&place);
    assert_eq!(puppet.ask(&format!("open rw {NAME}")), "0");
    server.connect().await?;
    assert_eq!(puppet.ask("write 0 last-words"), "10");
    server.write_all(&[0; 100]).await?;
    let mut buffer = [0; 16];
    assert_eq!(server.read(&mut buffer).await?, 10);
    {
        let mut writing = Box::pin(server.write_message(b"x"));
        let mut reading = Box::pin(server.read_message(&mut buffer));
        let mut flushing = Box::pin(server.flush_until_read());
        assert!(poll_once(writing.as_mut()).is_pending());
        assert!(poll_once(reading.as_mut()).is_pending());
        assert!(poll_once(flushing.as_mut()).is_pending());
        puppet.kill();
        let (written, read, flushed) = tokio::join!(writing, reading, flushing);
        // What could not arrive is told once, by whichever asks first.
        assert!(written.is_err() || flushed.is_err());
        assert_eq!(read.expect_err("it is dead").kind(), io::ErrorKind::BrokenPipe);
    }
    server.disconnect()?;
    let mut fresh = meet_again(&server, &place).await;
    fresh.write_all(b"fresh").await?;
    assert_eq!(server.read(&mut buffer).await?, 5);
    Ok(())
}

/// semantics 183, 186
#[tokio::test]
async fn a_server_is_killed() -> io::Result<()> {
    let place = Place::new();
    let mut puppet = Puppet::start(&place);
    assert_eq!(puppet.ask(&format!("create byte {NAME}")), "0");
    let mut client = client_options(&place).open(NAME)?;
    let mut buffer = [0; 16];
    {
        let mut reading = Box::pin(client.read_message(&mut buffer));
        assert!(poll_once(reading.as_mut()).is_pending());
        puppet.kill();
        assert_eq!(reading.await.expect_err("it is dead").kind(), io::ErrorKind::BrokenPipe);
    }
    assert_eq!(client.read(&mut buffer).await?, 0);
    assert!(client.write_all(b"x").await.is_err());
    Ok(())
}

/// What the child does, and whether it did: nothing of it may unwind or run the parent's destructors twice.
fn fork(child: impl FnOnce() -> bool) -> Pid {
    // SAFETY: the child runs only `child` and leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        0 => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(false);
            // SAFETY: it has no preconditions.
            unsafe { libc::_exit(if done { 0 } else { 1 }) }
        }
        pid => Pid::from_raw(pid).expect("not zero"),
    }
}

/// A forked child cannot use what it has inherited, can use pipes of its own, and disturbs its parent's in nothing: not by
/// dropping them either.
///
/// No rule of the specification speaks of forks, which Windows does not have.
#[test]
fn a_child_begins_anew() -> io::Result<()> {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut server = server_options(&place).create(NAME)?;
    let mut client = client_options(&place).open(NAME)?;
    runtime.block_on(async {
        let mut reading = std::pin::pin!(server.readable());
        assert!(poll_once(reading.as_mut()).is_pending());
    });
    let root = place.path().to_owned();
    let inherited = client_options(&place).open(NAME).is_err();
    assert!(inherited, "one instance");
    let child = fork({
        let (server, client) = (&server, &client);
        move || {
            let invalid = |error: io::Error| {
                error
                    .get_ref()
                    .is_some_and(|error| error.to_string().contains("HANDLE"))
            };
            let both_invalid =
                server.try_read(&mut [0]).is_err_and(invalid) && client.try_write(b"x").is_err_and(invalid);
            let own = || -> io::Result<bool> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let mut options = ServerOptions::new();
                let mut server = options.root(&root).create(r"\\.\pipe\child")?;
                let mut client = ClientOptions::new().root(&root).open(r"\\.\pipe\child")?;
                runtime.block_on(async {
                    let (read, written) = tokio::join!(server.read_u8(), client.write_u8(7));
                    written?;
                    Ok(read? == 7)
                })
            };
            both_invalid && own().unwrap_or(false)
        }
    });
    let (_, status) = waitpid(Some(child), WaitOptions::empty())?.expect("it has ended");
    assert_eq!(status.exit_status(), Some(0));
    runtime.block_on(async {
        let (read, written) = tokio::join!(server.read_u8(), client.write_u8(1));
        written?;
        assert_eq!(read?, 1);
        Ok(())
    })
}
