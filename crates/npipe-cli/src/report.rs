//! How the command fails: one type, one place that prints it.
//!
//! People get a sentence and a hint on stderr. With `--json` anywhere on the
//! command line stderr carries one JSON object instead:
//!
//! ```json
//! {"win32":231,"name":"ERROR_PIPE_BUSY","message":"…","hint":"…"}
//! ```
//!
//! `win32` and `name` are null where the failure is not a pipe's: a terminal
//! that went away, a reply that was not the expected one.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};

use npipe::Status;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::target::{printable, shown};

/// Everything that ends a command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A pipe call failed.
    Pipe(npipe::Error),
    /// What was typed is not the name of a pipe.
    Name { typed: String, status: Status },
    /// The command line makes no sense; the text is clap's or ours.
    Usage(String),
    /// The system refused something that is not a pipe.
    System { doing: String, source: io::Error },
    /// The reader of our stdout has gone: nothing left to do, and no error.
    StdoutClosed,
    /// A signal; who sent it knows.
    Interrupted(Exit),
    /// The reply did not fit; what fitted has been printed.
    Truncated { limit_bytes: u32 },
    /// The reply, or a figure, is not what was asked for.
    Expectation(String),
    /// The doctor found so many problems.
    #[cfg_attr(windows, allow(dead_code, reason = "there is no doctor"))]
    NeedsHand(usize),
    /// A process that this command started went wrong.
    Child(String),
}

impl Failure {
    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let doing = doing.into();
        move |source| Failure::System { doing, source }
    }

    /// A failed write to stdout.
    pub(crate) fn stdout(source: io::Error) -> Failure {
        if source.kind() == io::ErrorKind::BrokenPipe {
            Failure::StdoutClosed
        } else {
            Failure::System {
                doing: "write to standard output".to_owned(),
                source,
            }
        }
    }

    pub(crate) fn name(typed: &OsStr, status: Status) -> Failure {
        Failure::Name {
            typed: printable(&typed.to_string_lossy()),
            status,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Pipe(error) => Exit::of(error.status()),
            Failure::Name { .. } | Failure::Usage(_) => Exit::Usage,
            Failure::System { .. } | Failure::Child(_) | Failure::NeedsHand(_) => Exit::Other,
            Failure::StdoutClosed => Exit::Ok,
            Failure::Interrupted(exit) => *exit,
            Failure::Truncated { .. } => Exit::Truncated,
            Failure::Expectation(_) => Exit::Expectation,
        }
    }

    fn status(&self) -> Option<Status> {
        match self {
            Failure::Pipe(error) => Some(error.status()),
            Failure::Name { status, .. } => Some(*status),
            Failure::Usage(_) => Some(Status::InvalidParameter),
            Failure::Truncated { .. } => Some(Status::BufferOverflow),
            _ => None,
        }
    }

    fn hint(&self) -> String {
        match self {
            Failure::Pipe(error) => error
                .hint()
                .unwrap_or("'npipe doctor' looks over the namespace and the limits")
                .to_owned(),
            Failure::Name { .. } => {
                r"type NAME, \\.\pipe\NAME or //./pipe/NAME: any characters but NUL, up to 256 in all".to_owned()
            }
            Failure::Usage(_) => "see 'npipe help'".to_owned(),
            Failure::Truncated { .. } => "ask for more with --max-reply BYTES".to_owned(),
            Failure::Expectation(_)
            | Failure::Child(_)
            | Failure::NeedsHand(_)
            | Failure::System { .. }
            | Failure::StdoutClosed
            | Failure::Interrupted(_) => String::new(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "win32": self.status().map(Status::win32),
            "name": self.status().map(Status::win32_name),
            "message": self.to_string(),
            "hint": self.hint(),
        })
    }

    /// Tells stderr, for a program or for people. A stderr that is gone itself
    /// leaves nobody to tell; the exit code still says it.
    pub(crate) fn print(&self, as_json: bool) {
        let mut stderr = io::stderr().lock();
        let _ = match self {
            Failure::StdoutClosed | Failure::Interrupted(_) => Ok(()),
            _ if as_json => writeln!(stderr, "{}", self.json()),
            // clap's text has its own "error:" and its own hints.
            Failure::Usage(text) => write!(stderr, "{text}"),
            _ => self.print_for_people(&mut stderr),
        };
    }

    fn print_for_people(&self, stderr: &mut impl Write) -> io::Result<()> {
        write!(stderr, "npipe: {self}")?;
        if let Some(status) = self.status() {
            write!(stderr, " ({}, {})", status.win32_name(), status.win32())?;
        }
        writeln!(stderr)?;
        let hint = self.hint();
        if !hint.is_empty() {
            writeln!(stderr, "  hint: {hint}")?;
        }
        Ok(())
    }
}

impl From<npipe::Error> for Failure {
    fn from(error: npipe::Error) -> Failure {
        Failure::Pipe(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Pipe(error) => write_pipe_error(f, error),
            Failure::Name { typed, status } => {
                write!(f, "'{typed}' is not the name of a pipe: {}", clause(status.meaning()))
            }
            Failure::Usage(text) => f.write_str(text.trim_end()),
            Failure::System { doing, source } => write!(f, "cannot {doing}: {source}"),
            Failure::StdoutClosed => f.write_str("standard output is closed"),
            Failure::Interrupted(_) => f.write_str("interrupted"),
            Failure::NeedsHand(1) => f.write_str("one thing needs a hand"),
            Failure::NeedsHand(count) => write!(f, "{count} things need a hand"),
            Failure::Truncated { limit_bytes } => {
                write!(f, "the reply is longer than {limit_bytes} bytes; the rest is lost")
            }
            Failure::Expectation(text) | Failure::Child(text) => f.write_str(text),
        }
    }
}

/// As the error's own `Display`, but without the code, which [`Failure::print`]
/// adds, and safe for a terminal: names and details may hold anything.
fn write_pipe_error(f: &mut fmt::Formatter<'_>, error: &npipe::Error) -> fmt::Result {
    f.write_str(error.operation())?;
    if let Some(name) = error.name() {
        write!(f, " {}", shown(name))?;
    }
    let meaning = error.meaning().map(|meaning| clause(meaning).to_owned());
    let detail = error.detail().map(printable);
    [meaning, detail]
        .iter()
        .flatten()
        .try_for_each(|part| write!(f, ": {part}"))
}

/// A sentence as a part of one: without the full stop.
fn clause(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four keys, always.
    #[test]
    fn json_of_an_error_has_the_documented_shape() {
        let failure = Failure::name(OsStr::new(""), Status::ObjectNameInvalid);
        let value = failure.json();
        assert_eq!(value["win32"], 123);
        assert_eq!(value["name"], "ERROR_INVALID_NAME");
        assert!(value["message"].is_string() && value["hint"].is_string());
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(4));
        assert_eq!(failure.exit(), Exit::Usage);
    }

    /// But one that cannot be written for another reason is.
    #[test]
    fn a_closed_stdout_is_no_error() {
        let closed = Failure::stdout(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(closed.exit(), Exit::Ok);
        let full = Failure::stdout(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit(), Exit::Other);
        assert_eq!(full.json()["win32"], Value::Null);
    }
}
