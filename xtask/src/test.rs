//! `cargo xtask test`: every check and every test, each announced, none
//! skipped. A failing step does not stop the ones after it; the end of the
//! output names what failed, and its last line counts the tests.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::toolchain::Toolchain;
use crate::{fuzz, macos, packages, tidy, windows, workspace};

/// What the caller may choose.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// Build the tests with optimisation.
    release: bool,
}

impl Options {
    /// # Errors
    /// The first argument that means nothing here.
    pub(crate) fn parse<'a>(flags: &[&'a str]) -> Result<Options, &'a str> {
        let mut options = Options::default();
        for &flag in flags {
            match flag {
                "--release" => options.release = true,
                _ => return Err(flag),
            }
        }
        Ok(options)
    }
}

/// Runs all steps. True if every one of them succeeded.
pub(crate) fn run(options: Options) -> bool {
    let mut report = Report::new();
    report.step("packages", packages::ensure);
    report.command("format", &mut cargo("fmt --all --check"));
    report.command(
        "clippy",
        &mut cargo("clippy --workspace --all-targets --features npipe-cli/wine --locked -- -D warnings"),
    );
    report.step("tidy", || tidy::run(false));
    report.tests("tests", &mut tests(options));
    report.tests("costs", &mut costs());
    report.tests("loom", &mut loom());
    report.counted("windows", "", on_windows);
    report.step("macos", macos::run);
    report.step("fuzz", fuzz::run_briefly);
    report.command("documentation", &mut documentation());
    report.finish()
}

/// Runs what is portable under Wine, and nothing else. True if it succeeded.
pub(crate) fn run_on_windows() -> bool {
    let mut report = Report::new();
    report.counted("windows", "", on_windows);
    report.finish()
}

fn cargo(words: &str) -> Command {
    let mut command = workspace::cargo();
    command.args(words.split(' '));
    command
}

/// Unit, integration and documentation tests.
fn tests(options: Options) -> Command {
    let mut command = cargo("test --workspace --locked --no-fail-fast");
    if options.release {
        command.arg("--release");
    }
    command
}

/// What a round trip costs in system calls and instructions, of code as users have it.
fn costs() -> Command {
    cargo("test --package npipe --locked --no-fail-fast --release --test costs")
}

/// The ring and the doorbell under every interleaving. Optimised, since loom
/// runs each test thousands of times; built apart, since the flag would
/// rebuild everything else at each change of sides.
fn loom() -> Command {
    let mut command = cargo("test --package npipe-shm --locked --no-fail-fast");
    command
        .args(["--release", "--test", "loom"])
        .env("RUSTFLAGS", with_flags("RUSTFLAGS", "--cfg loom"))
        .env("CARGO_TARGET_DIR", workspace::target_dir().join("loom"));
    command
}

/// What says the same on every system, under Wine.
fn on_windows() -> (bool, Counts) {
    let mut counts = Counts::default();
    let Some(toolchain) = Toolchain::find(windows::TARGET) else {
        println!("left out: there is no compiler for Windows, and the packages that have one were not to be had");
        return (true, counts);
    };
    let mut step = match windows::prepare(&toolchain) {
        Ok(step) => step,
        Err(missing) => {
            println!("{missing}");
            return (false, counts);
        }
    };
    let mut succeeded = true;
    if step.checks.is_empty() {
        println!("left out: this compiler has no clippy");
    }
    for check in &mut step.checks {
        println!("{}", shown(check).trim_start_matches(": "));
        succeeded &= workspace::succeeds(check);
    }
    for command in &mut step.commands {
        println!("{}", shown(command).trim_start_matches(": "));
        let (passed, ran) = run_counting(command);
        succeeded &= passed;
        counts.add(ran);
    }
    (succeeded, counts)
}

fn documentation() -> Command {
    let mut command = cargo("doc --workspace --no-deps --locked");
    command.env("RUSTDOCFLAGS", with_flags("RUSTDOCFLAGS", "-D warnings"));
    command
}

/// The caller's own flags stay in force.
fn with_flags(variable: &str, more: &str) -> String {
    match std::env::var(variable) {
        Ok(flags) if !flags.is_empty() => format!("{flags} {more}"),
        _ => more.to_owned(),
    }
}

