//! This program once more, as another process, in a role. It ends with the thread that started it.

use std::io::Write;
#[cfg(unix)]
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

#[cfg(unix)]
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid};

#[cfg(unix)]
use super::User;

/// By this path it can be started by users who cannot see the directory it lies in.
#[cfg(unix)]
fn program() -> std::path::PathBuf {
    "/proc/self/exe".into()
}

#[cfg(windows)]
fn program() -> std::path::PathBuf {
    std::env::current_exe().expect("a program that lies somewhere")
}

/// The role of a process, where its pipes are, and whom it has to become first.
const ROLE_VARIABLE: &str = "NPIPE_TEST_ROLE";
const ROOT_VARIABLE: &str = "NPIPE_TEST_ROOT";
#[cfg(unix)]
const USER_VARIABLE: &str = "NPIPE_TEST_USER";

/// Marks what a role says among what the test harness prints.
const MARK: char = '@';

/// This program once more, in a role.
pub(crate) fn again(role: &str, root: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .args([
            "--exact",
            "support::again::plays_its_role",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE_VARIABLE, role)
        .env(ROOT_VARIABLE, root);
    command
}

/// The same, of another user.
#[cfg(unix)]
pub(super) fn again_as(user: User, role: &str, root: &Path) -> Command {
    let mut command = again(role, root);
    command.env(USER_VARIABLE, user.to_text());
    command
}

/// No rule: the other processes of these tests, and nothing at all in an ordinary run.
#[test]
fn plays_its_role() {
    let (Some(role), Some(root)) = (std::env::var_os(ROLE_VARIABLE), std::env::var_os(ROOT_VARIABLE)) else {
        return;
    };
    #[cfg(unix)]
    if let Ok(user) = std::env::var(USER_VARIABLE) {
        // The whole process becomes what the thread is that starts the program anew.
        User::from_text(&user).become_thread();
        let mut program = Command::new(program());
        let failed = program
            .args(std::env::args_os().skip(1))
            .env_remove(USER_VARIABLE)
            .exec();
        panic!("this program cannot be started again: {failed}");
    }
    // Elsewhere it ends with its input.
    #[cfg(unix)]
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
    #[cfg(unix)]
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Kills it, and waits until it is dead.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("it is ours");
        self.wait();
    }

    /// Stops it where it stands, and waits until it has.
    #[cfg(unix)]
    pub(crate) fn stop(&self) {
        kill_process(self.pid(), Signal::STOP).expect("it is ours");
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("it is ours");
    }

    /// Lets it go on.
    #[cfg(unix)]
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
