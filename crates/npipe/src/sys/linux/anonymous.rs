//! The system's own pipes, which a child can have as its standard streams.
//!
//! What a child gets must block as it expects, and whether a descriptor blocks is a property of the open file description
//! that all its duplicates share, those in children included. So an end has two descriptions of the same pipe: the one
//! that is given away, left as it was made, and a private one that never blocks, by which this process reads and writes.
//!
//! A pipe is a ring of slots of one page each. A write goes on in the last slot if its odd bytes fit there, else it
//! begins a new one; hence any two neighbours hold more than a page between them, and only the first slot may be all but
//! empty. So a pipe of twice as many bytes holds any `n` bytes, however they were cut into writes.
#![allow(unsafe_code, reason = "the C library's signal mask has no safe binding")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, tee};
use rustix::time::Timespec;

use crate::sys::{SysError, SysResult};

/// What the kernel takes for a size at most, with room for its rounding up to a power of two.
const LARGEST_CAPACITY: usize = 1 << 30;

/// What became of a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// This many bytes were read or written; none only if none were asked for.
    Moved(usize),
    /// Nothing to read, or no room.
    WouldWait,
    /// Every descriptor of the other end is closed, and there is nothing to read.
    Closed,
}

/// A new pipe, its read end first, that holds any `bytes` if the system allows it; see [`holds`].
pub(crate) fn pipe(bytes: usize) -> SysResult<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe().map_err(|error| SysError::new("create a pipe", error))?;
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    resize(reader.as_fd(), bytes.saturating_mul(2).min(LARGEST_CAPACITY))?;
    Ok((reader, writer))
}

/// Whether a descriptor is an end of a pipe, the one that writes or the one that reads.
pub(crate) fn is_end(fd: BorrowedFd<'_>, writes: bool) -> SysResult<bool> {
    let failed = |errno| SysError::new("look at a descriptor", errno);
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd).map_err(failed)?.st_mode);
    let access = rustix::fs::fcntl_getfl(fd).map_err(failed)? & OFlags::RWMODE;
    let wanted = if writes { OFlags::WRONLY } else { OFlags::RDONLY };
    Ok(kind == FileType::Fifo && access == wanted)
}

/// How many bytes a pipe holds however they were written. Users have limits: by default 1 MiB for a pipe, 64 MiB in all.
pub(crate) fn holds(pipe: BorrowedFd<'_>) -> SysResult<usize> {
    Ok(capacity(pipe)? / 2)
}

/// A private description of a read end, which never blocks.
pub(crate) fn private_reader(pipe: BorrowedFd<'_>) -> SysResult<OwnedFd> {
    reopen(pipe, OFlags::RDONLY)
}

/// A private description of a write end, which never blocks.
pub(crate) fn private_writer(pipe: BorrowedFd<'_>) -> SysResult<OwnedFd> {
    reopen(pipe, OFlags::WRONLY)
}

fn reopen(pipe: BorrowedFd<'_>, access: OFlags) -> SysResult<OwnedFd> {
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    rustix::fs::open(&path, access | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
        let failed = SysError::new("reopen a pipe through", errno).on(path);
        if errno == Errno::NOENT {
            failed.because("/proc is not mounted; mount it")
        } else {
            failed
        }
    })
}

/// Reads from a private description into a buffer that is not empty.
pub(crate) fn read(pipe: BorrowedFd<'_>, buffer: &mut [u8]) -> SysResult<Transfer> {
    match rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut *buffer)) {
        Ok(0) => Ok(Transfer::Closed),
        Ok(bytes) => Ok(Transfer::Moved(bytes)),
        Err(Errno::AGAIN) => Ok(Transfer::WouldWait),
        Err(errno) => Err(SysError::new("read from a pipe", errno)),
    }
}

/// Writes as much as there is room for; a page or less is written whole or not at all. `data` is not empty. Raises no
/// signal.
pub(crate) fn write(pipe: BorrowedFd<'_>, data: &[u8]) -> SysResult<Transfer> {
    let sigpipe = HeldSigpipe::hold();
    match rustix::io::retry_on_intr(|| rustix::io::write(pipe, data)) {
        Ok(bytes) => Ok(Transfer::Moved(bytes)),
        Err(Errno::AGAIN) => Ok(Transfer::WouldWait),
        Err(Errno::PIPE) => {
            sigpipe.take_back();
            Ok(Transfer::Closed)
        }
        Err(errno) => Err(SysError::new("write to a pipe", errno)),
    }
}

/// Waits until there is something to read or the other end is closed; `false` when the deadline came first.
pub(crate) fn wait_readable_until(pipe: BorrowedFd<'_>, deadline: Option<Instant>) -> SysResult<bool> {
    wait_until(pipe, PollFlags::IN, deadline)
}

