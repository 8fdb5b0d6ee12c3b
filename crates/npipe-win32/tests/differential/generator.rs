//! Scripts from a seed.
//!
//! An *episode* is a script that begins and ends with nothing: its names are its own, and at its end it closes what it has
//! opened. What is likely is weighed here; what is possible is in `admission`.

mod endings;

use crate::model::{NAMES, PORTS, READ_MESSAGES, SLOTS, World};
use crate::rules::Side;
use crate::steps::{Alert, Form, Operation, Parameters, Slot, Step, Which};

/// How long an episode is, without its end.
const STEPS: usize = 160;

/// A generator of numbers, the same everywhere: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// The steps of one episode.
pub(crate) fn episode(seed: u64) -> Vec<Step> {
    let mut making = Making {
        dice: Dice::new(seed),
        world: World::default(),
        steps: Vec::new(),
        last_id: 0,
        large: false,
    };
    making.large = making.dice.one_in(16);
    while making.steps.len() < STEPS {
        let operation = making.operation();
        making.attempt(operation);
    }
    making.end();
    making.steps
}

struct Making {
    dice: Dice,
    world: World,
    steps: Vec<Step>,
    last_id: u32,
    /// Whether sizes go beyond what fits a page.
    large: bool,
}

impl Making {
    /// Adds a step if it may be done; whether it was.
    fn attempt(&mut self, operation: Operation) -> bool {
        let step = Step {
            id: self.last_id + 1,
            handle: self.handle(&operation),
            operation,
        };
        if self.world.admit(&step).is_none() {
            return false;
        }
        self.last_id += 1;
        self.steps.push(step);
        true
    }

    /// Through which handle of an end something is done.
    fn handle(&mut self, operation: &Operation) -> usize {
        let open = operation.slot().and_then(|slot| self.world.handle(slot));
        match open.map(|handle| handle.open) {
            Some([true, true]) => self.dice.below(2),
            Some([false, true]) => 1,
            _ => 0,
        }
    }

    fn slots(&self, wanted: impl Fn(Slot) -> bool) -> Vec<Slot> {
        (0..SLOTS).filter(|&slot| wanted(slot)).collect()
    }

    /// A handle, rather one that is in a connection.
    fn slot(&mut self) -> Slot {
        let connected = self.slots(|slot| self.world.peer(slot).is_some());
        if !connected.is_empty() && !self.dice.one_in(6) {
            return self.dice.of(&connected);
        }
        let open = self.slots(|slot| self.world.handle(slot).is_some());
        if open.is_empty() { 0 } else { self.dice.of(&open) }
    }

    fn server(&mut self) -> Slot {
        let servers = self.slots(|slot| {
            self.world
                .handle(slot)
                .is_some_and(|handle| handle.side == Side::Server)
        });
        if servers.is_empty() { 0 } else { self.dice.of(&servers) }
    }

    fn free(&mut self) -> Slot {
        self.slots(|slot| self.world.handle(slot).is_none())
            .first()
            .copied()
            .unwrap_or(0)
    }

    fn size(&mut self) -> u32 {
        if self.large && self.dice.one_in(3) {
            return self.dice.of(&[64, 255, 4095, 4096, 4097, 20_000, 65_536, 70_001]);
        }
        self.dice.of(&[0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 17, 33])
    }

    fn quota(&mut self) -> u32 {
        if self.large && self.dice.one_in(2) {
            return self.dice.of(&[4096, 65_536, 100_000]);
        }
        self.dice.of(&[0, 1, 2, 4, 8, 8, 10, 16, 40])
    }

    fn operation(&mut self) -> Operation {
        let open = self.slots(|slot| self.world.handle(slot).is_some()).len();
        if open < 2 || self.dice.below(100) < 4 {
            return self.create();
        }
        // Little can be learned of ends without a connection.
        let connected = self.slots(|slot| self.world.peer(slot).is_some()).len();
        if connected < 6 && self.dice.one_in(if connected == 0 { 2 } else { 8 }) {
            return self.open();
        }
        if self.dice.below(100) < 14 {
            return self.notice();
        }
        let slot = self.slot();
        match self.dice.below(100) {
            0..=6 => self.open(),
            7..=10 => self.connect(),
            11..=33 => Operation::Write {
                slot,
                size: self.size(),
                form: self.form(slot),
            },
            34..=56 => Operation::Read {
                slot,
                size: self.size(),
                form: self.form(slot),
            },
            57..=62 => Operation::Transact {
                slot,
                request: self.size(),
                reply: self.size(),
                form: self.form_without_routine(slot),
            },
            63..=65 => {
                let form = if self.dice.one_in(3) { Form::Actor } else { Form::Direct };
                Operation::Flush { slot, form }
            }
            66..=71 => Operation::Peek {
                slot,
                size: self.size(),
            },
            72..=76 => self.set_state(slot),
            77..=78 => Operation::State { slot },
            79 => Operation::Information { slot },
            80..=81 => self.wait(),
            82..=87 => self.cancel(slot),
            88..=89 => self.cancel_thread(),
            90..=92 => Operation::Disconnect { slot: self.server() },
            93 => Operation::Disconnect { slot },
            _ => self.close(),
        }
    }

