//! The command `npipe`: Windows named pipes from the shell.
//!
//! Data goes to stdout, everything else to stderr. A failure is a value
//! ([`report::Failure`]) that travels up to [`main`], which prints it once and
//! turns it into an exit code ([`exit::Exit`]).
//!
//! The demo and the bench need other processes; they start this same program
//! with a hidden subcommand.

mod args;
#[cfg(unix)]
mod bench;
mod commands;
mod dump;
mod exit;
mod interrupt;
mod output;
mod people;
mod progress;
mod report;
#[cfg(unix)]
mod scratch;
mod sys;
mod table;
mod target;
mod utf16;

use std::process::ExitCode;

use exit::Exit;
use report::Failure;

fn main() -> ExitCode {
    // Asked of the raw words, so that even a usage error knows it.
    let as_json = args::wants_json(std::env::args_os().skip(1));
    let exit = match run() {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            failure.print(as_json);
            failure.exit()
        }
    };
    ExitCode::from(exit.code())
}

fn run() -> Result<(), Failure> {
    let Some(cli) = args::parse()? else { return Ok(()) };
    interrupt::install()?;
    commands::run(cli)
}
