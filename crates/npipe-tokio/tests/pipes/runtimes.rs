//! Every kind of runtime, and how a task that looks for its peer shares the thread with others.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use npipe_tokio::named_pipe::{NamedPipeClient, NamedPipeServer, PipeMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::support::{NAME, Place};
use crate::{client_options, pair, server_options};

async fn echo(mut server: NamedPipeServer, rounds: u32) -> io::Result<()> {
    server.connect().await?;
    for _ in 0..rounds {
        let value = server.read_u32().await?;
        server.write_u32(value + 1).await?;
    }
    Ok(())
}

async fn ask(mut client: NamedPipeClient, rounds: u32) -> io::Result<()> {
    for round in 0..rounds {
        client.write_u32(round).await?;
        assert_eq!(client.read_u32().await?, round + 1);
    }
    Ok(())
}

/// Ends that sleep whenever they wait, and so ring each other early: one whose answers come at once, one which at times waits for
/// its runtime first, and one that does not answer each time.
///
/// semantics 92, 122
#[test]
fn whoever_is_rung_early_hears_of_what_comes_later() -> io::Result<()> {
    const ROUNDS: u32 = 2_000;
    for quiet_rounds in [0, 1, 7] {
        let place = Place::new();
        let mut server = server_options(&place).spin(Duration::ZERO).create(NAME)?;
        let client = client_options(&place).spin(Duration::ZERO).open(NAME)?;
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| {
                Builder::new_current_thread().enable_all().build()?.block_on(async {
                    server.connect().await?;
                    for round in 0..ROUNDS {
                        let value = server.read_u32().await?;
                        if round % 50 < quiet_rounds {
                            tokio::task::yield_now().await;
                            std::thread::yield_now();
                        }
                        if round % 100 >= quiet_rounds {
                            server.write_u32(value + 1).await?;
                        }
                    }
                    io::Result::Ok(())
                })
            });
            Builder::new_current_thread().enable_all().build()?.block_on(async {
                let mut client = client;
                for round in 0..ROUNDS {
                    client.write_u32(round).await?;
                    if round % 100 >= quiet_rounds {
                        assert_eq!(client.read_u32().await?, round + 1);
                    }
                }
                io::Result::Ok(())
            })?;
            serving.join().expect("the server")
        })?;
    }
    Ok(())
}

fn runtimes() -> [Runtime; 3] {
    [
        Builder::new_current_thread().enable_all().build(),
        Builder::new_multi_thread().worker_threads(1).enable_all().build(),
        Builder::new_multi_thread().worker_threads(3).enable_all().build(),
    ]
    .map(|runtime| runtime.expect("a runtime"))
}

/// Both ends in one runtime, in two, and one of them blocking. semantics 92, 119
#[test]
fn every_kind_of_runtime() -> io::Result<()> {
    const ROUNDS: u32 = 2_000;
    for runtime in runtimes() {
        let place = Place::new();
        let (server, client) = pair(&place, PipeMode::Byte);
        runtime.block_on(async {
            let served = tokio::spawn(echo(server, ROUNDS));
            ask(client, ROUNDS).await?;
            served.await?
        })?;
        let (server, client) = pair(&place, PipeMode::Byte);
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| runtime.block_on(echo(server, ROUNDS)));
            let other = Builder::new_current_thread().enable_all().build()?;
            other.block_on(ask(client, ROUNDS))?;
            serving.join().expect("it does not panic")
        })?;
        let server = server_options(&place).create(NAME)?;
        let client = npipe::ClientOptions::new().root(place.path()).open(NAME)?;
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| runtime.block_on(echo(server, ROUNDS)));
            for round in 0..ROUNDS {
                client.write(&round.to_be_bytes())?;
                let mut answer = [0; 4];
                io::Read::read_exact(&mut &client, &mut answer)?;
                assert_eq!(u32::from_be_bytes(answer), round + 1);
            }
            serving.join().expect("it does not panic")
        })?;
    }
    Ok(())
}

/// Tasks that cannot leave their thread. semantics 92
#[test]
fn tasks_of_one_thread() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Byte);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        let here = Rc::new(());
        let serving = tokio::task::spawn_local(async move {
            echo(server, 100).await?;
            drop(here);
            io::Result::Ok(())
        });
        ask(client, 100).await?;
        serving.await?
    })
}

