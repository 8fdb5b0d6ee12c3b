//! What never waits: looking, closing, modes, cancelling.

use npipe_core::Status;

use super::{Call, Handle, NOWAIT, READ_MESSAGES, TYPE_MESSAGE, UNLIMITED, World, codes};
use crate::answers::{self, Answer, Line};
use crate::deviations;
use crate::rules::Side;
use crate::steps::{Parameters, Slot, Which};

impl World {
    /// semantics 142-149
    pub(super) fn peek(&mut self, slot: Slot, size: u32) -> Line {
        if !self.may(slot, true, false) {
            return Line::of("error 5");
        }
        let (link, side) = match self.link(slot, 230, 230) {
            Ok(link) => link,
            Err(refused) => return Line::of(refused.outcome()),
        };
        match self.links[link].oracle.peek(side, size as usize) {
            Ok((copied, unread, left)) => {
                let count = copied.len() as u32;
                let handle = self.handle(slot).expect("it is open");
                let message = self.pipe_of(handle).is_message();
                let left = if message {
                    left as u32
                } else {
                    0_u32.wrapping_sub(count)
                };
                let data = answers::data(&copied);
                Line::of(format!("ok n={count} unread={unread} left={left}{data}"))
            }
            Err(status) => Line::of(Answer::Failed(status).outcome()),
        }
    }

    /// semantics 172-177, 179
    pub(super) fn disconnect(&mut self, slot: Slot) -> Line {
        let handle = self.handles[slot].as_mut().expect("it is open");
        if handle.side == Side::Client {
            return Line::of("error 1").but("error 50", &deviations::DISCONNECT_BY_CLIENT);
        }
        handle.listening = None;
        let Some(link) = handle.link else {
            return Line::of("error 233");
        };
        self.links[link].oracle.disconnect();
        self.collect(slot);
        self.links[link].slots[Side::Server as usize] = None;
        self.handles[slot].as_mut().expect("it is open").link = None;
        Line::of("ok")
    }

    /// semantics 190
    pub(super) fn close_handle(&mut self, slot: Slot, handle: usize) -> Line {
        let open = &mut self.handles[slot].as_mut().expect("it is open").open;
        open[handle] = false;
        if open.contains(&true) {
            return Line::of("ok");
        }
        self.close(slot)
    }

    /// semantics 13, 29, 79, 89, 183-187, 192
    fn close(&mut self, slot: Slot) -> Line {
        let handle = self.handles[slot].clone().expect("it is open");
        if let Some(link) = handle.link {
            self.links[link].oracle.close(handle.side);
            self.collect(slot);
            self.links[link].slots[handle.side as usize] = None;
        }
        let connects: Vec<u32> = self.calls_at(slot).map(|(id, _)| id).collect();
        for id in connects {
            self.end(id, Answer::Failed(Status::PipeBroken));
        }
        self.handles[slot] = None;
        if handle.side == Side::Server {
            let pipe = &mut self.pipes[handle.pipe];
            pipe.instances -= 1;
            if pipe.instances == 0 {
                let name = pipe.name;
                self.names[name] = None;
                self.end_waits(name, &Answer::Refused(2));
            }
        }
        Line::of("ok")
    }

    /// semantics 98, 201-204
    pub(super) fn set_state(&mut self, slot: Slot, mode: Option<u32>) -> Line {
        let handle = self.handle(slot).expect("it is open");
        let dead = self.is_dead(slot);
        let message = self.pipe_of(handle).is_message();
        let Some(mode) = mode else {
            return Line::of("ok");
        };
        let unknown = mode & !(NOWAIT | READ_MESSAGES) != 0;
        if dead {
            let line = Line::of("error 233");
            return if unknown {
                line.but("error 87", &deviations::BITS_FIRST)
            } else {
                line
            };
        }
        let possible = !unknown && (message || mode & READ_MESSAGES == 0);
        let line = if possible { "ok" } else { "error 87" };
        if !handle.access[1] {
            let refused = Line::of("error 5");
            return match handle.side {
                Side::Server if unknown => refused.but(line, &deviations::BITS_FIRST),
                Side::Server => refused,
                Side::Client => refused.but(line, &deviations::SET_UNCHECKED),
            };
        }
        if possible {
            let handle = self.handles[slot].as_mut().expect("it is open");
            handle.modes = mode;
            let (link, side) = (handle.link, handle.side);
            if let Some(link) = link {
                let (read, wait) = codes(mode);
                let set = self.links[link].oracle.set_modes(side, read, wait);
                set.expect("no script does what is refused for calls that wait");
            }
        }
        Line::of(line)
    }

    /// semantics 189, 197, 204
    pub(super) fn state(&self, handle: &Handle) -> Line {
        if let Some(refused) = self.attributes(handle) {
            return refused;
        }
        let instances = self.pipe_of(handle).instances;
        Line::of(format!("ok mode={:x} instances={instances}", handle.modes))
    }

    /// semantics 195, 196
    pub(super) fn information(&self, handle: &Handle) -> Line {
        if let Some(refused) = self.attributes(handle) {
            return refused;
        }
        let pipe = self.pipe_of(handle);
        let flags = u32::from(handle.side == Side::Server) | if pipe.is_message() { TYPE_MESSAGE } else { 0 };
        let Parameters {
            out_bytes,
            in_bytes,
            most_instances,
            ..
        } = pipe.first;
        let text = |most: u32| format!("ok flags={flags:x} out={out_bytes} in={in_bytes} max={most}");
        let line = Line::of(text(most_instances));
        if most_instances == UNLIMITED {
            return line.but(text(u32::MAX), &deviations::UNLIMITED);
        }
        line
    }

    /// What a question for attributes fails with (semantics 173, 204).
    pub(super) fn attributes(&self, handle: &Handle) -> Option<Line> {
        if handle.side == Side::Server && !handle.access[0] {
            return Some(Line::of("error 5"));
        }
        let dead = handle.side == Side::Client
            && handle
                .link
                .is_some_and(|link| self.links[link].oracle.is_disconnected(Side::Client));
        dead.then(|| Line::of("error 233"))
    }

    /// semantics 227, 228, 230, 231
    pub(super) fn cancel(&mut self, slot: Slot, which: Which) -> Line {
        // A call without an OVERLAPPED is none that can be told.
        let chosen = |id: u32, call: &Call| match which {
            Which::OfThread => !call.form.is_actor(),
            Which::All => true,
            Which::One(one) => one == id && call.form.is_overlapped(),
        };
        let calls = self.calls_at(slot).filter(|&(id, call)| chosen(id, call));
        let ids: Vec<u32> = calls.map(|(id, _)| id).collect();
        if ids.is_empty() {
            return match which {
                Which::OfThread => Line::of("ok"),
                Which::All => Line::of("error 1168").but("ok", &deviations::CANCEL_NOTHING),
                Which::One(_) => Line::of("error 1168"),
            };
        }
        match (self.link(slot, 0, 0), which) {
            (Ok((link, side)), Which::All) => {
                self.links[link].oracle.end_all(side, Status::Cancelled);
                self.collect(slot);
            }
            _ => ids.into_iter().for_each(|id| self.cancel_one(slot, id)),
        }
        Line::of("ok")
    }

    pub(super) fn cancel_one(&mut self, slot: Slot, id: u32) {
        match self.link(slot, 0, 0) {
            Ok((link, side)) => {
                self.links[link].oracle.cancel(side, u64::from(id));
                self.collect(slot);
            }
            Err(_) => self.end(id, Answer::Failed(Status::Cancelled)),
        }
    }
}
