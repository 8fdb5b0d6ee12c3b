//! Limits that are stated, and shortages: how many connections, instances and visitors one process serves, what each of
//! them costs, and what happens where descriptors, memory, threads or a usable namespace are missing.
//!
//! Every test has a namespace directory of its own and waits for events. The figures are printed whether the tests pass or
//! not. Other processes are this program again, see [`other`].

mod connections;
mod instances;
mod namespace;
#[path = "../other/mod.rs"]
mod other;
mod shortage;
mod visitors;

use other::{NAME, Other, Place, User, error, has_other_users, say};

/// The number that a process answered.
#[track_caller]
fn number(answer: &str) -> u64 {
    answer.parse().unwrap_or_else(|_| panic!("not a number: {answer}"))
}