    /// What has to do with ports, routines and handles.
    fn notice(&mut self) -> Operation {
        let (slot, port) = (self.slot(), self.dice.below(PORTS));
        match self.dice.below(16) {
            0..=1 => Operation::Associate { slot, port },
            2 => Operation::SkipSuccesses { slot },
            3 => Operation::Post { port },
            4..=6 => Operation::Take {
                port,
                most: self.dice.below(5),
            },
            7 => Operation::QueueCall,
            8..=10 => Operation::Alert {
                how: self.dice.of(&Alert::ALL),
            },
            11..=13 => Operation::Duplicate { slot },
            14 => Operation::Result { call: self.some_call() },
            _ => Operation::CancelInside {
                slot,
                call: self.some_call(),
            },
        }
    }

    /// A call that waits, if any does.
    fn some_call(&mut self) -> u32 {
        let calls: Vec<u32> = self.world.calls.keys().copied().collect();
        if calls.is_empty() { 0 } else { self.dice.of(&calls) }
    }

    fn form(&mut self, slot: Slot) -> Form {
        let overlapped = self.world.handle(slot).is_some_and(|handle| handle.overlapped);
        match (overlapped, self.dice.below(16)) {
            (true, 0..=1) | (false, 6..) => Form::Direct,
            (true, 2..=6) => Form::Overlapped,
            (true, 7..=8) => Form::ByHandle,
            (true, 9..=10) => Form::AutoReset,
            (true, 11..=12) => Form::Quiet,
            (true, _) => Form::Routine,
            (false, 0..=1) => Form::ActorWithOverlapped,
            (false, _) => Form::Actor,
        }
    }

    fn create(&mut self) -> Operation {
        let name = self.dice.below(NAMES);
        let first = self.world.pipe(name).map(|pipe| pipe.first);
        let message = self.dice.below(5) > 1;
        let mut pipe_mode = if message { 4 } else { 0 };
        if message && self.dice.one_in(2) {
            pipe_mode |= READ_MESSAGES;
        }
        if self.dice.one_in(8) {
            pipe_mode |= 1;
        }
        let mut access = if self.dice.one_in(5) { self.dice.of(&[1, 2]) } else { 3 };
        let mut parameters = Parameters {
            open_mode: 0,
            pipe_mode,
            most_instances: self.dice.of(&[1, 2, 3, 255, 255]),
            out_bytes: self.quota(),
            in_bytes: self.quota(),
            default_ms: self.dice.of(&[0, 1, 100]),
        };
        if let Some(first) = first {
            (parameters.out_bytes, parameters.in_bytes) = (first.out_bytes, first.in_bytes);
            if !self.dice.one_in(8) {
                access = first.open_mode & 3;
            }
        }
        parameters.open_mode = access;
        if self.dice.below(3) > 0 {
            parameters.open_mode |= 0x4000_0000;
        }
        if self.dice.one_in(12) {
            self.spoil(&mut parameters);
        }
        Operation::Create {
            slot: self.free(),
            name,
            parameters,
        }
    }

    /// Makes arguments that are refused, or seldom seen.
    fn spoil(&mut self, parameters: &mut Parameters) {
        match self.dice.below(8) {
            0 => parameters.open_mode &= !3,
            1 => parameters.open_mode |= 0x0008_0000,
            2 => parameters.open_mode |= 0x8000_0000,
            3 => parameters.open_mode |= 0x10,
            4 => parameters.pipe_mode |= 8,
            5 => parameters.pipe_mode |= 0x100,
            6 => parameters.most_instances = self.dice.of(&[0, 256]),
            _ => parameters.pipe_mode = READ_MESSAGES,
        }
    }

    fn open(&mut self) -> Operation {
        let name = self.dice.below(NAMES);
        let permitted = self.world.pipe(name).map_or(3, |pipe| pipe.first.open_mode & 3);
        let mut access = [permitted & 2 != 0, permitted & 1 != 0];
        if self.dice.one_in(6) {
            access = [self.dice.one_in(2), self.dice.one_in(2)];
        }
        Operation::Open {
            slot: self.free(),
            name,
            access,
            overlapped: self.dice.below(3) > 0,
        }
    }

    fn connect(&mut self) -> Operation {
        let slot = if self.dice.one_in(8) {
            self.slot()
        } else {
            self.server()
        };
        Operation::Connect {
            slot,
            form: self.form_without_routine(slot),
        }
    }

