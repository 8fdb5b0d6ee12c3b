//! Who has started an operation: what ends with a thread, and what one thread cancels.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::end::End;

/// Tells a thread that starts operations from every other one that this process ever had.
#[cfg_attr(
    windows,
    expect(unreachable_pub, reason = "it is of the engine's interface, which is not there")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(NonZeroU64);

impl Issuer {
    pub(crate) fn next() -> Issuer {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Issuer(NonZeroU64::MIN.saturating_add(LAST.fetch_add(1, Ordering::Relaxed)))
    }
}

/// A thread, and the ends on which it has started operations.
#[derive(Debug)]
pub(crate) struct Issued {
    issuer: Issuer,
    ends: HashMap<*const End, Weak<End>>,
    prune_at: usize,
}

impl Issued {
    /// A thread that has started none.
    pub(crate) fn new() -> Issued {
        Issued {
            issuer: Issuer::next(),
            ends: HashMap::new(),
            prune_at: 64,
        }
    }

    pub(crate) fn issuer(&self) -> Issuer {
        self.issuer
    }

    /// Notes that the thread has an operation on an end.
    pub(crate) fn note(&mut self, end: &Arc<End>) {
        if self.ends.len() >= self.prune_at {
            self.ends.retain(|_, end| end.strong_count() > 0);
            self.prune_at = (self.ends.len() * 2).max(64);
        }
        // The address may have been that of an end that is gone.
        self.ends.insert(Arc::as_ptr(end), Arc::downgrade(end));
    }

    /// The operations of a thread end with it (semantics 233).
    pub(crate) fn cancel(&self) {
        for end in self.ends.values().filter_map(Weak::upgrade) {
            end.cancel_issued(self.issuer);
        }
    }
}
