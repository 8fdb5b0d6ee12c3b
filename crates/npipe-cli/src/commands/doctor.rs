//! `npipe doctor`: what is in the way of pipes on this machine.
//!
//! JSON: an array of `{"check", "level": "ok"|"note"|"problem", "message", "hint"}`. Nothing is changed; a problem is what
//! somebody has to do something about, a note what is worth knowing.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use npipe::{Condition, Namespace, PipeName, Survey, SurveyEntry};
use rustix::process::{Resource, Rlimit, getrlimit, getuid};
use rustix::thread::sched_getaffinity;
use serde_json::{Value, json};

use crate::output;
use crate::people;
use crate::report::Failure;
use crate::table::{self, Cell, Frame, Tone};
use crate::target::{printable, shown};

/// Fewer descriptors than this and a server is soon at its end: each connection takes one.
const FEW_DESCRIPTORS: u64 = 1024;
/// What the smallest connection has of memory, nearly all of it untouched.
const CONNECTION_BYTES: u64 = 132 * 1024 + (8 << 20);
/// What Linux gives a process unless told otherwise.
const USUAL_MAPPINGS: u64 = 65_530;
/// How many of many are named.
const NAMED: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    Note,
    Problem,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Problem => "problem",
        }
    }
}

struct Finding {
    check: &'static str,
    level: Level,
    message: String,
    hint: String,
}

impl Finding {
    fn new(check: &'static str, level: Level, message: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding {
            check,
            level,
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn ok(check: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(check, Level::Ok, message, "")
    }
}

pub(super) fn run(as_json: bool) -> Result<(), Failure> {
    let mut findings = Vec::new();
    match Namespace::find().and_then(|namespace| Ok((namespace.survey()?, namespace))) {
        Ok((survey, namespace)) => {
            findings.push(namespace_in_use(&namespace, &survey));
            findings.extend(entries(&survey));
            findings.push(foreign_servers(&survey));
            findings.push(dotnet(&survey));
        }
        Err(error) => findings.push(Finding::new(
            "namespace",
            Level::Problem,
            printable(&error.to_string()),
            error
                .hint()
                .unwrap_or("set NPIPE_ROOT to a directory that this user may use, or make this one usable"),
        )),
    }
    findings.push(processors());
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    findings.push(descriptors(current, maximum));
    findings.extend(file_size(getrlimit(Resource::Fsize).current));
    let limit = fs::read_to_string("/proc/sys/vm/max_map_count");
    findings.push(mappings(
        limit.and_then(|text| text.trim().parse().map_err(io::Error::other)),
    ));
    if as_json {
        output::json(&Value::Array(findings.iter().map(finding_json).collect()))?;
    } else {
        output::data(text(&findings, Frame::of_stdout()).as_bytes())?;
    }
    match findings
        .iter()
        .filter(|finding| finding.level == Level::Problem)
        .count()
    {
        0 => Ok(()),
        count => Err(Failure::NeedsHand(count)),
    }
}

/// Each finding, with what to do on a line of its own: that is to be read whole.
fn text(findings: &[Finding], frame: Frame) -> String {
    let plain = Frame { width: None, ..frame };
    let rows = findings.iter().flat_map(|finding| {
        let tone = match finding.level {
            Level::Ok => Tone::Good,
            Level::Note => Tone::Note,
            Level::Problem => Tone::Bad,
        };
        let row = vec![
            Cell::new(finding.level.word(), tone),
            Cell::new(finding.check, Tone::Head),
            finding.message.as_str().into(),
        ];
        let hint =
            (!finding.hint.is_empty()).then(|| vec!["".into(), "".into(), format!("-> {}", finding.hint).into()]);
        [row].into_iter().chain(hint)
    });
    table::render(&rows.collect::<Vec<_>>(), plain)
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "check": finding.check,
        "level": finding.level.word(),
        "message": finding.message,
        "hint": finding.hint,
    })
}

