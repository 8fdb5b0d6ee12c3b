//! `cargo xtask …`: the one entry to everything a developer or a machine does
//! with this repository. What runs locally and what runs in continuous
//! integration is the same code.
//!
//! Each subcommand is one module with one `run`, which prints as it goes and
//! returns whether the command succeeded. Nothing here depends on the crates
//! it checks.

mod bench;
mod ci;
mod differential;
mod fuzz;
mod install;
mod macos;
mod mutants;
mod packages;
mod test;
mod tidy;
mod toolchain;
mod windows;
mod wine;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [--release]    install what is missing, then run every check and test
  tidy [--rules]      the style rules; --rules prints which test holds which rule
  bench [--peers all] [ARGS…]
                      build for speed, with the C library or all peers, and run
                      `npipe bench --targets ARGS…`
  windows             build for Windows and run what is portable under Wine, as `test` does
  macos               type-check for macOS what does not depend on the system, as `test` does
  mutants [ARGS…]     mutation tests of the core and the ring (hours); ARGS go to cargo-mutants
  fuzz [TARGET] [S]   one fuzz target or all of them, for S seconds each (600)
  differential [--seed N] [--operations N]
                      random operations on the C library and on Wine's pipes, compared with each other and the rules
  install [OPTIONS]   the C library with headers, pkg-config and CMake files: --prefix DIR (/usr/local),
                      --destdir DIR, --libdir DIR (lib), --profile NAME (release)
  ci                  what continuous integration runs (the same as test)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let succeeded = match args.as_slice() {
        ["test", flags @ ..] => match test::Options::parse(flags) {
            Ok(options) => test::run(options),
            Err(flag) => return misuse(&format!("test: unknown option {flag}")),
        },
        ["tidy"] => tidy::run(false),
        ["tidy", "--rules"] => tidy::run(true),
        ["bench", rest @ ..] => bench::run(rest),
        ["windows"] => test::run_on_windows(),
        ["macos"] => macos::run(),
        ["mutants", rest @ ..] => mutants::run(rest),
        ["fuzz", args @ ..] => match fuzz::Options::parse(args) {
            Ok(options) => fuzz::run(options),
            Err(arg) => return misuse(&format!("fuzz: {arg} is neither a target nor a number of seconds")),
        },
        ["differential", args @ ..] => match differential::Options::parse(args) {
            Ok(options) => differential::run(options),
            Err(why) => return misuse(&format!("differential: {why}")),
        },
        ["install", args @ ..] => match install::Options::parse(args) {
            Ok(options) => install::run(&options),
            Err(why) => return misuse(&format!("install: {why}")),
        },
        ["ci"] => ci::run(),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            true
        }
        [] => return misuse("no command given"),
        [other, ..] => return misuse(&format!("cannot do `{other}` with these arguments")),
    };
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Says what was wrong with the command line. Exit status 2 sets it apart
/// from a check that failed.
fn misuse(problem: &str) -> ExitCode {
    eprint!("xtask: {problem}\n\n{USAGE}");
    ExitCode::from(2)
}
