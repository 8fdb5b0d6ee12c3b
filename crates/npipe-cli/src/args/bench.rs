//! The arguments of `npipe bench`, and of the processes that it starts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{Role, brief, finite};

#[derive(Debug, Args)]
#[command(after_help = "\
Each figure is taken by two fresh processes; rounds are shuffled, and the median
round counts. Takes less than five minutes, with --quick half a minute.

With --json, an object
  {npipe: version, machine, plan: {rounds, slice_ms, clients, seed},
   cache_lines: null or {one_ns, two_ns},
   cells: [{workload, size_bytes, pairs, think_us, interval_us, placement,
            transport, op_ns, op_ns_min, op_ns_max, per_second,
            ratio_to_seqpacket,
            percentiles: null or {p50_ns, p99_ns, p99_9_ns},
            processor: null or {server_percent, client_percent}}],
   failures: [text], missing: [transport],
   targets: null or [{what, against, relation, bound, ratio, met}]}
with workload round-trip, one-way or connect; placement two-cores, free,
one-core or shared-cores; times of one operation as medians, least and most of
the rounds; ratios above 1 where the transport is faster than seqpacket. With
several clients or pairs, times are those of one, and per_second is what all do
together.

Round trips are measured under a load as well, which --pairs, --think and
--interval choose: several pairs of processes at once that share two processors;
a server that works before it replies, which the times leave out; requests with
pauses between them, and which share of a processor each process then uses, in
the program and in the system for it.

Npipe is measured as a message pipe, and as a byte pipe too. With --clients round
trips only are measured, by the transports whose server takes several.

With --csv, a line for each cell, with the names of the columns in the first:
  workload,size_bytes,placement,transport,clients,op_ns,op_ns_min,op_ns_max,
  per_second,ratio_to_seqpacket,p50_ns,p99_ns,p99_9_ns,pairs,think_us,
  interval_us,server_percent,client_percent
where what was not measured is empty.

Examples:
  npipe bench --quick --histogram
  npipe bench --clients 8
  npipe bench --pairs 8
  npipe bench --think 20us --histogram
  npipe bench --interval 1ms --csv
  npipe bench --targets --strict --output bench.json
  npipe bench --programs target/bench --plots .
  npipe bench --rounds 9 --slice 500ms --csv > bench.csv")]
pub(crate) struct Bench {
    /// Few, short rounds on the first placement, two cores: a first impression
    #[arg(long)]
    pub(crate) quick: bool,
    /// Compare with the project's targets
    #[arg(long, overrides_with = "targets")]
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
    #[arg(long, value_name = "DIR", overrides_with = "programs")]
    pub(crate) programs: Option<PathBuf>,
    /// Let N clients at a time make round trips with one server, each in a process of its own
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["targets", "plots"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) clients: u32,
    /// Let N pairs of processes make round trips at once, all on the same two processors
    #[arg(long, value_name = "N", group = "load", conflicts_with_all = ["clients", "targets", "plots"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) pairs: Option<u32>,
    /// Let the server work for so long before it replies to a round trip
    #[arg(long, value_name = "DURATION", group = "load", conflicts_with_all = ["clients", "targets", "plots"])]
    #[arg(value_parser = brief)]
    pub(crate) think: Option<Duration>,
    /// Let the client begin a round trip once in so long
    #[arg(long, value_name = "DURATION", group = "load", conflicts_with_all = ["clients", "targets", "plots"])]
    #[arg(value_parser = brief)]
    pub(crate) interval: Option<Duration>,
    /// Draw how long single round trips took
    #[arg(long, conflicts_with_all = ["csv", "json"])]
    pub(crate) histogram: bool,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Write the JSON to FILE as well
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Draw pictures in DIR, round-trip.png, one-way.png, load.png and processor.png; needs gnuplot
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
