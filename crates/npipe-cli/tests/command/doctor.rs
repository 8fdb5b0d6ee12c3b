//! `doctor`: what is well, and each thing that is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Signal, getuid};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
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

/// The level and the message of the findings of one check.
fn of<'a>(findings: &'a [Value], check: &str) -> Vec<(&'a str, &'a str)> {
    findings
        .iter()
        .filter(|finding| finding["check"] == check)
        .filter_map(|finding| Some((finding["level"].as_str()?, finding["message"].as_str()?)))
        .collect()
}

/// The sockets in a namespace.
fn sockets(root: &Root) -> Vec<PathBuf> {
    let files = fs::read_dir(root.path()).expect("the namespace");
    files
        .map(|file| file.expect("a file").path())
        .filter(|path| !path.to_string_lossy().ends_with(".lock"))
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
        .args([
            "-c",
            "ulimit -n 100; ulimit -f 100; exec \"$0\" doctor",
            env!("CARGO_BIN_EXE_npipe"),
        ])
        .env("NPIPE_ROOT", root.path())
        .env("TMPDIR", temporary.path());
    let output = shell.output().expect("a shell");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for limit in ["descriptors", "file size"] {
        assert!(shown.contains(&format!("problem  {limit}")), "{shown}");
    }
}

/// The place, why it is that, and whose.
#[test]
fn the_namespace_is_told_with_its_rights() {
    let (root, temporary) = (Root::new(), temporary());
    let told = |findings: &[Value]| of(findings, "namespace")[0].1.to_owned();
    fs::set_permissions(root.path(), Permissions::from_mode(0o700)).expect("it is ours");
    let (_, findings) = examine(&root, &temporary);
    let message = told(&findings);
    assert!(message.starts_with(&root.path().display().to_string()), "{message}");
    assert!(
        message.contains("by NPIPE_ROOT, for this user alone (") && message.ends_with("mode 0700)"),
        "{message}"
    );
    if getuid().is_root() {
        fs::set_permissions(root.path(), Permissions::from_mode(0o1777)).expect("it is ours");
        let (ended, findings) = examine(&root, &temporary);
        let message = told(&findings);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(message.contains("for all users (root, mode 1777)"), "{message}");
    }
}

/// An entry whose server has another name than the entry. semantics 13
#[test]
fn a_server_under_another_name_is_told() {
    let (root, temporary) = (Root::new(), temporary());
    let _server = root.serve(&["room"]);
    let socket = sockets(&root).pop().expect("its socket");
    let file = socket.file_name().and_then(|file| file.to_str()).expect("a text");
    let (first, rest) = file.split_at(1);
    let other = if first == "0" { "1" } else { "0" };
    fs::rename(&socket, socket.with_file_name(format!("{other}{rest}"))).expect("it is ours");
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let [(level, message)] = of(&findings, "foreign entries")[..] else {
        panic!("{findings:?}");
    };
    assert_eq!(level, "problem");
    assert!(
        message.starts_with("1 entry whose server has another name: "),
        "{message}"
    );
    assert!(message.contains(rest), "{message}");
}

/// Another user's server; one of ours beside it by the same name; what it leaves when it is killed. semantics 13, 265
#[test]
fn what_is_of_other_users_is_told() {
    const ALICE: u32 = 40_001;
    if !getuid().is_root() {
        println!("left out, since only the superuser has other users: what_is_of_other_users_is_told");
        return;
    }
    let (root, temporary) = (Root::new(), temporary());
    fs::set_permissions(root.path(), Permissions::from_mode(0o1777)).expect("it is ours");
    // As if Alice had served it: what counts is whose the files are.
    let server = root.serve(&["room"]);
    for socket in sockets(&root) {
        let hers = socket.with_extension(ALICE.to_string());
        for ending in ["", ".lock"] {
            let (from, to) = (
                format!("{}{ending}", socket.display()),
                format!("{}{ending}", hers.display()),
            );
            fs::rename(&from, &to).expect("it is ours");
            chown(&to, Some(ALICE), None).expect("we may");
        }
    }
    let foreign = |findings: &[Value]| -> (String, String) {
        let told = of(findings, "foreign servers");
        (told[0].0.to_owned(), told[0].1.to_owned())
    };
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let note = ("note".to_owned(), "1 name is served by other users".to_owned());
    assert_eq!(foreign(&findings), note);

    let elsewhere = Root::new();
    let own = elsewhere.serve(&["ROOM"]);
    for socket in sockets(&elsewhere) {
        for ending in ["", ".lock"] {
            let file = format!("{}{ending}", socket.file_name().expect("a name").to_string_lossy());
            fs::rename(elsewhere.path().join(&file), root.path().join(&file)).expect("it is ours");
        }
    }
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let (level, message) = foreign(&findings);
    assert_eq!(level, "problem");
    assert!(message.starts_with("served by several users: "), "{message}");
    assert!(message.contains("root") && message.contains("uid 40001"), "{message}");

    for server in [server, own] {
        server.signal(Signal::KILL);
        server.end();
    }
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let stale = of(&findings, "stale entries");
    assert_eq!(
        stale.iter().map(|finding| finding.0).collect::<Vec<_>>(),
        ["note", "note"]
    );
    assert!(
        stale[0].1.starts_with("1 entry of servers that were killed: "),
        "{stale:?}"
    );
    assert!(
        stale[1].1.starts_with("1 entry of other users' killed servers: "),
        "{stale:?}"
    );
}

/// Pipes of .NET that are in nobody's way, and a place for them that cannot be read.
#[test]
fn dotnet_is_looked_for_where_it_is() {
    let (root, temporary) = (Root::new(), temporary());
    let _server = root.serve(&["room"]);
    fs::write(temporary.path().join("CoreFxPipe_room"), "").expect("a file that is no socket");
    let (_, findings) = examine(&root, &temporary);
    let none = [("ok", "none that could be taken for one of these")];
    assert_eq!(of(&findings, ".NET pipes"), none);
    let _dotnet = UnixListener::bind(temporary.path().join("CoreFxPipe_other")).expect("a socket");
    let (ended, findings) = examine(&root, &temporary);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let one = [("note", "1 pipe of .NET programs, which do not meet these")];
    assert_eq!(of(&findings, ".NET pipes"), one);

    let gone = temporary.path().join("gone");
    let mut command = root.command(&["doctor", "--json"]);
    let ended = end(command.env("TMPDIR", &gone).spawn().expect("the command starts"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let findings = ended.document().as_array().expect("an array").clone();
    let told = of(&findings, ".NET pipes");
    assert_eq!(told, [("note", format!("{} cannot be read", gone.display()).as_str())]);
}

/// One processor is enough, and slow.
#[test]
fn a_single_processor_is_noted() {
    let (root, temporary) = (Root::new(), temporary());
    let all = sched_getaffinity(None).expect("ours");
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("one at least");
    let mut one = CpuSet::new();
    one.set(first);
    // Of this thread, and of what it starts.
    sched_setaffinity(None, &one).expect("one of ours");
    let (ended, findings) = examine(&root, &temporary);
    sched_setaffinity(None, &all).expect("what we had");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told = of(&findings, "processors");
    assert_eq!(told[0].0, "note", "{told:?}");
    assert!(told[0].1.starts_with("one for this process"), "{told:?}");
}
