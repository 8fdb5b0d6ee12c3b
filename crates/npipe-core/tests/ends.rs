//! The rules one by one, on two ends in memory.

use support::memory_wire::MemoryPair as Lanes;

mod suite;
mod support;
