//! What threads sleep on that wait for operations.
//!
//! A signal belongs to whatever completions are handed to: one operation, the completion routines of a thread, a completion
//! port. It counts notices in a private word. It also knows the connections on which its operations are pending, so that a
//! thread that waits on it can look after them itself instead of sleeping until another thread has done so.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex};

use crate::end::{End, link::Link, locked};
use crate::sys::futex;

/// What threads sleep on that wait for operations.
#[derive(Debug, Default)]
pub struct Signal {
    notices: AtomicU32,
    sleepers: AtomicU32,
    /// Whether a thread that waits here looks after the connections. The others only sleep.
    led: AtomicBool,
    /// Sorted by the address of the link.
    sources: Mutex<Vec<Source>>,
}

/// A connection with pending operations, and how many.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) end: Arc<End>,
    pub(crate) link: Arc<Link>,
    operations: usize,
}

impl Signal {
    /// One that nothing was heard from yet.
    pub fn new() -> Signal {
        Signal::default()
    }

    /// Makes every thread that waits on it look again.
    pub fn notify(&self) {
        self.notices.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            futex::wake_private(&self.notices);
        }
    }

    /// Announces a sleeper, who looks once more before it sleeps for as long as the word has this value.
    pub(crate) fn announce(&self) -> Listener<'_> {
        let heard = self.notices.load(Ordering::Acquire);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Listener { signal: self, heard }
    }

    /// How many notices there were; changes with the next one.
    pub(crate) fn notices(&self) -> u32 {
        self.notices.load(Ordering::Acquire)
    }

    /// Becomes the one who looks after the connections; `false` if somebody is.
    pub(crate) fn lead(&self) -> bool {
        !self.led.swap(true, Ordering::AcqRel)
    }

    /// Ends [`Signal::lead`].
    pub(crate) fn resign(&self) {
        self.led.store(false, Ordering::Release);
    }

    /// Up to `limit` connections with pending operations; `None` if there are more.
    pub(crate) fn sources(&self, limit: usize) -> Option<Vec<Source>> {
        let sources = locked(&self.sources);
        (sources.len() <= limit).then(|| sources.clone())
    }

    /// An operation whose completion will be heard here is pending.
    pub(crate) fn expect(&self, end: &Arc<End>, link: &Arc<Link>) {
        let mut sources = locked(&self.sources);
        match sources.binary_search_by_key(&Arc::as_ptr(link), |source| Arc::as_ptr(&source.link)) {
            Ok(index) => sources[index].operations += 1,
            Err(index) => {
                let source = Source {
                    end: end.clone(),
                    link: link.clone(),
                    operations: 1,
                };
                sources.insert(index, source);
            }
        }
    }

    /// It is not pending any more.
    pub(crate) fn settle(&self, link: &Arc<Link>) {
        let mut sources = locked(&self.sources);
        let found = sources.binary_search_by_key(&Arc::as_ptr(link), |source| Arc::as_ptr(&source.link));
        let Ok(index) = found else { return };
        sources[index].operations -= 1;
        if sources[index].operations == 0 {
            let last = sources.remove(index);
            drop(sources);
            // Its end may go with it, which takes other locks.
            drop(last);
        }
    }
}

/// A thread that is about to sleep on a signal.
pub(crate) struct Listener<'a> {
    signal: &'a Signal,
    heard: u32,
}

impl Listener<'_> {
    /// The word to sleep on, and its value.
    pub(crate) fn word(&self) -> (&AtomicU32, u32) {
        (&self.signal.notices, self.heard)
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.signal.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}