fn namespace_in_use(namespace: &Namespace, survey: &Survey) -> Finding {
    const CHECK: &str = "namespace";
    let root = printable(&namespace.root().to_string_lossy());
    let why = match env::var_os("NPIPE_ROOT").is_some_and(|chosen| !chosen.is_empty()) {
        true => ", by NPIPE_ROOT",
        false => "",
    };
    let Ok(metadata) = fs::metadata(namespace.root()) else {
        return Finding::new(CHECK, Level::Problem, format!("{root} has gone"), "look who removes it");
    };
    let rights = format!(
        "{}, mode {:04o}",
        people::user(metadata.uid()),
        metadata.mode() & 0o7777
    );
    let whose = if survey.is_shared {
        "for all users"
    } else {
        "for this user alone"
    };
    Finding::ok(CHECK, format!("{root}{why}, {whose} ({rights})"))
}

/// What is in the namespace.
fn entries(survey: &Survey) -> Vec<Finding> {
    let served = of(survey, Condition::Serving).len();
    let mut findings = vec![Finding::ok("entries", format!("{} served", count(served, "name")))];
    findings.extend(stale_entries(survey));
    findings.extend(silent_servers(survey));
    findings.extend(foreign_entries(survey));
    findings
}

fn of(survey: &Survey, condition: Condition) -> Vec<&SurveyEntry> {
    let entries = survey.entries.iter();
    entries.filter(|entry| entry.condition == condition).collect()
}

/// What killed servers have left.
fn stale_entries(survey: &Survey) -> Vec<Finding> {
    const CHECK: &str = "stale entries";
    let own_uid = getuid().as_raw();
    let dead = of(survey, Condition::Dead).into_iter();
    let (own, foreign): (Vec<_>, Vec<_>) = dead.partition(|entry| entry.owner_uid == own_uid);
    let mut findings = Vec::new();
    if !own.is_empty() {
        findings.push(Finding::new(
            CHECK,
            Level::Note,
            format!(
                "{} of servers that were killed: {}",
                count(own.len(), "entry"),
                named(&own)
            ),
            "nothing to do: 'npipe list', or whoever uses the name next, removes them",
        ));
    }
    if !foreign.is_empty() {
        let number = count(foreign.len(), "entry");
        findings.push(Finding::new(
            CHECK,
            Level::Note,
            format!("{number} of other users' killed servers: {}", named(&foreign)),
            "they hinder nobody; only their users can remove them",
        ));
    }
    findings
}

fn silent_servers(survey: &Survey) -> Option<Finding> {
    let silent = of(survey, Condition::Silent);
    let verb = if silent.len() == 1 { "does" } else { "do" };
    (!silent.is_empty()).then(|| {
        Finding::new(
            "silent servers",
            Level::Problem,
            format!(
                "{} {verb} not answer: {}",
                count(silent.len(), "server"),
                named(&silent)
            ),
            "look whether the process is stopped (kill -CONT) or hangs",
        )
    })
}

/// What somebody else has put there.
fn foreign_entries(survey: &Survey) -> Vec<Finding> {
    const CHECK: &str = "foreign entries";
    let mut findings = Vec::new();
    let mislabelled = of(survey, Condition::Mislabelled);
    if !mislabelled.is_empty() {
        let number = count(mislabelled.len(), "entry");
        findings.push(Finding::new(
            CHECK,
            Level::Problem,
            format!("{number} whose server has another name: {}", named(&mislabelled)),
            "somebody has put them there; nobody opens them, and their user can remove them",
        ));
    }
    if !survey.strangers.is_empty() {
        let files = survey.strangers.iter().map(|file| printable(&file.to_string_lossy()));
        findings.push(Finding::new(
            CHECK,
            Level::Problem,
            format!(
                "{} no part of a pipe: {}",
                are(survey.strangers.len(), "file"),
                some_of(files)
            ),
            "remove them, or choose another directory by NPIPE_ROOT",
        ));
    }
    findings
}

