//! `connect`, `call` and `send`, beyond what conversations need.

use std::io::Write;
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use npipe::{PipeMode, PipeServer, ServerOptions};

use crate::{Root, end};

/// A message server in this process, which does that with its client.
fn server<T: Send + 'static>(root: &Root, act: impl FnOnce(&PipeServer) -> T + Send + 'static) -> JoinHandle<T> {
    let server = ServerOptions::new()
        .root(root.path())
        .pipe_mode(PipeMode::Message)
        .read_mode(PipeMode::Message)
        .create(r"\\.\pipe\room")
        .expect("a server");
    thread::spawn(move || {
        server.connect().expect("a client");
        act(&server)
    })
}

fn message(server: &PipeServer) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 1 << 20];
    let outcome = server.read_message(&mut buffer).ok()?;
    Some(buffer[..outcome.bytes].to_vec())
}

/// semantics 104: what many servers take for the end.
#[test]
fn the_end_of_stdin_can_be_an_empty_message() {
    let root = Root::new();
    let serving = server(&root, |server| {
        let seen = [message(server), message(server)];
        server.write(b"done").expect("it is read");
        seen
    });
    let ended = root.run_with(&["connect", "room", "--eof", "zero-message"], "hello\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "done\n"), "{ended:?}");
    assert_eq!(
        serving.join().expect("the server is content"),
        [Some(b"hello".to_vec()), Some(Vec::new())]
    );
    let _server = root.serve(&["log", "--byte"]);
    let ended = root.run_with(&["connect", "log", "--eof", "zero-message"], "");
    assert_eq!(ended.code, Some(2), "a byte pipe has none: {ended:?}");
}

/// Half: the client stays until the server closes; close: it does not.
#[test]
fn the_end_of_stdin_is_what_was_asked_for() {
    let root = Root::new();
    let serving = server(&root, |server| {
        assert_eq!(message(server), Some(b"hello".to_vec()));
        for word in ["one", "two"] {
            server.write(word.as_bytes()).expect("it is read");
        }
    });
    let ended = root.run_with(&["connect", "room", "--eof", "half"], "hello\n");
    serving.join().expect("the server is content");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "one\ntwo\n"));

    // The server stays silent until the client has gone.
    let serving = server(&root, |server| [message(server), message(server)]);
    let ended = root.run_with(&["connect", "room", "--eof", "close"], "hello\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        serving.join().expect("the server is content"),
        [Some(b"hello".to_vec()), None]
    );
    assert_eq!(root.run(&["connect", "room", "--eof", "linger"]).code, Some(2));
}

/// semantics 97-98, 100: messages as lines, or the stream that they make.
#[test]
fn read_modes() {
    let root = Root::new();
    for (mode, expected) in [("message", "one\ntwo\n"), ("byte", "onetwo")] {
        let serving = server(&root, |server| {
            for word in ["one", "two"] {
                server.write(word.as_bytes()).expect("it is read");
            }
        });
        let ended = root.run_with(&["connect", "room", "--read-mode", mode, "--eof", "half"], "");
        serving.join().expect("the server is content");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{ended:?}");
    }
    let _server = root.serve(&["log", "--byte"]);
    let ended = root.run(&["connect", "log", "--read-mode", "message"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("ERROR_INVALID_PARAMETER, 87"), "{ended:?}");
}

/// As it is on the wire.
#[test]
fn what_comes_can_be_shown_in_hexadecimal() {
    let root = Root::new();
    let _server = root.serve(&["room", "--echo"]);
    let ended = root.run_with(&["connect", "room", "--hex"], "caf\u{e9}\n\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout,
        "message of 5 bytes\n\
         00000000  63 61 66 c3 a9                                    |caf..|\n\
         message of 0 bytes\n"
    );
}

/// A program for Windows sends and expects UTF-16.
#[test]
fn a_pipe_can_carry_utf_16() {
    let root = Root::new();
    let serving = server(&root, |server| {
        let arrived = message(server).expect("a message");
        server.write(&arrived).expect("it is read");
        arrived
    });
    let ended = root.run_with(&["connect", "room", "--utf16", "--eof", "half"], "h\u{e9}\n");
    assert_eq!(serving.join().expect("the server is content"), b"h\0\xe9\0");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "h\u{e9}\n"), "{ended:?}");

    let server = root.serve(&["bytes", "--byte", "--echo", "--oneshot"]);
    let ended = root.run_with(&["connect", "bytes", "--utf16"], "one\ntwo");
    assert_eq!(ended.stdout, "one\ntwo\n", "{ended:?}");
    assert_eq!(server.end().stdout.as_bytes(), b"o\0n\0e\0\n\0t\0w\0o\0\n\0");
}

