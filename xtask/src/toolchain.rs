//! A compiler for another system.
//!
//! Where rustup has installed that target it is used. Else Debian's packages have a compiler with the sources of its standard
//! library, which it builds anew for whatever target it is asked for.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

/// Where Debian's compiler lies, whatever stands earlier in `PATH`.
const DEBIAN: &str = "/usr/bin";

/// Those of the cargo that has started this program are another one's.
const FOREIGN: [&str; 5] = ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTDOC"];

/// A compiler for one target.
pub(crate) struct Toolchain {
    target: &'static str,
    /// Where its programs are; `None`: it is the workspace's own.
    directory: Option<PathBuf>,
}

impl Toolchain {
    /// One that is there.
    pub(crate) fn find(target: &'static str) -> Option<Toolchain> {
        Toolchain::of_rustup(target).or_else(|| Toolchain::of_debian(target))
    }

    /// The workspace's own, if it has that target.
    pub(crate) fn of_rustup(target: &'static str) -> Option<Toolchain> {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(workspace::root());
        let asked = rustc.args(["--print", "target-libdir", "--target", target]).output();
        let library = asked.map(|asked| String::from_utf8_lossy(&asked.stdout).trim().to_owned());
        let is_there = library.is_ok_and(|library| Path::new(&library).is_dir());
        is_there.then_some(Toolchain {
            target,
            directory: None,
        })
    }

    fn of_debian(target: &'static str) -> Option<Toolchain> {
        let directory = Path::new(DEBIAN);
        let library = directory.join("../lib/rustlib/src/rust/library/Cargo.toml");
        let is_there = ["cargo", "rustc"].iter().all(|name| directory.join(name).exists()) && library.exists();
        is_there.then(|| Toolchain {
            target,
            directory: Some(directory.to_owned()),
        })
    }

    /// Its cargo with these words, for the target.
    pub(crate) fn cargo(&self, words: &[&str]) -> Command {
        self.command("cargo", words)
    }

    /// Its clippy with these words, all warnings as errors; `None` if it has none.
    pub(crate) fn clippy(&self, words: &[&str]) -> Option<Command> {
        // Asked by its own name: cargo would find the one that stands first in `PATH`.
        let mut command = match &self.directory {
            Some(directory) if !directory.join("cargo-clippy").exists() => return None,
            Some(_) => self.command("cargo-clippy", &[&["clippy"], words].concat()),
            None => self.command("cargo", &[&["clippy"], words].concat()),
        };
        // Where the system has no variables of threads it takes what the macro makes of a constant for something else.
        let allowed = "clippy::missing_const_for_thread_local";
        command.args(["--", "-D", "warnings", "-A", allowed]);
        Some(command)
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = match &self.directory {
            Some(directory) => {
                let mut command = Command::new(directory.join(program));
                for variable in FOREIGN {
                    command.env_remove(variable);
                }
                command
                    .env("CARGO", directory.join("cargo"))
                    .env("RUSTC", directory.join("rustc"))
                    .env("RUSTC_BOOTSTRAP", "1");
                command
            }
            None => workspace::cargo(),
        };
        command.current_dir(workspace::root());
        command.args(words).args(["--locked", "--target", self.target]);
        if self.directory.is_some() {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}
