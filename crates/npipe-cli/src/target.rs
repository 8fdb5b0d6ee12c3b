//! Pipe names as people type and read them.
//!
//! Typed: `NAME`, `\\.\pipe\NAME` or `//./pipe/NAME` (semantics 1, 3). Shown:
//! always as a path, with control characters escaped, because whoever serves a
//! pipe chooses its name and a terminal obeys what it is shown.

use std::ffi::{OsStr, OsString};
use std::fmt;

use npipe::PipeName;

use crate::report::Failure;
use crate::sys;

/// A pipe that the command line names.
pub(crate) struct Target {
    name: PipeName,
    path: OsString,
}

impl Target {
    pub(crate) fn parse(typed: &OsStr) -> Result<Target, Failure> {
        let name = PipeName::from_typed(sys::bytes_of(typed)).map_err(|status| Failure::name(typed, status))?;
        // The name is what it is by now: the `\\?\` form keeps the library from
        // normalising it a second time (semantics 7).
        let path = sys::verbatim_path(&name);
        Ok(Target { name, path })
    }

    /// The path to hand to the library.
    pub(crate) fn path(&self) -> &OsStr {
        &self.path
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.name))
    }
}

/// The path of the pipe, safe for a terminal.
pub(crate) fn shown(name: &PipeName) -> String {
    printable(&name.path())
}

/// The text with control characters (and what reorders text) escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || reorders {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 1, 3
    #[test]
    fn the_three_forms_name_one_pipe() {
        for typed in ["room", r"\\.\pipe\room", "//./pipe/room"] {
            let target = Target::parse(OsStr::new(typed)).expect(typed);
            assert_eq!(target.to_string(), r"\\.\pipe\room", "{typed}");
            assert_eq!(target.path(), OsStr::new(r"\\?\pipe\room"), "{typed}");
        }
    }

    /// semantics 8-11
    #[test]
    fn what_is_no_name_is_a_usage_error() {
        let long = "x".repeat(300);
        for typed in ["", r"\\.\pipe\", long.as_str()] {
            let failure = Target::parse(OsStr::new(typed)).err().expect("refused");
            assert_eq!(failure.exit(), crate::exit::Exit::Usage, "{typed}");
        }
    }

    /// semantics 4
    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), r"a\u{1b}[2Jb\u{a}");
        assert_eq!(printable("é \u{202e}x"), r"é \u{202e}x");
    }
}
