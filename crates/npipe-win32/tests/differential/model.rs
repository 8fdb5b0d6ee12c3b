//! All pipes of a script as the rules have them: names, instances, who is connected with whom, which calls wait.
//!
//! What passes through a connection is the oracle's of npipe-core. The rest is written here, as straight from the rules:
//! everything happens at once, and an operation's effect names every call that it ends.

mod calls;
mod controls;
mod notes;

use std::collections::BTreeMap;

use npipe_core::{PipeType, ReadMode, Status, WaitMode};

use crate::answers::{Answer, Kind, Line};
use crate::deviations;
use crate::rules::oracle::{self, Oracle, Outcome};
use crate::rules::{Setup, Side};
use crate::steps::{Form, Operation, Parameters, Slot, Step};
use notes::Notes;

/// How many handles there are at a time.
pub(crate) const SLOTS: usize = 12;

/// How many names.
pub(crate) const NAMES: usize = 2;

/// How many completion ports.
pub(crate) const PORTS: usize = 2;

const ACCESS_DUPLEX: u32 = 3;
const FLAG_OVERLAPPED: u32 = 0x4000_0000;
const FLAG_WRITE_THROUGH: u32 = 0x8000_0000;
const FLAG_FIRST_INSTANCE: u32 = 0x0008_0000;
pub(crate) const NOWAIT: u32 = 1;
pub(crate) const READ_MESSAGES: u32 = 2;
const TYPE_MESSAGE: u32 = 4;
const REJECT_REMOTE: u32 = 8;
pub(crate) const UNLIMITED: u32 = 255;

/// From the first instance of a name to its last.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) name: usize,
    pub(crate) first: Parameters,
    pub(crate) instances: u32,
}

impl Pipe {
    pub(crate) fn is_message(&self) -> bool {
        self.first.pipe_mode & TYPE_MESSAGE != 0
    }

    fn access(&self) -> u32 {
        self.first.open_mode & ACCESS_DUPLEX
    }

    /// Whether a client may have the access that it asks for (semantics 49).
    pub(crate) fn permits(&self, access: [bool; 2]) -> bool {
        let [read, write] = access;
        (!read || self.access() & 2 != 0) && (!write || self.access() & 1 != 0)
    }
}

/// A connection, as long as anybody holds an end of it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) oracle: Oracle,
    /// The handles of both ends: `None` is closed, or has disconnected its client.
    pub(crate) slots: [Option<Slot>; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) pipe: usize,
    pub(crate) side: Side,
    pub(crate) access: [bool; 2],
    pub(crate) overlapped: bool,
    pub(crate) modes: u32,
    pub(crate) link: Option<usize>,
    /// Of a server that listens: since when.
    pub(crate) listening: Option<u64>,
    /// Which of its handles are open: the first one, the duplicate.
    pub(crate) open: [bool; 2],
    /// Its completion port, and its key there.
    pub(crate) port: Option<(usize, u32)>,
    /// Whether the port hears nothing of immediate successes.
    pub(crate) skips_port: bool,
}

impl Handle {
    pub(crate) fn is_nowait(&self) -> bool {
        self.modes & NOWAIT != 0
    }
}

/// A call that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) form: Form,
    /// Where; a call that waits for a name has none.
    pub(crate) slot: Option<Slot>,
    /// And with which of the handles.
    pub(crate) handle: usize,
}

impl Call {
    /// How much of the peer's next write is for it.
    pub(crate) fn wants(&self) -> u32 {
        match self.operation {
            Operation::Read { size, .. } => size,
            Operation::Transact { reply, .. } => reply,
            _ => 0,
        }
    }

    fn kind(&self) -> Kind {
        match self.operation {
            Operation::Read { .. } | Operation::Transact { .. } => Kind::Reads,
            Operation::Write { .. } => Kind::Writes,
            _ => Kind::Neither,
        }
    }
}

