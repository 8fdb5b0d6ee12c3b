//! A Windows of one's own: Wine with a prefix, awake as long as a value lives.
//!
//! Here, and by its path in the tests of the C library: so it stands alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A Windows of one's own, which ends with this value; its files stay.
pub(crate) struct Wine {
    directory: PathBuf,
    /// A shell that waits for commands: Windows' services start anew for every program unless another one runs.
    keeper: Option<Child>,
}

impl Wine {
    /// Makes it below `directory`, which may have one already, and does something else `meanwhile`: it takes seconds.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn start(directory: &Path, meanwhile: impl FnOnce()) -> Result<Wine, String> {
        let mut wine = Wine {
            directory: directory.to_owned(),
            keeper: None,
        };
        let log = wine.directory.join("wineboot.log");
        let made = fs::create_dir_all(wine.directory.join("home")).and_then(|()| File::create(&log));
        // A file, not a pipe: what is started here goes on, and would keep that open.
        let said = made.map_err(|error| format!("cannot make {}: {error}", log.display()))?;
        let mut boot = wine.command("wine");
        let boot = boot.args(["wineboot", "--init"]).stdout(Stdio::null()).stderr(said);
        let boot = boot.spawn();
        meanwhile();
        if !boot
            .and_then(|mut boot| boot.wait())
            .is_ok_and(|status| status.success())
        {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("wine makes no prefix\n{}", said.trim()));
        }
        let mut keeper = wine.command("wine");
        let keeper = keeper
            .arg("cmd")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        wine.keeper = Some(keeper.spawn().map_err(|error| format!("cannot start wine: {error}"))?);
        Ok(wine)
    }

    /// What a program needs to find this Windows. Nothing of a desktop is wanted: no Mono, no Gecko, no menus.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("WINEPREFIX", self.directory.join("prefix")),
            ("WINEDEBUG", "-all".into()),
            (
                "WINEDLLOVERRIDES",
                "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=d".into(),
            ),
        ]
    }

    /// A command that finds it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .envs(self.environment())
            // Wine makes links to the home directory in a new prefix, and writes shortcuts there.
            .env("HOME", self.directory.join("home"))
            .env_remove("DISPLAY")
            .current_dir(&self.directory)
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
            let mut server = self.command("wineserver");
            let _ = server.arg(end).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}
