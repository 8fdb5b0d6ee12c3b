//! The command as scripts see it: arguments, stdin, stdout, stderr, exit code.
//!
//! Every test has a namespace directory of its own and waits for events: a
//! server is ready when it says so on stderr. Nothing sleeps; a process that
//! hangs is ended after [`PATIENCE`] and fails its test.

mod bench;
mod clients;
mod conversation;
mod demo;
mod doctor;
mod exit_codes;
mod json;
mod pages;
mod relay;
mod serving;
mod ten_names;
mod terminal;
mod views;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use tempfile::TempDir;

/// Against hanging only: nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace of a test's own.
struct Root(TempDir);

/// What a command leaves.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// The JSON object on stderr.
    fn error(&self) -> Value {
        serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON document on stdout.
    fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Root {
    fn new() -> Root {
        Root(TempDir::new().expect("a temporary directory"))
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().to_owned()
    }

    /// How many files there are in the namespace.
    fn entries(&self) -> usize {
        std::fs::read_dir(self.path()).expect("the namespace").count()
    }

    fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_npipe"));
        command
            .args(words)
            .env("NPIPE_ROOT", self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Ended {
        end(self.command(words).spawn().expect("the command starts"))
    }

    /// Runs a command with that on its stdin.
    fn run_with<S: AsRef<OsStr>>(&self, words: &[S], stdin: &str) -> Ended {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut pipe = child.stdin.take().expect("a stdin");
        pipe.write_all(stdin.as_bytes()).expect("the command reads");
        drop(pipe);
        end(child)
    }

    /// Starts `npipe serve` and waits until it serves.
    fn serve<S: AsRef<OsStr>>(&self, words: &[S]) -> Server {
        let mut command = self.command(&["serve"]);
        let mut child = command.args(words).spawn().expect("the command starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a stderr"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        assert!(line.starts_with("npipe: serving "), "{line}");
        Server {
            child: Some(child),
            stderr,
        }
    }
}

/// A running `npipe serve`; it ends with its test.
struct Server {
    child: Option<Child>,
    stderr: BufReader<ChildStderr>,
}

impl Server {
    fn child(&self) -> &Child {
        self.child.as_ref().expect("a running server")
    }

    fn pid(&self) -> u32 {
        self.child().id()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child());
        kill_process(pid, signal).expect("the signal is sent");
    }

    /// Stops the server, and waits until all its threads stand still.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(self.child())), WaitOptions::UNTRACED);
        let (_, status) = stopped.expect("it can be waited for").expect("it has changed");
        assert!(status.stopped(), "{status:?}");
    }

    /// The next line of the log.
    fn log_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Waits for the server's own end.
    fn end(mut self) -> Ended {
        let mut ended = end(self.child.take().expect("a running server"));
        self.stderr.read_to_string(&mut ended.stderr).expect("the log");
        ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits for the end of a process, and ends it if it hangs.
fn end(child: Child) -> Ended {
    let pid = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let output = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("the command hangs");
    });
    let output = output.expect("the command ends");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
