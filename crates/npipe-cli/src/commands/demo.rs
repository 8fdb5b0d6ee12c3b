//! `npipe demo`: one server process, four client processes, one message pipe.
//!
//! The parent only directs. Every process writes its own lines to the shared
//! stdout, one write each, so they appear in the order in which things happen.
//! An actor tells the parent "ready" on its stderr and is told to go on by the
//! end of its stdin; so three clients are surely connected at once, and the
//! fourth surely finds the pipe busy.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use npipe::{ClientOptions, Namespace, PipeClient, PipeMode, PipeServer, ReadOutcome, ServerOptions, Status};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::read_whole_message;
use crate::bench;
use crate::output;
use crate::report::Failure;
use crate::scratch::Scratch;
use crate::table::columns;
use crate::target::printable;

const PIPE: &str = r"\\.\pipe\npipe-demo";

/// As many clients at a time; there is one more, who has to wait.
const INSTANCES: usize = 3;

/// Small on purpose, so that one reply does not fit (semantics 154), in bytes.
const REPLY_BUFFER_BYTES: usize = 48;

/// Against a demo that hangs; nothing in it takes long.
const PATIENCE: Duration = Duration::from_secs(10);

const CAST: [(&str, &[&str]); INSTANCES + 1] = [
    ("Ada", &["who am I?", "shout: good morning"]),
    ("Ben", &["reverse: stressed", "count: \u{1f980} and \u{e9}"]),
    ("Cleo", &["recite", ""]),
    ("Dora", &["reverse: was it a rat I saw", "goodbye"]),
];

const POEM: &str = "A message is a message, however long it may be: \
                    a short buffer gets the beginning, the next read the rest.";

pub(super) fn run() -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    heading(&format!(
        "{PIPE}: one server, {} clients, {INSTANCES} instances",
        CAST.len()
    ))?;

    let server = ["demo-server".to_owned(), "--clients".to_owned(), CAST.len().to_string()];
    let mut server = Actor::start("the server", &server, scratch.path())?;
    let mut clients = Vec::new();
    for (who, requests) in CAST {
        let mut words = vec!["demo-client".to_owned(), "--who".to_owned(), who.to_owned()];
        words.push("--".to_owned());
        words.extend(requests.iter().map(|request| (*request).to_owned()));
        clients.push(Actor::start(who, &words, scratch.path())?);
    }
    clients.iter_mut().for_each(Actor::go_on);
    clients.iter_mut().try_for_each(Actor::finish)?;
    server.finish()?;
    show_that_the_name_is_gone(scratch.path())?;

    heading("how fast: round trips of 32 bytes between two processes")?;
    let rows = bench::demo_round_trips(scratch.path())?;
    output::data(columns(&rows).as_bytes())?;
    output::line(b"('npipe bench' measures more, and what one core gives)")?;
    if cfg!(debug_assertions) {
        heading("a debug build: build with --release for true figures")?;
    }
    Ok(())
}

fn heading(text: &str) -> Result<(), Failure> {
    output::line(format!("== {text}").as_bytes())
}

/// A line of the conversation, with the process that says it.
fn say(who: &str, text: &str) -> Result<(), Failure> {
    output::line(format!("{who:<6} {:>7}  {}", std::process::id(), printable(text)).as_bytes())
}

/// With its last instance a name is gone (semantics 13, 46).
fn show_that_the_name_is_gone(root: &Path) -> Result<(), Failure> {
    match Namespace::at(root).and_then(|namespace| namespace.info(PIPE)) {
        Err(error) if error.status() == Status::ObjectNameNotFound => say(
            "parent",
            &format!("the server has ended, its name with it: {}", code(error.status())),
        ),
        Err(error) => Err(error.into()),
        Ok(_) => Err(Failure::Expectation(format!(
            "{PIPE} is still there without its server"
        ))),
    }
}

fn code(status: Status) -> String {
    format!("{} ({})", status.win32_name(), status.win32())
}

/// One process of the demo, as the parent sees it.
struct Actor {
    name: String,
    child: Child,
    /// Passes the actor's stderr on; none before it is ready.
    relay: Option<JoinHandle<()>>,
    finished: bool,
}

