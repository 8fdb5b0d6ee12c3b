//! What has passed through an end, for people who look at it from outside.
//!
//! Nothing is counted for this that the rules do not count anyway, but for messages, which each half adds up under its own
//! lock. Bytes are the words that quotas go by. Who asks is the background thread, which waits for nobody: a half that a
//! thread stays in, since it waits for its turn, is passed over, and of one that other processes hold too messages are not
//! told.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;

use npipe_core::PipeType;
use npipe_core::handshake::{Flow, Traffic};

use super::End;
use super::link::Counts;
use super::turn::Portable;

/// A thread that makes a move leaves the half soon; one that has not by then is not waited for.
const ATTEMPTS: usize = 64;

impl End {
    /// What has passed through this end, which is a server's; `None` without a connection, or when nobody can tell.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        let inbound = glance(&self.reading, |half| half.messages());
        let outbound = glance(&self.writing, |half| Some(half.messages()));
        let counts = inbound.or(outbound)?.counts;
        let is_stream = self.shape.pipe_type == PipeType::Byte;
        let flow = |queued: u64, taken: u64, glance: Option<Glance>| {
            // A peer that lies about its counts is shown as one that has read all.
            let unread = queued.wrapping_sub(taken);
            Flow {
                bytes: queued,
                unread_bytes: if unread <= queued { unread } else { 0 },
                messages: glance.and_then(|glance| glance.messages).filter(|_| !is_stream),
            }
        };
        Some(Traffic {
            inbound: flow(counts.queued_by_peer, counts.taken, inbound),
            outbound: flow(counts.queued, counts.taken_by_peer, outbound),
        })
    }
}

/// What a half tells.
#[derive(Clone, Copy)]
struct Glance {
    counts: Counts,
    messages: Option<u64>,
}

fn glance<H: Portable>(half: &Mutex<H>, messages: impl FnOnce(&H) -> Option<u64>) -> Option<Glance> {
    let half = try_locked(half)?;
    Some(Glance {
        counts: half.link()?.counts(),
        // The count of an end that others hold too is with whoever was in it last.
        messages: if half.is_shared() { None } else { messages(&half) },
    })
}

fn try_locked<H>(half: &Mutex<H>) -> Option<MutexGuard<'_, H>> {
    for _ in 0..ATTEMPTS {
        match half.try_lock() {
            Ok(half) => return Some(half),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use npipe_core::handshake::Flow;

    use crate::{ClientOptions, Namespace, PipeMode, ServerOptions, Status};

    /// A write that was taken back has not passed, an empty message has; of a stream no messages are told.
    /// semantics 119, 127
    #[test]
    fn what_was_taken_back_has_not_passed() {
        for (mode, messages) in [(PipeMode::Message, Some(2)), (PipeMode::Byte, None)] {
            let directory = tempfile::tempdir().unwrap();
            let name = r"\\.\pipe\traffic";
            let server = ServerOptions::new()
                .root(directory.path())
                .pipe_mode(mode)
                .out_buffer_size(4)
                .create(name)
                .unwrap();
            let outbound = || {
                let details = Namespace::at(directory.path()).unwrap().info(name).unwrap();
                details.instances[0].traffic.map(|traffic| traffic.outbound)
            };
            assert_eq!(outbound(), None);
            let _client = ClientOptions::new().root(directory.path()).open(name).unwrap();
            server.write(b"four").unwrap();
            server.write(b"").unwrap();
            server.set_write_timeout(Some(Duration::ZERO));
            assert_eq!(server.write(b"more").unwrap_err().status(), Status::IoTimeout);
            let passed = Flow {
                bytes: 4,
                unread_bytes: 4,
                messages,
            };
            assert_eq!(outbound(), Some(passed));
        }
    }
}
