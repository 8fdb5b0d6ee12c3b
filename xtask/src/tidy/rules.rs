//! Which test holds which rule of `docs/semantics.md`.
//!
//! A rule is a line `N. text` there. A test names the rules it holds in a doc
//! comment at the test: `/// semantics 81, 84-86`. ARCHITECTURE.md accounts
//! for the others, in two lists:
//!
//! ```text
//! ## Rules held later
//! - 66, 68-72: completion I/O and the Win32 library
//! ## Deviations from Windows
//! - semantics 105: a write beyond 16 waiting reads pends, because …
//! ```
//!
//! So each rule is held by a test, planned for a named subject, or deviated
//! from with a reason; a rule in none of the three is a finding, and so is a
//! planned one that a test holds already.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, words};
use super::{Finding, Tree};

const SEMANTICS: &str = "docs/semantics.md";
const ARCHITECTURE: &str = "ARCHITECTURE.md";
const LATER: &str = "Rules held later";
const DEVIATIONS: &str = "Deviations from Windows";

/// The word that a list of rules follows.
const CITATION: &str = "semantics";

/// Everything known about the rules.
#[derive(Default)]
pub(super) struct Coverage {
    /// Number and text of each rule.
    rules: BTreeMap<u32, String>,
    /// The tests that hold a rule, as `path::test`.
    tests: BTreeMap<u32, BTreeSet<String>>,
    /// What a rule waits for.
    later: BTreeMap<u32, String>,
    /// Why a rule is not kept.
    deviations: BTreeMap<u32, String>,
    /// What could not be understood on the way.
    problems: Vec<Finding>,
}

impl Coverage {
    pub(super) fn of(tree: &Tree) -> Coverage {
        let mut coverage = Coverage::default();
        match tree.file(SEMANTICS) {
            Some(file) => coverage.read_rules(file),
            None => coverage.problem(SEMANTICS, 0, "is missing: no rules to hold"),
        }
        match tree.file(ARCHITECTURE) {
            Some(file) => coverage.read_lists(file),
            None => coverage.problem(ARCHITECTURE, 0, "is missing: no rule has a plan"),
        }
        // The tests of this program quote citations and hold no rule.
        for file in tree.rust().filter(|file| !file.path.starts_with("xtask/")) {
            coverage.read_tests(file);
        }
        coverage
    }

    fn problem(&mut self, path: &str, line: usize, message: impl Into<String>) {
        self.problems.push(Finding::new(path, line, message));
    }

    fn read_rules(&mut self, file: &Source) {
        for (index, line) in file.text.lines().enumerate() {
            let Some((number, text)) = line.split_once(". ") else {
                continue;
            };
            let Ok(number) = number.parse::<u32>() else {
                continue;
            };
            let expected = self.rules.len() as u32 + 1;
            if number != expected {
                self.problem(&file.path, index + 1, format!("rule {number}, expected {expected}"));
            }
            self.rules.insert(number, text.trim().to_owned());
        }
    }

    fn read_lists(&mut self, file: &Source) {
        let mut section = "";
        for (index, line) in file.text.lines().enumerate() {
            if let Some(title) = line.strip_prefix("## ") {
                section = title.trim();
            }
            let Some(entry) = line.strip_prefix("- ") else {
                continue;
            };
            let (numbers, list) = match section {
                LATER => (Some(entry), &mut self.later),
                // Other deviations concern no rule.
                DEVIATIONS => (entry.strip_prefix(CITATION), &mut self.deviations),
                _ => continue,
            };
            let Some(numbers) = numbers else {
                continue;
            };
            match list_entry(numbers) {
                Some((numbers, text)) => {
                    list.extend(numbers.into_iter().map(|number| (number, text.to_owned())));
                }
                None => self.problem(&file.path, index + 1, "not of the form `- N, N-M: text`"),
            }
        }
        for number in self.later.keys().chain(self.deviations.keys()) {
            if !self.rules.contains_key(number) {
                let message = format!("names rule {number}, which does not exist");
                self.problems.push(Finding::new(&file.path, 0, message));
            }
        }
    }