/// Two pipes, whichever has something first. semantics 92
#[tokio::test]
async fn whichever_comes_first() -> io::Result<()> {
    const OTHER: &str = r"\\.\pipe\other";
    let place = Place::new();
    let (one, mut to_one) = pair(&place, PipeMode::Byte);
    let other = server_options(&place).create(OTHER)?;
    let mut to_other = client_options(&place).open(OTHER)?;
    let (mut from_one, mut from_other) = (0, 0);
    let writing = async {
        for round in 0..200_u32 {
            match round % 3 {
                0 => to_one.write_all(b"1").await?,
                _ => to_other.write_all(b"2").await?,
            }
            tokio::task::yield_now().await;
        }
        drop((to_one, to_other));
        io::Result::Ok(())
    };
    let reading = async {
        let (mut first, mut second) = ([0; 1], [0; 1]);
        let (mut one_ends, mut other_ends) = (false, false);
        while !(one_ends && other_ends) {
            tokio::select! {
                read = one.read_message(&mut first), if !one_ends => match read {
                    Ok(outcome) => from_one += outcome.bytes,
                    Err(_) => one_ends = true,
                },
                read = other.read_message(&mut second), if !other_ends => match read {
                    Ok(outcome) => from_other += outcome.bytes,
                    Err(_) => other_ends = true,
                },
            }
        }
    };
    let (written, ()) = tokio::join!(writing, reading);
    written?;
    assert_eq!((from_one, from_other), (67, 133));
    Ok(())
}

/// A pipe that always has something to read does not keep its runtime from other tasks: the budget of a task ends.
#[test]
fn a_busy_pipe_leaves_others_their_turn() -> io::Result<()> {
    let place = Place::new();
    let (mut server, client) = pair(&place, PipeMode::Byte);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (client, over) = (&client, &over);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let _ = client.try_write(&[0; 64]);
            }
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let finished = runtime.block_on(async {
            let turns = Arc::new(AtomicU32::new(0));
            let other = tokio::spawn({
                let turns = turns.clone();
                async move {
                    for _ in 0..100 {
                        turns.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                }
            });
            let mut buffer = [0; 16];
            // No await in this loop ever has to wait, but for the budget.
            while !other.is_finished() {
                let read = server.read(&mut buffer).await?;
                assert_ne!(read, 0, "the client goes on");
            }
            other.await?;
            io::Result::Ok(turns.load(Ordering::Relaxed))
        });
        over.store(true, Ordering::Relaxed);
        assert_eq!(finished?, 100);
        Ok(())
    })
}

/// Two ends that answer each other at once without a pause: a timer of the same thread fires all the same.
#[test]
fn a_chat_does_not_stop_the_clock() -> io::Result<()> {
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Byte);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            // Ends with its client.
            let served = runtime.block_on(echo(server, u32::MAX));
            assert!(served.is_err(), "the client has gone");
            io::Result::Ok(())
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let asked = tokio::time::timeout(Duration::from_millis(20), ask(client, u32::MAX)).await;
            assert!(asked.is_err(), "the clock stops it");
            io::Result::Ok(())
        })
    })
}

/// An end that waited in one runtime goes on in the next when the first has ended.
#[test]
fn an_end_outlives_its_runtime() -> io::Result<()> {
    let place = Place::new();
    let (mut server, client) = pair(&place, PipeMode::Byte);
    let first = Builder::new_current_thread().enable_all().build()?;
    first.block_on(async {
        let timeout = tokio::time::timeout(Duration::from_millis(1), server.read_u8()).await;
        assert!(timeout.is_err());
    });
    drop(first);
    let second = Builder::new_current_thread().enable_all().build()?;
    second.block_on(async {
        for value in 0..100 {
            let (read, ()) = tokio::join!(server.read_u8(), async {
                tokio::task::yield_now().await;
                client.try_write(&[value]).expect("there is room");
            });
            assert_eq!(read?, value);
        }
        Ok(())
    })
}

/// Futures of an end can go to other threads, ends can be shared.
#[test]
fn ends_go_anywhere() {
    fn is_send_and_sync<T: Send + Sync>() {}
    fn is_send(_: impl Future + Send) {}
    is_send_and_sync::<NamedPipeServer>();
    is_send_and_sync::<NamedPipeClient>();
    let place = Place::new();
    let (server, client) = pair(&place, PipeMode::Message);
    is_send(server.connect());
    is_send(client.readable());
    is_send(client.transact(&[], &mut []));
    is_send(client.flush_until_read());
}
