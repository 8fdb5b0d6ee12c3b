//! The arguments of `npipe serve`, and who may open a pipe that this command serves.

use std::ffi::OsString;

use clap::Args;

use super::values::{MaxInstances, octal};

#[derive(Debug, Args)]
#[command(after_help = "\
Serves until interrupted, a thread for each client. On a message pipe each
message that arrives becomes a line on stdout; on a byte pipe the bytes are
printed as they come. Comings and goings are told on stderr, with the process,
its command and its user.

With --exec, CMD is run by /bin/sh, or cmd on Windows, for each client. Its stdin has what the
client writes and what it prints goes to the client, line for message on a
message pipe, as it is on a byte pipe; its stderr is this one's. It learns who
the client is from NPIPE_CLIENT_PID and NPIPE_CLIENT_UID. The connection ends
when its stdout does; if the client goes first, its stdin ends and it gets a
SIGHUP. Programs that keep back what they print until there is much of it are
started by stdbuf -oL.

A pipe is for its owner alone, unless --mode, --allow-user or --allow-group say
more. Others reach it in a namespace that they share, such as /run/npipe.

Examples:
  npipe serve room --message
  npipe serve room --echo --max-instances 4
  npipe serve room --reply 'not today' --clients 1
  npipe serve log --byte --quiet > log.txt
  npipe serve reverse --exec 'stdbuf -oL rev' --oneshot
  npipe serve room --first --mode 660 --allow-user ada --allow-group staff")]
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
    /// Run CMD for each client, with its standard streams on the pipe
    #[arg(long, value_name = "CMD", conflicts_with_all = ["echo", "reply"])]
    pub(crate) exec: Option<OsString>,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Refuse to start if the name is served already
    #[arg(long)]
    pub(crate) first: bool,
    /// End, with 0, when that many clients have come and gone
    #[arg(long, value_name = "N")]
    pub(crate) clients: Option<usize>,
    /// End when one client has come and gone: as --clients 1
    #[arg(long, conflicts_with = "clients")]
    pub(crate) oneshot: bool,
    /// Say nothing on stderr but failures
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Who may open a pipe.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Who may open the pipe, as permissions of a file: owner, group and others, in octal
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = octal)]
    pub(crate) mode: u32,
    /// Let that user open it too, by name or number; may be repeated
    #[arg(long, value_name = "USER")]
    pub(crate) allow_user: Vec<String>,
    /// Let that group open it too, by name or number; may be repeated
    #[arg(long, value_name = "GROUP")]
    pub(crate) allow_group: Vec<String>,
}
