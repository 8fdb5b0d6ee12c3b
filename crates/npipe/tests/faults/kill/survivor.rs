//! The process that goes on: round after round, it counts, and looks at what it holds itself.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use super::number;
use super::plan::{Plan, ROUNDS_VARIABLE, SEED_VARIABLE, victim_side};
use super::round::Round;
use crate::support::{PATIENCE, files, say, until};

/// Noticing a death takes a fraction of a millisecond on an idle machine.
const LATE: Duration = Duration::from_secs(1);

/// What came of the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) rounds: u64,
    pub(super) servers: u64,
    pub(super) clients: u64,
    pub(super) logged: u64,
    pub(super) read: u64,
    pub(super) read_bytes: u64,
    /// Written down and not read.
    pub(crate) lost: u64,
    /// Not read as it was written.
    pub(crate) torn: u64,
    /// Taken back, of writes that waited.
    pub(super) taken_back: u64,
    slowest_us: u64,
    /// Deaths noticed after more than [`LATE`].
    pub(crate) late: u64,
}

impl Figures {
    fn fields(&mut self) -> [&mut u64; 11] {
        let Figures {
            rounds,
            servers,
            clients,
            logged,
            read,
            read_bytes,
            lost,
            torn,
            taken_back,
            slowest_us,
            late,
        } = self;
        [
            rounds, servers, clients, logged, read, read_bytes, lost, torn, taken_back, slowest_us, late,
        ]
    }

    /// Counts one round, whose death was noticed that late.
    pub(super) fn count(&mut self, notice: Duration) {
        self.rounds = 1;
        self.slowest_us = notice.as_micros() as u64;
        self.late = u64::from(notice > LATE);
    }

    pub(crate) fn add(&mut self, other: &Figures) {
        let slowest_us = self.slowest_us.max(other.slowest_us);
        let mut other = *other;
        for (own, more) in self.fields().into_iter().zip(other.fields()) {
            *own += *more;
        }
        self.slowest_us = slowest_us;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "killed: {} rounds, {} servers, {} clients; {} writes returned, {} read ({} bytes), lost={}, torn={}, \
             {} taken back; slowest notice {} us, {} later than {LATE:?}",
            self.rounds,
            self.servers,
            self.clients,
            self.logged,
            self.read,
            self.read_bytes,
            self.lost,
            self.torn,
            self.taken_back,
            self.slowest_us,
            self.late,
        )
    }
}

impl FromStr for Figures {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Figures, Self::Err> {
        let mut figures = Figures::default();
        for (field, word) in figures.fields().into_iter().zip(text.split(' ')) {
            *field = word.parse()?;
        }
        Ok(figures)
    }
}

/// Goes through all rounds and tells the figures; whatever is wrong ends the process with the plan of the round.
pub(crate) fn survive(root: &Path) {
    let (seed, rounds) = (
        number(SEED_VARIABLE).expect("a seed"),
        number(ROUNDS_VARIABLE).expect("a number of rounds"),
    );
    let mut total = Figures::default();
    let mut held = None;
    for round in 0..rounds {
        let plan = Plan::new(seed, round, victim_side());
        let (alive, over) = mpsc::channel::<()>();
        let shown = format!("{plan:?}");
        let watch = std::thread::spawn(move || {
            let ended = over.recv_timeout(PATIENCE);
            if ended == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("this round does not end: {shown}");
                std::process::exit(1);
            }
        });
        let result = std::panic::catch_unwind(|| Round::new(&plan, root).run());
        drop(alive);
        watch.join().expect("it only waits");
        match result {
            Ok(figures) => {
                if figures.lost + figures.torn > 0 {
                    eprintln!("{figures}, in this round: {plan:?}");
                }
                total.add(&figures);
            }
            Err(panic) => {
                eprintln!("in this round: {plan:?}");
                std::panic::resume_unwind(panic);
            }
        }
        // The first round starts what a process has once.
        let held = *held.get_or_insert_with(resources);
        until(|| (resources() == held).then_some(()));
    }
    say(&total.fields().map(|field| field.to_string()).join(" "));
}

/// Descriptors of this process, and mapped segments.
fn resources() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("a mounted /proc");
    let segments = maps.lines().filter(|line| line.contains("memfd:npipe")).count();
    (files(Path::new("/proc/self/fd")).len(), segments)
}
