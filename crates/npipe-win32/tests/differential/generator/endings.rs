//! How an episode ends: with nothing that waits, and nothing that is open.

use super::Making;
use crate::model::PORTS;
use crate::rules::Side;
use crate::steps::{Alert, Form, Operation, Parameters, Slot, Which};

impl Making {
    /// Ends what waits and closes what is open.
    pub(super) fn end(&mut self) {
        for attempt in 0.. {
            let open = self.slots(|slot| self.world.handle(slot).is_some());
            if open.is_empty() && self.world.calls.is_empty() {
                self.empty();
                return;
            }
            assert!(attempt < 1000, "an episode cannot be ended: {:?}", self.world.calls);
            if self.world.routines.len() > 0 {
                self.attempt(Operation::Alert { how: Alert::Sleep });
            }
            let closed = open.into_iter().any(|slot| self.attempt(Operation::Close { slot }));
            if !closed {
                self.release();
            }
        }
    }

    /// Takes what ports and routines still have to tell.
    fn empty(&mut self) {
        self.attempt(Operation::Alert { how: Alert::Sleep });
        for port in 0..PORTS {
            let most = self.world.ports[port].len();
            self.attempt(Operation::Take { port, most });
        }
    }

    /// Does one thing for calls of threads that keep handles from being closed.
    fn release(&mut self) {
        let calls: Vec<_> = self.world.calls.iter().map(|(&id, &call)| (id, call)).collect();
        for (id, call) in calls {
            let done = match (call.operation, call.slot) {
                (Operation::Wait { name, .. }, _) => self.release_wait(name),
                (Operation::Flush { .. }, Some(slot)) => self.release_flush(slot),
                (_, Some(slot)) => {
                    self.attempt(Operation::Cancel {
                        slot,
                        which: Which::One(id),
                    }) && !call.form.is_actor()
                }
                _ => false,
            };
            if done || self.attempt(Operation::CancelThread { call: id }) {
                return;
            }
        }
    }

    /// Makes an instance listen.
    fn release_wait(&mut self, name: usize) -> bool {
        let Some(pipe) = self.world.pipe(name) else {
            return false;
        };
        let parameters = Parameters {
            pipe_mode: pipe.first.pipe_mode & 4,
            ..pipe.first
        };
        let slot = self.free();
        if self.attempt(Operation::Create { slot, name, parameters }) && self.world.handle(slot).is_some() {
            return true;
        }
        let of_name = |slot: Slot| {
            let handle = self.world.handle(slot);
            handle.is_some_and(|handle| handle.side == Side::Server && self.world.pipe_of(handle).name == name)
        };
        for slot in self.slots(of_name) {
            let handle = self.world.handle(slot).expect("it was chosen");
            let form = if handle.overlapped {
                Form::Overlapped
            } else {
                Form::Actor
            };
            let waits = handle.is_nowait();
            let done = if handle.link.is_some() {
                self.attempt(Operation::Disconnect { slot })
            } else {
                waits && self.attempt(Operation::SetState { slot, mode: Some(0) })
                    || self.attempt(Operation::Connect { slot, form })
            };
            if done {
                return true;
            }
        }
        false
    }

    /// Has the peer read what is flushed.
    fn release_flush(&mut self, slot: Slot) -> bool {
        let peer = self.world.peer(slot);
        let peer = peer.filter(|&peer| self.world.handle(peer).is_some_and(|handle| handle.access[0]));
        peer.is_some_and(|peer| {
            self.attempt(Operation::Read {
                slot: peer,
                size: 100_000,
                form: Form::Direct,
            })
        })
    }
}