/// What an operation does.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) line: Line,
    /// The handle was not made.
    pub(crate) refused: bool,
    /// The call of this operation waits.
    pub(crate) waits: bool,
    /// That a thread is inside of its call is seen by what the end with this handle has to read.
    pub(crate) seen_at: Option<(Slot, u32)>,
    /// Or by this name, of which an instance listens now and none did before.
    pub(crate) seen_by: Option<usize>,
    /// Calls that have ended, in their order.
    pub(crate) ended: BTreeMap<u32, Line>,
    /// Commands that await what ports and routines are told of that, and what they tell.
    pub(crate) told: Vec<(String, Line)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) handles: [Option<Handle>; SLOTS],
    pub(crate) names: [Option<usize>; NAMES],
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) links: Vec<Link>,
    pub(crate) calls: BTreeMap<u32, Call>,
    /// What completion ports hold.
    pub(crate) ports: [Notes; PORTS],
    /// What the thread of the script runs when it is alertable.
    pub(crate) routines: Notes,
    clock: u64,
    /// The step that is being done.
    now: u32,
    ended: BTreeMap<u32, Line>,
}

fn codes(modes: u32) -> (ReadMode, WaitMode) {
    let read = if modes & READ_MESSAGES == 0 {
        ReadMode::Byte
    } else {
        ReadMode::Message
    };
    let wait = if modes & NOWAIT == 0 {
        WaitMode::Wait
    } else {
        WaitMode::NoWait
    };
    (read, wait)
}

fn answer(answer: oracle::Answer) -> Answer {
    match answer {
        Ok(Outcome::Read(got)) => Answer::Got(got),
        Ok(Outcome::Wrote(count)) => Answer::Wrote(count as u32),
        Ok(Outcome::Flushed) => Answer::Done,
        Err(status) => Answer::Failed(status),
    }
}

impl World {
    pub(crate) fn handle(&self, slot: Slot) -> Option<&Handle> {
        self.handles.get(slot)?.as_ref()
    }

    pub(crate) fn pipe_of(&self, handle: &Handle) -> &Pipe {
        &self.pipes[handle.pipe]
    }

    /// The pipe that a name stands for now.
    pub(crate) fn pipe(&self, name: usize) -> Option<&Pipe> {
        self.names[name].map(|pipe| &self.pipes[pipe])
    }

    pub(crate) fn calls_at(&self, slot: Slot) -> impl Iterator<Item = (u32, &Call)> {
        let calls = self.calls.iter().map(|(&id, call)| (id, call));
        calls.filter(move |(_, call)| call.slot == Some(slot))
    }

    /// The other end's handle, if it is open and still belongs to this one.
    pub(crate) fn peer(&self, slot: Slot) -> Option<Slot> {
        let handle = self.handle(slot)?;
        self.links[handle.link?].slots[handle.side.other() as usize]
    }

    /// The server that has listened longest (semantics 56).
    pub(crate) fn listener(&self, name: usize) -> Option<Slot> {
        let pipe = self.names[name]?;
        let listening = |slot: Slot| {
            let handle = self.handle(slot).filter(|handle| handle.pipe == pipe)?;
            Some((handle.listening?, slot))
        };
        (0..SLOTS).filter_map(listening).min().map(|(_, slot)| slot)
    }

