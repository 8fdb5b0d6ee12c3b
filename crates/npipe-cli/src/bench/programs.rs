//! Transports that are programs of their own: what this command cannot be linked with. `bench/` in the repository has their
//! sources, and `cargo xtask bench` builds them.
//!
//! A program is started in the directory where the two processes meet, which is the namespace too, with the arguments
//! `STYLE server|client WORKLOAD SIZE_BYTES SLICE_MS`; the server prints `ready`, the client its figures as one line of JSON.
//! What they say on standard error is told if they fail, and only then: libraries greet, and miss what nobody needs.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::measure::Job;
use super::transport::Kind;
use crate::args::Role;

/// The program of a transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Program {
    path: PathBuf,
    /// What the program does, if it can do more than one thing.
    style: String,
    /// Runs programs of another system.
    runner: Option<String>,
}

impl Program {
    /// The program of that transport in a directory; none if this command has the transport in itself.
    fn of(kind: Kind, directory: &Path) -> Option<Program> {
        let (file, style, runner) = match kind {
            Kind::CBlocking => ("win32", "blocking", None),
            Kind::CRoutines => ("win32", "routines", None),
            Kind::CPort => ("win32", "port", None),
            Kind::Wine => ("win32.exe", "blocking", Some("wine")),
            Kind::ZeroMq => ("zeromq", "pair", None),
            Kind::Iceoryx2 => ("iceoryx2", "polling", None),
            Kind::Npipe | Kind::NpipeSpinOff | Kind::NpipeByte => return None,
            Kind::NpipeTokio | Kind::NpipeTokioSpinOff | Kind::TokioUnix | Kind::Interprocess => return None,
            Kind::Seqpacket | Kind::SeqpacketEpoll | Kind::Stream | Kind::Pipe | Kind::Tcp => return None,
        };
        Some(Program {
            path: directory.join(file),
            style: style.to_owned(),
            runner: runner.map(str::to_owned),
        })
    }

    /// Becomes the program; returns only if that fails.
    pub(super) fn exec(&self, role: Role, job: &Job) -> io::Error {
        let said = match File::options().create(true).append(true).open(&job.said) {
            Ok(said) => said,
            Err(error) => return error,
        };
        let role = match role {
            Role::Server => "server",
            Role::Client => "client",
        };
        let workload = match serde_json::to_value(job.workload) {
            Ok(serde_json::Value::String(name)) => name,
            _ => return io::Error::other("a workload without a name"),
        };
        let mut command = match &self.runner {
            None => Command::new(&self.path),
            Some(runner) => {
                let mut command = Command::new(runner);
                command.arg(&self.path);
                command
            }
        };
        command
            .args([&self.style, role, &workload])
            .args([job.size_bytes.to_string(), job.slice_ms.to_string()])
            .current_dir(&job.directory)
            .stderr(said)
            .env("NPIPE_ROOT", &job.directory)
            .exec()
    }
}

/// The programs that take part in a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs {
    directory: Option<PathBuf>,
}

impl Programs {
    pub(super) fn in_directory(directory: Option<PathBuf>) -> Programs {
        Programs { directory }
    }

    /// The program of a transport, if it needs one and programs were asked for.
    pub(super) fn of(&self, kind: Kind) -> Option<Program> {
        Program::of(kind, self.directory.as_deref()?)
    }

    /// Whether a transport can be measured.
    pub(super) fn has(&self, kind: Kind) -> bool {
        match &self.directory {
            None => Program::of(kind, Path::new("")).is_none(),
            Some(directory) => Program::of(kind, directory).is_none_or(|program| program.path.is_file()),
        }
    }

    /// The transports whose programs are not where they were looked for.
    pub(super) fn missing(&self) -> Vec<Kind> {
        match self.directory {
            None => Vec::new(),
            Some(_) => Kind::ALL.into_iter().filter(|&kind| !self.has(kind)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a directory nothing is missed; with one, what is not in it.
    #[test]
    fn what_is_not_there_is_named() {
        let none = Programs::default();
        assert!(none.has(Kind::Npipe) && !none.has(Kind::Wine) && none.missing().is_empty());
        let empty = Programs::in_directory(Some(PathBuf::from("/proc/self/no-such-directory")));
        assert!(empty.has(Kind::Tcp) && !empty.has(Kind::CPort));
        let all = [
            Kind::CBlocking,
            Kind::CRoutines,
            Kind::CPort,
            Kind::Wine,
            Kind::ZeroMq,
            Kind::Iceoryx2,
        ];
        assert_eq!(empty.missing(), all);
    }
}