/// One name, several users: each opens the one that was there first.
fn foreign_servers(survey: &Survey) -> Finding {
    const CHECK: &str = "foreign servers";
    let mut servers: BTreeMap<_, Vec<(&PipeName, u32)>> = BTreeMap::new();
    for entry in of(survey, Condition::Serving) {
        if let Some(name) = &entry.name {
            servers.entry(name.key()).or_default().push((name, entry.owner_uid));
        }
    }
    let clashes: Vec<_> = servers
        .values()
        .filter(|servers| servers.len() > 1)
        .map(|servers| {
            let users: Vec<_> = servers.iter().map(|(_, uid)| people::user(*uid)).collect();
            format!("{} by {}", shown(servers[0].0), users.join(" and "))
        })
        .collect();
    if !clashes.is_empty() {
        return Finding::new(
            CHECK,
            Level::Problem,
            format!("served by several users: {}", some_of(clashes.into_iter())),
            "clients open the one that was there first; agree on one, or on different names",
        );
    }
    let own_uid = getuid().as_raw();
    let serving = of(survey, Condition::Serving).into_iter();
    match serving.filter(|entry| entry.owner_uid != own_uid).count() {
        0 => Finding::ok(CHECK, "no name is served by another user"),
        foreign => Finding::new(
            CHECK,
            Level::Note,
            format!("{} served by other users", are(foreign, "name")),
            "'npipe list' says whose they are",
        ),
    }
}

/// .NET on Linux has pipes of its own, sockets in the directory for temporary files, which do not meet these.
fn dotnet(survey: &Survey) -> Finding {
    const CHECK: &str = ".NET pipes";
    const PREFIX: &str = "CoreFxPipe_";
    let directory = env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let Ok(files) = fs::read_dir(&directory) else {
        let directory = printable(&directory.to_string_lossy());
        return Finding::new(
            CHECK,
            Level::Note,
            format!("{directory} cannot be read"),
            "set TMPDIR to the directory for temporary files that .NET programs use",
        );
    };
    let sockets = files
        .flatten()
        .filter(|file| file.file_type().is_ok_and(|kind| kind.is_socket()));
    let names: Vec<PipeName> = sockets
        .filter_map(|file| {
            let file = file.file_name();
            let name = file.to_str()?.strip_prefix(PREFIX)?;
            PipeName::from_typed(name.as_bytes()).ok()
        })
        .collect();
    let clashes: Vec<String> = names
        .iter()
        .filter(|name| {
            survey
                .entries
                .iter()
                .any(|entry| entry.name.as_ref().is_some_and(|own| own.key() == name.key()))
        })
        .map(shown)
        .collect();
    if !clashes.is_empty() {
        return Finding::new(
            CHECK,
            Level::Problem,
            format!(
                "served here and by a .NET program too: {}",
                some_of(clashes.into_iter())
            ),
            "a .NET program meets the one of .NET, others this one; join them by 'npipe relay', or rename one",
        );
    }
    match names.len() {
        0 => Finding::ok(CHECK, "none that could be taken for one of these"),
        count => Finding::new(
            CHECK,
            Level::Note,
            format!(
                "{} of .NET programs, which do not meet these",
                self::count(count, "pipe")
            ),
            "join one by 'npipe relay npipe-listen:NAME unix:$TMPDIR/CoreFxPipe_NAME --fork --byte'",
        ),
    }
}

fn processors() -> Finding {
    const CHECK: &str = "processors";
    let usable = sched_getaffinity(None).map_or(0, |set| set.count());
    match usable {
        0 | 1 => Finding::new(
            CHECK,
            Level::Note,
            "one for this process: ends do not spin, each round trip costs two switches",
            "give it two (taskset, cpuset) if it is to be fast",
        ),
        several => Finding::ok(
            CHECK,
            format!("{several} for this process: ends may spin for each other"),
        ),
    }
}

