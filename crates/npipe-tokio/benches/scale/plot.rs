//! The growth as a picture, which gnuplot draws.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;

/// What a round trip costs, in microseconds, by the number of connections.
pub(crate) struct Line {
    pub(crate) title: String,
    pub(crate) is_main: bool,
    pub(crate) points: Vec<(usize, f64)>,
}

/// Draws `many-connections.png` in the directory.
pub(crate) fn draw(lines: &[Line], directory: &Path) -> Outcome<()> {
    std::fs::create_dir_all(directory)?;
    let mut gnuplot = match Command::new("gnuplot")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .spawn()
    {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("gnuplot is not installed; Debian's package is gnuplot-nox".into());
        }
        other => other?,
    };
    let mut stdin = gnuplot.stdin.take().ok_or("it is piped")?;
    stdin.write_all(script(lines).as_bytes())?;
    drop(stdin);
    match gnuplot.wait()?.success() {
        true => Ok(()),
        false => Err("gnuplot cannot draw many-connections.png".into()),
    }
}

fn script(lines: &[Line]) -> String {
    let mut script = String::from(
        "set terminal pngcairo size 960,560 font 'sans,10' noenhanced\nset output 'many-connections.png'\n\
         set title 'A round trip of 32 bytes with one server thread, in microseconds of its time (less is better)'\n\
         set xlabel 'connections'\nset logscale xy\nset key outside right\nset grid ytics linecolor '#dddddd'\n\
         set border 3\nset tics nomirror\n",
    );
    let mut plots = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(script, "$line{number} << END");
        for (count, cost_us) in &line.points {
            let _ = writeln!(script, "{count} {cost_us:.4}");
        }
        let _ = writeln!(script, "END");
        let width = if line.is_main { 3 } else { 1 };
        plots.push(format!(
            "$line{number} with linespoints linewidth {width} title \"{}\"",
            line.title
        ));
    }
    script + "plot " + &plots.join(", ") + "\n"
}
