//! From a Win32 path to the NAME inside it.
//!
//! Win32 knows three prefixes that lead to the pipes of this computer:
//!
//! - `\\?\pipe\NAME`, with exactly these characters: NAME is taken as it stands.
//! - `\\.\pipe\NAME`, where each `\` may be `/`: the part after `\\.\` is normalised
//!   first, as for any path. `/` becomes `\`, runs of separators become one, `.` and
//!   `..` are resolved, a component loses a single dot at its end, and the last one
//!   loses all its dots and spaces.
//! - `//?/pipe/NAME` and other mixtures: like `\\.\`.
//!
//! Anything else that begins with two separators is on another computer.

use crate::status::Status;

const BACKSLASH: u16 = b'\\' as u16;
const SLASH: u16 = b'/' as u16;
const DOT: u16 = b'.' as u16;
const SPACE: u16 = b' ' as u16;
const QUESTION: u16 = b'?' as u16;

fn is_separator(unit: u16) -> bool {
    unit == BACKSLASH || unit == SLASH
}

/// Whether `path` starts as a path with a server or device part does.
pub(super) fn is_rooted(path: &[u16]) -> bool {
    matches!(path, [a, b, ..] if is_separator(*a) && is_separator(*b))
}

/// The NAME in `path`, not yet checked as a name; never empty.
///
/// # Errors
/// [`Status::ObjectPathNotFound`] if the path is empty, [`Status::NotSupported`] if it
/// is that of a pipe on another computer, [`Status::ObjectNameInvalid`] if it is
/// anything else but that of a pipe.
// semantics 1, 3, 5-7, 9-12
pub(super) fn name_in(path: &[u16]) -> Result<Vec<u16>, Status> {
    if path.is_empty() {
        return Err(Status::ObjectPathNotFound);
    }
    if !is_rooted(path) {
        return Err(Status::ObjectNameInvalid);
    }
    match path[2..] {
        [QUESTION, BACKSLASH, ..] if path[..2] == [BACKSLASH; 2] => name_on_device(&path[4..]),
        [DOT | QUESTION, separator, ..] if is_separator(separator) => name_on_device(&normalise(&path[4..])),
        _ => Err(remote(&normalise(&path[2..]))),
    }
}

/// Whether `\\.\pipe\` followed by `name` leads to exactly `name`.
pub(super) fn survives_normalisation(name: &[u16]) -> bool {
    let rest: Vec<u16> = "pipe\\".encode_utf16().chain(name.iter().copied()).collect();
    normalise(&rest) == rest
}

/// The NAME in `pipe\NAME`, the part of a path that follows the device prefix.
fn name_on_device(rest: &[u16]) -> Result<Vec<u16>, Status> {
    if let Some(server) = strip_component(rest, "UNC") {
        return Err(remote(server));
    }
    match strip_component(rest, "pipe") {
        Some(name) if !name.is_empty() => Ok(name.to_vec()),
        _ => Err(Status::ObjectNameInvalid),
    }
}

/// What a path on another computer, `server\share\rest`, is refused with.
fn remote(path: &[u16]) -> Status {
    let share = path
        .iter()
        .position(|&unit| unit == BACKSLASH)
        .map(|length| &path[length + 1..]);
    match share.and_then(|share| strip_component(share, "pipe")) {
        Some(name) if !name.is_empty() => Status::NotSupported,
        _ => Status::ObjectNameInvalid,
    }
}

/// What follows the component `word` and its backslash, if `path` starts with them.
fn strip_component<'a>(path: &'a [u16], word: &str) -> Option<&'a [u16]> {
    let head = path.get(..word.len())?;
    let (separator, rest) = path[word.len()..].split_first()?;
    let same = head
        .iter()
        .zip(word.bytes())
        .all(|(&unit, byte)| u8::try_from(unit).is_ok_and(|unit| unit.eq_ignore_ascii_case(&byte)));
    (same && *separator == BACKSLASH).then_some(rest)
}

/// Resolves a path below a device prefix; `..` never climbs above its start.
fn normalise(rest: &[u16]) -> Vec<u16> {
    let mut kept: Vec<&[u16]> = Vec::new();
    let mut ends_open = false;
    let mut components = rest.split(|&unit| is_separator(unit)).peekable();
    while let Some(component) = components.next() {
        let is_last = components.peek().is_none();
        match component {
            [] => ends_open = is_last,
            [DOT] => {}
            [DOT, DOT] => {
                kept.pop();
            }
            _ => kept.push(without_single_dot(component)),
        }
    }
    if !ends_open && let Some(last) = kept.last_mut() {
        *last = without_trailing_dots_and_spaces(last);
        // What is left then ends with the separator in front of it.
    }
    let mut path = kept.join(&BACKSLASH);
    if ends_open && !kept.is_empty() {
        path.push(BACKSLASH);
    }
    path
}

