//! The same cases on Wine, which is the check of what `expected/` says of Windows.
//!
//! If Wine dies of a case, every section of the group runs again in a process of its own, so that the case takes no other
//! with it. There is one prefix, made and removed by the one test, and one wineserver, which the test ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{PATIENCE, succeed};
use crate::tables::{Expected, answers, groups, source};

const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// How often a group runs that differs. On a busy machine Wine is sometimes late with what a case waits a moment for; npipe,
/// which is what is tested, has one attempt.
const ATTEMPTS: usize = 3;

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
struct Wine {
    directory: tempfile::TempDir,
    /// A shell that waits for commands: Windows' services start anew for every program unless another one runs.
    keeper: Option<Child>,
}

impl Wine {
    /// One with all groups compiled, which takes as long as making the prefix.
    #[track_caller]
    fn with(groups: &[String]) -> Wine {
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
        for group in groups {
            wine.compile(group);
        }
        assert!(boot.wait().expect("it is ours").success(), "wine makes a prefix");
        let mut keeper = wine.command("wine", "wine");
        let keeper = keeper.arg("cmd").stdin(Stdio::piped()).stdout(Stdio::null());
        wine.keeper = Some(keeper.spawn().expect("wine starts"));
        wine
    }

    fn path(&self, name: &str) -> PathBuf {
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
    fn compile(&self, group: &str) {
        let mut compile = tool(COMPILER, "gcc-mingw-w64-x86-64-posix");
        compile
            .args(["-w", "-DUNDER_WINE"])
            .arg("-o")
            .arg(self.program(group))
            .arg(source(group));
        succeed(compile.args(["-ladvapi32", "-lntdll"]));
    }

    fn program(&self, group: &str) -> PathBuf {
        self.path(&format!("{group}.exe"))
    }

    /// What a program printed, and whether it ended well.
    fn run(&self, program: &Path, arguments: &[&str]) -> (String, bool) {
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

    #[track_caller]
    fn answers(&self, group: &str) -> BTreeMap<String, String> {
        let program = self.program(group);
        let (printed, true) = self.run(&program, &[]) else {
            let (sections, _) = self.run(&program, &["-l"]);
            assert!(!sections.is_empty(), "{group} has no section, or wine does not run it");
            let sections = sections.lines();
            return sections
                .flat_map(|section| answers(group, &self.run(&program, &[section]).0))
                .collect();
        };
        answers(group, &printed)
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

/// Case by case, all groups: Wine prints what `expected/` has, or `wine.tsv` has what it prints and why.
#[test]
fn wine_prints_the_same() {
    let groups = groups();
    let wine = Wine::with(&groups);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            let expected = Expected::of_wine(group);
            let mut differences = expected.differences(&wine.answers(group));
            for _ in 1..ATTEMPTS {
                if differences.is_empty() {
                    break;
                }
                println!("once more: {}", differences.join("\n"));
                differences = expected.differences(&wine.answers(group));
            }
            wrong.lock().expect("nobody panics inside").extend(differences);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics inside");
    assert!(
        wrong.is_empty(),
        "{}\n{} cases of {} groups differ on Wine",
        wrong.join("\n"),
        wrong.len(),
        groups.len()
    );
}
