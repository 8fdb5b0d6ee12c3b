//! The round trips whose costs are counted.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use npipe::overlapped::{CompletionPort, Packet, Woken, sleep_alertable};
use npipe::{ClientOptions, PipeClient, PipeListener, PipeMode, PipeServer, ServerOptions};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::support::{NAME, until_the_library_rests};

/// The system call that nothing else makes: it stands before and after the round trips.
pub(crate) const MARK: &str = "getppid";

const BLOCK: [u8; 32] = [7; 32];

/// How the server waits for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Blocking,
    Operations,
    Routines,
    Port,
}

impl Style {
    pub(crate) const ALL: [Style; 4] = [Style::Blocking, Style::Operations, Style::Routines, Style::Port];
}

/// Where the ends are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// One thread has both, so that what it reads is always there.
    OneThread,
    /// A thread has each, on a processor of its own; one that waits looks, and does not sleep.
    Awake,
    /// The same, but one that waits sleeps at once.
    Asleep,
    /// For each round trip a client opens the pipe and closes it again; again nobody looks before he sleeps.
    Connecting,
}

/// The work of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) style: Style,
    pub(crate) state: State,
    pub(crate) rounds: usize,
}

impl Work {
    /// What the process is called that does this.
    pub(crate) fn role(self) -> String {
        format!("{:?} {:?} {}", self.style, self.state, self.rounds)
    }

    pub(crate) fn parse(role: &str) -> Option<Work> {
        let [style, state, rounds] = role.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let states = [State::OneThread, State::Awake, State::Asleep, State::Connecting];
        Some(Work {
            style: Style::ALL.into_iter().find(|known| format!("{known:?}") == style)?,
            state: states.into_iter().find(|known| format!("{known:?}") == state)?,
            rounds: rounds.parse().ok()?,
        })
    }

    pub(crate) fn play(self, root: &Path) {
        if self.state == State::Connecting {
            return self.connect_again_and_again(root);
        }
        let (server, client) = connected(root, self.state);
        if self.state == State::OneThread {
            let mut server = Server::new(server, self.style);
            between_marks(self.rounds, || {
                client.write(&BLOCK).expect("the quota has room");
                assert!(server.answer());
                client.read(&mut [0; BLOCK.len()]).expect("an answer");
            });
            return;
        }
        let cpus = two_cpus().unwrap_or_default();
        thread::scope(|scope| {
            scope.spawn(move || {
                stay_on(cpus[0]);
                let mut server = Server::new(server, self.style);
                while server.answer() {}
            });
            stay_on(cpus[1]);
            between_marks(self.rounds, || {
                client.write(&BLOCK).expect("the quota has room");
                client.read(&mut [0; BLOCK.len()]).expect("an answer");
            });
            client.close();
        });
    }
}

impl Work {
    fn connect_again_and_again(self, root: &Path) {
        let (serving, opening) = options(root, Duration::ZERO);
        let listener = PipeListener::bind_with(&serving, NAME).expect("the name is free");
        // It ends with the process.
        thread::spawn(move || {
            for server in listener.incoming() {
                let server = server.expect("a client");
                let mut block = [0; BLOCK.len()];
                while server.read(&mut block).is_ok() && server.write(&block).is_ok() {}
            }
        });
        between_marks(self.rounds, || {
            let client = opening.open(NAME).expect("it listens");
            client.write(&BLOCK).expect("the quota has room");
            client.read(&mut [0; BLOCK.len()]).expect("an answer");
        });
    }
}

/// Two processors that this process may use.
pub(crate) fn two_cpus() -> Option<[usize; 2]> {
    let allowed = sched_getaffinity(None).expect("one's own");
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
    Some([cpus.next()?, cpus.next()?])
}

fn stay_on(cpu: usize) {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).expect("it is allowed");
}

