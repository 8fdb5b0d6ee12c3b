//! What becomes of us in a forked child.
//!
//! Ends, names and locks belong to the process that made them. A child that is forked without an exec has copies of all
//! descriptors: with its copy of a socket the owner's death would go unseen, with its copy of a lock the name would stay
//! taken. So a handler, which runs in the child before anything else, puts a descriptor of `/dev/null` in the place of each
//! [`ProcessFd`]; the numbers stay taken until their owners drop them.
//!
//! The child is another *generation*. What an older one has made is not usable there, and must not be locked: a thread
//! that does not exist in the child may hold the lock for ever.
//!
//! Between the arrival of a descriptor and its mark as a [`ProcessFd`] no child may be forked, which would take it for the
//! program's: [`put_off`] keeps forks waiting, and whoever receives waits for forks.
//!
//! A child made past the C library (`clone` by hand) runs no handlers.
#![allow(
    unsafe_code,
    reason = "fork handlers have no safe binding, and may only make calls that are safe in a signal handler"
)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::futex;

/// Descriptors that a word of the table stands for.
const WORD_BITS: usize = u64::BITS as usize;

/// As many words as the highest descriptor needs that the system allows by default (`fs.nr_open`).
const WORDS: usize = (1 << 20) / WORD_BITS;

/// One bit for each descriptor: whether it is a [`ProcessFd`]. Without a lock, so that the handler finds it whole; pages of
/// it that are never written cost nothing.
static TABLE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// What takes the place of descriptors in the child; -1 until the handler is installed.
static NOTHING: AtomicI32 = AtomicI32::new(-1);

/// Which process this is among those forked from each other.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Something that a process has once, and a forked child anew: the locks of its parent's may be held by threads that do not
/// exist there.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    make: fn() -> T,
    own: OnceLock<T>,
    child: OnceLock<Box<PerProcess<T>>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new(make: fn() -> T) -> PerProcess<T> {
        PerProcess {
            make,
            own: OnceLock::new(),
            child: OnceLock::new(),
        }
    }

    /// That of the process we are in.
    pub(crate) fn get(&self) -> &T {
        let own = (0..generation()).fold(self, |parent, _| {
            parent.child.get_or_init(|| Box::new(PerProcess::new(parent.make)))
        });
        own.own.get_or_init(self.make)
    }
}

/// A descriptor of this process alone; in a forked child it is a hole.
#[derive(Debug)]
pub(crate) struct ProcessFd(OwnedFd);

impl From<OwnedFd> for ProcessFd {
    fn from(fd: OwnedFd) -> ProcessFd {
        watch_forks();
        if let Some((word, bit)) = place_of(&fd) {
            word.fetch_or(bit, Ordering::AcqRel);
        }
        ProcessFd(fd)
    }
}

impl AsFd for ProcessFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for ProcessFd {
    fn drop(&mut self) {
        // Before the number can be another's.
        if let Some((word, bit)) = place_of(&self.0) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }
}

fn place_of(fd: &OwnedFd) -> Option<(&'static AtomicU64, u64)> {
    let fd = fd.as_raw_fd() as usize;
    Some((TABLE.get(fd / WORD_BITS)?, 1 << (fd % WORD_BITS)))
}

/// Installs the handler, once for this process and all that come of it.
fn watch_forks() {
    static INSTALLED: OnceLock<Option<OwnedFd>> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        // Always there, and if not, any descriptor is better than a live one.
        let nothing = std::fs::File::open("/dev/null").or_else(|_| std::fs::File::open("/"));
        let nothing = nothing.ok().map(OwnedFd::from);
        NOTHING.store(nothing.as_ref().map_or(-1, AsRawFd::as_raw_fd), Ordering::Release);
        // SAFETY: the handler is a function of this program that makes only calls that are safe in a signal handler.
        unsafe { libc::pthread_atfork(Some(before_a_fork), Some(after_a_fork), Some(in_the_child)) };
        nothing
    });
}

/// Threads that receive, threads that fork, and whether somebody sleeps until it is his turn: who sees one of the other kind
/// waits.
static CROSSING: AtomicU32 = AtomicU32::new(0);

const FORKS: u32 = 1;
const RECEIVES: u32 = 1 << 15;
const AWAITED: u32 = 1 << 31;

thread_local! {
    /// How often this thread is counted as one that receives.
    static RECEIVING: Cell<u32> = const { Cell::new(0) };
}

