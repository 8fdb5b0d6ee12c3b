//! Instructions, which valgrind counts. Those of a build without optimisation say nothing.

use std::ffi::OsStr;

use crate::counting::watched;
use crate::rounds::{State, Style, Work};
use crate::support::{Place, announce};

const FEW: usize = 1000;
const MANY: usize = 3000;

/// What all of the process takes.
fn total(style: Style, rounds: usize) -> u64 {
    let place = Place::new();
    let work = Work {
        style,
        state: State::OneThread,
        rounds,
    };
    let flags = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];
    let said = watched("valgrind", flags.map(OsStr::new).into_iter(), work, place.path());
    let figure = said.lines().find_map(|line| line.split_once("refs:"));
    let (_, figure) = figure.unwrap_or_else(|| panic!("valgrind tells the number of instructions: {said}"));
    figure.trim().replace(',', "").parse().expect("a number")
}

/// A tenth above what was measured: other compilers make other code of it, and a call more in the path shows. Far below it
/// the bound has outlived its use.
///
/// No rule: it is about speed.
#[test]
fn a_round_trip_takes_so_many_instructions() {
    let measured = [
        (Style::Blocking, 2080),
        (Style::Operations, 4719),
        (Style::Routines, 5112),
        (Style::Port, 4253),
    ];
    let counted = measured.map(|(style, measured)| {
        let count = (total(style, MANY) - total(style, FEW)) / (MANY - FEW) as u64;
        announce(&format!("{style:?}: {count} instructions for a round trip"));
        (style, measured, count)
    });
    for (style, measured, count) in counted {
        let (least, most) = (measured * 7 / 10, measured * 11 / 10);
        assert!(
            (least..=most).contains(&count),
            "{style:?}: {count} instructions, not {least} to {most}"
        );
    }
}
