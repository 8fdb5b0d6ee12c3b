//! The command on every system: the same words do the same, and print the same.
//!
//! Each test has a namespace of its own and waits for lines, never for a time. On Windows the program is npipe.exe.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// A namespace of a test's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a temporary directory"))
    }

    fn npipe(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_npipe"));
        command
            .args(words)
            .env("NPIPE_ROOT", self.0.path())
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> Output {
        self.npipe(words).output().expect("the command starts")
    }

    /// What a command prints that succeeds.
    #[track_caller]
    fn prints(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// A command that goes on, from the moment that it says that it has begun.
    #[track_caller]
    fn start(&self, words: &[&str]) -> Running {
        let mut command = self.npipe(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut notes = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        notes.read_line(&mut line).expect("text");
        assert!(line.starts_with("npipe: "), "{words:?}: {line}");
        // Whatever else it says is read, lest it waits for that.
        thread::spawn(move || std::io::copy(&mut notes, &mut std::io::sink()));
        Running(child)
    }
}

/// A command that goes on; ended with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// semantics 160: one message there, one back.
#[test]
fn a_call_is_answered() {
    let place = Place::new();
    let _server = place.start(&["serve", "room", "--reply", "not today"]);
    place.prints(&["wait", "room", "--timeout", "60s"]);
    assert_eq!(place.prints(&["call", "room", "hello"]), "not today");
    assert_eq!(place.prints(&["call", r"\\.\pipe\ROOM", "hello"]), "not today");
}

/// semantics 99: a line is a message; the server ends by itself.
#[test]
fn lines_are_sent() {
    let place = Place::new();
    let mut server = place.start(&["serve", "room", "--oneshot"]);
    let mut sending = place.npipe(&["send", "room", "--lines"]);
    let mut sender = sending.stdin(Stdio::piped()).spawn().expect("the command starts");
    let mut input = sender.stdin.take().expect("it is piped");
    input.write_all(b"one\ntwo\n\nfour\n").expect("it reads");
    drop(input);
    assert!(sender.wait().expect("it is ours").success());
    let mut printed = String::new();
    let mut output = server.0.stdout.take().expect("it is piped");
    output.read_to_string(&mut printed).expect("text");
    assert_eq!(printed, "one\ntwo\n\nfour\n");
    assert!(server.0.wait().expect("it is ours").success());
}

/// semantics 60, 183: what comes goes to stdout, until the server has gone.
#[test]
fn a_client_in_the_shell() {
    let place = Place::new();
    let _server = place.start(&["serve", "room", "--echo"]);
    let mut connecting = place.npipe(&["connect", "room", "--eof", "half"]);
    let mut client = connecting
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut input = client.stdin.take().expect("it is piped");
    input.write_all(b"hello\n").expect("it reads");
    let mut output = BufReader::new(client.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("text");
    assert_eq!(line, "hello\n");
    drop(Running(client));
}

/// semantics 24, 195: a pipe is asked about, and an error explained.
#[test]
fn what_is_known() {
    let place = Place::new();
    let _server = place.start(&["serve", "room", "--byte"]);
    let told = place.prints(&["info", "room", "--json"]);
    assert!(
        told.contains(r#""mode": "byte""#) && told.contains(r#""direction": "duplex""#),
        "{told}"
    );
    assert!(place.prints(&["errors", "231"]).contains("ERROR_PIPE_BUSY"));
    let missing = place.run(&["call", "nowhere", "hello"]);
    assert_eq!(missing.status.code(), Some(3), "the name is not found");
}

/// No rule: a relay joins a pipe to what is typed, and to a socket.
#[test]
fn relays() {
    let place = Place::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    // What comes is sent back, in upper case.
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the relay comes");
        let mut buffer = [0; 64];
        let count = stream.read(&mut buffer).expect("a request");
        buffer.make_ascii_uppercase();
        stream.write_all(&buffer[..count]).expect("it listens");
    });
    let to = format!("tcp:127.0.0.1:{port}");
    let mut relay = place.start(&["relay", "npipe-listen:room", &to]);
    let mut typing = place.npipe(&["relay", "stdio:", "npipe:room"]);
    let mut client = typing
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut input = client.stdin.take().expect("it is piped");
    input.write_all(b"ping").expect("it reads");
    let mut answer = [0; 4];
    let output = client.stdout.as_mut().expect("it is piped");
    output.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"PING");
    drop(input);
    serving.join().expect("it has answered");
    drop(Running(client));
    assert!(relay.0.wait().expect("it is ours").success());
}

/// No rule: what a system does not have says so.
#[cfg(windows)]
#[test]
fn what_is_not_there() {
    let place = Place::new();
    for words in [&["demo"][..], &["doctor"], &["bench"]] {
        let refused = place.run(words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("not there on Windows"),
            "{words:?}"
        );
    }
    let refused = place.run(&["relay", r"unix:C:\socket", "stdio:"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no Unix sockets"));
}
