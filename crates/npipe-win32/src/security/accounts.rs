#![allow(unsafe_code, reason = "getpwuid_r has no safe binding")]

//! What users are called.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr;

use super::tokens;
use crate::failure::{Failure, Outcome};
use crate::pointers::{Out, TextOut};
use crate::text::Page;
use crate::types::{Bool, FALSE, TRUE, code};

/// Entries are shorter than this, or none that we want.
const LONGEST_ENTRY: usize = 1 << 20;

/// The name of a user, as the system's databases have it; its number where they have none.
pub(crate) fn user_name(uid: u32) -> Vec<u8> {
    known_name(uid).unwrap_or_else(|| uid.to_string().into_bytes())
}

fn known_name(uid: u32) -> Option<Vec<u8>> {
    let mut space = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are valid and the length is that of the space, in which the texts of the entry will lie.
        let errno = unsafe { libc::getpwuid_r(uid, entry.as_mut_ptr(), space.as_mut_ptr(), space.len(), &mut found) };
        match errno {
            0 if !found.is_null() => {
                // SAFETY: an entry was found, so it is initialised.
                let name = unsafe { entry.assume_init_ref() }.pw_name;
                // SAFETY: a text with its zero, within the space.
                return Some(unsafe { CStr::from_ptr(name) }.to_bytes().to_vec());
            }
            libc::ERANGE if space.len() < LONGEST_ENTRY => space.resize(space.len() * 2, 0),
            libc::EINTR => {}
            _ => return None,
        }
    }
}

fn get_user_name<U: Copy>(name: TextOut<U>, size: Out<u32>) -> Outcome<Bool>
where
    TextOut<U>: Page,
{
    let text = user_name(tokens::effective()?.who()?.uid);
    let room = size.get().ok_or(Failure(code::NOACCESS))?;
    let needed = name.length_of(&text) as u32 + 1;
    size.set(needed);
    match name.fill(room, &text) < needed {
        true => Ok(TRUE),
        false => Err(npipe::Status::BufferTooSmall.into()),
    }
}

crate::export! {
    /// GetUserNameA: of the client that the thread acts as, or of the process.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER, with the size it takes; ERROR_CANT_OPEN_ANONYMOUS.
    fn GetUserNameA(name: TextOut<u8>, size: Out<u32>) -> Bool [FALSE] {
        get_user_name(name, size)
    }

    /// GetUserNameW.
    ///
    /// # Errors
    /// As GetUserNameA.
    fn GetUserNameW(name: TextOut<u16>, size: Out<u32>) -> Bool [FALSE] {
        get_user_name(name, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 200
    #[test]
    fn users_without_a_name_are_numbers() {
        assert_eq!(user_name(0), b"root");
        assert_eq!(user_name(3_999_999_999), b"3999999999");
    }
}
