//! TLS slots: a word of each thread's own, under a number that the process hands out.

use std::cell::RefCell;
use std::sync::Mutex;

use crate::dispatch::locked;
use crate::failure::{Failure, Outcome, set_last_error};
use crate::types::{Bool, FALSE, TRUE, code};

const SLOTS: usize = 1088;
const OUT_OF_INDEXES: u32 = u32::MAX;

/// For each slot how often it was handed out or taken back: odd while it is in use. A thread's word counts only if it was
/// set in the current term.
static TERMS: Mutex<[u64; SLOTS]> = Mutex::new([0; SLOTS]);

thread_local! {
    static WORDS: RefCell<Vec<(u64, usize)>> = const { RefCell::new(Vec::new()) };
}

/// The term of a slot. One that is not in use has a word all the same, as on Windows, until it is handed out.
fn term(slot: u32) -> Outcome<u64> {
    let term = locked(&TERMS).get(slot as usize).copied();
    term.ok_or(Failure(code::INVALID_PARAMETER))
}

crate::export! {
    /// TlsAlloc.
    ///
    /// # Errors
    /// ERROR_NOT_ENOUGH_MEMORY when all 1088 are in use.
    fn TlsAlloc() -> u32 [OUT_OF_INDEXES] {
        let mut terms = locked(&TERMS);
        let slot = terms.iter().position(|term| term % 2 == 0).ok_or(Failure(code::NOT_ENOUGH_MEMORY))?;
        terms[slot] += 1;
        Ok(slot as u32)
    }

    /// TlsFree.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for a slot that is not in use.
    fn TlsFree(slot: u32) -> Bool [FALSE] {
        match locked(&TERMS).get_mut(slot as usize) {
            Some(term) if *term % 2 == 1 => *term += 1,
            _ => return Err(Failure(code::INVALID_PARAMETER)),
        }
        Ok(TRUE)
    }

    /// TlsGetValue: 0 until it is set. Sets the last error to ERROR_SUCCESS, since 0 may be a value.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER beyond the last slot.
    fn TlsGetValue(slot: u32) -> usize [0] {
        let term = term(slot)?;
        let value = WORDS.try_with(|words| match words.borrow().get(slot as usize) {
            Some(&(set_in, value)) if set_in == term => value,
            _ => 0,
        });
        set_last_error(code::SUCCESS);
        Ok(value.unwrap_or(0))
    }

    /// TlsSetValue.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER beyond the last slot; ERROR_NOT_ENOUGH_MEMORY while the thread ends.
    fn TlsSetValue(slot: u32, value: usize) -> Bool [FALSE] {
        let term = term(slot)?;
        let set = WORDS.try_with(|words| {
            let mut words = words.borrow_mut();
            let needed = slot as usize + 1;
            if words.len() < needed {
                words.resize(needed, (0, 0));
            }
            words[slot as usize] = (term, value);
        });
        set.map_err(|_| Failure(code::NOT_ENOUGH_MEMORY))?;
        Ok(TRUE)
    }
}
