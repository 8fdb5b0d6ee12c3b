//! The subcommands, one file each.

mod call;
mod connect;
mod demo;
mod errors;
mod info;
mod list;
mod serve;
mod wait;

use npipe::ReadOutcome;

use crate::args::{Cli, Command};
use crate::bench;
use crate::report::Failure;

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
        Command::Wait(args) => wait::run(&args),
        Command::List => list::run(cli.json),
        Command::Info { name } => info::run(&name, cli.json),
        Command::Errors { error } => errors::run(error.as_deref(), cli.json),
        Command::Bench(args) => bench::run(&args, cli.json),
        Command::DemoServer { clients } => demo::serve(clients),
        Command::DemoClient { who, requests } => demo::talk(&who, &requests),
        Command::BenchEnd { role, job } => bench::end(role, &job),
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

/// Lines up columns of text: two blanks between them, none at the end.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
