//! Building the library, compiling programs for it, running them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What hangs fails after this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .ancestors()
        .nth(2)
        .expect("the package lies in crates/")
        .to_owned()
}

pub(crate) fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// The directory of libnpipe.so and libnpipe.a, which are built as this test was. A test does not link with them, so cargo
/// has not built them for it.
pub(crate) fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().expect("this test has a file");
        let directory = test
            .ancestors()
            .nth(2)
            .expect("tests lie in target/PROFILE/deps")
            .to_owned();
        let profile = match directory.file_name().and_then(OsStr::to_str).expect("a profile's name") {
            "debug" => "dev",
            other => other,
        };
        let mut build = Command::new(env!("CARGO"));
        build
            .args([
                "build",
                "--quiet",
                "--locked",
                "--package",
                "npipe-win32",
                "--lib",
                "--profile",
                profile,
            ])
            .current_dir(repository())
            .env("CARGO_TARGET_DIR", directory.parent().expect("target/"));
        assert!(build.status().expect("cargo runs").success(), "the library is built");
        directory
    })
}

/// A namespace directory, and a place for programs.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// How a program is compiled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Build<'a> {
    /// Beside what every program gets.
    pub(crate) flags: &'a [&'a str],
    /// libnpipe.a instead of libnpipe.so.
    pub(crate) statically: bool,
    /// With the warnings that `flags` ask for; programs get none, as they are not ours to mend.
    pub(crate) strictly: bool,
}

impl Place {
    pub(crate) fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("names")).expect("a directory of one's own");
        Place { directory }
    }

    /// The namespace directory.
    pub(crate) fn names(&self) -> PathBuf {
        self.directory.path().join("names")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a source.
    pub(crate) fn source(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the directory is writable");
        path
    }

    /// Compiles C or C++, by the names of the sources, and links with the library.
    #[track_caller]
    pub(crate) fn compile(&self, name: &str, sources: &[PathBuf], build: Build<'_>) -> PathBuf {
        let objects: Vec<PathBuf> = sources
            .iter()
            .enumerate()
            .map(|(number, source)| self.object(&format!("{name}-{number}.o"), source, build))
            .collect();
        self.link(name, &objects, build)
    }

    /// Links objects with the library.
    #[track_caller]
    pub(crate) fn link(&self, name: &str, objects: &[PathBuf], build: Build<'_>) -> PathBuf {
        let program = self.path(name);
        let mut link = Command::new("c++");
        link.args(build.flags.iter().filter(|flag| flag.starts_with("-fsanitize")));
        link.arg("-o").arg(&program).args(objects);
        if build.statically {
            link.arg(library().join("libnpipe.a"));
        } else {
            link.arg("-L").arg(library()).arg("-lnpipe");
            link.arg(format!("-Wl,-rpath,{}", library().display()));
        }
        succeed(link.args(["-pthread", "-ldl", "-lm"]));
        program
    }

    /// Compiles one source, and does not link it.
    #[track_caller]
    pub(crate) fn object(&self, name: &str, source: &Path, build: Build<'_>) -> PathBuf {
        let object = self.path(name);
        let is_cpp = source.extension().is_some_and(|extension| extension == "cpp");
        let mut compile = Command::new(if is_cpp { "c++" } else { "cc" });
        if !build.strictly {
            compile.arg("-w");
        }
        compile.args(["-c", "-O1", "-I"]).arg(include()).args(build.flags);
        succeed(compile.arg(source).arg("-o").arg(&object));
        object
    }

    /// Whether a C++ source compiles.
    pub(crate) fn compiles(&self, source: &Path, flags: &[&str]) -> bool {
        let mut compile = Command::new("c++");
        compile.args(["-w", "-fsyntax-only", "-I"]).arg(include()).args(flags);
        compile.arg(source).stderr(Stdio::null());
        compile.status().expect("a compiler").success()
    }

    /// A program that is to be run here.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("NPIPE_ROOT", self.names())
            .env("PROBE_WATCHDOG_MS", PATIENCE.as_millis().to_string())
            .current_dir(self.directory.path());
        command
    }

    /// Runs a program to its end; what it printed.
    #[track_caller]
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> String {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .expect("the program starts");
        printed(&output)
    }

    /// Starts a program whose output is waited for.
    pub(crate) fn start(&self, program: &Path, arguments: &[&str]) -> Child {
        let mut command = self.command(program);
        command.args(arguments).stdout(Stdio::piped()).stdin(Stdio::null());
        command.spawn().expect("the program starts")
    }

    /// Waits until the pipe is served.
    #[track_caller]
    pub(crate) fn until_served(&self, pipe: &str) {
        let namespace = npipe::Namespace::at(self.names()).expect("the directory is ours");
        let start = Instant::now();
        while namespace.info(pipe).is_err() {
            assert!(start.elapsed() < PATIENCE, "nobody serves {pipe}");
            std::thread::yield_now();
        }
    }
}

#[track_caller]
pub(crate) fn succeed(command: &mut Command) {
    let output = command.output().expect("it starts: gcc and g++ are needed");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{messages}");
}

/// What a program printed that ended well.
#[track_caller]
pub(crate) fn printed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}{errors}", output.status);
    text
}
