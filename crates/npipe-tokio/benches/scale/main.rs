//! One server process with many connections: of npipe in tokio, of tokio's Unix sockets, and of an epoll loop over Unix
//! sockets: `cargo bench -p npipe-tokio -- [growth|crowd|busy|processes]... [--only TEXT] [--of KIND]
//! [--rounds N] [--slice-ms MS] [--plots DIRECTORY]`.
//!
//! * `growth`: what a round trip costs from 1 to 10,000 connections, of which 8 are busy, or all of 1 to 1,000; with a plot.
//! * `crowd`: 10,000 idle and 1,000 busy connections, with memory, rate and fairness.
//! * `busy`: one process with many connections that are all busy; connections that come and go.
//! * `processes`: 1,000 processes with one connection each, which block.
//!
//! Each server has one thread, clients are other processes. Medians of the rounds, in which everything is measured in turn;
//! only ratios within one run mean anything.

mod load;
mod plot;
mod serve;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use load::{Client, Load, Measured, Style};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serve::Server;
use tokio::runtime::{Builder, Runtime};

const NAME: &str = r"\\.\pipe\scale";
const SOCKET: &str = "socket";
const BLOCK_BYTES: usize = 32;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Npipe,
    Unix,
    Epoll,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Npipe, Kind::Unix, Kind::Epoll];

    fn title(self) -> &'static str {
        match self {
            Kind::Npipe => "npipe-tokio",
            Kind::Unix => "tokio Unix stream",
            Kind::Epoll => "epoll, Unix stream",
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn main() -> Outcome<()> {
    // Descriptors, and processes of which each has three pipes here.
    let limit = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: limit,
        maximum: limit,
    };
    setrlimit(Resource::Nofile, raised)?;
    match Load::of_environment()? {
        Some(load) => load.carry(),
        None => report(&Plan::of_arguments()?),
    }
}

/// What is measured, and how often.
struct Plan {
    parts: Vec<String>,
    /// What the title of a row has to contain.
    only: Option<String>,
    /// What the title of what serves has to contain.
    of: Option<String>,
    rounds: usize,
    slice: Duration,
    plots: Option<PathBuf>,
}

impl Plan {
    fn of_arguments() -> Outcome<Plan> {
        let mut plan = Plan {
            parts: Vec::new(),
            only: None,
            of: None,
            rounds: 3,
            slice: Duration::from_millis(300),
            plots: None,
        };
        // Cargo adds --bench.
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--only" => plan.only = Some(value()?),
                "--of" => plan.of = Some(value()?),
                "--rounds" => plan.rounds = value()?.parse::<usize>()?.max(1),
                "--slice-ms" => plan.slice = Duration::from_millis(value()?.parse()?),
                "--plots" => plan.plots = Some(value()?.into()),
                "growth" | "crowd" | "busy" | "processes" => plan.parts.push(argument),
                _ => {
                    return Err(format!(
                        "{argument} is neither a part nor an option; see the head of {}",
                        file!()
                    )
                    .into());
                }
            }
        }
        Ok(plan)
    }

    fn is_of(&self, kind: Kind) -> bool {
        self.of.as_ref().is_none_or(|of| kind.title().contains(of))
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

/// What the server process has, by the kernel's account.
struct Account {
    pss_kib: u64,
    descriptors: usize,
    threads: usize,
}

impl Account {
    fn now() -> Outcome<Account> {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.split_whitespace().next());
        Ok(Account {
            pss_kib: pss.ok_or("no Pss")?.parse()?,
            descriptors: std::fs::read_dir("/proc/self/fd")?.count(),
            threads: std::fs::read_dir("/proc/self/task")?.count(),
        })
    }
}

/// Clients of one server.
#[derive(Clone, Copy)]
struct Crowd {
    processes: usize,
    idle: usize,
    busy: usize,
    style: Style,
}

struct Run {
    measured: Measured,
    rate: f64,
    /// Before the first client, and with all of them.
    accounts: [Account; 2],
}

/// What it takes to tell a hundred processes when to begin.
const TELLING: Duration = Duration::from_millis(50);

/// Serves client processes that share the idle and busy connections.
fn run(kind: Kind, crowd: Crowd, slice: Duration) -> Outcome<Run> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(kind, directory.path())?;
    let before = Account::now()?;
    let share = |all: usize, at: usize| all / crowd.processes + usize::from(at < all % crowd.processes);
    let mut clients = Vec::new();
    for at in 0..crowd.processes {
        clients.push(Client::start(&Load {
            kind,
            idle: share(crowd.idle, at),
            busy: share(crowd.busy, at),
            slice,
            style: crowd.style,
            directory: directory.path().to_owned(),
        })?);
    }
    clients.iter_mut().try_for_each(Client::await_ready)?;
    // All at once, when the last of them has heard of it.
    let begin = SystemTime::now() + TELLING * (1 + crowd.processes as u32 / 100);
    clients.iter_mut().try_for_each(|client| client.begin_at(begin))?;
    let mut measured = Measured::default();
    for client in &mut clients {
        client.measured(&mut measured)?;
    }
    let with_all = Account::now()?;
    drop(clients);
    drop(server);
    let rate = measured.round_trips as f64 / slice.as_secs_f64();
    Ok(Run {
        measured,
        rate,
        accounts: [before, with_all],
    })
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A row for each crowd: its rates by each kind, as medians over the rounds; none where a kind does not take part.
fn table(plan: &Plan, crowds: &[(String, Crowd)]) -> Outcome<Vec<[Option<f64>; 3]>> {
    let is_wanted = |title: &str| plan.only.as_ref().is_none_or(|only| title.contains(only));
    let mut all = vec![[const { Vec::new() }; 3]; crowds.len()];
    for _ in 0..plan.rounds {
        for ((title, crowd), rates) in crowds.iter().zip(&mut all) {
            for (kind, rates) in Kind::ALL.into_iter().zip(rates) {
                if is_wanted(title) && plan.is_of(kind) && (crowd.style != Style::Churn || kind != Kind::Epoll) {
                    rates.push(run(kind, *crowd, plan.slice)?.rate);
                }
            }
        }
    }
    let middle = |rates: Vec<f64>| (!rates.is_empty()).then(|| median(rates));
    let all: Vec<_> = all.into_iter().map(|rates| rates.map(middle)).collect();
    head();
    for ((title, _), rates) in crowds.iter().zip(&all) {
        row(title, *rates);
    }
    Ok(all)
}

