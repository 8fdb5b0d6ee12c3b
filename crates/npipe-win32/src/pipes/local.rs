//! Pipes with both ends in this process.
//!
//! On Windows a call that lets an operation of the other end complete has completed it when it returns: a program that writes
//! and then looks at the OVERLAPPED of its own pending read finds it filled in. Between processes nobody can tell; within
//! one, the calling thread looks after the other end before it returns. Processes whose pipes lead elsewhere pay for it with
//! one look at a counter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use npipe::overlapped::engine;

use super::{PipeEnd, Side};
use crate::dispatch::locked;

/// How many clients of this process have their server in it.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
static SERVERS: AtomicUsize = AtomicUsize::new(0);

/// The ends of this process.
static ENDS: Mutex<Option<HashMap<usize, Weak<PipeEnd>>>> = Mutex::new(None);

/// Notes a new end; whether it is a client of this process itself.
pub(super) fn enter(end: &Arc<PipeEnd>) {
    let key = Arc::as_ptr(end) as usize;
    locked(&ENDS).get_or_insert_default().insert(key, Arc::downgrade(end));
    match &end.side {
        Side::Server(_) => {
            SERVERS.fetch_add(1, Ordering::Relaxed);
        }
        // Who has no servers has no clients of his own, and need not ask.
        Side::Client(client) => {
            let own = Some(std::process::id());
            if SERVERS.load(Ordering::Relaxed) > 0 && client.peer().is_ok_and(|peer| peer.pid == own) {
                end.is_local.store(true, Ordering::Relaxed);
                CONNECTIONS.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Forgets an end that is closed.
pub(super) fn leave(end: &PipeEnd) {
    settle();
    let key = std::ptr::from_ref(end) as usize;
    if let Some(ends) = locked(&ENDS).as_mut() {
        ends.remove(&key);
    }
    match &end.side {
        Side::Server(_) => {
            SERVERS.fetch_sub(1, Ordering::Relaxed);
        }
        Side::Client(_) if end.is_local.swap(false, Ordering::Relaxed) => {
            CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
        }
        Side::Client(_) => {}
    }
}

/// All ends of this process.
pub(crate) fn all() -> Vec<Arc<PipeEnd>> {
    let ends = locked(&ENDS);
    ends.iter().flatten().filter_map(|(_, end)| end.upgrade()).collect()
}

/// Completes what the last call of this thread has let complete at other ends of this process.
#[inline]
pub(crate) fn settle() {
    if CONNECTIONS.load(Ordering::Relaxed) > 0 {
        look_after_all();
    }
}

#[cold]
fn look_after_all() {
    for end in all().iter().filter(|end| end.pending.is_busy()) {
        engine::pump(end);
    }
}