    fn read_tests(&mut self, file: &Source) {
        for test in tests(file) {
            match cited(&test.doc) {
                Ok(numbers) => {
                    for number in numbers {
                        if !self.rules.contains_key(&number) {
                            let message = format!("cites rule {number}, which does not exist");
                            self.problem(&file.path, test.line, message);
                        }
                        let name = format!("{}::{}", file.path, test.name);
                        self.tests.entry(number).or_default().insert(name);
                    }
                }
                Err(citation) => {
                    let message = format!("cannot read the citation `{citation}`");
                    self.problem(&file.path, test.line, message);
                }
            }
        }
    }

    /// Rules without an account, rules with an outdated one, and whatever was
    /// not understood.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.problems.clone();
        let open = self
            .rules
            .keys()
            .copied()
            .filter(|number| self.state(*number) == State::Open);
        let open: Vec<u32> = open.collect();
        if !open.is_empty() {
            let message = format!(
                "{} rules without a test that are in neither list of {ARCHITECTURE}: {}",
                open.len(),
                ranges(&open)
            );
            findings.push(Finding::new(SEMANTICS, 0, message));
        }
        for (number, subject) in &self.later {
            if let Some(test) = self.tests.get(number).and_then(|tests| tests.first()) {
                let message = format!("rule {number} is listed as later ({subject}), but {test} holds it");
                findings.push(Finding::new(ARCHITECTURE, 0, message));
            }
        }
        findings
    }

    fn state(&self, number: u32) -> State<'_> {
        if let Some(reason) = self.deviations.get(&number) {
            State::Deviation(reason)
        } else if self.tests.contains_key(&number) {
            State::Held
        } else if let Some(subject) = self.later.get(&number) {
            State::Later(subject)
        } else {
            State::Open
        }
    }

    pub(super) fn summary(&self) -> String {
        let (mut held, mut later, mut deviations, mut open) = (0, 0, 0, 0);
        for &number in self.rules.keys() {
            match self.state(number) {
                State::Held => held += 1,
                State::Later(_) => later += 1,
                State::Deviation(_) => deviations += 1,
                State::Open => open += 1,
            }
        }
        let total = self.rules.len();
        format!("{total} rules: {held} held, {later} later, {deviations} deviations, {open} open")
    }

    /// The table in Markdown.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "# Rules and their tests\n\n{}.\n\n| rule | text | state | tests |\n|---|---|---|---|\n",
            self.summary()
        );
        for (number, text) in &self.rules {
            let state = match self.state(*number) {
                State::Held => "held".to_owned(),
                State::Later(subject) => format!("later: {subject}"),
                State::Deviation(reason) => format!("deviation: {reason}"),
                State::Open => "**open**".to_owned(),
            };
            let tests: Vec<&str> = self
                .tests
                .get(number)
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            let row = [text.as_str(), &state, &tests.join(", ")].map(|cell| cell.replace('|', "\\|"));
            table.push_str(&format!("| {number} | {} |\n", row.join(" | ")));
        }
        table
    }
}

