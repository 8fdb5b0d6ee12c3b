//! Another process: this program once more, which obeys lines.
//!
//! Each line on its standard input is a command, each answer a line on its standard output. Ends are numbered in the order
//! in which they are made. A command that begins with `begin` runs on a thread; its answer is `waits` once it does, and
//! `result` tells what came of it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use npipe::{ClientOptions, Namespace, PipeClient, PipeMode, PipeServer, PipeStream, ServerOptions};

use super::{Call, PATIENCE, Place, call};

/// Tells the child where the pipes are, and that it is one.
const ROOT_VARIABLE: &str = "NPIPE_TEST_CHILD_ROOT";

/// Marks answers among what the test harness prints.
const ANSWER: &str = "answer: ";

/// Another process.
pub(crate) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Child {
    pub(crate) fn start(place: &Place) -> Child {
        Child::spawn(command(place))
    }

    /// One that runs as another user; only the superuser can do so.
    pub(crate) fn start_as(place: &Place, uid: u32, gid: u32) -> Child {
        let mut command = command(place);
        command.uid(uid).gid(gid);
        Child::spawn(command)
    }

    fn spawn(mut command: Command) -> Child {
        let mut process = command.spawn().expect("this program can be started again");
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let (answer, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, text)) = line.split_once(ANSWER) {
                    let _ = answer.send(text.to_owned());
                }
            }
        });
        Child {
            process,
            input,
            answers,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Gives a command and waits for its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("the child listens");
    }

    /// Waits for an answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        self.answers.recv_timeout(PATIENCE).expect("the child answers")
    }

    /// Kills it, and waits until it is dead.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Stops it where it stands, and waits until it has.
    pub(crate) fn stop(&self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("it is ours");
        let stopped = rustix::process::WaitOptions::UNTRACED;
        rustix::process::waitpid(Some(pid), stopped).expect("it is ours");
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

fn command(place: &Place) -> Command {
    // By this path it can be started by users who cannot see the directory it lies in.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--exact", "support::child::obeys", "--nocapture", "--test-threads=1"])
        .env(ROOT_VARIABLE, place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// No rule: the other process of tests that need one, and nothing at all in an ordinary run.
#[test]
fn obeys() {
    let Some(root) = std::env::var_os(ROOT_VARIABLE) else {
        return;
    };
    let mut state = State {
        root: root.into(),
        ends: Vec::new(),
        begun: None,
    };
    for line in std::io::stdin().lines() {
        let words: Vec<String> = line.expect("text").split(' ').map(str::to_owned).collect();
        let answer = state.obey(&words);
        println!("{ANSWER}{answer}");
        std::io::stdout().flush().expect("the test listens");
    }
}

enum Held {
    Server(PipeServer),
    Client(PipeClient),
}

impl Held {
    fn stream(&self) -> &PipeStream {
        match self {
            Held::Server(server) => server,
            Held::Client(client) => client,
        }
    }
}

struct State {
    root: std::path::PathBuf,
    ends: Vec<Option<Arc<Held>>>,
    begun: Option<Call<String>>,
}

impl State {
    fn obey(&mut self, words: &[String]) -> String {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["begin", ref rest @ ..] => {
                let end = self.end(rest[1]);
                let rest: Vec<String> = rest.iter().map(|&word| word.to_owned()).collect();
                self.begun = Some(call(move || on_end(&end, &rest)).blocked());
                "waits".to_owned()
            }
            ["result"] => self.begun.take().expect("a call was begun").end(),
            ["create", mode, name, ref more @ ..] => match self.options(mode, more).create(name) {
                Ok(server) => self.hold(Held::Server(server)),
                Err(error) => failed(&error),
            },
            ["open", access, name] => match self.client(access).open(name) {
                Ok(client) => self.hold(Held::Client(client)),
                Err(error) => failed(&error),
            },
            ["close", end] => {
                self.ends[end.parse::<usize>().expect("a number")] = None;
                "closed".to_owned()
            }
            ["wait", name] => {
                let namespace = Namespace::at(&self.root).expect("a namespace");
                match namespace.wait(name, Some(PATIENCE)) {
                    Ok(()) => "ready".to_owned(),
                    Err(error) => failed(&error),
                }
            }
            ["list"] => {
                let namespace = Namespace::at(&self.root).expect("a namespace");
                let names = namespace
                    .list()
                    .map(|found| found.iter().map(|entry| entry.name.to_string()).collect());
                names.unwrap_or_else(|error| vec![failed(&error)]).join(" ")
            }
            ["begin-wait", name] => {
                let (root, name) = (self.root.clone(), name.to_owned());
                let wait = move || {
                    let namespace = Namespace::at(&root).expect("a namespace");
                    let waited = namespace.wait(name, Some(PATIENCE));
                    waited.map_or_else(|error| failed(&error), |()| "ready".to_owned())
                };
                self.begun = Some(call(wait).blocked());
                "waits".to_owned()
            }
            ["pss"] => pss_bytes().to_string(),
            _ => on_end(
                &self.end(words[1]),
                &words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(),
            ),
        }
    }

    fn hold(&mut self, held: Held) -> String {
        self.ends.push(Some(Arc::new(held)));
        (self.ends.len() - 1).to_string()
    }

    fn end(&self, number: &str) -> Arc<Held> {
        let number: usize = number.parse().expect("a number");
        self.ends[number].clone().expect("an end that is open")
    }

    fn options(&self, mode: &str, more: &[&str]) -> ServerOptions {
        let mut options = ServerOptions::new();
        options.root(&self.root).pipe_mode(if mode == "message" {
            PipeMode::Message
        } else {
            PipeMode::Byte
        });
        for option in more {
            match option.split_once('=').unwrap_or((option, "")) {
                ("first", _) => options.first_pipe_instance(true),
                ("max", count) => options.max_instances(count.parse().expect("a number")),
                ("inbound", _) => options.access_outbound(false),
                unknown => panic!("no option {unknown:?}"),
            };
        }
        options
    }

    fn client(&self, access: &str) -> ClientOptions {
        let mut options = ClientOptions::new();
        options
            .root(&self.root)
            .read(access.contains('r'))
            .write(access.contains('w'));
        options
    }
}

/// What is done with one end: the command, its number, an argument.
fn on_end(end: &Held, words: &[String]) -> String {
    let stream = end.stream();
    let argument = words.get(2).map_or("", String::as_str);
    let done = match (words[0].as_str(), end) {
        ("read", _) => {
            let mut buffer = vec![0; argument.parse().expect("a size")];
            stream
                .read(&mut buffer)
                .map(|count| String::from_utf8_lossy(&buffer[..count]).into_owned())
        }
        ("write", _) => stream.write(argument.as_bytes()).map(|count| count.to_string()),
        ("fill", _) => stream
            .write(&vec![b'x'; argument.parse().expect("a size")])
            .map(|count| count.to_string()),
        ("instances", _) => stream.state().map(|state| state.instances.to_string()),
        ("relisten", Held::Server(server)) => server.disconnect().map(|()| {
            super::relisten(server);
            "listens".to_owned()
        }),
        ("peer", _) => stream.peer().map(|peer| peer.pid.unwrap_or(0).to_string()),
        ("connect", Held::Server(server)) => server.connect().map(|()| "connected".to_owned()),
        ("disconnect", Held::Server(server)) => server.disconnect().map(|()| "disconnected".to_owned()),
        (unknown, _) => panic!("no command {unknown:?}"),
    };
    done.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &npipe::Error) -> String {
    error.status().win32_name().to_owned()
}

/// This process' share of memory, in which what several processes share counts in parts.
fn pss_bytes() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("a mounted /proc");
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .expect("the kernel tells");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}
