//! The command line: what can be typed, and its meaning as values.
//!
//! Durations are typed with their unit (`500ms`, `2s`, `1m`) or as `forever`;
//! a bare number would leave open whether it is milliseconds, as in Win32.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;
use crate::report::Failure;

/// Windows named pipes from the shell.
///
/// A NAME is typed as NAME, \\.\pipe\NAME or //./pipe/NAME, in any case.
/// Data goes to standard output, everything else to standard error.
/// A duration is 500ms, 2s, 1m or forever.
///
/// Servers and clients meet in a directory: $NPIPE_ROOT if that is set, else
/// /run/npipe if that exists, else one of the user's own, /run/user/UID/npipe
/// or /tmp/npipe-UID.
#[derive(Debug, Parser)]
#[command(name = "npipe", version, after_help = exit::HELP)]
pub(crate) struct Cli {
    /// Print list, info, bench and errors as JSON, and failures as one JSON object on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show real processes talking over a named pipe, then how fast it is
    #[command(after_help = "Example:\n  npipe demo")]
    Demo,
    /// Serve a name: print what arrives, and answer it if asked to
    Serve(Serve),
    /// Join a pipe to this terminal: stdin goes in, what comes goes to stdout
    Connect(Connect),
    /// Send one message, print the one that answers it
    Call(Call),
    /// Wait until an instance of a pipe is free to be opened
    Wait(Wait),
    /// List the pipes that are served
    #[command(after_help = LIST_HELP)]
    List,
    /// Show one pipe and its instances, without opening it
    #[command(after_help = INFO_HELP)]
    Info {
        /// The pipe
        name: OsString,
    },
    /// Explain an error code or name, or all of them
    #[command(after_help = ERRORS_HELP)]
    Errors {
        /// A Win32 code (231), a Win32 name (ERROR_PIPE_BUSY) or an NT name (STATUS_PIPE_BUSY)
        error: Option<String>,
    },
    /// Measure pipes beside sockets, system pipes and TCP on this machine
    Bench(Bench),

    /// The server process of the demo
    #[command(hide = true)]
    DemoServer {
        /// End after that many clients
        #[arg(long)]
        clients: usize,
    },
    /// One client process of the demo
    #[command(hide = true)]
    DemoClient {
        /// Who speaks
        #[arg(long)]
        who: String,
        /// What is asked, one message each
        requests: Vec<String>,
    },
    /// One process of a measurement
    #[command(hide = true)]
    BenchEnd {
        /// Which end this process is
        role: Role,
        /// The job, as JSON
        job: String,
    },
}

const LIST_HELP: &str = "\
With --json, an array of
  {name, path, mode, owner_uid, server_pid, answering, instances, max_instances};
max_instances is 255 for unlimited, and what a server that does not answer did
not tell is null. A name that is not well-formed UTF-16 has name_units as well.

Examples:
  npipe list
  npipe list --json | jq -r '.[].name'";

const INFO_HELP: &str = "\
With --json, an object
  {name, path, mode, direction, instance_count, max_instances,
   default_timeout_ms, owner_uid, server_pid, access, instances:
   [{state, server_pid, in_buffer_bytes, out_buffer_bytes,
     client: null or {pid, uid, gid, process}}]}
with mode byte or message; direction inbound (from client to server), outbound
or duplex; state listening, connected, closing or disconnected.

Examples:
  npipe info room
  npipe info room --json | jq .instances";

const ERRORS_HELP: &str = "\
With --json, an array of
  {win32, name, ntstatus, nt_name, errno, message, hint}.
A failure of any command is, with --json, an object {win32, name, message, hint}
on stderr; win32 and name are null if it is not the failure of a pipe.

Examples:
  npipe errors 231
  npipe errors STATUS_PIPE_BROKEN";

/// The two processes of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Server,
    Client,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Serves until interrupted, a thread for each client. On a message pipe each
message that arrives becomes a line on stdout; on a byte pipe the bytes are
printed as they come. Comings and goings are told on stderr.

Examples:
  npipe serve room
  npipe serve room --echo --max-instances 4
  npipe serve room --reply 'not today' --clients 1
  npipe serve log --byte > log.txt")]