/// By their limits, which may be none.
fn descriptors(current: Option<u64>, maximum: Option<u64>) -> Finding {
    const CHECK: &str = "descriptors";
    let shown = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let text = format!("{} for a process, {} if it asks", shown(current), shown(maximum));
    match current {
        Some(current) if current < FEW_DESCRIPTORS => Finding::new(
            CHECK,
            Level::Problem,
            text,
            "each connection takes one: raise it by ulimit -n, LimitNOFILE= of a service, or limits.conf",
        ),
        _ => Finding::ok(CHECK, text),
    }
}

/// The memory of a connection is a file to the system, though one that takes no place.
fn file_size(limit: Option<u64>) -> Option<Finding> {
    let limit = limit.filter(|limit| *limit < CONNECTION_BYTES)?;
    Some(Finding::new(
        "file size",
        Level::Problem,
        format!("{limit} bytes for a file, and the memory of a connection is one to the system"),
        format!(
            "a connection has {CONNECTION_BYTES} bytes or more: raise it by ulimit -f, or LimitFSIZE= of a service"
        ),
    ))
}

/// By their limit, if the system tells it.
fn mappings(limit: io::Result<u64>) -> Finding {
    const CHECK: &str = "mappings";
    match limit {
        Ok(limit) if limit < USUAL_MAPPINGS => Finding::new(
            CHECK,
            Level::Problem,
            format!("{limit} for a process, fewer than usual ({USUAL_MAPPINGS})"),
            format!("each connection takes one or two: sysctl vm.max_map_count={USUAL_MAPPINGS}"),
        ),
        Ok(limit) => Finding::ok(CHECK, format!("{limit} for a process")),
        Err(error) => Finding::new(
            CHECK,
            Level::Note,
            format!("vm.max_map_count cannot be read: {error}"),
            "mount /proc",
        ),
    }
}

/// "1 name", "2 entries".
fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {what}s"),
    }
}

/// "1 file is", "2 files are".
fn are(number: usize, what: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number, what))
}

fn named(entries: &[&SurveyEntry]) -> String {
    some_of(entries.iter().map(|entry| {
        let name = entry.name.as_ref().map_or_else(|| entry.file.clone(), shown);
        match entry.server_pid {
            Some(pid) => format!("{name} (process {pid}, {})", people::user(entry.owner_uid)),
            None => format!("{name} ({})", people::user(entry.owner_uid)),
        }
    }))
}

/// The first of them, and how many more there are.
fn some_of(texts: impl ExactSizeIterator<Item = String>) -> String {
    let more = texts.len().saturating_sub(NAMED);
    let named: Vec<_> = texts.take(NAMED).collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Too few need a hand; no limit is none, and what cannot be read is said.
    #[test]
    fn limits_are_judged() {
        let level = |current| descriptors(current, Some(4096)).level;
        assert_eq!(
            [level(Some(1023)), level(Some(1024)), level(None)],
            [Level::Problem, Level::Ok, Level::Ok]
        );
        assert_eq!(
            descriptors(None, None).message,
            "unlimited for a process, unlimited if it asks"
        );
        let few = mappings(Ok(USUAL_MAPPINGS - 1));
        assert_eq!(few.level, Level::Problem);
        assert!(few.hint.contains("sysctl vm.max_map_count=65530"), "{}", few.hint);
        assert_eq!(mappings(Ok(USUAL_MAPPINGS)).level, Level::Ok);
        let unknown = mappings(Err(io::ErrorKind::NotFound.into()));
        assert_eq!((unknown.level, unknown.hint.as_str()), (Level::Note, "mount /proc"));
    }

    /// One and many.
    #[test]
    fn numbers_agree_with_their_words() {
        assert_eq!([count(1, "entry"), count(2, "entry")], ["1 entry", "2 entries"]);
        assert_eq!([are(1, "file"), are(0, "file")], ["1 file is", "0 files are"]);
        let letters = |count: usize| (0..count).map(|letter| letter.to_string());
        assert_eq!(some_of(letters(2).collect::<Vec<_>>().into_iter()), "0, 1");
        assert_eq!(
            some_of(letters(5).collect::<Vec<_>>().into_iter()),
            "0, 1, 2 and 2 more"
        );
    }
}
