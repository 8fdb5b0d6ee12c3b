//! `relay`: each kind of end, how the end of a direction passes, and what a listening end leaves behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::thread;

use npipe::{ClientOptions, PipeClient, PipeMode, PipeServer, ServerOptions};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Ended, Root, end};

/// A relay that listens; it ends with its test.
struct Relay {
    child: Option<Child>,
    stderr: BufReader<ChildStderr>,
}

impl Relay {
    /// Starts it and waits until it listens.
    fn start(root: &Root, words: &[&str]) -> Relay {
        let mut command = root.command(&["relay"]);
        let mut child = command.args(words).spawn().expect("the command starts");
        let stderr = BufReader::new(child.stderr.take().expect("a stderr"));
        let mut relay = Relay {
            child: Some(child),
            stderr,
        };
        let line = relay.log_line();
        assert!(line.starts_with("npipe: relaying "), "{line}");
        relay
    }

    fn log_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn interrupt(&self) {
        let child = self.child.as_ref().expect("a running relay");
        kill_process(Pid::from_child(child), Signal::INT).expect("the signal is sent");
    }

    fn end(mut self) -> Ended {
        let mut ended = end(self.child.take().expect("a running relay"));
        self.stderr.read_to_string(&mut ended.stderr).expect("the log");
        ended
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn message_server(root: &Root, name: &str) -> PipeServer {
    ServerOptions::new()
        .root(root.path())
        .pipe_mode(PipeMode::Message)
        .read_mode(PipeMode::Message)
        .create(format!(r"\\.\pipe\{name}"))
        .expect("a server")
}

fn message_client(root: &Root, name: &str) -> PipeClient {
    ClientOptions::new()
        .root(root.path())
        .pipe_mode(PipeMode::Message)
        .open(format!(r"\\.\pipe\{name}"))
        .expect("a free instance")
}

fn message(read: impl FnOnce(&mut [u8]) -> npipe::Result<npipe::ReadOutcome>) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 20];
    let outcome = read(&mut buffer).expect("a message");
    assert!(!outcome.more);
    buffer.truncate(outcome.bytes);
    buffer
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

/// npiperelay's -s: the end of stdin arrives as an empty message. semantics 104
#[test]
fn the_end_of_stdin_is_an_empty_message_if_asked_for() {
    let root = Root::new();
    let server = message_server(&root, "room");
    let serving = thread::spawn(move || {
        server.connect().expect("a client");
        let request = message(|buffer| server.read_message(buffer));
        let ending = message(|buffer| server.read_message(buffer));
        server.write(b"reply").expect("it is read");
        // And the end of what the server sends, in the same way; the pipe is open still.
        server.write(b"").expect("it is read");
        let gone = server.read_message(&mut [0; 8]);
        (request, ending, gone.is_err())
    });
    let ended = root.run_with(&["relay", "-", "npipe:room", "-s", "--quiet"], "request");
    let seen = serving.join().expect("the server is content");
    assert_eq!(seen, (b"request".to_vec(), Vec::new(), true));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "reply"), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

/// npiperelay without -ei: the end of stdin ends nothing; the pipe's does, after all it had sent. semantics 183
#[test]
fn a_closed_pipe_ends_the_relay() {
    let root = Root::new();
    let server = message_server(&root, "room");
    let serving = thread::spawn(move || {
        server.connect().expect("a client");
        let request = message(|buffer| server.read_message(buffer));
        server.write(&request).expect("it is read");
        server.write(b", again").expect("it is read");
    });
    let ended = root.run_with(&["relay", "stdio:", "npipe:room"], "hello");
    serving.join().expect("the server is content");
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "hello, again"),
        "{ended:?}"
    );
}

