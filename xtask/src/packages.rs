//! What the tests need of the system: Debian packages and the toolchain's
//! components. What is missing is installed if that needs no password;
//! otherwise the one command that does it is printed and the step fails.

use std::path::Path;
use std::process::Command;

use crate::toolchain::Toolchain;
use crate::{windows, workspace};

/// How to tell that a package's contents are there, on whatever distribution.
enum Sign {
    /// A program somewhere in `PATH`.
    Program(&'static str),
    /// A file at a fixed place.
    File(&'static str),
    /// The same, of a compiler for Windows, unless there is another one.
    WindowsCompiler(&'static str),
}

/// One row: the package, how its presence shows, what needs it.
struct Package {
    debian_name: &'static str,
    sign: Sign,
    reason: &'static str,
}

/// All that the tests need. A new need is a new row.
const PACKAGES: &[Package] = &[
    Package {
        debian_name: "gcc",
        sign: Sign::Program("cc"),
        reason: "the linker of every Rust program, the loom tests' fresh build included; the C programs of conformance/",
    },
    Package {
        debian_name: "g++",
        sign: Sign::Program("c++"),
        reason: "libFuzzer, which the fuzz targets are linked with, is written in C++; the C library's tests use it from C++",
    },
    Package {
        debian_name: "libc6-dev",
        sign: Sign::File("/usr/include/stdio.h"),
        reason: "start-up files and C library that Rust and C programs are linked with",
    },
    Package {
        debian_name: "strace",
        sign: Sign::Program("strace"),
        reason: "the tests of costs count system calls",
    },
    Package {
        debian_name: "gnuplot-nox",
        sign: Sign::Program("gnuplot"),
        reason: "the test of `npipe bench --plots` has it draw",
    },
    Package {
        debian_name: "valgrind",
        sign: Sign::Program("valgrind"),
        reason: "the tests of costs count instructions",
    },
    Package {
        debian_name: "gcc-mingw-w64-x86-64-posix",
        sign: Sign::Program("x86_64-w64-mingw32-gcc"),
        reason: "the cases of conformance/ as Windows programs",
    },
    Package {
        debian_name: "wine",
        sign: Sign::Program("wine"),
        reason: "runs those, for the comparison with npipe; 64-bit programs only, so no other architecture is needed",
    },
    Package {
        debian_name: "cargo-web",
        sign: Sign::WindowsCompiler("/usr/bin/cargo"),
        reason: "builds the workspace for Windows where rustup has not installed that target",
    },
    Package {
        debian_name: "rustc-web",
        sign: Sign::WindowsCompiler("/usr/bin/rustc"),
        reason: "the compiler for that",
    },
    Package {
        debian_name: "rust-web-src",
        sign: Sign::WindowsCompiler("/usr/lib/rustlib/src/rust/library/Cargo.toml"),
        reason: "its standard library, which is built for Windows and checked for macOS from source",
    },
    Package {
        debian_name: "rust-web-clippy",
        sign: Sign::WindowsCompiler("/usr/bin/cargo-clippy"),
        reason: "clippy of that compiler",
    },
    Package {
        debian_name: "pkg-config",
        sign: Sign::Program("pkg-config"),
        reason: "the C library's packaging is tested with it",
    },
    Package {
        debian_name: "cmake",
        sign: Sign::Program("cmake"),
        reason: "the C library's CMake package is tested with it",
    },
    Package {
        debian_name: "make",
        sign: Sign::Program("make"),
        reason: "what CMake builds with",
    },
];

/// Cargo subcommands that a minimal toolchain lacks.
const COMPONENTS: &[&str] = &["fmt", "clippy"];

/// Leaves everything in place that the other steps need, or says what to do.
pub(crate) fn ensure() -> bool {
    // Both are tried, so that one run tells everything that is missing.
    let packages = ensure_packages();
    let components = ensure_components();
    packages && components
}

fn ensure_packages() -> bool {
    let missing: Vec<&Package> = PACKAGES.iter().filter(|p| !p.is_present()).collect();
    if missing.is_empty() {
        println!("all {} packages are present", PACKAGES.len());
        return true;
    }
    for package in &missing {
        println!("missing: {} ({})", package.debian_name, package.reason);
    }
    let names: Vec<&str> = missing.iter().map(|p| p.debian_name).collect();
    if !Path::new("/etc/debian_version").exists() {
        println!("this is not Debian; install what corresponds to: {}", names.join(" "));
        return false;
    }
    if install(&names) && missing.iter().all(|p| p.is_present()) {
        return true;
    }
    println!("install them with:\n\n  {}\n", install_by_hand(&names));
    false
}

impl Package {
    fn is_present(&self) -> bool {
        match self.sign {
            Sign::File(path) => Path::new(path).exists(),
            Sign::WindowsCompiler(path) => Path::new(path).exists() || Toolchain::of_rustup(windows::TARGET).is_some(),
            Sign::Program(name) => std::env::var_os("PATH")
                .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file())),
        }
    }
}

/// Installs without asking, where that is possible.
fn install(names: &[&str]) -> bool {
    let Some(prefix) = privilege() else {
        println!("neither root nor sudo without a password");
        return false;
    };
    // Fails on a machine whose package lists were never fetched: then once
    // more with fresh ones.
    apt_get(prefix, "install", names) || (apt_get(prefix, "update", &[]) && apt_get(prefix, "install", names))
}

fn apt_get(prefix: &[&str], verb: &str, names: &[&str]) -> bool {
    let mut words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive"]);
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words).args(["apt-get", verb]);
    if verb == "install" {
        command.args(["--yes", "--no-install-recommends"]);
    }
    workspace::succeeds(command.args(names))
}