    /// Does an operation. `None`: there is nothing that it could be done to.
    pub(crate) fn apply(&mut self, step: &Step) -> Option<Effect> {
        self.now = step.id;
        let mut effect = Effect {
            line: Line::of(""),
            refused: false,
            waits: false,
            seen_at: None,
            seen_by: None,
            ended: BTreeMap::new(),
            told: Vec::new(),
        };
        match step.operation {
            Operation::Create { slot, name, parameters } => {
                self.free(slot)?;
                effect.line = self.create(slot, name, parameters);
                effect.refused = effect.line.text != "handle";
            }
            Operation::Open {
                slot,
                name,
                access,
                overlapped,
            } => {
                self.free(slot)?;
                effect.line = self.open(slot, name, access, overlapped);
                effect.refused = effect.line.text != "handle";
            }
            Operation::Connect { slot, form }
            | Operation::Read { slot, form, .. }
            | Operation::Write { slot, form, .. }
            | Operation::Transact { slot, form, .. }
            | Operation::Flush { slot, form } => {
                self.handle(slot)?;
                self.call(step, Some(slot), form, &mut effect);
            }
            Operation::Wait { form, .. } => self.call(step, None, form, &mut effect),
            Operation::Peek { slot, size } => {
                self.handle(slot)?;
                effect.line = self.peek(slot, size);
            }
            Operation::Disconnect { slot } => {
                self.handle(slot)?;
                effect.line = self.disconnect(slot);
            }
            Operation::Close { slot } => effect.line = self.close_handle(slot, step.handle),
            Operation::SetState { slot, mode } => {
                self.handle(slot)?;
                effect.line = self.set_state(slot, mode);
            }
            Operation::State { slot } => effect.line = self.state(self.handle(slot)?),
            Operation::Information { slot } => effect.line = self.information(self.handle(slot)?),
            Operation::Cancel { slot, which } => {
                self.handle(slot)?;
                effect.line = self.cancel(slot, which);
            }
            Operation::CancelThread { call } => {
                let waiting = self.calls.get(&call).filter(|call| call.form.is_actor())?;
                self.cancel_one(waiting.slot?, call);
                effect.line = Line::of("ok");
            }
            _ => effect.line = self.notice(step)?,
        }
        effect.ended = std::mem::take(&mut self.ended);
        effect.told = self.tell_what_is_due();
        Some(effect)
    }

