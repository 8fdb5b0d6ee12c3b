//! The tests on Windows: everything is built for x86_64-pc-windows-gnu, and the suites that say the same on every system run
//! under Wine.
//!
//! Where rustup has installed that target it is used. Else Debian's packages have a compiler with the sources of its standard
//! library, which builds it anew. Wine gets a prefix of its own below the target directory, with a shell that keeps it awake and
//! a small library that Wine 8.0 lacks; both go when the tests are over.
//!
//! What Wine does differently from Windows is a list, `crates/npipe/tests/wine.tsv`: a test, and the one reason. Nothing else
//! is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::workspace;

const TARGET: &str = "x86_64-pc-windows-gnu";

/// Where Debian's compiler lies, whatever stands earlier in `PATH`.
const DEBIAN: &str = "/usr/bin";

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
    // What compares it with an oracle by random rounds is the same computation everywhere, and long.
    &[
        "--package",
        "npipe-core",
        "--lib",
        "--test",
        "ends",
        "--test",
        "handshake",
        "--test",
        "pipe",
        "--test",
        "security",
        "--test",
        "shares",
    ],
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

/// The suite whose tests may be in the list.
const LISTED_SUITE: usize = 1;

/// A compiler for Windows.
pub(crate) struct Toolchain {
    /// With what its cargo has to be called.
    cargo: PathBuf,
    rustc: Option<PathBuf>,
}

impl Toolchain {
    /// One that is there.
    pub(crate) fn find() -> Option<Toolchain> {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(workspace::root());
        let asked = rustc.args(["--print", "target-libdir", "--target", TARGET]).output();
        let directory = asked.map(|asked| String::from_utf8_lossy(&asked.stdout).trim().to_owned());
        if directory.is_ok_and(|directory| Path::new(&directory).is_dir()) {
            return Some(Toolchain {
                cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).into(),
                rustc: None,
            });
        }
        let debian = Path::new(DEBIAN);
        let library = debian.join("../lib/rustlib/src/rust/library/Cargo.toml");
        let (cargo, rustc) = (debian.join("cargo"), debian.join("rustc"));
        let is_there = cargo.exists() && rustc.exists() && library.exists();
        is_there.then_some(Toolchain {
            cargo,
            rustc: Some(rustc),
        })
    }

    /// Its cargo with these words, for Windows.
    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(workspace::root());
        // Those of the cargo that has started this program are another one's.
        for variable in ["RUSTC", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTDOC"] {
            command.env_remove(variable);
        }
        command.args(words).args(["--locked", "--target", TARGET]);
        if let Some(rustc) = &self.rustc {
            command
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

/// A Windows of one's own, which ends with this value.
pub(crate) struct Wine {
    directory: PathBuf,
    /// A shell that waits for commands: Windows' services start anew for every program unless another one runs.
    keeper: Option<Child>,
}

impl Wine {
    /// Makes it.
    fn start() -> Result<Wine, String> {
        let directory = workspace::target_dir().join("windows");
        fs::create_dir_all(directory.join("home"))
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        let mut wine = Wine {
            directory,
            keeper: None,
        };
        if !workspace::succeeds(
            wine.command("wine")
                .args(["wineboot", "--init"])
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        ) {
            return Err("wine cannot make a prefix".to_owned());
        }
        wine.add_prng()?;
        let mut keeper = wine.command("wine");
        let keeper = keeper
            .arg("cmd")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        wine.keeper = Some(keeper.spawn().map_err(|error| format!("cannot start wine: {error}"))?);
        Ok(wine)
    }

    fn add_prng(&self) -> Result<(), String> {
        let source = self.directory.join("prng.c");
        fs::write(&source, PRNG).map_err(|error| format!("cannot write {}: {error}", source.display()))?;
        let mut compile = Command::new("x86_64-w64-mingw32-gcc");
        compile
            .arg("-shared")
            .arg("-o")
            .arg(
                self.directory
                    .join("prefix/drive_c/windows/system32/bcryptprimitives.dll"),
            )
            .arg(&source)
            .arg("-ladvapi32");
        match workspace::succeeds(&mut compile) {
            true => Ok(()),
            false => Err("the library that Wine lacks cannot be made".to_owned()),
        }
    }

    /// What a program needs to find this Windows.
    fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("WINEPREFIX", self.directory.join("prefix")),
            ("WINEDEBUG", "-all".into()),
            (
                "WINEDLLOVERRIDES",
                "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=d".into(),
            ),
        ]
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Wine makes links to the home directory in a new prefix, and writes shortcuts there.
        command
            .envs(self.environment())
            .env("HOME", self.directory.join("home"))
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // It ends with its input, as the server ends it too.
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        for end in ["--kill", "--wait"] {
            let _ = self.command("wineserver").arg(end).status();
        }
    }
}

/// The commands of the step, to be run one after another while the value lives.
pub(crate) struct Step {
    pub(crate) commands: Vec<Command>,
    _wine: Wine,
}

/// Gets everything ready.
///
/// # Errors
/// What is missing, and why.
pub(crate) fn prepare(toolchain: &Toolchain) -> Result<Step, String> {
    let wine = Wine::start()?;
    let mut commands = vec![];
    for (place, suite) in SUITES.iter().enumerate() {
        let mut command = toolchain.cargo(&[&["test", "--no-fail-fast"], *suite].concat());
        command
            .envs(wine.environment())
            .env_remove("DISPLAY")
            .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine");
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
    Ok(Step { commands, _wine: wine })
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
        assert!(differs_on_wine().is_ok_and(|tests| !tests.is_empty()));
    }
}
