//! The door of a name while a thread of this process waits for a client.
//!
//! A thread that waits makes progress itself: it *keeps* the door, which is to say that it accepts and answers those who
//! knock. Else each client would cost two wake-ups, of the background thread and by it of the thread that waits. One thread
//! keeps it at a time, whichever instance it waits for; others, and all while nobody does, rely on the background thread.
//! Who changes something that the keeper may be waiting for [notifies](Host::notify) it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::{Host, HostState};
use crate::background::{self, Guest};
use crate::end::{End, locked};
use crate::patience::Patience;
use crate::sys::claim::Claim;
use crate::sys::forks::ProcessFd;
use crate::sys::impersonation::at_home;
use crate::sys::{lifetime, socket};

/// Nobody keeps it.
const FREE: u32 = 0;
/// Its keeper looks at the state before it looks at the door again.
const AWAKE: u32 = 1;
/// Its keeper waits at it.
const WAITING: u32 = 2;
/// And was told to look at the state.
const ROUSED: u32 = 3;

/// The door of one name.
#[derive(Debug, Default)]
pub(super) struct Door {
    keeper: AtomicU32,
    /// Rouses the keeper; made for the first one.
    bell: OnceLock<ProcessFd>,
    patience: Patience,
}

impl Door {
    fn bell(&self) -> Option<&ProcessFd> {
        if self.bell.get().is_none() {
            let _ = self.bell.set(lifetime::bell().ok()?);
        }
        self.bell.get()
    }

    /// Has the keeper look at the state. The change precedes this, under the host's lock, with which the keeper looks.
    fn rouse(&self) {
        let told = self
            .keeper
            .compare_exchange(WAITING, ROUSED, Ordering::AcqRel, Ordering::Acquire);
        if told.is_ok()
            && let Some(bell) = self.bell.get()
        {
            lifetime::ring(bell);
        }
    }

    /// The keeper looks at the state now. Whether it was told to.
    fn wake_up(&self, bell: &ProcessFd) -> bool {
        let is_roused = self.keeper.swap(AWAKE, Ordering::AcqRel) == ROUSED;
        if is_roused {
            lifetime::hush(bell);
        }
        is_roused
    }
}

/// Whoever keeps a door, until it is dropped.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    host: &'a Arc<Host>,
    /// Kept open: the name may go while we look at it.
    listener: Arc<ProcessFd>,
    max_spin: Duration,
    /// Who has knocked and not said yet what for.
    guest: Option<Guest>,
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        // In this order: whoever keeps it next takes it back.
        background::leave_door(self.host);
        self.host.door.keeper.store(FREE, Ordering::Release);
    }
}

impl Host {
    /// Has the calling thread keep the door, if it is ours and nobody does.
    pub(super) fn keep_door(self: &Arc<Host>, max_spin: Duration) -> Option<Keeper<'_>> {
        let listener = locked(&self.claim).as_ref().map(Claim::shared_listener)?;
        self.door.bell()?;
        let kept = self
            .door
            .keeper
            .compare_exchange(FREE, AWAKE, Ordering::AcqRel, Ordering::Acquire);
        kept.is_ok().then(|| {
            background::keep_door(self);
            Keeper {
                host: self,
                listener,
                max_spin,
                guest: None,
            }
        })
    }

    /// Waits until there may be news of the instance that this end is of, in whatever way there is; the caller looks.
    pub(super) fn await_change<'a>(
        self: &'a Arc<Host>,
        state: MutexGuard<'a, HostState>,
        end: &End,
        keeper: &mut Option<Keeper<'_>>,
    ) -> MutexGuard<'a, HostState> {
        let Some(keeping) = keeper else {
            return end.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        // With the lock: whoever changes something from here on rouses us.
        self.door.keeper.store(WAITING, Ordering::Release);
        drop(state);
        if at_home(|| keeping.attend()).is_none() {
            *keeper = None;
        }
        locked(&self.state)
    }

    /// A client is on that processor, by its own account; the next one may be, too.
    pub(super) fn note_processor(&self, processor: Option<u32>) {
        self.door
            .patience
            .seen_on(processor.map_or(0, |number| number.wrapping_add(1)));
    }

    /// Has those look who wait for a client of this end's instance.
    pub(crate) fn notify(&self, end: &End) {
        // Counted with the lock, before the look at what is changed here.
        if end.connecting.load(Ordering::Relaxed) > 0 {
            end.changed.notify_all();
        }
        self.door.rouse();
    }
}

impl Keeper<'_> {
    /// Waits for a client and answers it, or for being roused. `None`: the door is better left to the background thread, which
    /// knows what to do in a shortage.
    fn attend(&mut self) -> Option<()> {
        let door = &self.host.door;
        let bell = door.bell.get()?;
        match &self.guest {
            Some(guest) => self.wait(
                [guest.socket()?.as_fd(), self.listener.as_fd(), bell.as_fd()],
                guest.deadline(),
            ),
            None => self.wait([self.listener.as_fd(), bell.as_fd()], None),
        }
        if door.wake_up(bell) {
            return Some(());
        }
        // One whose time is over, or who is followed by another, goes to the background thread.
        if let Some(guest) = self.guest.take() {
            if guest.answer(self.host).is_none() {
                self.host.fresh.refill();
            }
            return Some(());
        }
        match socket::accept(self.listener.as_fd()) {
            Ok(Some(socket)) => self.receive(socket),
            Ok(None) => {}
            Err(_) => {
                self.host.fresh.clear();
                return None;
            }
        }
        Some(())
    }

    fn wait<const N: usize>(&self, descriptors: [BorrowedFd<'_>; N], deadline: Option<Instant>) {
        let patience = &self.host.door.patience;
        let start = Instant::now();
        if !patience.look(self.max_spin, || socket::any_readable(descriptors)) {
            socket::wait_any_readable(descriptors, deadline);
            patience.slept(self.max_spin, start.elapsed());
        }
    }

    fn receive(&mut self, socket: ProcessFd) {
        let Some(guest) = Guest::new(self.host, socket) else {
            return;
        };
        // One that is silent speaks next: what it sends follows its knock.
        self.guest = guest.answer(self.host);
        if self.guest.is_none() {
            self.host.fresh.refill();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// A keeper that wakes for something else, while somebody is about to rouse it, is not kept awake by that from then on.
    ///
    /// semantics 61
    #[test]
    fn a_ring_is_heard_once() {
        const ROUNDS: usize = 1000;
        let door = Door::default();
        let bell = door.bell().expect("a descriptor");
        let wakes = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    wakes.wait();
                    door.wake_up(bell);
                    wakes.wait();
                }
            });
            let mut late = 0;
            for _ in 0..ROUNDS {
                // What `rouse` does, with the keeper in the middle of it.
                door.keeper.store(ROUSED, Ordering::Release);
                wakes.wait();
                while door.keeper.load(Ordering::Acquire) != AWAKE {
                    std::thread::yield_now();
                }
                lifetime::ring(bell);
                wakes.wait();
                late += usize::from(socket::any_readable([bell.as_fd()]));
                let _ = rustix::io::read(bell, &mut [0; 8]);
            }
            assert_eq!(late, 0, "rings that were not heard");
        });
    }
}
