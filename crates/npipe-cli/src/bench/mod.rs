//! `npipe bench`: npipe beside what the system offers, on this machine, now.
//!
//! A *cell* is a workload of a size on a placement by a transport. A *round*
//! measures every cell once, in shuffled order, so that whatever else the
//! machine does falls on all alike. Each measurement takes two fresh processes
//! (this program again, with a hidden subcommand): the server, then the client,
//! which takes the time and prints its figures as JSON. The median over the
//! rounds counts. Only ratios within one run mean anything.

mod csv;
mod histogram;
mod interprocess;
mod machine;
mod measure;
mod npipe;
mod npipe_tokio;
mod pipe;
mod plots;
mod programs;
mod table;
mod targets;
mod tcp;
mod tokio_unix;
mod transport;
mod unix;

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Serialize;

use self::machine::Machine;
use self::measure::{Figures, Job, Percentiles, Workload};
use self::programs::Programs;
use self::transport::{Kind, Transport};
use crate::args::{self, Role};
use crate::output;
use crate::progress::Progress;
use crate::report::Failure;
use crate::scratch::Scratch;
use crate::target::printable;

/// What a measurement may take beyond its slice before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(20);

const ROUND_TRIP_SIZES: [usize; 3] = [32, 1 << 10, 64 << 10];
const ONE_WAY_SIZES: [usize; 5] = [32, 1 << 10, 4 << 10, 64 << 10, 1 << 20];
/// What waits in tokio is measured with the smallest and with large blocks: the
/// rest lies between.
const ASYNCHRONOUS_SIZES: [usize; 2] = [32, 64 << 10];
/// Of the blocks that a connection exchanges.
const CONNECT_SIZE: usize = 32;

/// Where the two processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Placement {
    /// Each pinned to a processor of its own.
    TwoCores,
    /// Where the system likes.
    Free,
    /// Both pinned to the same processor.
    OneCore,
}

impl Placement {
    const ALL: [Placement; 3] = [Placement::TwoCores, Placement::Free, Placement::OneCore];

