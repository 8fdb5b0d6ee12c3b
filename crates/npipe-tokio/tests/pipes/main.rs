//! Pipes with tokio's interface: what tokio's documentation promises, what goes beyond it, and what happens when futures are
//! dropped, peers die, lie or crowd in.
//!
//! Every test has a namespace directory of its own and waits for events. Other processes are this program again, in a role,
//! as in the tests of the library itself, whose support these share.

#![cfg(unix)]

mod as_on_windows;
mod attributes;
mod beyond;
mod dropped;
mod dying;
mod hostile;
#[path = "../../../npipe/tests/hostile/intruder.rs"]
#[allow(dead_code, reason = "the hostile tests of the library use all of it")]
mod intruder;
mod many;
mod messages;
mod runtimes;
mod scanner;
#[path = "../../../npipe/tests/support/mod.rs"]
mod support;
mod writing;

use std::future::Future;
use std::task::{Context, Poll, Waker};

use npipe_tokio::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, PipeMode, ServerOptions};

use support::{NAME, Place};

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    match role {
        "puppet" => support::obey(root, &[]),
        "crowd" => many::crowd(root),
        "hall" => many::hall(root),
        _ => panic!("no such role: {role:?}"),
    }
}

fn server_options(place: &Place) -> ServerOptions {
    let mut options = ServerOptions::new();
    options.root(place.path());
    options
}

fn client_options(place: &Place) -> ClientOptions {
    let mut options = ClientOptions::new();
    options.root(place.path());
    options
}

/// Two ends of a pipe that are connected, both reading as the pipe carries.
fn pair(place: &Place, mode: PipeMode) -> (NamedPipeServer, NamedPipeClient) {
    pair_of(place, mode, NAME)
}

fn pair_of(place: &Place, mode: PipeMode, name: &str) -> (NamedPipeServer, NamedPipeClient) {
    let server = server_options(place)
        .pipe_mode(mode)
        .create(name)
        .expect("the name is free");
    let client = client_options(place).pipe_mode(mode).open(name).expect("it listens");
    (server, client)
}

/// Has an instance listen that is disconnected, and a client come to it.
async fn meet_again(server: &NamedPipeServer, place: &Place) -> NamedPipeClient {
    let mut connecting = std::pin::pin!(server.connect());
    assert!(poll_once(connecting.as_mut()).is_pending());
    let client = client_options(place).open(NAME).expect("it listens");
    connecting.await.expect("it has a client");
    client
}

/// Polls a future once, as if nobody was to be woken.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
