//! Doors that nobody keeps for a moment.
//!
//! A thread that serves one client after the other leaves the door and comes back. To take the door in between would cost two
//! system calls, and with every client that is quicker the background thread would run just when the other is about to come
//! back. So it takes a door when that was left for a moment, as long as a [newcomer](super::newcomers) is young: a client that
//! knocks meanwhile is answered then at the latest. A client of this process does not wait for that: it may be the only thread
//! there is (semantics 38, 60).

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

use super::heed_door;
use crate::end::locked;
use crate::host::Host;

/// By the tokens of their watches. Who heeds a door is decided under this lock.
#[derive(Debug, Default)]
pub(super) struct Vacated(Mutex<HashMap<u64, Weak<Host>>>);

impl Vacated {
    /// Nobody keeps it any more.
    pub(super) fn leave(&self, host: &Arc<Host>) {
        let token = host.token.load(Ordering::Relaxed);
        locked(&self.0).insert(token, Arc::downgrade(host));
    }

    /// Somebody keeps it.
    pub(super) fn keep(&self, host: &Host) {
        let mut left = locked(&self.0);
        if left.remove(&host.token.load(Ordering::Relaxed)).is_none() {
            heed_door(host, false);
        }
    }

    /// Answers at them, from now on.
    pub(super) fn heed(&self) {
        let mut left = locked(&self.0);
        for (_, host) in left.drain() {
            if let Some(host) = host.upgrade() {
                heed_door(&host, true);
            }
        }
    }
}