    const fn title(self) -> &'static str {
        match self {
            Placement::TwoCores => "two cores",
            Placement::Free => "free",
            Placement::OneCore => "one core",
        }
    }

    /// The processors of server and client; nothing where the machine has too few.
    fn cpus(self) -> Option<[Option<usize>; 2]> {
        match self {
            Placement::TwoCores => machine::two_cpus().map(|cpus| cpus.map(Some)),
            Placement::Free => Some([None, None]),
            Placement::OneCore => machine::one_cpu().map(|cpu| [Some(cpu); 2]),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cell {
    workload: Workload,
    size_bytes: usize,
    placement: Placement,
    kind: Kind,
}

impl Cell {
    /// Whether it can be measured with several clients at a time.
    fn is_for_clients(&self) -> bool {
        self.workload == Workload::RoundTrip && self.kind.takes_clients()
    }

    fn title(self) -> String {
        format!(
            "{}, {}, {}",
            table::title(self.workload, self.size_bytes),
            self.placement.title(),
            self.kind.title()
        )
    }
}

struct Plan {
    rounds: u32,
    slice_ms: u64,
    /// How many clients one server has at a time; with more than one, round trips only.
    clients: u32,
    seed: u64,
    programs: Programs,
    cells: Vec<Cell>,
}

impl Plan {
    fn of(args: &args::Bench) -> Plan {
        let (rounds, slice_ms) = if args.quick { (3, 60) } else { (5, 200) };
        let possible = Placement::ALL
            .into_iter()
            .filter(|placement| placement.cpus().is_some());
        let placements = possible.take(if args.quick { 1 } else { Placement::ALL.len() });
        let programs = Programs::in_directory(args.programs.clone());
        Plan {
            rounds: args.rounds.unwrap_or(rounds),
            slice_ms: args.slice.map_or(slice_ms, |slice| slice.as_millis() as u64),
            clients: args.clients,
            seed: seed(),
            cells: placements
                .flat_map(|placement| cells_on(placement, &programs))
                .filter(|cell| args.clients == 1 || cell.is_for_clients())
                .collect(),
            programs,
        }
    }
}

/// All cells of a placement, in the order of the tables.
fn cells_on(placement: Placement, programs: &Programs) -> Vec<Cell> {
    let of = |workload, sizes: &'static [usize]| sizes.iter().map(move |&size_bytes| (workload, size_bytes));
    let groups = of(Workload::RoundTrip, &ROUND_TRIP_SIZES)
        .chain(of(Workload::OneWay, &ONE_WAY_SIZES))
        .chain(of(Workload::Connect, &[CONNECT_SIZE]));
    let cells = groups.flat_map(|(workload, size_bytes)| {
        Kind::ALL.map(|kind| Cell {
            workload,
            size_bytes,
            placement,
            kind,
        })
    });
    cells
        .filter(|cell| cell.kind.takes_part(cell.workload, cell.size_bytes) && programs.has(cell.kind))
        .collect()
}

fn seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // Never 0, on which the generator below would stand still.
    u64::from(now.subsec_nanos()) << 1 | 1
}

/// Fisher and Yates, with Marsaglia's xorshift64: any order will do, as long as
/// it is another one each round.
fn shuffle<T>(items: &mut [T], state: &mut u64) {
    for last in (1..items.len()).rev() {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        items.swap(last, (*state % (last as u64 + 1)) as usize);
    }
}

struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

/// The figures of all rounds, by cell.
struct Results {
    machine: Machine,
    plan: Plan,
    one_cache_line_ns: Option<f64>,
    two_cache_lines_ns: Option<f64>,
    figures: HashMap<Cell, Vec<Figures>>,
    failures: Vec<String>,
}

impl Results {
    /// The measured cells, in the order of the tables.
    fn cells(&self) -> impl Iterator<Item = Cell> {
        self.plan
            .cells
            .iter()
            .copied()
            .filter(|cell| self.figures.contains_key(cell))
    }

    /// The measured workloads and sizes, in the order of the tables.
    fn groups(&self) -> Vec<(Workload, usize)> {
        let mut groups: Vec<_> = self.cells().map(|cell| (cell.workload, cell.size_bytes)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The placements that were measured, in the order of the tables.
    fn placements(&self) -> Vec<Placement> {
        let measured = |placement: &Placement| self.cells().any(|cell| cell.placement == *placement);
        Placement::ALL.into_iter().filter(measured).collect()
    }

    fn spread(&self, cell: Cell) -> Spread {
        let mut ops_ns = self.column(cell, |figures| Some(figures.op_ns));
        let median = measure::median(&mut ops_ns);
        let at = |index: Option<&f64>| index.copied().unwrap_or(median);
        Spread {
            median,
            min: at(ops_ns.first()),
            max: at(ops_ns.last()),
        }
    }

    fn op_ns(&self, workload: Workload, size_bytes: usize, placement: Placement, kind: Kind) -> Option<f64> {
        let cell = Cell {
            workload,
            size_bytes,
            placement,
            kind,
        };
        self.figures.contains_key(&cell).then(|| self.spread(cell).median)
    }

    fn percentiles(&self, cell: Cell) -> Option<Percentiles> {
        let median = |pick: fn(Percentiles) -> f64| {
            let mut values = self.column(cell, |figures| figures.percentiles.map(pick));
            (!values.is_empty()).then(|| measure::median(&mut values))
        };
        Some(Percentiles {
            p50_ns: median(|percentiles| percentiles.p50_ns)?,
            p99_ns: median(|percentiles| percentiles.p99_ns)?,
            p99_9_ns: median(|percentiles| percentiles.p99_9_ns)?,
        })
    }

    fn column(&self, cell: Cell, pick: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
        self.figures.get(&cell).into_iter().flatten().filter_map(pick).collect()
    }
}

pub(crate) fn run(args: &args::Bench, as_json: bool) -> Result<(), Failure> {
    // Before the work: a file that cannot be written is better known now.
    let mut output = match &args.output {
        Some(path) => Some(File::create(path).map_err(cannot_write(path))?),
        None => None,
    };
    let scratch = Scratch::new()?;
    let results = measure_all(Plan::of(args), scratch.path())?;
    let verdicts = args.targets.then(|| targets::verdicts(&results));
    let document = table::json(&results, verdicts.as_deref());
    if let (Some(file), Some(path)) = (&mut output, &args.output) {
        file.write_all(format!("{document:#}\n").as_bytes())
            .map_err(cannot_write(path))?;
    }
    if let Some(directory) = &args.plots {
        plots::draw(&results, directory)?;
    }
    if as_json {
        output::json(&document)?;
    } else if args.csv {
        output::data(csv::text(&results).as_bytes())?;
    } else {
        output::data(table::text(&results, verdicts.as_deref()).as_bytes())?;
        if args.histogram {
            output::data(histogram::text(&results).as_bytes())?;
        }
    }
    if !results.failures.is_empty() {
        return Err(Failure::Child("some measurements failed".to_owned()));
    }
    let missed = verdicts.iter().flatten().filter(|verdict| !verdict.met).count();
    if args.strict && missed > 0 {
        return Err(Failure::Expectation(format!("{missed} targets were missed")));
    }
    Ok(())
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    Failure::system(format!("write {}", printable(&path.to_string_lossy())))
}

/// A short comparison for the demo: rows of text. On two processors, if there are two.
pub(crate) fn demo_round_trips(directory: &Path) -> Result<Vec<Vec<String>>, Failure> {
    let kinds = [Kind::Npipe, Kind::Seqpacket, Kind::Stream];
    let placement = match Placement::TwoCores.cpus() {
        Some(_) => Placement::TwoCores,
        None => Placement::Free,
    };
    let cell = |kind| Cell {
        workload: Workload::RoundTrip,
        size_bytes: 32,
        placement,
        kind,
    };
    let cells = kinds.map(cell).to_vec();
    let plan = Plan {
        rounds: 3,
        slice_ms: 100,
        clients: 1,
        seed: seed(),
        programs: Programs::default(),
        cells: cells.clone(),
    };
    let results = measure_all(plan, directory)?;
    if let Some(failure) = results.failures.first() {
        return Err(Failure::Child(failure.clone()));
    }
    let own_ns = results.spread(cells[0]).median;
    let row = |cell: &Cell| {
        let op_ns = results.spread(*cell).median;
        vec![
            cell.kind.title().to_owned(),
            format!("{} µs", table::microseconds(op_ns)),
            match cell.kind.is_npipe() {
                true => String::new(),
                false => format!("{} times npipe's", table::significant(op_ns / own_ns)),
            },
        ]
    };
    let head = vec![String::new(), placement.title().to_owned()];
    Ok([head].into_iter().chain(cells.iter().map(row)).collect())
}

fn measure_all(plan: Plan, directory: &Path) -> Result<Results, Failure> {
    let machine = Machine::describe();
    let slice = Duration::from_millis(plan.slice_ms);
    let mut order = plan.cells.clone();
    let mut state = plan.seed;
    let mut lines_ns: [Vec<f64>; 2] = Default::default();
    let mut figures: HashMap<Cell, Vec<Figures>> = HashMap::new();
    let mut failures = Vec::new();
    let mut meeting_places = 0..;
    let mut progress = Progress::new();
    let steps = (plan.rounds as usize * order.len()).max(1);
    for round in 1..=plan.rounds {
        shuffle(&mut order, &mut state);
        if let Some(cpus) = machine::two_cpus() {
            for (lines, times_ns) in (1..).zip(&mut lines_ns) {
                let time_ns = measure::cache_line_round_trip_ns(cpus, lines, slice / 4);
                times_ns.push(time_ns.map_err(Failure::system("measure the cache lines"))?);
            }
        }
        for (at, cell) in order.iter().enumerate() {
            let share = ((round - 1) as usize * order.len() + at) as f64 / steps as f64;
            let rounds = plan.rounds;
            progress.show(Some(share), |_| format!("round {round} of {rounds}, {}", cell.title()));
            let place = directory.join(format!("bench-{}", meeting_places.next().unwrap_or(0u64)));
            match measure_cell(*cell, &plan, place) {
                Ok(outcome) => figures.entry(*cell).or_default().push(outcome),
                Err(failure) => failures.push(format!("{}: {failure}", cell.title())),
            }
        }
    }
    drop(progress);
    let [one, two] = lines_ns.map(|mut ns| (!ns.is_empty()).then(|| measure::median(&mut ns)));
    Ok(Results {
        machine,
        plan,
        one_cache_line_ns: one,
        two_cache_lines_ns: two,
        figures,
        failures,
    })
}

/// A process that does not outlive its measurement.
struct Peer(Child);

impl Peer {
    fn first_line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if let Some(stdout) = self.0.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(Failure::system("hear from a process"))?;
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended in the meantime, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure_cell(cell: Cell, plan: &Plan, place: PathBuf) -> Result<Figures, Failure> {
    DirBuilder::new()
        .mode(0o700)
        .create(&place)
        .map_err(Failure::system("make a meeting place"))?;
    let [server_cpu, client_cpu] = cell.placement.cpus().unwrap_or_default();
    let job = |cpu| Job {
        transport: cell.kind,
        program: plan.programs.of(cell.kind),
        workload: cell.workload,
        size_bytes: cell.size_bytes,
        slice_ms: plan.slice_ms,
        clients: plan.clients,
        cpu,
        directory: place.clone(),
    };
    let (server, ready) = start("server", &job(server_cpu))?;
    if ready != "ready" {
        return Err(Failure::Child("the server process did not start".to_owned()));
    }
    let figures = client_figures(&job(client_cpu), plan.clients);
    drop(server);
    // What it leaves behind goes with the scratch directory at the latest.
    let _ = fs::remove_dir_all(&place);
    figures
}

/// What the clients have measured: of several the median of each figure.
fn client_figures(job: &Job, clients: u32) -> Result<Figures, Failure> {
    // All are started before the first is heard, so that they run together.
    let mut peers = (0..clients)
        .map(|_| spawn("client", job))
        .collect::<Result<Vec<_>, _>>()?;
    let figures = peers.iter_mut().map(|peer| {
        let answer = peer.first_line()?;
        serde_json::from_str(&answer).map_err(|_| Failure::Child("the client process failed".to_owned()))
    });
    Ok(measure::of_all(figures.collect::<Result<Vec<Figures>, _>>()?))
}

/// Starts a process of a measurement and waits for its first line.
fn start(role: &str, job: &Job) -> Result<(Peer, String), Failure> {
    let mut peer = spawn(role, job)?;
    let line = peer.first_line()?;
    Ok((peer, line))
}

fn spawn(role: &str, job: &Job) -> Result<Peer, Failure> {
    let program = std::env::current_exe().map_err(Failure::system("find this program"))?;
    let job = serde_json::to_string(job).map_err(|error| Failure::Child(error.to_string()))?;
    let child = Command::new(program)
        .args(["bench-end", role, &job])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Failure::system("start a process"))?;
    Ok(Peer(child))
}

/// One of the two processes of a measurement.
pub(crate) fn end(role: Role, job: &str) -> Result<(), Failure> {
    let job: Job = serde_json::from_str(job).map_err(|error| Failure::Usage(format!("{error}\n")))?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(io::Error::from)
        .map_err(Failure::system("follow the parent"))?;
    if let Some(cpu) = job.cpu {
        machine::stay_on(cpu).map_err(Failure::system("stay on a processor"))?;
    }
    if let Some(program) = &job.program {
        return Err(Failure::system("start the transport's program")(
            program.exec(role, &job),
        ));
    }
    end_by(Duration::from_millis(job.slice_ms) + PATIENCE);
    match job.transport {
        Kind::Npipe | Kind::NpipeSpinOff | Kind::NpipeByte => end_with::<npipe::Npipe>(role, &job),
        Kind::Seqpacket => end_with::<unix::Seqpacket>(role, &job),
        Kind::Stream => end_with::<unix::Stream>(role, &job),
        Kind::Pipe => end_with::<pipe::Pipe>(role, &job),
        Kind::Tcp => end_with::<tcp::Tcp>(role, &job),
        Kind::SeqpacketEpoll => end_with::<unix::SeqpacketEpoll>(role, &job),
        Kind::CBlocking | Kind::CRoutines | Kind::CPort | Kind::Wine | Kind::ZeroMq | Kind::Iceoryx2 => Err(
            Failure::Usage("the job names no program for its transport\n".to_owned()),
        ),
        Kind::NpipeTokio | Kind::NpipeTokioSpinOff => end_with::<npipe_tokio::NpipeTokio>(role, &job),
        Kind::TokioUnix => end_with::<tokio_unix::TokioUnix>(role, &job),
        Kind::Interprocess => end_with::<interprocess::Interprocess>(role, &job),
    }
}

fn end_with<T: Transport>(role: Role, job: &Job) -> Result<(), Failure> {
    match role {
        Role::Server => {
            // If the parent is gone, so are we in a moment.
            let ready = || drop(output::line(b"ready"));
            T::run(measure::serve::<T>(job, ready)).map_err(Failure::system("serve the measurement"))
        }
        Role::Client => {
            let figures = T::run(measure::drive::<T>(job)).map_err(Failure::system("measure"))?;
            output::line(serde_json::json!(figures).to_string().as_bytes())
        }
    }
}

/// Against a transport that hangs: this process ends by then, whatever it does.
fn end_by(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        output::note("npipe: the measurement hangs");
        process::exit(1);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 21 for round trips, one more for the short ones and 8 of tokio's, 30 and 6 one way, 4 and 3 for connecting.
    #[test]
    fn a_placement_has_all_cells_once() {
        let cells = cells_on(Placement::Free, &Programs::default());
        assert_eq!(cells.len(), 3 * 7 + 1 + 2 * 4 + 5 * 6 + 2 * 3 + 4 + 3);
        let mut unique = std::collections::HashSet::new();
        assert!(cells.iter().all(|cell| unique.insert(*cell)));
    }

    /// The order is another one, the set is the same.
    #[test]
    fn shuffling_loses_nothing() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut items, &mut 12345);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
