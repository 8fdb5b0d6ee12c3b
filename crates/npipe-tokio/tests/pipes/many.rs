//! Hundreds of connections of one server, from other processes.

use std::io;
use std::path::Path;

use npipe_tokio::named_pipe::{ClientOptions, NamedPipeListener, ServerOptions, wait_in};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::support::{NAME, Place, Puppet, again, say};
use crate::{poll_once, server_options};

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

/// A process with both ends of many connections, all at rest: how many descriptors and threads each connection costs.
pub(crate) fn hall(root: &Path) {
    const PAIRS: usize = 100;
    let count = |directory: &str| std::fs::read_dir(directory).expect("it is Linux").count();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (mut servers, mut clients) = (Vec::new(), Vec::new());
        let (mut options, mut opening) = (ServerOptions::new(), ClientOptions::new());
        let (options, opening) = (options.root(root), opening.root(root));
        let mut before = (0, 0);
        for number in 0..=PAIRS {
            let server = options.create(NAME).expect("any number");
            clients.push(opening.open(NAME).expect("it listens"));
            server.connect().await.expect("there is a client");
            servers.push(server);
            assert!(poll_once(std::pin::pin!(servers[number].readable())).is_pending());
            assert!(poll_once(std::pin::pin!(clients[number].readable())).is_pending());
            if number == 0 {
                // What a process and a name cost once.
                before = (count("/proc/self/fd"), count("/proc/self/task"));
            }
        }
        let descriptors = (count("/proc/self/fd") - before.0) / PAIRS;
        let threads = count("/proc/self/task") - before.1;
        say(&format!("{descriptors} descriptors for each pair, {threads} threads"));
    });
}

/// No rule: each connection costs each end one descriptor, and no thread.
#[test]
fn what_a_connection_costs() {
    let place = Place::new();
    let mut hall = Puppet::spawn(again("hall", place.path()));
    assert_eq!(hall.answer(), "2 descriptors for each pair, 0 threads");
}
