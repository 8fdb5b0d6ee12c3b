//! The groups of `conformance/`, what each should print, and the tables of cases in which something else may be printed.
//!
//! `expected/GROUP.txt` is Windows. Of npipe and of Wine a table has the cases in which they deviate, so that neither can
//! hide behind the other; a row that says nothing, or that nothing needs, is a failure too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repository;

/// What is said of a case that printed no line.
pub(crate) const NOTHING: &str = "nothing";

/// What a table has for a case that prints now this and now that.
const VARIES: &str = "varies";

fn directory() -> PathBuf {
    repository().join("conformance")
}

#[track_caller]
fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn source(group: &str) -> PathBuf {
    directory().join(format!("{group}.c"))
}

/// Every C source is a group.
pub(crate) fn groups() -> Vec<String> {
    let entries = fs::read_dir(directory()).expect("conformance/ lies in the repository");
    let mut groups: Vec<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    groups.sort();
    groups
}

/// The answers of a group by their cases; whatever else was printed is not one.
pub(crate) fn answers(group: &str, printed: &str) -> BTreeMap<String, String> {
    let of_the_group = format!("{group}.");
    printed
        .lines()
        .filter(|line| line.starts_with(&of_the_group))
        .filter_map(|line| line.split_once(": "))
        .map(|(case, answer)| (case.to_owned(), answer.to_owned()))
        .collect()
}

/// The rows of a table that concern a group: case, answer, why.
#[track_caller]
fn rows(name: &str, group: &str) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in text_of(&directory().join(name)).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [case, answer, why] = columns[..] else {
            panic!("{name}: not a case, an answer and a reason: {line:?}");
        };
        assert!(!why.is_empty(), "{name}: no reason in {line:?}");
        let (of, _) = case.split_once('.').unwrap_or((case, ""));
        assert!(source(of).exists(), "{name}: no group has {case}");
        if of == group {
            let before = rows.insert(case.to_owned(), answer.to_owned());
            assert!(before.is_none(), "{name}: {case} has two rows");
        }
    }
    rows
}

/// What a group should print.
pub(crate) struct Expected {
    answers: BTreeMap<String, String>,
    /// Second answers that are as good.
    either: BTreeMap<String, String>,
    /// What is printed instead of the answer.
    deviations: BTreeMap<String, String>,
}

impl Expected {
    #[track_caller]
    fn with_deviations(group: &str, table: &str) -> Expected {
        let path = directory().join("expected").join(format!("{group}.txt"));
        let expected = Expected {
            answers: answers(group, &text_of(&path)),
            either: rows("either.tsv", group),
            deviations: rows(table, group),
        };
        for (name, table) in [("either.tsv", &expected.either), (table, &expected.deviations)] {
            for (case, answer) in table {
                let expected = expected.answers.get(case);
                assert!(expected.is_some(), "{name}: {case} is not a case");
                assert_ne!(expected, Some(answer), "{name}: what {case} prints is no other answer");
            }
        }
        expected
    }

    #[track_caller]
    pub(crate) fn of_npipe(group: &str) -> Expected {
        Expected::with_deviations(group, "exclusions.tsv")
    }

    #[track_caller]
    pub(crate) fn of_wine(group: &str) -> Expected {
        Expected::with_deviations(group, "wine.tsv")
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// A line for each case that does not print what it should. A deviation is no leave to be right after all: then its row
    /// has to go.
    pub(crate) fn differences(&self, got: &BTreeMap<String, String>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (case, answer) in &self.answers {
            let got = got.get(case).map_or(NOTHING, String::as_str);
            let fits = match self.deviations.get(case) {
                Some(deviation) if deviation == VARIES => true,
                Some(deviation) => got == deviation,
                None => got == answer || self.either.get(case).is_some_and(|other| got == other),
            };
            if !fits {
                let wanted = self.deviations.get(case).unwrap_or(answer);
                wrong.push(format!("{case}\n   got  {got}\n   want {wanted}"));
            }
        }
        let unknown = got.keys().filter(|case| !self.answers.contains_key(*case));
        wrong.extend(unknown.map(|case| format!("{case}: not expected")));
        wrong
    }
}

/// semantics are held only if a wrong answer is noticed, a missing one, one too many, and a deviation that is none.
#[test]
fn differences_are_noticed() {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = pairs.iter().map(|&(case, answer)| (case.to_owned(), answer.to_owned()));
        owned.collect()
    };
    let expected = Expected {
        answers: map(&[("g.a", "1"), ("g.b", "2"), ("g.c", "3")]),
        either: map(&[("g.b", "two")]),
        deviations: map(&[("g.c", "three")]),
    };
    let count = |pairs: &[(&str, &str)]| expected.differences(&map(pairs)).len();
    assert_eq!(count(&[("g.a", "1"), ("g.b", "2"), ("g.c", "three")]), 0);
    assert_eq!(count(&[("g.a", "1"), ("g.b", "two"), ("g.c", "three")]), 0);
    assert_eq!(count(&[("g.a", "2"), ("g.b", "2"), ("g.c", "three")]), 1, "wrong");
    assert_eq!(count(&[("g.b", "2"), ("g.c", "three")]), 1, "missing");
    assert_eq!(count(&[("g.a", "1"), ("g.b", "2"), ("g.c", "3")]), 1, "right after all");
    let more = [("g.a", "1"), ("g.b", "2"), ("g.c", "three"), ("g.d", "4")];
    assert_eq!(count(&more), 1, "one too many");
}

/// Every group has its answers, and no answers are without a group. The tables are read with each.
#[test]
fn groups_and_answers_belong_together() {
    for group in groups() {
        for expected in [Expected::of_npipe(&group), Expected::of_wine(&group)] {
            assert!(expected.len() > 0, "{group} has no case");
        }
    }
    let answers = fs::read_dir(directory().join("expected")).expect("the answers lie there");
    for entry in answers {
        let name = entry.expect("an entry").path();
        let group = name.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert!(source(group).exists(), "{group} has answers and no source");
    }
}
