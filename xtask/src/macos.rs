//! What there is for macOS: the crates that do not depend on the system pass the compiler, and `npipe` says that it has no
//! backend there, instead of errors that say nothing.

use std::process::Command;

use crate::toolchain::Toolchain;
use crate::workspace;

const TARGET: &str = "aarch64-apple-darwin";

/// What the compiler is to say of `npipe`.
const MISSING: &str = "error: npipe has no backend for this system yet";

/// Checks both. True if they are so, or if there is no compiler to ask.
pub(crate) fn run() -> bool {
    let Some(toolchain) = Toolchain::find(TARGET) else {
        println!("left out: there is no compiler for macOS; `rustup target add {TARGET}` gets one");
        return true;
    };
    let portable = ["check", "--package", "npipe-core", "--package", "npipe-shm"];
    workspace::succeeds(&mut toolchain.cargo(&portable))
        && is_missing(&mut toolchain.cargo(&["check", "--package", "npipe"]))
}

/// Whether the compiler refuses, for that reason and no other.
fn is_missing(check: &mut Command) -> bool {
    let said = match check.output() {
        Ok(output) if output.status.success() => {
            println!("npipe compiles for macOS: give it tests there");
            return false;
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => {
            println!("cannot start cargo: {error}");
            return false;
        }
    };
    let is_said = says_only_that(&said);
    if !is_said {
        println!("npipe does not say for macOS what it should, and only that:\n{said}");
    }
    is_said
}

/// Cargo's own summary is one more error.
fn says_only_that(said: &str) -> bool {
    let mut errors = said.lines().filter(|line| line.starts_with("error"));
    let first = errors.next().is_some_and(|line| line.starts_with(MISSING));
    first && errors.all(|line| line.starts_with("error: could not compile `npipe`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_is_meant_and_no_other() {
        let summary = "error: could not compile `npipe` (lib) due to 1 previous error";
        assert!(says_only_that(&format!(
            "Checking npipe\n{MISSING}; see there\n{summary}\n"
        )));
        assert!(!says_only_that(&format!(
            "{MISSING}\nerror[E0433]: cannot find `rustix`\n{summary}\n"
        )));
        assert!(!says_only_that(summary));
        assert!(!says_only_that("error: npipe-core does not compile\n"));
    }
}
