//! `doctor`: what is well, and each thing that is not.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Ended, Root, end};

/// Its checks, levels and messages, with a TMPDIR of the test's own.
fn examine(root: &Root, temporary: &TempDir) -> (Ended, Vec<Value>) {
    let mut command = root.command(&["doctor", "--json"]);
    command.env("TMPDIR", temporary.path());
    let ended = end(command.spawn().expect("the command starts"));
    let findings = ended.document().as_array().expect("an array").clone();
    (ended, findings)
}

fn problems(findings: &[Value]) -> Vec<(&str, &str)> {
    findings
        .iter()
        .filter(|finding| finding["level"] == "problem")
        .map(|finding| {
            let word = |key: &str| finding[key].as_str().expect("a text");
            assert_ne!(word("hint"), "", "a problem says what to do");
            (word("check"), word("message"))
        })
        .collect()
}

fn temporary() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

/// The documented shape, and the end with 0.
#[test]
fn all_is_well() {
    let (root, temporary) = (Root::new(), temporary());
    let _server = root.serve(&["room"]);
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(problems(&findings), [], "{ended:?}");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for finding in &findings {
        let mut keys: Vec<_> = finding.as_object().expect("an object").keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["check", "hint", "level", "message"]);
        assert!(["ok", "note", "problem"].contains(&finding["level"].as_str().expect("a level")));
    }
    let checks: Vec<_> = findings
        .iter()
        .filter_map(|finding| finding["check"].as_str())
        .collect();
    for check in [
        "namespace",
        "entries",
        "foreign servers",
        ".NET pipes",
        "processors",
        "descriptors",
        "mappings",
    ] {
        assert!(checks.contains(&check), "{checks:?}");
    }
    let shown = root.run(&["doctor"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("1 name served"), "{shown:?}");
}

/// Each thing that needs a hand, and then the end with 1.
#[test]
fn what_needs_a_hand_is_told() {
    let (root, temporary) = (Root::new(), temporary());
    let server = root.serve(&["room"]);
    server.stop();
    std::fs::write(root.path().join("stranger"), "").expect("a file");
    let _dotnet = UnixListener::bind(temporary.path().join("CoreFxPipe_ROOM")).expect("a socket");
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.error()["message"] == "3 things need a hand", "{ended:?}");
    let problems = problems(&findings);
    let of = |check: &str| {
        problems
            .iter()
            .find(|problem| problem.0 == check)
            .map(|problem| problem.1)
    };
    assert!(
        of("silent servers").is_some_and(|text| text.contains(r"\\.\pipe\room")),
        "{problems:?}"
    );
    assert!(
        of("foreign entries").is_some_and(|text| text.contains("stranger")),
        "{problems:?}"
    );
    assert!(
        of(".NET pipes").is_some_and(|text| text.contains("ROOM")),
        "{problems:?}"
    );
    server.signal(Signal::CONT);
    let shown = root.run(&["doctor"]);
    assert_eq!(shown.code, Some(1), "the stranger is there still: {shown:?}");
    assert!(shown.stdout.contains("-> remove them"), "{shown:?}");
}

/// What a killed server left is worth a note, and nothing is changed by looking.
#[test]
fn what_is_dead_is_noted() {
    let (root, temporary) = (Root::new(), temporary());
    let server = root.serve(&["room"]);
    server.signal(Signal::KILL);
    server.end();
    let left = root.entries();
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let note = findings.iter().find(|finding| finding["check"] == "stale entries");
    let note = note.expect("a note");
    assert_eq!(note["level"], "note");
    assert!(
        note["message"].as_str().is_some_and(|text| text.contains("room")),
        "{note}"
    );
    assert_eq!(root.entries(), left);
}

/// A namespace that cannot be used, and limits that are too low.
#[test]
fn the_place_and_the_limits_are_looked_at() {
    let (root, temporary) = (Root::new(), temporary());
    let everyone = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(root.path(), everyone).expect("it is ours");
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(problems(&findings)[0].0, "namespace", "{ended:?}");

    let root = Root::new();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -n 100; exec \"$0\" doctor", env!("CARGO_BIN_EXE_npipe")])
        .env("NPIPE_ROOT", root.path())
        .env("TMPDIR", temporary.path());
    let output = shell.output().expect("a shell");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("problem  descriptors"), "{shown}");
}
