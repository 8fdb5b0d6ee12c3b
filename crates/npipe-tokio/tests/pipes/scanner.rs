//! Several ends in one runtime, which are looked after together while they are busy.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use npipe_tokio::named_pipe::{NamedPipeClient, NamedPipeServer, PipeMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

use crate::support::Place;
use crate::{pair_of, poll_once};

const PIPES: usize = 4;

type Pair = (NamedPipeServer, NamedPipeClient);

fn pairs(place: &Place) -> (Vec<NamedPipeServer>, Vec<NamedPipeClient>) {
    so_many_pairs(place, PIPES)
}

fn so_many_pairs(place: &Place, count: usize) -> (Vec<NamedPipeServer>, Vec<NamedPipeClient>) {
    let named = |number| pair_of(place, PipeMode::Byte, &format!(r"\\.\pipe\number {number}"));
    (0..count).map(named).collect::<Vec<Pair>>().into_iter().unzip()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Until its client is gone.
async fn echo(mut server: NamedPipeServer) {
    while let Ok(value) = server.read_u32().await {
        if server.write_u32(value + 1).await.is_err() {
            return;
        }
    }
}

async fn ask(client: &mut NamedPipeClient, rounds: u32) -> io::Result<()> {
    for round in 0..rounds {
        client.write_u32(round).await?;
        assert_eq!(client.read_u32().await?, round + 1);
    }
    Ok(())
}

fn ask_all(clients: Vec<NamedPipeClient>, rounds: u32) -> JoinSet<io::Result<()>> {
    let mut asking = JoinSet::new();
    for mut client in clients {
        asking.spawn(async move { ask(&mut client, rounds).await });
    }
    asking
}

async fn finish(mut all: JoinSet<io::Result<()>>) -> io::Result<()> {
    while let Some(one) = all.join_next().await {
        one??;
    }
    Ok(())
}

/// Both ends in runtimes of one thread, of several, and in a task that cannot leave its thread. semantics 92, 119
#[test]
fn many_chats_at_once() -> io::Result<()> {
    const ROUNDS: u32 = 2_000;
    let several = || Builder::new_multi_thread().worker_threads(2).enable_all().build();
    for (serving, asking) in [
        (runtime(), runtime()),
        (several()?, runtime()),
        (several()?, several()?),
    ] {
        let place = Place::new();
        let (servers, clients) = pairs(&place);
        for server in servers {
            serving.spawn(echo(server));
        }
        std::thread::scope(|scope| {
            let (over, is_over) = tokio::sync::oneshot::channel::<()>();
            let served = scope.spawn(|| serving.block_on(is_over));
            asking.block_on(finish_all(clients, ROUNDS))?;
            drop(over);
            assert!(served.join().expect("it does not panic").is_err());
            io::Result::Ok(())
        })?;
    }
    let place = Place::new();
    let (servers, clients) = pairs(&place);
    LocalSet::new().block_on(&runtime(), async {
        for server in servers {
            tokio::task::spawn_local(echo(server));
        }
        finish_all(clients, ROUNDS).await
    })
}

async fn finish_all(clients: Vec<NamedPipeClient>, rounds: u32) -> io::Result<()> {
    finish(ask_all(clients, rounds)).await
}

/// Ends that have come to rest together are woken one after another, by their bells or before, all that have something and
/// whether others have or not. semantics 92
#[test]
fn a_burst_wakes_everybody() -> io::Result<()> {
    const ENDS: usize = 40;
    const BURSTS: usize = 300;
    let place = Place::new();
    let (servers, mut clients) = so_many_pairs(&place, ENDS);
    std::thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut serving = JoinSet::new();
            runtime().block_on(async {
                for server in servers {
                    serving.spawn(echo(server));
                }
                while serving.join_next().await.is_some() {}
            });
        });
        // They close whatever happens, and with them what echoes.
        runtime().block_on(async move {
            for burst in 0..BURSTS {
                let is_part = |at: usize| (7 * at + burst) % 5 <= burst % 6;
                for (at, client) in clients.iter_mut().enumerate().filter(|(at, _)| is_part(*at)) {
                    client.write_u32((burst + at) as u32).await?;
                }
                for (at, client) in clients.iter_mut().enumerate().filter(|(at, _)| is_part(*at)) {
                    assert_eq!(client.read_u32().await? as usize, burst + at + 1);
                }
            }
            io::Result::Ok(())
        })?;
        served.join().expect("it does not panic");
        Ok(())
    })
}

/// Ends that are busy without a pause leave the thread to other tasks, and to the clock.
#[test]
fn busy_ends_leave_others_their_turn() -> io::Result<()> {
    let place = Place::new();
    let (servers, clients) = pairs(&place);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Until the servers are gone.
            let failed = runtime().block_on(finish_all(clients, u32::MAX));
            assert!(failed.is_err());
        });
        let serving = runtime();
        for server in servers {
            serving.spawn(echo(server));
        }
        let turns = Arc::new(AtomicU32::new(0));
        let counted = turns.clone();
        serving.spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        serving.block_on(async {
            let mut clock = tokio::time::interval(Duration::from_millis(1));
            while turns.load(Ordering::Relaxed) < 1_000 {
                clock.tick().await;
            }
        });
    });
    Ok(())
}

/// A runtime that stands still, and then ends, looks after nothing; its ends go on in the next. semantics 92
#[test]
fn ends_leave_a_runtime_that_stands_still() -> io::Result<()> {
    let place = Place::new();
    let (mut servers, mut clients) = pairs(&place);
    for is_kept in [true, false] {
        let standing = runtime();
        standing.block_on(async {
            for server in &mut servers {
                assert!(poll_once(pin!(server.read_u32())).is_pending());
            }
        });
        let _kept = is_kept.then_some(standing);
        runtime().block_on(async {
            for (server, client) in servers.iter_mut().zip(&mut clients) {
                let (read, written) = tokio::join!(server.read_u32(), async {
                    tokio::task::yield_now().await;
                    client.write_u32(7).await
                });
                written?;
                assert_eq!(read?, 7);
            }
            io::Result::Ok(())
        })?;
    }
    Ok(())
}

/// What goes by an end keeps nothing of it open when it is dropped.
#[test]
fn an_end_that_is_looked_after_closes_when_it_is_dropped() {
    let place = Place::new();
    let (mut servers, _clients) = pairs(&place);
    runtime().block_on(async {
        for server in &mut servers {
            assert!(poll_once(pin!(server.read_u32())).is_pending());
        }
        for server in servers {
            let link = format!("/proc/self/fd/{}", server.as_raw_fd());
            let socket = std::fs::read_link(&link).expect("it is open");
            drop(server);
            assert_ne!(std::fs::read_link(&link).ok(), Some(socket));
        }
    });
}
