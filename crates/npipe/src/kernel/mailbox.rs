//! A completion port of the system's.
//!
//! Its packets bring addresses. What they stand for lies here, and an address that stands for nothing, or for an operation that is
//! not complete, is left out: an end may have been handed to another process, whose own operations then come to this port too.

use std::collections::HashMap;
use std::os::windows::io::OwnedHandle;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use npipe_core::Status;

use super::inbox;
use super::operation::{Completed, Waited};
use super::port::Packet;
use super::work::Work;
use crate::end::{End, Handle, Outcome, Started};
use crate::sys::alertable::Unmet;
use crate::sys::operation::{Notice, Operation};
use crate::sys::port;

/// What a completion port is.
#[derive(Debug)]
pub(super) struct Mailbox {
    port: OwnedHandle,
    expected: Mutex<Expected>,
}

/// What packets stand for, by their addresses.
#[derive(Debug, Default)]
struct Expected {
    letters: HashMap<usize, Letter>,
    posted: usize,
}

#[derive(Debug)]
enum Letter {
    Posted(Packet),
    Operation {
        operation: Arc<Operation>,
        key: usize,
        tag: usize,
    },
}

impl Expected {
    /// Where no operation lies: their addresses are even.
    fn next_address(&mut self) -> usize {
        self.posted = self.posted.wrapping_add(2);
        self.posted | 1
    }

    fn take(&mut self, address: usize) -> Option<Packet> {
        if let Letter::Operation { operation, .. } = self.letters.get(&address)?
            && !operation.is_complete()
        {
            return None;
        }
        Some(match self.letters.remove(&address)? {
            Letter::Posted(packet) => packet,
            Letter::Operation { operation, key, tag } => Packet {
                key,
                tag,
                completed: Completed::of(&operation),
            },
        })
    }
}

/// An end's port, and its key there.
#[derive(Debug)]
pub(crate) struct Association {
    mailbox: Arc<Mailbox>,
    key: usize,
}

impl Mailbox {
    pub(super) fn new() -> Mailbox {
        Mailbox {
            port: port::create().expect("the system has a handle left for a port"),
            expected: Mutex::default(),
        }
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn post(&self, packet: Packet) {
        let mut expected = self.expected();
        let address = expected.next_address();
        expected.letters.insert(address, Letter::Posted(packet));
        self.post_address(address);
    }

    fn post_address(&self, address: usize) {
        port::post(&self.port, address).expect("the system has memory left for a packet");
    }

    pub(super) fn get(&self, deadline: Option<Instant>) -> Option<Packet> {
        self.take(deadline, false).ok()
    }

    pub(super) fn get_alertable(&self, deadline: Option<Instant>) -> Result<Packet, Waited> {
        inbox::wait_alertable(deadline, |until, is_alertable| self.take(until, is_alertable))
    }

    fn take(&self, deadline: Option<Instant>, is_alertable: bool) -> Result<Packet, Unmet> {
        loop {
            let address = port::take(&self.port, deadline, is_alertable)?;
            let packet = self.expected().take(address);
            if let Some(packet) = packet {
                return Ok(packet);
            }
        }
    }
}

impl Association {
    /// Associates an end with a port.
    pub(super) fn make(mailbox: &Arc<Mailbox>, end: &Handle, key: usize) -> Outcome<()> {
        if end.calls.port.get().is_some() {
            return Err(Status::InvalidParameter.into());
        }
        end.ask(&[], |handle| port::associate(&mailbox.port, handle, key))?;
        let mailbox = mailbox.clone();
        let placed = end.calls.port.set(Association { mailbox, key });
        placed.map_err(|_| Status::InvalidParameter.into())
    }

    /// Starts an operation whose packet goes to the port (semantics 246-250).
    pub(super) fn start(&self, end: &Handle, work: Work, tag: usize) -> Outcome<Option<Completed>> {
        let operation = Operation::new(work, Notice::Packet, None);
        let (address, key) = (operation.address(), self.key);
        // Whoever gets the packet waits for this lock, and then finds what it stands for.
        let mut expected = self.mailbox.expected();
        if end.start(&operation)? == (Started::AtOnce { is_queued: false }) {
            let has_more = operation
                .outcome()
                .is_some_and(|outcome| outcome.is_ok_and(|moved| moved.more));
            if end.calls.skips_port.load(Ordering::Relaxed) && !has_more {
                return Ok(Some(Completed::of(&operation)));
            }
            self.mailbox.post_address(address);
        }
        let letter = Letter::Operation { operation, key, tag };
        expected.letters.insert(address, letter);
        Ok(None)
    }
}

impl End {
    pub(super) fn skip_port_on_success(&self, skip: bool) {
        self.skip_packets(skip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientOptions, ServerOptions};

    fn address_of_the_only_letter(mailbox: &Mailbox) -> usize {
        *mailbox.expected().letters.keys().next().expect("there is one")
    }

    /// No rule: who has a handle of an end can have anything queued to its port.
    #[test]
    fn packets_that_are_not_ours_are_left_out() {
        let place = tempfile::tempdir().unwrap();
        let server = ServerOptions::new().root(place.path()).create(r"\\.\pipe\x").unwrap();
        let mailbox = Arc::new(Mailbox::new());
        Association::make(&mailbox, &server.end, 7).unwrap();
        let now = || Some(Instant::now());
        mailbox.post_address(0x1234_5670);
        mailbox.post_address(1);
        assert!(mailbox.get(now()).is_none());

        server.queue_connect(8).unwrap();
        mailbox.post_address(address_of_the_only_letter(&mailbox));
        assert!(mailbox.get(now()).is_none(), "it is not complete");
        let _client = ClientOptions::new().root(place.path()).open(r"\\.\pipe\x").unwrap();
        let packet = mailbox.get(None).unwrap();
        assert_eq!((packet.key, packet.tag), (7, 8));
        assert!(mailbox.expected().letters.is_empty());
    }
}