/// While it lives no other thread forks.
#[derive(Debug)]
pub(crate) struct Unforked {
    /// It is this thread that is counted.
    of_thread: PhantomData<*const ()>,
}

/// Puts forks off, and waits for those that have begun. For a moment, in which nothing is waited for and no memory is
/// allocated: who forks may have the allocator's locks.
pub(crate) fn put_off() -> Unforked {
    watch_forks();
    // Before the count: a signal handler that forks does not wait for the thread that it has interrupted.
    RECEIVING.set(RECEIVING.get() + 1);
    enter_crossing(RECEIVES, |now| now % RECEIVES);
    Unforked { of_thread: PhantomData }
}

impl Drop for Unforked {
    fn drop(&mut self) {
        leave_crossing(RECEIVES);
        RECEIVING.set(RECEIVING.get() - 1);
    }
}

/// Counts us in once `others` says that nobody is in the way.
fn enter_crossing(unit: u32, others: impl Fn(u32) -> u32) {
    let mut now = CROSSING.load(Ordering::Relaxed);
    loop {
        let is_free = others(now & !AWAITED) == 0;
        let next = if is_free { now + unit } else { now | AWAITED };
        match CROSSING.compare_exchange(now, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) if is_free => return,
            Ok(_) => {
                futex::wait(&CROSSING, next, None);
                now = CROSSING.load(Ordering::Relaxed);
            }
            Err(found) => now = found,
        }
    }
}

fn leave_crossing(unit: u32) {
    if CROSSING.fetch_sub(unit, Ordering::AcqRel) & AWAITED != 0 {
        CROSSING.fetch_and(!AWAITED, Ordering::AcqRel);
        futex::wake_all(&CROSSING);
    }
}

extern "C" fn before_a_fork() {
    let own = RECEIVING.get();
    enter_crossing(FORKS, |now| (now / RECEIVES).saturating_sub(own));
}

extern "C" fn after_a_fork() {
    leave_crossing(FORKS);
}

extern "C" fn in_the_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // The other threads do not exist here.
    CROSSING.store(RECEIVING.get() * RECEIVES, Ordering::Relaxed);
    let nothing = NOTHING.load(Ordering::Acquire);
    for (index, word) in TABLE.iter().enumerate() {
        let mut bits = word.load(Ordering::Acquire);
        // The owners go on to count on their bits.
        while bits != 0 {
            let fd = (index * WORD_BITS + bits.trailing_zeros() as usize) as libc::c_int;
            bits &= bits - 1;
            // SAFETY: the call is safe in a signal handler, and the descriptor belongs to a ProcessFd, which does nothing in
            // this process but close what has its number. It fails only without anything to put there.
            unsafe { libc::dup3(nothing, fd, libc::O_CLOEXEC) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// No rule: there are no forks on Windows.
    #[test]
    fn the_table_knows_descriptors_while_they_are_open() {
        let (one, other) = UnixStream::pair().unwrap();
        let kept = ProcessFd::from(OwnedFd::from(one));
        let (word, bit) = place_of(&kept.0).unwrap();
        assert_ne!(word.load(Ordering::Relaxed) & bit, 0);
        drop(kept);
        // Its number may be another's by now, in a test that runs beside this one: the other end tells.
        assert_eq!(std::io::Read::read(&mut &other, &mut [0]).unwrap(), 0);
        assert!(NOTHING.load(Ordering::Relaxed) >= 0);
    }

    /// A fork waits for whoever receives, but for nobody whom it has interrupted; whoever receives waits for it.
    #[test]
    fn forks_and_arrivals_wait_for_each_other() {
        let forks = || CROSSING.load(Ordering::SeqCst) & AWAITED != 0;
        let receiving = put_off();
        // As a handler of a signal.
        before_a_fork();
        after_a_fork();
        std::thread::scope(|scope| {
            let forking = scope.spawn(|| before_a_fork());
            until(forks);
            assert!(!forking.is_finished(), "it waits");
            drop(receiving);
            forking.join().unwrap();
            let receiving = scope.spawn(|| drop(put_off()));
            until(forks);
            assert!(!receiving.is_finished(), "it waits");
            after_a_fork();
            receiving.join().unwrap();
        });
    }

    #[track_caller]
    fn until(happens: impl Fn() -> bool) {
        let begun = std::time::Instant::now();
        while !happens() {
            assert!(begun.elapsed().as_secs() < 60, "it does not happen");
            std::thread::yield_now();
        }
    }
}
