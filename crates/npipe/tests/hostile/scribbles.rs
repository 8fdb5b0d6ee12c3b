//! Every word of the segment, with any value, at any moment, while the victim reads, writes, peeks, transacts and flushes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use npipe::{PipeMode, PipeType, ReadMode, Status};
use npipe_core::{Reader, WaitMode, Writer};
use npipe_shm::control::Control;
use npipe_shm::layout::{CONTROL_BYTES, Layout, Side};
use npipe_shm::ring::{RingInlet, RingOutlet};

use crate::bells::ring;
use crate::innocent;
use crate::intruder::Intruder;
use crate::support::{Place, Process, Random, again, said, say, until};
use crate::tally::{Tally, rounds};
use crate::victim::{ATTACKED, BYTES, MARKER, MESSAGES, Victim};

/// How many hostile writes a run makes at least, by all attackers together.
const INPUTS: u64 = 100_000;

/// Of one connection at most: a victim that gives up nothing is left alone then.
const INPUTS_OF_ONE: u64 = 400;

/// An intruder's honest half, so that there is something to spoil.
struct Honest {
    reader: Reader<RingInlet<Intruder>>,
    writer: Writer<RingOutlet<Intruder>>,
}

impl Honest {
    fn new(intruder: &Arc<Intruder>, pipe_type: PipeType) -> Honest {
        const QUOTA_BYTES: u32 = 3_000;
        let mode = match pipe_type {
            PipeType::Byte => ReadMode::Byte,
            PipeType::Message => ReadMode::Message,
        };
        let mut reader = Reader::new(pipe_type, mode, WaitMode::NoWait, Status::PipeBroken);
        let mut writer = Writer::new(pipe_type, QUOTA_BYTES, Status::PipeBroken);
        reader.attach(RingInlet::new(intruder.clone(), intruder.side), QUOTA_BYTES);
        writer.attach(RingOutlet::new(intruder.clone(), intruder.side));
        Honest { reader, writer }
    }

    /// A read or a write; what comes of it is spoilt, and so is of no interest.
    fn act(&mut self, intruder: &Intruder, random: &mut Random) {
        let mut buffer = [b'h'; 2_000];
        let size = random.magnitude(2_000) as usize;
        if random.below(2) == 0 {
            let _ = self.writer.write(&buffer[..size], WaitMode::NoWait);
        } else {
            let _ = self.reader.read(&mut buffer[..size]);
        }
        ring(intruder);
    }
}

/// Any word, those that mean something more often.
fn place(random: &mut Random, layout: &Layout) -> u64 {
    let words = |random: &mut Random, from: u64, bytes: u64| from + 8 * random.below(bytes / 8);
    let side = random.one_of(&[Side::Server, Side::Client]);
    match random.below(20) {
        0..9 => words(random, 0, size_of::<Control>() as u64),
        9 => words(random, 0, CONTROL_BYTES),
        10..15 => words(random, Layout::first_at(side, 0), 512),
        15..18 => words(random, Layout::first_at(side, 0), npipe_shm::layout::SMALL_BYTES),
        18 => words(random, layout.large_at(side), 512),
        _ => words(random, 0, layout.total_bytes()),
    }
}

/// Words that mean something, nearly mean something, lie at an edge, or are noise.
fn value(random: &mut Random) -> u64 {
    const EDGES: [u64; 8] = [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 32, 0xffff_ffff, 1 << 8];
    let field = |random: &mut Random| match random.below(6) {
        0 => u64::from(u32::MAX),
        1 => random.magnitude(1 << 17),
        _ => random.below(64),
    };
    match random.below(8) {
        0 => random.next(),
        1 => random.one_of(&EDGES),
        2 => random.below(40),
        // The state of a part: its kind, its flags, what was taken of it.
        3 | 4 => random.below(8) << 56 | random.below(4) << 54 | field(random) << 12 & ((1 << 54) - 1) | field(random),
        // The extent of one.
        5 => field(random) << 32 | field(random),
        // A position: its lap and its offset.
        _ => {
            let lap = random.one_of(&[0, 0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]);
            lap << 32 | (8 * random.below(1 << 10))
        }
    }
}

