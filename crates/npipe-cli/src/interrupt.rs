//! SIGINT and SIGTERM end the command at once, with 130 and 143.
//!
//! One thread waits for them. Pipes need no farewell: a process that dies takes
//! its instances with it, however it dies. A scratch directory does need one,
//! so the thread removes it first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::report::Failure;

static SCRATCH: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Starts the thread that waits for the two signals.
pub(crate) fn install() -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::system("watch for signals"))?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let exit = match signals.forever().next() {
                Some(SIGTERM) => Exit::Terminated,
                _ => Exit::Interrupted,
            };
            remove_scratch();
            process::exit(i32::from(exit.code()));
        })
        .map_err(Failure::system("start the signal thread"))?;
    Ok(())
}

/// Remembers the directory that has to go when the command ends early.
pub(crate) fn guard(directory: &Path) {
    *SCRATCH.lock().unwrap_or_else(PoisonError::into_inner) = Some(directory.to_owned());
}

/// Removes the guarded directory, if there is one.
pub(crate) fn remove_scratch() {
    let directory = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(directory) = directory {
        // Nothing to do about a failure: the command is ending.
        let _ = fs::remove_dir_all(directory);
    }
}
