//! A Windows with the programs that run in it: made and removed with a value.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{PATIENCE, succeed};

#[path = "../../../../xtask/src/wine.rs"]
mod windows;

const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// A command that is there, or what to do about it.
#[track_caller]
fn tool(program: &str, package: &str) -> Command {
    let present = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()));
    assert!(
        present,
        "{program} is missing: `cargo xtask test` installs it, or apt-get install {package}"
    );
    Command::new(program)
}

fn executable(name: &str) -> String {
    format!("{name}.exe")
}

/// Where the programs lie.
pub(crate) struct Programs(tempfile::TempDir);

impl Programs {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    pub(crate) fn compile(&self, name: &str, source: &Path) {
        let mut compile = tool(COMPILER, "gcc-mingw-w64-x86-64-posix");
        compile
            .args(["-w", "-DUNDER_WINE"])
            .arg("-o")
            .arg(self.path(&executable(name)))
            .arg(source);
        succeed(compile.args(["-ladvapi32", "-lntdll"]));
    }
}

/// A Windows of one's own, gone with this value.
pub(crate) struct Wine {
    // Ends before its directory goes.
    windows: windows::Wine,
    programs: Programs,
}

impl Wine {
    /// One that `compile` has put its programs into, which takes as long as making the prefix.
    #[track_caller]
    pub(crate) fn with(compile: impl FnOnce(&Programs)) -> Wine {
        tool("wine", "wine");
        let programs = Programs(tempfile::tempdir().expect("a temporary directory"));
        let windows = windows::Wine::start(programs.0.path(), || compile(&programs));
        Wine {
            windows: windows.expect("wine makes a prefix"),
            programs,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.programs.path(name)
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.path(&executable(name))
    }

    /// What a program printed, and whether it ended well.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> (String, bool) {
        let mut command = self.windows.command("wine");
        // A pipe would be held open by whatever of Windows the program has started and left.
        let path = program.with_extension("out");
        let output = File::create(&path).expect("the directory is ours");
        let status = command
            .arg(program)
            .args(arguments)
            .env("PROBE_WATCHDOG_MS", PATIENCE.as_millis().to_string())
            .stdout(output)
            .stderr(Stdio::null())
            .status();
        let ended_well = status.expect("wine starts").success();
        let printed = std::fs::read(&path).expect("it was made above");
        (String::from_utf8_lossy(&printed).replace('\r', ""), ended_well)
    }
}
