//! A place to meet, other users, and other processes: this program once more, which obeys lines (see [`obey`]).
//!
//! Users are numbers: the superuser can be any of them, a thread for a moment ([`User::act`]) or a process for its whole
//! life ([`Other::start`]). What is known of a user is its numbers at the time of a call, so a thread will do for files
//! and sockets; the ends of pipes belong to processes.

mod obey;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use npipe::{ClientOptions, Namespace, PipeName, ServerOptions};
use rustix::process::{Gid, Signal, Uid, set_parent_process_death_signal};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tempfile::TempDir;

/// Against hanging only.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the pipe of a test is called, if it needs only one.
pub(crate) const NAME: &str = r"\\.\pipe\test";

/// For a child: where its pipes are, and whom it has to become first.
const ROOT_VARIABLE: &str = "NPIPE_OTHER_ROOT";
const USER_VARIABLE: &str = "NPIPE_OTHER_USER";

/// Marks answers among what the test harness prints.
const MARK: char = '@';

/// Says something that belongs to the outcome of the tests, whether they pass or not.
pub(crate) fn say(text: &str) {
    // The harness keeps what the macros print, and shows it for tests that fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether there can be other users; if not, says what is left out. `what` is left out, and how many so far.
pub(crate) fn has_other_users(what: &str) -> bool {
    static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let count = LEFT_OUT.fetch_add(1, Ordering::Relaxed) + 1;
    say(&format!(
        "left out, since only the superuser has other users: {what} ({count} so far)"
    ));
    false
}

/// A namespace of a test's own.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// For this user alone.
    pub(crate) fn new() -> Place {
        Place {
            directory: TempDir::new().expect("a temporary directory"),
        }
    }

    /// For all users, if there can be others; see [`has_other_users`].
    pub(crate) fn shared(test: &str) -> Option<Place> {
        has_other_users(test).then(|| {
            let place = Place::new();
            std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o1777)).expect("it is ours");
            place
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::at(self.path()).expect("a namespace")
    }

    pub(crate) fn server(&self) -> ServerOptions {
        let mut options = ServerOptions::new();
        options.root(self.path());
        options
    }

    pub(crate) fn client(&self) -> ClientOptions {
        let mut options = ClientOptions::new();
        options.root(self.path());
        options
    }

    /// The file of a user's entry for [`NAME`]: the socket, or with a suffix what belongs to it.
    pub(crate) fn file(&self, uid: u32, suffix: &str) -> PathBuf {
        let key = PipeName::from_path(NAME.as_bytes()).expect("a name").key();
        self.path()
            .join(format!("{:032x}.{uid}{suffix}", u128::from_be_bytes(key)))
    }
}

/// Somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: &'static [u32],
}

impl User {
    /// With no groups but its own, of the same number.
    pub(crate) const fn new(uid: u32) -> User {
        User {
            uid,
            gid: uid,
            groups: &[],
        }
    }

    /// Does something as this user, on a thread of its own.
    pub(crate) fn act<T: Send>(self, act: impl FnOnce() -> T + Send) -> T {
        let acting = || {
            self.become_thread();
            act()
        };
        std::thread::scope(|scope| scope.spawn(acting).join().expect("no panic"))
    }

    fn become_thread(self) {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups).expect("we are the superuser");
        set_thread_res_gid(gid, gid, gid).expect("we are the superuser");
        set_thread_res_uid(uid, uid, uid).expect("we are the superuser");
    }

    fn to_text(self) -> String {
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        format!("{}:{}:{}", self.uid, self.gid, groups.join(","))
    }

    fn from_text(text: &str) -> User {
        let number = |part: &str| part.parse::<u32>().expect("a number");
        let parts: Vec<&str> = text.split(':').collect();
        let groups = parts[2].split(',').filter(|part| !part.is_empty()).map(number);
        User {
            uid: number(parts[0]),
            gid: number(parts[1]),
            groups: groups.collect::<Vec<u32>>().leak(),
        }
    }
}

/// Another process; killed when it is dropped.
pub(crate) struct Other {
    pub(crate) process: std::process::Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Other {
    /// One of this user, or of another.
    pub(crate) fn start(place: &Place, user: impl Into<Option<User>>) -> Other {
        let mut command = command("/proc/self/exe", place);
        command.envs(user.into().map(|user| (USER_VARIABLE, user.to_text())));
        Other::spawn(command)
    }

    /// One that is started by this command, which has been told how; see [`command`].
    pub(crate) fn spawn(mut command: Command) -> Other {
        let mut process = command.spawn().expect("this program can be started again");
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let (answer, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, text)) = line.split_once(MARK) {
                    // A test that failed listens no more.
                    let _ = answer.send(text.to_owned());
                }
            }
        });
        Other {
            process,
            input,
            answers,
        }
    }

    /// Gives a command and waits for its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("the process listens");
    }

    /// Waits for the next answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        self.answers.recv_timeout(PATIENCE).expect("the process answers")
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts this program, found by that path, as another process of these tests.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, place: &Place) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", "other::obeys", "--nocapture", "--test-threads=1"])
        .env(ROOT_VARIABLE, place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// No rule: the other processes of these tests, and nothing at all in an ordinary run.
#[test]
fn obeys() {
    let Some(root) = std::env::var_os(ROOT_VARIABLE) else {
        return;
    };
    if let Ok(user) = std::env::var(USER_VARIABLE) {
        // The whole process becomes what the thread is that starts the program anew. By this path it can be started by
        // users who cannot see the directory it lies in.
        User::from_text(&user).become_thread();
        let mut again = Command::new("/proc/self/exe");
        let failed = again.args(std::env::args_os().skip(1)).env_remove(USER_VARIABLE).exec();
        panic!("this program cannot be started again: {failed}");
    }
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a known signal");
    obey::obey(Path::new(&root));
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

/// The Win32 name of the error that a call failed with.
#[track_caller]
pub(crate) fn error<T>(result: npipe::Result<T>) -> &'static str {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(error) => error.status().win32_name(),
    }
}
