//! The attacked server: a process that serves three names and makes every call there is, with time-outs set.
//!
//! [`MESSAGES`] and [`BYTES`] have one instance that echoes, for an innocent who comes first, and some that are attacked;
//! [`ECHO`] is for innocents who come and go. What the victim is told and tells goes over its standard streams.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use npipe::{AccessRules, PipeMode, PipeServer, PipeStream, ServerOptions, Status};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::support::{Place, Puppet, Random, again, say, until};
use crate::tally::Tally;

pub(crate) const MESSAGES: &str = r"\\.\pipe\messages";
pub(crate) const BYTES: &str = r"\\.\pipe\bytes";
pub(crate) const ECHO: &str = r"\\.\pipe\echo";

/// Attacked instances of each of the two names.
pub(crate) const ATTACKED: usize = 2;

/// The names it serves: those two and that of the echo.
const NAMES: u64 = 3;

/// What every message of an innocent begins with; nobody else sends it.
pub(crate) const MARKER: &[u8] = b"for my server's eyes only";

/// The time-out of every call on an attacked instance.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(2);

/// A call with a time-out that takes so long has hung. Far more than a busy machine makes of a time-out.
pub(crate) const HUNG_MS: u64 = 10_000;

/// Small, so that writes wait.
const QUOTA_BYTES: u32 = 3_000;

/// The longest write: longer than the first page of a lane, and than a part of a message.
pub(crate) const LONGEST: u64 = 100_000;

/// The victim as its test sees it.
pub(crate) struct Victim {
    puppet: Puppet,
}

/// What a victim says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// Calls on attacked instances.
    pub(crate) calls: u64,
    /// Connections on attacked instances that are over.
    pub(crate) bouts: u64,
    /// Those that are not.
    pub(crate) connected: u64,
    /// The longest that a call took.
    pub(crate) slowest_ms: u64,
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: u64,
}

impl Victim {
    pub(crate) fn start(place: &Place) -> Victim {
        let mut victim = Victim {
            puppet: Puppet::spawn(again("victim", place.path())),
        };
        assert_eq!(victim.puppet.answer(), "ready");
        victim
    }

    /// Leaves it so many descriptors to be had.
    pub(crate) fn limit_descriptors(&mut self, spare: u64) {
        let limit = Rlimit {
            current: Some(self.account().descriptors + spare),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        prlimit(Some(self.puppet.process.pid()), Resource::Nofile, limit).expect("it is ours");
    }

    pub(crate) fn account(&mut self) -> Account {
        let answer = self.puppet.ask("account");
        let numbers: Vec<u64> = answer.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [calls, bouts, connected, slowest_ms, resident_kib, descriptors] = numbers[..] else {
            panic!("an account: {answer}");
        };
        Account {
            calls,
            bouts,
            connected,
            slowest_ms,
            resident_kib,
            descriptors,
        }
    }

    /// Waits until all that the attackers cost is given back, and lets the victim end in order.
    pub(crate) fn end(mut self, before: Account, tally: &Tally) {
        /// What the allocator keeps for itself, and pages that are still on their way back.
        const SLACK_KIB: u64 = 16 << 10;
        // What a name keeps whose server waits for clients: how to rouse that thread, and a segment in hand.
        let descriptors = before.descriptors + 2 * NAMES;
        let after = until(|| {
            let now = self.account();
            (now.descriptors <= descriptors && now.resident_kib <= before.resident_kib + SLACK_KIB).then_some(now)
        });
        tally
            .hung
            .fetch_add(u64::from(after.slowest_ms >= HUNG_MS), Ordering::Relaxed);
        assert!(
            self.puppet.exit().success(),
            "the victim crashed; its last account: {after:?}"
        );
    }
}

#[derive(Default)]
struct Notes {
    calls: AtomicU64,
    bouts: AtomicU64,
    connected: AtomicU64,
    slowest_ms: AtomicU64,
}

/// Serves until nobody tells it anything.
pub(crate) fn suffer(root: &Path) {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("the victim: {panic}");
        std::process::abort();
    }));
    allow_many_descriptors();
    let notes = Arc::new(Notes::default());
    let mut seed = 0;
    for (name, mode) in [(MESSAGES, PipeMode::Message), (BYTES, PipeMode::Byte)] {
        let options = options(root, mode);
        let echo = options.create(name).expect("the name is free");
        std::thread::spawn(move || echo_for_ever(&echo));
        for _ in 0..ATTACKED {
            seed += 1;
            let (server, notes, random) = (
                options.create(name).expect("another one"),
                notes.clone(),
                Random::new(seed),
            );
            std::thread::spawn(move || be_attacked(&server, mode, random, &notes));
        }
    }
    for _ in 0..2 {
        let echo = options(root, PipeMode::Message).create(ECHO).expect("the name is free");
        std::thread::spawn(move || echo_for_ever(&echo));
    }
    say("ready");
    for line in std::io::stdin().lines() {
        assert_eq!(line.expect("text"), "account");
        let [calls, bouts, connected, slowest_ms] =
            [&notes.calls, &notes.bouts, &notes.connected, &notes.slowest_ms].map(|note| note.load(Ordering::Relaxed));
        let (resident_kib, descriptors) = (resident_kib(), descriptors());
        say(&format!(
            "{calls} {bouts} {connected} {slowest_ms} {resident_kib} {descriptors}"
        ));
    }
    std::process::exit(0);
}

