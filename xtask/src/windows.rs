//! The tests on Windows: everything is built for x86_64-pc-windows-gnu, and the suites that say the same on every system run
//! under Wine.
//!
//! Wine gets a prefix of its own below the target directory, and a small library that Wine 8.0 lacks.
//!
//! What Wine does differently from Windows is a list, `crates/npipe/tests/wine.tsv`: a test, and the one reason. Nothing else
//! is left out.

use std::fs;
use std::process::Command;

use crate::toolchain::Toolchain;
use crate::wine::Wine;
use crate::workspace;

pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";

/// What Rust's standard library asks for random numbers, which Wine 8.0 has elsewhere.
const PRNG: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return SystemFunction036(data, (ULONG)length);
}
";

/// What is tested: arguments of `cargo test`.
const SUITES: &[&[&str]] = &[
    &["--package", "npipe-core", "--tests"],
    &[
        "--package",
        "npipe",
        "--lib",
        "--test",
        "anonymous",
        "--test",
        "blocking",
        "--test",
        "overlapped",
        "--example",
        "completion_server",
    ],
    &["--package", "npipe-tokio", "--test", "portable"],
    &["--package", "npipe-cli", "--bins", "--test", "portable"],
];

/// What compares with an oracle has this many random cases, a tenth of them: it is the same computation everywhere, and a
/// minute of a processor for all.
const CASES: &str = "1000";

/// The suite whose tests may be in the list.
const LISTED_SUITE: usize = 1;

/// A Windows that can run the tests: what Wine 8.0 lacks for Rust's standard library is put into it.
fn start_wine() -> Result<Wine, String> {
    let directory = workspace::target_dir().join("windows");
    let wine = Wine::start(&directory, || ())?;
    let source = directory.join("prng.c");
    fs::write(&source, PRNG).map_err(|error| format!("cannot write {}: {error}", source.display()))?;
    let mut compile = Command::new("x86_64-w64-mingw32-gcc");
    compile
        .arg("-shared")
        .arg("-o")
        .arg(directory.join("prefix/drive_c/windows/system32/bcryptprimitives.dll"))
        .arg(&source)
        .arg("-ladvapi32");
    match workspace::succeeds(&mut compile) {
        true => Ok(wine),
        false => Err("the library that Wine lacks cannot be made".to_owned()),
    }
}

/// The commands of the step, to be run one after another while the value lives.
pub(crate) struct Step {
    /// Clippy's; none where that compiler has no clippy.
    pub(crate) checks: Vec<Command>,
    /// Tests.
    pub(crate) commands: Vec<Command>,
    _wine: Wine,
}

/// Gets everything ready.
///
/// # Errors
/// What is missing, and why.
pub(crate) fn prepare(toolchain: &Toolchain) -> Result<Step, String> {
    let wine = start_wine()?;
    let mut commands = vec![];
    let mut checks = vec![];
    for (place, suite) in SUITES.iter().enumerate() {
        checks.extend(toolchain.clippy(suite));
        let mut command = toolchain.cargo(&[&["test", "--no-fail-fast"], *suite].concat());
        command
            .envs(wine.environment())
            .env_remove("DISPLAY")
            .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine")
            .env("PROPTEST_CASES", CASES);
        command.arg("--");
        if place == LISTED_SUITE {
            command.arg("--exact");
            for test in differs_on_wine()? {
                command.args(["--skip", &test]);
            }
        }
        commands.push(command);
    }
    commands.push(bridge(&wine));
    Ok(Step {
        checks,
        commands,
        _wine: wine,
    })
}

/// Programs on both sides talk through relays: npipe.exe, which the suites have built, and npipe.
fn bridge(wine: &Wine) -> Command {
    let program = workspace::target_dir().join(TARGET).join("debug/npipe.exe");
    let mut command = workspace::cargo();
    command
        .args([
            "test",
            "--package",
            "npipe-cli",
            "--locked",
            "--features",
            "wine",
            "--test",
            "bridge",
        ])
        .env("NPIPE_EXE", program);
    for (variable, value) in wine.environment() {
        command.env(format!("NPIPE_TEST_{variable}"), value);
    }
    command
}

/// The tests that Wine does not pass, by its own fault.
fn differs_on_wine() -> Result<Vec<String>, String> {
    let path = workspace::root().join("crates/npipe/tests/wine.tsv");
    let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<String>, String> {
    let mut tests = Vec::new();
    for line in text.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [test, reason] if !test.is_empty() && reason.contains(' ') => tests.push(test.to_owned()),
            _ => return Err(format!("wine.tsv: a line is a test, a tab and a reason: {line:?}")),
        }
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_has_one_reason() {
        let listed = parse("a::b\trule 1: Wine differs\nc::d\tWine cannot\n");
        assert_eq!(listed, Ok(vec!["a::b".to_owned(), "c::d".to_owned()]));
        assert!(parse("a::b\n").is_err());
        assert!(parse("a::b\t\n").is_err());
    }

    /// What is in the list is a test of one suite: of none it would leave out nothing, and of two more than it says.
    #[test]
    fn each_entry_is_a_test() {
        let listed = differs_on_wine().unwrap();
        assert!(!listed.is_empty());
        for test in listed {
            let (module, function) = test.split_once("::").unwrap();
            let suites = ["blocking", "overlapped"].into_iter().filter(|suite| {
                let file = format!("crates/npipe/tests/{suite}/{module}.rs");
                let text = fs::read_to_string(workspace::root().join(file)).unwrap_or_default();
                text.contains(&format!("fn {function}()"))
            });
            assert_eq!(suites.count(), 1, "{test}");
        }
    }
}
