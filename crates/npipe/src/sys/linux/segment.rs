//! Shared memory segments: sealed, sparse memfds, mapped twice.
//!
//! A segment has its final size from the start and is sealed against shrinking, growing and
//! further sealing before anyone else sees it. The file is sparse: memory is used for pages that
//! were touched, and given back by [`Map::discard`]. Because the size is sealed and equals what
//! both sides expect, no access within a [`Map`] can run past the end of the file (`SIGBUS`).
//!
//! Two mappings of the same file, units in bytes:
//!
//! * the *initial* one covers the first `initial_bytes` and lives as long as the segment, at one
//!   address: sleepers and spinners use words in it, so it is never moved;
//! * the *full* one covers everything, is made on first use, and needs no descriptor: `mremap`
//!   with an old size of 0 duplicates a shared mapping. The descriptor can therefore be closed
//!   after attaching, and a process may have more connections than descriptors to spare.
//!
//! **The other side writes here whenever it likes.** No reference to shared bytes is ever made,
//! only to atomics. Bytes move by [`Map::copy_in`] and [`Map::copy_out`]: plain copies between
//! shared and private memory, of plain data, where any bit pattern is valid. The ring's protocol
//! orders honest copies by acquire and release on its own words. A dishonest peer can make a copy
//! torn or stale, which is no more than it could write there in the first place; the caller
//! checks its private copy and looks at nothing else. The language calls such a race undefined
//! where both sides are Rust threads of one program; across processes the copy is an opaque
//! `memcpy` through a pointer that the compiler knows nothing about, whose result it cannot
//! assume to be found again. Per-byte atomics or volatile copies would say so formally and cost
//! most of the bandwidth.
#![allow(unsafe_code, reason = "maps memory, and reads and writes it through raw pointers")]

use std::ffi::c_void;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags};
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use crate::sys::{SysError, SysResult};

/// The seals every segment carries: its size is final, and so are its seals.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// File system type of memfds on ordinary pages. Those on huge pages report another one, and must
/// be refused: a fault on them can fail, with `SIGBUS`, when huge pages run out.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// A segment of shared memory, mapped into this process.
#[derive(Debug)]
pub(crate) struct Segment {
    total_bytes: usize,
    initial: Map,
    full: OnceLock<Map>,
}

/// Whether the process may not have a file of that size. To try would end it by a signal, SIGXFSZ.
///
/// What was enough once is taken to be enough from then on: asking each time would be a system call for each connection.
fn exceeds_file_limit(bytes: u64) -> bool {
    static KNOWN_BYTES: AtomicU64 = AtomicU64::new(0);
    if bytes <= KNOWN_BYTES.load(Ordering::Relaxed) {
        return false;
    }
    let limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
    KNOWN_BYTES.store(limit, Ordering::Relaxed);
    bytes > limit
}

