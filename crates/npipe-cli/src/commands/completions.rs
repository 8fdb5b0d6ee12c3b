//! `npipe completions`: what a shell needs to complete the command line.

use clap::CommandFactory;

use crate::args::{Cli, Completions};
use crate::output;
use crate::report::Failure;

pub(super) fn run(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "npipe", &mut script);
    output::data(&script)
}
