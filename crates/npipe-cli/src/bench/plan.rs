//! What is measured: the cells, and the order of a round.

use std::time::SystemTime;

use serde::Serialize;

use super::load::{self, Load};
use super::machine;
use super::measure::Workload;
use super::programs::Programs;
use super::transport::Kind;
use crate::args;

const ROUND_TRIP_SIZES: [usize; 3] = [32, 1 << 10, 64 << 10];
pub(super) const ONE_WAY_SIZES: [usize; 5] = [32, 1 << 10, 4 << 10, 64 << 10, 1 << 20];
/// What waits in tokio is measured with the smallest and with large blocks: the
/// rest lies between.
pub(super) const ASYNCHRONOUS_SIZES: [usize; 2] = [32, 64 << 10];
/// Of the blocks that a connection exchanges.
const CONNECT_SIZE: usize = 32;

/// Where the processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Placement {
    /// Server and client each pinned to a processor of its own.
    TwoCores,
    /// Where the system likes.
    Free,
    /// Both pinned to the same processor.
    OneCore,
    /// All of them on the same two processors, where the system likes among these.
    SharedCores,
}

impl Placement {
    pub(super) const ALL: [Placement; 4] = [
        Placement::TwoCores,
        Placement::Free,
        Placement::OneCore,
        Placement::SharedCores,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Placement::TwoCores => "two cores",
            Placement::Free => "free",
            Placement::OneCore => "one core",
            Placement::SharedCores => "two cores, shared",
        }
    }

    /// The processors of server and client, none for any; nothing where the machine has too few.
    pub(super) fn cpus(self) -> Option<[Vec<usize>; 2]> {
        match self {
            Placement::TwoCores => machine::two_cpus().map(|cpus| cpus.map(|cpu| vec![cpu])),
            Placement::Free => Some([Vec::new(), Vec::new()]),
            Placement::OneCore => machine::one_cpu().map(|cpu| [vec![cpu], vec![cpu]]),
            Placement::SharedCores => machine::two_cpus().map(|cpus| [cpus.to_vec(), cpus.to_vec()]),
        }
    }

    /// Pairs of processes share two processors, and nobody else does.
    const fn suits(self, load: Load) -> bool {
        matches!(self, Placement::SharedCores) == matches!(load, Load::Pairs(_))
    }
}

/// What two processes do: a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Task {
    /// Of round trips only; first, so that the tables of a load come after the others.
    pub(super) load: Load,
    pub(super) workload: Workload,
    pub(super) size_bytes: usize,
}

impl Task {
    pub(super) const fn alone(workload: Workload, size_bytes: usize) -> Task {
        Task {
            load: Load::Alone,
            workload,
            size_bytes,
        }
    }

    /// "round trip 32 B, 8 pairs".
    pub(super) fn title(self) -> String {
        let size = match self.size_bytes {
            bytes @ ..1024 => format!("{bytes} B"),
            bytes @ 1024..1_048_576 => format!("{} KiB", bytes >> 10),
            bytes => format!("{} MiB", bytes >> 20),
        };
        let title = match self.workload {
            Workload::RoundTrip => format!("round trip {size}"),
            Workload::OneWay => format!("one way {size}"),
            Workload::Connect => "connect, exchange, close".to_owned(),
        };
        match self.load.title() {
            Some(load) => format!("{title}, {load}"),
            None => title,
        }
    }

