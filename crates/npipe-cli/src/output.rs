//! Standard output: whole pieces, flushed at once, and quiet when nobody reads.
//! Standard error: notes, which nothing depends on.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::report::Failure;

/// Writes data as it is.
pub(crate) fn data(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(Failure::stdout)
}

/// Writes data and a newline as one piece, so that lines of several threads or
/// processes do not mix.
pub(crate) fn line(bytes: &[u8]) -> Result<(), Failure> {
    let mut whole = Vec::with_capacity(bytes.len() + 1);
    whole.extend_from_slice(bytes);
    whole.push(b'\n');
    data(&whole)
}

/// Tells people something on stderr, as one piece; one that is closed is left alone.
pub(crate) fn note(text: &str) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Whether text for that stream may have colours: it is a terminal that has some, and nobody minds.
pub(crate) fn has_colours(stream: &impl IsTerminal) -> bool {
    let set = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Writes one JSON document, indented, with a newline.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    line(format!("{value:#}").as_bytes())
}
