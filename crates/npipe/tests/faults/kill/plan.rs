//! What happens in a round: everything follows from the seed and its number, so that survivor and victim agree.

use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use npipe::{ClientOptions, PipeMode, ServerOptions};

use crate::support::Random;

pub(super) const VICTIM_VARIABLE: &str = "NPIPE_FAULTS_VICTIM";
pub(super) const ROUNDS_VARIABLE: &str = "NPIPE_FAULTS_ROUNDS";
pub(super) const SEED_VARIABLE: &str = "NPIPE_FAULTS_SEED";
pub(super) const ROUND_VARIABLE: &str = "NPIPE_FAULTS_ROUND";

/// The largest write: frames of several parts.
const MAX_BYTES: u64 = 200_000;

/// Which end the victim has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// What the two do until one of them dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// The victim writes while the survivor reads.
    Stream,
    /// The victim writes until a write waits; the survivor reads on when the victim is known to be dead.
    Late,
    /// The victim writes and is killed in the middle of it; the survivor reads when the victim is known to be dead.
    Cut,
    /// The survivor writes while the victim reads.
    Drain,
    /// Request and reply; the client asks.
    Talk,
    /// The survivor waits until the victim has read what it never reads.
    Flush,
    /// The client opens and closes, the server connects and disconnects.
    Door,
}

/// One round.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) round: u64,
    pub(super) victim: Side,
    pub(super) scenario: Scenario,
    pub(super) mode: PipeMode,
    /// Both directions'.
    pub(super) quota_bytes: u32,
    /// Most bytes of a write.
    pub(super) max_bytes: u64,
    /// What the reader asks for at once.
    pub(super) read_bytes: usize,
    /// Reads before the survivor waits for the death, in [`Scenario::Late`].
    pub(super) reads_before: u64,
    /// Whether the victim kills itself.
    pub(super) by_itself: bool,
    /// Records before the kill.
    pub(super) after: u64,
    /// Turns of an empty loop between the last of them and the kill.
    pub(super) spins: u64,
}

impl Plan {
    pub(super) fn new(seed: u64, round: u64, victim: Side) -> Plan {
        use Scenario::{Cut, Door, Drain, Flush, Late, Stream, Talk};
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(round * 2 + victim as u64));
        let scenario = random.one_of(&[
            Stream, Stream, Stream, Late, Late, Cut, Cut, Drain, Drain, Talk, Flush, Door,
        ]);
        let max_bytes = random.one_of(&[8, 300, 5_000, 70_000, MAX_BYTES]);
        let enough = 4_000_000 / (max_bytes / 4 + 4_000);
        let mode = random.one_of(&[PipeMode::Byte, PipeMode::Message]);
        let mut plan = Plan {
            seed,
            round,
            victim,
            scenario,
            mode: if scenario == Talk { PipeMode::Message } else { mode },
            quota_bytes: random.one_of(&[0, 1, 100, 4096, 65_536, 65_536, 1 << 20]),
            max_bytes,
            read_bytes: random.magnitude(MAX_BYTES).max(max_bytes / 64) as usize,
            reads_before: random.below(6),
            by_itself: scenario != Late && random.below(2) == 0,
            after: if scenario == Flush { 0 } else { random.below(enough) },
            spins: random.magnitude(200_000),
        };
        if scenario == Cut {
            plan.max_bytes = MAX_BYTES;
            plan.quota_bytes = random.one_of(&[1 << 20, 16 << 20]);
            // Less than a part of a frame: what is there of a torn one would be seen.
            plan.read_bytes = 1000 + random.below(20_000) as usize;
            plan.after = random.below(plan.completed_by(plan.quota_bytes.into()).0 + 1);
        }
        plan
    }

    /// How many writes are complete once `allowed_bytes` are either read or within the quota, and their bytes (semantics
    /// 122, 125).
    pub(super) fn completed_by(&self, allowed_bytes: u64) -> (u64, u64) {
        let (mut count, mut bytes) = (0, 0);
        loop {
            let next = self.payload(count).len() as u64;
            if next > 0 && bytes + next > allowed_bytes {
                return (count, bytes);
            }
            (count, bytes) = (count + 1, bytes + next);
        }
    }

    /// What the write of this number writes. On message pipes some are empty.
    pub(super) fn payload(&self, number: u64) -> &'static [u8] {
        static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let mut random = Random::new(0);
            (0..MAX_BYTES / 4).flat_map(|_| random.next().to_le_bytes()).collect()
        });
        let mut random = Random::new(self.seed ^ self.round << 20 ^ number << 40);
        let bytes = match self.scenario {
            // In several parts, and long enough to be killed in.
            Scenario::Cut => self.max_bytes / 4 + random.below(self.max_bytes * 3 / 4),
            _ if self.mode == PipeMode::Message && random.below(16) == 0 => 0,
            _ => random.magnitude(self.max_bytes),
        } as usize;
        let from = random.below((NOISE.len() - bytes) as u64) as usize;
        &NOISE[from..from + bytes]
    }

    /// The time between the last record and the kill.
    pub(super) fn spin(&self) {
        for _ in 0..self.spins {
            std::hint::spin_loop();
        }
    }

    pub(super) fn server(&self, root: &Path) -> ServerOptions {
        let mut options = ServerOptions::new();
        options
            .root(root)
            .pipe_mode(self.mode)
            .out_buffer_size(self.quota_bytes)
            .in_buffer_size(self.quota_bytes);
        options
    }

    pub(super) fn client(&self, root: &Path) -> ClientOptions {
        let mut options = ClientOptions::new();
        options.root(root).pipe_mode(self.mode);
        options
    }
}

/// Compares what is read with what the other side writes, write by write.
pub(super) struct Comparison<'a> {
    plan: &'a Plan,
    /// Writes that were read whole.
    pub(super) whole: u64,
    /// Bytes read of the next one.
    pub(super) part: usize,
    /// Bytes read in all.
    pub(super) bytes: u64,
    /// Reads that brought something else than was written, or ended where no write ends.
    pub(super) torn: u64,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(plan: &'a Plan) -> Comparison<'a> {
        Comparison {
            plan,
            whole: 0,
            part: 0,
            bytes: 0,
            torn: 0,
        }
    }

    /// Takes what one read brought.
    pub(super) fn take(&mut self, data: &[u8], more: bool) {
        self.bytes += data.len() as u64;
        if self.plan.mode == PipeMode::Message {
            let payload = self.plan.payload(self.whole);
            let end = self.part + data.len();
            let as_written = payload.get(self.part..end) == Some(data) && more == (end < payload.len());
            self.torn += u64::from(!as_written);
            (self.whole, self.part) = if more { (self.whole, end) } else { (self.whole + 1, 0) };
            return;
        }
        let mut rest = data;
        while !rest.is_empty() {
            let expected = &self.plan.payload(self.whole)[self.part..];
            let (piece, after) = rest.split_at(expected.len().min(rest.len()));
            self.torn += u64::from(!expected.starts_with(piece));
            let is_whole = piece.len() == expected.len();
            (self.whole, self.part) = if is_whole {
                (self.whole + 1, 0)
            } else {
                (self.whole, self.part + piece.len())
            };
            rest = after;
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Server => "server",
            Side::Client => "client",
        })
    }
}

/// The victim's end, as its process was told.
pub(super) fn victim_side() -> Side {
    match std::env::var(VICTIM_VARIABLE).as_deref() {
        Ok("server") => Side::Server,
        Ok("client") => Side::Client,
        other => panic!("no such end: {other:?}"),
    }
}
