//! Users among each other: who may open a pipe, who may take a name, and what a stranger finds out or spoils.
//!
//! Other users are made by number, which only the superuser can; where the tests run as anybody else, what needs other
//! users is left out and named, with a count (see [`support::has_other_users`]). Every test has a namespace directory of its
//! own that all users share. Other processes are this program again, see [`support::again`].

#![cfg(unix)]

mod access;
mod identity;
mod impersonation;
mod spoiling;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod taking;

use support::{NAME, Place, Puppet, User, announce, error};

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    match role {
        "puppet" => support::obey(root, &[]),
        "turncoat" => impersonation::lose_the_way_back(root),
        other => panic!("no role: {other}"),
    }
}

const ALICE: User = User::new(40_001);
const BOB: User = User::new(40_002);
const CAROL: User = User::new(40_003);

/// A user who is in more groups.
const fn within(user: User, groups: &'static [u32]) -> User {
    User { groups, ..user }
}