/// Waits until there is room for a page or the other end is closed; `false` when the deadline came first.
pub(crate) fn wait_writable_until(pipe: BorrowedFd<'_>, deadline: Option<Instant>) -> SysResult<bool> {
    wait_until(pipe, PollFlags::OUT, deadline)
}

fn wait_until(pipe: BorrowedFd<'_>, events: PollFlags, deadline: Option<Instant>) -> SysResult<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match poll(pipe, events, left) {
            Ok(seen) => return Ok(!seen.is_empty()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(SysError::new("wait for a pipe", errno)),
        }
    }
}

/// Whether every descriptor of the other end is closed.
pub(crate) fn is_other_end_closed(pipe: BorrowedFd<'_>) -> SysResult<bool> {
    let seen = rustix::io::retry_on_intr(|| poll(pipe, PollFlags::empty(), Some(Duration::ZERO)));
    match seen {
        Ok(seen) => Ok(seen.intersects(PollFlags::HUP | PollFlags::ERR)),
        Err(errno) => Err(SysError::new("look at a pipe", errno)),
    }
}

fn poll(pipe: BorrowedFd<'_>, events: PollFlags, timeout: Option<Duration>) -> Result<PollFlags, Errno> {
    // What the system cannot count is as good as for ever.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut asked = [PollFd::from_borrowed_fd(pipe, events)];
    rustix::event::poll(&mut asked, timeout.as_ref())?;
    Ok(asked[0].revents())
}

/// How many bytes there are to read. Either end may ask.
pub(crate) fn unread(pipe: BorrowedFd<'_>) -> SysResult<usize> {
    match rustix::io::ioctl_fionread(pipe) {
        Ok(bytes) => Ok(usize::try_from(bytes).unwrap_or(usize::MAX)),
        Err(errno) => Err(SysError::new("look at a pipe", errno)),
    }
}

/// Copies what there is to read, without taking it, through a second pipe that shares the pages.
///
/// Copies less than there is if the system refuses the second pipe the size of the first.
pub(crate) fn copy_unread(pipe: BorrowedFd<'_>, buffer: &mut [u8]) -> SysResult<usize> {
    let (scratch_reader, scratch_writer) = io::pipe().map_err(|error| SysError::new("create a pipe", error))?;
    let scratch = scratch_reader.as_fd();
    let needed = capacity(pipe)?;
    if needed > capacity(scratch)? {
        resize(scratch, needed)?;
    }
    match tee(pipe, &scratch_writer, buffer.len(), SpliceFlags::NONBLOCK) {
        Ok(0) => Ok(0),
        Ok(bytes) => rustix::io::retry_on_intr(|| rustix::io::read(scratch, &mut buffer[..bytes]))
            .map_err(|errno| SysError::new("read from a pipe", errno)),
        Err(Errno::AGAIN) => Ok(0),
        Err(errno) => Err(SysError::new("copy from a pipe", errno)),
    }
}

/// Asks for `wanted` bytes, then for half as many as long as that is still more than there is.
fn resize(pipe: BorrowedFd<'_>, wanted: usize) -> SysResult<()> {
    let present = capacity(pipe)?;
    let mut asked = wanted;
    while fcntl_setpipe_size(pipe, asked).is_err() && asked / 2 > present {
        asked /= 2;
    }
    Ok(())
}

fn capacity(pipe: BorrowedFd<'_>) -> SysResult<usize> {
    fcntl_getpipe_size(pipe).map_err(|errno| SysError::new("look at the size of a pipe", errno))
}

/// SIGPIPE kept from this thread until dropped.
///
/// The kernel sends it to the very thread that writes to a pipe nobody can read, and it ends a process that did not think
/// of it. Rust programs ignore it from the start; programs in other languages that load this library do not.
struct HeldSigpipe {
    mask_before: libc::sigset_t,
    /// It waited for this thread already, and is not ours to take.
    pending_before: bool,
}

impl HeldSigpipe {
    fn hold() -> HeldSigpipe {
        let sigpipe = only_sigpipe();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: two valid sets; SIG_BLOCK cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, before.as_mut_ptr()) };
        // SAFETY: pthread_sigmask has written the whole set.
        let mask_before = unsafe { before.assume_init() };
        // Not blocked before, it would have arrived instead of waiting.
        let pending_before = contains_sigpipe(&mask_before) && contains_sigpipe(&pending());
        HeldSigpipe {
            mask_before,
            pending_before,
        }
    }

    /// Takes the signal that a write has just raised.
    fn take_back(&self) {
        if self.pending_before {
            return;
        }
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a valid set and time; what is known of the signal is not asked for.
        unsafe { libc::sigtimedwait(&only_sigpipe(), ptr::null_mut(), &at_once) };
    }
}