fn without_single_dot(component: &[u16]) -> &[u16] {
    match component {
        [.., DOT, DOT] => component,
        [start @ .., DOT] => start,
        _ => component,
    }
}

fn without_trailing_dots_and_spaces(component: &[u16]) -> &[u16] {
    let end = component
        .iter()
        .rposition(|&unit| unit != DOT && unit != SPACE)
        .map_or(0, |last| last + 1);
    &component[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> Result<String, Status> {
        let path: Vec<u16> = path.encode_utf16().collect();
        name_in(&path).map(|name| String::from_utf16(&name).unwrap())
    }

    fn assert_leads(path: &str, expected: &str) {
        assert_eq!(name(path).as_deref(), Ok(expected), "{path}");
    }

    /// semantics 1, 3
    #[test]
    fn every_spelling_of_the_prefix_leads_to_the_pipe() {
        for path in [
            r"\\.\pipe\x",
            r"\\.\PIPE\x",
            r"\\?\Pipe\x",
            "//./pipe/x",
            "//?/pipe/x",
            r"//?\pipe/x",
            r"\/.\pipe/x",
            r"\\.\\pipe\\\x",
            r"\\.\.\pipe\x",
            r"\\.\mailslot\..\pipe\x",
            r"\\.\..\..\pipe\x",
        ] {
            assert_leads(path, "x");
        }
    }

    /// semantics 4-6
    #[test]
    fn a_name_holds_any_character() {
        assert_leads(r#"\\.\pipe\a<>*?|":b"#, r#"a<>*?|":b"#);
        assert_leads(r"\\.\pipe\my pipe", "my pipe");
        assert_leads(r"\\.\pipe\12345", "12345");
        assert_leads(r"\\.\pipe\d\x\y\z", r"d\x\y\z");
        assert_leads(r"\\.\pipe\x\", r"x\");
    }

    /// semantics 7
    #[test]
    fn the_dot_form_is_normalised() {
        assert_leads(r"\\.\pipe\a/b", r"a\b");
        assert_leads(r"\\.\pipe\a\\b", r"a\b");
        assert_leads(r"\\.\pipe\a\.\b", r"a\b");
        assert_leads(r"\\.\pipe\a\..\b", "b");
        assert_leads(r"\\.\pipe\a\.", "a");
        assert_leads(r"\\.\pipe\a\b\..", "a");
        assert_leads(r"\\.\pipe\a\b\..\", r"a\");
        assert_leads(r"\\.\pipe\a.\b", r"a\b");
        assert_leads(r"\\.\pipe\a..\b", r"a..\b");
        assert_leads(r"\\.\pipe\a. .", "a");
        assert_leads(r"\\.\pipe\a \", r"a \");
        assert_leads(r"\\.\pipe\a\...", r"a\");
        assert_leads(r"\\.\pipe\.a", ".a");
    }

    /// semantics 7
    #[test]
    fn the_question_form_is_taken_as_it_stands() {
        assert_leads(r"\\?\pipe\a/b", "a/b");
        assert_leads(r"\\?\pipe\..", "..");
        assert_leads(r"\\?\pipe\a\..\b", r"a\..\b");
        assert_leads(r"\\?\pipe\a. .", "a. .");
        assert_leads(r"\\?\pipe\\a", r"\a");
        for path in [r"\\?\.\pipe\x", r"\\?\pipe/x"] {
            assert_eq!(name(path), Err(Status::ObjectNameInvalid), "{path}");
        }
    }

    /// semantics 9-11
    #[test]
    fn what_is_not_a_pipe_is_refused() {
        assert_eq!(name(""), Err(Status::ObjectPathNotFound));
        for path in [
            "not a pipe name",
            r"C:\pipe\x",
            r"\.\pipe\x",
            r"\\.\mailslot\x",
            r"\\.\pipe",
            r"\\.\pipe\",
            r"\\.\pipe\..\x",
            r"\\.\pipe\.",
            r"\\.\pipe\ ",
            r"\\.\pip\x",
            r"\\.\pipes\x",
            r"\\?\pipe\",
            r"\\.\",
            r"\\.",
            r"\\?",
            r"\\",
            r"\\\\",
        ] {
            assert_eq!(name(path), Err(Status::ObjectNameInvalid), "{path}");
        }
    }

    /// semantics 12
    #[test]
    fn another_computer_is_told_apart() {
        for path in [
            r"\\server\pipe\x",
            "//server/PIPE/x",
            r"\\?\UNC\server\pipe\x",
            r"\\.server\pipe\x",
        ] {
            assert_eq!(name(path), Err(Status::NotSupported), "{path}");
        }
        for path in [r"\\server\share\x", r"\\server\pipe\", r"\\server", r"\\\pipe\x"] {
            assert_eq!(name(path), Err(Status::ObjectNameInvalid), "{path}");
        }
    }
}