/// How many tests ran, by the result lines of the test programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Adds one line of a test program's output, if it is a result line:
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
    fn add_line(&mut self, line: &str) {
        let plain = without_escapes(line);
        let Some(result) = plain.trim().strip_prefix("test result: ") else {
            return;
        };
        let Some((_, counts)) = result.split_once(". ") else {
            return;
        };
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else {
                continue;
            };
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn ran(self) -> u64 {
        self.passed + self.failed
    }

    fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The line without colour: `ESC [ … m`.
fn without_escapes(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

/// The steps so far.
struct Report {
    start: Instant,
    counts: Counts,
    failed_steps: Vec<&'static str>,
}

impl Report {
    fn new() -> Report {
        Report {
            start: Instant::now(),
            counts: Counts::default(),
            failed_steps: Vec::new(),
        }
    }

    /// One step under its heading. A step that fails without a failed test of
    /// its own counts as one, so that "0 failed" means that nothing failed.
    fn counted(&mut self, name: &'static str, what: &str, step: impl FnOnce() -> (bool, Counts)) {
        println!("\n==== [{:7.1} s] {name}{what}", self.start.elapsed().as_secs_f64());
        let (succeeded, mut counts) = step();
        if !succeeded {
            counts.failed = counts.failed.max(1);
            self.failed_steps.push(name);
        }
        self.counts.add(counts);
    }

    fn step(&mut self, name: &'static str, step: impl FnOnce() -> bool) {
        self.counted(name, "", || (step(), Counts::default()));
    }

    fn command(&mut self, name: &'static str, command: &mut Command) {
        self.counted(name, &shown(command), || {
            (workspace::succeeds(command), Counts::default())
        });
    }

    fn tests(&mut self, name: &'static str, command: &mut Command) {
        self.counted(name, &shown(command), || run_counting(command));
    }

    /// Names what failed, counts the tests; true if nothing failed.
    fn finish(self) -> bool {
        let elapsed_s = self.start.elapsed().as_secs_f64();
        println!("\n==== [{elapsed_s:7.1} s] done");
        for name in &self.failed_steps {
            println!("failed: {name}");
        }
        if self.counts.ignored > 0 {
            println!("{} tests are marked #[ignore] and did not run", self.counts.ignored);
        }
        println!("{} passed, {} failed", self.counts.passed, self.counts.failed);
        self.failed_steps.is_empty()
    }
}

/// What a heading says of a command: what could be typed to run it alone.
fn shown(command: &Command) -> String {
    let mut text = String::from(": ");
    for (variable, value) in command.get_envs() {
        let value = value.unwrap_or_default().display();
        text.push_str(&format!("{}='{value}' ", variable.display()));
    }
    text.push_str("cargo");
    for arg in command.get_args() {
        text.push_str(&format!(" {}", arg.display()));
    }
    text
}

/// Runs a command whose output passes through while its results are counted.
fn run_counting(command: &mut Command) -> (bool, Counts) {
    let mut counts = Counts::default();
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("xtask: cannot start cargo: {error}");
            return (false, counts);
        }
    };
    if let Some(output) = child.stdout.take() {
        pass_through(output, &mut counts);
    }
    let succeeded = child.wait().is_ok_and(|status| status.success());
    if succeeded && counts.ran() == 0 {
        println!("no test ran: this step has tested nothing");
    }
    (succeeded && counts.failed == 0 && counts.ran() > 0, counts)
}

fn pass_through(output: impl Read, counts: &mut Counts) {
    // By bytes: what a test prints need not be UTF-8.
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts.add_line(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed_and_other_lines_are_not() {
        let output = "\
running 3 tests
test a ... ok
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s
my own 99 passed; 99 failed
test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s

";
        let mut counts = Counts::default();
        pass_through(output.as_bytes(), &mut counts);
        let expected = Counts {
            passed: 14,
            failed: 3,
            ignored: 1,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn colour_does_not_hide_a_result() {
        let mut counts = Counts::default();
        counts.add_line("test result: \u{1b}[32mok\u{1b}[0m. 7 passed; 1 failed; 0 ignored");
        assert_eq!((counts.passed, counts.failed), (7, 1));
    }

    #[test]
    fn output_that_is_not_utf8_is_no_reason_to_stop() {
        let mut counts = Counts::default();
        pass_through(&b"\xff\xfe\ntest result: ok. 1 passed; 0 failed"[..], &mut counts);
        assert_eq!(counts.passed, 1);
    }

    #[test]
    fn a_failed_step_is_never_a_count_of_zero() {
        let mut report = Report::new();
        report.step("good", || true);
        report.step("bad", || false);
        report.counted("worse", "", || {
            (
                false,
                Counts {
                    passed: 5,
                    failed: 2,
                    ignored: 0,
                },
            )
        });
        assert_eq!(report.failed_steps, ["bad", "worse"]);
        assert_eq!((report.counts.passed, report.counts.failed), (5, 3));
        assert!(!report.finish());
    }

    #[test]
    fn a_step_that_tests_nothing_has_failed() {
        let (succeeded, _) = run_counting(Command::new("echo").arg("test result: ok. 0 passed; 0 failed"));
        assert!(!succeeded);
        let (succeeded, counts) = run_counting(Command::new("echo").arg("test result: ok. 2 passed; 0 failed"));
        assert!(succeeded);
        assert_eq!(counts.passed, 2);
        let (succeeded, _) = run_counting(&mut Command::new("/no/such/program"));
        assert!(!succeeded);
    }

    #[test]
    fn options_are_known_ones_only() {
        assert!(Options::parse(&["--release"]).is_ok_and(|o| o.release));
        assert!(Options::parse(&[]).is_ok_and(|o| !o.release));
        assert_eq!(Options::parse(&["--release", "--fast"]).err(), Some("--fast"));
    }

    #[test]
    fn a_heading_shows_what_to_type() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["doc", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(shown(&command), ": RUSTDOCFLAGS='-D warnings' cargo doc --locked");
    }
}
