//! A place to meet, this program in other roles, and numbers that look random.
//!
//! The tests of hostile peers include this module too; each test program says in `play` which roles it has.

#![allow(dead_code, reason = "each test program that includes this module uses a part of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use npipe::{ClientOptions, Namespace, PipeMode, ServerOptions};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid};
use tempfile::TempDir;

/// Against hanging only: nothing here takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the pipe of a test is called, if it needs only one.
pub(crate) const NAME: &str = r"\\.\pipe\test";

/// The role of a process, and where its pipes are.
const ROLE_VARIABLE: &str = "NPIPE_FAULTS_ROLE";
const ROOT_VARIABLE: &str = "NPIPE_FAULTS_ROOT";

/// Marks what a role says among what the test harness prints.
const MARK: char = '@';

/// A namespace of a test's own.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place {
            directory: TempDir::new().expect("a temporary directory"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::at(self.path()).expect("a namespace")
    }

    pub(crate) fn server(&self, mode: PipeMode) -> ServerOptions {
        let mut options = ServerOptions::new();
        options.root(self.path()).pipe_mode(mode);
        options
    }

    pub(crate) fn client(&self, mode: PipeMode) -> ClientOptions {
        let mut options = ClientOptions::new();
        options.root(self.path()).pipe_mode(mode);
        options
    }

    /// The names of the files in it, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        files(self.path())
    }
}

/// The names of the files in a directory, sorted.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Repeats an attempt until it succeeds; for what another thread or process is about to make possible.
#[track_caller]
pub(crate) fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::yield_now();
    }
}

/// This program once more, in a role.
pub(crate) fn again(role: &str, root: &Path) -> Command {
    // By this path it can be started by users who cannot see the directory it lies in.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--exact", "support::plays_its_role", "--nocapture", "--test-threads=1"])
        .env(ROLE_VARIABLE, role)
        .env(ROOT_VARIABLE, root);
    command
}

/// No rule: the other processes of these tests, and nothing at all in an ordinary run.
#[test]
fn plays_its_role() {
    let (Some(role), Some(root)) = (std::env::var_os(ROLE_VARIABLE), std::env::var_os(ROOT_VARIABLE)) else {
        return;
    };
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a known signal");
    crate::play(&role.to_string_lossy(), Path::new(&root));
}

/// Tells the process that started this one; whole lines, at once.
pub(crate) fn say(text: &str) {
    let line = format!("{MARK}{text}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        // Nobody is left to be told.
        std::process::exit(1);
    }
}

/// What a role said, of a line of its output.
pub(crate) fn said(line: &str) -> Option<&str> {
    line.split_once(MARK).map(|(_, text)| text)
}

/// A process of ours; ended when it is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Kills it, and waits until it is dead.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("it is ours");
        self.wait();
    }

    /// Stops it where it stands, and waits until it has.
    pub(crate) fn stop(&self) {
        kill_process(self.pid(), Signal::STOP).expect("it is ours");
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("it is ours");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).expect("it is ours");
    }

    /// Waits until it is dead.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.0.wait().expect("it is ours")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The Win32 name of the error that a call failed with.
#[track_caller]
pub(crate) fn error<T>(result: npipe::Result<T>) -> &'static str {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(error) => error.status().win32_name(),
    }
}

/// Waits until a thread of this process waits: it has gone to sleep and does not stir.
#[track_caller]
pub(crate) fn until_at_rest(thread: i32) {
    const LOOKS: u32 = 4;
    let (mut before, mut alike) = (None, 0);
    until(|| {
        let now = sleeps_of(thread);
        alike = if now.is_some() && now == before { alike + 1 } else { 0 };
        before = now;
        (alike >= LOOKS).then_some(())
    });
}

/// How often a thread of this process has gone to sleep, if it sleeps now. One that has ended sleeps for good.
fn sleeps_of(thread: i32) -> Option<u64> {
    let Ok(status) = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")) else {
        return Some(0);
    };
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match field("State:") {
        Some(state) if state.starts_with('S') => field("voluntary_ctxt_switches:")?.parse().ok(),
        _ => None,
    }
}

/// Numbers that look random (SplitMix64), the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From 1 to `most`, each order of magnitude as likely as the next.
    pub(crate) fn magnitude(&mut self, most: u64) -> u64 {
        let bits = u64::from(u64::BITS - most.leading_zeros());
        let top = 1 << self.below(bits);
        (top + self.below(top)).min(most)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}
