//! The processor a thread runs on.
//!
//! Each side of a connection publishes the number of the processor it last ran on, and nobody
//! spins while the other's is its own. Numbers are hints: a thread may move at any time.
#![allow(
    unsafe_code,
    reason = "sched_getcpu reads the thread's rseq area, which only the C library can find; prefetching takes an address"
)]

/// What [`current`] says where the system does not tell. Two sides that do not know are taken to
/// share a processor, so that they do not spin.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// The processor this thread is running on, counted from 0, or [`UNKNOWN`].
///
/// Costs a nanosecond or two where the C library registers restartable sequences (glibc 2.35),
/// else some tens.
#[inline]
pub(crate) fn current() -> u32 {
    // SAFETY: no arguments, no memory; it fails by returning -1.
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).unwrap_or(UNKNOWN)
}

/// Has the processor fetch the cache line of a word ahead of a look at it, or of a change to it. A hint.
#[inline]
pub(crate) fn prefetch<T>(word: &T, to_change: bool) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        let address = std::ptr::from_ref(word).cast();
        match to_change {
            // SAFETY: it reads and changes nothing, and the address is that of a word that is there.
            true => unsafe { _mm_prefetch::<_MM_HINT_ET0>(address) },
            // SAFETY: as above.
            false => unsafe { _mm_prefetch::<_MM_HINT_T0>(address) },
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (word, to_change);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What spinning relies on: a waiting call gives up the processor
    /// to a peer that shares it.
    #[test]
    fn a_lone_processor_is_the_current_one() {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        assert!(allowed.is_set(current() as usize));

        // The affinity is that of a thread that ends with the test.
        std::thread::spawn(|| {
            let mut only = rustix::thread::CpuSet::new();
            only.set(current() as usize);
            rustix::thread::sched_setaffinity(None, &only).unwrap();
            assert!(only.is_set(current() as usize));
        })
        .join()
        .unwrap();
    }
}
