//! kill -9 at any moment.
//!
//! A *victim* talks with a *survivor* over a pipe, writes down each call that has returned, on the system's own pipe and
//! after the call, and is killed: by itself or by the survivor, after a number of records and a spin of some length, so
//! that death meets it anywhere in a call. The survivor compares what it read with what was written down, looks at every
//! error, and at what is left of name, descriptors and mappings. What happens in a round is its [`plan`].
//!
//! `NPIPE_KILL_ROUNDS` sets the number of rounds, `NPIPE_KILL_SEED` makes other ones.

mod hunted;
mod plan;
mod round;
pub(crate) mod survivor;
pub(crate) mod victim;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::support::{Place, Process, again, said};
use plan::{ROUNDS_VARIABLE, SEED_VARIABLE, Side, VICTIM_VARIABLE};
use survivor::Figures;

/// Enough to meet each place in each scenario some times.
const ROUNDS: u64 = 1000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// semantics 13, 48, 62-63, 121-124, 126-129, 132, 149, 159, 167-168, 172, 183-189, 206
#[test]
fn whoever_is_killed_the_other_goes_on() {
    let rounds = number("NPIPE_KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("NPIPE_KILL_SEED").unwrap_or(1);
    let places = [Place::new(), Place::new()];
    // Both at once, one for each processor.
    let survivors = [Side::Server, Side::Client].map(|victim| {
        let mut command = again("survivor", places[victim as usize].path());
        command
            .env(VICTIM_VARIABLE, victim.to_string())
            .env(ROUNDS_VARIABLE, (rounds / 2 + rounds % 2 * (victim as u64)).to_string())
            .env(SEED_VARIABLE, seed.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Process(command.spawn().expect("this program can be started again"))
    });
    let mut total = Figures::default();
    for mut survivor in survivors {
        let output = BufReader::new(survivor.0.stdout.take().expect("it is piped"));
        let lines: Vec<String> = output.lines().map_while(Result::ok).collect();
        assert!(survivor.wait().success(), "the survivor failed; it says why above");
        let figures = lines.iter().find_map(|line| said(line)).expect("figures");
        total.add(&figures.parse().expect("figures"));
    }
    // Not by print: the figures are to be seen of a test that passes too.
    writeln!(std::io::stderr(), "{total}").expect("a standard error");
    assert_eq!((total.rounds, total.lost, total.torn), (rounds, 0, 0));
    // One that notices by accident, seconds later, would be late in most rounds; a machine that is busy with other things
    // delays one now and then.
    assert!(total.late <= 1 + rounds / 100, "deaths are noticed too late");
}
