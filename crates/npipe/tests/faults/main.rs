//! What goes wrong around a pipe: processes that are killed or stopped, signals, files that are not ours, descriptors that
//! run out.
//!
//! Every test has a namespace directory of its own ([`support::Place`]) and waits for events. Other processes are this
//! program again, in a role (see [`support::again`]); each ends with the one that started it.

#![cfg(unix)]

mod foreign;
mod forks;
mod keeper;
mod kill;
mod left_behind;
mod shortage;
mod stopped;
mod storm;
mod succession;
#[path = "../support/mod.rs"]
mod support;

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    match role {
        "puppet" => support::obey(root, &[("fork", forks::fork_a_sleeper)]),
        "server" => succession::serve(root),
        "survivor" => kill::survivor::survive(root),
        "victim" => kill::victim::suffer(root),
        _ => panic!("no such role: {role:?}"),
    }
}
