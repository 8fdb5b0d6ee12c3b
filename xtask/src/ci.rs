//! `cargo xtask ci`: what continuous integration runs, under a name of its
//! own so that a machine's needs may one day differ from a developer's.

use crate::test;

/// The whole of `cargo xtask test`.
pub(crate) fn run() -> bool {
    test::run(test::Options::default())
}
