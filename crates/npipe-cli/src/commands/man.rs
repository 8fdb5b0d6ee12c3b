//! `npipe man`: the manual pages, made from the definition of the command line.
//!
//! One page for the command, and one for each subcommand, `npipe-serve.1`.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::{self, Cli};
use crate::output;
use crate::report::Failure;
use crate::target::printable;

pub(super) fn run(args: &args::Man) -> Result<(), Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // So that each subcommand has the options that all have.
    command.build();
    match &args.directory {
        None => output::data(&page(command.name("npipe"))?),
        Some(directory) => write_all(&command, directory),
    }
}

fn write_all(command: &Command, directory: &Path) -> Result<(), Failure> {
    let shown = |path: &Path| printable(&path.to_string_lossy());
    fs::create_dir_all(directory).map_err(Failure::system(format!("make {}", shown(directory))))?;
    let subcommands = command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
        .map(|subcommand| {
            let name = format!("npipe-{}", subcommand.get_name());
            subcommand.clone().name(name)
        });
    for command in [command.clone()].into_iter().chain(subcommands) {
        let path = directory.join(format!("{}.1", command.get_name()));
        let written = fs::write(&path, page(command)?);
        written.map_err(Failure::system(format!("write {}", shown(&path))))?;
    }
    Ok(())
}

/// One page, with what stands behind the options under heads that readers of manuals know.
fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let made = Man::new(command).render(&mut page);
    made.map_err(Failure::system("make the manual page"))?;
    // Their lines are broken where they are to be.
    let page = String::from_utf8_lossy(&page)
        .replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n.nf\n")
        .replace(".SH EXTRA\n", ".SH NOTES\n.nf\n")
        .replace("\nExamples:\n", "\n.SH EXAMPLES\n.nf\n")
        .replace("\nExit codes:\n", "\n.SH EXIT STATUS\n.nf\n");
    Ok(page.into_bytes())
}
