//! A peer that writes anything anywhere at any moment: our end neither panics nor hangs nor leaves its lane, and goes on
//! or closes this one connection.

#![cfg(not(loom))]

use proptest::prelude::*;

mod lanes;
mod siege;

#[path = "../../npipe-core/tests/support/mod.rs"]
mod support;

fn cases() -> ProptestConfig {
    // Checks of arithmetic make the rest slow.
    let cases = if cfg!(debug_assertions) { 5_000 } else { 40_000 };
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(cases())]

    /// semantics 91, 99, 119, 127-129, 142, 163, 183
    #[test]
    fn whatever_a_peer_writes_our_end_goes_on_or_closes(siege in siege::siege()) {
        siege.run();
    }
}
