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
    // The cases write wide texts as L"…".
    compare(group, &["-fshort-wchar"]);
}

#[track_caller]
fn compare(group: &str, flags: &[&str]) {
    let place = Place::new();
    let directory = repository().join("conformance");
    let source = directory.join(format!("{group}.c"));
    let build = Build {
        flags,
        ..Build::default()
    };
    let program = place.compile(group, &[source], build);
    let printed = place.run(&program, &[]);
    let expected = fs::read_to_string(directory.join(format!("expected/{group}.txt"))).expect("expected answers");

    let (either, excluded) = (table("either.tsv"), table("exclusions.tsv"));
    let (got, want) = (cases(&printed), cases(&expected));
    let mut wrong = Vec::new();
    for (&case, &answer) in &want {
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

/// What children inherit, their standard handles, their ends. semantics 16, 101, 129, 190, 205, 229,
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

/// semantics 211-223, 225
#[test]
fn overlapped() {
    check("overlapped");
}

/// semantics 227, 230, 234-244
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
    for group in ["objects", "edges", "texts", "apc", "ports", "storm", "children", "nt"] {
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

/// No rule of pipes: formats, copies, conversions, messages.
#[test]
fn texts() {
    check("texts");
}
