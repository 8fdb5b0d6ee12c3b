//! Ends that several processes hold: passed on over a socket, inherited by a child, left to others, shared with those who
//! are killed.
//!
//! Every test has a namespace directory of its own ([`support::Place`]) and waits for events. Other processes are this
//! program again, in a role (see [`support::again`]); each ends with the one that started it.

#![cfg(unix)]

mod conversation;
mod dead;
mod operations;
mod passing_on;
mod refusals;
mod servers;
#[path = "../support/mod.rs"]
mod support;
mod toil;

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    match role {
        "puppet" => support::obey(root, &[]),
        "heir" => passing_on::inherit(),
        "toiler" => toil::toil(),
        _ => panic!("no such role: {role:?}"),
    }
}