pub(crate) struct Serve {
    /// The name to serve
    pub(crate) name: OsString,
    /// Serve a message pipe: each write is a message (the default)
    #[arg(long, conflicts_with = "byte")]
    pub(crate) message: bool,
    /// Serve a byte pipe: a stream without boundaries
    #[arg(long)]
    pub(crate) byte: bool,
    /// How many clients at a time: 1 to 254, or 'unlimited'
    #[arg(long, value_name = "N", default_value = "unlimited")]
    pub(crate) max_instances: MaxInstances,
    /// Answer everything that arrives with TEXT
    #[arg(long, value_name = "TEXT", conflicts_with = "echo")]
    pub(crate) reply: Option<String>,
    /// Answer everything that arrives with itself
    #[arg(long)]
    pub(crate) echo: bool,
    /// Refuse to start if the name is served already
    #[arg(long)]
    pub(crate) first: bool,
    /// End, with 0, when that many clients have come and gone
    #[arg(long, value_name = "N")]
    pub(crate) clients: Option<usize>,
    /// Say nothing on stderr but failures
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
On a message pipe each line of stdin is a message and each message that comes is
printed as a line; on a byte pipe, or with --byte, bytes are passed as they are.

A pipe has no half-close: at the end of stdin the client waits until the server
has read everything, goes on printing until the server closes or nothing has
come for the --linger time, and then closes.

Examples:
  npipe connect room
  npipe connect room --wait 2s
  echo hello | npipe connect room --linger 0s
  npipe connect log --byte --write-only < log.txt")]
pub(crate) struct Connect {
    /// The pipe to open
    pub(crate) name: OsString,
    /// If all instances are busy, wait that long for one
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<Limit>,
    /// Treat a message pipe as a stream of bytes
    #[arg(long)]
    pub(crate) byte: bool,
    /// How long to listen on in silence after the end of stdin
    #[arg(long, value_name = "DURATION", default_value = "500ms")]
    pub(crate) linger: Limit,
    /// Open for reading only, as a stream of bytes; stdin is left alone
    #[arg(long, conflicts_with = "write_only")]
    pub(crate) read_only: bool,
    /// Open for writing only
    #[arg(long)]
    pub(crate) write_only: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without DATA the message is everything on stdin. The reply is printed as it is;
a newline is added on a terminal only.

Examples:
  npipe call room hello
  npipe call room hello --timeout 500ms --max-reply 100
  npipe call health ping --expect pong
  npipe call upload < request.bin > reply.bin")]
pub(crate) struct Call {
    /// The pipe: a message pipe
    pub(crate) name: OsString,
    /// The message
    pub(crate) data: Option<OsString>,
    /// How long to wait for a free instance, and then for the reply
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) timeout: Limit,
    /// The longest reply to take, in bytes; what is longer is cut, with exit code 8
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = clap::value_parser!(u32).range(..=1 << 30))]
    pub(crate) max_reply: u32,
    /// End with exit code 9 unless the reply is exactly TEXT
    #[arg(long, value_name = "TEXT")]
    pub(crate) expect: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
As WaitNamedPipe: a name that nobody serves ends the wait at once, with exit
code 3; a success reserves nothing; 0s waits as long as the pipe's server says.

Examples:
  npipe wait room
  npipe wait room --timeout 2s && npipe call room hello")]
pub(crate) struct Wait {
    /// The pipe
    pub(crate) name: OsString,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "forever")]
    pub(crate) timeout: Limit,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each figure is taken by two fresh processes; rounds are shuffled, and the median
round counts. Takes about three minutes, with --quick some ten seconds.

With --json, an object
  {npipe: version, machine, plan: {rounds, slice_ms, seed},
   cache_lines: null or {one_ns, two_ns},
   cells: [{workload, size_bytes, placement, transport, op_ns, op_ns_min,
            op_ns_max, per_second, ratio_to_seqpacket,
            percentiles: null or {p50_ns, p99_ns, p99_9_ns}}],
   failures: [text], missing: [transport],
   targets: null or [{what, against, relation, bound, ratio, met}]}
with workload round-trip, one-way or connect; placement two-cores, free or
one-core; times of one operation as medians, least and most of the rounds;
ratios above 1 where the transport is faster than seqpacket.