/// The message from a file, from stdin, and one that begins with the sign for that.
#[test]
fn a_call_takes_its_message_from_anywhere() {
    let root = Root::new();
    let _server = root.serve(&["room", "--echo"]);
    let file = root.path().join("request");
    std::fs::write(&file, "from a file").expect("a file");
    let typed = format!("@{}", file.display());
    assert_eq!(root.run(&["call", "room", &typed]).stdout, "from a file");
    assert_eq!(
        root.run_with(&["call", "room", "@-"], "from stdin").stdout,
        "from stdin"
    );
    assert_eq!(root.run(&["call", "room", "@@home"]).stdout, "@home");
    let ended = root.run(&["call", "room", "@/no/such/file"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot read /no/such/file"), "{ended:?}");
}

/// Several replies, each a line; fewer are a failed expectation.
#[test]
fn a_call_can_expect_several_replies() {
    let root = Root::new();
    let answer = |server: &PipeServer| {
        message(server).expect("a request");
        for word in ["one", "", "three"] {
            server.write(word.as_bytes()).expect("it is read");
        }
    };
    let serving = server(&root, answer);
    let ended = root.run(&["call", "room", "all", "--expect", "3", "--match", "three"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "one\n\nthree\n"),
        "{ended:?}"
    );
    serving.join().expect("the server is content");

    let serving = server(&root, answer);
    let ended = root.run(&["call", "room", "all", "--expect", "4"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(9), "one\n\nthree\n"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("expected 4 replies, got 3"), "{ended:?}");
    serving.join().expect("the server is content");
}

/// semantics 99, 104, 163: what is sent is read when the command ends.
#[test]
fn send_writes_messages() {
    let root = Root::new();
    let file = root.path().join("file");
    std::fs::write(&file, "two\nlines").expect("a file");
    let file = file.display().to_string();
    let cases: [(&[&str], &str, &str); 7] = [
        (&["hello", "--count", "3"], "", "hello\nhello\nhello\n"),
        (&["--lines"], "one\n\nthree", "one\n\nthree\n"),
        (&["-0"], "one\0two\0", "one\ntwo\n"),
        (&["--null", "--count", "2"], "x\0", "x\nx\n"),
        (&["--file", &file], "", "two\nlines\n"),
        (&[], "all\nof it", "all\nof it\n"),
        (&["--lines"], "", ""),
    ];
    for (words, stdin, expected) in cases {
        let server = root.serve(&["room", "--oneshot"]);
        let ended = root.run_with(&[&["send", "room"], words].concat(), stdin);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), ""),
            "{words:?}: {ended:?}"
        );
        assert_eq!(ended.stderr, "", "no progress but on a terminal");
        assert_eq!(server.end().stdout, expected, "{words:?}");
    }
    let server = root.serve(&["log", "--byte", "--oneshot"]);
    assert_eq!(
        root.run(&["send", "log", "--file", &file, "--count", "2"]).code,
        Some(0)
    );
    assert_eq!(server.end().stdout, "two\nlinestwo\nlines");
    assert_eq!(root.run(&["send", "room", "x"]).code, Some(3));
    assert_eq!(root.run(&["send", "room", "x", "--lines"]).code, Some(2));
    assert_eq!(root.run(&["send", "room", "--file", "/no/such/file"]).code, Some(1));
}

/// A server that answers is not waited for, and one that leaves before it has read all is told. semantics 186
#[test]
fn send_drops_answers_and_tells_of_losses() {
    let root = Root::new();
    let serving = server(&root, |server| {
        let mut bytes = 0;
        while let Some(arrived) = message(server) {
            bytes += arrived.len();
            // Its last answers find nobody.
            let _ = server.write(&arrived);
        }
        bytes
    });
    let ended = root.run(&["send", "room", &"x".repeat(10_000), "--count", "100"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(serving.join().expect("the server is content"), 1_000_000);

    let serving = server(&root, |server| message(server).map(|first| first.len()));
    let mut command = root.command(&["send", "room", "--lines"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("a stdin");
    stdin.write_all(b"one\n").expect("it is read");
    assert_eq!(serving.join().expect("the server is content"), Some(3));
    // Nobody is there any more.
    stdin.write_all(b"two\n").expect("it is read");
    let ended = end(child);
    drop(stdin);
    assert_eq!(ended.code, Some(7), "{ended:?}");
}
