//! Limits that are stated, and shortages: how many connections, instances and visitors one process serves, what each of
//! them costs, and what happens where descriptors, memory, threads or a usable namespace are missing.
//!
//! Every test has a namespace directory of its own and waits for events. The figures are printed whether the tests pass or
//! not. Other processes are this program again, see [`support::again`].

#![cfg(unix)]

mod connections;
mod instances;
mod namespace;
mod shortage;
#[path = "../support/mod.rs"]
mod support;
mod visitors;

use support::{NAME, Place, Puppet, User, announce, error, has_other_users};

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    assert_eq!(role, "puppet", "there is no other");
    support::obey(root, &[]);
}

/// The number that a process answered.
#[track_caller]
fn number(answer: &str) -> u64 {
    answer.parse().unwrap_or_else(|_| panic!("not a number: {answer}"))
}
