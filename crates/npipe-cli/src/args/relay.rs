//! The arguments of `npipe relay`.

use clap::{Args, ValueEnum};

use super::serve::Access;
use super::values::Limit;
use crate::commands::relay::Address;

#[derive(Debug, Args)]
#[command(after_help = "\
An end is one of
  npipe:NAME              open a pipe
  npipe-listen:NAME       serve a pipe (message, or --byte)
  stdio: or -             stdin and stdout
  tcp:HOST:PORT           connect
  tcp-listen:[HOST:]PORT  listen, on localhost unless HOST says else
  unix:PATH               connect to a stream socket
  unix-listen:PATH        listen on one, which is removed afterwards
  seqpacket:PATH          connect to a socket with message boundaries
  seqpacket-listen:PATH   listen on one
  exec:CMD                run CMD by /bin/sh, with its standard streams on the relay

A listening end comes first. One connection is served, or with --fork one after
another and side by side, each with an end B of its own.

Messages stay messages where both ends have them (pipes of type message,
seqpacket). Else what is read at once, 64 KiB at most, is written at once.

The end of one direction. Sockets and programs can end one direction and go on
with the other; a pipe cannot. As in npiperelay, an empty message from a message
pipe is the end of that direction for an end that is not one, and -s sends one
when the other end has ended (npiperelay -s). A pipe that is closed is the end of
both directions, after what it had sent is delivered. --until says when else the
relay is over: when both directions have ended, which is the default, when a has
(npiperelay -ei, with stdio as a), when b has (-ep), or when either has.

Examples:
  npipe relay stdio: npipe:docker_engine --send-empty --until b
  npipe relay unix-listen:/tmp/docker.sock npipe:docker_engine --fork --quiet
  npipe relay npipe-listen:web tcp:localhost:80 --fork --byte --mode 660
  npipe relay npipe-listen:room npipe:backend --wait 5s --hexdump
  npipe relay npipe-listen:calc exec:bc --byte --allow-user ada --allow-group staff --dump")]
pub(crate) struct Relay {
    /// The first end, the one that may listen
    pub(crate) a: Address,
    /// The second end
    pub(crate) b: Address,
    /// Serve one connection after another, and side by side
    #[arg(long)]
    pub(crate) fork: bool,
    /// Tell a message pipe by an empty message that the other end has ended
    #[arg(short = 's', long)]
    pub(crate) send_empty: bool,
    /// When the relay is over: when both directions have ended, or a's, b's or either's
    #[arg(long, value_name = "WHICH", default_value = "both")]
    pub(crate) until: Until,
    /// If all instances of a pipe are busy, wait that long for one
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<Limit>,
    /// Serve a byte pipe
    #[arg(long)]
    pub(crate) byte: bool,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Show what passes, as text, on stderr
    #[arg(short = 'v', long)]
    pub(crate) dump: bool,
    /// Show what passes, in hexadecimal, on stderr; with -v as text beside it
    #[arg(short = 'x', long)]
    pub(crate) hexdump: bool,
    /// Say nothing on stderr but failures and dumps
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// When a relay is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// When what A sends has ended
    A,
    /// When what B sends has ended
    B,
    /// When either has ended
    Either,
    /// When both have ended
    Both,
}
