//! Which operations a script may do, so that every answer follows from the script alone.
//!
//! That an overlapped call waits is known when it returns. A call that a thread makes has begun for certain only where its
//! effect is seen: a write or a request by what the peer has to read. Of other calls of threads ("unseen" ones) nothing
//! tells whether they have begun, so a script goes on only with what gives the same answers either way.
//!
//! Nor does a script do what leaves Wine in another state than the rules do. Each such place cites its rule and has a case
//! in the conformance suite.

use crate::model::{Call, Effect, Handle, NOWAIT, READ_MESSAGES, UNLIMITED, World};
use crate::rules::Side;
use crate::steps::{Form, Operation, Parameters, Slot, Step, Which};

/// As many calls wait at most; the interpreter has a place for each.
const MOST_CALLS: usize = 40;

/// And so many packets are at a port.
const MOST_PACKETS: usize = 40;

/// And at one end: a writer foresees sixteen reads (semantics 96).
const MOST_CALLS_AT_AN_END: usize = 8;

impl World {
    /// Does an operation if a script may, and leaves everything as it is if not.
    pub(crate) fn admit(&mut self, step: &Step) -> Option<Effect> {
        if !self.may_begin(step) {
            return None;
        }
        let form = step.operation.form();
        // Routines that have not run keep their places.
        if form.is_some() && self.calls.len() + self.routines.len() >= MOST_CALLS {
            return None;
        }
        // An overlapped call tells itself whether it waits, and most operations do not.
        let is_certain = match step.operation {
            Operation::Create { .. } => false,
            _ => form.is_none_or(|form| form.is_overlapped() && !self.may_skip(step, form)),
        };
        if is_certain {
            return self.apply(step);
        }
        let mut tried = self.clone();
        let effect = tried.apply(step)?;
        if !self.is_certain(step, &effect) {
            return None;
        }
        *self = tried;
        Some(effect)
    }

    fn may_begin(&self, step: &Step) -> bool {
        let is_open = |slot: Slot| self.handle(slot).is_some_and(|handle| handle.open[step.handle]);
        if !step.operation.slot().map_or(step.handle == 0, is_open) {
            return false;
        }
        match step.operation {
            Operation::Create { name, parameters, .. } => self.may_create(name, &parameters),
            Operation::Connect { slot, form } => {
                form != Form::Routine && self.may_call(slot, form) && self.may_connect(slot, form)
            }
            Operation::Read { slot, size, form } => {
                self.may_call(slot, form) && !self.reads_unseen(slot) && self.agrees_on_empty_messages(slot, size)
            }
            Operation::Write { slot, size, form } => {
                self.may_call(slot, form) && !self.flushes_unseen(slot) && self.may_write(slot, size, form)
            }
            Operation::Transact {
                slot, request, form, ..
            } => {
                // Of an empty request nothing is seen.
                self.may_call(slot, form)
                    && form != Form::Routine
                    && (form.is_overlapped() || form.is_actor() && request > 0)
                    && !self.reads_unseen(slot)
                    && !self.flushes_unseen(slot)
            }
            Operation::Flush { slot, form } => {
                matches!(form, Form::Direct | Form::Actor) && self.has_room(slot) && !self.waits_by_handle(slot)
            }
            Operation::Wait { form: Form::Direct, .. } => true,
            // There has to be a way to end it: another instance, or one that can be made to listen (semantics 204).
            Operation::Wait {
                name,
                form: Form::Actor,
                ..
            } => self
                .pipe(name)
                .is_some_and(|pipe| pipe.first.most_instances == UNLIMITED || pipe.permits([true, false])),
            Operation::Wait { .. } => false,
            // semantics 178: Wine does not disconnect who listens.
            Operation::Disconnect { slot } => {
                self.handle(slot).is_some_and(|handle| handle.listening.is_none())
                    // A flush that has begun fails, and one that begins later does not (semantics 167, 168).
                    && !self.flushes_unseen(slot)
                    && self.agrees_on_lost_writes(slot)
            }
            Operation::Close { slot } => self.may_close(slot, step.handle),
            Operation::SetState { slot, mode } => self.may_set(slot, mode),
            Operation::Cancel { slot, which } => {
                let unseen = self.calls_at(slot).any(|(id, call)| match which {
                    Which::One(one) => id == one && call.form == Form::ActorWithOverlapped,
                    Which::All => call.form.is_actor(),
                    Which::OfThread => false,
                });
                !unseen && (matches!(which, Which::One(_)) || self.agrees_on_lost_writes(slot))
            }
            _ => self.may_notice(step),
        }
    }

