//! The cases of `conformance/`, group by group.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{Build, Place, repository};

/// Rows of tabs by their first column.
fn table(name: &str) -> BTreeMap<String, String> {
    let path = repository().join("conformance").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| {
            let mut columns = line.split('\t');
            let (case, answer, why) = (columns.next(), columns.next(), columns.next());
            assert!(why.is_some_and(|why| !why.is_empty()), "{name}: no reason in {line:?}");
            (
                case.unwrap_or_default().to_owned(),
                answer.unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

fn cases(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(": ")).collect()
}

/// Compiles and runs a group and compares every case.
#[track_caller]
fn check(group: &str) {
    check_sections(group, &[]);
}

/// As [`check`], for some sections of a group; of the others completion I/O is needed.
#[track_caller]
fn check_sections(group: &str, sections: &[&str]) {
    let place = Place::new();
    let directory = repository().join("conformance");
    let source = directory.join(format!("{group}.c"));
    // The cases write wide texts as L"…".
    let build = Build {
        flags: &["-fshort-wchar"],
        ..Build::default()
    };
    let program = place.compile(group, &[source], build);
    let printed = place.run(&program, sections);
    let expected = fs::read_to_string(directory.join(format!("expected/{group}.txt"))).expect("expected answers");

    let (either, excluded) = (table("either.tsv"), table("exclusions.tsv"));
    let (got, want) = (cases(&printed), cases(&expected));
    let mut wrong = Vec::new();
    let all = sections.is_empty();
    assert!(all || !got.is_empty(), "{group} has no section of {sections:?}");
    for (&case, &answer) in want.iter().filter(|(case, _)| all || got.contains_key(*case)) {
        let got = got.get(case).copied().unwrap_or("nothing");
        let deviation = excluded.get(case);
        let fits = match deviation {
            Some(deviation) => got == deviation,
            None => got == answer || either.get(case).is_some_and(|other| got == other),
        };
        if !fits {
            wrong.push(format!(
                "{case}\n   got  {got}\n   want {}",
                deviation.map_or(answer, String::as_str)
            ));
        }
    }
    wrong.extend(
        got.keys()
            .filter(|case| !want.contains_key(*case))
            .map(|case| format!("{case}: not expected")),
    );
    assert!(
        wrong.is_empty(),
        "{}\n{} of {} cases of {group} differ",
        wrong.join("\n"),
        wrong.len(),
        want.len()
    );
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

/// semantics 38, 46-55, 58, 60, 195-197, 204
#[test]
fn open() {
    check_sections(
        "open",
        &[
            "direction",
            "refused",
            "busy",
            "defaults",
            "share",
            "attrs",
            "rights",
            "early",
        ],
    );
}

/// semantics 42, 61-67, 73, 74
#[test]
fn connect() {
    check_sections("connect", &["sync", "quick", "mixed"]);
}

/// semantics 37, 81-89
#[test]
fn wait() {
    check_sections("wait", &["missing", "available", "wake_nowait", "vanish"]);
}

/// semantics 91-98, 119-126, 131, 132, 134, 135
#[test]
fn bytemode() {
    check_sections("bytemode", &["basic", "block"]);
}

/// semantics 99-116, 201-203
#[test]
fn msgmode() {
    check("msgmode");
}

/// semantics 140-149
#[test]
fn peek() {
    check_sections("peek", &["byte", "msg", "states"]);
}

/// semantics 150-156, 159-162
#[test]
fn transact() {
    check_sections("transact", &["sync", "errors", "call"]);
}

/// semantics 163-165, 167-171
#[test]
fn flush() {
    check_sections("flush", &["basic", "end"]);
}

/// semantics 183-189
#[test]
fn close() {
    check_sections("close", &["both"]);
}

/// semantics 253-257
#[test]
fn anon() {
    check("anon");
}

/// semantics 16, 43, 190, 194, 205
#[test]
fn handles() {
    check("handles");
}

/// No rule of pipes: types, texts, memory, objects, time.
#[test]
fn compat() {
    check("compat");
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

/// No rule of pipes: formats, copies, conversions, messages.
#[test]
fn texts() {
    check("texts");
}
