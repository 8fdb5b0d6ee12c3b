//! `cargo xtask bench`: the measurements against the project's targets. The
//! command `npipe bench` does the work; here it is built for speed, and so are
//! the programs of `bench/` that take part in it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::wine::Wine;
use crate::workspace;

/// What others than the C library are built into.
const PEERS: [&str; 3] = ["zeromq", "iceoryx2", "win32.exe"];

/// Options of `npipe bench` for measurements of their own, to which the targets do not apply.
const APART: [&str; 4] = ["--clients", "--pairs", "--think", "--interval"];

/// With `--peers all`, all programs that can be built here take part, without
/// it the C library's. Everything else in `args` goes to `npipe bench`.
pub(crate) fn run(args: &[&str]) -> bool {
    let (everyone, args) = match args {
        ["--peers", "all", rest @ ..] => (true, rest),
        _ => (false, args),
    };
    let programs = workspace::target_dir().join("bench");
    if let Err(error) = fs::create_dir_all(&programs) {
        eprintln!("xtask: cannot make {}: {error}", programs.display());
        return false;
    }
    if !clear(&programs) || !c_library(&programs) {
        return false;
    }
    let wine = everyone.then(|| others(&programs)).flatten();
    let mut command = workspace::cargo();
    command
        .args(["run", "--release", "--locked", "--package", "npipe-cli"])
        .args(["--", "bench"])
        .args(has_targets(args).then_some("--targets"))
        .arg("--programs")
        .arg(&programs)
        .args(args);
    if let Some(wine) = &wine {
        command.envs(wine.environment());
    }
    workspace::succeeds(&mut command)
}

fn has_targets(args: &[&str]) -> bool {
    let is_apart = |arg: &&str| APART.contains(&arg.split_once('=').map_or(*arg, |(option, _)| option));
    !args.iter().any(is_apart)
}

/// Takes away what an earlier run has built for `--peers all`: whatever is there takes part.
fn clear(programs: &Path) -> bool {
    PEERS.into_iter().all(|peer| remove(&programs.join(peer)))
}

fn remove(file: &Path) -> bool {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            eprintln!("xtask: cannot remove {}: {error}", file.display());
            false
        }
        _ => true,
    }
}

/// Builds the C library and the program that measures it.
fn c_library(programs: &Path) -> bool {
    let mut library = workspace::cargo();
    library.args(["build", "--release", "--locked", "--package", "npipe-win32"]);
    let release = workspace::target_dir().join("release");
    let mut program = c_program("cc", "win32.c", &programs.join("win32"));
    program
        .arg("-I")
        .arg(workspace::root().join("crates/npipe-win32/include"))
        .arg("-L")
        .arg(&release)
        .arg(format!("-Wl,-rpath,{}", release.display()))
        .args(["-lnpipe", "-pthread"]);
    workspace::succeeds(&mut library) && workspace::succeeds(&mut program)
}

/// Builds what can be built. `npipe bench` names what is not there.
fn others(programs: &Path) -> Option<Wine> {
    let mut zeromq = c_program("cc", "zeromq.c", &programs.join("zeromq"));
    workspace::succeeds(zeromq.args(["-lzmq", "-pthread"]));
    let mut iceoryx2 = workspace::cargo();
    iceoryx2
        .args([
            "build",
            "--release",
            "--locked",
            "--manifest-path",
            "bench/iceoryx2/Cargo.toml",
        ])
        .env("CARGO_TARGET_DIR", programs.join("build"));
    if workspace::succeeds(&mut iceoryx2) {
        let built = programs.join("build/release/iceoryx2");
        if let Err(error) = fs::copy(&built, programs.join("iceoryx2")) {
            eprintln!("xtask: cannot copy {}: {error}", built.display());
        }
    }
    let program = programs.join("win32.exe");
    let mut windows = c_program("x86_64-w64-mingw32-gcc-posix", "win32.c", &program);
    if !workspace::succeeds(windows.args(["-static", "-pthread"])) {
        return None;
    }
    // Its server runs before the programs do, so that it is on no processor in particular.
    let wine = Wine::start(&programs.join("wine"), || ());
    if let Err(error) = &wine {
        eprintln!("xtask: Wine takes no part: {error}");
        // Or it would, with the user's own prefix.
        remove(&program);
    }
    wine.ok()
}

fn c_program(compiler: &str, source: &str, program: &Path) -> Command {
    let mut command = Command::new(compiler);
    command
        .arg("-O2")
        .arg(workspace::root().join("bench").join(source))
        .arg("-o")
        .arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The targets are for what is measured without any of those options, however they are written.
    #[test]
    fn targets_are_for_the_plain_measurements() {
        assert!(has_targets(&[]) && has_targets(&["--quick", "--targets", "--strict"]));
        assert!(!has_targets(&["--pairs", "8"]) && !has_targets(&["--quick", "--think=20us"]));
    }
}
