//! The cases of `conformance/`, group by group.

use crate::support::{Build, Place};
use crate::tables::{Expected, answers, groups, source};

/// Compiles and runs a group and compares every case.
#[track_caller]
fn check(group: &str) {
    // The cases write wide texts as L"…".
    compare(group, &["-fshort-wchar"]);
}

#[track_caller]
fn compare(group: &str, flags: &[&str]) {
    let place = Place::new();
    let build = Build {
        flags,
        ..Build::default()
    };
    let program = place.compile(group, &[source(group)], build);
    let printed = place.run(&program, &[]);
    let expected = Expected::of_npipe(group);
    let wrong = expected.differences(&answers(group, &printed));
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} cases of {group} differ",
        wrong.join("\n"),
        wrong.len(),
        expected.len()
    );
}

/// A group that no test runs would be a silent success.
#[test]
fn every_group_is_run() {
    let tests = include_str!("cases.rs");
    for group in groups() {
        assert!(
            tests.contains(&format!("    check(\"{group}\");")),
            "no test runs {group}"
        );
    }
}

/// semantics 1-11, 13-15, 17, 46
#[test]
fn naming() {
    check("naming");
}

/// semantics 19-31, 34-36, 39, 41, 43-45, 194-197
#[test]
fn create() {
    check("create");
}

/// semantics 38, 46-56, 58, 60, 195-197, 204
#[test]
fn open() {
    check("open");
}

/// semantics 42, 57, 61-79, 175, 176, 178
#[test]
fn connect() {
    check("connect");
}

/// semantics 37, 81-89
#[test]
fn wait() {
    check("wait");
}

/// No rule: what stands beside pipes.
#[test]
fn timers() {
    check("timers");
}

/// No rule: thread pools; a server of their I/O.
#[test]
fn pools() {
    check("pools");
}

/// semantics 91-98, 119-126, 131, 132, 134, 135
#[test]
fn bytemode() {
    check("bytemode");
}

/// semantics 99-116, 201-203
#[test]
fn msgmode() {
    check("msgmode");
}

/// semantics 97, 117, 119-127
#[test]
fn quota() {
    check("quota");
}

/// semantics 131-139
#[test]
fn nowait() {
    check("nowait");
}

/// semantics 140-149
#[test]
fn peek() {
    check("peek");
}

/// semantics 150-162
#[test]
fn transact() {
    check("transact");
}

/// semantics 163-171
#[test]
fn flush() {
    check("flush");
}

/// semantics 67, 172-182
#[test]
fn disconnect() {
    check("disconnect");
}

/// semantics 27, 29, 116, 189, 195-197, 201, 203, 204, 206, 207
#[test]
fn state() {
    check("state");
}

/// semantics 183-189, 192
#[test]
fn close() {
    check("close");
}

/// semantics 253-257
#[test]
fn anon() {
    check("anon");
}

/// What children inherit, their standard handles, their ends. semantics 16, 101, 128, 129, 190, 205, 229,
/// 257-260
#[test]
fn children() {
    check("children");
}

/// semantics 43, 190, 194, 205, 258
#[test]
fn handles() {
    check("handles");
}

/// semantics 200, 261-263
#[test]
fn impersonate() {
    check("impersonate");
}

/// SIDs, access lists, descriptors and their texts; what they decide. semantics 24, 32, 258, 264, 265
#[test]
fn security() {
    check("security");
}

/// semantics 211-223, 225
#[test]
fn overlapped() {
    check("overlapped");
}

/// semantics 223, 227, 230, 234-244
#[test]
fn apc() {
    check("apc");
}

/// Many instances, clients and threads at once. semantics 234, 236, 246, 249
#[test]
fn stress() {
    check("stress");
}

/// semantics 226-231, 233, 245-252
#[test]
fn ports() {
    check("ports");
}

/// Sixty-four threads that do anything; nothing is left of it, not even in the namespace.
#[test]
fn storm() {
    check("storm");
}

/// The groups that use the library hardest, under the address and undefined-behaviour sanitizers and the leak checker.
#[test]
fn sanitized() {
    let sanitize = [
        "-fshort-wchar",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ];
    for group in [
        "objects",
        "edges",
        "texts",
        "apc",
        "ports",
        "timers",
        "pools",
        "storm",
        "children",
        "impersonate",
        "nt",
    ] {
        compare(group, &sanitize);
    }
}

/// No rule of pipes: types, texts, memory, objects, time.
#[test]
fn compat() {
    check("compat");
}

/// NT's functions for pipes. semantics 85, 86, 140-143, 145, 147, 148, 154, 195-197, 201-203, 210
#[test]
fn nt() {
    check("nt");
}

/// What surrounds the rules: pointers, flags, wrong ends. semantics 18, 43, 65, 66, 174, 179, 198, 199, 202, 208, 209, 232
#[test]
fn edges() {
    check("edges");
}

/// No rule of pipes: events, mutexes, semaphores, waits, calls, locks.
#[test]
fn objects() {
    check("objects");
}

/// No rule of pipes: names, calendars, directories, the console and its events.
#[test]
fn system() {
    check("system");
}

/// No rule of pipes: formats, copies, conversions, messages.
#[test]
fn texts() {
    check("texts");
}
