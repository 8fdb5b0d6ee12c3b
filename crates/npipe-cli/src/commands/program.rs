//! A program of the shell's with its standard streams on something of ours.

use std::ffi::OsStr;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::report::Failure;
use crate::sys;

/// The program.
pub(crate) struct Program {
    child: Mutex<Child>,
}

impl Program {
    /// Has the shell run the command, whose stderr is ours; its stdin is written to by [`sys::feed`].
    pub(crate) fn start(
        command: &OsStr,
        environment: &[(&str, String)],
    ) -> Result<(Program, ChildStdin, ChildStdout), Failure> {
        let mut child = sys::shell(command)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::system("start the shell"))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                let program = Program {
                    child: Mutex::new(child),
                };
                sys::ready_to_feed(&stdin).map_err(Failure::system("talk to the shell"))?;
                Ok((program, stdin, stdout))
            }
            _ => unreachable!("both were asked for"),
        }
    }

    /// Tells it and what it has started that the other side has gone, as a terminal does.
    pub(crate) fn hang_up(&self) {
        let mut child = self.locked();
        // Once it was waited for, its number may be another's.
        if matches!(child.try_wait(), Ok(None)) {
            sys::hang_up(&mut child);
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(&self) -> Result<ExitStatus, Failure> {
        self.locked().wait().map_err(Failure::system("wait for a process"))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Program {
    /// Nobody waits for it any more: it is told to go, and left to the system if it does not.
    fn drop(&mut self) {
        self.hang_up();
        let _ = self.locked().try_wait();
    }
}
