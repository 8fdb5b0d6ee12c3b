//! `cargo xtask fuzz`: the fuzz targets, each on its corpus and on whatever
//! libFuzzer makes of it.
//!
//! The targets are a package of their own, in the form that cargo-fuzz knows.
//! cargo-fuzz needs a nightly toolchain for its sanitizers; npipe's targets
//! look for panics, of which the checks of overflow and of bounds are part,
//! so that the stable compiler with coverage counters does, and a target is
//! an ordinary program.
//!
//! What a target has learned is kept beside the build products and is where
//! the next run begins. The corpora in the repository are seeds, few and small.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

/// The targets, and how many inputs each gets as a part of `test`: some
/// seconds' worth.
const TARGETS: &[(&str, u32)] = &[
    ("handshake", 300_000),
    ("names", 300_000),
    ("security", 300_000),
    ("segment", 100_000),
];

/// How long a target runs by hand, unless the caller says.
const DEFAULT_SECONDS: u32 = 600;

/// Longer inputs find nothing new, and take longer.
const MAX_INPUT_BYTES: u32 = 4096;

/// Counters at every edge, and their addresses, as libFuzzer looks for them.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Ccodegen-units=1 --cfg fuzzing";

/// For how long a target runs.
#[derive(Clone, Copy)]
enum Length {
    Inputs(u32),
    Seconds(u32),
}

/// What the caller may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options<'a> {
    /// One target, or all of them.
    target: Option<&'a str>,
    /// For each.
    seconds: u32,
}

impl<'a> Options<'a> {
    /// # Errors
    /// The first argument that means nothing here.
    pub(crate) fn parse(args: &[&'a str]) -> Result<Options<'a>, &'a str> {
        let mut options = Options {
            target: None,
            seconds: DEFAULT_SECONDS,
        };
        for &arg in args {
            match arg.parse() {
                Ok(seconds) => options.seconds = seconds,
                Err(_) if is_target(arg) && options.target.is_none() => options.target = Some(arg),
                Err(_) => return Err(arg),
            }
        }
        Ok(options)
    }
}

fn is_target(name: &str) -> bool {
    TARGETS.iter().any(|(target, _)| *target == name)
}

/// Runs one target or all of them, each for its time. True if none found anything.
pub(crate) fn run(options: Options<'_>) -> bool {
    let chosen = TARGETS
        .iter()
        .filter(|(target, _)| options.target.is_none_or(|wanted| wanted == *target));
    all(chosen.map(|(target, _)| (*target, Length::Seconds(options.seconds))))
}

/// Every target for a moment, as one of the steps of `test`.
pub(crate) fn run_briefly() -> bool {
    all(TARGETS
        .iter()
        .map(|(target, inputs)| (*target, Length::Inputs(*inputs))))
}

/// Each target in its turn, also after one that failed.
fn all<'a>(targets: impl Iterator<Item = (&'a str, Length)>) -> bool {
    let Some(programs) = build() else {
        return false;
    };
    targets.fold(true, |good, (target, length)| fuzz(&programs, target, length) && good)
}

fn target_dir() -> PathBuf {
    workspace::target_dir().join("fuzz")
}

/// What `rustc` builds for when nobody says.
fn host() -> Option<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("-vV").output().ok()?;
    host_in(&String::from_utf8_lossy(&output.stdout)).map(str::to_owned)
}

fn host_in(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: "))
}

/// Built apart, since the flags would rebuild everything else, and for a
/// target that is named, lest they hold for build scripts too. Returns where
/// the programs are.
fn build() -> Option<PathBuf> {
    let Some(host) = host() else {
        eprintln!("xtask: rustc -vV does not name its host");
        return None;
    };
    let mut command = workspace::cargo();
    command
        .args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target", &host])
        .env("RUSTFLAGS", COVERAGE)
        .env("CARGO_TARGET_DIR", target_dir());
    workspace::succeeds(&mut command).then(|| target_dir().join(host).join("release"))
}

fn fuzz(programs: &Path, target: &str, length: Length) -> bool {
    let learned = target_dir().join("corpus").join(target);
    let found = target_dir().join("found").join(target);
    for directory in [&learned, &found] {
        if let Err(error) = std::fs::create_dir_all(directory) {
            eprintln!("xtask: cannot make {}: {error}", directory.display());
            return false;
        }
    }
    let mut command = Command::new(programs.join(target));
    command
        .current_dir(workspace::root())
        .arg(&learned)
        .arg(workspace::root().join("fuzz/corpus").join(target))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_len={MAX_INPUT_BYTES}"))
        // An input that takes so many seconds has found a loop.
        .args([
            "-timeout=20",
            "-rss_limit_mb=1024",
            "-verbosity=0",
            "-print_final_stats=1",
        ]);
    match length {
        Length::Inputs(inputs) => command.arg(format!("-runs={inputs}")),
        Length::Seconds(seconds) => command.arg(format!("-max_total_time={seconds}")),
    };
    println!("{target}");
    let good = workspace::succeeds(&mut command);
    if !good {
        println!(
            "{target}: what it found is in {}; give it that file to see it again",
            found.display()
        );
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_may_be_chosen() {
        let all = Options {
            target: None,
            seconds: DEFAULT_SECONDS,
        };
        assert_eq!(Options::parse(&[]), Ok(all));
        assert_eq!(Options::parse(&["7"]), Ok(Options { seconds: 7, ..all }));
        let names = Options {
            target: Some("names"),
            seconds: 9,
        };
        assert_eq!(Options::parse(&["names", "9"]), Ok(names));
        assert_eq!(Options::parse(&["nothing"]), Err("nothing"));
        assert_eq!(Options::parse(&["names", "segment"]), Err("segment"));
    }

    #[test]
    fn the_host_is_what_the_compiler_says() {
        assert_eq!(host_in("rustc 1.0\nhost: a-b-c\nrelease: 1.0\n"), Some("a-b-c"));
        assert_eq!(host_in("rustc 1.0\n"), None);
    }

    #[test]
    fn every_target_is_a_program_with_a_corpus() {
        let root = workspace::root().join("fuzz");
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("the package is there");
        for (target, _) in TARGETS {
            assert!(
                manifest.contains(&format!("path = \"targets/{target}.rs\"")),
                "{target}"
            );
            assert!(root.join(format!("targets/{target}.rs")).is_file(), "{target}");
            let seeds = std::fs::read_dir(root.join("corpus").join(target)).expect("a corpus");
            assert!(seeds.count() > 0, "{target}");
        }
    }
}
