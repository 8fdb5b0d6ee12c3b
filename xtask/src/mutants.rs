//! `cargo xtask mutants`: changes the code of the core and of the ring in
//! small ways and expects a test to notice each change. It takes too long to
//! be part of `test`.
//!
//! A mutant that no test notices is a *survivor*. Each survivor is either
//! killed by a new test or listed in `docs/mutants.md` with the reason why it
//! may live:
//!
//! ```text
//! - `crates/npipe-core/src/name.rs: replace < with <= in fold`: both fold alike
//! ```
//!
//! Positions are left out of that list, since they move with every edit; two
//! survivors of the same description need two lines.

use std::path::Path;

use crate::workspace;

/// What is mutated: where a wrong comparison would cost users data.
const MUTATED: &[&str] = &["crates/npipe-core/src/**/*.rs", "crates/npipe-shm/src/ring/**/*.rs"];

/// Survivors explained so far, by hand.
const EXPLAINED: &str = "docs/mutants.md";

/// Runs cargo-mutants and compares its survivors with the explained ones.
pub(crate) fn run(args: &[&str]) -> bool {
    if !ensure_cargo_mutants() {
        return false;
    }
    let output = workspace::target_dir().join("mutants");
    if let Err(error) = std::fs::create_dir_all(&output) {
        eprintln!("xtask: cannot make {}: {error}", output.display());
        return false;
    }
    let mut command = workspace::cargo();
    command.args([
        "mutants",
        "--package",
        "npipe-core",
        "--package",
        "npipe-shm",
        "--profile",
        "mutants",
        "--output",
    ]);
    command.arg(&output);
    for pattern in MUTATED {
        command.args(["--file", pattern]);
    }
    match command.args(args).status().map(|status| status.code()) {
        // 0: all caught. 2: survivors. 3: some mutant ran into the time limit,
        // which is one way to be noticed.
        Ok(Some(0 | 2 | 3)) => {}
        Ok(code) => {
            eprintln!("xtask: cargo mutants could not do its work (exit status {code:?})");
            return false;
        }
        Err(error) => {
            eprintln!("xtask: cannot start cargo mutants: {error}");
            return false;
        }
    }
    // With arguments of the caller's own only a part may have run, and an
    // explanation without its survivor then means nothing.
    report(&output, args.is_empty())
}

fn ensure_cargo_mutants() -> bool {
    if workspace::succeeds_quietly(workspace::cargo().args(["mutants", "--version"])) {
        return true;
    }
    println!("cargo-mutants is missing; installing: cargo install cargo-mutants --locked");
    workspace::succeeds(workspace::cargo().args(["install", "cargo-mutants", "--locked"]))
}

/// Writes `report.md` and prints it. True if nothing is left to explain.
fn report(output: &Path, complete: bool) -> bool {
    let missed = match std::fs::read_to_string(output.join("mutants.out/missed.txt")) {
        Ok(missed) => missed,
        Err(error) => {
            eprintln!("xtask: cargo mutants left no list of survivors: {error}");
            return false;
        }
    };
    let explained = std::fs::read_to_string(workspace::root().join(EXPLAINED)).unwrap_or_default();
    let comparison = Comparison::new(&missed, &explained, complete);
    let text = comparison.text();
    let path = output.join("report.md");
    match std::fs::write(&path, &text) {
        Ok(()) => println!("{text}\nwritten to {}", path.display()),
        Err(error) => eprintln!("xtask: cannot write {}: {error}", path.display()),
    }
    comparison.unexplained.is_empty() && comparison.stale.is_empty()
}

/// Survivors against explanations.
#[derive(Debug, Default, PartialEq, Eq)]
struct Comparison {
    /// Survivors, as cargo-mutants names them, that nobody explained.
    unexplained: Vec<String>,
    /// How many survivors are explained.
    explained: usize,
    /// Explanations whose mutant no longer survives.
    stale: Vec<String>,
}

impl Comparison {
    fn new(missed: &str, explanations: &str, complete: bool) -> Comparison {
        let mut open: Vec<&str> = explanations.lines().filter_map(explanation).collect();
        let mut comparison = Comparison::default();
        for survivor in missed.lines().filter(|line| !line.trim().is_empty()) {
            let key = without_position(survivor);
            match open.iter().position(|&explained| explained == key) {
                Some(index) => {
                    open.remove(index);
                    comparison.explained += 1;
                }
                None => comparison.unexplained.push(survivor.to_owned()),
            }
        }
        if complete {
            comparison.stale = open.into_iter().map(str::to_owned).collect();
        }
        comparison
    }

    fn text(&self) -> String {
        let mut text = format!("# Surviving mutants\n\nexplained: {}\n", self.explained);
        for survivor in &self.unexplained {
            text.push_str(&format!("- no test notices, not explained: `{survivor}`\n"));
        }
        for key in &self.stale {
            text.push_str(&format!("- explained, but no longer survives: `{key}`\n"));
        }
        if self.unexplained.is_empty() && self.stale.is_empty() {
            text.push_str("Nothing is left to explain.\n");
        } else {
            text.push_str(&format!("\nAdd a test, or correct {EXPLAINED}.\n"));
        }
        text
    }
}

/// The mutant that a line of the list explains: "- `MUTANT`: why". A line
/// without a reason explains nothing.
fn explanation(line: &str) -> Option<&str> {
    let (mutant, reason) = line.strip_prefix("- `")?.split_once("`:")?;
    (!reason.trim().is_empty()).then_some(mutant)
}

/// `path.rs:12:5: what` without line and column: `path.rs: what`.
fn without_position(survivor: &str) -> String {
    let Some((place, what)) = survivor.split_once(": ") else {
        return survivor.trim().to_owned();
    };
    let file = place.split(':').next().unwrap_or(place);
    format!("{file}: {}", what.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSED: &str = "\
crates/npipe-core/src/a.rs:12:5: replace < with <= in fold
crates/npipe-core/src/a.rs:19:9: replace < with <= in fold
crates/npipe-core/src/b.rs:3:1: replace f -> bool with true
";

    #[test]
    fn each_survivor_needs_an_explanation_of_its_own() {
        let explained = "\
Some prose.
- `crates/npipe-core/src/a.rs: replace < with <= in fold`: equal values fold alike
- `crates/npipe-core/src/b.rs: replace f -> bool with true`:
";
        let comparison = Comparison::new(MISSED, explained, true);
        assert_eq!(comparison.explained, 1);
        assert_eq!(
            comparison.unexplained,
            [
                "crates/npipe-core/src/a.rs:19:9: replace < with <= in fold",
                "crates/npipe-core/src/b.rs:3:1: replace f -> bool with true",
            ]
        );
        assert!(comparison.stale.is_empty());
    }

    #[test]
    fn an_explanation_without_its_survivor_is_stale_in_a_full_run_only() {
        let explained = "- `crates/x.rs: replace + with -`: gone\n";
        assert_eq!(
            Comparison::new("", explained, true).stale,
            ["crates/x.rs: replace + with -"]
        );
        assert_eq!(Comparison::new("", explained, false), Comparison::default());
    }

    #[test]
    fn the_report_says_when_nothing_is_left() {
        let text = Comparison::new("", "", true).text();
        assert!(text.contains("Nothing is left"), "{text}");
        let text = Comparison::new(MISSED, "", true).text();
        assert!(text.contains("a.rs:19:9"), "{text}");
    }
}
