//! The rules one by one, on two ends that are joined by a segment.

#![cfg(not(loom))]

use lanes::RingPair as Lanes;
use proptest as _;

mod lanes;

#[path = "../../npipe-core/tests/suite/mod.rs"]
mod suite;
#[path = "../../npipe-core/tests/support/mod.rs"]
mod support;
