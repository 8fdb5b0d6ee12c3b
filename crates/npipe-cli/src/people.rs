//! Users, groups and processes, as people call them.
//!
//! Names come from `/etc/passwd` and `/etc/group`; who is known by a directory service only is shown, and typed, as a
//! number; on Windows the system has the names. A process can call itself anything, and may have ended: what is told here is for showing only.

use std::fs;

use npipe::{AccessRules, Peer, Status};

use crate::args::Access;
use crate::report::Failure;
use crate::sys;
use crate::target::printable;

/// How much of a command line is read, in bytes.
const COMMAND_BYTES: usize = 4096;

/// The name of a user, or its number.
pub(crate) fn user(uid: u32) -> String {
    name_in("/etc/passwd", uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// The command line of a process; `None` if it has ended or cannot be seen.
pub(crate) fn command(pid: u32) -> Option<String> {
    let mut words = sys::command_line(pid)?;
    words.truncate(COMMAND_BYTES);
    let text = String::from_utf8_lossy(&words).replace('\0', " ");
    let text = text.trim_end();
    (!text.is_empty()).then(|| printable(text))
}

/// Whose a pipe is, by the number of the user where users have numbers.
pub(crate) fn owner(uid: Option<u32>) -> String {
    uid.map_or_else(|| "?".to_owned(), user)
}

/// What the user of a process at the other end is called.
pub(crate) fn user_of(peer: &Peer) -> String {
    match (sys::ids_of(peer), sys::account_of(peer)) {
        (Some((uid, _)), _) => user(uid),
        (None, Some(account)) => printable(account),
        (None, None) => "?".to_owned(),
    }
}

/// "process 17 (bc -l, ada)".
pub(crate) fn peer(peer: &Peer) -> String {
    let user = user_of(peer);
    let name = peer
        .pid
        .and_then(command)
        .or_else(|| peer.process.as_deref().map(printable));
    match (peer.pid, name) {
        (Some(pid), Some(name)) => format!("process {pid} ({name}, {user})"),
        (Some(pid), None) => format!("process {pid} ({user})"),
        (None, _) => format!("a process that cannot be seen ({user})"),
    }
}

/// The rules of a pipe that this command serves.
pub(crate) fn access_rules(access: &Access) -> Result<AccessRules, Failure> {
    let refused = |_: Status| {
        Failure::Usage(format!(
            "npipe: the mode {:o} does not fit a pipe; type one of 600, 660 or 666\n",
            access.mode
        ))
    };
    let mut rules = AccessRules::from_mode(access.mode).map_err(refused)?;
    for user in &access.allow_user {
        rules = rules.allow_user(number("user", "/etc/passwd", user)?);
    }
    for group in &access.allow_group {
        rules = rules.allow_group(number("group", "/etc/group", group)?);
    }
    Ok(rules)
}

fn number(kind: &str, file: &str, typed: &str) -> Result<u32, Failure> {
    if let Ok(number) = typed.parse() {
        return Ok(number);
    }
    number_in(file, typed).ok_or_else(|| {
        Failure::Usage(format!(
            "npipe: there is no {kind} '{}' in {file}; type its number\n",
            printable(typed)
        ))
    })
}

fn number_in(file: &str, name: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    entries(&text)
        .find(|(known, _)| *known == name)
        .map(|(_, number)| number)
}

fn name_in(file: &str, number: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let name = entries(&text).find(|(_, known)| *known == number);
    name.map(|(name, _)| printable(name))
}

/// Names and numbers: the first and the third field of each line.
fn entries(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that make no sense are passed over.
    #[test]
    fn names_and_numbers() {
        let text = "root:x:0:0:root:/root:/bin/sh\nnonsense\nada:x:1000:1000::/nowhere:/bin/sh\n";
        let found: Vec<_> = entries(text).collect();
        assert_eq!(found, [("root", 0), ("ada", 1000)]);
        assert_eq!(user(u32::MAX), "uid 4294967295");
    }

    /// This process, which can see itself.
    #[cfg(unix)]
    #[test]
    fn a_command_line_is_words() {
        let own = command(std::process::id()).expect("our own");
        assert!(!own.contains('\0') && own.contains("npipe"), "{own}");
    }
}
