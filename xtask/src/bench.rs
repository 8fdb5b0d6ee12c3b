//! `cargo xtask bench`: the measurements against the project's targets. The
//! command `npipe bench` does the work; here it is built for speed, and so are
//! the programs of `bench/` that take part in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

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
    if !c_library(&programs) {
        return false;
    }
    let wine = everyone.then(|| others(&programs)).flatten();
    let mut command = workspace::cargo();
    command
        .args(["run", "--release", "--locked", "--package", "npipe-cli"])
        .args(["--", "bench", "--targets", "--programs"])
        .arg(&programs)
        .args(args);
    if let Some(wine) = &wine {
        command.env("WINEPREFIX", &wine.prefix).env("WINEDEBUG", "-all");
    }
    workspace::succeeds(&mut command)
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
    let mut windows = c_program("x86_64-w64-mingw32-gcc-posix", "win32.c", &programs.join("win32.exe"));
    workspace::succeeds(windows.args(["-static", "-pthread"]))
        .then(|| Wine::start(programs.join("wine")))
        .flatten()
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

/// Wine's server, which all programs of a prefix share. It runs before they do, so
/// that it is on no processor in particular, and ends with this.
struct Wine {
    prefix: PathBuf,
}

impl Wine {
    fn start(prefix: PathBuf) -> Option<Wine> {
        let wine = Wine { prefix };
        (wine.succeeds("wineserver", "--persistent") && wine.succeeds("wineboot", "--init")).then_some(wine)
    }

    fn succeeds(&self, program: &str, arg: &str) -> bool {
        let mut command = Command::new(program);
        command
            .arg(arg)
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all");
        // Nothing of a desktop is wanted: no Mono, no Gecko.
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        workspace::succeeds(&mut command)
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.succeeds("wineserver", "--kill");
    }
}
