//! Calls that may have to wait.
//!
//! A call is made once; when it cannot be finished at once it gets an identity, under which its owner asks for the result
//! or cancels it. The same for a thread that blocks and for an overlapped operation.

use serde::{Deserialize, Serialize};

/// A waiting call of one half of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallId(pub(crate) u64);

/// One of the processes that hold an end; an end of one process has none but the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HolderId(pub u8);

/// What became of a call at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// It is finished.
    Done(T),
    /// It waits: STATUS_PENDING.
    Pending(CallId),
}
