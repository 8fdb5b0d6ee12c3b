//! `serve`: programs for clients, who may come, and what the log tells.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use npipe::{ClientOptions, PipeClient, PipeMode};
use rustix::process::{Signal, getuid};
use serde_json::json;

use crate::{Root, end};

fn client(root: &Root, name: &str) -> PipeClient {
    ClientOptions::new()
        .root(root.path())
        .open(format!(r"\\.\pipe\{name}"))
        .expect("a free instance")
}

/// semantics 99: a line is a message, both ways, and each client has a program of its own.
#[test]
fn a_program_converses_line_by_line() {
    let root = Root::new();
    let program = "while read line; do echo \"<$line>\"; done";
    let mut server = root.serve(&["room", "--exec", program, "--clients", "2"]);
    let one = client(&root, "room");
    one.set_state(PipeMode::Message, false).expect("a message pipe");
    assert!(server.log_line().ends_with(" connected"));
    assert_eq!(root.run(&["call", "room", "two"]).stdout, "<two>");
    assert!(server.log_line().ends_with(" connected"));
    assert!(server.log_line().ends_with(" has gone"));
    for text in ["first", "second"] {
        one.write(text.as_bytes()).expect("it is read");
        let mut answer = [0; 64];
        let outcome = one.read_message(&mut answer).expect("an answer");
        assert_eq!(&answer[..outcome.bytes], format!("<{text}>").as_bytes());
    }
    drop(one);
    let ended = server.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
}

/// semantics 91, 163, 175: bytes as they are; what the program said before it ended is read first.
#[test]
fn the_end_of_a_program_is_the_end_of_the_connection() {
    let root = Root::new();
    let program = "head -c 5; echo; echo \"$NPIPE_CLIENT_PID $NPIPE_CLIENT_UID\"; exit 3";
    let mut server = root.serve(&["log", "--byte", "--exec", program, "--oneshot"]);
    let mut command = root.command(&["connect", "log", "--eof", "half"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("a stdin");
    stdin.write_all(b"hello, and more").expect("it is read");
    let pid = child.id();
    let ended = end(child);
    drop(stdin);
    // It was disconnected, which is no farewell.
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert_eq!(ended.stdout, format!("hello\n{pid} {}\n", getuid().as_raw()));
    assert!(server.log_line().ends_with(" connected"));
    let line = server.log_line();
    assert!(line.ends_with(": its program has ended: exit status: 3"), "{line}");
    assert_eq!(server.end().code, Some(0));
}

/// More than a system pipe holds, and not more than it and the quota do.
const TOO_MUCH: usize = 100;

/// A program that does not read is told by a signal that its client has gone, and with the server it goes too.
#[test]
fn a_program_does_not_outlive_its_client() {
    // By `nohup` too, where nothing hears a hang-up.
    for hang_up in ["-", "''"] {
        outlives_nobody(&format!("trap {hang_up} HUP; exec \"$0\" \"$@\""), 0);
    }
    outlives_nobody("exec \"$0\" \"$@\"", TOO_MUCH);
}

fn tell_it(client: &PipeClient, messages: usize) {
    for _ in 0..messages {
        client.write(&[b'x'; 1023]).expect("it is taken");
    }
}

/// Nor does one that is told more than it reads.
#[test]
fn a_program_that_does_not_read_is_hung_up_on() {
    let root = Root::new();
    let program = "echo ready; exec sleep 1000";
    let server = root.serve(&["room", "--exec", program, "--oneshot"]);
    let client = client(&root, "room");
    client.read(&mut [0; 16]).expect("the program's word");
    tell_it(&client, TOO_MUCH);
    drop(client);
    // Whether the client's end is told then, or the program's, goes by which is found first.
    assert_eq!(server.end().code, Some(0));
}

/// What its client has said it gets before, and all of it if it hears no signals.
#[test]
fn a_slow_program_hears_all_that_was_said() {
    let root = Root::new();
    let program = "trap '' HUP TERM; echo ready; read start <\"$NPIPE_ROOT/start\"; wc -l >&2";
    let start = root.path().join("start");
    let made = Command::new("mkfifo").arg(&start).status().expect("mkfifo");
    assert!(made.success());
    let mut server = root.serve(&["room", "--exec", program, "--oneshot"]);
    let client = client(&root, "room");
    client.read(&mut [0; 16]).expect("the program's word");
    tell_it(&client, TOO_MUCH);
    drop(client);
    assert!(server.log_line().ends_with(" connected"));
    std::fs::write(&start, "now\n").expect("somebody reads it");
    assert_eq!(server.log_line(), TOO_MUCH.to_string());
    assert!(server.log_line().ends_with(" has gone"));
    assert_eq!(server.end().code, Some(0));
}

fn outlives_nobody(start: &str, messages: usize) {
    let root = Root::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let serve = root.command(&["serve", "room", "--exec", "echo ready; exec sleep 1000"]);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(start)
        .arg(serve.get_program())
        .args(serve.get_args());
    command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // The program holds this as its stderr as long as it lives.
    let mut server = command.stderr(writer).spawn().expect("the command starts");
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut log = String::new();
    reader.read_line(&mut log).expect("a line");
    assert!(log.starts_with("npipe: serving "), "{log}");
    let client = client(&root, "room");
    let mut ready = [0; 16];
    let bytes = client.read(&mut ready).expect("the program's word");
    assert_eq!(&ready[..bytes], b"ready");
    tell_it(&client, messages);
    if messages == 0 {
        drop(client);
    }
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, Signal::INT).expect("the signal is sent");
    // Ends when nobody has it any more, server or program.
    reader.read_to_string(&mut log).expect("the log");
    assert!(server.wait().expect("it ends").code() == Some(130), "{log}");
}

/// The process, its command and its user.
#[test]
fn the_log_tells_who_comes() {
    let root = Root::new();
    let mut server = root.serve(&["room", "--echo", "--oneshot"]);
    let user = Command::new("id").arg("-un").output().expect("id");
    let user = String::from_utf8(user.stdout).expect("text");
    assert_eq!(root.run(&["call", "room", "hello"]).stdout, "hello");
    let line = server.log_line();
    assert!(line.starts_with("npipe: process "), "{line}");
    assert!(
        line.ends_with(&format!("npipe call room hello, {}) connected", user.trim())),
        "{line}"
    );
    let line = server.log_line();
    assert!(line.ends_with(") has gone"), "{line}");
    assert_eq!(server.end().code, Some(0));
    let quiet = root.run(&["serve", "room", "--oneshot", "--clients", "1"]);
    assert_eq!(quiet.code, Some(2), "both say when to end: {quiet:?}");
}

/// What the options say is what the pipe has. semantics 264
#[test]
fn access_is_as_asked_for() {
    let root = Root::new();
    let words = [
        "--mode",
        "640",
        "--allow-user",
        "root",
        "--allow-user",
        "4242",
        "--allow-group",
        "4343",
    ];
    let _server = root.serve(&[&["room"], &words[..]].concat());
    let info = root.run(&["info", "room", "--json"]).document();
    let access = info["access"].as_str().expect("a text");
    // Two who may write, and the owner's group, which may read.
    for part in ["-4242)", "-4343)", "(A;;FR;;;"] {
        assert!(access.contains(part), "{access}");
    }
    let usual = root.serve(&["usual"]);
    let info = root.run(&["info", "usual", "--json"]).document();
    assert_ne!(info["access"], json!(access));
    drop(usual);
    for wrong in [["--mode", "777"], ["--mode", "rw"], ["--allow-user", "no such user"]] {
        let ended = root.run(&[&["serve", "room"], &wrong[..]].concat());
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
    }
}
