//! The project's targets, as ratios within one run, and what became of them.
//!
//! On two pinned processors, or on one. Those that compare with programs which
//! did not take part are left out. What needs a thousand processes is measured elsewhere.

use serde::Serialize;

use super::measure::Workload::{self, Connect, OneWay, RoundTrip};
use super::plan::{Placement, Task};
use super::results::Results;
use super::transport::Kind;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What npipe is held against.
#[derive(Clone, Copy, Debug)]
enum Against {
    Transport(Kind),
    /// The best of all others that copy as well: iceoryx2 hands over memory of its own.
    BestOther,
    /// The raw round trip over two cache lines: npipe may take up to so many times it.
    TwoCacheLines,
}

/// One row: how many times better than the other npipe has to be.
struct Target {
    workload: Workload,
    size_bytes: usize,
    placement: Placement,
    subject: Kind,
    against: Against,
    bound: f64,
}

const fn target(
    workload: Workload,
    size_bytes: usize,
    placement: Placement,
    subject: Kind,
    against: Against,
    bound: f64,
) -> Target {
    Target {
        workload,
        size_bytes,
        placement,
        subject,
        against,
        bound,
    }
}

const SEQPACKET: Against = Against::Transport(Kind::Seqpacket);
const EPOLL: Against = Against::Transport(Kind::SeqpacketEpoll);
const WINE: Against = Against::Transport(Kind::Wine);
const ICEORYX2: Against = Against::Transport(Kind::Iceoryx2);
const ZEROMQ: Against = Against::Transport(Kind::ZeroMq);
const TWO: Placement = Placement::TwoCores;
const ONE: Placement = Placement::OneCore;

const TOKIO_UNIX: Against = Against::Transport(Kind::TokioUnix);

const TARGETS: [Target; 30] = [
    target(RoundTrip, 32, TWO, Kind::Npipe, SEQPACKET, 150.0),
    target(RoundTrip, 32, TWO, Kind::Npipe, Against::TwoCacheLines, 3.0),
    target(RoundTrip, 32, TWO, Kind::NpipeSpinOff, SEQPACKET, 1.05),
    target(RoundTrip, 32, ONE, Kind::Npipe, SEQPACKET, 1.6),
    target(RoundTrip, 32, ONE, Kind::Npipe, Against::Transport(Kind::Pipe), 1.0),
    target(OneWay, 32, TWO, Kind::Npipe, SEQPACKET, 15.0),
    target(OneWay, KIB, TWO, Kind::Npipe, SEQPACKET, 5.5),
    target(OneWay, KIB, TWO, Kind::Npipe, Against::BestOther, 1.0),
    target(OneWay, 4 * KIB, TWO, Kind::Npipe, SEQPACKET, 2.9),
    target(OneWay, 4 * KIB, TWO, Kind::Npipe, Against::BestOther, 1.0),
    target(OneWay, 64 * KIB, TWO, Kind::Npipe, SEQPACKET, 2.0),
    target(OneWay, 64 * KIB, TWO, Kind::Npipe, Against::BestOther, 1.0),
    target(RoundTrip, 64 * KIB, TWO, Kind::Npipe, SEQPACKET, 6.0),
    target(OneWay, MIB, TWO, Kind::Npipe, SEQPACKET, 1.0),
    target(OneWay, MIB, TWO, Kind::Npipe, Against::BestOther, 1.0),
    target(Connect, 32, TWO, Kind::Npipe, SEQPACKET, 0.45),
    target(
        RoundTrip,
        32,
        TWO,
        Kind::CBlocking,
        Against::Transport(Kind::Npipe),
        1.0 / 1.3,
    ),
    target(RoundTrip, 32, TWO, Kind::CRoutines, EPOLL, 50.0),
    target(RoundTrip, 32, ONE, Kind::CRoutines, EPOLL, 1.0),
    target(RoundTrip, 32, TWO, Kind::CPort, EPOLL, 50.0),
    target(RoundTrip, 32, ONE, Kind::CPort, EPOLL, 1.0),
    target(RoundTrip, 32, TWO, Kind::Npipe, WINE, 300.0),
    target(RoundTrip, 32, TWO, Kind::NpipeSpinOff, WINE, 2.5),
    target(Connect, 32, TWO, Kind::Npipe, WINE, 3.0),
    target(RoundTrip, 32, TWO, Kind::Npipe, ICEORYX2, 2.5),
    target(OneWay, 32, TWO, Kind::Npipe, ICEORYX2, 3.0),
    target(OneWay, 32, TWO, Kind::Npipe, ZEROMQ, 2.0),
    target(RoundTrip, 64 * KIB, TWO, Kind::Npipe, ZEROMQ, 1.0),
    target(RoundTrip, 32, TWO, Kind::NpipeTokio, TOKIO_UNIX, 100.0),
    target(RoundTrip, 32, TWO, Kind::NpipeTokioSpinOff, TOKIO_UNIX, 1.0),
];

