//! Clients that play with the segment and with how a runtime is rung: a connection of theirs may end, and nothing else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use npipe_shm::layout::Side;
use npipe_tokio::named_pipe::PipeMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

use crate::intruder::Intruder;
use crate::support::{NAME, Place};
use crate::{client_options, server_options};

const OTHER: &str = r"\\.\pipe\innocent";

/// Does something without end to a connection on which tasks wait, while an innocent one of the same thread goes on.
fn beside(disturb: impl Fn(&Intruder) + Sync) -> io::Result<()> {
    const EXCHANGES: u32 = 1_000;
    let place = Place::new();
    let victim = server_options(&place)
        .pipe_mode(PipeMode::Message)
        .out_buffer_size(16)
        .create(NAME)?;
    let intruder = Intruder::open(place.path(), NAME).expect("an instance listens");
    intruder.socket.set_nonblocking(true)?;
    let mut innocent = server_options(&place).create(OTHER)?;
    let mut client = client_options(&place).open(OTHER)?;
    let over = AtomicBool::new(false);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                disturb(&intruder);
            }
        });
        let done = runtime.block_on(async {
            let victimised = async {
                let mut buffer = [0; 16];
                loop {
                    tokio::select! {
                        // Whatever comes of it, while the innocent are served.
                        _ = victim.read_message(&mut buffer) => {}
                        _ = victim.write_message(&[0; 100]) => {}
                        _ = victim.flush_until_read() => {}
                    }
                    tokio::task::yield_now().await;
                }
            };
            let exchanges = async {
                for round in 0..EXCHANGES {
                    client.write_u32(round).await?;
                    assert_eq!(innocent.read_u32().await?, round);
                }
                io::Result::Ok(())
            };
            tokio::select! {
                () = victimised => Ok(()),
                exchanged = exchanges => exchanged,
            }
        });
        over.store(true, Ordering::Relaxed);
        done
    })?;
    drop(intruder);
    // The connection is over, and the instance serves the next client.
    drop(victim);
    let server = server_options(&place).create(NAME)?;
    drop(client_options(&place).open(NAME)?);
    drop(server);
    Ok(())
}

/// semantics 71, 214
#[test]
fn bytes_without_end_hold_nobody_up() -> io::Result<()> {
    beside(|intruder| drop((&intruder.socket).write(&[7; 4096])))
}

/// semantics 71, 214: the words in which the victim calls for its ring are the peer's to write.
#[test]
fn spoilt_calls_hold_nobody_up() -> io::Result<()> {
    beside(|intruder| {
        for value in [0, u32::MAX, 1 << 15, 1 << 31] {
            for side in [Side::Server, Side::Client] {
                intruder.words(side).attention.0.sleepers.store(value, Ordering::SeqCst);
            }
            let _ = (&intruder.socket).write(&[7]);
        }
    })
}

/// semantics 71: positions and counts that no honest peer publishes.
#[test]
fn lies_hold_nobody_up() -> io::Result<()> {
    let lie = std::sync::atomic::AtomicU64::new(1);
    beside(|intruder| {
        let value = lie.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let words = intruder.words(Side::Client);
        words.reader.0.taken.store(value, Ordering::SeqCst);
        words.reader.0.head.store(value >> 7, Ordering::SeqCst);
        words.writer.0.tail.store(value >> 40, Ordering::SeqCst);
        let _ = (&intruder.socket).write(&[7]);
    })
}

/// A lane of lies ends what waits on it. semantics 71
#[test]
fn a_lane_of_lies_ends_what_waits() -> io::Result<()> {
    let place = Place::new();
    let mut victim = server_options(&place).create(NAME)?;
    let intruder = Intruder::open(place.path(), NAME).expect("an instance listens");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let lying = async {
            tokio::task::yield_now().await;
            intruder
                .words(Side::Client)
                .writer
                .0
                .tail
                .store(u64::MAX, Ordering::SeqCst);
            (&intruder.socket).write_all(&[1])
        };
        let mut buffer = [0; 8];
        let (read, lied) = tokio::join!(victim.read(&mut buffer), lying);
        lied?;
        assert!(read.is_err(), "{read:?}");
        assert!(victim.write_all(b"x").await.is_err());
        Ok(())
    })
}
