//! The figures of a run, by cell; what counts is the median over the rounds.

use std::collections::HashMap;

use super::machine::Machine;
use super::measure::{self, Figures, Percentiles};
use super::plan::{Cell, Placement, Plan, Task};
use super::transport::Kind;

pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// The figures of all rounds, by cell.
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) one_cache_line_ns: Option<f64>,
    pub(super) two_cache_lines_ns: Option<f64>,
    pub(super) figures: HashMap<Cell, Vec<Figures>>,
    pub(super) failures: Vec<String>,
}

impl Results {
    /// The measured cells, in the order of the tables.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.plan
            .cells
            .iter()
            .copied()
            .filter(|cell| self.figures.contains_key(cell))
    }

    /// What was measured, in the order of the tables.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<_> = self.cells().map(|cell| cell.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }

    /// The placements on which it was measured, in the order of the tables.
    pub(super) fn placements(&self, task: Task) -> Vec<Placement> {
        let measured = |placement: &Placement| {
            self.cells()
                .any(|cell| cell.placement == *placement && cell.task == task)
        };
        Placement::ALL.into_iter().filter(measured).collect()
    }

    pub(super) fn spread(&self, cell: Cell) -> Spread {
        let mut ops_ns = self.column(cell, |figures| Some(figures.op_ns));
        let median = measure::median(&mut ops_ns);
        let at = |index: Option<&f64>| index.copied().unwrap_or(median);
        Spread {
            median,
            min: at(ops_ns.first()),
            max: at(ops_ns.last()),
        }
    }

    pub(super) fn op_ns(&self, task: Task, placement: Placement, kind: Kind) -> Option<f64> {
        let cell = Cell { task, placement, kind };
        self.figures.contains_key(&cell).then(|| self.spread(cell).median)
    }

    /// How many times faster than seqpacket.
    pub(super) fn ratio(&self, cell: Cell) -> Option<f64> {
        let own_ns = self.op_ns(cell.task, cell.placement, cell.kind)?;
        let other_ns = self.op_ns(cell.task, cell.placement, Kind::Seqpacket)?;
        Some(other_ns / own_ns)
    }

    /// Operations of all clients and pairs together.
    pub(super) fn per_second(&self, cell: Cell) -> f64 {
        let together = self.plan.clients * cell.task.load.pairs();
        f64::from(together) * 1e9 / self.spread(cell).median
    }

    pub(super) fn percentiles(&self, cell: Cell) -> Option<Percentiles> {
        let median = |pick: fn(Percentiles) -> f64| self.median(cell, |figures| figures.percentiles.map(pick));
        Some(Percentiles {
            p50_ns: median(|percentiles| percentiles.p50_ns)?,
            p99_ns: median(|percentiles| percentiles.p99_ns)?,
            p99_9_ns: median(|percentiles| percentiles.p99_9_ns)?,
        })
    }

    /// Which share of a processor server and client have used, in percent.
    pub(super) fn processor_percent(&self, cell: Cell) -> Option<[f64; 2]> {
        Some([
            self.median(cell, |figures| figures.server_percent)?,
            self.median(cell, |figures| figures.client_percent)?,
        ])
    }

    fn median(&self, cell: Cell, pick: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        let mut values = self.column(cell, pick);
        (!values.is_empty()).then(|| measure::median(&mut values))
    }

    fn column(&self, cell: Cell, pick: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
        self.figures.get(&cell).into_iter().flatten().filter_map(pick).collect()
    }
}