    /// What does not wait, and of which most may be done at any time.
    fn may_notice(&self, step: &Step) -> bool {
        match step.operation {
            // The end is seen of one call alone.
            Operation::CancelInside { slot, call } => {
                let mut calls = self.calls_at(slot);
                calls.next().is_some_and(|(id, of)| id == call && of.form.is_actor()) && calls.next().is_none()
            }
            Operation::Duplicate { slot } => self.handle(slot).is_some_and(|handle| !handle.open[1 - step.handle]),
            // No rule says whose the calls are that wait already.
            Operation::Associate { slot, .. } => self.calls_at(slot).next().is_none(),
            Operation::Post { port } => self.ports[port].len() < MOST_PACKETS,
            Operation::QueueCall => self.routines.len() < MOST_CALLS,
            Operation::Peek { slot, .. } => !self.waits_by_handle(slot),
            _ => true,
        }
    }

    /// Whether the port hears nothing of a call that succeeds at once.
    fn may_skip(&self, step: &Step, form: Form) -> bool {
        let handle = step.operation.slot().and_then(|slot| self.handle(slot));
        form.posts() && handle.is_some_and(|handle| handle.skips_port && handle.port.is_some())
    }

    /// Whether the answer is the same on both systems and however far the calls of threads are.
    fn is_certain(&self, step: &Step, effect: &Effect) -> bool {
        let created = matches!(step.operation, Operation::Create { .. });
        if created && effect.refused && effect.line.under_wine.is_some() {
            // Wine makes an instance for a moment, which ends waits.
            return !self.waits_for_names();
        }
        let Some(form) = step.operation.form() else {
            return true;
        };
        match form {
            Form::Direct if effect.waits => false,
            // semantics 250: Wine skips the packet of a message that is longer too.
            form if self.may_skip(step, form) => !effect.line.text.starts_with("error 234"),
            // What is seen of a call tells that it has begun.
            Form::Actor | Form::ActorWithOverlapped
                if effect.waits && matches!(step.operation, Operation::Write { .. } | Operation::Transact { .. }) =>
            {
                let looked_at = step.operation.slot().and_then(|slot| self.peer(slot));
                effect.seen_at.is_some_and(|(_, unread)| unread > 0)
                    && !looked_at.is_some_and(|peer| self.waits_by_handle(peer))
            }
            _ => true,
        }
    }

    fn has_room(&self, slot: Slot) -> bool {
        self.calls_at(slot).count() < MOST_CALLS_AT_AN_END
    }

    /// A thread blocks on handles that are not overlapped, and OVERLAPPEDs come with those that are. semantics 222 has the
    /// hazards of the rest.
    fn may_call(&self, slot: Slot, form: Form) -> bool {
        let full = |handle: &Handle| {
            handle
                .port
                .is_some_and(|(port, _)| self.ports[port].len() >= MOST_PACKETS)
        };
        self.has_room(slot)
            && self.handle(slot).is_some_and(|handle| match form {
                Form::Direct => !self.waits_by_handle(slot),
                Form::Actor | Form::ActorWithOverlapped => !handle.overlapped,
                Form::Routine if self.waits_by_handle(slot) => false,
                Form::ByHandle if self.signals_handle(slot) => false,
                form => handle.overlapped && !(form.posts() && full(handle)),
            })
    }

    /// Whether a call that waits signals the handle, which has no event of its own.
    fn signals_handle(&self, slot: Slot) -> bool {
        self.calls_at(slot)
            .any(|(_, call)| matches!(call.form, Form::ByHandle | Form::Routine))
    }

    /// semantics 221, 222: other calls signal the handle too.
    fn waits_by_handle(&self, slot: Slot) -> bool {
        self.calls_at(slot).any(|(_, call)| call.form == Form::ByHandle)
    }

    /// A thread's read, or the second half of its transaction.
    fn reads_unseen(&self, slot: Slot) -> bool {
        self.calls_at(slot).any(|(_, call)| {
            call.form.is_actor() && matches!(call.operation, Operation::Read { .. } | Operation::Transact { .. })
        })
    }

    fn flushes_unseen(&self, slot: Slot) -> bool {
        self.calls_at(slot)
            .any(|(_, call)| matches!(call.operation, Operation::Flush { .. }))
    }

    fn connects_unseen(&self, slot: Slot) -> bool {
        self.calls_at(slot)
            .any(|(_, call)| call.form.is_actor() && matches!(call.operation, Operation::Connect { .. }))
    }

    fn waits_for_names(&self) -> bool {
        self.calls
            .values()
            .any(|call| matches!(call.operation, Operation::Wait { .. }))
    }

    fn may_create(&self, name: usize, parameters: &Parameters) -> bool {
        let Some(pipe) = self.pipe(name) else {
            return true;
        };
        let first = &pipe.first;
        // semantics 35: in Wine the quotas are the first instance's.
        let same_quotas = (first.out_bytes, first.in_bytes) == (parameters.out_bytes, parameters.in_bytes);
        // semantics 98: no rule says what becomes of message reads on an instance of a byte pipe.
        let readable = pipe.is_message() || parameters.pipe_mode & READ_MESSAGES == 0;
        same_quotas && readable
    }

