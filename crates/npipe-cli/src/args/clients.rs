//! The arguments of the commands that open a pipe.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::values::{AtEof, Limit, ReadMode};

#[derive(Debug, Args)]
#[command(after_help = "\
On a message pipe each line of stdin is a message and each message that comes is
printed as a line; on a byte pipe, or with --byte, bytes are passed as they are.

A pipe has no half-close. At the end of stdin the client waits until the server
has read everything; what then, --eof says:
  close          close
  half           go on printing until the server closes
  zero-message   send an empty message, which many servers take for the end,
                 and go on printing until the server closes
  linger=TIME    go on printing until nothing has come for that time

Examples:
  npipe connect room
  npipe connect room --wait 2s --read-mode message
  echo hello | npipe connect room --eof close
  echo hello | npipe connect room --eof zero-message
  npipe connect room --eof linger=2s --hex
  npipe connect windows --utf16
  npipe connect log --read-only
  npipe connect log --byte --write-only < log.txt")]
pub(crate) struct Connect {
    /// The pipe to open
    pub(crate) name: OsString,
    /// If all instances are busy, wait that long for one
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<Limit>,
    /// Read a message pipe as messages, which is the default, or as a stream
    #[arg(long, value_name = "MODE")]
    pub(crate) read_mode: Option<ReadMode>,
    /// Treat a message pipe as a stream of bytes, in both directions
    #[arg(long, conflicts_with = "read_mode")]
    pub(crate) byte: bool,
    /// What to do at the end of stdin: close, half, zero-message or linger=DURATION
    #[arg(long, value_name = "HOW", default_value = "linger=500ms")]
    pub(crate) eof: AtEof,
    /// Print what comes as hexadecimal digits and text
    #[arg(long)]
    pub(crate) hex: bool,
    /// The pipe carries UTF-16LE, as many Windows programs speak; stdin and stdout stay UTF-8
    #[arg(long, conflicts_with_all = ["hex", "byte"])]
    pub(crate) utf16: bool,
    /// Open for reading only, as a stream of bytes; stdin is left alone
    #[arg(long, conflicts_with_all = ["write_only", "read_mode", "utf16"])]
    pub(crate) read_only: bool,
    /// Open for writing only
    #[arg(long)]
    pub(crate) write_only: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without DATA, or with @-, the message is everything on stdin; with @FILE what is
in FILE. Text that begins with @ is typed with @@. The reply is printed as it is;
a newline is added on a terminal only. With --expect N, N replies are awaited,
each printed as a line.

Examples:
  npipe call room hello
  npipe call room hello --timeout 500ms --max-reply 100
  npipe call room @request.bin > reply.bin
  npipe call room 'list all' --expect 3
  npipe call health ping --match pong")]
pub(crate) struct Call {
    /// The pipe: a message pipe
    pub(crate) name: OsString,
    /// The message, or @FILE or @- for where it is
    pub(crate) data: Option<OsString>,
    /// How long to wait for a free instance, and then for the reply
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) timeout: Limit,
    /// The longest reply to take, in bytes; what is longer is cut, with exit code 8
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = clap::value_parser!(u32).range(..=1 << 30))]
    pub(crate) max_reply: u32,
    /// Wait for N replies; if fewer come before the server closes or the time is over, end with exit code 9
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expect: Option<u32>,
    /// End with exit code 9 unless the reply, or the last of several, is exactly TEXT
    #[arg(long = "match", value_name = "TEXT")]
    pub(crate) matches: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is sent: DATA, the contents of --file as one message (as blocks of 64 KiB on
a byte pipe), or stdin, whose lines (--lines) or pieces between zero bytes (-0)
are messages of their own. --count sends all of that again, so many times in all;
stdin is kept in memory for it. What comes back is read and dropped.
Waits until the server has read everything. On a terminal stderr shows how far
it is, and how fast.

Examples:
  npipe send room hello --count 1000
  seq 5 | npipe send room --lines
  find . -print0 | npipe send room --null
  npipe send upload --file image.iso --wait 5s")]
pub(crate) struct Send {
    /// The pipe
    pub(crate) name: OsString,
    /// The message
    #[arg(conflicts_with_all = ["lines", "null", "file"])]
    pub(crate) data: Option<OsString>,
    /// How many times to send it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// Each line of stdin is a message, without its newline
    #[arg(long, conflicts_with_all = ["null", "file"])]
    pub(crate) lines: bool,
    /// Each piece of stdin that ends with a zero byte is a message, without it
    #[arg(short = '0', long, conflicts_with = "file")]
    pub(crate) null: bool,
    /// Send the contents of FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// If all instances are busy, wait that long for one
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<Limit>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
As WaitNamedPipe: a name that nobody serves ends the wait at once, with exit
code 3; a success reserves nothing; 0s waits as long as the pipe's server says.

Examples:
  npipe wait room
  npipe wait room --timeout 2s && npipe call room hello")]
pub(crate) struct Wait {
    /// The pipe
    pub(crate) name: OsString,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "forever")]
    pub(crate) timeout: Limit,
}