/// One connection, from the handshake until the victim has had enough. Returns the hostile writes that it had to bear.
pub(crate) fn bout(intruder: Intruder, pipe_type: PipeType, random: &mut Random) -> u64 {
    // Fresh: of nobody's data is there anything to be read.
    assert!(
        intruder.side == Side::Server || is_fresh(&intruder.content(CONTROL_BYTES)),
        "a segment that was used before"
    );
    let intruder = Arc::new(intruder);
    let mut honest = Honest::new(&intruder, pipe_type);
    let mut inputs = 0;
    while inputs < INPUTS_OF_ONE && !intruder.is_out() {
        for _ in 0..random.below(4) {
            honest.act(&intruder, random);
        }
        for _ in 0..random.magnitude(8) {
            // What is written to a connection that is over harms nobody, and does not count.
            if intruder.is_out() {
                break;
            }
            let at = place(random, &intruder.layout);
            intruder.word_at(at).store(value(random), Ordering::Release);
            inputs += 1;
        }
        if random.below(2) == 0 {
            ring(&intruder);
        }
        for _ in 0..random.magnitude(4_000) {
            std::hint::spin_loop();
        }
    }
    assert!(
        !contains(&intruder.content(0), MARKER),
        "an innocent's bytes in an intruder's segment"
    );
    inputs
}

/// Whether it holds nothing but what a victim has written to it since.
fn is_fresh(content: &[u8]) -> bool {
    !contains(content, MARKER) && !contains(content, b"hhhhhhhh")
}

fn contains(content: &[u8], marker: &[u8]) -> bool {
    content.windows(marker.len()).any(|window| window == marker)
}

fn attack(root: &Path, path: &str, pipe_type: PipeType, mut random: Random, inputs: u64, tally: &Tally) {
    while tally.inputs() < inputs {
        let intruder = until(|| Intruder::open(root, path));
        tally.count(bout(intruder, pipe_type, &mut random));
    }
}

/// semantics 91, 99, 119, 127-129, 142, 163, 183
#[test]
fn a_segment_full_of_lies_harms_its_own_connection_alone() {
    let inputs = INPUTS * rounds();
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let over = AtomicBool::new(false);
    let innocents = [
        innocent::open(&place, PipeMode::Message, MESSAGES),
        innocent::open(&place, PipeMode::Byte, BYTES),
    ];
    let before = victim.account();
    std::thread::scope(|scope| {
        for innocent in &innocents {
            scope.spawn(|| innocent::exchange_until(innocent, &over, &tally));
        }
        scope.spawn(|| innocent::come_and_go_until(&place, &over, &tally));
        let mut attackers = Vec::new();
        for seed in 0..ATTACKED as u64 {
            for (path, pipe_type) in [(MESSAGES, PipeType::Message), (BYTES, PipeType::Byte)] {
                let (root, tally) = (place.path(), &tally);
                let random = Random::new(seed << 8 | u64::from(pipe_type == PipeType::Byte));
                attackers.push(scope.spawn(move || attack(root, path, pipe_type, random, inputs, tally)));
            }
        }
        let ended: Vec<_> = attackers.into_iter().map(|attacker| attacker.join()).collect();
        over.store(true, Ordering::Release);
        for end in ended {
            end.expect("an attacker failed");
        }
    });
    let after = victim.account();
    assert!(after.bouts > 100 && after.calls > 1_000, "{after:?}");
    victim.end(before, &tally);
    assert!(tally.inputs() >= INPUTS);
    tally.report("a segment full of lies");
}

/// The role of a process that scribbles until it is stopped.
pub(crate) fn scribble_for_ever(root: &Path) {
    let mut random = Random::new(u64::from(std::process::id()));
    say("begins");
    loop {
        let intruder = until(|| Intruder::open(root, MESSAGES));
        bout(intruder, PipeType::Message, &mut random);
    }
}

/// Whatever it was about to do: a claim that is not released, a list that is being changed, half a frame.
///
/// semantics 92, 99, 119-120, 127, 152, 163
#[test]
fn an_intruder_that_stops_for_ever_holds_nobody_up() {
    const STOPS: u64 = 20;
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let mut random = Random::new(3);
    let before = victim.account();
    while tally.inputs() < STOPS {
        let scribbler = start_scribbler(&place);
        // At any moment of its work: some connections later.
        let bouts = victim.account().bouts + random.below(30);
        until(|| (victim.account().bouts >= bouts).then_some(()));
        scribbler.stop();
        // If it has a connection, the victim's calls on that still end, and so does every one after them.
        let calls = victim.account().calls + 20;
        let held = until(|| {
            let now = victim.account();
            (now.calls >= calls || now.connected == 0).then_some(now.connected > 0)
        });
        innocent::exchange(&innocent, &mut random, &tally);
        tally.count(u64::from(held));
        drop(scribbler);
    }
    victim.end(before, &tally);
    tally.report("an intruder that stops");
}

/// A process that scribbles, and has begun to.
fn start_scribbler(place: &Place) -> Process {
    let mut command = again("scribbler", place.path());
    command.stdout(Stdio::piped());
    let mut scribbler = Process(command.spawn().expect("this program can be started again"));
    let output = BufReader::new(scribbler.0.stdout.take().expect("it is piped"));
    let begun = output.lines().map_while(Result::ok).any(|line| said(&line).is_some());
    assert!(begun, "the scribbler begins");
    scribbler
}
