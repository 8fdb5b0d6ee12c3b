//! SIGINT and SIGTERM, or what the console of Windows has for them, end the command, with 130 and 143.
//!
//! One thread waits for them. A client needs no farewell: its end closes with its process, however that dies. A command
//! that has more to do diverts the first signal and ends itself; the second one ends it at once. A scratch directory is
//! removed in any case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::exit::Exit;
use crate::report::Failure;
use crate::sys;

/// What a signal does instead of ending the command.
type Diversion = Box<dyn FnOnce(Exit) + Send>;

static DIVERSION: Mutex<Option<Diversion>> = Mutex::new(None);
static SCRATCH: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Starts the thread that waits for the two signals.
pub(crate) fn install() -> Result<(), Failure> {
    sys::hear_interrupts(|exit| match locked(&DIVERSION).take() {
        Some(divert) => divert(exit),
        None => {
            remove_scratch();
            process::exit(i32::from(exit.code()));
        }
    })
}

/// Has the next signal do that. The command then ends itself, by [`Failure::Interrupted`].
pub(crate) fn divert(instead: impl FnOnce(Exit) + Send + 'static) {
    *locked(&DIVERSION) = Some(Box::new(instead));
}

/// Remembers the directory, or the socket, that has to go when the command ends early.
pub(crate) fn guard(directory: &Path) {
    *locked(&SCRATCH) = Some(directory.to_owned());
}

/// Removes the guarded directory, if there is one.
pub(crate) fn remove_scratch() {
    let directory = locked(&SCRATCH).take();
    if let Some(directory) = directory {
        // Nothing to do about a failure: the command is ending.
        let _ = match directory.is_dir() {
            true => fs::remove_dir_all(directory),
            false => fs::remove_file(directory),
        };
    }
}

/// The values here are whole at any time, whatever panicked meanwhile.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
