//! npipe.exe under Wine, as it would be under WSL, and npipe here: programs on both sides talk through relays.
//!
//! `cargo xtask test` builds npipe.exe, makes a Windows for it, and says where both are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// What the test is told of its Windows.
const WINDOWS: [&str; 3] = ["WINEPREFIX", "WINEDEBUG", "WINEDLLOVERRIDES"];

/// A command of ours, in a namespace of its own.
fn here(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_npipe"));
    command.args(words).env("NPIPE_ROOT", root).stdin(Stdio::null());
    command
}

/// What the shell has to be told to run npipe.exe.
fn over_there(words: &str) -> String {
    let program = std::env::var("NPIPE_EXE").expect("cargo xtask test says where npipe.exe is");
    format!("wine '{program}' {words}")
}

/// The same as a command.
fn there(root: &Path, words: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("exec {}", over_there(words))])
        .stdin(Stdio::null());
    in_windows(&mut command, root);
    command
}

/// Has a command, or what it starts, find its Windows.
fn in_windows(command: &mut Command, root: &Path) {
    for variable in WINDOWS {
        let value = std::env::var_os(format!("NPIPE_TEST_{variable}")).expect("cargo xtask test says where Windows is");
        command.env(variable, value);
    }
    command.env("NPIPE_ROOT", root).env_remove("DISPLAY");
}

/// A command that goes on; ended with this value.
struct Running(Child);

impl Running {
    /// From the moment that it says that it has begun.
    #[track_caller]
    fn start(mut command: Command) -> Running {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut notes = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        notes.read_line(&mut line).expect("text");
        assert!(line.starts_with("npipe: "), "{command:?}: {line}");
        // Whatever else it says is read, lest it waits for that.
        thread::spawn(move || std::io::copy(&mut notes, &mut std::io::sink()));
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn prints(mut command: Command) -> String {
    let output = command.output().expect("the command starts");
    let (printed, said) = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .into();
    assert!(output.status.success(), "{command:?}: {said}");
    printed
}

/// A port that was free a moment ago.
fn port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// No rule: a server and a client of Windows.
#[test]
fn windows_talks_to_itself() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let _server = Running::start(there(place.path(), "serve room --reply 'from Windows'"));
    assert_eq!(prints(there(place.path(), "call room hello")), "from Windows");
}

/// No rule: a client here reaches a server there, each of its messages through a process that speaks both.
#[test]
fn a_client_here_and_a_server_there() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let _server = Running::start(there(place.path(), "serve room --reply 'from Windows'"));
    let through = format!("exec:{}", over_there("relay npipe:room stdio:"));
    let mut relay = here(place.path(), &["relay", "npipe-listen:room", &through, "--fork"]);
    in_windows(&mut relay, place.path());
    let _relay = Running::start(relay);
    for _ in 0..2 {
        assert_eq!(
            prints(here(place.path(), &["call", "room", "hello", "--timeout", "60s"])),
            "from Windows"
        );
    }
}

/// No rule: a client there reaches a server here, by TCP.
#[test]
fn a_client_there_and_a_server_here() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let _server = Running::start(here(place.path(), &["serve", "room", "--reply", "from here"]));
    let port = port();
    let _inner = Running::start(here(
        place.path(),
        &["relay", &format!("tcp-listen:127.0.0.1:{port}"), "npipe:room", "--fork"],
    ));
    let _outer = Running::start(there(
        place.path(),
        &format!("relay npipe-listen:room tcp:127.0.0.1:{port} --fork"),
    ));
    for _ in 0..2 {
        assert_eq!(
            prints(there(place.path(), "call room hello --timeout 60s")),
            "from here"
        );
    }
}

/// No rule: npipe.exe reaches a Unix socket here, as programs under WSL reach ssh-agent.
#[test]
fn a_client_there_and_a_socket_here() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let path = place.path().join("agent");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("the directory is ours");
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the relay comes");
        let mut request = [0; 5];
        stream.read_exact(&mut request).expect("a request");
        stream.write_all(b"agreed").expect("it listens");
        request
    });
    let port = port();
    let socket = format!("unix:{}", path.display());
    let _inner = Running::start(here(
        place.path(),
        &["relay", &format!("tcp-listen:127.0.0.1:{port}"), &socket],
    ));
    let _outer = Running::start(there(
        place.path(),
        &format!("relay npipe-listen:agent tcp:127.0.0.1:{port}"),
    ));
    assert_eq!(prints(there(place.path(), "call agent hello --timeout 60s")), "agreed");
    assert_eq!(&serving.join().expect("it has answered"), b"hello");
}
