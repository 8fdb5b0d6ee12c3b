//! What the rules say of the two ends of a connection, by theme, over the `Lanes` of the test's root.
//!
//! Time is virtual: an end does nothing unless the test calls or polls it.

mod byte_pipes;
mod close_disconnect;
mod flush;
mod message_pipes;
mod modes;
mod nowait;
mod overlapped;
mod peek;
mod quotas;
mod transact;

use crate::Lanes;
use crate::support::Ends;

type Pipe = Ends<Lanes>;

/// More quota than any test uses.
const PLENTY: u32 = 4096;
