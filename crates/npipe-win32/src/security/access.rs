//! AccessCheck: what a client may do with an object of the program's own, by the descriptor that the program keeps for it.

use npipe::impersonation::ImpersonationLevel;
use npipe::{Status, rights};

use super::descriptors::GENERIC_MAPPING;
use super::memory;
use super::tokens::{self, Kind, TOKEN_QUERY};
use crate::failure::{Failure, set_last_error};
use crate::pointers::{Block, In, Out};
use crate::types::{Bool, FALSE, Handle, TRUE, code};

const GENERIC: u32 = rights::GENERIC_READ | rights::GENERIC_WRITE | rights::GENERIC_EXECUTE | rights::GENERIC_ALL;

/// A PRIVILEGE_SET without privileges.
const EMPTY_SET: [u8; 8] = [0; 8];

crate::export! {
    /// AccessCheck. Privileges play no part but for the superuser's right to the system's list; the set of those that were
    /// used is empty.
    ///
    /// # Errors
    /// ERROR_NO_IMPERSONATION_TOKEN (a primary token), ERROR_BAD_IMPERSONATION_LEVEL (an anonymous one), ERROR_ACCESS_DENIED (no
    /// TOKEN_QUERY), ERROR_GENERIC_NOT_MAPPED, ERROR_INSUFFICIENT_BUFFER (for the privileges), ERROR_INVALID_SECURITY_DESCR (no
    /// owner or no group), ERROR_INVALID_HANDLE. That access is denied is no failure but FALSE in `allowed`, with
    /// ERROR_ACCESS_DENIED as the last error.
    // semantics 264
    fn AccessCheck(
        descriptor: Block,
        token: Handle,
        desired: u32,
        mapping: In<GENERIC_MAPPING>,
        privileges: Block,
        privileges_size: Out<u32>,
        granted: Out<u32>,
        allowed: Out<Bool>,
    ) -> Bool [FALSE] {
        let none = Failure(code::NOACCESS);
        let (mapping, room) = (mapping.get().ok_or(none)?, privileges_size.get().ok_or(none)?);
        if granted.is_null() || allowed.is_null() {
            return Err(none);
        }
        if desired & GENERIC != 0 {
            return Err(Failure(code::GENERIC_NOT_MAPPED));
        }
        let token = tokens::get(token, TOKEN_QUERY)?;
        if token.kind() == Kind::Primary {
            return Err(Failure(code::NO_IMPERSONATION_TOKEN));
        }
        if token.token().level() < ImpersonationLevel::Identification {
            return Err(Status::BadImpersonationLevel.into());
        }
        let descriptor = memory::descriptor(descriptor)?;
        if descriptor.owner.is_none() || descriptor.group.is_none() {
            return Err(Failure(code::INVALID_SECURITY_DESCR));
        }
        privileges_size.set(EMPTY_SET.len() as u32);
        if privileges.is_null() || (room as usize) < EMPTY_SET.len() {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        }
        privileges.write(&EMPTY_SET);
        match descriptor.check_for(&mapping.into(), token.who()?, desired) {
            Ok(rights) => {
                granted.set(rights);
                allowed.set(TRUE);
            }
            Err(status) => {
                granted.set(0);
                allowed.set(FALSE);
                set_last_error(status.win32());
            }
        }
        Ok(TRUE)
    }
}
