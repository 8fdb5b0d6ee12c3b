//! Who else is told of the end of a call: completion ports and completion routines.
//!
//! What a call has brought when it returns is there at once, and stays until somebody asks. What a step has ended later is
//! awaited after the step, with all that is there before it; of several calls that one step ends no rule has the order.

use super::{Call, World};
use crate::answers::{self, Answer, Kind, Line};
use crate::deviations;
use crate::steps::{Alert, Form, Operation, Step};

/// One of them.
#[derive(Clone, Debug)]
struct Note {
    /// Of which call.
    id: u32,
    /// By which step.
    step: u32,
    line: Line,
    /// Whether it has come by the end of another call, and the script has to wait for it.
    due: bool,
}

/// What is there, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn add(&mut self, id: u32, step: u32, line: Line, due: bool) {
        self.0.push(Note { id, step, line, due });
    }

    /// Takes the first few of them, as they are printed.
    fn take(&mut self, most: usize, head: &str) -> Line {
        let count = most.min(self.0.len());
        let notes = self.0.drain(..count);
        Line::all(
            head,
            notes.map(|note| note.line.around(&format!(" #{} ", note.id), ";")),
        )
    }

    /// If some have to be waited for, all there are: how many, how many of those come from this step, and how they are printed.
    fn take_due(&mut self, step: u32, head: &str) -> Option<(usize, usize, Line)> {
        self.0.iter().find(|note| note.due)?;
        let first = self.0.iter().position(|note| note.step == step)?;
        self.0[first..].sort_by_key(|note| note.id);
        let (count, due) = (self.0.len(), self.0.len() - first);
        Some((count, due, self.take(count, head)))
    }
}

impl World {
    /// A call has ended, at once or later (semantics 226, 235, 239, 240, 246-250).
    pub(super) fn note(&mut self, id: u32, call: &Call, answer: &Answer, at_once: bool) {
        if at_once && !answer.is_completed() {
            return;
        }
        if call.form == Form::Routine {
            let data = if call.kind() == Kind::Reads {
                answers::data(answer.bytes())
            } else {
                String::new()
            };
            let line = Line::of(answer.told() + &data);
            self.routines.add(id, self.now, line, !at_once);
            return;
        }
        let Some(handle) = call.slot.and_then(|slot| self.handle(slot)) else {
            return;
        };
        let skipped = at_once && handle.skips_port && answer.status() == 0;
        if let Some((port, key)) = handle.port
            && call.form.posts()
            && !skipped
        {
            let line = Line::of(format!("{} key={key}", answer.told()));
            let closed = matches!(call.operation, Operation::Connect { .. })
                && *answer == Answer::Failed(npipe_core::Status::PipeBroken);
            let line = if closed {
                line.but(format!("error 676 n=0 key={key}"), &deviations::CLOSED_LISTENER)
            } else {
                line
            };
            self.ports[port].add(id, self.now, line, !at_once);
        }
    }

    /// What is to be waited for after a step.
    pub(super) fn tell_what_is_due(&mut self) -> Vec<(String, Line)> {
        let step = self.now;
        let mut told = Vec::new();
        for (number, port) in self.ports.iter_mut().enumerate() {
            if let Some((count, due, line)) = port.take_due(step, "  packets:") {
                told.push((format!("Q {number} {count} {due}"), line));
            }
        }
        if let Some((count, due, line)) = self.routines.take_due(step, "  routines:") {
            let how = Alert::ALL[step as usize % 5] as u8;
            told.push((format!("Z {how} {count} {due}"), line));
        }
        told
    }

    /// What is done with ports, routines, handles and results themselves.
    pub(super) fn notice(&mut self, step: &Step) -> Option<Line> {
        let ok = Line::of("ok");
        match step.operation {
            Operation::CancelInside { slot, call } => {
                self.calls_at(slot).find(|&(id, _)| id == call)?;
                self.cancel_one(slot, call);
                Some(ok)
            }
            // semantics 216
            Operation::Result { call } => {
                let waiting = self.calls.get(&call).filter(|call| call.form.is_overlapped())?;
                let line = Line::of("error 996");
                Some(match waiting.operation {
                    Operation::Transact { .. } => line.but("ok", &deviations::TRANSACTION_NOT_BEGUN),
                    _ => line,
                })
            }
            Operation::Duplicate { slot } => {
                self.handles[slot].as_mut()?.open = [true; 2];
                Some(ok)
            }
            // semantics 251
            Operation::Associate { slot, port } => {
                let handle = self.handles[slot].as_mut()?;
                if !handle.overlapped || handle.port.is_some() {
                    return Some(Line::of("error 87"));
                }
                handle.port = Some((port, step.id));
                Some(ok)
            }
            // semantics 250: only handles that have something to skip.
            Operation::SkipSuccesses { slot } => {
                let handle = self.handles[slot].as_mut()?;
                if !handle.overlapped {
                    return Some(Line::of("error 87"));
                }
                handle.skips_port = true;
                Some(ok)
            }
            Operation::Post { port } => {
                let line = format!("ok n={} key={}", step.id * 3, step.id);
                self.ports[port].add(step.id, step.id, Line::of(line), false);
                Some(ok)
            }
            Operation::Take { port, most } => Some(match self.ports[port].len() {
                0 => Line::of("error 258"),
                _ => self.ports[port].take(most.max(1), "ok"),
            }),
            Operation::QueueCall => {
                self.routines.add(step.id, step.id, Line::of("called"), false);
                Some(ok)
            }
            // semantics 236-238, 244
            Operation::Alert { how } if how.runs() && self.routines.len() > 0 => {
                Some(self.routines.take(usize::MAX, "ran:"))
            }
            Operation::Alert { .. } => Some(Line::of("nothing ran")),
            _ => unreachable!("the rest is done elsewhere"),
        }
    }
}
