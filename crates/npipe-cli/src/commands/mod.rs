//! The subcommands, one file each.

mod call;
mod completions;
mod connect;
mod demo;
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

use crate::args::{BenchEnd, Cli, Command};
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
        Command::Demo => demo::run(),
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(args),
        Command::Call(args) => call::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Wait(args) => wait::run(&args),
        Command::Relay(args) => relay::run(args),
        Command::List(args) => list::run(&args, cli.json),
        Command::Info(args) => info::run(&args, cli.json),
        Command::Doctor(_) => doctor::run(cli.json),
        Command::Errors(args) => errors::run(args.error.as_deref(), cli.json),
        Command::Bench(args) => bench::run(&args, cli.json),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::DemoServer { clients } => demo::serve(clients),
        Command::DemoClient { who, requests } => demo::talk(&who, &requests),
        Command::BenchEnd(BenchEnd { role, job }) => bench::end(role, &job),
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
