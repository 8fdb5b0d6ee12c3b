//! `npipe serve`: a server for the shell.
//!
//! Each client gets a thread, which waits for it, talks with it and disconnects it. The main thread sees to it that one
//! instance listens whenever the limit allows, a used one rather than a new one, so that the name never vanishes between
//! two clients, with `--max-instances 1` either (semantics 13, 67, 180).
//!
//! With `--exec` a program converses in the thread's stead, see [`exec`].
//!
//! At an interrupt all calls are cancelled and the instances closed: what was written can still be read, and the name
//! leaves the namespace. A server that is killed leaves an entry behind, which hinders nobody: whoever meets it removes it.

mod exec;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use npipe::{Error, PipeMode, PipeServer, ServerOptions, Status};

use super::{CHUNK_BYTES, read_whole_message};
use crate::args::{MaxInstances, Serve};
use crate::exit::Exit;
use crate::interrupt;
use crate::output;
use crate::people;
use crate::report::Failure;
use crate::target::{Target, printable};

/// How long an interrupted server waits for its threads; one may be held up by whoever reads our stdout.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// How soon a thread that was between two calls when they were cancelled is told again.
const CANCEL_AGAIN: Duration = Duration::from_millis(5);

/// What is sent back.
#[derive(Clone)]
enum Answer {
    Nothing,
    Echo,
    Text(String),
    /// What a program says that is run for each client.
    Program(OsString),
}

impl Answer {
    fn to<'a>(&'a self, arrived: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Answer::Nothing | Answer::Program(_) => None,
            Answer::Echo => Some(arrived),
            Answer::Text(text) => Some(text.as_bytes()),
        }
    }
}

/// What a thread needs to know to serve its client.
#[derive(Clone)]
struct Manner {
    byte: bool,
    quiet: bool,
    answer: Answer,
    /// The server is about to end.
    is_over: Arc<AtomicBool>,
}

/// What the main thread hears.
enum Event {
    /// A client came to the instance that listened.
    Connected,
    /// A thread is done with its client; the instance, by its place, can serve again.
    Gone(usize),
    /// A thread met something that ends the whole server.
    Failed(Failure),
    Interrupted(Exit),
}

struct Service {
    options: ServerOptions,
    target: Target,
    manner: Manner,
    instances: Vec<Arc<PipeServer>>,
    /// The places of instances that no thread has.
    idle: Vec<usize>,
    /// How many threads there are: one for each instance in use.
    threads: usize,
    events: Sender<Event>,
}

pub(super) fn run(args: &Serve) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    let mut options = options(args)?;
    let first = options.create(target.path())?;
    options.first_pipe_instance(false);

    let (events, happens) = mpsc::channel();
    let interrupted = events.clone();
    interrupt::divert(move |exit| {
        // Nobody hears it if the server is ending anyway.
        let _ = interrupted.send(Event::Interrupted(exit));
    });
    let mut service = Service {
        options,
        target,
        manner: manner(args),
        instances: vec![Arc::new(first)],
        idle: vec![0],
        threads: 0,
        events,
    };
    service.manner.log(&format!("serving {}", service.target));
    let outcome = service.serve(args.clients.or(args.oneshot.then_some(1)), &happens);
    service.close(&happens);
    outcome
}

fn manner(args: &Serve) -> Manner {
    Manner {
        byte: args.byte,
        quiet: args.quiet,
        answer: match (&args.reply, &args.exec) {
            (Some(text), _) => Answer::Text(text.clone()),
            (_, Some(command)) => Answer::Program(command.clone()),
            _ if args.echo => Answer::Echo,
            _ => Answer::Nothing,
        },
        is_over: Arc::default(),
    }
}

fn options(args: &Serve) -> Result<ServerOptions, Failure> {
    let mode = || if args.byte { PipeMode::Byte } else { PipeMode::Message };
    let mut options = ServerOptions::new();
    options
        .pipe_mode(mode())
        .read_mode(mode())
        .first_pipe_instance(args.first)
        .access_rules(people::access_rules(&args.access)?);
    if let MaxInstances::Limited(count) = args.max_instances {
        options.max_instances(count);
    }
    Ok(options)
}

impl Service {
    /// Serves until that many clients have come and gone, or something ends it.
    fn serve(&mut self, mut clients_left: Option<usize>, happens: &Receiver<Event>) -> Result<(), Failure> {
        let mut listening = false;
        loop {
            match clients_left {
                Some(0) if self.threads == 0 => return Ok(()),
                Some(0) => {}
                _ => listening = listening || self.listen()?,
            }
            match happens.recv() {
                Ok(Event::Connected) => {
                    listening = false;
                    clients_left = clients_left.map(|left| left - 1);
                }
                Ok(Event::Gone(place)) => {
                    self.threads -= 1;
                    self.idle.push(place);
                }
                Ok(Event::Failed(failure)) => {
                    self.threads -= 1;
                    return Err(failure);
                }
                Ok(Event::Interrupted(exit)) => return Err(Failure::Interrupted(exit)),
                Err(_) => unreachable!("we hold a sender ourselves"),
            }
        }
    }

