//! A process on strings: each line that it is given is a command, each answer a line.
//!
//! Ends are numbered in the order in which they are made, from 0. An error is answered by its Win32 name, with the detail
//! behind it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use npipe::{ClientOptions, PipeClient, PipeMode, PipeServer, PipeStream, Result, ServerOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::support::{PATIENCE, Place, Process, again, files, said, say, until, until_at_rest};

/// The process as its test sees it.
pub(crate) struct Puppet {
    pub(crate) process: Process,
    commands: ChildStdin,
    answers: Receiver<String>,
}

impl Puppet {
    pub(crate) fn start(place: &Place) -> Puppet {
        let mut command = again("puppet", place.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process(command.spawn().expect("this program can be started again"));
        let commands = process.0.stdin.take().expect("it is piped");
        let output = process.0.stdout.take().expect("it is piped");
        let (answer, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                if let Some(text) = said(&line) {
                    // A test that failed listens no more.
                    let _ = answer.send(text.to_owned());
                }
            }
        });
        Puppet {
            process,
            commands,
            answers,
        }
    }

    /// Gives a command and waits for the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the puppet listens");
    }

    /// Waits for the next answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        self.answers.recv_timeout(PATIENCE).expect("the puppet answers")
    }

    /// Lets it end in order, and waits for that.
    pub(crate) fn end(mut self) {
        drop(self.commands);
        assert!(self.process.wait().success());
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

/// Does as it is told until nobody tells it anything.
pub(crate) fn obey(root: &Path) {
    let mut strings = Strings {
        root,
        ends: Vec::new(),
        begun: None,
        limit: None,
    };
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        say(&strings.obey(&words));
    }
}

struct Strings<'a> {
    root: &'a Path,
    ends: Vec<Arc<Held>>,
    begun: Option<JoinHandle<String>>,
    limit: Option<Rlimit>,
}

impl Strings<'_> {
    fn obey(&mut self, words: &[&str]) -> String {
        match *words {
            ["create", mode, quota, name] => {
                let quota_bytes = quota.parse().expect("a size");
                let mut options = ServerOptions::new();
                options.root(self.root).pipe_mode(mode_of(mode));
                options.out_buffer_size(quota_bytes).in_buffer_size(quota_bytes);
                let made = options.create(name).map(Held::Server);
                self.hold(made)
            }
            ["race", limit, name] => {
                let mut options = ServerOptions::new();
                let made = options.root(self.root).max_instances(limit.parse().expect("a number"));
                match made.create(name) {
                    Ok(server) => {
                        self.ends.push(Arc::new(Held::Server(server)));
                        "won".to_owned()
                    }
                    Err(error) => error.status().win32_name().to_owned(),
                }
            }
            ["open", mode, name] => {
                let made = ClientOptions::new()
                    .root(self.root)
                    .pipe_mode(mode_of(mode))
                    .open(name)
                    .map(Held::Client);
                self.hold(made)
            }
            ["fork"] => crate::forks::fork_a_sleeper(self.root).to_string(),
            ["drop"] => {
                self.ends.clear();
                "dropped".to_owned()
            }
            // Answers when the call waits; `result` waits for its end.
            ["begin", verb, end, argument] => {
                let (verb, end, argument) = (verb.to_owned(), self.end(end), argument.to_owned());
                let (announce, thread) = mpsc::channel();
                self.begun = Some(std::thread::spawn(move || {
                    announce
                        .send(rustix::thread::gettid().as_raw_nonzero().get())
                        .expect("it is listened for");
                    on_end(&end, &verb, &argument)
                }));
                until_at_rest(thread.recv().expect("the thread starts"));
                "waits".to_owned()
            }
            ["result"] => self.begun.take().expect("a call was begun").join().expect("no panic"),
            ["limit", spare] => self.limit_descriptors(spare.parse().expect("a number")),
            ["unlimit"] => {
                setrlimit(Resource::Nofile, self.limit.expect("a limit was set")).expect("it was so before");
                "unlimited".to_owned()
            }
            ["cpu_ms"] => {
                let time = clock_gettime(ClockId::ProcessCPUTime);
                (time.tv_sec * 1000 + time.tv_nsec / 1_000_000).to_string()
            }
            [verb, end, argument] => on_end(&self.end(end), verb, argument),
            ref other => panic!("no command: {other:?}"),
        }
    }

    fn hold(&mut self, made: Result<Held>) -> String {
        match made {
            Ok(held) => {
                self.ends.push(Arc::new(held));
                (self.ends.len() - 1).to_string()
            }
            Err(error) => failed(&error),
        }
    }

    fn end(&self, number: &str) -> Arc<Held> {
        self.ends[number.parse::<usize>().expect("a number")].clone()
    }

    /// Leaves so many descriptors to be had.
    fn limit_descriptors(&mut self, spare: usize) -> String {
        let before = *self.limit.get_or_insert_with(|| getrlimit(Resource::Nofile));
        setrlimit(Resource::Nofile, before).expect("it was so before");
        // What the library's own thread is doing takes descriptors too.
        tasks_of_the_library().for_each(until_at_rest);
        // Looked at one by one, since a listing would take one itself.
        let is_free = |number: &u64| std::fs::read_link(format!("/proc/self/fd/{number}")).is_err();
        let limit = (0..).filter(is_free).nth(spare).expect("an end");
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(limit),
                ..before
            },
        )
        .expect("less is allowed");
        "limited".to_owned()
    }
}

fn tasks_of_the_library() -> impl Iterator<Item = i32> {
    let name = |task: &String| std::fs::read_to_string(format!("/proc/self/task/{task}/comm")).unwrap_or_default();
    let tasks = files(Path::new("/proc/self/task")).into_iter();
    tasks
        .filter(move |task| name(task).trim_end() == "npipe")
        .map(|task| task.parse().expect("a number"))
}

fn mode_of(word: &str) -> PipeMode {
    match word {
        "byte" => PipeMode::Byte,
        "message" => PipeMode::Message,
        other => panic!("no mode: {other}"),
    }
}

fn on_end(end: &Held, verb: &str, argument: &str) -> String {
    let stream = end.stream();
    let number = || argument.parse::<usize>().expect("a number");
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    let done = match (verb, end) {
        ("connect", Held::Server(server)) => server.connect().map(|()| "connected".to_owned()),
        ("write", _) => stream.write(argument.as_bytes()).map(|count| count.to_string()),
        ("read", _) => {
            let mut buffer = vec![0; number()];
            stream.read(&mut buffer).map(|count| text(&buffer[..count]))
        }
        // So many bytes at once.
        ("bulk", _) => stream.write(&vec![b'x'; number()]).map(|count| count.to_string()),
        ("length", _) => stream.read(&mut vec![0; number()]).map(|count| count.to_string()),
        // So many messages of one byte.
        ("ones", _) => (0..number())
            .try_for_each(|index| stream.write(&[index as u8]).map(drop))
            .map(|()| argument.to_owned()),
        // Answers when the peer is known to be gone.
        ("bereft", _) => {
            until(|| (!stream.is_connected()).then_some(()));
            Ok("bereft".to_owned())
        }
        _ => panic!("no such thing to do: {verb}"),
    };
    done.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &npipe::Error) -> String {
    format!("{} {}", error.status().win32_name(), error.detail().unwrap_or_default())
        .trim_end()
        .to_owned()
}
