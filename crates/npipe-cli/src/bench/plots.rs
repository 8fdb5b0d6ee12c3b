//! The results as pictures, which gnuplot draws.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::measure::Workload;
use super::transport::Kind;
use super::{ONE_WAY_SIZES, Placement, Results};
use crate::report::Failure;
use crate::target::printable;

/// Draws `round-trip.png` and `one-way.png` in the directory, which is made if need be.
pub(super) fn draw(results: &Results, directory: &Path) -> Result<(), Failure> {
    let shown = printable(&directory.to_string_lossy());
    fs::create_dir_all(directory).map_err(Failure::system(format!("make {shown}")))?;
    for (file, script) in [
        ("round-trip.png", round_trip(results)),
        ("one-way.png", one_way(results)),
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

/// Bars: the time of a short round trip by transport and placement.
fn round_trip(results: &Results) -> String {
    let placements = results.placements();
    let mut script = String::from("$times << END\n");
    for kind in Kind::ALL {
        let times = placements
            .iter()
            .map(|&placement| results.op_ns(Workload::RoundTrip, 32, placement, kind));
        let columns: Vec<_> = times
            .map(|ns| ns.map_or("NaN".to_owned(), |ns| format!("{:.4}", ns / 1e3)))
            .collect();
        if columns.iter().any(|column| column != "NaN") {
            // Writing to a String cannot fail.
            let _ = writeln!(script, "\"{}\" {}", kind.title(), columns.join(" "));
        }
    }
    script.push_str(
        "END\nset title 'Round trip of 32 bytes between two processes, in microseconds (less is better)'\n\
         set logscale y\nset style data histogram\nset style histogram clustered gap 1\nset style fill solid 0.85 noborder\n\
         set xtics rotate by -25\nset rmargin 8\nset bmargin 8\nset key top left\nset yrange [0.1:*]\nplot ",
    );
    let plots = (2..).zip(&placements).map(|(column, placement)| {
        let labels = if column == 2 { ":xtic(1)" } else { "" };
        format!("$times using {column}{labels} title '{}'", placement.title())
    });
    script + &plots.collect::<Vec<_>>().join(", ") + "\n"
}

/// Lines: bytes per second by the size of a block, on the first placement.
fn one_way(results: &Results) -> String {
    let placement = results.placements().first().copied().unwrap_or(Placement::Free);
    let mut script = String::new();
    let mut plots = Vec::new();
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let mut rows = String::new();
        for size_bytes in ONE_WAY_SIZES {
            if let Some(op_ns) = results.op_ns(Workload::OneWay, size_bytes, placement, kind) {
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
