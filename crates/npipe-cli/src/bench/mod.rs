//! `npipe bench`: npipe beside what the system offers, on this machine, now.
//!
//! A *cell* is a workload of a size, under a load, on a placement by a transport. A *round*
//! measures every cell once, in shuffled order, so that whatever else the
//! machine does falls on all alike. Each measurement takes two fresh processes
//! (this program again, with a hidden subcommand): the server, then the client,
//! which takes the time and prints its figures as JSON. The median over the
//! rounds counts. Only ratios within one run mean anything.

mod cache_lines;
mod csv;
mod histogram;
mod interprocess;
mod load;
mod machine;
mod measure;
mod npipe;
mod npipe_tokio;
mod pipe;
mod plan;
mod plots;
mod processes;
mod programs;
mod results;
mod table;
mod targets;
mod tcp;
mod tokio_unix;
mod transport;
mod unix;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use self::machine::Machine;
use self::measure::{Figures, Workload};
use self::plan::{Cell, Placement, Plan, Task, seed, shuffle};
pub(crate) use self::processes::end;
use self::programs::Programs;
use self::results::Results;
use self::transport::Kind;
use crate::args;
use crate::output;
use crate::progress::Progress;
use crate::report::Failure;
use crate::scratch::Scratch;
use crate::target::printable;

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
    let task = Task::alone(Workload::RoundTrip, 32);
    let cell = |kind| Cell { task, placement, kind };
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
                let time_ns = cache_lines::round_trip_ns(cpus, lines, slice / 4);
                times_ns.push(time_ns.map_err(Failure::system("measure the cache lines"))?);
            }
        }
        for (at, cell) in order.iter().enumerate() {
            let share = ((round - 1) as usize * order.len() + at) as f64 / steps as f64;
            let rounds = plan.rounds;
            progress.show(Some(share), |_| format!("round {round} of {rounds}, {}", cell.title()));
            let place = directory.join(format!("bench-{}", meeting_places.next().unwrap_or(0u64)));
            match processes::measure(*cell, &plan, &place) {
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