    /// Of what has no form with a completion routine.
    fn form_without_routine(&mut self, slot: Slot) -> Form {
        match self.form(slot) {
            Form::Routine => Form::Overlapped,
            form => form,
        }
    }

    fn set_state(&mut self, slot: Slot) -> Operation {
        let mode = match self.dice.below(16) {
            0 => None,
            1 => Some(4),
            2 => Some(1),
            3 => Some(3),
            4..=8 => Some(READ_MESSAGES),
            _ => Some(0),
        };
        Operation::SetState { slot, mode }
    }

    fn wait(&mut self) -> Operation {
        let name = self.dice.below(NAMES);
        if self.dice.one_in(3) {
            return Operation::Wait {
                name,
                timeout_ms: u32::MAX,
                form: Form::Actor,
            };
        }
        Operation::Wait {
            name,
            timeout_ms: 1,
            form: Form::Direct,
        }
    }

    fn cancel(&mut self, slot: Slot) -> Operation {
        let calls: Vec<(u32, Option<Slot>)> = self.world.calls.iter().map(|(&id, call)| (id, call.slot)).collect();
        let some = if calls.is_empty() {
            None
        } else {
            Some(self.dice.of(&calls))
        };
        match (self.dice.below(10), some) {
            (0, _) => Operation::Cancel {
                slot,
                which: Which::OfThread,
            },
            (1, _) => Operation::Cancel {
                slot,
                which: Which::All,
            },
            (2, Some((call, _))) => Operation::Cancel {
                slot,
                which: Which::One(call),
            },
            (_, Some((call, Some(slot)))) => Operation::Cancel {
                slot,
                which: Which::One(call),
            },
            _ => Operation::Cancel {
                slot,
                which: Which::One(self.last_id),
            },
        }
    }

    fn cancel_thread(&mut self) -> Operation {
        let call = self.some_call();
        match self.world.calls.get(&call).and_then(|call| call.slot) {
            Some(slot) if self.dice.one_in(3) => Operation::CancelInside { slot, call },
            _ => Operation::CancelThread { call },
        }
    }

    fn close(&mut self) -> Operation {
        let open = self.slots(|slot| self.world.handle(slot).is_some());
        let spare = open.len() > 6 || self.dice.one_in(4);
        let slot = self.dice.of(&open);
        if spare {
            Operation::Close { slot }
        } else {
            Operation::State { slot }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::deviations;
    use crate::script::Script;

    fn kind(operation: &Operation) -> String {
        let text = format!("{operation:?}");
        text.split_whitespace().next().expect("a name").to_owned()
    }

    #[test]
    fn a_seed_makes_the_same_episode_again() {
        assert_eq!(episode(7), episode(7));
        assert_ne!(episode(7), episode(8));
    }

    /// An episode leaves nothing behind, and is admitted again as it is.
    #[test]
    fn episodes_end_with_nothing() {
        for seed in 0..100 {
            let steps = episode(seed);
            let script = Script::of(1, &steps);
            assert_eq!(script.steps, steps, "seed {seed}");
            assert!(steps.len() >= STEPS);
        }
    }

    /// Every operation comes, every error, and every place where Wine is known to deviate.
    #[test]
    fn episodes_have_everything() {
        let mut kinds = BTreeMap::<String, usize>::new();
        let mut answers = BTreeMap::<String, usize>::new();
        let (mut known, mut notes) = (BTreeMap::new(), BTreeMap::<(String, usize), usize>::new());
        for seed in 0..300 {
            let script = Script::of(1, &episode(seed));
            script.deviations(&mut known);
            for step in &script.steps {
                *kinds.entry(kind(&step.operation)).or_default() += 1;
            }
            for line in &script.expected {
                let answer = line.text.split(": ").nth(1).unwrap_or("").to_owned();
                let answer: Vec<&str> = answer.split_whitespace().take(2).collect();
                if answer.first() == Some(&"error") {
                    *answers.entry(answer.join(" ")).or_default() += 1;
                }
                let told = line.text.split(" #").count() - 1;
                let head = line.text.split(" #").next().unwrap_or("").trim();
                *notes.entry((head.to_owned(), told.min(2))).or_default() += 1;
            }
        }
        assert_eq!(kinds.len(), 25, "{kinds:?}");
        for head in ["packets:", "routines:"] {
            for told in [1, 2] {
                assert!(notes.contains_key(&(head.to_owned(), told)), "{head} {told}");
            }
        }
        let never: Vec<_> = deviations::ALL
            .iter()
            .filter(|known_one| !known.contains_key(known_one))
            .collect();
        assert!(never.is_empty(), "no script meets {never:?}");
        for code in [
            1, 2, 5, 87, 109, 121, 230, 231, 232, 233, 234, 258, 535, 536, 995, 996, 1168,
        ] {
            assert!(answers.contains_key(&format!("error {code}")), "{code}: {answers:?}");
        }
    }
}
