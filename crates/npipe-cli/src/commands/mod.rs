//! The subcommands, one file each.

mod call;
mod completions;
mod connect;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod doctor;
mod errors;
mod info;
mod list;
mod man;
mod pieces;
mod program;
pub(crate) mod relay;
mod send;
mod serve;
mod wait;
mod watch;

use npipe::ReadOutcome;

#[cfg(unix)]
use crate::args::BenchEnd;
use crate::args::{Cli, Command};
#[cfg(unix)]
use crate::bench;
use crate::report::Failure;

use program::Program;

/// The longest message that is gathered in memory, in bytes; a peer that sends
/// a longer one is cut off.
const MESSAGE_LIMIT_BYTES: usize = 64 << 20;

/// How much is read at a time.
const CHUNK_BYTES: usize = 64 << 10;

pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        #[cfg(unix)]
        Command::Demo => demo::run(),
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(args),
        Command::Call(args) => call::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Wait(args) => wait::run(&args),
        Command::Relay(args) => relay::run(args),
        Command::List(args) => list::run(&args, cli.json),
        Command::Info(args) => info::run(&args, cli.json),
        #[cfg(unix)]
        Command::Doctor(_) => doctor::run(cli.json),
        Command::Errors(args) => errors::run(args.error.as_deref(), cli.json),
        #[cfg(unix)]
        Command::Bench(args) => bench::run(&args, cli.json),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        #[cfg(unix)]
        Command::DemoServer { clients } => demo::serve(clients),
        #[cfg(unix)]
        Command::DemoClient { who, requests } => demo::talk(&who, &requests),
        #[cfg(unix)]
        Command::BenchEnd(BenchEnd { role, job }) => bench::end(role, &job),
        #[cfg(windows)]
        Command::Demo
        | Command::Doctor(_)
        | Command::Bench(_)
        | Command::DemoServer { .. }
        | Command::DemoClient { .. }
        | Command::BenchEnd(_) => Err(Failure::Usage(
            "npipe: demo, doctor and bench are not there on Windows, whose own kernel has the pipes\n".to_owned(),
        )),
    }
}

/// Reads one whole message with as many reads as it takes (semantics 100).
fn read_whole_message(mut read: impl FnMut(&mut [u8]) -> npipe::Result<ReadOutcome>) -> Result<Vec<u8>, Failure> {
    let mut message = Vec::new();
    loop {
        let start = message.len();
        message.resize(start + CHUNK_BYTES, 0);
        let outcome = read(&mut message[start..])?;
        message.truncate(start + outcome.bytes);
        if !outcome.more {
            return Ok(message);
        }
        if message.len() > MESSAGE_LIMIT_BYTES {
            return Err(Failure::Child(format!(
                "the message is longer than {MESSAGE_LIMIT_BYTES} bytes"
            )));
        }
    }
}
