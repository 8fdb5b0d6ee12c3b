//! The command line: what can be typed, and its meaning as values.
//!
//! Durations are typed with their unit (`500ms`, `2s`, `1m`) or as `forever`; a bare number would leave open whether it is
//! milliseconds, as in Win32. Help, man pages and completions are made from what stands here: nothing is told twice.

mod bench;
mod clients;
mod relay;
mod serve;
mod values;
mod views;

use std::ffi::OsString;
use std::io::{self, IsTerminal};

use clap::{Parser, Subcommand};

use crate::exit;
use crate::report::Failure;

pub(crate) use bench::{Bench, BenchEnd};
pub(crate) use clients::{Call, Connect, Send, Wait};
pub(crate) use relay::{Relay, Until};
pub(crate) use serve::{Access, Serve};
#[cfg(unix)]
pub(crate) use values::Role;
pub(crate) use values::{AtEof, Limit, MaxInstances, ReadMode};
pub(crate) use views::{Column, Completions, Doctor, Errors, Info, InstanceColumn, List, Man, SortKey, Watch};

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
#[command(name = "npipe", version, after_help = HELP.as_str())]
pub(crate) struct Cli {
    /// Print list, info, bench, doctor and errors as JSON, and failures as one JSON object on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

static HELP: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "Examples:\n  npipe demo\n  npipe serve room --echo\n  npipe call room hello\n  npipe list --json\n\n{}\n\n\
         NO_COLOR, set to anything, keeps the tables plain; they have colours on a terminal only.",
        exit::HELP
    )
});

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show real processes talking over a named pipe, then how fast it is
    #[command(after_help = "Examples:\n  npipe demo")]
    Demo,
    /// Serve a name: print what arrives, answer it if asked to, or start a program for each client
    Serve(Serve),
    /// Join a pipe to this terminal: stdin goes in, what comes goes to stdout
    Connect(Connect),
    /// Send one message, print what answers it
    Call(Call),
    /// Write files, lines or a message many times, as fast as the server reads
    Send(Send),
    /// Wait until an instance of a pipe is free to be opened
    Wait(Wait),
    /// Join two ends, each a pipe, a socket, a program or this terminal
    Relay(Relay),
    /// List the pipes that are served
    List(List),
    /// Show one pipe and its instances, without opening it
    Info(Info),
    /// Look over the namespace and the limits, and say what needs a hand
    Doctor(Doctor),
    /// Explain an error code or name, or all of them
    Errors(Errors),
    /// Measure pipes beside sockets, system pipes and TCP on this machine
    Bench(Bench),
    /// Print the completions for a shell
    Completions(Completions),
    /// Print the manual page, or write those of all subcommands
    Man(Man),

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
    BenchEnd(BenchEnd),
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
        Err(error) if error.use_stderr() => {
            let text = error.render();
            Err(Failure::Usage(match crate::output::has_colours(&io::stderr()) {
                true => text.ansi().to_string(),
                false => text.to_string(),
            }))
        }
        Err(help) => {
            let text = help.render();
            let text = match io::stdout().is_terminal() && crate::output::has_colours(&io::stdout()) {
                true => text.ansi().to_string(),
                false => text.to_string(),
            };
            crate::output::line(text.trim_end().as_bytes())?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// clap's own checks; and `--json` counts anywhere but in data.
    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(words("list --json").into_iter()));
        assert!(wants_json(words("--json call x y").into_iter()));
        assert!(!wants_json(words("call x -- --json").into_iter()));
    }

    /// What is not shown is not found: each option stands in an example of its command's help.
    #[test]
    fn every_long_option_has_an_example() {
        let command = Cli::command();
        let shown = |command: &clap::Command| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.find("Examples:\n").map_or("", |at| &help[at..]);
            examples.to_owned()
        };
        assert!(shown(&command).contains("--json"));
        for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            let examples = shown(subcommand);
            let name = subcommand.get_name();
            assert!(examples.contains(&format!("npipe {name}")), "{name}");
            for option in subcommand.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let Some(long) = option.get_long() else { continue };
                let found = examples.split([' ', '\n', '=']).any(|word| word == format!("--{long}"));
                assert!(found, "npipe {name} --{long} is in no example");
            }
        }
    }
}
