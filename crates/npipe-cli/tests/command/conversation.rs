//! `serve`, `connect`, `call` and `wait` with each other.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::thread;

use npipe::{ClientOptions, PipeMode, ServerOptions};

use crate::{Root, end};

/// semantics 99, 104, 183
#[test]
fn lines_of_connect_are_messages_of_serve() {
    let root = Root::new();
    let server = root.serve(&["room", "--clients", "1"]);
    let client = root.run_with(&["connect", "room", "--eof", "close"], "one\n\nthree");
    assert_eq!((client.code, client.stdout.as_str()), (Some(0), ""), "{client:?}");
    let server = server.end();
    assert_eq!(
        (server.code, server.stdout.as_str()),
        (Some(0), "one\n\nthree\n"),
        "{server:?}"
    );
}

/// semantics 91, 97
#[test]
fn bytes_pass_a_byte_pipe_as_they_are() {
    let root = Root::new();
    let server = root.serve(&["log", "--byte", "--clients", "1"]);
    let client = root.run_with(&["connect", "log", "--write-only"], "one\ntwo");
    assert_eq!(client.code, Some(0), "{client:?}");
    assert_eq!(server.end().stdout, "one\ntwo");
}

/// semantics 152, 160
#[test]
fn a_call_is_answered() {
    let root = Root::new();
    let _replies = root.serve(&["replies", "--reply", "not today"]);
    let _echoes = root.serve(&["echoes", "--echo"]);
    assert_eq!(root.run(&["call", "replies", "hello"]).stdout, "not today");
    assert_eq!(root.run(&["call", "echoes", "hello"]).stdout, "hello");
    assert_eq!(
        root.run_with(&["call", "echoes"], "two\nlines\n").stdout,
        "two\nlines\n"
    );
    let empty = root.run(&["call", "echoes", ""]);
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), ""), "{empty:?}");
    let expected = root.run(&["call", "echoes", "ping", "--match", "ping"]);
    assert_eq!(expected.code, Some(0), "{expected:?}");
}

/// semantics 1-4, 7
#[test]
fn a_name_has_many_spellings() {
    let root = Root::new();
    let _server = root.serve(&["Caf\u{e9} <1>", "--echo"]);
    for spelling in ["CAF\u{c9} <1>", r"\\.\PIPE\caf\u{e9} <1>", "//./pipe/caf\u{e9} <1>"] {
        let spelling = spelling.replace(r"\u{e9}", "\u{e9}");
        let ended = root.run(&["call", &spelling, "here"]);
        assert_eq!(ended.stdout, "here", "{spelling}: {ended:?}");
    }
}

/// semantics 61, 97, 100, 183: both directions at once, until the server closes.
#[test]
fn connect_prints_what_comes_until_the_server_closes() {
    let root = Root::new();
    let server = ServerOptions::new()
        .root(root.path())
        .pipe_mode(PipeMode::Message)
        .read_mode(PipeMode::Message)
        .create(r"\\.\pipe\room")
        .expect("a server");
    let long = "x".repeat(100_000);
    let sent = long.clone();
    let serving = thread::spawn(move || {
        server.connect().expect("a client");
        server.write(b"welcome").expect("it is read");
        let mut line = [0; 100];
        let outcome = server.read_message(&mut line).expect("a message");
        assert_eq!(&line[..outcome.bytes], b"hello");
        server.write(sent.as_bytes()).expect("it is read");
    });
    let ended = root.run_with(&["connect", "room", "--eof", "half"], "hello\n");
    serving.join().expect("the server is content");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, format!("welcome\n{long}\n"));
}

/// semantics 92: a person types, sees the answer, and types again.
#[test]
fn connect_does_not_wait_for_the_end_of_stdin() {
    let root = Root::new();
    let _server = root.serve(&["room", "--echo"]);
    let mut command = root.command(&["connect", "room", "--eof", "close"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("a stdin");
    let mut stdout = BufReader::new(child.stdout.take().expect("a stdout"));
    for line in ["first\n", "second\n"] {
        stdin.write_all(line.as_bytes()).expect("the command reads");
        let mut answer = String::new();
        stdout.read_line(&mut answer).expect("an answer");
        assert_eq!(answer, line);
    }
    drop(stdin);
    assert_eq!(end(child).code, Some(0));
}

/// semantics 13, 28-29, 67, 180: the one instance serves client after client, under one name.
#[test]
fn one_instance_serves_many_clients() {
    let root = Root::new();
    let mut server = root.serve(&["room", "--max-instances", "1", "--echo", "--clients", "3"]);
    for text in ["a", "b", "c"] {
        let ended = root.run(&["call", "room", text]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), text), "{ended:?}");
        assert!(server.log_line().ends_with(" connected"));
        assert!(server.log_line().ends_with(" has gone"));
    }
    let ended = server.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "a\nb\nc\n"));
}

/// semantics 82-83, 86: whether the wait comes before or after the release, it ends well.
#[test]
fn wait_ends_when_an_instance_is_free() {
    let root = Root::new();
    let _server = root.serve(&["room", "--max-instances", "1"]);
    assert_eq!(root.run(&["wait", "room", "--timeout", "forever"]).code, Some(0));
    let client = ClientOptions::new()
        .root(root.path())
        .open(r"\\.\pipe\room")
        .expect("a free instance");
    let waiting = root
        .command(&["wait", "room", "--timeout", "1m"])
        .spawn()
        .expect("it starts");
    let calling = root
        .command(&["connect", "room", "--wait", "forever"])
        .spawn()
        .expect("it starts");
    drop(client);
    assert_eq!(end(calling).code, Some(0));
    assert_eq!(end(waiting).code, Some(0));
}