impl Segment {
    /// Makes a segment of `total_bytes`, all zero, and maps its first `initial_bytes`.
    ///
    /// The descriptor is for handing to the other side; the segment itself does not need it.
    pub(crate) fn create(total_bytes: u64, initial_bytes: usize) -> SysResult<(Segment, OwnedFd)> {
        let fail = |errno: Errno| SysError::new("create a shared memory segment", errno);
        if exceeds_file_limit(total_bytes) {
            let reason = format!("files of this process may not have {total_bytes} bytes: raise its limit (ulimit -f)");
            return Err(fail(Errno::FBIG).because(reason));
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = match rustix::fs::memfd_create("npipe", flags | MemfdFlags::NOEXEC_SEAL) {
            // Before Linux 6.3 there is no such flag.
            Err(Errno::INVAL) => rustix::fs::memfd_create("npipe", flags),
            other => other,
        }
        .map_err(fail)?;
        rustix::fs::ftruncate(&fd, total_bytes).map_err(fail)?;
        rustix::fs::fcntl_add_seals(&fd, SEALS).map_err(fail)?;
        let segment = Segment::map(&fd, total_bytes, initial_bytes)?;
        Ok((segment, fd))
    }

    /// Maps the first `initial_bytes` of a segment that another process made.
    ///
    /// Nothing about the descriptor is believed: it must be memory (a memfd on ordinary pages),
    /// carry the seals, and have exactly the size expected.
    pub(crate) fn attach(fd: impl AsFd, total_bytes: u64, initial_bytes: usize) -> SysResult<Segment> {
        const OPERATION: &str = "attach to a shared memory segment";
        let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let refuse = |reason: String| SysError::new(OPERATION, invalid()).because(reason);
        // Only memory has seals. Files of a mounted tmpfs can only ever carry SEAL, so this also tells them from memfds.
        let seals = rustix::fs::fcntl_get_seals(&fd)
            .map_err(|_| refuse("what the other side sent is not a memfd: it cannot be sealed".into()))?;
        if !seals.contains(SEALS) {
            return Err(refuse(format!(
                "the segment the other side sent is not sealed against resizing ({seals:?})"
            )));
        }
        // After the seals: from here on the size cannot change any more.
        let stat = rustix::fs::fstat(&fd).map_err(|e| SysError::new(OPERATION, e))?;
        // What has seals and blocks of a page is on ordinary pages; otherwise its file system says so.
        if u64::try_from(stat.st_blksize) != Ok(page_size() as u64) {
            let file_system = rustix::fs::fstatfs(&fd).map_err(|e| SysError::new(OPERATION, e))?;
            if file_system.f_type as u64 != TMPFS_MAGIC {
                return Err(refuse(
                    "what the other side sent is not a memfd on ordinary pages".into(),
                ));
            }
        }
        if u64::try_from(stat.st_size) != Ok(total_bytes) {
            return Err(refuse(format!(
                "the segment the other side sent has {} bytes instead of {total_bytes}",
                stat.st_size
            )));
        }
        Segment::map(&fd, total_bytes, initial_bytes)
    }

    fn map(fd: impl AsFd, total_bytes: u64, initial_bytes: usize) -> SysResult<Segment> {
        let fail = |errno: Errno| SysError::new("map a shared memory segment", errno);
        let total_bytes = usize::try_from(total_bytes)
            .ok()
            .filter(|&total| isize::try_from(total).is_ok())
            .ok_or_else(|| fail(Errno::NOMEM))?;
        if initial_bytes == 0 || initial_bytes > total_bytes {
            return Err(fail(Errno::INVAL).because(format!(
                "asked to map {initial_bytes} bytes of a segment of {total_bytes}"
            )));
        }
        Ok(Segment {
            total_bytes,
            initial: Map::of_file(fd, initial_bytes).map_err(fail)?,
            full: OnceLock::new(),
        })
    }

    /// The mapping of the beginning, at the same address as long as the segment lives.
    #[inline]
    pub(crate) fn initial(&self) -> &Map {
        &self.initial
    }

    /// The mapping of the whole, made now if it is not there yet.
    #[inline]
    pub(crate) fn full(&self) -> SysResult<&Map> {
        match self.full.get() {
            Some(map) => Ok(map),
            None => self.map_full(),
        }
    }

    /// The mapping of the whole, if it was needed before.
    #[inline]
    pub(crate) fn full_if_mapped(&self) -> Option<&Map> {
        self.full.get()
    }

    #[cold]
    fn map_full(&self) -> SysResult<&Map> {
        let map = self
            .initial
            .duplicate(self.total_bytes)
            .map_err(|e| SysError::new("map the whole of a shared memory segment", e))?;
        // Of two threads that race to here one loses, and its mapping is undone.
        Ok(self.full.get_or_init(|| map))
    }
}

/// A structure that may lie in a segment.
///
/// # Safety
/// It has a fixed layout, consists of atomics and padding, and every bit pattern is a value of it.
pub(crate) unsafe trait SharedWords {}

// SAFETY: `repr(C)` all the way down, of nothing but `AtomicU32` and `AtomicU64`.
unsafe impl SharedWords for npipe_shm::control::Control {}
// SAFETY: the same.
unsafe impl SharedWords for npipe_shm::object::Object {}

/// A range of a segment in this process' memory, addressed by offsets from its beginning.
///
/// Every access is checked against the bounds. Being out of bounds is a mistake in our own layout
/// (what a peer says is masked before it becomes an offset) and panics.
#[derive(Debug)]
pub(crate) struct Map {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory belongs to the process, not to a thread; it is only unmapped by drop.
unsafe impl Send for Map {}
// SAFETY: all access is through atomics, or by copies that tolerate concurrent writes (see above).
unsafe impl Sync for Map {}

impl Map {
    fn of_file(fd: impl AsFd, bytes: usize) -> Result<Map, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choosing overlaps nothing.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, fd, 0) }?;
        Map::at(base, bytes)
    }

    /// A second mapping of the same file from its beginning, of another length.
    fn duplicate(&self, bytes: usize) -> Result<Map, Errno> {
        let old = self.base.as_ptr().cast::<c_void>();
        // SAFETY: with an old size of 0 a shared mapping is duplicated at a new address; the old
        // one stays as it is, so that references into it stay valid.
        let base = unsafe { rustix::mm::mremap(old, 0, bytes, MremapFlags::MAYMOVE) }?;
        Map::at(base, bytes)
    }

    fn at(base: *mut c_void, bytes: usize) -> Result<Map, Errno> {
        let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?;
        Ok(Map { base, bytes })
    }

    /// The word at `offset`, for tests of what sleeps on it.
    ///
    /// # Panics
    /// If the word is not aligned or not within the mapping.
    #[cfg(test)]
    pub(crate) fn atomic_u32(&self, offset: usize) -> &std::sync::atomic::AtomicU32 {
        let word = self.aligned::<std::sync::atomic::AtomicU32>(offset);
        // SAFETY: as in `atomic_u64`.
        unsafe { &*word }
    }

    /// The double word at `offset`.
    ///
    /// # Panics
    /// If the double word is not aligned or not within the mapping.
    #[inline]
    pub(crate) fn atomic_u64(&self, offset: usize) -> &AtomicU64 {
        let word = self.aligned::<AtomicU64>(offset);
        // SAFETY: aligned and within the mapping, which lives as long as `self`; every access of
        // either process to such a word is atomic.
        unsafe { &*word }
    }

    /// The double word at `offset` and the one behind it.
    ///
    /// # Panics
    /// If they are not aligned or not within the mapping.
    #[inline]
    pub(crate) fn atomic_u64s(&self, offset: usize) -> &[AtomicU64; 2] {
        let words = self.aligned::<[AtomicU64; 2]>(offset);
        // SAFETY: as in `atomic_u64`.
        unsafe { &*words }
    }

    /// The words at the beginning of the mapping.
    ///
    /// # Panics
    /// If the mapping is smaller than they are.
    #[inline]
    pub(crate) fn head<T: SharedWords>(&self) -> &T {
        let words = self.aligned::<T>(0);
        // SAFETY: aligned and within the mapping, which lives as long as `self`; `T` is made of atomics alone.
        unsafe { &*words }
    }

    /// Copies `bytes` to `offset` in the segment.
    ///
    /// # Panics
    /// If they do not fit within the mapping.
    #[inline]
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        let target = self.within(offset, bytes.len());
        // SAFETY: `within` checked the target; `bytes` is private memory and cannot overlap it,
        // as no slice of shared memory exists.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) }
    }

    /// Copies from `offset` in the segment until `bytes` is full.
    ///
    /// # Panics
    /// If that many bytes are not within the mapping.
    #[inline]
    pub(crate) fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        let origin = self.within(offset, bytes.len());
        // SAFETY: `within` checked the origin; `bytes` is private memory and cannot overlap it.
        unsafe { ptr::copy_nonoverlapping(origin, bytes.as_mut_ptr(), bytes.len()) }
    }

    /// Gives the memory of all pages that lie wholly within `range` back to the system. For both
    /// sides they read as zero afterwards. Returns how many bytes that were.
    ///
    /// # Panics
    /// If the range is not within the mapping.
    pub(crate) fn discard(&self, range: Range<usize>) -> SysResult<usize> {
        let page = page_size();
        let start = range.start.next_multiple_of(page);
        let end = range.end - range.end % page;
        if start >= end {
            return Ok(0);
        }
        let address = self.within(start, end - start).cast::<c_void>();
        // SAFETY: whole pages of this mapping; zeroing them is a write like any other.
        unsafe { rustix::mm::madvise(address, end - start, Advice::LinuxRemove) }
            .map_err(|e| SysError::new("give back pages of a shared memory segment", e))?;
        Ok(end - start)
    }

    #[inline]
    fn aligned<T>(&self, offset: usize) -> *const T {
        assert!(offset.is_multiple_of(align_of::<T>()), "unaligned word in a segment");
        self.within(offset, size_of::<T>()).cast::<T>()
    }

    /// The address of `bytes` bytes at `offset`, after checking that they are in the mapping.
    #[inline]
    fn within(&self, offset: usize, bytes: usize) -> *mut u8 {
        assert!(
            bytes <= self.bytes && offset <= self.bytes - bytes,
            "access beyond the end of a segment's mapping"
        );
        // SAFETY: `offset` is at most `self.bytes`, so this stays in, or one past, the mapping.
        unsafe { self.base.as_ptr().add(offset) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        let base = self.base.as_ptr().cast::<c_void>();
        // SAFETY: this mapping is ours alone, and references into it borrow `self`.
        // Unmapping what was mapped cannot fail, and there would be nothing to do about it.
        let _ = unsafe { rustix::mm::munmap(base, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    const TOTAL: u64 = 1 << 22;

    fn memfd(seals: SealFlags) -> OwnedFd {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create("test", flags).unwrap();
        rustix::fs::ftruncate(&fd, TOTAL).unwrap();
        rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
        fd
    }

    fn refusal(fd: OwnedFd) -> String {
        Segment::attach(fd, TOTAL, 4096).unwrap_err().to_string()
    }

    /// What one side writes is what the other reads.
    #[test]
    fn both_sides_see_the_same_through_both_maps() {
        let (ours, fd) = Segment::create(TOTAL, 104).unwrap();
        let theirs = Segment::attach(fd, TOTAL, 8192).unwrap();
        assert!(ours.full_if_mapped().is_none());
        ours.initial().atomic_u64(96).store(0xdead_beef, Ordering::Release);
        assert_eq!(theirs.initial().atomic_u64(96).load(Ordering::Acquire), 0xdead_beef);

        let before = ours.initial().atomic_u64(0).as_ptr();
        let full = ours.full().unwrap();
        assert_eq!(full.atomic_u64(96).load(Ordering::Acquire), 0xdead_beef);
        assert!(ptr::eq(full, ours.full().unwrap()), "mapped once");
        assert_eq!(ours.initial().atomic_u64(0).as_ptr(), before, "never moved");

        let end = TOTAL as usize - 5;
        full.copy_in(end, b"hello");
        full.atomic_u64(8).store(7, Ordering::Release);
        let mut copy = [0; 5];
        theirs.full().unwrap().copy_out(end, &mut copy);
        assert_eq!(&copy, b"hello");
        assert_eq!(theirs.initial().atomic_u64(8).load(Ordering::Acquire), 7);
    }

    /// The mapping of the whole may be wanted by both directions at once.
    #[test]
    fn the_whole_is_mapped_once_by_many_threads() {
        let (segment, _fd) = Segment::create(TOTAL, 4096).unwrap();
        let addresses: Vec<usize> = std::thread::scope(|scope| {
            let map = || segment.full().unwrap().atomic_u64(0).as_ptr().addr();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(map)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(addresses.iter().all(|&address| address == addresses[0]));
    }

    /// A segment can be trusted to keep its size, whoever made it.
    #[test]
    fn what_is_not_a_sealed_segment_of_the_right_size_is_refused() {
        Segment::attach(memfd(SEALS), TOTAL, 4096).unwrap();
        for missing in [SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL] {
            assert!(refusal(memfd(SEALS - missing)).contains("not sealed"));
        }
        // Sealed against writing: cannot be mapped for it.
        Segment::attach(memfd(SEALS | SealFlags::WRITE), TOTAL, 4096).unwrap_err();
        let wrong = Segment::attach(memfd(SEALS), TOTAL + 4096, 4096).unwrap_err();
        assert!(wrong.to_string().contains("4194304 bytes instead of 4198400"));
        let wrong = Segment::attach(memfd(SEALS), TOTAL - 4096, 4096).unwrap_err();
        assert!(wrong.to_string().contains("4194304 bytes instead of 4190208"));

        let file = tempfile::tempfile().unwrap();
        file.set_len(TOTAL).unwrap();
        let refused = refusal(file.into());
        assert!(refused.contains("not a memfd") || refused.contains("seal"), "{refused}");
        let (socket, _other) = crate::sys::socket::pair().unwrap();
        assert!(refusal(socket).contains("not a memfd"));
        let directory = std::fs::File::open("/").unwrap();
        assert!(refusal(directory.into()).contains("not a memfd"));
        let device = std::fs::File::open("/dev/zero").unwrap();
        assert!(refusal(device.into()).contains("not a memfd"));
    }

    /// Nobody who gets the descriptor can resize what we have mapped.
    #[test]
    fn holders_cannot_resize() {
        let (_segment, fd) = Segment::create(TOTAL, 4096).unwrap();
        assert_eq!(rustix::fs::ftruncate(&fd, 0), Err(Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&fd, TOTAL * 2), Err(Errno::PERM));
        let grow = rustix::fs::fallocate(&fd, rustix::fs::FallocateFlags::empty(), TOTAL, 4096);
        assert_eq!(grow, Err(Errno::PERM));
        assert_eq!(rustix::fs::fcntl_add_seals(&fd, SealFlags::WRITE), Err(Errno::PERM));
    }

    /// Sizes that make no sense are refused.
    #[test]
    fn impossible_sizes_are_refused() {
        assert!(Segment::create(4096, 0).is_err());
        assert!(Segment::create(4096, 4097).is_err());
        assert!(Segment::create(0, 0).is_err());
        assert!(Segment::create(u64::MAX, 4096).is_err());
        assert!(Segment::create(1 << 62, 4096).is_err() || cfg!(target_pointer_width = "64"));
    }

    /// Only pages that nobody needs any more are given back.
    #[test]
    fn whole_pages_within_a_range_are_given_back() {
        let page = page_size();
        let (segment, fd) = Segment::create(TOTAL, 4096).unwrap();
        let full = segment.full().unwrap();
        full.copy_in(0, &vec![1; 4 * page]);
        let blocks = rustix::fs::fstat(&fd).unwrap().st_blocks;
        assert_eq!(full.discard(1..3 * page - 1).unwrap(), page);
        assert_eq!(full.discard(1..page).unwrap(), 0);
        assert_eq!(full.discard(page..page).unwrap(), 0);
        assert!(rustix::fs::fstat(&fd).unwrap().st_blocks < blocks);
        let mut copy = vec![0; 4 * page];
        full.copy_out(0, &mut copy);
        let expected = [vec![1; page], vec![0; page], vec![1; 2 * page]].concat();
        assert!(copy == expected);
    }

    /// A mistake in our own layout ends in a panic, not in foreign memory.
    #[test]
    fn every_access_is_checked() {
        let (segment, _fd) = Segment::create(TOTAL, 4096).unwrap();
        let map = segment.initial();
        fn panics<T>(access: impl FnOnce() -> T) {
            let access = std::panic::AssertUnwindSafe(access);
            assert!(std::panic::catch_unwind(access).is_err());
        }
        map.copy_in(4096, &[]);
        panics(|| map.copy_in(4096, &[0]));
        panics(|| map.copy_in(usize::MAX, &[0, 0]));
        panics(|| map.copy_out(4090, &mut [0; 7]));
        panics(|| map.atomic_u64(4096).load(Ordering::Relaxed));
        panics(|| map.atomic_u64(2).load(Ordering::Relaxed));
        panics(|| map.atomic_u64(4092).load(Ordering::Relaxed));
        panics(|| map.discard(0..8192));
    }
}