impl Actor {
    /// Starts the actor and waits until it says that it is ready.
    fn start(name: &str, words: &[String], root: &Path) -> Result<Actor, Failure> {
        let program = std::env::current_exe().map_err(Failure::system("find this program"))?;
        let mut child = Command::new(program)
            .args(words)
            .env("NPIPE_ROOT", root)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Failure::system("start a process"))?;
        let stderr = child.stderr.take();
        let mut actor = Actor {
            name: name.to_owned(),
            child,
            relay: None,
            finished: false,
        };
        actor.relay = match stderr {
            Some(stderr) => relay_after_ready(stderr)?,
            None => None,
        };
        match actor.relay {
            Some(_) => Ok(actor),
            None => Err(Failure::Child(format!("{name} did not start"))),
        }
    }

    /// Lets the actor go on by ending its stdin.
    fn go_on(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for the actor's end, which must be a good one.
    fn finish(&mut self) -> Result<(), Failure> {
        let status = self.child.wait().map_err(Failure::system("wait for a process"))?;
        self.finished = true;
        // The last words first; a relay that panicked has none.
        let _ = self.relay.take().map(JoinHandle::join);
        if status.success() {
            return Ok(());
        }
        Err(Failure::Child(format!("{} ended badly: {status}", self.name)))
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if !self.finished {
            // It may have ended in the meantime, which is as well.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits for the line "ready"; everything else, before and after, is passed on
/// to our stderr. None if the actor ended without it.
fn relay_after_ready(stderr: ChildStderr) -> Result<Option<JoinHandle<()>>, Failure> {
    let mut stderr = BufReader::new(stderr);
    let mut line = String::new();
    loop {
        line.clear();
        let bytes = stderr
            .read_line(&mut line)
            .map_err(Failure::system("hear from a process"))?;
        match line.as_str() {
            _ if bytes == 0 => return Ok(None),
            "ready\n" => break,
            other => output::note(other.trim_end()),
        }
    }
    let relay = move || {
        // What cannot be passed on is lost, and the exit code tells the rest.
        let _ = io::copy(&mut stderr, &mut io::stderr());
    };
    let thread = thread::Builder::new().name("stderr relay".to_owned()).spawn(relay);
    thread.map(Some).map_err(Failure::system("start a thread"))
}

/// The actor's half of the above. An actor does not outlive its director.
fn ready() -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(io::Error::from)
        .map_err(Failure::system("follow the parent"))?;
    output::note("ready");
    Ok(())
}

/// The server process: a thread for each instance.
pub(super) fn serve(clients: usize) -> Result<(), Failure> {
    let mut options = ServerOptions::new();
    options
        .pipe_mode(PipeMode::Message)
        .read_mode(PipeMode::Message)
        .max_instances(INSTANCES);
    let (done, conversations) = mpsc::channel();
    for _ in 0..INSTANCES {
        let instance = options.create(PIPE)?;
        let done = done.clone();
        thread::Builder::new()
            .name("instance".to_owned())
            .spawn(move || {
                loop {
                    let outcome = serve_one_client(&instance);
                    let failed = outcome.is_err();
                    if done.send(outcome).is_err() || failed {
                        return;
                    }
                }
            })
            .map_err(Failure::system("start a thread"))?;
    }
    say("server", &format!("serves {PIPE}, message type, {INSTANCES} instances"))?;
    ready()?;
    conversations.iter().take(clients).collect()
}

/// Connects, answers until the client closes, and disconnects.
fn serve_one_client(instance: &PipeServer) -> Result<(), Failure> {
    instance.connect()?;
    let peer = instance.peer()?;
    let client = match peer.pid {
        Some(pid) => format!("process {pid}"),
        None => "a process".to_owned(),
    };
    loop {
        match read_whole_message(|buffer| instance.read_message(buffer)) {
            Ok(request) => {
                let request = String::from_utf8_lossy(&request);
                let reply = reply_to(&request, &format!("{client} of user {}", peer.uid));
                say(
                    "server",
                    &format!("{:?} from {client}: {:?}", request, shortened(&reply)),
                )?;
                instance.write(reply.as_bytes())?;
            }
            Err(Failure::Pipe(error)) if error.status() == Status::PipeBroken => break,
            Err(failure) => return Err(failure),
        }
    }
    say("server", &format!("{client} has closed; listening again"))?;
    Ok(instance.disconnect()?)
}

fn reply_to(request: &str, client: &str) -> String {
    match request.split_once(": ") {
        Some(("shout", text)) => text.to_uppercase(),
        Some(("reverse", text)) => text.chars().rev().collect(),
        Some(("count", text)) => format!("{} characters", text.chars().count()),
        _ if request == "who am I?" => client.to_owned(),
        _ if request == "recite" => POEM.to_owned(),
        _ if request.is_empty() => "an empty message is a message too".to_owned(),
        _ => format!("{request} to you"),
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(REPLY_BUFFER_BYTES).collect();
    if short.len() < text.len() {
        short.push('\u{2026}');
    }
    short
}

/// A client process.
pub(super) fn talk(who: &str, requests: &[String]) -> Result<(), Failure> {
    let client = match open(Duration::ZERO) {
        Ok(client) => {
            say(who, &connected(&client))?;
            hold()?;
            client
        }
        Err(error) if error.win32() == Status::PipeBusy.win32() => {
            say(
                who,
                &format!("all instances are busy, {}: I wait", code(error.status())),
            )?;
            hold()?;
            let client = open(PATIENCE)?;
            say(who, &connected(&client))?;
            client
        }
        Err(error) => return Err(error.into()),
    };
    client.set_read_timeout(Some(PATIENCE));
    for request in requests {
        ask(who, &client, request)?;
    }
    Ok(())
}

fn open(patience: Duration) -> npipe::Result<PipeClient> {
    let mut options = ClientOptions::new();
    options.pipe_mode(PipeMode::Message);
    if !patience.is_zero() {
        options.connect_timeout(patience);
    }
    options.open(PIPE)
}

fn connected(client: &PipeClient) -> String {
    match client.peer().ok().and_then(|peer| peer.pid) {
        Some(pid) => format!("connected to process {pid}"),
        None => "connected".to_owned(),
    }
}

/// Tells the parent how far we are and waits until it lets us go on.
fn hold() -> Result<(), Failure> {
    ready()?;
    let mut nothing = Vec::new();
    io::stdin()
        .read_to_end(&mut nothing)
        .map_err(Failure::system("read standard input"))?;
    Ok(())
}

/// One transaction; a reply that does not fit is read on (semantics 154).
fn ask(who: &str, client: &PipeClient, request: &str) -> Result<(), Failure> {
    let mut buffer = [0; REPLY_BUFFER_BYTES];
    let ReadOutcome { bytes, more, .. } = client.transact(request.as_bytes(), &mut buffer)?;
    let reply = String::from_utf8_lossy(&buffer[..bytes]);
    if !more {
        return say(who, &format!("{request:?} was answered {reply:?}"));
    }
    say(
        who,
        &format!("{request:?} was answered {reply:?}, {}", code(Status::BufferOverflow)),
    )?;
    let rest = read_whole_message(|buffer| client.read_message(buffer))?;
    say(
        who,
        &format!("  and the rest of that message is {:?}", String::from_utf8_lossy(&rest)),
    )
}