    fn may_connect(&self, slot: Slot, form: Form) -> bool {
        let Some(handle) = self.handle(slot) else {
            return false;
        };
        // The structure would tell whether the client came first; and that an instance listens again is seen only where no
        // other one does.
        let restarts = handle.link.is_none() && handle.listening.is_none();
        let seen = self.listener(self.pipe_of(handle).name).is_none();
        if form == Form::ActorWithOverlapped || form == Form::Actor && restarts && !seen {
            return false;
        }
        // semantics 88: in Wine a connect that does not wait releases nobody.
        let releases = handle.is_nowait() && restarts;
        let waits = releases && self.waits_for_names();
        !self.connects_unseen(slot) && !waits
    }

    /// Whether Wine consumes the same empty messages (semantics 109, 112).
    fn agrees_on_empty_messages(&self, slot: Slot, size: u32) -> bool {
        let Some(handle) = self.handle(slot) else {
            return false;
        };
        let Some(link) = handle.link.filter(|_| self.pipe_of(handle).is_message()) else {
            return true;
        };
        if handle.modes & READ_MESSAGES != 0 {
            return true;
        }
        let unread: Vec<usize> = self.links[link].oracle.unread(handle.side).collect();
        let room = unread.iter().sum::<usize>() < size as usize;
        !(room && unread.len() > 1 && unread.last() == Some(&0))
    }

    /// semantics 177, 186, 230: where several writes of an end are ended, Wine takes one after the other away, and completes
    /// those that fit by then.
    fn agrees_on_lost_writes(&self, slot: Slot) -> bool {
        let waits = |slot: Slot| {
            let writes = |(_, call): &(u32, &Call)| matches!(call.operation, Operation::Write { .. });
            self.calls_at(slot).filter(writes).count()
        };
        waits(slot) < 2 && self.peer(slot).is_none_or(|peer| waits(peer) < 2)
    }

    fn may_write(&self, slot: Slot, size: u32, form: Form) -> bool {
        let Some(handle) = self.handle(slot) else {
            return false;
        };
        let (Some(link), Some(peer)) = (handle.link, self.peer(slot)) else {
            return true;
        };
        let waiting =
            |(_, call): (u32, &Call)| matches!(call.operation, Operation::Read { .. } | Operation::Transact { .. });
        let pipe = self.pipe_of(handle);
        let quota = if handle.side == Side::Server {
            pipe.first.out_bytes
        } else {
            pipe.first.in_bytes
        };
        let unread: usize = self.links[link].oracle.unread(handle.side.other()).sum();
        let fits = unread + size as usize <= quota as usize;
        if handle.is_nowait() && self.calls_at(peer).any(waiting) {
            // semantics 95, 135: in Wine such a write ends reads of nothing although it writes nothing for them.
            let for_data = !self.calls_at(peer).any(|read| waiting(read) && read.1.wants() == 0);
            // semantics 136: in Wine a message is cut as bytes are.
            return (fits || for_data) && !self.pipe_of(handle).is_message() && !self.reads_unseen(peer);
        }
        // Whether a write that does not fit waits is up to the reader.
        !form.is_overlapped() || fits || !self.reads_unseen(peer)
    }

    fn may_close(&self, slot: Slot, number: usize) -> bool {
        let Some(handle) = self.handle(slot) else {
            return false;
        };
        // A handle that a thread is about to use has to stay, or that is waited for; and see Disconnect of flushes.
        let uses = |call: &Call| call.form.is_actor() || call.form == Form::ByHandle;
        if handle.open[1 - number] {
            return !self.calls_at(slot).any(|(_, call)| uses(call) && call.handle == number);
        }
        let in_use = self.calls_at(slot).any(|(_, call)| uses(call));
        let flushes = self.peer(slot).is_some_and(|peer| self.flushes_unseen(peer));
        // semantics 89: Wine has another error for waits whose pipe vanishes.
        let vanishes = handle.side == Side::Server && self.pipe_of(handle).instances == 1 && self.waits_for_names();
        !in_use && !flushes && !vanishes && self.agrees_on_lost_writes(slot)
    }

    fn may_set(&self, slot: Slot, mode: Option<u32>) -> bool {
        let Some(handle) = self.handle(slot) else {
            return false;
        };
        // semantics 204: in Wine a client's access is not checked.
        let sets = handle.side == Side::Client && !handle.access[1] && mode.is_some_and(|mode| mode != handle.modes);
        // semantics 138: Wine does not look at the calls that wait.
        let busy = mode.is_some_and(|mode| mode & NOWAIT != 0) && self.calls_at(slot).next().is_some();
        !sets && !busy
    }
}
