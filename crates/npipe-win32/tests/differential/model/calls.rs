//! Calls that may wait.

use std::task::Poll;

use npipe_core::Status;

use super::{Call, Effect, World, answer};
use crate::answers::{self, Answer, Line};
use crate::deviations::{self, Deviation};
use crate::model::READ_MESSAGES;
use crate::rules::Side;
use crate::steps::{self, Form, Operation, Slot, Step};

/// What Wine tells of a message that is longer, to a call that waits with an OVERLAPPED: nothing.
pub(super) fn uncounted(answer: &Answer, line: Line) -> Line {
    let Answer::Got(got) = answer else {
        return line;
    };
    if !got.more {
        return line;
    }
    let told = format!(" n={}{}", got.data.len(), answers::data(&got.data));
    let text = line.text.replace(&told, " n=0 d=");
    line.but(text, &deviations::NOT_COUNTED)
}

/// What Wine has in the structure of a call that is not completed.
pub(super) fn begun(operation: &Operation, line: Line) -> Line {
    match operation {
        Operation::Transact { .. } => {
            let text = line.text.replace("st=103", "st=0");
            line.but(text, &deviations::TRANSACTION_NOT_BEGUN)
        }
        Operation::Connect { .. } => {
            let text = line.text.replace("hi=30583", "hi=0");
            line.but(text, &deviations::CONNECT_CLEARS)
        }
        _ => line,
    }
}

impl World {
    /// A call that may wait.
    pub(super) fn call(&mut self, step: &Step, slot: Option<Slot>, form: Form, effect: &mut Effect) {
        let call = Call {
            operation: step.operation,
            form,
            slot,
            handle: step.handle,
        };
        let kind = call.kind();
        let listened = slot.and_then(|slot| Some(self.handle(slot)?.listening.is_some()));
        let (now, under_wine) = match (step.operation, slot) {
            (_, Some(slot)) if form == Form::Routine && self.has_port(slot, step) => {
                // semantics 245
                (Poll::Ready(Answer::Refused(87)), None)
            }
            (Operation::Connect { .. }, Some(slot)) => (self.connect(slot), None),
            (Operation::Read { size, .. }, Some(slot)) => (self.read(slot, step.id, size), None),
            (Operation::Write { size, .. }, Some(slot)) => (self.write(slot, step, size), None),
            (Operation::Transact { request, reply, .. }, Some(slot)) => {
                (self.transact(slot, step, request, reply), None)
            }
            (Operation::Flush { .. }, Some(slot)) => self.flush(slot, step.id),
            (Operation::Wait { name, timeout_ms, .. }, _) => (self.wait(name, timeout_ms), None),
            _ => unreachable!("only these wait"),
        };
        self.calls.insert(step.id, call);
        effect.waits = now.is_pending();
        if let Some(slot) = slot {
            self.collect(slot);
        }
        let show = |answer: &Answer| match form {
            Form::Direct => answer.plain(kind),
            Form::Actor => answer.plain(kind),
            Form::ActorWithOverlapped => answer.filled_in(kind),
            form => answer.at_once(kind, form),
        };
        match now {
            Poll::Pending => self.wait_on(step, &call, listened, effect),
            Poll::Ready(answer) => {
                self.calls.remove(&step.id);
                self.note(step.id, &call, &answer, true);
                let mut line = Line::of(show(&answer));
                if form == Form::ActorWithOverlapped {
                    line = uncounted(&answer, line);
                }
                if let Some((answer, deviation)) = under_wine {
                    line = line.but(show(&answer), deviation);
                }
                line = begun(&step.operation, line);
                if form == Form::Routine && matches!(&answer, Answer::Got(got) if got.more) {
                    let text = line.text.replace("ok", "error 234");
                    line = line.but(text, &deviations::LONGER_FAILS);
                }
                if form.is_actor() {
                    if answer == Answer::Refused(535) {
                        // Whether the client came before the call is not known.
                        line = Line::of(Answer::Done.plain(kind));
                    }
                    effect.line = Line::of("started");
                    self.ended.insert(step.id, line);
                } else {
                    effect.line = line;
                }
            }
        }
    }

    /// Whether a routine cannot be told of what is permitted otherwise.
    fn has_port(&self, slot: Slot, step: &Step) -> bool {
        let reads = matches!(step.operation, Operation::Read { .. });
        self.may(slot, reads, !reads) && self.handle(slot).is_some_and(|handle| handle.port.is_some())
    }

    /// It waits: what is told of it at once, and where it is seen that it has begun.
    fn wait_on(&mut self, step: &Step, call: &Call, listened: Option<bool>, effect: &mut Effect) {
        let by_actor = call.form.is_actor();
        let text = if by_actor {
            "started".to_owned()
        } else {
            answers::pending(call.kind(), call.form)
        };
        effect.line = begun(&step.operation, Line::of(text));
        match step.operation {
            Operation::Connect { .. } if by_actor && listened == Some(false) => {
                let handle = call.slot.and_then(|slot| self.handle(slot));
                effect.seen_by = handle.map(|handle| self.pipe_of(handle).name);
            }
            Operation::Write { .. } | Operation::Transact { .. } if by_actor => {
                effect.seen_at = call.slot.and_then(|slot| self.seen_at(slot));
            }
            _ => {}
        }
    }

