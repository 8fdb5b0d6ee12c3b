//! Two ends joined: a thread for each direction, and when it is over.
//!
//! What has arrived is delivered before anything is said of an end. An end that is gone takes the session with it: what it
//! had sent is delivered by then, and it would read nothing more.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use super::Manner;
use super::end::{Arrival, End};
use crate::args::Until;
use crate::dump;
use crate::output;
use crate::report::Failure;

/// Which end a direction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    A,
    B,
}

/// What becomes of a direction.
enum Event {
    /// Its source sends no more, and the other end was told.
    Ended(From),
    /// An end is gone.
    Gone(From),
    Failed(Failure),
}

pub(super) struct Session {
    manner: Arc<Manner>,
    a: Arc<End>,
    b: Arc<End>,
}

/// One direction.
struct Direction {
    from: From,
    source: Arc<End>,
    sink: Arc<End>,
    manner: Arc<Manner>,
    /// Whether the sink was told the end.
    has_ended: bool,
    events: Sender<Event>,
}

impl Session {
    pub(super) fn new(manner: Arc<Manner>, a: Arc<End>, b: Arc<End>) -> Session {
        Session { manner, a, b }
    }

    /// Carries data until the session is over, and closes both ends.
    pub(super) fn run(self) -> Result<(), Failure> {
        let (events, happens) = mpsc::channel();
        let mut outcome = Ok(());
        for (from, source, sink) in [(From::A, &self.a, &self.b), (From::B, &self.b, &self.a)] {
            let direction = Direction {
                from,
                source: Arc::clone(source),
                sink: Arc::clone(sink),
                manner: Arc::clone(&self.manner),
                has_ended: false,
                events: events.clone(),
            };
            // One that waits for a terminal when the session is over stays behind, and ends with the command.
            let thread = thread::Builder::new().name("direction".to_owned());
            let started = thread.spawn(move || direction.carry());
            if let Err(error) = started {
                outcome = Err(Failure::system("start a thread")(error));
            }
        }
        drop(events);
        let until = self.manner.args.until;
        let (mut a_ended, mut b_ended) = (false, false);
        let mut news = "both have ended".to_owned();
        while outcome.is_ok() {
            match happens.recv() {
                Ok(Event::Ended(From::A)) => a_ended = true,
                Ok(Event::Ended(From::B)) => b_ended = true,
                Ok(Event::Gone(from)) => {
                    news = format!("{} has gone", self.end(from).peer());
                    break;
                }
                Err(_) => break,
                Ok(Event::Failed(failure)) => outcome = Err(failure),
            }
            let is_over = match until {
                Until::A => a_ended,
                Until::B => b_ended,
                Until::Either => a_ended || b_ended,
                Until::Both => a_ended && b_ended,
            };
            if is_over {
                if !(a_ended && b_ended) {
                    news = format!("{} has ended", self.end(if a_ended { From::A } else { From::B }).peer());
                }
                break;
            }
        }
        if outcome.is_ok() {
            self.manner.log(&news);
        }
        self.a.close();
        self.b.close();
        outcome
    }
}

impl Session {
    fn end(&self, from: From) -> &End {
        match from {
            From::A => &self.a,
            From::B => &self.b,
        }
    }
}

impl Direction {
    fn carry(mut self) {
        loop {
            let event = match self.step() {
                Ok(None) => continue,
                Ok(Some(event)) => event,
                Err(failure) => Event::Failed(failure),
            };
            let goes_on = matches!(event, Event::Ended(_)) && self.source.takes_empty_messages();
            // Unheard when the session is over.
            if self.events.send(event).is_err() || !goes_on {
                return;
            }
        }
    }

    /// Carries one piece.
    fn step(&mut self) -> Result<Option<Event>, Failure> {
        match self.source.read()? {
            // After its end a pipe is only watched for going away.
            Arrival::Data(_) if self.has_ended => Ok(None),
            Arrival::Data(data) if data.is_empty() && !self.sink.takes_empty_messages() => self.end(),
            Arrival::Data(data) => {
                self.show(&data);
                match self.sink.write(&data)? {
                    true => Ok(None),
                    false => Ok(Some(Event::Gone(self.other()))),
                }
            }
            Arrival::Ended => self.end(),
            Arrival::Gone => {
                if !self.has_ended {
                    self.sink.end(self.manner.args.send_empty)?;
                }
                Ok(Some(Event::Gone(self.from)))
            }
        }
    }

    fn end(&mut self) -> Result<Option<Event>, Failure> {
        self.has_ended = true;
        self.sink.end(self.manner.args.send_empty)?;
        Ok(Some(Event::Ended(self.from)))
    }

    fn other(&self) -> From {
        match self.from {
            From::A => From::B,
            From::B => From::A,
        }
    }

    fn show(&self, data: &[u8]) {
        let Some(look) = self.manner.look else { return };
        let (arrow, prefix) = match self.from {
            From::A => ("A to B", "> "),
            From::B => ("B to A", "< "),
        };
        let lines = dump::lines(prefix, data, look);
        output::note(format!("{prefix}{arrow}, {} bytes\n{lines}", data.len()).trim_end());
    }
}