    fn free(&self, slot: Slot) -> Option<()> {
        self.handles[slot].is_none().then_some(())
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// semantics 19-26, 28, 30, 33, 38
    fn create(&mut self, slot: Slot, name: usize, of: Parameters) -> Line {
        let access = of.open_mode & ACCESS_DUPLEX;
        if access == 0 || of.pipe_mode & (TYPE_MESSAGE | READ_MESSAGES) == READ_MESSAGES {
            return Line::of("error 87");
        }
        let known = ACCESS_DUPLEX | FLAG_OVERLAPPED | FLAG_WRITE_THROUGH | FLAG_FIRST_INSTANCE;
        let known_modes = NOWAIT | READ_MESSAGES | TYPE_MESSAGE | REJECT_REMOTE;
        let unknown = of.open_mode & !known != 0 || of.pipe_mode & !known_modes != 0;
        let impossible = !(1..=UNLIMITED).contains(&of.most_instances);
        // What Wine sees too.
        let refusal = self.pipe(name).and_then(|pipe| {
            if pipe.first.most_instances != UNLIMITED && pipe.instances >= pipe.first.most_instances {
                Some("error 231")
            } else if pipe.access() != access {
                Some("error 5")
            } else {
                None
            }
        });
        let instead = refusal.unwrap_or("handle");
        if unknown {
            return Line::of("error 87").but(instead, &deviations::UNKNOWN_BITS);
        }
        if impossible {
            return Line::of("error 87").but(instead, &deviations::ANY_MAXIMUM);
        }
        if let Some(refusal) = refusal {
            return Line::of(refusal);
        }
        if self.names[name].is_some() && of.open_mode & FLAG_FIRST_INSTANCE != 0 {
            return Line::of("error 5").but("handle", &deviations::FIRST_INSTANCE);
        }
        let pipe = *self.names[name].get_or_insert_with(|| {
            self.pipes.push(Pipe {
                name,
                first: of,
                instances: 0,
            });
            self.pipes.len() - 1
        });
        self.pipes[pipe].instances += 1;
        let since = self.tick();
        self.handles[slot] = Some(Handle {
            pipe,
            side: Side::Server,
            access: [access & 1 != 0, access & 2 != 0],
            overlapped: of.open_mode & FLAG_OVERLAPPED != 0,
            modes: of.pipe_mode & (NOWAIT | READ_MESSAGES),
            link: None,
            listening: Some(since),
            open: [true, false],
            port: None,
            skips_port: false,
        });
        self.end_waits(name, &Answer::Done);
        Line::of("handle")
    }

    /// semantics 46-49, 51, 52, 55-57
    fn open(&mut self, slot: Slot, name: usize, access: [bool; 2], overlapped: bool) -> Line {
        let Some(pipe) = self.names[name] else {
            return Line::of("error 2");
        };
        let listener = self.listener(name);
        if !self.pipes[pipe].permits(access) {
            let refused = Line::of("error 5");
            return match listener {
                Some(_) => refused,
                None => refused.but("error 231", &deviations::BUSY_FIRST),
            };
        }
        let Some(server) = listener else {
            return Line::of("error 231");
        };
        let first = &self.pipes[pipe].first;
        let setup = Setup {
            pipe_type: if self.pipes[pipe].is_message() {
                PipeType::Message
            } else {
                PipeType::Byte
            },
            quota_bytes: [first.out_bytes, first.in_bytes],
            lane_bytes: Setup::AMPLE_BYTES,
        };
        let mut oracle = Oracle::new(&setup);
        let link = self.links.len();
        let connects: Vec<u32> = self.calls_at(server).map(|(id, _)| id).collect();
        let host = self.handles[server].as_mut().expect("it listens");
        (host.listening, host.link) = (None, Some(link));
        let (read, wait) = codes(host.modes);
        oracle.set_modes(Side::Server, read, wait).expect("nothing waits yet");
        self.links.push(Link {
            oracle,
            slots: [Some(server), Some(slot)],
        });
        self.handles[slot] = Some(Handle {
            pipe,
            side: Side::Client,
            access,
            overlapped,
            modes: 0,
            link: Some(link),
            listening: None,
            open: [true, false],
            port: None,
            skips_port: false,
        });
        for id in connects {
            self.end(id, Answer::Done);
        }
        Line::of("handle")
    }

    /// Takes the calls that have ended at both ends of a connection.
    fn collect(&mut self, slot: Slot) {
        let Some(link) = self.handle(slot).and_then(|handle| handle.link) else {
            return;
        };
        for side in Side::BOTH {
            for (id, ended) in self.links[link].oracle.take_finished(side) {
                self.end(id as u32, answer(ended));
            }
        }
    }

    fn end_waits(&mut self, name: usize, answer: &Answer) {
        let waits = |call: &Call| matches!(call.operation, Operation::Wait { name: of, .. } if of == name);
        let ids: Vec<u32> = self
            .calls
            .iter()
            .filter(|(_, call)| waits(call))
            .map(|(&id, _)| id)
            .collect();
        for id in ids {
            self.end(id, answer.clone());
        }
    }

    /// A call that waited has ended.
    fn end(&mut self, id: u32, answer: Answer) {
        let call = self.calls.remove(&id).expect("it waits");
        let kind = call.kind();
        self.note(id, &call, &answer, false);
        let connect = matches!(call.operation, Operation::Connect { .. });
        let closed = connect && answer == Answer::Failed(Status::PipeBroken);
        let line = Line::of(match call.form {
            Form::Direct => unreachable!("what waits is not made by the thread of the script"),
            Form::Routine => return,
            form if form.is_overlapped() => answer.overlapped(kind, form),
            Form::Actor => answer.plain(kind),
            _ => answer.filled_in(kind),
        });
        let line = calls::begun(&call.operation, line);
        let line = if call.form == Form::ActorWithOverlapped {
            calls::uncounted(&answer, line)
        } else {
            line
        };
        let line = if closed {
            let text = line.text.replace("109", "676").replace("c000014b", "8000000a");
            line.but(text, &deviations::CLOSED_LISTENER)
        } else {
            line
        };
        self.ended.insert(id, line);
    }
}