    /// Has an instance wait for a client. False: there can be no further one until a client has gone.
    fn listen(&mut self) -> Result<bool, Failure> {
        let place = match self.idle.pop() {
            Some(place) => place,
            None => match self.options.create(self.target.path()) {
                Ok(instance) => {
                    self.instances.push(Arc::new(instance));
                    self.instances.len() - 1
                }
                // The limit (semantics 28).
                Err(error) if error.status() == Status::InstanceNotAvailable => return Ok(false),
                // A shortage, of descriptors for instance; those who are served need not suffer.
                Err(error) if self.threads > 0 => {
                    self.manner.log(&printable(&error.to_string()));
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            },
        };
        let (manner, events) = (self.manner.clone(), self.events.clone());
        let instance = Arc::clone(&self.instances[place]);
        let serve = move || {
            let outcome = manner.serve_client(&instance, &events);
            // Before it is told: the main thread may be about to close the last handle.
            drop(instance);
            let event = outcome.map_or_else(Event::Failed, |()| Event::Gone(place));
            // Unheard if the server has ended.
            let _ = events.send(event);
        };
        let thread = thread::Builder::new().name("client".to_owned()).spawn(serve);
        thread.map_err(Failure::system("start a thread"))?;
        self.threads += 1;
        Ok(true)
    }

    /// Ends what the threads are doing, and then the instances.
    fn close(mut self, happens: &Receiver<Event>) {
        self.manner.is_over.store(true, Ordering::Relaxed);
        let end = Instant::now() + FAREWELL_TIME;
        while self.threads > 0 && Instant::now() < end {
            for instance in &self.instances {
                // Not found: it waits for nothing at the moment.
                let _ = instance.cancel();
            }
            match happens.recv_timeout(CANCEL_AGAIN) {
                Ok(Event::Gone(_) | Event::Failed(_)) => self.threads -= 1,
                Ok(Event::Connected | Event::Interrupted(_)) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Manner {
    fn log(&self, text: &str) {
        if !self.quiet {
            output::note(&format!("npipe: {text}"));
        }
    }

    /// Waits for a client and serves it until it has gone. Fails only if the whole server has to.
    fn serve_client(&self, instance: &PipeServer, events: &Sender<Event>) -> Result<(), Failure> {
        match instance.connect() {
            Err(error) if error.status() == Status::Cancelled => return Ok(()),
            // It wrote and left: its data can still be read (semantics 63).
            Err(error) if error.status() == Status::PipeClosing => {}
            outcome => outcome?,
        }
        // Unheard if the server is ending.
        let _ = events.send(Event::Connected);
        let peer = instance.peer().ok();
        let client = peer
            .as_ref()
            .map_or_else(|| "a client of unknown process".to_owned(), people::peer);
        self.log(&format!("{client} connected"));
        let ending = match &self.answer {
            Answer::Program(command) => {
                let is_over = || self.is_over.load(Ordering::Relaxed);
                match exec::converse(command, self.byte, (instance, peer.as_ref()), is_over)? {
                    exec::Ending::Client(ending) => ending,
                    // It has disconnected the client.
                    exec::Ending::Program(status) => {
                        self.log(&format!("{client}: its program has ended: {status}"));
                        return Ok(());
                    }
                }
            }
            _ => self.converse(instance)?,
        };
        match ending {
            // To disconnect would lose what the client has not read yet.
            Failure::Pipe(error) if error.status() == Status::Cancelled => return Ok(()),
            Failure::Pipe(error) if is_farewell(&error) => self.log(&format!("{client} has gone")),
            ending => self.log(&format!("{client}: {ending}")),
        }
        if let Err(error) = instance.disconnect()
            // By the thread of a program, perhaps.
            && error.status() != Status::PipeDisconnected
        {
            self.log(&printable(&error.to_string()));
        }
        Ok(())
    }

    /// Prints and answers what arrives. Returns what ended that; fails only if stdout does.
    fn converse(&self, instance: &PipeServer) -> Result<Failure, Failure> {
        loop {
            let arrived = match read(instance, self.byte) {
                Ok(arrived) => arrived,
                Err(ending) => return Ok(ending),
            };
            if self.byte {
                output::data(&arrived)?;
            } else {
                output::line(&arrived)?;
            }
            if let Some(reply) = self.answer.to(&arrived)
                && let Err(ending) = instance.write(reply)
            {
                return Ok(ending.into());
            }
        }
    }
}

/// The next message, or what there is on a byte pipe.
fn read(instance: &PipeServer, byte: bool) -> Result<Vec<u8>, Failure> {
    if !byte {
        return read_whole_message(|buffer| instance.read_message(buffer));
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let bytes = instance.read(&mut chunk)?;
    chunk.truncate(bytes);
    Ok(chunk)
}

/// Whether the client has simply closed its end (semantics 183, 185).
fn is_farewell(error: &Error) -> bool {
    matches!(error.status(), Status::PipeBroken | Status::PipeClosing)
}