/// What to put before a command for it to run as root, if that is possible
/// without a password.
fn privilege() -> Option<&'static [&'static str]> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if effective_uid(&status) == Some(0) {
        return Some(&[]);
    }
    workspace::succeeds_quietly(Command::new("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
}

/// The second number of the `Uid:` line of `/proc/self/status`.
fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn install_by_hand(names: &[&str]) -> String {
    format!(
        "sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}",
        names.join(" ")
    )
}

fn ensure_components() -> bool {
    let present = || {
        COMPONENTS
            .iter()
            .all(|name| workspace::succeeds_quietly(workspace::cargo().args([name, "--version"])))
    };
    if present() {
        println!("rustfmt and clippy are present");
        return true;
    }
    println!("rustfmt or clippy is missing; trying: rustup component add rustfmt clippy");
    let mut rustup = Command::new("rustup");
    rustup
        .args(["component", "add", "rustfmt", "clippy"])
        .current_dir(workspace::root());
    if workspace::succeeds(&mut rustup) && present() {
        return true;
    }
    println!("install them with:\n\n  rustup component add rustfmt clippy\n");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_uid_is_the_second_number() {
        let status = "Name:\tx\nUid:\t1000\t0\t1000\t1000\nGid:\t5\t6\t7\t8\n";
        assert_eq!(effective_uid(status), Some(0));
        assert_eq!(effective_uid("Name:\tx\n"), None);
        assert_eq!(effective_uid("Uid:\tnone\n"), None);
    }

    #[test]
    fn every_package_has_a_reason_and_a_row_of_its_own() {
        for (i, package) in PACKAGES.iter().enumerate() {
            assert!(!package.reason.is_empty(), "{}", package.debian_name);
            let twice = PACKAGES[..i].iter().any(|p| p.debian_name == package.debian_name);
            assert!(!twice, "{} is listed twice", package.debian_name);
        }
    }

    #[test]
    fn the_command_by_hand_names_every_package() {
        let command = install_by_hand(&["gcc", "libc6-dev"]);
        assert!(command.ends_with(" gcc libc6-dev"), "{command}");
    }

    #[test]
    fn absence_is_noticed() {
        let package = |sign| Package {
            debian_name: "x",
            sign,
            reason: "x",
        };
        assert!(!package(Sign::Program("no-program-has-this-name")).is_present());
        assert!(!package(Sign::File("/no/such/file")).is_present());
        assert!(package(Sign::File("/proc/self/status")).is_present());
    }
}
