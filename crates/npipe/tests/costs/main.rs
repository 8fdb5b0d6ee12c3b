//! What a round trip of 32 bytes costs in system calls and instructions: figures that do not depend on how busy the machine
//! is, so that a test can hold them, where the clock can only be read by benchmarks.
//!
//! A program does round trips in some state; strace writes down its system calls, valgrind counts its instructions. Those of
//! starting and ending do not matter: system calls are counted between two marks, of instructions a run with few round trips
//! is taken off one with many. Instructions are those of an optimised build; `cargo xtask test` has a step for them.

#![cfg(unix)]

mod counting;
#[cfg(not(debug_assertions))]
mod instructions;
mod rounds;
#[path = "../support/mod.rs"]
mod support;

use counting::{Calls, system_calls, system_calls_by_side};
use rounds::{State, Style, Work, two_cpus};

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    match Work::parse(role) {
        Some(work) => work.play(root),
        None => support::obey(root, &[]),
    }
}

const ROUNDS: usize = 1000;

/// The system calls of round trips.
fn calls_of(style: Style, state: State) -> Calls {
    system_calls(Work {
        style,
        state,
        rounds: ROUNDS,
    })
}

/// Whether two ends can be awake at the same time.
fn has_two_cpus(test: &str) -> bool {
    let has = two_cpus().is_some();
    if !has {
        support::announce(&format!(
            "{test}: not between two threads, as there is one processor only"
        ));
    }
    has
}

/// What is there is read, and what has room is written, without any system call, in each style of server.
///
/// No rule: it is what the data plane is for.
#[test]
fn data_moves_without_system_calls() {
    for style in Style::ALL {
        let calls = calls_of(style, State::OneThread);
        assert_eq!(calls, Calls::default(), "{style:?}");
    }
}

/// A peer that is awake is reached without any system call.
///
/// No rule: the same. Only of calls that block: an operation whose request comes between its start and the wait for it has
/// the background thread rung.
#[test]
fn awake_peers_need_no_system_call() {
    if has_two_cpus("awake_peers_need_no_system_call") {
        assert_eq!(calls_of(Style::Blocking, State::Awake), Calls::default());
    }
}

/// Ends that sleep at once: for each message one sleeps and the other wakes it, by futexes.
///
/// No rule: the same.
#[test]
fn a_peer_asleep_is_woken_by_one_call() {
    if has_two_cpus("a_peer_asleep_is_woken_by_one_call") {
        let calls = calls_of(Style::Blocking, State::Asleep);
        // How often one sleeps depends on how fast the other is; more often than for each message is never needed.
        assert!((1..=4 * ROUNDS).contains(&calls.of("futex")), "{calls:?}");
        assert_eq!(calls.of("futex"), calls.total(), "{calls:?}");
    }
}

/// A server that waits for operations on one connection sleeps on one word, as one that blocks does.
///
/// No rule: the same.
#[test]
fn a_server_of_one_client_sleeps_on_one_word() {
    if has_two_cpus("a_server_of_one_client_sleeps_on_one_word") {
        for style in [Style::Operations, Style::Routines, Style::Port] {
            let calls = calls_of(style, State::Asleep);
            assert!((1..=4 * ROUNDS).contains(&calls.of("futex")), "{style:?}: {calls:?}");
            assert_eq!(calls.of("futex_waitv"), 0, "{style:?}: {calls:?}");
        }
    }
}

/// To connect, ask once and close takes so many system calls on either side; the server's are those of the thread that serves and
/// of the library's own.
///
/// No rule: it is about speed.
#[test]
fn a_connection_takes_so_many_system_calls() {
    const CONNECTIONS: usize = 200;
    let sides = system_calls_by_side(Work {
        style: Style::Blocking,
        state: State::Connecting,
        rounds: CONNECTIONS,
    });
    let each = |calls: &Calls| calls.total().div_ceil(CONNECTIONS);
    let (client, server) = (each(&sides.marking), each(&sides.others));
    support::announce(&format!(
        "a connection: {client} system calls of the client, {server} of the server"
    ));
    assert!(client <= MOST_OF_CLIENT && server <= MOST_OF_SERVER, "{sides:?}");
    // One segment for each connection, never used again, and one in hand.
    let segments = sides.others.of("memfd_create");
    assert!(
        (CONNECTIONS - 1..=CONNECTIONS + 1).contains(&segments),
        "{segments} segments"
    );
}

/// Measured: 24. That of the server depends on how long the connection lasts, whose watch begins after a moment: 34.
const MOST_OF_CLIENT: usize = 28;
const MOST_OF_SERVER: usize = 42;
