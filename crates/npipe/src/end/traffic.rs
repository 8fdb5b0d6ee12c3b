//! What has passed through an end, for people who look at it from outside.
//!
//! Nothing is counted for this that the rules do not count anyway, but for messages, which each half adds up under its own
//! lock. Bytes are the words that quotas go by. Of a half that a thread is in at that moment, or that other processes hold
//! too, messages are not told: who asks waits for nobody.

use std::sync::{Mutex, PoisonError, TryLockError};

use npipe_core::PipeType;
use npipe_core::handshake::{Flow, Traffic};

use super::End;
use super::turn::Portable;

impl End {
    /// What has passed through this end, which is a server's; `None` without a connection.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        let counts = self.link()?.counts();
        let is_stream = self.shape.pipe_type == PipeType::Byte;
        let flow = |queued: u64, taken: u64, messages: Option<u64>| {
            // A peer that lies about its counts is shown as one that has read all.
            let unread = queued.wrapping_sub(taken);
            Flow {
                bytes: queued,
                unread_bytes: if unread <= queued { unread } else { 0 },
                messages: messages.filter(|_| !is_stream),
            }
        };
        Some(Traffic {
            inbound: flow(
                counts.queued_by_peer,
                counts.taken,
                glance(&self.reading, |half| half.messages()),
            ),
            outbound: flow(
                counts.queued,
                counts.taken_by_peer,
                glance(&self.writing, |half| Some(half.messages())),
            ),
        })
    }
}

/// Looks at a half that nobody is in and that no other process has.
fn glance<H: Portable>(half: &Mutex<H>, look: impl FnOnce(&H) -> Option<u64>) -> Option<u64> {
    let half = match half.try_lock() {
        Ok(half) => half,
        Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
        Err(TryLockError::WouldBlock) => return None,
    };
    if half.is_shared() { None } else { look(&half) }
}
