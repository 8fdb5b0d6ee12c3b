//! A completion port, as the engine has it: a queue of packets.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use npipe_core::Status;

use super::engine::{Completion, Order, Sink, Started};
use super::inbox;
use super::operation::{Completed, Waited};
use super::port::Packet;
use super::queue::Queue;
use super::wait::wait_until;
use super::work::Work;
use crate::end::{End, Handle};

/// What a completion port is.
#[derive(Debug)]
pub(crate) struct Mailbox {
    queue: Queue<Packet>,
}

/// An end's port, and its key there.
#[derive(Debug)]
pub(crate) struct Association {
    mailbox: Arc<Mailbox>,
    key: usize,
}

/// Makes a packet of a completion.
struct Mailing {
    mailbox: Arc<Mailbox>,
    key: usize,
    tag: usize,
}

impl Sink for Mailing {
    fn complete(&self, completion: Completion) {
        self.mailbox.queue.push(Packet {
            key: self.key,
            tag: self.tag,
            completed: completion.into(),
        });
    }
}

impl Mailbox {
    pub(super) fn new() -> Mailbox {
        Mailbox { queue: Queue::new() }
    }

    pub(super) fn post(&self, packet: Packet) {
        self.queue.post(packet);
    }

    pub(super) fn get(&self, deadline: Option<Instant>) -> Option<Packet> {
        self.queue.wait(deadline)
    }

    pub(super) fn get_alertable(&self, deadline: Option<Instant>) -> Result<Packet, Waited> {
        let inbox = inbox::current();
        let signals = [&*self.queue.signal, &**inbox.signal()];
        let found = wait_until(&signals, deadline, || match self.queue.pop() {
            Some(packet) => Some(Ok(packet)),
            None => inbox::has_queued_calls().then_some(Err(Waited::Completions)),
        });
        if let Some(Err(_)) = found {
            inbox::run_queued_calls();
        }
        found.unwrap_or(Err(Waited::TimedOut))
    }
}

impl Association {
    /// Associates an end with a port.
    pub(super) fn make(mailbox: &Arc<Mailbox>, end: &Handle, key: usize) -> Result<(), Status> {
        let mailbox = mailbox.clone();
        let placed = end.calls.port.set(Association { mailbox, key });
        placed.map_err(|_| Status::InvalidParameter)
    }

    /// Starts an operation whose packet goes to the port (semantics 246-250).
    pub(super) fn start(&self, end: &Handle, work: Work, tag: usize) -> Result<Option<Completed>, Status> {
        let mailing = Arc::new(Mailing {
            mailbox: self.mailbox.clone(),
            key: self.key,
            tag,
        });
        let order = Order {
            sink: mailing.clone(),
            signal: self.mailbox.queue.signal.clone(),
            issuer: None,
        };
        match end.submit(work, order).map_err(|refused| refused.status)? {
            Started::Pending(_) => Ok(None),
            Started::Complete(completion) => {
                let is_success = completion.result.is_ok_and(|outcome| !outcome.more);
                if is_success && end.calls.skips_port.load(Ordering::Relaxed) {
                    return Ok(Some(completion.into()));
                }
                mailing.complete(completion);
                self.mailbox.queue.signal.notify();
                Ok(None)
            }
        }
    }
}

impl End {
    pub(super) fn skip_port_on_success(&self, skip: bool) {
        self.calls.skips_port.store(skip, Ordering::Relaxed);
    }
}
