//! The results as pictures, which gnuplot draws.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::load::Load;
use super::measure::Workload;
use super::plan::{Cell, ONE_WAY_SIZES, Placement, Task};
use super::results::Results;
use super::transport::Kind;
use crate::report::Failure;
use crate::target::printable;

/// Draws `round-trip.png`, `one-way.png`, `load.png` and `processor.png` in the directory, which is made if need be.
pub(super) fn draw(results: &Results, directory: &Path) -> Result<(), Failure> {
    let shown = printable(&directory.to_string_lossy());
    fs::create_dir_all(directory).map_err(Failure::system(format!("make {shown}")))?;
    for (file, script) in [
        ("round-trip.png", round_trip(results)),
        ("one-way.png", one_way(results)),
        ("load.png", load(results)),
        ("processor.png", processor(results)),
    ] {
        let output = Command::new("gnuplot")
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|mut gnuplot| {
                if let Some(stdin) = &mut gnuplot.stdin {
                    write!(stdin, "{}set output '{file}'\n{script}", head(results))?;
                }
                gnuplot.wait_with_output()
            });
        let output = output.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                Failure::Child("gnuplot is not installed; Debian's package is gnuplot-nox".into())
            }
            _ => Failure::system("start gnuplot")(source),
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::Child(format!(
                "gnuplot cannot draw {file}: {}",
                printable(said.trim())
            )));
        }
    }
    Ok(())
}

fn head(results: &Results) -> String {
    let machine = results.machine.line().replace(['\'', '\\'], " ");
    format!(
        "set terminal pngcairo size 960,560 font 'sans,10' noenhanced\n\
         set label 1 '{machine}' at screen 0.5,0.02 center font 'sans,8' textcolor '#666666'\n\
         set bmargin 5\nset grid ytics linecolor '#dddddd'\nset border 3\nset tics nomirror\n"
    )
}

/// The time of a short round trip by transport and placement.
fn round_trip(results: &Results) -> String {
    let task = Task::alone(Workload::RoundTrip, 32);
    let placements = results.placements(task);
    let rows = Kind::ALL.map(|kind| {
        let times_ns = placements.iter().map(|&placement| results.op_ns(task, placement, kind));
        let times_us: Row = times_ns.map(|ns| ns.map(|ns| ns / 1e3)).collect();
        (kind.title().to_owned(), times_us)
    });
    let series: Vec<_> = placements.iter().map(|placement| placement.title()).collect();
    let settings = "set title 'Round trip of 32 bytes between two processes, in microseconds (less is better)'\n\
                    set logscale y\nset yrange [0.1:*]\n";
    bars(settings, &series, &rows)
}

/// How many times faster than seqpacket under each load.
fn load(results: &Results) -> String {
    let tasks: Vec<Task> = results
        .tasks()
        .into_iter()
        .filter(|task| task.load != Load::Alone)
        .collect();
    let has_load = |kind: &Kind| {
        results
            .cells()
            .any(|cell| cell.kind == *kind && tasks.contains(&cell.task))
    };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(has_load).collect();
    let rows: Vec<_> = tasks
        .iter()
        .map(|&task| {
            let placement = results.placements(task).first().copied().unwrap_or(Placement::Free);
            let ratios = kinds.iter().map(|&kind| results.ratio(Cell { task, placement, kind }));
            (task.load.title().unwrap_or_default(), ratios.collect::<Row>())
        })
        .collect();
    let series: Vec<_> = kinds.iter().map(|kind| kind.title()).collect();
    let settings = "set title 'Round trips of 32 bytes, how many times as fast as by Unix seqpacket (more is better)'\n\
                    set logscale y\n";
    bars(settings, &series, &rows)
}

/// What rare requests cost.
fn processor(results: &Results) -> String {
    let is_spaced = |task: &Task| matches!(task.load, Load::Interval { .. });
    let task = results.tasks().into_iter().find(is_spaced);
    let rows: Vec<_> = results
        .cells()
        .filter(|cell| Some(cell.task) == task)
        .map(|cell| {
            let shares = results.processor_percent(cell).map(|shares| shares.map(Some).to_vec());
            (cell.kind.title().to_owned(), Row::from(shares.unwrap_or_default()))
        })
        .collect();
    let every = task.and_then(|task| task.load.title()).unwrap_or_default();
    let settings = format!(
        "set title 'Round trips of 32 bytes, {every}: percent of a processor (less is better)'\nset yrange [0:*]\n"
    );
    bars(&settings, &["server", "client"], &rows)
}

/// A value of each series, where there is one.
type Row = Vec<Option<f64>>;

/// A cluster of bars for each row, with a bar for each series; rows without a value are left out.
fn bars(settings: &str, series: &[&str], rows: &[(String, Row)]) -> String {
    let mut script = String::from("$rows << END\n");
    for (title, values) in rows.iter().filter(|(_, values)| values.iter().any(Option::is_some)) {
        let values = values
            .iter()
            .map(|value| value.map_or("NaN".to_owned(), |value| format!("{value:.4}")));
        // Writing to a String cannot fail.
        let _ = writeln!(script, "\"{title}\" {}", values.collect::<Vec<_>>().join(" "));
    }
    let _ = write!(
        script,
        "END\n{settings}set style data histogram\nset style histogram clustered gap 1\n\
         set style fill solid 0.85 noborder\nset xtics rotate by -25\nset rmargin 8\nset bmargin 8\nset key top left\nplot "
    );
    let plots = (2..).zip(series).map(|(column, title)| {
        let labels = if column == 2 { ":xtic(1)" } else { "" };
        format!("$rows using {column}{labels} title '{title}'")
    });
    script + &plots.collect::<Vec<_>>().join(", ") + "\n"
}

/// Lines: bytes per second by the size of a block, on the first placement.
fn one_way(results: &Results) -> String {
    let placements = results.placements(Task::alone(Workload::OneWay, ONE_WAY_SIZES[0]));
    let placement = placements.first().copied().unwrap_or(Placement::Free);
    let mut script = String::new();
    let mut plots = Vec::new();
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let mut rows = String::new();
        for size_bytes in ONE_WAY_SIZES {
            if let Some(op_ns) = results.op_ns(Task::alone(Workload::OneWay, size_bytes), placement, kind) {
                let _ = writeln!(rows, "{size_bytes} {:.6}", size_bytes as f64 / op_ns);
            }
        }
        if !rows.is_empty() {
            let _ = write!(script, "$rate{number} << END\n{rows}END\n");
            let width = if kind == Kind::Npipe { 3 } else { 1 };
            plots.push(format!(
                "$rate{number} with linespoints linewidth {width} title \"{}\"",
                kind.title()
            ));
        }
    }
    let _ = writeln!(
        script,
        "set title 'One way, {}, gigabytes per second by the size of a block (more is better)'\n\
         set logscale xy\nset key outside right\n\
         set xtics ('32 B' 32, '1 KiB' 1024, '4 KiB' 4096, '64 KiB' 65536, '1 MiB' 1048576)\nplot {}",
        placement.title(),
        plots.join(", ")
    );
    script
}