/// npiperelay's -ei and -ep: one direction's end is enough.
#[test]
fn one_direction_can_be_enough() {
    let root = Root::new();
    let server = message_server(&root, "room");
    let serving = thread::spawn(move || {
        server.connect().expect("a client");
        let request = message(|buffer| server.read_message(buffer));
        let gone = server.read_message(&mut [0; 8]).is_err();
        server.disconnect().expect("it was connected");
        server.connect().expect("a client");
        // An empty message: the end of what this end sends.
        server.write(b"").expect("it is read");
        let gone_again = server.read_message(&mut [0; 8]).is_err();
        (request, gone, gone_again)
    });
    let ended = root.run_with(&["relay", "stdio:", "npipe:room", "--until", "a"], "hello");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut command = root.command(&["relay", "stdio:", "npipe:room", "--until", "b", "--wait", "1m"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the command starts");
    let stdin = child.stdin.take();
    assert_eq!(end(child).code, Some(0));
    drop(stdin);
    let seen = serving.join().expect("the server is content");
    assert_eq!(seen, (b"hello".to_vec(), true, true));
}

/// semantics 99, 104, 117: boundaries stay, of empty and of long messages too.
#[test]
fn messages_stay_messages_between_pipes() {
    let root = Root::new();
    let server = message_server(&root, "backend");
    let mut relay = Relay::start(&root, &["npipe-listen:front", "npipe:backend", "--fork"]);
    let client = message_client(&root, "front");
    assert!(relay.log_line().contains("connected"));
    server.connect().expect("the relay");
    let long = vec![7; 300_000];
    let sent = [&b"one"[..], b"", &long, b"four"];
    thread::scope(|scope| {
        scope.spawn(|| {
            sent.iter()
                .for_each(|data| assert_eq!(client.write(data).expect("it is read"), data.len()))
        });
        for data in sent {
            assert!(message(|buffer| server.read_message(buffer)) == data);
        }
    });
    server.write(b"").expect("it is read");
    server.write(b"back").expect("it is read");
    assert_eq!(message(|buffer| client.read_message(buffer)), b"");
    assert_eq!(message(|buffer| client.read_message(buffer)), b"back");
    // What the client wrote before it left still arrives.
    client.write(b"last").expect("it is read");
    drop(client);
    assert_eq!(message(|buffer| server.read_message(buffer)), b"last");
    assert!(server.read_message(&mut [0; 8]).is_err());
    relay.interrupt();
    assert_eq!(relay.end().code, Some(130));
    drop(server);
    assert_eq!(root.entries(), 0, "nothing is left in the namespace");
}

/// A socket ends one direction and goes on reading; the program behind sees the end and answers.
#[test]
fn a_half_closed_socket_still_gets_its_answer() {
    let root = Root::new();
    let path = root.path().join("socket");
    let listen = format!("unix-listen:{}", path.display());
    let relay = Relay::start(&root, &[&listen, "exec:sort"]);
    let mut client = UnixStream::connect(&path).expect("it listens");
    client.write_all(b"two\none\n").expect("it is read");
    client.shutdown(Shutdown::Write).expect("it is connected");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("the answer");
    assert_eq!(answer, "one\ntwo\n");
    assert_eq!(relay.end().code, Some(0));
    assert!(!path.exists(), "the socket is removed");
}

/// TCP at both ends, one connection after another and side by side.
#[test]
fn a_forking_relay_serves_many() {
    let root = Root::new();
    let backend = TcpListener::bind("localhost:0").expect("a port");
    let forward = format!("tcp:localhost:{}", port_of(&backend));
    let echo = thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = backend.accept().expect("a connection");
            thread::spawn(move || {
                let mut copy = stream.try_clone().expect("a copy");
                std::io::copy(&mut copy, &mut stream).expect("an echo");
                stream.shutdown(Shutdown::Write).expect("it is connected");
            });
        }
    });
    // A free port: the system's choice, given back. Whoever else takes it makes the relay fail, and the test.
    let free = TcpListener::bind("localhost:0").expect("a port");
    let port = port_of(&free);
    drop(free);
    let listen = format!("tcp-listen:{port}");
    let relay = Relay::start(&root, &[&listen, &forward, "--fork"]);
    let mut streams: Vec<_> = (0..3)
        .map(|_| TcpStream::connect(("localhost", port)).expect("it listens"))
        .collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&[number as u8; 1000]).expect("it is read");
        stream.shutdown(Shutdown::Write).expect("it is connected");
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the answer");
        assert_eq!(answer, [number as u8; 1000]);
    }
    echo.join().expect("the echo is content");
    relay.interrupt();
    assert_eq!(relay.end().code, Some(130));
}

