#![allow(unsafe_code, reason = "what is done when the process ends")]

//! FILE_FLAG_DELETE_ON_CLOSE: files that go with their last handle in this process, or with the process.
//!
//! A process that is killed leaves them. Whoever has put another file in the place keeps it.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dispatch::locked;
use crate::failure::Outcome;

static DUE: Mutex<Option<HashMap<u64, Doomed>>> = Mutex::new(None);

/// A file that is to go.
struct Doomed {
    path: PathBuf,
    file: (u64, u64),
    /// A child that was forked has a copy of the list, and nothing to delete.
    process: u32,
}

impl Doomed {
    fn delete(&self) {
        if self.process == std::process::id()
            && std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.file)
        {
            // Somebody may have been faster.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Deletes its file when it is dropped.
pub(crate) struct Deletion(u64);

impl Deletion {
    /// Of the file that was opened by `path`.
    pub(crate) fn of(path: &Path, file: &Metadata) -> Outcome<Deletion> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let doomed = Doomed {
            path: std::path::absolute(path)?,
            file: (file.dev(), file.ino()),
            process: std::process::id(),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut due = locked(&DUE);
        if due.is_none() {
            // SAFETY: the function is this library's and unwinds nowhere. Refused, files stay if the process ends.
            unsafe { libc::atexit(at_exit) };
        }
        due.get_or_insert_default().insert(number, doomed);
        Ok(Deletion(number))
    }
}

impl Drop for Deletion {
    fn drop(&mut self) {
        let doomed = locked(&DUE).as_mut().and_then(|due| due.remove(&self.0));
        if let Some(doomed) = doomed {
            doomed.delete();
        }
    }
}

extern "C" fn at_exit() {
    crate::failure::boundary((), || {
        for doomed in locked(&DUE).take().unwrap_or_default().into_values() {
            doomed.delete();
        }
        Ok(())
    });
}
