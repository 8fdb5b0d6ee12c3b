//! Random operations on two ends in memory, against the rules.

use npipe_core as _;
use support::memory_wire::MemoryPair as Lanes;

mod support;

#[path = "suite/random.rs"]
mod random;