/// An interrupt ends a relay to a program that does not read, and the program.
#[test]
fn a_program_that_does_not_read_holds_nobody_up() {
    let root = Root::new();
    let mut relay = Relay::start(
        &root,
        &["npipe-listen:room", "exec:echo ready; exec sleep 1000", "--fork"],
    );
    let client = ClientOptions::new().root(root.path()).open(r"\\.\pipe\room");
    let client = client.expect("a free instance");
    client.read(&mut [0; 16]).expect("the program's word");
    // More than a system pipe holds, and not more than it and the quota do.
    for _ in 0..100 {
        client.write(&[b'x'; 1023]).expect("it is taken");
    }
    assert!(relay.log_line().ends_with(" connected"));
    relay.interrupt();
    // The program has the relay's stderr, which ends with both.
    assert_eq!(relay.end().code, Some(130));
}

/// A relay without descriptors goes on with those who are there, and takes the next when there is room. semantics 13
#[test]
fn a_shortage_of_descriptors_passes() {
    let root = Root::new();
    let mut shell = std::process::Command::new("sh");
    shell
        .args([
            "-c",
            "ulimit -n 32; exec \"$0\" relay npipe-listen:room exec:cat --fork --byte",
        ])
        .arg(env!("CARGO_BIN_EXE_npipe"))
        .env("NPIPE_ROOT", root.path())
        .stderr(Stdio::piped());
    let mut child = shell.spawn().expect("a shell");
    let stderr = BufReader::new(child.stderr.take().expect("a stderr"));
    let mut relay = Relay {
        child: Some(child),
        stderr,
    };
    assert!(relay.log_line().starts_with("npipe: relaying "));
    let open = || ClientOptions::new().root(root.path()).open(r"\\.\pipe\room");
    let first = open().expect("a free instance");
    let echoes = |text: &[u8]| {
        first.write(text).expect("it is read");
        let mut echo = [0; 32];
        let bytes = first.read(&mut echo).expect("the echo");
        assert_eq!(&echo[..bytes], text);
    };
    // Its program has all that it needs before others take the rest.
    echoes(b"here");
    let mut others = Vec::new();
    // Until it says that there is no descriptor left, of whatever kind.
    loop {
        match open() {
            Ok(client) => others.push(client),
            // Turned away at the door.
            Err(_) => break,
        }
        let line = relay.log_line();
        if !line.ends_with("connected") && !line.ends_with("has gone") {
            break;
        }
    }
    echoes(b"still here");
    drop(others);
    relay.interrupt();
    assert_eq!(relay.end().code, Some(130));
    assert_eq!(root.entries(), 0, "nothing is left in the namespace");
}

fn seqpacket(path: &Path) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a socket");
    rustix::net::connect(&socket, &SocketAddrUnix::new(path).expect("a path")).expect("it listens");
    socket
}

/// semantics 99: packets are messages, both ways; the end of the packets an empty message.
#[test]
fn packets_are_messages() {
    let root = Root::new();
    let server = message_server(&root, "room");
    let path = root.path().join("socket");
    let listen = format!("seqpacket-listen:{}", path.display());
    let relay = Relay::start(&root, &[&listen, "npipe:room", "--send-empty"]);
    let socket = seqpacket(&path);
    server.connect().expect("the relay");
    for packet in ["one", "twenty"] {
        rustix::net::send(&socket, packet.as_bytes(), SendFlags::NOSIGNAL).expect("it is read");
    }
    assert_eq!(message(|buffer| server.read_message(buffer)), b"one");
    assert_eq!(message(|buffer| server.read_message(buffer)), b"twenty");
    server.write(b"a").expect("it is read");
    server.write(b"bc").expect("it is read");
    for expected in [&b"a"[..], b"bc"] {
        let mut packet = [0; 16];
        let (bytes, _) = rustix::net::recv(&socket, &mut packet, RecvFlags::empty()).expect("a packet");
        assert_eq!(&packet[..bytes], expected);
    }
    rustix::net::shutdown(&socket, rustix::net::Shutdown::Write).expect("it is connected");
    assert_eq!(message(|buffer| server.read_message(buffer)), b"");
    server.write(b"").expect("it is read");
    assert_eq!(relay.end().code, Some(0));
}

