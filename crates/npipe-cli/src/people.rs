//! Users, groups and processes, as people call them.
//!
//! Names come from where the system has them: `/etc/passwd` and `/etc/group`, a directory service, or whatever
//! `nsswitch.conf` names. A process can call itself anything, and may have ended: what is told here is for showing only.

use npipe::{AccessRules, Peer, Status};

use crate::args::Access;
use crate::report::Failure;
use crate::sys;
use crate::target::printable;

/// How much of a command line is read, in bytes.
const COMMAND_BYTES: usize = 4096;

/// The name of a user, or its number.
pub(crate) fn user(uid: u32) -> String {
    sys::name_of_user(uid).map_or_else(|| format!("uid {uid}"), |name| printable(&name))
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
        rules = rules.allow_user(number("user", user, sys::number_of_user)?);
    }
    for group in &access.allow_group {
        rules = rules.allow_group(number("group", group, sys::number_of_group)?);
    }
    Ok(rules)
}

/// What was typed as a number is one, whoever is called so.
fn number(kind: &str, typed: &str, known: impl Fn(&str) -> Result<Option<u32>, &'static str>) -> Result<u32, Failure> {
    if let Ok(number) = typed.parse() {
        return Ok(number);
    }
    let why = match known(typed) {
        Ok(Some(number)) => return Ok(number),
        Ok(None) => String::new(),
        Err(error) => format!(" ({error})"),
    };
    Err(Failure::Usage(format!(
        "npipe: the system knows no {kind} '{}'{why}; type its number\n",
        printable(typed)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the system's word; who has no name is a number, and so is what was typed as one.
    #[test]
    fn names_and_numbers() {
        let nobody = |_: &str| Ok(None);
        assert_eq!(user(u32::MAX), "uid 4294967295");
        assert_eq!(number("user", "17", nobody).ok(), Some(17));
        assert_eq!(number("user", "ada", |_| Ok(Some(1000))).ok(), Some(1000));
        let told = |outcome: Result<u32, Failure>| match outcome {
            Err(Failure::Usage(text)) => text,
            other => panic!("{:?}", other.is_ok()),
        };
        assert_eq!(
            told(number("user", "no\nbody", nobody)),
            "npipe: the system knows no user 'no\\u{a}body'; type its number\n"
        );
        let silent = |_: &str| Err("I/O error");
        let text = told(number("group", "staff", silent));
        assert!(
            text.contains("no group 'staff' (") && text.ends_with("; type its number\n"),
            "{text}"
        );
    }

    /// This process, which can see itself.
    #[cfg(unix)]
    #[test]
    fn a_command_line_is_words() {
        let own = command(std::process::id()).expect("our own");
        assert!(!own.contains('\0') && own.contains("npipe"), "{own}");
    }
}