    /// The peer of an end that has just written, and what it has to read.
    pub(super) fn seen_at(&mut self, slot: Slot) -> Option<(usize, u32)> {
        let peer = self.peer(slot)?;
        let handle = self.handle(peer).filter(|handle| handle.access[0])?;
        let (link, side) = (handle.link?, handle.side);
        let place = steps::place(peer, usize::from(!handle.open[0]));
        let (_, unread, _) = self.links[link].oracle.peek(side, 0).ok()?;
        Some((place, unread as u32))
    }

    /// semantics 61-68, 76, 77
    pub(super) fn connect(&mut self, slot: Slot) -> Poll<Answer> {
        let since = self.tick();
        let peer = self.peer(slot);
        let handle = self.handles[slot].as_mut().expect("it is open");
        if handle.side == Side::Client {
            return Poll::Ready(Answer::Refused(1));
        }
        let nowait = handle.is_nowait();
        if handle.link.is_some() {
            return Poll::Ready(Answer::Refused(if peer.is_some() { 535 } else { 232 }));
        }
        let starts = handle.listening.is_none();
        handle.listening.get_or_insert(since);
        let name = self.pipe_of(self.handle(slot).expect("it is open")).name;
        if starts {
            self.end_waits(name, &Answer::Done);
        }
        if nowait {
            return Poll::Ready(Answer::Refused(536));
        }
        Poll::Pending
    }

    /// The connection of an end, or what a call on an end without one brings: `listening` if it listens (semantics 80, 175).
    pub(super) fn link(&self, slot: Slot, listening: u32, disconnected: u32) -> Result<(usize, Side), Answer> {
        let handle = self.handle(slot).expect("it is open");
        match handle.link {
            Some(link) => Ok((link, handle.side)),
            None if handle.listening.is_some() => Err(Answer::Refused(listening)),
            None => Err(Answer::Refused(disconnected)),
        }
    }

    pub(super) fn may(&self, slot: Slot, read: bool, write: bool) -> bool {
        let access = self.handle(slot).expect("it is open").access;
        (!read || access[0]) && (!write || access[1])
    }

    pub(super) fn read(&mut self, slot: Slot, id: u32, size: u32) -> Poll<Answer> {
        if !self.may(slot, true, false) {
            return Poll::Ready(Answer::Failed(Status::AccessDenied));
        }
        match self.link(slot, 536, 233) {
            Ok((link, side)) => self.links[link]
                .oracle
                .read(side, u64::from(id), size as usize)
                .map(answer),
            Err(refused) => Poll::Ready(refused),
        }
    }

    pub(super) fn write(&mut self, slot: Slot, step: &Step, size: u32) -> Poll<Answer> {
        if !self.may(slot, false, true) {
            return Poll::Ready(Answer::Failed(Status::AccessDenied));
        }
        match self.link(slot, 536, 233) {
            Ok((link, side)) => {
                let data = step.data(size);
                self.links[link]
                    .oracle
                    .write(side, u64::from(step.id), &data)
                    .map(answer)
            }
            Err(refused) => Poll::Ready(refused),
        }
    }

    /// semantics 150, 151, 159
    pub(super) fn transact(&mut self, slot: Slot, step: &Step, request: u32, reply: u32) -> Poll<Answer> {
        if !self.may(slot, true, true) {
            return Poll::Ready(Answer::Failed(Status::AccessDenied));
        }
        let (link, side) = match self.link(slot, 230, 230) {
            Ok(link) => link,
            Err(refused) => return Poll::Ready(refused),
        };
        let handle = self.handle(slot).expect("it is open");
        let wrong_mode = !self.pipe_of(handle).is_message() || handle.modes & READ_MESSAGES == 0;
        if self.is_dead(slot) {
            return Poll::Ready(Answer::Refused(233));
        }
        if wrong_mode || self.peer(slot).is_none() {
            return Poll::Ready(Answer::Refused(230));
        }
        let data = step.data(request);
        let oracle = &mut self.links[link].oracle;
        match oracle.transact(side, u64::from(step.id), &data, reply as usize) {
            Ok(()) => Poll::Pending,
            Err(status) => Poll::Ready(Answer::Failed(status)),
        }
    }

    /// A client whose server has disconnected it (semantics 173).
    pub(crate) fn is_dead(&self, slot: Slot) -> bool {
        let handle = self.handle(slot).expect("it is open");
        handle.side == Side::Client
            && handle
                .link
                .is_some_and(|link| self.links[link].oracle.is_disconnected(Side::Client))
    }

    /// semantics 80, 163-168, 170
    pub(super) fn flush(&mut self, slot: Slot, id: u32) -> (Poll<Answer>, Option<(Answer, &'static Deviation)>) {
        let flushed = match self.link(slot, 0, 0) {
            Ok((link, side)) => self.links[link].oracle.flush(side, u64::from(id)).map(answer),
            Err(_) => Poll::Ready(Answer::Done),
        };
        match flushed {
            Poll::Ready(unchecked) if !self.may(slot, false, true) => (
                Poll::Ready(Answer::Failed(Status::AccessDenied)),
                Some((unchecked, &deviations::FLUSH_UNCHECKED)),
            ),
            flushed => (flushed, None),
        }
    }

    /// semantics 81-84
    pub(super) fn wait(&self, name: usize, timeout_ms: u32) -> Poll<Answer> {
        if self.names[name].is_none() {
            Poll::Ready(Answer::Refused(2))
        } else if self.listener(name).is_some() {
            Poll::Ready(Answer::Done)
        } else if timeout_ms == u32::MAX {
            Poll::Pending
        } else {
            Poll::Ready(Answer::Refused(121))
        }
    }
}