/// A target held against a run.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) what: String,
    pub(super) against: String,
    /// "at_least" or "at_most".
    pub(super) relation: &'static str,
    pub(super) bound: f64,
    pub(super) ratio: f64,
    pub(super) met: bool,
}

/// Every target whose figures the run has.
pub(super) fn verdicts(results: &Results) -> Vec<Verdict> {
    TARGETS.iter().filter_map(|target| target.verdict(results)).collect()
}

impl Target {
    fn verdict(&self, results: &Results) -> Option<Verdict> {
        let task = Task::alone(self.workload, self.size_bytes);
        let op_ns = |kind| results.op_ns(task, self.placement, kind);
        let own_ns = op_ns(self.subject)?;
        let is_limit = matches!(self.against, Against::TwoCacheLines);
        let (against, other_ns) = match self.against {
            Against::Transport(kind) => (kind.title().to_owned(), op_ns(kind)?),
            Against::TwoCacheLines => ("two cache lines".to_owned(), results.two_cache_lines_ns?),
            Against::BestOther => Kind::ALL
                .into_iter()
                .filter(|&kind| !kind.is_npipe() && kind != Kind::Iceoryx2)
                .filter_map(|kind| Some((format!("the best, {}", kind.title()), op_ns(kind)?)))
                .min_by(|a, b| a.1.total_cmp(&b.1))?,
        };
        let ratio = if is_limit { own_ns / other_ns } else { other_ns / own_ns };
        Some(Verdict {
            what: format!("{}, {}, {}", task.title(), self.placement.title(), self.subject.title()),
            against,
            relation: if is_limit { "at_most" } else { "at_least" },
            bound: self.bound,
            ratio,
            met: if is_limit {
                ratio <= self.bound
            } else {
                ratio >= self.bound
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::machine::Machine;
    use super::super::measure::Figures;
    use super::super::plan::{Cell, Plan};
    use super::super::programs::Programs;
    use super::*;

    /// With made-up figures: a rate, a limit, and a miss.
    #[test]
    fn verdicts_compare_like_with_like() {
        let figure = |kind, op_ns| {
            let cell = Cell {
                task: Task::alone(RoundTrip, 32),
                placement: TWO,
                kind,
            };
            (cell, vec![Figures::of_time(op_ns)])
        };
        let figures = HashMap::from([
            figure(Kind::Npipe, 200.0),
            figure(Kind::NpipeSpinOff, 50_000.0),
            figure(Kind::Seqpacket, 40_000.0),
        ]);
        let results = Results {
            machine: Machine::describe(),
            plan: Plan {
                rounds: 1,
                slice_ms: 1,
                clients: 1,
                seed: 1,
                programs: Programs::default(),
                cells: figures.keys().copied().collect(),
            },
            one_cache_line_ns: Some(80.0),
            two_cache_lines_ns: Some(100.0),
            figures,
            failures: Vec::new(),
        };
        let verdicts = verdicts(&results);
        let told: Vec<_> = verdicts.iter().map(|verdict| (verdict.ratio, verdict.met)).collect();
        assert_eq!(told, [(200.0, true), (2.0, true), (0.8, false)]);
    }
}