fn options(root: &Path, spin: Duration) -> (ServerOptions, ClientOptions) {
    let (mut serving, mut opening) = (ServerOptions::new(), ClientOptions::new());
    serving.root(root).pipe_mode(PipeMode::Message).spin(spin);
    opening.root(root).pipe_mode(PipeMode::Message).spin(spin);
    (serving, opening)
}

fn connected(root: &Path, state: State) -> (PipeServer, PipeClient) {
    // Longer than any interruption.
    let spin = Duration::from_secs(if state == State::Asleep { 0 } else { 60 });
    let (serving, opening) = options(root, spin);
    let server = serving.create(NAME).expect("the name is free");
    let client = opening.open(NAME).expect("it listens");
    // Connections are watched when they are no longer young; that is no part of a round trip.
    npipe::overlapped::engine::catch_up();
    until_the_library_rests();
    (server, client)
}

/// Does it that often, after a few times to warm up.
fn between_marks(rounds: usize, mut round_trip: impl FnMut()) {
    let mark = || assert!(rustix::process::getppid().is_some(), "somebody has started this");
    (0..10).for_each(|_| round_trip());
    mark();
    (0..rounds).for_each(|_| round_trip());
    mark();
}

/// A server end, and what its style needs.
struct Server {
    end: Rc<PipeServer>,
    style: Style,
    port: CompletionPort,
    /// The buffer, while no operation has it.
    buffer: Rc<Cell<Vec<u8>>>,
}

impl Server {
    fn new(end: PipeServer, style: Style) -> Server {
        let port = CompletionPort::new();
        if style == Style::Port {
            port.associate(&end, 0).expect("it has none");
        }
        Server {
            end: Rc::new(end),
            style,
            port,
            buffer: Rc::new(Cell::new(vec![0; BLOCK.len()])),
        }
    }

    /// Waits for a request and answers it; false once the client has gone.
    fn answer(&mut self) -> bool {
        match self.style {
            Style::Blocking => self.answer_blocking(),
            Style::Operations => self.answer_by_operations(),
            Style::Routines => self.answer_by_routines(),
            Style::Port => self.answer_by_port(),
        }
    }

    fn answer_blocking(&mut self) -> bool {
        let mut block = [0; BLOCK.len()];
        self.end.read(&mut block).is_ok_and(|bytes| bytes > 0) && self.end.write(&block).is_ok()
    }

    fn answer_by_operations(&mut self) -> bool {
        let Ok(reading) = self.end.start_read(self.buffer.take()) else {
            return false;
        };
        let read = reading.finish();
        if read.result.is_err() {
            return false;
        }
        let writing = self.end.start_write(read.buffer);
        writing.is_ok_and(|writing| {
            self.buffer.set(writing.finish().buffer);
            true
        })
    }

    fn answer_by_routines(&mut self) -> bool {
        let answered = Rc::new(Cell::new(None));
        let (end, kept, told) = (self.end.clone(), self.buffer.clone(), answered.clone());
        let started = self.end.read_then(self.buffer.take(), move |read| {
            if read.result.is_err() {
                return told.set(Some(false));
            }
            let answering = told.clone();
            let written = end.write_then(read.buffer, move |written| {
                kept.set(written.buffer);
                answering.set(Some(true));
            });
            if written.is_err() {
                told.set(Some(false));
            }
        });
        if started.is_err() {
            return false;
        }
        loop {
            if let Some(answered) = answered.get() {
                return answered;
            }
            assert_eq!(sleep_alertable(None), Woken::Completions);
        }
    }

    fn answer_by_port(&mut self) -> bool {
        let next = || {
            let Packet { completed, .. } = self.port.get(None).expect("it waits without end");
            completed.result.is_ok().then_some(completed.buffer)
        };
        if self.end.queue_read(self.buffer.take(), 0).is_err() {
            return false;
        }
        let Some(request) = next() else { return false };
        if self.end.queue_write(request, 0).is_err() {
            return false;
        }
        next().is_some_and(|buffer| {
            self.buffer.set(buffer);
            true
        })
    }
}