Examples:
  npipe bench --quick
  npipe bench --targets --output bench.json
  npipe bench --rounds 9 --slice 500ms --json")]
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
    /// Draw pictures in DIR, round-trip.png and one-way.png; needs gnuplot
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
    /// Write the JSON to FILE as well
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    For(Duration),
    Forever,
}

impl Limit {
    /// The duration, or nothing for a wait without end.
    pub(crate) fn duration(self) -> Option<Duration> {
        match self {
            Limit::For(duration) => Some(duration),
            Limit::Forever => None,
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        if text == "forever" {
            return Ok(Limit::Forever);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "" => return Err("the unit is missing: 500ms, 2s, 1m or forever".to_owned()),
            _ => return Err("a duration is 500ms, 2s, 1m or forever".to_owned()),
        };
        let count: u64 = count
            .parse()
            .map_err(|_| "a duration is a whole number and a unit: 500ms, 2s, 1m".to_owned())?;
        // Win32 counts a wait in 32 bits of milliseconds; more is for ever.
        let ms = count.checked_mul(unit_ms).filter(|ms| *ms < u64::from(u32::MAX));
        ms.map(|ms| Limit::For(Duration::from_millis(ms)))
            .ok_or_else(|| "longer than 49 days: type forever".to_owned())
    }
}

/// A duration that is neither nothing nor for ever.
fn finite(text: &str) -> Result<Duration, String> {
    match text.parse()? {
        Limit::For(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("at least 1ms, and not forever".to_owned()),
    }
}

/// The limit of instances (semantics 22-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaxInstances {
    Limited(usize),
    Unlimited,
}

impl FromStr for MaxInstances {
    type Err = String;

    fn from_str(text: &str) -> Result<MaxInstances, String> {
        if text == "unlimited" {
            return Ok(MaxInstances::Unlimited);
        }
        match text.parse() {
            Ok(count @ 1..=254) => Ok(MaxInstances::Limited(count)),
            _ => Err("1 to 254, or unlimited".to_owned()),
        }
    }
}

/// Whether `--json` stands among the options, wherever.
pub(crate) fn wants_json(mut words: impl Iterator<Item = OsString>) -> bool {
    // What follows "--" is data.
    words
        .by_ref()
        .take_while(|word| word != "--")
        .any(|word| word == "--json")
}

/// Parses the command line; nothing if it asked for help, which is then printed.
pub(crate) fn parse() -> Result<Option<Cli>, Failure> {
    match Cli::try_parse() {
        Ok(cli) => Ok(Some(cli)),
        Err(error) if error.use_stderr() => Err(Failure::Usage(error.render().to_string())),
        Err(help) => {
            crate::output::line(help.render().to_string().trim_end().as_bytes())?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// And nothing but whole numbers of them.
    #[test]
    fn durations_have_units() {
        assert_eq!("500ms".parse(), Ok(Limit::For(Duration::from_millis(500))));
        assert_eq!("2s".parse(), Ok(Limit::For(Duration::from_secs(2))));
        assert_eq!("1m".parse(), Ok(Limit::For(Duration::from_secs(60))));
        assert_eq!("0s".parse(), Ok(Limit::For(Duration::ZERO)));
        assert_eq!("forever".parse(), Ok(Limit::Forever));
        for bad in [
            "",
            "5",
            "ms",
            "-1s",
            "1.5s",
            "2h",
            "1 s",
            "99999999999999999999s",
            "50000000s",
        ] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }

    /// semantics 22-23: what the command line lets through.
    #[test]
    fn instances_are_limited_to_254_or_not_at_all() {
        assert_eq!("1".parse(), Ok(MaxInstances::Limited(1)));
        assert_eq!("254".parse(), Ok(MaxInstances::Limited(254)));
        assert_eq!("unlimited".parse(), Ok(MaxInstances::Unlimited));
        for bad in ["0", "255", "-1", "many", ""] {
            assert!(bad.parse::<MaxInstances>().is_err(), "{bad}");
        }
    }

    /// clap's own checks; and `--json` counts anywhere but in data.
    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(words("list --json").into_iter()));
        assert!(wants_json(words("--json call x y").into_iter()));
        assert!(!wants_json(words("call x -- --json").into_iter()));
    }
}
