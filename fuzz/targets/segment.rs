//! An end of ours on a segment whose every word the peer may overwrite at any moment: nothing panics, leaves its lane, goes
//! on for ever, or tells a caller what no caller can be told.
//!
//! The first five bytes of the input are the type of the pipe and the quotas; every step after them is a side, an operation
//! and up to three strikes, a byte or two for each choice and eight for a word.

#![no_main]

use std::slice::Iter;

use libfuzzer_sys::fuzz_target;
use npipe_core::{ReadMode, WaitMode};
use npipe_shm::layout;

use siege::{Operation, Siege, Strike, Target};
use support::Side;

#[path = "../../crates/npipe-shm/tests/lanes/mod.rs"]
mod lanes;
#[path = "../../crates/npipe-shm/tests/siege/mod.rs"]
mod siege;
#[path = "../../crates/npipe-core/tests/support/mod.rs"]
mod support;

/// Longer sieges find nothing that shorter ones do not, and take longer.
const MAX_STEPS: usize = 64;

struct Input<'a>(Iter<'a, u8>);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn word(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Some(u64::from_le_bytes(bytes))
    }

    fn length(&mut self) -> Option<usize> {
        self.short().map(|length| usize::from(length % 1500))
    }

    fn operation(&mut self) -> Option<Operation> {
        let index = |input: &mut Self| input.byte().map(|byte| usize::from(byte % 8));
        Some(match self.byte()? % 12 {
            0 => Operation::Read(self.length()?),
            1 => Operation::Write(self.length()?),
            2 => Operation::Request(self.length()?),
            3 => Operation::Peek(self.length()?),
            4 => Operation::Poll,
            5 => Operation::Publish,
            6 => Operation::CancelRead(index(self)?),
            7 => Operation::CancelWrite(index(self)?),
            8 => Operation::Flush,
            9 => {
                let modes = self.byte()?;
                let mode = if modes & 1 == 0 {
                    ReadMode::Byte
                } else {
                    ReadMode::Message
                };
                let wait = if modes & 2 == 0 {
                    WaitMode::Wait
                } else {
                    WaitMode::NoWait
                };
                Operation::SetModes(mode, wait)
            }
            10 => Operation::Trim,
            _ => Operation::PeerLeaves,
        })
    }

    fn strike(&mut self) -> Option<Strike> {
        let delay = u64::from(self.byte()? % 32);
        let which = self.byte()?;
        let side = if which & 0x80 == 0 {
            layout::Side::Server
        } else {
            layout::Side::Client
        };
        let target = match which & 0x1f {
            0 | 1 => Target::Tail(side),
            2 => Target::Queued(side),
            3 | 4 => Target::Head(side),
            5 => Target::Taken(side),
            6 => Target::Empties(side),
            7 => Target::Stamp(side),
            8 => Target::Size(side, usize::from(self.byte()? % 16)),
            9 => Target::Begun(side),
            10 => Target::Sleepers(side),
            11 => Target::Bell(side),
            12 => Target::Processor(side),
            13 => Target::Standing(side),
            _ => Target::Lane(side, 8 * u64::from(self.byte()? % 90)),
        };
        let value = self.word()?;
        Some(Strike { delay, target, value })
    }

    fn step(&mut self) -> Option<(Side, Operation, Vec<Strike>)> {
        let choice = self.byte()?;
        let side = Side::BOTH[usize::from(choice & 1)];
        let operation = self.operation()?;
        let strikes = (0..choice >> 6).map_while(|_| self.strike()).collect();
        Some((side, operation, strikes))
    }

    fn siege(&mut self) -> Option<Siege> {
        Some(Siege {
            is_message: self.byte()? & 1 != 0,
            quota_bytes: [self.short()?, self.short()?],
            steps: std::iter::from_fn(|| self.step()).take(MAX_STEPS).collect(),
        })
    }
}

fuzz_target!(|input: &[u8]| {
    if let Some(siege) = Input(input.iter()).siege() {
        siege.run();
    }
});
