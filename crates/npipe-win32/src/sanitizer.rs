#![allow(unsafe_code, reason = "calls functions that a sanitizer brings along")]

//! What ThreadSanitizer is told.
//!
//! It sees a program that was built with `-fsanitize=thread`, and not this library, so what a call of ours orders would look
//! like a race to it. Each such call therefore says so itself: it *releases* a place before others can go on because of it,
//! and *acquires* the place when it has gone on because of others. Places are the objects that order: an event, a lock, a
//! port, a thread's queue of calls, an OVERLAPPED, a pipe. Nothing is ordered here that is not ordered by the call.
//!
//! Where the program has no such sanitizer, each of these is one look at a pointer.

use std::ffi::{CStr, OsStr, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A function of the sanitizer's: null where there is none, and at first one that finds out.
struct Hook(AtomicPtr<c_void>);

type Told = extern "C" fn(*const c_void);

static ACQUIRE: Hook = Hook::unknown(find_acquire);
static RELEASE: Hook = Hook::unknown(find_release);

extern "C" fn find_acquire(place: *const c_void) {
    ACQUIRE.find(c"__tsan_acquire", place);
}

extern "C" fn find_release(place: *const c_void) {
    RELEASE.find(c"__tsan_release", place);
}

impl Hook {
    const fn unknown(find: Told) -> Hook {
        Hook(AtomicPtr::new(find as *mut c_void))
    }

    #[cold]
    fn find(&self, name: &CStr, place: *const c_void) {
        // SAFETY: the name ends with a zero.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        self.0.store(found, Ordering::Relaxed);
        self.tell(place);
    }

    #[inline]
    fn tell(&self, place: *const c_void) {
        let hook = self.0.load(Ordering::Relaxed);
        if !hook.is_null() {
            // SAFETY: it is one of the two above, or the sanitizer's function of the same type.
            let hook = unsafe { std::mem::transmute::<*mut c_void, Told>(hook) };
            hook(place);
        }
    }

    fn is_there(&self) -> bool {
        self.tell(std::ptr::from_ref(self).cast());
        !self.0.load(Ordering::Relaxed).is_null()
    }
}

/// Others go on because of what this thread has done so far.
#[inline]
pub(crate) fn release<T>(place: &T) {
    RELEASE.tell(std::ptr::from_ref(place).cast());
}

/// This thread has gone on because of others.
#[inline]
pub(crate) fn acquire<T>(place: &T) {
    ACQUIRE.tell(std::ptr::from_ref(place).cast());
}

const CHANNELS: usize = 4096;

/// Places for pipes, whose two ends share nothing that lies in the program's memory once.
static PLACES: [AtomicUsize; CHANNELS] = [const { AtomicUsize::new(0) }; CHANNELS];

/// What the ends of a pipe have in common: instances of one name share it, and seldom two names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Channel(usize);

impl Channel {
    /// That of a pipe's name.
    pub(crate) fn of_name(name: &OsStr) -> Channel {
        if !RELEASE.is_there() {
            return Channel::default();
        }
        let path = name.to_string_lossy().to_lowercase().replace('/', "\\");
        // The two forms of the prefix have one length.
        let name: String = path.chars().skip(r"\\.\pipe\".len()).collect();
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Channel(hasher.finish() as usize % CHANNELS)
    }

    #[inline]
    pub(crate) fn release(self) {
        release(&PLACES[self.0]);
    }

    #[inline]
    pub(crate) fn acquire(self) {
        acquire(&PLACES[self.0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is no sanitizer here: it is looked for once.
    #[test]
    fn without_a_sanitizer_nothing_is_told() {
        assert!(!RELEASE.is_there());
        assert!(!ACQUIRE.is_there());
        release(&0_u8);
        acquire(&0_u8);
        assert_eq!(Channel::of_name(OsStr::new(r"\\.\pipe\x")), Channel::default());
    }
}
