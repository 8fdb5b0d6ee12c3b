//! Hundreds of connections of one server, from other processes.

use std::io;
use std::path::Path;

use npipe_tokio::named_pipe::{ClientOptions, NamedPipeListener, wait_in};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::server_options;
use crate::support::{NAME, Place, Puppet, again, say};

const PROCESSES: usize = 4;
const CLIENTS: usize = 100;
const ROUNDS: u32 = 20;

/// A process with many clients, each of which asks its server a few times.
pub(crate) fn crowd(root: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = runtime.and_then(|runtime| runtime.block_on(chat(root)));
    say(&outcome.map_or_else(|error| error.to_string(), |count| count.to_string()));
}

async fn chat(root: &Path) -> io::Result<usize> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let root = root.to_owned();
        clients.spawn(async move {
            let namespace = npipe::Namespace::at(&root)?;
            let mut client = loop {
                match ClientOptions::new().root(&root).open(NAME) {
                    Err(error) if error.raw_os_error() == Some(231) => wait_in(&namespace, NAME, None).await?,
                    other => break other?,
                }
            };
            for round in 0..ROUNDS {
                client.write_u32(round).await?;
                assert_eq!(client.read_u32().await?, round + 1);
            }
            io::Result::Ok(())
        });
    }
    let mut done = 0;
    while let Some(client) = clients.join_next().await {
        client??;
        done += 1;
    }
    Ok(done)
}

/// semantics 24, 52, 57, 86
#[tokio::test]
async fn hundreds_of_clients() -> io::Result<()> {
    let place = Place::new();
    let mut listener = NamedPipeListener::bind_with(&server_options(&place), NAME)?;
    let mut crowds: Vec<Puppet> = (0..PROCESSES)
        .map(|_| Puppet::spawn(again("crowd", place.path())))
        .collect();
    let mut served = JoinSet::new();
    for _ in 0..PROCESSES * CLIENTS {
        let mut client = listener.accept().await?;
        served.spawn(async move {
            for _ in 0..ROUNDS {
                let value = client.read_u32().await?;
                client.write_u32(value + 1).await?;
            }
            // Until it closes.
            assert_eq!(client.read(&mut [0]).await?, 0);
            io::Result::Ok(())
        });
    }
    while let Some(one) = served.join_next().await {
        one??;
    }
    for crowd in &mut crowds {
        assert_eq!(crowd.answer(), CLIENTS.to_string());
    }
    Ok(())
}
