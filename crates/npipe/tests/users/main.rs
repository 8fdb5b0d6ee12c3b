//! Users among each other: who may open a pipe, who may take a name, and what a stranger finds out or spoils.
//!
//! Other users are made by number, which only the superuser can; where the tests run as anybody else, what needs other
//! users is left out and named, with a count (see [`other::has_other_users`]). Every test has a namespace directory of its
//! own that all users share. Other processes are this program again, see [`other`].

mod access;
mod identity;
#[path = "../other/mod.rs"]
mod other;
mod spoiling;
mod strangers;
mod taking;

use other::{NAME, Other, Place, User, error, say};

const ALICE: User = User::new(40_001);
const BOB: User = User::new(40_002);
const CAROL: User = User::new(40_003);

/// A user who is in more groups.
const fn within(user: User, groups: &'static [u32]) -> User {
    User { groups, ..user }
}
