//! What this process has once: the background thread, the names that it serves.
//!
//! A forked child begins anew ([`PerProcess`]): it gets a state of its own behind that of the process it came from, whose locks
//! may be held by threads that do not exist there.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, Weak};

use npipe_core::SecurityDescriptor;

use crate::background::Background;
use crate::host::{OpenedPipe, Place, Slot, Vacancies};
use crate::sys::forks::PerProcess;

/// The state of one process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) background: Mutex<Option<Arc<Background>>>,
    pub(crate) slots: Mutex<BTreeMap<Place, Arc<Slot>>>,
    /// The descriptors of the pipes that its clients have open; what is gone is cleared away now and then.
    pub(crate) opened: Mutex<BTreeMap<OpenedPipe, Weak<Mutex<SecurityDescriptor>>>>,
    /// For those who wait until one more instance may be created.
    pub(crate) vacancies: (Mutex<Vacancies>, Condvar),
}

impl Process {
    fn new() -> Process {
        Process {
            background: Mutex::new(None),
            slots: Mutex::new(BTreeMap::new()),
            opened: Mutex::new(BTreeMap::new()),
            vacancies: Default::default(),
        }
    }

    /// That of the process we are in.
    pub(crate) fn current() -> &'static Process {
        static CURRENT: PerProcess<Process> = PerProcess::new(Process::new);
        CURRENT.get()
    }
}
