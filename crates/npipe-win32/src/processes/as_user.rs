//! Processes of other users, which are not offered: a child is who this process is, and an end of a pipe is passed on within
//! one user.

use super::create::{PROCESS_INFORMATION, STARTUPINFO};
use crate::failure::not_implemented;
use crate::pointers::{Ansi, In, Out, Texts, WideText};
use crate::types::{Bool, FALSE, Handle, SECURITY_ATTRIBUTES};

crate::export! {
    /// CreateProcessAsUserA.
    ///
    /// # Errors
    /// ERROR_CALL_NOT_IMPLEMENTED, always.
    fn CreateProcessAsUserA(
        _token: Handle,
        _application: Ansi<'_>,
        _line: Ansi<'_>,
        _process: In<SECURITY_ATTRIBUTES>,
        _thread: In<SECURITY_ATTRIBUTES>,
        _inherit: Bool,
        _flags: u32,
        _block: Texts<'_>,
        _directory: Ansi<'_>,
        _startup: In<STARTUPINFO>,
        _information: Out<PROCESS_INFORMATION>,
    ) -> Bool [FALSE] {
        Err(not_implemented("CreateProcessAsUser"))
    }

    /// CreateProcessAsUserW.
    ///
    /// # Errors
    /// As CreateProcessAsUserA.
    fn CreateProcessAsUserW(
        _token: Handle,
        _application: WideText<'_>,
        _line: WideText<'_>,
        _process: In<SECURITY_ATTRIBUTES>,
        _thread: In<SECURITY_ATTRIBUTES>,
        _inherit: Bool,
        _flags: u32,
        _block: Texts<'_>,
        _directory: WideText<'_>,
        _startup: In<STARTUPINFO>,
        _information: Out<PROCESS_INFORMATION>,
    ) -> Bool [FALSE] {
        Err(not_implemented("CreateProcessAsUser"))
    }

    /// CreateProcessWithTokenW.
    ///
    /// # Errors
    /// ERROR_CALL_NOT_IMPLEMENTED, always.
    fn CreateProcessWithTokenW(
        _token: Handle,
        _logon: u32,
        _application: WideText<'_>,
        _line: WideText<'_>,
        _flags: u32,
        _block: Texts<'_>,
        _directory: WideText<'_>,
        _startup: In<STARTUPINFO>,
        _information: Out<PROCESS_INFORMATION>,
    ) -> Bool [FALSE] {
        Err(not_implemented("CreateProcessWithToken"))
    }
}
