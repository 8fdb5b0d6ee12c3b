//! The arguments of `npipe bench`, and of the processes that it starts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{Role, finite};

#[derive(Debug, Args)]
#[command(after_help = "\
Each figure is taken by two fresh processes; rounds are shuffled, and the median
round counts. Takes about three minutes, with --quick some ten seconds.

With --json, an object
  {npipe: version, machine, plan: {rounds, slice_ms, clients, seed},
   cache_lines: null or {one_ns, two_ns},
   cells: [{workload, size_bytes, placement, transport, op_ns, op_ns_min,
            op_ns_max, per_second, ratio_to_seqpacket,
            percentiles: null or {p50_ns, p99_ns, p99_9_ns}}],
   failures: [text], missing: [transport],
   targets: null or [{what, against, relation, bound, ratio, met}]}
with workload round-trip, one-way or connect; placement two-cores, free or
one-core; times of one operation as medians, least and most of the rounds;
ratios above 1 where the transport is faster than seqpacket. With --clients, times
are those of one client, and per_second is what all do together.

Npipe is measured as a message pipe, and as a byte pipe too. With --clients round
trips only are measured, by the transports whose server takes several.

With --csv, a line for each cell, with the names of the columns in the first:
  workload,size_bytes,placement,transport,clients,op_ns,op_ns_min,op_ns_max,
  per_second,ratio_to_seqpacket,p50_ns,p99_ns,p99_9_ns
where what was not measured is empty.

Examples:
  npipe bench --quick --histogram
  npipe bench --clients 8
  npipe bench --targets --strict --output bench.json
  npipe bench --programs target/bench --plots .
  npipe bench --rounds 9 --slice 500ms --csv > bench.csv")]
pub(crate) struct Bench {
    /// Few, short rounds on the first placement, two cores: a first impression
    #[arg(long)]
    pub(crate) quick: bool,
    /// Compare with the project's targets
    #[arg(long)]
    pub(crate) targets: bool,
    /// End with exit code 9 if a target is missed
    #[arg(long, requires = "targets")]
    pub(crate) strict: bool,
    /// How many rounds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: Option<u32>,
    /// How long each measurement of a round lasts
    #[arg(long, value_name = "DURATION", value_parser = finite)]
    pub(crate) slice: Option<Duration>,
    /// Let the programs in DIR take part: transports that this command does not have in itself
    #[arg(long, value_name = "DIR")]
    pub(crate) programs: Option<PathBuf>,
    /// Let N clients at a time make round trips with one server, each in a process of its own
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["targets", "plots"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) clients: u32,
    /// Draw how long single round trips took
    #[arg(long, conflicts_with_all = ["csv", "json"])]
    pub(crate) histogram: bool,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Write the JSON to FILE as well
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Draw pictures in DIR, round-trip.png and one-way.png; needs gnuplot
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchEnd {
    /// Which end this process is
    pub(crate) role: Role,
    /// The job, as JSON
    pub(crate) job: String,
}