    /// Whether a rate tells more than the time of one operation.
    pub(super) fn is_rate(self) -> bool {
        self.workload != Workload::RoundTrip || matches!(self.load, Load::Pairs(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    pub(super) task: Task,
    pub(super) placement: Placement,
    pub(super) kind: Kind,
}

impl Cell {
    /// Whether it can be measured with several clients at a time.
    fn is_for_clients(&self) -> bool {
        let is_plain = self.task.workload == Workload::RoundTrip && self.task.load == Load::Alone;
        is_plain && self.kind.takes_clients()
    }

    pub(super) fn title(self) -> String {
        format!(
            "{}, {}, {}",
            self.task.title(),
            self.placement.title(),
            self.kind.title()
        )
    }
}

pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) slice_ms: u64,
    /// How many clients one server has at a time; with more than one, round trips only.
    pub(super) clients: u32,
    pub(super) seed: u64,
    pub(super) programs: Programs,
    pub(super) cells: Vec<Cell>,
}

impl Plan {
    pub(super) fn of(args: &args::Bench) -> Plan {
        let (rounds, slice_ms) = if args.quick { (3, 60) } else { (5, 200) };
        let programs = Programs::in_directory(args.programs.clone());
        let tasks = match Load::asked_for(args) {
            Load::Alone => usual_tasks(),
            load => round_trips(load).collect(),
        };
        let cells = tasks.into_iter().flat_map(|task| {
            let suitable = Placement::ALL
                .into_iter()
                .filter(move |placement| placement.suits(task.load) && placement.cpus().is_some());
            // Beside what is plain, loads are measured where they tell most.
            let is_brief = args.quick || Load::asked_for(args) != task.load;
            suitable
                .take(if is_brief { 1 } else { Placement::ALL.len() })
                .flat_map(move |placement| Kind::ALL.map(|kind| Cell { task, placement, kind }))
        });
        Plan {
            rounds: args.rounds.unwrap_or(rounds),
            slice_ms: args.slice.map_or(slice_ms, |slice| slice.as_millis() as u64),
            clients: args.clients,
            seed: seed(),
            cells: cells
                .filter(|cell| cell.kind.takes_part(cell.task) && programs.has(cell.kind))
                .filter(|cell| args.clients == 1 || cell.is_for_clients())
                .collect(),
            programs,
        }
    }
}

fn round_trips(load: Load) -> impl Iterator<Item = Task> {
    ROUND_TRIP_SIZES.into_iter().map(move |size_bytes| Task {
        load,
        ..Task::alone(Workload::RoundTrip, size_bytes)
    })
}

/// What is measured unless a load is asked for, in the order of the tables.
fn usual_tasks() -> Vec<Task> {
    let one_way = ONE_WAY_SIZES.map(|size_bytes| Task::alone(Workload::OneWay, size_bytes));
    let loads = load::USUAL.map(|load| Task {
        load,
        ..Task::alone(Workload::RoundTrip, ROUND_TRIP_SIZES[0])
    });
    round_trips(Load::Alone)
        .chain(one_way)
        .chain([Task::alone(Workload::Connect, CONNECT_SIZE)])
        .chain(loads)
        .collect()
}

pub(super) fn seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // Never 0, on which the generator below would stand still.
    u64::from(now.subsec_nanos()) << 1 | 1
}

/// Fisher and Yates, with Marsaglia's xorshift64: any order will do, as long as
/// it is another one each round.
pub(super) fn shuffle<T>(items: &mut [T], state: &mut u64) {
    for last in (1..items.len()).rev() {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        items.swap(last, (*state % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        bench: args::Bench,
        /// Of the whole command, and known to the bench's options.
        #[arg(long)]
        json: bool,
    }

    fn cells(words: &[&str]) -> Vec<Cell> {
        let words = ["bench"].iter().chain(words);
        let words = Words::try_parse_from(words).expect("words of ours");
        assert!(!words.json);
        Plan::of(&words.bench).cells
    }

    /// 21 for round trips, one more for the short ones and 8 of tokio's, 30 and 6 one way, 4 and 3 for connecting; and
    /// five for each load, on one placement.
    #[test]
    fn a_placement_has_all_cells_once() {
        let cells = cells(&[]);
        let loaded = cells.iter().filter(|cell| cell.task.load != Load::Alone).count();
        let placements: HashSet<_> = cells.iter().map(|cell| cell.placement).collect();
        // Two processors that are shared are for loads alone, and loads need them.
        match placements.contains(&Placement::SharedCores) {
            true => assert_eq!((placements.len(), loaded), (4, 6 * 5)),
            false => assert_eq!((placements.len(), loaded), (2, 4 * 5)),
        }
        let of_free = cells
            .iter()
            .filter(|cell| cell.placement == Placement::Free && cell.task.load == Load::Alone);
        assert_eq!(of_free.count(), 3 * 7 + 1 + 2 * 4 + 5 * 6 + 2 * 3 + 4 + 3);
        let mut unique = HashSet::new();
        assert!(cells.iter().all(|cell| unique.insert(*cell)));
    }

    /// A load that is asked for takes the place of all else.
    #[test]
    fn a_load_is_for_round_trips() {
        let cells = cells(&["--think", "7us"]);
        let placements = Placement::ALL.iter().filter(|placement| placement.suits(Load::Alone));
        let possible = placements.filter(|placement| placement.cpus().is_some()).count();
        assert_eq!(cells.len(), possible * ROUND_TRIP_SIZES.len() * 5);
        assert!(cells.iter().all(|cell| cell.task.load == Load::Think { us: 7 }));
        assert_eq!(cells[0].task.title(), "round trip 32 B, after 7 µs of work");
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
