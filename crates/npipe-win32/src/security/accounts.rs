//! What users are called.

use super::{database, tokens};
use crate::failure::{Failure, Outcome};
use crate::pointers::{Out, TextOut};
use crate::text::Page;
use crate::types::{Bool, FALSE, TRUE, code};

/// The name of a user, as the system's databases have it; its number where they have none.
pub(crate) fn user_name(uid: u32) -> Vec<u8> {
    database::user_name(uid).unwrap_or_else(|| uid.to_string().into_bytes())
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
