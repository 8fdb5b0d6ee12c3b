//! Every exit code, by what brings it about.

use std::process::Stdio;
use std::thread;

use npipe::{ClientOptions, PipeMode, ServerOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{Root, end};

const ROOM: &str = r"\\.\pipe\room";

/// semantics 98, 162
#[test]
fn code_1_for_other_failures() {
    let root = Root::new();
    let _server = root.serve(&["room", "--byte"]);
    let ended = root.run(&["call", "room", "hello"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("ERROR_INVALID_PARAMETER"), "{ended:?}");
}

/// semantics 8, 11, 22
#[test]
fn code_2_for_usage() {
    let root = Root::new();
    let long = "x".repeat(300);
    let wrong: [&[&str]; 13] = [
        &[],
        &["nonsense"],
        &["call"],
        &["wait", "room", "--timeout", "5"],
        &["serve", "room", "--max-instances", "255"],
        &["serve", "room", "--echo", "--reply", "x"],
        &["serve", ""],
        &["info", r"\\.\pipe\"],
        &["list", "--json", "--nonsense"],
        &["call", "room", "x", "--max-reply", "99999999999"],
        &["bench", "--slice", "forever"],
        &["bench", "--slice", "0ms"],
        &["bench", "--strict"],
    ];
    for words in wrong {
        let ended = root.run(words);
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words:?}");
        assert_ne!(ended.stderr, "", "{words:?}");
    }
    assert_eq!(root.run(&["call", long.as_str(), "x"]).code, Some(2));
}

/// semantics 46, 81, 162
#[test]
fn code_3_for_names_that_nobody_serves() {
    let root = Root::new();
    let asked: [&[&str]; 4] = [
        &["connect", "room"],
        &["call", "room", "hello"],
        &["wait", "room", "--timeout", "forever"],
        &["info", "room"],
    ];
    for words in asked {
        let ended = root.run(words);
        assert_eq!(ended.code, Some(3), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains("ERROR_FILE_NOT_FOUND, 2"), "{ended:?}");
    }
}

/// What the system says is told in its own words, and nothing of a name that is not at fault.
#[test]
fn a_namespace_that_is_not_there_is_named() {
    let root = Root::new();
    let missing = root.path().join("a").join("b");
    for words in [&["list"][..], &["serve", "room"], &["call", "room", "hello"]] {
        let mut command = root.command(words);
        let child = command.env("NPIPE_ROOT", &missing).spawn().expect("the command starts");
        let ended = end(child);
        assert_eq!(ended.code, Some(3), "{words:?}: {ended:?}");
        let says = |text: &str| ended.stderr.contains(text);
        assert!(
            says("a/b: the directory that should contain it does not exist (ERROR_PATH_NOT_FOUND"),
            "{ended:?}"
        );
        assert!(!says("name is empty") && says("hint: 'npipe doctor'"), "{ended:?}");
    }
}

/// semantics 84
#[test]
fn code_4_for_time_outs() {
    let root = Root::new();
    let _server = root.serve(&["room", "--max-instances", "1"]);
    // The one client that fits; it says nothing and is told nothing.
    let silent = ClientOptions::new()
        .root(root.path())
        .open(ROOM)
        .expect("a free instance");
    let ended = root.run(&["wait", "room", "--timeout", "50ms"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    drop(silent);
    let ended = root.run(&["call", "room", "hello", "--timeout", "300ms"]);
    assert_eq!(ended.code, Some(4), "a server that never answers: {ended:?}");
}

/// semantics 49, 52
#[test]
fn code_5_for_access_denied() {
    let root = Root::new();
    let _server = ServerOptions::new()
        .root(root.path())
        .access_outbound(false)
        .create(ROOM)
        .expect("an inbound server");
    assert_eq!(root.run(&["connect", "room"]).code, Some(5));
    assert_eq!(root.run(&["connect", "room", "--write-only"]).code, Some(0));
}

/// semantics 30
#[test]
fn code_5_for_a_name_that_is_taken() {
    let root = Root::new();
    let _server = root.serve(&["room"]);
    let ended = root.run(&["serve", "room", "--first"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
}

/// semantics 47-48
#[test]
fn code_6_for_busy() {
    let root = Root::new();
    let _server = root.serve(&["room", "--max-instances", "1"]);
    let _client = ClientOptions::new()
        .root(root.path())
        .open(ROOM)
        .expect("a free instance");
    let ended = root.run(&["connect", "room"]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("ERROR_PIPE_BUSY, 231"), "{ended:?}");
    assert!(ended.stderr.contains("hint: "), "{ended:?}");
}

/// semantics 173, 177
#[test]
fn code_7_for_broken() {
    let root = Root::new();
    let server = ServerOptions::new().root(root.path()).create(ROOM).expect("a server");
    let serving = thread::spawn(move || {
        server.connect().expect("a client");
        server.disconnect().expect("it was connected");
        server
    });
    let mut command = root.command(&["connect", "room"]);
    // A stdin that stays open: the disconnect is what ends it.
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the command starts");
    let stdin = child.stdin.take();
    let ended = end(child);
    drop(stdin);
    drop(serving.join().expect("the server is content"));
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(ended.stderr.contains("ERROR_PIPE_NOT_CONNECTED, 233"), "{ended:?}");
}

/// semantics 154, 161
#[test]
fn code_8_for_truncated() {
    let root = Root::new();
    let _server = root.serve(&["room", "--echo"]);
    let ended = root.run(&["call", "room", "hello", "--max-reply", "2"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(8), "he"), "{ended:?}");
    assert!(ended.stderr.contains("ERROR_MORE_DATA, 234"), "{ended:?}");
}

/// semantics 152
#[test]
fn code_9_for_another_reply_than_expected() {
    let root = Root::new();
    let _server = root.serve(&["room", "--echo"]);
    let ended = root.run(&["call", "room", "ping", "--match", "pong"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(9), "ping"), "{ended:?}");
}

/// semantics 13, 183, 190: whatever the server is doing, its name goes, and its clients' pipes with it.
#[test]
fn code_130_for_an_interrupt() {
    let root = Root::new();
    let mut server = root.serve(&["room", "--echo"]);
    let mut command = root.command(&["connect", "room", "--eof", "half"]);
    let talking = command.stdin(Stdio::piped()).spawn().expect("the command starts");
    assert!(server.log_line().ends_with(" connected"));
    server.signal(Signal::INT);
    assert_eq!(server.end().code, Some(130));
    assert_eq!(root.entries(), 0, "nothing is left in the namespace");
    assert_eq!(root.run(&["info", "room"]).code, Some(3));
    assert_eq!(end(talking).code, Some(0), "as if the server had closed");
}

/// The same by another signal, of commands that serve and of those that do not.
#[test]
fn code_143_for_a_termination() {
    let root = Root::new();
    let mut server = root.serve(&["room", "--echo"]);
    let mut command = root.command(&["connect", "room"]);
    let mut talking = command.stdin(Stdio::piped()).spawn().expect("the command starts");
    let stdin = talking.stdin.take();
    assert!(server.log_line().ends_with(" connected"));
    kill_process(Pid::from_child(&talking), Signal::TERM).expect("the signal is sent");
    assert_eq!(end(talking).code, Some(143));
    drop(stdin);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, Some(143));
    assert_eq!(root.entries(), 0, "nothing is left in the namespace");
}

/// semantics 13, 190: what a killed server leaves hinders nobody, and goes with whoever meets it.
#[test]
fn a_killed_server_is_replaced() {
    let root = Root::new();
    for _ in 0..2 {
        let server = root.serve(&["room"]);
        server.signal(Signal::KILL);
        assert_eq!(server.end().code, None);
    }
    let server = root.serve(&["room", "--first", "--echo"]);
    assert_eq!(root.run(&["call", "room", "hello"]).stdout, "hello");
    server.signal(Signal::KILL);
    server.end();
    assert_eq!(root.run(&["call", "room", "hello"]).code, Some(3));
    assert_eq!(root.entries(), 0);
}

/// semantics 84: silence is a time-out to one who waits.
#[test]
fn a_stopped_server_is_not_waited_for_longer_than_asked() {
    let root = Root::new();
    let server = root.serve(&["room", "--max-instances", "1", "--echo"]);
    server.stop();
    for words in [
        ["wait", "room", "--timeout", "1s"].as_slice(),
        &["call", "room", "x", "--timeout", "1s"],
    ] {
        let ended = root.run(words);
        assert_eq!(ended.code, Some(4), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains("does not answer"), "{ended:?}");
    }
    let list = root.run(&["list", "--json"]).document();
    assert_eq!(
        (&list[0]["name"], &list[0]["answering"]),
        (&json!("room"), &json!(false))
    );
    assert_eq!(
        (&list[0]["server_pid"], &list[0]["instances"]),
        (&json!(server.pid()), &json!(null))
    );
    server.signal(Signal::CONT);
    assert_eq!(root.run(&["call", "room", "awake"]).stdout, "awake");
}

/// Nobody reads what the command prints.
#[test]
fn a_closed_stdout_ends_quietly() {
    let root = Root::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = root.command(&["errors"]);
    let ended = end(command.stdout(writer).spawn().expect("the command starts"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let server = ServerOptions::new()
        .root(root.path())
        .pipe_mode(PipeMode::Message)
        .create(ROOM)
        .expect("a server");
    let serving = thread::spawn(move || {
        server.connect().expect("a client");
        // Whether or not the client is still there.
        let _ = server.write(b"to nobody");
        server
    });
    let mut command = root.command(&["connect", "room", "--eof", "half"]);
    let mut child = command.stdin(Stdio::piped()).stdout(writer).spawn().expect("it starts");
    let stdin = child.stdin.take();
    let ended = end(child);
    drop(stdin);
    drop(serving.join().expect("the server is content"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}

/// Help is not a failure, and shows an example for every subcommand.
#[test]
fn help_goes_to_stdout_with_examples() {
    let root = Root::new();
    for command in [
        "demo",
        "serve",
        "connect",
        "call",
        "send",
        "wait",
        "relay",
        "list",
        "info",
        "doctor",
        "errors",
        "bench",
        "completions",
        "man",
    ] {
        let ended = root.run(&[command, "--help"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{command}");
        assert!(
            ended.stdout.contains(&format!("\n  npipe {command}")),
            "{}",
            ended.stdout
        );
    }
    let ended = root.run(&["--help"]);
    assert!(ended.stdout.contains("130  interrupted"), "{}", ended.stdout);
}