/// How a rule is accounted for.
#[derive(PartialEq, Eq)]
enum State<'a> {
    Held,
    Later(&'a str),
    Deviation(&'a str),
    Open,
}

/// A test function, and what its doc comment says.
struct Test {
    name: String,
    line: usize,
    doc: String,
}

/// The functions marked `#[test]`, `#[tokio::test]` and the like, inside of
/// macros too.
fn tests(file: &Source) -> Vec<Test> {
    let code: Vec<&str> = file.code.lines().map(str::trim).collect();
    let text: Vec<&str> = file.text.lines().map(str::trim).collect();
    let mut tests = Vec::new();
    for marker in (0..code.len()).filter(|&index| is_test_attribute(code[index])) {
        let is_above = |index: &usize| text[*index].starts_with("///") || code[*index].starts_with("#[");
        let first = (0..marker).rev().take_while(is_above).last().unwrap_or(marker);
        let Some(last) = (marker..code.len()).find(|&index| function_name(code[index]).is_some()) else {
            continue;
        };
        let doc: Vec<&str> = text[first..last]
            .iter()
            .filter_map(|line| line.strip_prefix("///"))
            .collect();
        tests.push(Test {
            name: function_name(code[last]).unwrap_or_default().to_owned(),
            line: last + 1,
            doc: doc.join(" "),
        });
    }
    tests
}

/// `#[test]`, or an attribute macro of that name with or without arguments.
fn is_test_attribute(line: &str) -> bool {
    let Some(attribute) = line.strip_prefix("#[") else {
        return false;
    };
    let path = attribute.split([']', '(']).next().unwrap_or_default();
    path.rsplit("::").next() == Some("test")
}

/// The name behind the keyword `fn`.
fn function_name(line: &str) -> Option<&str> {
    let at = words(line, "fn").next()?;
    let name = line[at + 2..].trim_start();
    name.split(['(', '<', ' ']).next().filter(|name| !name.is_empty())
}

/// All rules that a doc comment cites.
///
/// # Errors
/// The citation that has no list of numbers or a range that runs backwards.
fn cited(doc: &str) -> Result<BTreeSet<u32>, String> {
    let mut cited = BTreeSet::new();
    for at in words(doc, CITATION) {
        let after = &doc[at + CITATION.len()..];
        // "the semantics of Windows" is prose.
        if !after.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let (numbers, _) =
            number_list(after).ok_or_else(|| format!("{CITATION}{}", after.chars().take(20).collect::<String>()))?;
        cited.extend(numbers);
    }
    Ok(cited)
}

/// `N, N-M: text` with a text.
fn list_entry(entry: &str) -> Option<(BTreeSet<u32>, &str)> {
    let (numbers, rest) = number_list(entry)?;
    let text = rest.trim_start().strip_prefix(':')?.trim();
    (!text.is_empty()).then_some((numbers, text))
}

/// The list `N, N-M, …` at the beginning, and what follows it. None if there
/// is no number, or a range runs backwards.
fn number_list(text: &str) -> Option<(BTreeSet<u32>, &str)> {
    let mut numbers = BTreeSet::new();
    let mut rest = text;
    loop {
        let (first, after) = number(rest)?;
        let (last, after) = match after.strip_prefix(['-', '–']) {
            Some(end) => number(end)?,
            None => (first, after),
        };
        // No list of rules is that long: a typing error must not fill memory.
        if first > last || last - first > 1000 {
            return None;
        }
        numbers.extend(first..=last);
        match after.trim_start().strip_prefix(',') {
            Some(next) if number(next).is_some() => rest = next,
            _ => return Some((numbers, after)),
        }
    }
}

fn number(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start();
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// Numbers in ascending order, with runs shortened: `1-3, 7`.
fn ranges(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let runs = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    });
    runs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "# Rules\n\n1. One. [W]\n2. Two | three. [D]\n3. Three.\n4. Four.\n";
    const LISTS: &str = "\
## Rules held later
Prose.
- 3: the Win32 library
## Deviations from Windows
- semantics 4: another reason
- no rule: prose
## Else
- 1: no entry of a list
";

    fn coverage(test: &str) -> Coverage {
        let files = [(SEMANTICS, RULES), (ARCHITECTURE, LISTS), ("crates/x/src/a.rs", test)];
        Coverage::of(&Tree::of(&files))
    }

    fn messages(test: &str) -> Vec<String> {
        coverage(test).findings().iter().map(ToString::to_string).collect()
    }

    const HELD: &str = "/// semantics 1, 2\n#[test]\nfn both() {}\n";

    #[test]
    fn every_rule_has_an_account() {
        assert!(messages(HELD).is_empty(), "{:?}", messages(HELD));
        assert_eq!(
            coverage(HELD).summary(),
            "4 rules: 2 held, 1 later, 1 deviations, 0 open"
        );
    }

    #[test]
    fn a_rule_without_an_account_is_found() {
        let found = messages("/// semantics 2\n#[test]\nfn two() {}\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("ARCHITECTURE.md: 1"), "{found:?}");
    }

    #[test]
    fn a_rule_that_is_later_and_held_is_found() {
        let found = messages("/// semantics 1-3\n#[test]\nfn three() {}\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("rule 3 is listed as later"), "{found:?}");
    }

    #[test]
    fn a_rule_that_does_not_exist_is_found() {
        let found = messages("/// semantics 1, 2, 77\n#[test]\nfn x() {}\n");
        assert_eq!(found, ["crates/x/src/a.rs:3: cites rule 77, which does not exist"]);
    }

    #[test]
    fn a_citation_that_cannot_be_read_is_found() {
        let found = messages(&format!("{HELD}/// semantics 3-1\n#[test]\nfn x() {{}}\n"));
        assert_eq!(found, ["crates/x/src/a.rs:6: cannot read the citation `semantics 3-1`"]);
    }

    #[test]
    fn missing_documents_are_findings() {
        let found = Coverage::of(&Tree::of(&[])).findings();
        let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, [SEMANTICS, ARCHITECTURE]);
    }

    #[test]
    fn rules_are_numbered_without_gaps() {
        let files = [(SEMANTICS, "1. One.\n3. Three.\n"), (ARCHITECTURE, "")];
        let problems = Coverage::of(&Tree::of(&files)).problems;
        assert_eq!(problems, [Finding::new(SEMANTICS, 2, "rule 3, expected 2")]);
    }

    #[test]
    fn a_list_entry_says_something() {
        let lists = "## Rules held later\n- 1:\n- 2 because\n- 9: x\n";
        let problems = Coverage::of(&Tree::of(&[(SEMANTICS, RULES), (ARCHITECTURE, lists)])).problems;
        let lines: Vec<usize> = problems.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 3, 0]);
    }

    #[test]
    fn tests_are_found_with_their_whole_comment() {
        let text = "\
/// Something else.
fn a() {}

proptest! {
    /// A sentence about semantics, then semantics 81,
    /// 84-86 and more.
    #[allow(x)]
    #[test]
    /// semantics 7
    fn b(x in 0..3) {}
}

#[tokio::test(flavor = \"x\")]
async fn c() {}

#[cfg(test)]
mod tests {
    const X: &str = \"#[test]\";
}
";
        let found = tests(&Source::new("a.rs", text));
        let names: Vec<&str> = found.iter().map(|test| test.name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(cited(&found[0].doc), Ok(BTreeSet::from([7, 81, 84, 85, 86])));
        assert_eq!(cited(&found[1].doc), Ok(BTreeSet::new()));
    }

    #[test]
    fn lists_of_numbers_end_where_prose_begins() {
        let list = |text| number_list(text).map(|(n, rest)| (n.into_iter().collect::<Vec<_>>(), rest));
        assert_eq!(list(" 1, 3-5, then"), Some((vec![1, 3, 4, 5], ", then")));
        assert_eq!(list("7"), Some((vec![7], "")));
        assert_eq!(list("5-3"), None);
        assert_eq!(list("1-4000000000"), None);
        assert_eq!(list("none"), None);
    }

    #[test]
    fn runs_are_shortened() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3, 7, 9-10");
    }

    #[test]
    fn the_table_has_a_row_for_every_rule() {
        let table = coverage(HELD).table();
        assert!(
            table.contains("| 2 | Two \\| three. [D] | held | crates/x/src/a.rs::both |"),
            "{table}"
        );
        assert!(
            table.contains("| 3 | Three. | later: the Win32 library |  |"),
            "{table}"
        );
        assert!(
            table.contains("| 4 | Four. | deviation: another reason |  |"),
            "{table}"
        );
    }
}