fn report(plan: &Plan) -> Outcome<()> {
    println!(
        "round trips of {BLOCK_BYTES} bytes, one server thread; medians of {} rounds",
        plan.rounds
    );
    if plan.has("growth") {
        growth(plan)?;
    }
    if plan.has("crowd") {
        crowd(plan)?;
    }
    if plan.has("busy") {
        busy(plan)?;
    }
    if plan.has("processes") {
        println!("\nprocesses with one connection each, which block, round trips/s");
        let crowds = [100, 1_000].map(|processes| {
            let crowd = Crowd {
                processes,
                idle: 0,
                busy: processes,
                style: Style::Blocking,
            };
            (format!("{processes} processes"), crowd)
        });
        table(plan, &crowds)?;
    }
    Ok(())
}

fn head() {
    let [npipe, unix, epoll] = Kind::ALL.map(Kind::title);
    println!(
        "  {:<34} {npipe:>18} {unix:>18} {epoll:>18} {:>8} {:>9}",
        "", "to tokio", "to epoll"
    );
}

fn row(title: &str, rates: [Option<f64>; 3]) {
    let shown = |number: Option<f64>, digits| number.map_or("-".to_owned(), |number| format!("{number:.digits$}"));
    let [npipe, unix, epoll] = rates;
    let ratio = |other: Option<f64>| Some(npipe? / other?);
    println!(
        "  {title:<34} {:>18} {:>18} {:>18} {:>8} {:>9}",
        shown(npipe, 0),
        shown(unix, 0),
        shown(epoll, 0),
        shown(ratio(unix), 2),
        shown(ratio(epoll), 2),
    );
}

fn of_one_process(idle: usize, busy: usize, style: Style) -> Crowd {
    Crowd {
        processes: 1,
        idle,
        busy,
        style,
    }
}

fn growth(plan: &Plan) -> Outcome<()> {
    const BUSY: usize = 8;
    let (some, all) = ([1, 10, 100, 1_000, 10_000], [1, 2, 10, 100, 1_000]);
    let few = some.map(|count| of_one_process(count - count.min(BUSY), count.min(BUSY), Style::Tasks));
    let every = all.map(|count| of_one_process(0, count, Style::Tasks));
    println!("\nconnections of one process, round trips/s");
    let mut lines = Vec::new();
    for (title, counts, crowds) in [("8 busy", some, few), ("all busy", all, every)] {
        let titles = counts.map(|count| format!("{count} connections, {title}"));
        let rates = table(plan, &titles.into_iter().zip(crowds).collect::<Vec<_>>())?;
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            let costs_us = rates.iter().map(|rates| rates[at].map_or(f64::NAN, |rate| 1e6 / rate));
            lines.push(plot::Line {
                title: format!("{}, {title}", kind.title()),
                is_main: kind == Kind::Npipe,
                points: counts.iter().copied().zip(costs_us).collect(),
            });
        }
    }
    match &plan.plots {
        Some(directory) => plot::draw(&lines, directory),
        None => Ok(()),
    }
}

fn crowd(plan: &Plan) -> Outcome<()> {
    const CONNECTIONS: f64 = 11_000.0;
    println!("\n10,000 idle and 1,000 busy connections of 4 processes");
    for kind in Kind::ALL.into_iter().filter(|kind| plan.is_of(*kind)) {
        let crowd = Crowd {
            processes: 4,
            idle: 10_000,
            busy: 1_000,
            style: Style::Tasks,
        };
        let Run {
            measured,
            rate,
            accounts: [before, after],
        } = run(kind, crowd, plan.slice)?;
        let typical_us = median(measured.medians_us);
        let slowest_us = measured.p99s_us.iter().copied().fold(0.0, f64::max);
        println!(
            "  {:<18} {rate:>9.0} round trips/s, median {typical_us:.0} µs, p99 of the slowest client {slowest_us:.0} µs \
             ({:.1} times), {:.2} KiB, {:.3} descriptors and {} threads for each connection",
            kind.title(),
            slowest_us / typical_us,
            (after.pss_kib as f64 - before.pss_kib as f64) / CONNECTIONS,
            (after.descriptors - before.descriptors) as f64 / CONNECTIONS,
            after.threads as i64 - before.threads as i64,
        );
    }
    Ok(())
}

fn busy(plan: &Plan) -> Outcome<()> {
    println!("\nround trips/s, and connections that come and go, 8 at a time");
    let hundred = Crowd {
        processes: 100,
        idle: 0,
        busy: 1_000,
        style: Style::Tasks,
    };
    let crowds = [
        ("1 process, 1,000 connections", of_one_process(0, 1_000, Style::Tasks)),
        ("100 processes, 10 each", hundred),
        ("connect, one exchange, close", of_one_process(0, 8, Style::Churn)),
    ];
    table(plan, &crowds.map(|(title, crowd)| (title.to_owned(), crowd))).map(drop)
}
