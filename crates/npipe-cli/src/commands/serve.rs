//! `npipe serve`: a server for the shell.
//!
//! The main thread keeps one instance listening; each client gets a thread. When
//! a client has gone its thread disconnects the instance and hands it back to
//! listen again, so that the name never vanishes between two clients, with
//! `--max-instances 1` either (semantics 13, 67, 180).

use std::sync::mpsc::{self, Receiver, Sender};
use std::{process, thread};

use npipe::{Error, PipeMode, PipeServer, ServerOptions, Status};

use super::{CHUNK_BYTES, read_whole_message};
use crate::args::{MaxInstances, Serve};
use crate::output;
use crate::report::Failure;
use crate::target::{Target, printable};

/// What is sent back.
#[derive(Clone)]
enum Answer {
    Nothing,
    Echo,
    Text(String),
}

impl Answer {
    fn to<'a>(&'a self, arrived: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Answer::Nothing => None,
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
    as_json: bool,
    answer: Answer,
}

pub(super) fn run(args: &Serve, as_json: bool) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    let manner = Manner {
        byte: args.byte,
        quiet: args.quiet,
        as_json,
        answer: match &args.reply {
            Some(text) => Answer::Text(text.clone()),
            None if args.echo => Answer::Echo,
            None => Answer::Nothing,
        },
    };
    let mut options = options(args);
    let mut listening = options.create(target.path())?;
    options.first_pipe_instance(false);
    manner.log(&format!("serving {target}"));

    let (gone, returned) = mpsc::channel();
    let mut clients_left = args.clients;
    loop {
        accept(&listening)?;
        let spare = spawn(listening, &manner, &gone);
        if let Err(source) = spare {
            return Err(Failure::System {
                doing: "start a thread".to_owned(),
                source,
            });
        }
        if let Some(left) = &mut clients_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                break;
            }
        }
        listening = next_instance(&options, &target, &returned)?;
    }
    // The threads hold the remaining senders: this ends with the last client.
    drop(gone);
    returned.iter().for_each(drop);
    Ok(())
}

fn options(args: &Serve) -> ServerOptions {
    let mode = || if args.byte { PipeMode::Byte } else { PipeMode::Message };
    let mut options = ServerOptions::new();
    options
        .pipe_mode(mode())
        .read_mode(mode())
        .first_pipe_instance(args.first);
    if let MaxInstances::Limited(count) = args.max_instances {
        options.max_instances(count);
    }
    options
}

/// Waits for a client, leaving out those who have come and gone unseen.
fn accept(listening: &PipeServer) -> Result<(), Failure> {
    match listening.connect() {
        // It wrote and left: its data can still be read (semantics 63).
        Err(error) if error.status() == Status::PipeClosing => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// An instance that listens: one that was handed back, a new one, or, at the
/// limit, the next to be handed back.
fn next_instance(
    options: &ServerOptions,
    target: &Target,
    returned: &Receiver<PipeServer>,
) -> Result<PipeServer, Failure> {
    if let Ok(instance) = returned.try_recv() {
        return Ok(instance);
    }
    match options.create(target.path()) {
        Ok(instance) => Ok(instance),
        // At the limit (semantics 28). The sender lives as long as this thread.
        Err(busy) if busy.win32() == Status::PipeBusy.win32() => returned.recv().map_err(|_| Failure::Pipe(busy)),
        Err(error) => Err(error.into()),
    }
}

fn spawn(instance: PipeServer, manner: &Manner, gone: &Sender<PipeServer>) -> std::io::Result<()> {
    let manner = manner.clone();
    let gone = gone.clone();
    thread::Builder::new().name("client".to_owned()).spawn(move || {
        if let Err(failure) = manner.converse(&instance) {
            // Nobody reads our stdout, or it is full: nothing can be served any more.
            failure.print(manner.as_json);
            process::exit(i32::from(failure.exit().code()));
        }
        if let Err(error) = instance.disconnect() {
            manner.log(&printable(&error.to_string()));
        }
        // Nobody takes it any more once the last client has been accepted.
        let _ = gone.send(instance);
    })?;
    Ok(())
}

impl Manner {
    fn log(&self, text: &str) {
        if !self.quiet {
            output::note(&format!("npipe: {text}"));
        }
    }

    /// Serves one client until it has gone. Fails only if stdout does.
    fn converse(&self, instance: &PipeServer) -> Result<(), Failure> {
        let client = match instance.peer().ok().and_then(|peer| peer.pid) {
            Some(pid) => format!("client {pid}"),
            None => "a client of unknown process".to_owned(),
        };
        self.log(&format!("{client} connected"));
        let ending = loop {
            let arrived = match self.read(instance) {
                Ok(arrived) => arrived,
                Err(ending) => break ending,
            };
            if self.byte {
                output::data(&arrived)?;
            } else {
                output::line(&arrived)?;
            }
            let Some(reply) = self.answer.to(&arrived) else {
                continue;
            };
            if let Err(error) = instance.write(reply) {
                break error.into();
            }
        };
        match ending {
            Failure::Pipe(error) if is_farewell(&error) => self.log(&format!("{client} has gone")),
            failure => self.log(&format!("{client}: {failure}")),
        }
        Ok(())
    }

    fn read(&self, instance: &PipeServer) -> Result<Vec<u8>, Failure> {
        if !self.byte {
            return read_whole_message(|buffer| instance.read_message(buffer));
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        let bytes = instance.read(&mut chunk)?;
        chunk.truncate(bytes);
        Ok(chunk)
    }
}

/// Whether the client has simply closed its end (semantics 183, 185).
fn is_farewell(error: &Error) -> bool {
    matches!(error.status(), Status::PipeBroken | Status::PipeClosing)
}
