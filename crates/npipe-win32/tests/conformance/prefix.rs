//! A Windows of one's own: Wine with a prefix that is made and removed with a value, and one wineserver, which it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{PATIENCE, succeed};

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

/// A Windows of one's own, gone with this value.
pub(crate) struct Wine {
    directory: tempfile::TempDir,
    /// A shell that waits for commands: Windows' services start anew for every program unless another one runs.
    keeper: Option<Child>,
}

impl Wine {
    /// One that `compile` has put its programs into, which takes as long as making the prefix.
    #[track_caller]
    pub(crate) fn with(compile: impl FnOnce(&Wine)) -> Wine {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut wine = Wine {
            directory,
            keeper: None,
        };
        std::fs::create_dir(wine.path("home")).expect("the directory is ours");
        let mut boot = wine.command("wine", "wine");
        let boot = boot
            .args(["wineboot", "--init"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut boot = boot.spawn().expect("wine starts");
        compile(&wine);
        assert!(boot.wait().expect("it is ours").success(), "wine makes a prefix");
        let mut keeper = wine.command("wine", "wine");
        let keeper = keeper.arg("cmd").stdin(Stdio::piped()).stdout(Stdio::null());
        wine.keeper = Some(keeper.spawn().expect("wine starts"));
        wine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command in this prefix. Wine writes its shortcuts into the home directory, and installs what the cases do not need.
    #[track_caller]
    fn command(&self, program: &str, package: &str) -> Command {
        let mut command = tool(program, package);
        command
            .env("WINEPREFIX", self.path("prefix"))
            .env("HOME", self.path("home"))
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=d")
            .env("PROBE_WATCHDOG_MS", PATIENCE.as_millis().to_string())
            .env_remove("DISPLAY")
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn compile(&self, name: &str, source: &Path) {
        let mut compile = tool(COMPILER, "gcc-mingw-w64-x86-64-posix");
        compile
            .args(["-w", "-DUNDER_WINE"])
            .arg("-o")
            .arg(self.program(name))
            .arg(source);
        succeed(compile.args(["-ladvapi32", "-lntdll"]));
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.exe"))
    }

    /// What a program printed, and whether it ended well.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> (String, bool) {
        let mut command = self.command("wine", "wine");
        // A pipe would be held open by whatever of Windows the program has started and left.
        let path = program.with_extension("out");
        let output = File::create(&path).expect("the directory is ours");
        let status = command
            .arg(program)
            .args(arguments)
            .stdout(output)
            .stderr(Stdio::null())
            .status();
        let ended_well = status.expect("wine starts").success();
        let printed = std::fs::read(&path).expect("it was made above");
        (String::from_utf8_lossy(&printed).replace('\r', ""), ended_well)
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
            let ended = self.command("wineserver", "wine").arg(end).status();
            // A panic in the middle of another would hide it.
            if !std::thread::panicking() {
                ended.expect("wineserver starts");
            }
        }
    }
}
