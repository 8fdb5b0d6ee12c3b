//! One descriptor for each directory, however many use it: every client end keeps its namespace at hand, and a process
//! with thousands of them has better uses for descriptors.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::forks::PerProcess;
use super::namespace::{FileId, Root};

type Open = Mutex<HashMap<FileId, Weak<OwnedFd>>>;

/// The one that was opened last, whose descriptor is kept: a client that comes and goes finds it open.
static LAST: PerProcess<Mutex<Option<Root>>> = PerProcess::new(Mutex::default);

/// The one that was opened last, if it is the one at `path`; whether it is still there, the caller looks.
pub(super) fn last(path: &Path) -> Option<Root> {
    let last = LAST.get().lock().unwrap_or_else(PoisonError::into_inner);
    last.clone().filter(|root| root.path() == path)
}

/// From now on this is the last one.
pub(super) fn set_last(root: &Root) {
    let before = {
        let mut last = LAST.get().lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(root.clone())
    };
    drop(before);
}

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