fn options(root: &Path, mode: PipeMode) -> ServerOptions {
    let mut options = ServerOptions::new();
    options.root(root).pipe_mode(mode);
    options.in_buffer_size(QUOTA_BYTES).out_buffer_size(QUOTA_BYTES);
    options.access_rules(AccessRules::from_mode(0o666).expect("mode bits"));
    options
}

/// As many as the system lets this process have.
pub(crate) fn allow_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("up to the maximum is allowed");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("a size").parse().expect("a number")
}

fn descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").expect("it is there").count() as u64
}

/// Serves innocents.
fn echo_for_ever(server: &PipeServer) {
    let mut buffer = vec![0; LONGEST as usize];
    loop {
        if let Ok(()) = server.connect() {
            while let Ok(count) = server.read(&mut buffer)
                && server.write(&buffer[..count]).is_ok()
            {}
        }
        let _ = server.disconnect();
    }
}

fn be_attacked(server: &PipeServer, mode: PipeMode, mut random: Random, notes: &Notes) {
    server.set_read_timeout(Some(TIMEOUT));
    server.set_write_timeout(Some(TIMEOUT));
    let mut buffer = vec![0; LONGEST as usize];
    loop {
        server.set_state(mode, false).expect("no call waits");
        match server.connect().map_err(|error| error.status()) {
            Ok(()) | Err(Status::PipeClosing) => {}
            Err(status) => panic!("a server that connects is told {status:?}"),
        }
        notes.connected.fetch_add(1, Ordering::Relaxed);
        let nowait = random.below(8) == 0;
        let mut goes_on = judge(server.set_state(mode, nowait));
        while goes_on {
            let begun = Instant::now();
            goes_on = judge(call(server, &mut random, &mut buffer));
            let took_ms = begun.elapsed().as_millis() as u64;
            notes.slowest_ms.fetch_max(took_ms, Ordering::Relaxed);
            notes.calls.fetch_add(1, Ordering::Relaxed);
        }
        notes.connected.fetch_sub(1, Ordering::Relaxed);
        server.disconnect().expect("it is connected, or was");
        notes.bouts.fetch_add(1, Ordering::Relaxed);
    }
}

/// Some call.
pub(crate) fn call(end: &PipeStream, random: &mut Random, buffer: &mut [u8]) -> npipe::Result<()> {
    let size = random.magnitude(LONGEST) as usize - usize::from(random.below(8) == 0);
    let size = size.min(buffer.len());
    match random.below(10) {
        0..4 => end.read(&mut buffer[..size]).map(drop),
        4..7 => {
            buffer[..size].fill(b'v');
            end.write(&buffer[..size]).map(drop)
        }
        7 => end.peek(&mut buffer[..size]).map(drop),
        8 => end.transact(b"request", &mut buffer[..size]).map(drop),
        _ => end.flush(),
    }
}

/// Whether the connection goes on. What no caller can be told is a fault.
pub(crate) fn judge(result: npipe::Result<()>) -> bool {
    match result.map_err(|error| error.status()) {
        Ok(()) => true,
        Err(Status::IoTimeout | Status::PipeBusy | Status::PipeEmpty | Status::InvalidReadMode) => true,
        Err(Status::PipeBroken | Status::PipeClosing | Status::PeerMisbehaved | Status::InvalidPipeState) => false,
        Err(status) => panic!("a caller is told {status:?}"),
    }
}
