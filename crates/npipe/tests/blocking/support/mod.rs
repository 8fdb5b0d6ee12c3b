//! A place to meet, calls that block, and other processes.

pub(crate) mod child;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use npipe::{ClientOptions, Namespace, PipeClient, PipeMode, PipeServer, PipeStream, Result, ServerOptions};
use tempfile::TempDir;

/// Against hanging only: nothing here takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the pipe of a test is called, if it needs only one.
pub(crate) const NAME: &str = r"\\.\pipe\test";

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

    /// For a duplex byte pipe, with the library's defaults.
    pub(crate) fn bytes(&self) -> ServerOptions {
        let mut options = ServerOptions::new();
        options.root(self.path());
        options
    }

    /// For a duplex message pipe, whose server reads messages.
    pub(crate) fn messages(&self) -> ServerOptions {
        let mut options = self.bytes();
        options.pipe_mode(PipeMode::Message);
        options
    }

    pub(crate) fn client(&self) -> ClientOptions {
        let mut options = ClientOptions::new();
        options.root(self.path());
        options
    }

    /// A client that reads messages.
    pub(crate) fn message_client(&self) -> PipeClient {
        self.client()
            .pipe_mode(PipeMode::Message)
            .open(NAME)
            .expect("an instance listens")
    }

    /// A client that reads and writes bytes.
    #[track_caller]
    pub(crate) fn open(&self) -> PipeClient {
        self.client().open(NAME).expect("an instance listens")
    }

    /// Two connected ends of a byte pipe.
    pub(crate) fn byte_pair(&self) -> (PipeServer, PipeClient) {
        let server = self.bytes().create(NAME).expect("the name is free");
        (server, self.open())
    }

    /// Two connected ends of a message pipe, both reading messages.
    pub(crate) fn message_pair(&self) -> (PipeServer, PipeClient) {
        let server = self.messages().create(NAME).expect("the name is free");
        (server, self.message_client())
    }
}

/// The Win32 name of the error that a call failed with.
#[track_caller]
pub(crate) fn error<T>(result: Result<T>) -> &'static str {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(error) => error.status().win32_name(),
    }
}

/// Whether a call failed with the error of that Win32 name.
pub(crate) fn fails_with<T>(result: Result<T>, name: &str) -> bool {
    result.is_err_and(|error| error.status().win32_name() == name)
}

/// What one read of up to 64 bytes brings.
#[track_caller]
pub(crate) fn text(end: &PipeStream) -> String {
    let mut buffer = [0; 64];
    let count = end.read(&mut buffer).expect("something to read");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// Has a disconnected instance listen again, without waiting for a client.
#[track_caller]
pub(crate) fn relisten(server: &PipeServer) {
    let mode = server.state().expect("a duplex server").read_mode;
    server.set_state(mode, true).expect("nothing waits on it");
    assert_eq!(error(server.connect()), "ERROR_PIPE_LISTENING");
    server.set_state(mode, false).expect("nothing waits on it");
}

/// A call on a thread of its own.
pub(crate) struct Call<T> {
    thread: i32,
    done: Arc<AtomicBool>,
    outcome: Receiver<T>,
}

/// Starts a call.
pub(crate) fn call<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Call<T> {
    let (announce, thread) = mpsc::channel();
    let (report, outcome) = mpsc::channel();
    let done = Arc::new(AtomicBool::new(false));
    let finished = done.clone();
    std::thread::spawn(move || {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        announce.send(own).expect("the test is there");
        let outcome = act();
        finished.store(true, Ordering::Release);
        // A test that failed meanwhile listens no more.
        let _ = report.send(outcome);
    });
    Call {
        thread: thread.recv().expect("the thread starts"),
        done,
        outcome,
    }
}

impl<T> Call<T> {
    /// Waits until the call waits: its thread has gone to sleep and does not stir.
    #[track_caller]
    pub(crate) fn blocked(self) -> Call<T> {
        const LOOKS: u32 = 4;
        let deadline = Instant::now() + PATIENCE;
        let (mut before, mut alike) = (None, 0);
        while alike < LOOKS {
            assert!(Instant::now() < deadline, "the call does not come to rest");
            // A thread that has ended is at rest for good.
            let now = status_of(self.thread);
            let rests = now.is_none_or(|(sleeps, _)| sleeps);
            alike = if rests && now == before { alike + 1 } else { 0 };
            before = now;
            std::thread::yield_now();
        }
        self
    }

    /// How often its thread has gone to sleep.
    pub(crate) fn naps(&self) -> u64 {
        status_of(self.thread).map_or(0, |(_, naps)| naps)
    }

    /// The number of its thread.
    pub(crate) fn thread(&self) -> i32 {
        self.thread
    }

    /// Waits for the call's end.
    #[track_caller]
    pub(crate) fn end(self) -> T {
        match self.outcome.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => panic!("the call goes on waiting"),
            Err(RecvTimeoutError::Disconnected) => panic!("the call panicked"),
        }
    }

    /// Whether the call has not returned.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.done.load(Ordering::Acquire)
    }

    /// Checks that the call has not returned.
    #[track_caller]
    pub(crate) fn waits(&self) {
        assert!(self.is_waiting(), "the call has returned");
    }
}

/// Whether a thread of this process sleeps, and how often it has gone to sleep; `None` if it has ended.
fn status_of(thread: i32) -> Option<(bool, u64)> {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let sleeps = field("voluntary_ctxt_switches:")?.parse().ok()?;
    Some((field("State:")?.starts_with('S'), sleeps))
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
