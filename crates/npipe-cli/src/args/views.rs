//! The arguments of the commands that show something.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::values::finite;

#[derive(Debug, Args)]
#[command(after_help = "\
GLOB has * for any characters, ? for one; case does not count.

Columns that are not printed unless asked for: direction; states, how many
instances are in which; clients, their processes; in and out, what all clients
there have written and been sent so far; unread, what of it waits in the pipe;
age, of the oldest client. A table is cut to the width of a terminal; elsewhere
everything is printed.

With --json, an array of
  {name, path, mode, direction, owner_uid, server_pid, answering, instances,
   max_instances, connected};
max_instances is 255 for unlimited, connected the number of instances that have a
client, and what a server that does not answer did not tell is null. A name that
is not well-formed UTF-16 has name_units as well.

Examples:
  npipe list
  npipe list 'sql*' --sort instances
  npipe list --columns name,states,clients,in,out,unread,age
  npipe list --watch --interval 2s
  npipe list --json | jq -r '.[].name'")]
pub(crate) struct List {
    /// Only names that match
    pub(crate) glob: Option<String>,
    /// What to sort by; numbers fall, texts rise
    #[arg(long, value_name = "COLUMN", default_value = "name")]
    pub(crate) sort: SortKey,
    /// Which columns to print, in which order
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(crate) columns: Vec<Column>,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

/// Columns of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Column {
    Server,
    Command,
    Owner,
    Type,
    Direction,
    Instances,
    States,
    Clients,
    In,
    Out,
    Unread,
    Age,
    Name,
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    Name,
    Server,
    Owner,
    Instances,
    In,
    Out,
    Unread,
    Age,
}

/// A table that refreshes.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Show it again and again, in place on a terminal, until interrupted
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,
    /// How often
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = finite, requires = "watch")]
    pub(crate) interval: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With --json, an object
  {name, path, mode, direction, instance_count, max_instances,
   default_timeout_ms, owner_uid, server_pid, access, instances:
   [{state, server_pid, server_command, in_buffer_bytes, out_buffer_bytes,
     age_ms, in, out,
     client: null or {pid, uid, gid, process, command, user}}]}
with mode byte or message; direction inbound (from client to server), outbound
or duplex; state listening, connected, closing or disconnected; age_ms since the
client came; in and out null or {bytes, unread_bytes, messages}, what was written
in that direction so far and how much of it is unread; messages is how many the
server has read or written, null where they are not counted. in and out of an
instance are told by the process that serves it; null if that is stopped.

Examples:
  npipe info room
  npipe info room --sort age --columns client,age,in,in-unread
  npipe info room --watch --interval 500ms
  npipe info room --json | jq .instances")]
pub(crate) struct Info {
    /// The pipe
    pub(crate) name: OsString,
    /// What to sort the instances by, instead of the oldest first; numbers fall, texts rise
    #[arg(long, value_name = "COLUMN")]
    pub(crate) sort: Option<InstanceColumn>,
    /// Which columns of the instances to print, in which order
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(crate) columns: Vec<InstanceColumn>,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

/// Columns of the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstanceColumn {
    State,
    Age,
    In,
    InUnread,
    Out,
    OutUnread,
    Server,
    Client,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without ERROR, all of them.

With --json, an array of
  {win32, name, ntstatus, nt_name, errno, message, hint}.
A failure of any command is, with --json, an object {win32, name, message, hint}
on stderr; win32 and name are null if it is not the failure of a pipe.

Examples:
  npipe errors 231
  npipe errors STATUS_PIPE_BROKEN")]
pub(crate) struct Errors {
    /// A Win32 code (231) or name (ERROR_PIPE_BUSY), an NT status (0xC00000AE) or its name (STATUS_PIPE_BUSY)
    pub(crate) error: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Looks and changes nothing. Ends with 1 if something needs a hand; what is only
worth knowing is a note.

With --json, an array of {check, level, message, hint} with level ok, note or
problem; hint is empty where there is nothing to do.

Examples:
  npipe doctor
  npipe doctor --json | jq '.[] | select(.level == \"problem\")'")]
pub(crate) struct Doctor {}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  npipe completions bash > ~/.local/share/bash-completion/completions/npipe
  npipe completions zsh > ~/.zfunc/_npipe
  npipe completions fish > ~/.config/fish/completions/npipe.fish")]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  npipe man | man -l -
  npipe man --directory ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Write npipe.1, and npipe-COMMAND.1 for each command, into DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
