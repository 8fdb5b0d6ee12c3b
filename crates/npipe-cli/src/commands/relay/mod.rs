//! `npipe relay`: two ends joined, whatever they are.
//!
//! | file | what is there |
//! |---|---|
//! | `address` | what an end is called |
//! | `end` | reading, writing and ending one direction, the same for all kinds |
//! | `door` | listening: one end for each that comes |
//! | `session` | two ends, a thread for each direction, and when it is over |
//!
//! With `--fork` each connection has threads of its own, not a process: an end that a pipe's server has cannot be taken
//! along by a fork without more descriptors (see `shareable`), a thread leaves the namespace to one process that can
//! clean it up at an interrupt, and costs less.

mod address;
mod door;
mod end;
mod session;

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

pub(crate) use address::Address;
use door::Door;
use end::End;
use session::Session;

use crate::args::Relay;
use crate::dump::Look;
use crate::exit::Exit;
use crate::interrupt;
use crate::output;
use crate::report::Failure;

/// How long a relay that can take nobody more waits before it tries again.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(200);

/// What the main thread hears.
enum Event {
    /// The one session is over, or none can begin.
    Over(Result<(), Failure>),
    Interrupted(Exit),
}

/// What all sessions go by.
struct Manner {
    args: Relay,
    look: Option<Look>,
    /// The ends that are open, to be closed at an interrupt.
    open: Mutex<Vec<Weak<End>>>,
}

pub(super) fn run(args: Relay) -> Result<(), Failure> {
    check(&args)?;
    let manner = Arc::new(Manner {
        look: match (args.dump, args.hexdump) {
            (true, true) => Some(Look::Both),
            (true, false) => Some(Look::Text),
            (false, true) => Some(Look::Hex),
            (false, false) => None,
        },
        open: Mutex::default(),
        args,
    });
    let (events, happens) = mpsc::channel();
    let interrupted = events.clone();
    interrupt::divert(move |exit| {
        // Nobody hears it if the relay is ending anyway.
        let _ = interrupted.send(Event::Interrupted(exit));
    });
    let door = Door::open(&manner.args)?.map(Arc::new);
    let serving = (Arc::clone(&manner), door.clone());
    let serve = move || {
        let (manner, door) = serving;
        let outcome = manner.serve(door.as_deref(), &events);
        // Unheard if the relay is ending.
        let _ = events.send(Event::Over(outcome));
    };
    let thread = thread::Builder::new().name("relay".to_owned()).spawn(serve);
    thread.map_err(Failure::system("start a thread"))?;
    let outcome = match happens.recv() {
        Ok(Event::Over(outcome)) => outcome,
        Ok(Event::Interrupted(exit)) => Err(Failure::Interrupted(exit)),
        Err(_) => unreachable!("the thread says how it ends"),
    };
    // The name leaves the namespace, and a socket its directory.
    if let Some(door) = door {
        door.close();
    }
    manner.close_all();
    outcome
}

fn check(args: &Relay) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::Usage(format!("npipe: {text}\n")));
    if args.b.is_listening() {
        return usage("a listening end comes first: exchange the two ends");
    }
    if args.fork && !args.a.is_listening() {
        return usage("--fork needs an end that listens, such as npipe-listen:NAME");
    }
    if args.a == Address::Stdio && args.b == Address::Stdio {
        return usage("both ends are stdin and stdout");
    }
    if args.fork && args.b == Address::Stdio {
        return usage("with --fork stdio cannot be end B: the connections would share it");
    }
    if args.byte && !matches!(args.a, Address::PipeListen(_)) {
        return usage("--byte is for npipe-listen:NAME");
    }
    Ok(())
}

impl Manner {
    fn log(&self, text: &str) {
        if !self.args.quiet {
            output::note(&format!("npipe: {text}"));
        }
    }

    /// Serves the one connection, or with `--fork` all that come.
    fn serve(self: &Arc<Manner>, door: Option<&Door>, events: &Sender<Event>) -> Result<(), Failure> {
        let Some(door) = door else {
            let a = self.keep(End::connect(&self.args.a, &self.args)?);
            return self.join(a);
        };
        self.log(&format!("relaying {} to {}", self.args.a, self.args.b));
        if !self.args.fork {
            let a = self.keep(door.accept()?);
            self.log(&format!("{} connected", a.peer()));
            return self.join(a);
        }
        loop {
            let a = match door.accept() {
                Ok(a) => self.keep(a),
                Err(failure) if door::passes(&failure) => {
                    self.log(&failure.to_string());
                    thread::sleep(SHORTAGE_PAUSE);
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            self.log(&format!("{} connected", a.peer()));
            let (manner, events) = (Arc::clone(self), events.clone());
            let join = move || {
                match manner.join(a) {
                    // A reader of stdout that has gone ends all; there is none here.
                    Ok(()) | Err(Failure::StdoutClosed) => {}
                    Err(failure) => manner.log(&failure.to_string()),
                }
                drop(events);
            };
            let thread = thread::Builder::new().name("session".to_owned()).spawn(join);
            thread.map_err(Failure::system("start a thread"))?;
        }
    }

    /// One session, from the moment that A is there.
    fn join(self: &Arc<Manner>, a: Arc<End>) -> Result<(), Failure> {
        let b = match End::connect(&self.args.b, &self.args) {
            Ok(b) => self.keep(b),
            Err(failure) => {
                a.close();
                return Err(failure);
            }
        };
        let outcome = Session::new(Arc::clone(self), a, b).run();
        self.forget_closed();
        outcome
    }

    fn keep(&self, end: End) -> Arc<End> {
        let end = Arc::new(end);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(Arc::downgrade(&end));
        end
    }

    fn forget_closed(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|end| end.strong_count() > 0);
    }

    fn close_all(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().filter_map(Weak::upgrade).for_each(|end| end.close());
    }
}
