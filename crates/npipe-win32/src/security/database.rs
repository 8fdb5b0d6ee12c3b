#![allow(unsafe_code, reason = "the databases of users and groups have no safe binding")]

//! What users and groups are called, by the system's databases.

use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::MaybeUninit;

/// Entries are shorter than this, or of no interest.
const LONGEST_ENTRY: usize = 1 << 20;

/// Looks an entry up, with as much space for its texts as that takes, and takes from it what is wanted.
fn entry<E, T>(
    look: impl Fn(*mut E, *mut c_char, usize, *mut *mut E) -> c_int,
    take: impl FnOnce(&E) -> T,
) -> Option<T> {
    let mut space = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<E>::uninit();
        let mut found = std::ptr::null_mut();
        match look(entry.as_mut_ptr(), space.as_mut_ptr(), space.len(), &mut found) {
            // SAFETY: an entry was found, so it is there, and its texts lie in `space`.
            0 if !found.is_null() => return Some(take(unsafe { entry.assume_init_ref() })),
            libc::ERANGE if space.len() < LONGEST_ENTRY => space.resize(space.len() * 2, 0),
            libc::EINTR => {}
            _ => return None,
        }
    }
}

fn text(text: *mut c_char) -> Vec<u8> {
    // SAFETY: a text of an entry, with its zero, while the entry is there.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

/// The name of a user.
pub(super) fn user_name(uid: u32) -> Option<Vec<u8>> {
    // SAFETY: all pointers are valid, and the length is that of the space.
    entry::<libc::passwd, _>(
        |e, space, length, found| unsafe { libc::getpwuid_r(uid, e, space, length, found) },
        |e| text(e.pw_name),
    )
}

/// The name of a group.
pub(super) fn group_name(gid: u32) -> Option<Vec<u8>> {
    // SAFETY: all pointers are valid, and the length is that of the space.
    entry::<libc::group, _>(
        |e, space, length, found| unsafe { libc::getgrgid_r(gid, e, space, length, found) },
        |e| text(e.gr_name),
    )
}

/// The number of a user.
pub(super) fn user_number(name: &[u8]) -> Option<u32> {
    let name = CString::new(name).ok()?;
    entry::<libc::passwd, _>(
        // SAFETY: all pointers are valid, and the length is that of the space.
        |e, space, length, found| unsafe { libc::getpwnam_r(name.as_ptr(), e, space, length, found) },
        |e| e.pw_uid,
    )
}

/// The number of a group.
pub(super) fn group_number(name: &[u8]) -> Option<u32> {
    let name = CString::new(name).ok()?;
    entry::<libc::group, _>(
        // SAFETY: all pointers are valid, and the length is that of the space.
        |e, space, length, found| unsafe { libc::getgrnam_r(name.as_ptr(), e, space, length, found) },
        |e| e.gr_gid,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No rule: names are the system's.
    #[test]
    fn names_and_numbers_belong_together() {
        let name = user_name(0).expect("there is a user 0");
        assert_eq!(user_number(&name), Some(0));
        let group = group_name(0).expect("there is a group 0");
        assert_eq!(group_number(&group), Some(0));
        assert_eq!(user_name(u32::MAX - 7), None);
        assert_eq!((user_number(b"no such user"), group_number(b"a\0b")), (None, None));
    }
}