/// What a killed relay left of its socket is no obstacle; what listens is.
#[test]
fn a_stale_socket_is_replaced() {
    let root = Root::new();
    let path = root.path().join("socket");
    drop(UnixListener::bind(&path).expect("a socket"));
    let listen = format!("unix-listen:{}", path.display());
    let relay = Relay::start(&root, &[&listen, "exec:cat"]);
    let second = root.run(&["relay", &listen, "exec:cat"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("cannot listen on unix-listen:"), "{second:?}");
    relay.interrupt();
    assert_eq!(relay.end().code, Some(130));
    assert!(!path.exists());

    std::fs::write(&path, "somebody's").expect("a file");
    let third = root.run(&["relay", &listen, "exec:cat"]);
    assert_eq!(third.code, Some(1), "{third:?}");
    assert_eq!(std::fs::read(&path).expect("it is there still"), b"somebody's");
}

/// -v and -x, alone and together.
#[test]
fn what_passes_can_be_shown() {
    let root = Root::new();
    let _server = root.serve(&["room", "--echo"]);
    for (option, there, back) in [
        ("-v", "> hello\n", "< hello\n"),
        ("-x", "> 00000000  68 65 6c 6c 6f\n", "< 00000000  68 65 6c 6c 6f\n"),
        ("-vx", "|hello|\n", "< A"),
    ] {
        let words = ["relay", "stdio:", "npipe:room", "--until", "b", option, "--quiet"];
        let mut command = root.command(&words);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the command starts");
        let mut stdin = child.stdin.take().expect("a stdin");
        stdin.write_all(b"hello").expect("it is read");
        let mut echo = [0; 5];
        child
            .stdout
            .as_mut()
            .expect("a stdout")
            .read_exact(&mut echo)
            .expect("the echo");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("the signal is sent");
        let ended = end(child);
        drop(stdin);
        assert_eq!((ended.code, &echo), (Some(143), b"hello"));
        assert!(ended.stderr.contains("> A to B, 5 bytes\n"), "{ended:?}");
        assert!(ended.stderr.contains(there), "{option}: {ended:?}");
        assert!(ended.stderr.contains(back) || option == "-vx", "{option}: {ended:?}");
    }
}

/// What cannot be, is said before anything is opened; what is not there, with its own code.
#[test]
fn ends_that_do_not_fit_are_refused() {
    let root = Root::new();
    for words in [
        &["stdio:", "npipe-listen:x"][..],
        &["stdio:", "-"],
        &["stdio:", "npipe:x", "--fork"],
        &["npipe-listen:x", "stdio:", "--fork"],
        &["npipe:x", "stdio:", "--byte"],
        &["npipe:x", "socket"],
        &["tcp:nowhere", "stdio:"],
        &["npipe-listen:x", "stdio:", "--mode", "777"],
        &["npipe-listen:x", "stdio:", "--allow-user", "no such user"],
    ] {
        let ended = root.run(&[&["relay"], words].concat());
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        assert_ne!(ended.stderr, "", "{words:?}");
    }
    assert_eq!(root.run(&["relay", "stdio:", "npipe:nowhere"]).code, Some(3));
    let missing = root.path().join("missing");
    let address = format!("unix:{}", missing.display());
    assert_eq!(root.run(&["relay", "stdio:", &address]).code, Some(1));
}
