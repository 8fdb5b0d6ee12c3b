//! One descriptor for each directory, however many use it: every client end keeps its namespace at hand, and a process
//! with thousands of them has better uses for descriptors.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::forks::PerProcess;
use super::namespace::FileId;

type Open = Mutex<HashMap<FileId, Weak<OwnedFd>>>;

static OPEN: PerProcess<Open> = PerProcess::new(Open::default);

/// The descriptor that this process has for a directory already, or else the one given. `id` is the directory's: what is
/// open keeps its number, so no other file has the same.
pub(super) fn shared(dir: OwnedFd, id: FileId) -> Arc<OwnedFd> {
    let mut open = OPEN.get().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = open.get(&id).and_then(Weak::upgrade) {
        return known;
    }
    // Those that nobody has any more; there are few at any time.
    open.retain(|_, dir| dir.strong_count() > 0);
    let dir = Arc::new(dir);
    open.insert(id, Arc::downgrade(&dir));
    dir
}