impl Drop for HeldSigpipe {
    fn drop(&mut self) {
        // SAFETY: the mask this thread had; SIG_SETMASK cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask_before, ptr::null_mut()) };
    }
}

fn only_sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is writable; this fails for an invalid pointer only.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: sigemptyset has initialised the whole set.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: a valid set, and a signal number the system defines.
    unsafe { libc::sigaddset(&mut set, libc::SIGPIPE) };
    set
}

fn pending() -> libc::sigset_t {
    let mut set = only_sigpipe();
    // SAFETY: the set is writable; this fails for an invalid pointer only.
    unsafe { libc::sigpending(&mut set) };
    set
}

fn contains_sigpipe(set: &libc::sigset_t) -> bool {
    // SAFETY: a valid set, and a signal number the system defines.
    unsafe { libc::sigismember(set, libc::SIGPIPE) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private_pair(bytes: usize) -> (OwnedFd, OwnedFd) {
        let (reader, writer) = pipe(bytes).unwrap();
        (
            private_reader(reader.as_fd()).unwrap(),
            private_writer(writer.as_fd()).unwrap(),
        )
    }

    /// The signals a line of /proc/thread-self/status lists for this thread, as a bit mask.
    fn signals(line: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
        u64::from_str_radix(found.trim(), 16).unwrap()
    }

    const SIGPIPE_BIT: u64 = 1 << (libc::SIGPIPE - 1);

    fn write_to_nobody() {
        let (reader, writer) = private_pair(4096);
        drop(reader);
        // A child that another test is spawning may have a copy for a moment.
        while write(writer.as_fd(), b"lost").unwrap() != Transfer::Closed {
            std::thread::yield_now();
        }
    }

    fn page() -> usize {
        rustix::param::page_size()
    }

    /// However the quota is cut into writes, it fits: semantics 119, 254.
    #[test]
    fn any_cut_of_the_bytes_fits() {
        for pages in 1..=4 {
            let page = page();
            let bytes = pages * page;
            for cut in [
                page / 3,
                page / 3 + 1,
                page / 2,
                page / 2 + 1,
                page - 1,
                page,
                page + 1,
                page * 3 / 2,
            ] {
                let (reader, writer) = private_pair(bytes);
                assert!(holds(reader.as_fd()).unwrap() >= bytes);
                // All but one byte of the first page read leaves the least in the most slots.
                let first = vec![0; page];
                assert_eq!(write(writer.as_fd(), &first).unwrap(), Transfer::Moved(page));
                assert_eq!(
                    read(reader.as_fd(), &mut vec![0; page - 1]).unwrap(),
                    Transfer::Moved(page - 1)
                );
                let mut room = bytes - 1;
                for turn in 0.. {
                    // Single bytes between the cuts begin new slots.
                    let next = if turn % 2 == 0 { cut } else { 1 }.min(room);
                    if next == 0 {
                        break;
                    }
                    let moved = write(writer.as_fd(), &vec![0; next]).unwrap();
                    assert_eq!(moved, Transfer::Moved(next), "{pages} pages cut by {cut}");
                    room -= next;
                }
                assert_eq!(unread(writer.as_fd()).unwrap(), bytes);
            }
        }
    }

    /// A size beyond what the system allows is no error: semantics 130, 254.
    #[test]
    fn the_largest_size_is_accepted() {
        let (reader, _writer) = private_pair(u32::MAX as usize);
        assert!(holds(reader.as_fd()).unwrap() >= page());
    }

    /// The signal neither arrives nor stays behind: semantics 191.
    #[test]
    fn sigpipe_is_taken_back() {
        let seen = std::thread::spawn(|| {
            let _held = HeldSigpipe::hold();
            write_to_nobody();
            (signals("SigPnd:"), signals("SigBlk:"))
        });
        let (pending, blocked) = seen.join().unwrap();
        assert_eq!(pending & SIGPIPE_BIT, 0);
        assert_ne!(blocked & SIGPIPE_BIT, 0, "a mask that holds it stays");
    }

    /// The program's mask is as before: semantics 191.
    #[test]
    fn the_mask_is_restored() {
        let blocked = std::thread::spawn(|| {
            write_to_nobody();
            signals("SigBlk:")
        });
        assert_eq!(blocked.join().unwrap() & SIGPIPE_BIT, 0);
    }

    /// A signal that the program itself has waiting is left to it: semantics 191.
    #[test]
    fn the_programs_own_sigpipe_stays() {
        let pending = std::thread::spawn(|| {
            let held = HeldSigpipe::hold();
            // SAFETY: a signal number the system defines, sent to this thread, which holds it.
            unsafe { libc::raise(libc::SIGPIPE) };
            write_to_nobody();
            let pending = signals("SigPnd:");
            held.take_back();
            pending
        });
        assert_ne!(pending.join().unwrap() & SIGPIPE_BIT, 0);
    }
}
