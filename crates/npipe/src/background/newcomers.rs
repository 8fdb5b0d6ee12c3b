//! Connections too young to be watched.
//!
//! Most connections that end soon are ended by calls: their ends see each other's words and need nobody to tell them. To watch
//! their sockets would cost four system calls, and wake the background thread when one end closes, just when the other is about
//! to. So a connection is watched when it has lived for a moment, [`GRACE`] at most, or as soon as the thread is to hear its
//! bell. A peer that dies before is noticed then.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::end::link::Link;
use crate::end::locked;
use crate::sys::epoll::{Interest, Poller};
use crate::sys::{SysResult, timer};

/// Longer than an exchange takes, and shorter than anybody notices who waits for the end of a peer that has died.
const GRACE: Duration = Duration::from_millis(1);

/// Those that are not watched yet.
#[derive(Debug)]
pub(super) struct Newcomers {
    timer: OwnedFd,
    /// What becomes of a socket in the poller is decided under this lock.
    young: Mutex<Young>,
}

#[derive(Debug, Default)]
struct Young {
    /// By the tokens of their watches.
    tokens: BTreeSet<u64>,
    /// Whether the timer runs, or has yet to be heard.
    is_timed: bool,
}

impl Newcomers {
    pub(super) fn new() -> SysResult<Newcomers> {
        Ok(Newcomers {
            timer: timer::new()?,
            young: Mutex::default(),
        })
    }

    /// Becomes readable when it is time to watch them.
    pub(super) fn timer(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    /// One more, whose watch is known by its token.
    pub(super) fn add(&self, token: u64) {
        locked(&self.young).tokens.insert(token);
        self.start_timer();
    }

    /// It will be time in a moment. To be called when there is something to be done then.
    pub(super) fn start_timer(&self) {
        let mut young = locked(&self.young);
        if !young.is_timed {
            timer::set(&self.timer, GRACE);
            young.is_timed = true;
        }
    }

    /// Watches one that is still young.
    pub(super) fn grow(&self, poller: &Poller, link: &Link, token: u64) -> SysResult<()> {
        let mut young = locked(&self.young);
        if !young.tokens.remove(&token) {
            return Ok(());
        }
        poller.add(link.socket(), token, usual_interest(link))
    }

    /// Watches one, young or not, for its end, and for its bell if that is heeded. The last who comes here after that has
    /// changed decides, and knows.
    pub(super) fn watch_as_heeded(&self, poller: &Poller, link: &Link, token: u64) -> SysResult<()> {
        self.watch(poller, link, token, || usual_interest(link))
    }

    /// Has something to tell of one at once, young or not: there is room to write.
    pub(super) fn stir(&self, poller: &Poller, link: &Link, token: u64) -> SysResult<()> {
        self.watch(poller, link, token, || Interest::ReadableOrWritable)
    }

    fn watch(&self, poller: &Poller, link: &Link, token: u64, interest: impl FnOnce() -> Interest) -> SysResult<()> {
        let mut young = locked(&self.young);
        // Under the lock: what it goes by may be changing.
        let interest = interest();
        match young.tokens.remove(&token) {
            true => poller.add(link.socket(), token, interest),
            false => poller.modify(link.socket(), token, interest),
        }
    }

    /// Does not watch it any more.
    pub(super) fn forget(&self, poller: &Poller, link: &Link, token: u64) {
        let mut young = locked(&self.young);
        if !young.tokens.remove(&token) {
            // Fails if it is not there any more.
            let _ = poller.remove(link.socket());
        }
    }

    /// All that are young now, and who are to [grow](Newcomers::grow). The timer is for later ones.
    pub(super) fn all(&self) -> Vec<u64> {
        let mut young = locked(&self.young);
        if young.is_timed {
            timer::stop(&self.timer);
            young.is_timed = false;
        }
        young.tokens.iter().copied().collect()
    }
}

fn usual_interest(link: &Link) -> Interest {
    match link.heeds_bell().load(Ordering::SeqCst) {
        true => Interest::Readable,
        false => Interest::Hangup,
    }
}
