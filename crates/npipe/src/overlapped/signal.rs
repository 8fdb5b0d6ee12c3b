//! What threads sleep on that wait for operations.
//!
//! A signal belongs to whatever completions are handed to: one operation, the completion routines of a thread, a completion
//! port. It counts notices in a private word. It also knows the connections on which its operations are pending, so that a
//! thread that waits on it can look after them itself instead of sleeping until another thread has done so.
//!
//! A thread that looks after one connection alone may sleep on its bell instead of the signal's word, since the system does
//! that faster than sleeping on both. Then it leaves the connection with the signal, whose notices ring that bell too.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;

use crate::end::{End, link::Link, locked};
use crate::sys::futex;

/// What threads sleep on that wait for operations.
#[derive(Debug, Default)]
pub struct Signal {
    notices: AtomicU32,
    /// Threads that sleep: on the word, and in the upper half on a connection's bell.
    sleepers: AtomicU32,
    /// On whose bell one of them does: the one who leads, so there is one at most.
    perch: Mutex<Option<Arc<Link>>>,
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
        let sleepers = self.sleepers.load(Ordering::Relaxed);
        if sleepers > 0 {
            self.wake(sleepers);
        }
    }

    #[cold]
    fn wake(&self, sleepers: u32) {
        if sleepers & (ON_A_BELL - 1) > 0 {
            futex::wake_private(&self.notices);
        }
        if sleepers >= ON_A_BELL
            && let Some(link) = locked(&self.perch).clone()
        {
            link.wake_own();
        }
    }

    /// Announces a sleeper, who looks once more before it sleeps for as long as the word has this value.
    pub(crate) fn announce(&self) -> Listener<'_> {
        let heard = self.notices.load(Ordering::Acquire);
        self.count_in(ON_THE_WORD);
        let (signal, place) = (self, ON_THE_WORD);
        Listener { signal, heard, place }
    }

    /// Announces the one who leads as a sleeper on a connection's bell, whose value it has read already.
    pub(crate) fn announce_on(&self, link: &Arc<Link>) -> Listener<'_> {
        *locked(&self.perch) = Some(link.clone());
        let heard = self.notices.load(Ordering::Acquire);
        self.count_in(ON_A_BELL);
        let (signal, place) = (self, ON_A_BELL);
        Listener { signal, heard, place }
    }

    fn count_in(&self, place: u32) {
        self.sleepers.fetch_add(place, Ordering::SeqCst);
        fence(Ordering::SeqCst);
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

    /// Up to `limit` connections with pending operations; none if there are more.
    pub(crate) fn sources(&self, limit: usize) -> SmallVec<[Source; 1]> {
        let sources = locked(&self.sources);
        if sources.len() > limit {
            return SmallVec::new();
        }
        sources.iter().cloned().collect()
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
    place: u32,
}

/// What a sleeper counts for.
const ON_THE_WORD: u32 = 1;
const ON_A_BELL: u32 = 1 << 16;

impl Listener<'_> {
    /// The word to sleep on, and its value.
    pub(crate) fn word(&self) -> (&AtomicU32, u32) {
        (&self.signal.notices, self.heard)
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.signal.sleepers.fetch_sub(self.place, Ordering::SeqCst);
        if self.place == ON_A_BELL {
            // The connection may go with it, which takes other locks.
            let left = locked(&self.signal.perch).take();
            drop(left);
        }
    }
}
