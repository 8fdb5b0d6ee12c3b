//! Random operations over the `Lanes` of the test's root.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::Lanes;
use crate::support::{Pair, operations, weak};

/// So many, or fewer if proptest's own variable says so.
fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|asked| asked.parse().ok());
    ProptestConfig {
        cases: cases.min(asked.unwrap_or(cases)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    /// Every result, and all that is left at the end, is what the rules say, whether the peer runs or not.
    ///
    /// semantics 91-136, 138-140, 142-147, 149, 151-155, 158, 163-165, 167-169, 172, 173, 175, 177, 183-188, 192, 193
    /// semantics 201, 203, 210, 219, 220, 230
    #[test]
    fn two_ends_do_what_the_rules_say(setup in operations::setup(), steps in vec(operations::step(), 1..60)) {
        operations::compare::<Lanes>(&setup, &steps);
    }
}

proptest! {
    // Fewer where lanes are large: each case fills several.
    #![proptest_config(cases((4_000_000 / Lanes::LEAST_LANE_BYTES).clamp(16, 5_000)))]

    /// Nothing is lost, doubled, reordered or stuck in lanes smaller than the messages.
    ///
    /// semantics 91, 99-104, 117, 118, 124, 127-129, 163, 183, 184
    #[test]
    fn messages_keep_their_bounds_in_small_lanes(
        setup in weak::setup::<Lanes>(24),
        operations in vec(weak::operation(), 1..80),
    ) {
        weak::run::<Lanes>(&setup, &operations);
    }
}
