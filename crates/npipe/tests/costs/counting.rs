//! Running under another program, and what strace writes down.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::rounds::{MARK, Work};
use crate::support::{Place, again};

/// How often each system call was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls(BTreeMap<String, usize>);

impl Calls {
    pub(crate) fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> usize {
        self.0.values().sum()
    }
}

/// Those of the thread that marks their beginning and end, and of all others of its process.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    pub(crate) marking: Calls,
    pub(crate) others: Calls,
}

/// The system calls of all threads during so many round trips.
pub(crate) fn system_calls(work: Work) -> Calls {
    let Sides { mut marking, others } = system_calls_by_side(work);
    for (name, count) in others.0 {
        *marking.0.entry(name).or_default() += count;
    }
    marking
}

/// The same, of the two sides.
pub(crate) fn system_calls_by_side(work: Work) -> Sides {
    let place = Place::new();
    let trace = place.path().join("trace");
    let flags = ["--follow-forks", "--quiet=all", "--signal=none", "--output"];
    watched(
        "strace",
        flags.map(OsStr::new).into_iter().chain([trace.as_os_str()]),
        work,
        place.path(),
    );
    let text = std::fs::read_to_string(&trace).expect("strace has written it");
    let _ = std::fs::remove_file(&trace);
    let mut sides = Sides::default();
    let (mut marks, mut marking) = (0, "");
    for (thread, name) in text.lines().filter_map(call_of) {
        if name == MARK {
            (marks, marking) = (marks + 1, thread);
        } else if marks == 1 {
            let side = match thread == marking {
                true => &mut sides.marking,
                false => &mut sides.others,
            };
            *side.0.entry(name.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(marks, 2, "the round trips lie between two marks");
    sides
}

/// The thread and the system call that a line of a trace begins; none for the rest of one that was interrupted by another thread's.
fn call_of(line: &str) -> Option<(&str, &str)> {
    let (thread, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    (thread.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('<')).then_some((thread, name))
}

/// Runs this program in a state under another one; what that says on stderr.
pub(crate) fn watched<'a>(watcher: &str, flags: impl Iterator<Item = &'a OsStr>, work: Work, root: &Path) -> String {
    let program = again(&work.role(), root);
    let mut command = Command::new(watcher);
    command
        .args(flags)
        .arg(std::env::current_exe().expect("this program has a file"));
    command.args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.expect("it is set"));
    }
    let output = command.output();
    let output =
        output.unwrap_or_else(|problem| panic!("{watcher} cannot be started, it is a Debian package: {problem}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{watcher}: {said}");
    said
}
