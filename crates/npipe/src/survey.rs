//! Looking a namespace over: what is in its directory, and in what condition.

use std::ffi::OsString;
use std::time::Instant;

use npipe_core::PipeName;

use crate::connect::{self, Account, Inquiry};
use crate::directory::Namespace;
use crate::error::{Error, Result};
use crate::listing::{LISTING_BATCH, LISTING_TIME};
use crate::sys::namespace::Entry;

/// What is in a namespace's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Whether it is for all users.
    pub is_shared: bool,
    /// The entries, by file.
    pub entries: Vec<SurveyEntry>,
    /// Files that are no part of any entry.
    pub strangers: Vec<OsString>,
}

/// An entry of a namespace, dead or alive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurveyEntry {
    /// Its socket, in the directory.
    pub file: String,
    /// The name, if it is known: by the server's word or, where nobody answers, by what was written down.
    pub name: Option<PipeName>,
    /// The user whose it is.
    pub owner_uid: u32,
    /// The process that serves it, or did.
    pub server_pid: Option<u32>,
    /// How it is.
    pub condition: Condition,
}

/// The condition of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// Its server answers.
    Serving,
    /// Its server lives and does not answer: it is stopped, for instance.
    Silent,
    /// Its server has gone without a farewell; whoever of its user meets it removes it.
    Dead,
    /// Its server claims another name than that of the entry, and nobody opens it.
    Mislabelled,
}

impl Namespace {
    /// Looks the directory over, and changes nothing in it: what [`list`](Namespace::list) leaves out is here too.
    ///
    /// # Errors
    /// [`Status::AccessDenied`](crate::Status::AccessDenied),
    /// [`Status::ObjectPathNotFound`](crate::Status::ObjectPathNotFound): the namespace cannot be used.
    pub fn survey(&self) -> Result<Survey> {
        let fail = |error| Error::from_sys(error, "survey");
        let root = self.directory();
        let mut entries = Vec::new();
        for batch in root.entries().map_err(fail)?.chunks(LISTING_BATCH) {
            let asked: Vec<Inquiry<'_>> = batch
                .iter()
                .map(|entry| connect::inquire(root, &entry.candidate))
                .collect();
            let deadline = Some(Instant::now() + LISTING_TIME);
            for (entry, inquiry) in batch.iter().zip(asked) {
                let answer = inquiry.answer(deadline).map_err(fail)?;
                entries.push(self.judge(entry, answer));
            }
        }
        entries.sort_by(|one, other| one.file.cmp(&other.file));
        Ok(Survey {
            is_shared: root.is_shared(),
            entries,
            strangers: root.strangers().map_err(fail)?,
        })
    }

    fn judge(&self, entry: &Entry, answer: Option<Account>) -> SurveyEntry {
        let candidate = &entry.candidate;
        let written = entry.name.as_deref().and_then(|name| PipeName::from_wtf8(name).ok());
        let (name, server_pid, condition) = match answer {
            Some(Account { report, server }) if report.name.key() == candidate.key => {
                (Some(report.name), server.pid, Condition::Serving)
            }
            Some(Account { server, .. }) => (None, server.pid, Condition::Mislabelled),
            None => {
                let knock = self.directory().connect_until(candidate, Some(Instant::now()));
                let is_dead = knock.is_err_and(|error| connect::is_dead(error.kind()));
                let condition = if is_dead { Condition::Dead } else { Condition::Silent };
                let name = written.filter(|name| name.key() == candidate.key);
                (name, entry.pid, condition)
            }
        };
        SurveyEntry {
            file: candidate.to_string(),
            name,
            owner_uid: candidate.uid,
            server_pid,
            condition,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerOptions;
    use std::os::unix::net::UnixListener;

    /// What lives, what died and what does not belong there are told apart, and left as they are. semantics 13
    #[test]
    fn a_survey_tells_the_living_from_the_dead() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let namespace = Namespace::at(place).unwrap();
        let _server = ServerOptions::new().root(place).create(r"\\.\pipe\alive").unwrap();
        let dead = PipeName::from_typed(b"dead").unwrap();
        let uid = crate::sys::identity::own_uid();
        let socket = format!("{:032x}.{uid}", u128::from_be_bytes(dead.key()));
        drop(UnixListener::bind(place.join(&socket)).unwrap());
        std::fs::write(place.join("stranger"), "").unwrap();

        let survey = namespace.survey().unwrap();
        assert!(!survey.is_shared);
        assert_eq!(survey.strangers, ["stranger"]);
        let condition = |file: &str| {
            let entry = survey.entries.iter().find(|entry| entry.file == file);
            entry.map(|entry| entry.condition)
        };
        assert_eq!(condition(&socket), Some(Condition::Dead));
        let alive = survey
            .entries
            .iter()
            .find(|entry| entry.condition == Condition::Serving)
            .unwrap();
        assert_eq!(alive.name.as_ref().unwrap().to_string(), "alive");
        assert_eq!(alive.server_pid, Some(std::process::id()));
        assert!(place.join(&socket).exists());
    }
}
