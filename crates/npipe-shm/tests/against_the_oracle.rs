//! Random operations on two ends that are joined by a segment, against the rules.

#![cfg(not(loom))]

use lanes::RingPair as Lanes;

mod lanes;

#[path = "../../npipe-core/tests/support/mod.rs"]
mod support;

#[path = "../../npipe-core/tests/suite/random.rs"]
mod random;
