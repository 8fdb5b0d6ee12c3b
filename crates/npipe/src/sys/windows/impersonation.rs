#![allow(unsafe_code, reason = "the system's calls on tokens, which take handles")]
//! A thread's identity, which the system keeps.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;

use windows_sys::Win32::Foundation::{ERROR_NO_TOKEN, HANDLE};
use windows_sys::Win32::Security::{
    GetTokenInformation, RevertToSelf, TOKEN_IMPERSONATE, TOKEN_QUERY, TokenImpersonationLevel,
};
use windows_sys::Win32::System::Pipes::ImpersonateNamedPipeClient;
use windows_sys::Win32::System::Threading::{GetCurrentThread, OpenThreadToken, SetThreadToken};

use super::{Code, CodeResult, done};

/// The library makes no calls of its own that need the process' identity: the system looks at the handles.
pub(crate) fn at_home<T>(act: impl FnOnce() -> T) -> T {
    act()
}

/// As [`at_home`].
pub(crate) fn with_own_files<T>(act: impl FnOnce() -> T) -> T {
    act()
}

/// Has this thread act as the client.
pub(crate) fn impersonate_client(end: BorrowedHandle<'_>) -> CodeResult<()> {
    // SAFETY: the handle is open.
    done(unsafe { ImpersonateNamedPipeClient(end.as_raw_handle()) })
}

/// What this thread acts on, if it is not the process.
pub(crate) fn thread_token() -> CodeResult<Option<OwnedHandle>> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: no memory is passed, and the handle needs no closing.
    let thread = unsafe { GetCurrentThread() };
    // SAFETY: the token's place lives until the call returns. It is opened by the rights of the process, since the client may
    // have none on its own token.
    let opened = unsafe { OpenThreadToken(thread, TOKEN_QUERY | TOKEN_IMPERSONATE, 1, &raw mut token) };
    match done(opened) {
        // SAFETY: it is a new handle that nobody else closes.
        Ok(()) => Ok(Some(unsafe { OwnedHandle::from_raw_handle(token) })),
        Err(Code::Win32(ERROR_NO_TOKEN)) => Ok(None),
        Err(code) => Err(code),
    }
}

/// Has this thread act on a token, or as the process.
pub(crate) fn set_thread_token(token: Option<&OwnedHandle>) -> CodeResult<()> {
    let handle = token.map_or(std::ptr::null_mut(), AsRawHandle::as_raw_handle);
    // SAFETY: the handle is a token's, or null; no thread means this one.
    done(unsafe { SetThreadToken(null(), handle) })
}

/// Makes this thread the process again.
pub(crate) fn revert() -> CodeResult<()> {
    // SAFETY: no memory is passed.
    done(unsafe { RevertToSelf() })
}

/// How far a token of a thread may be used: 0 anonymous, to 3 delegation.
pub(crate) fn level_of(token: &OwnedHandle) -> CodeResult<u32> {
    let (mut level, mut length) = (0_u32, 0);
    // SAFETY: both numbers live until the call returns, and the length is that of the first.
    done(unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenImpersonationLevel,
            (&raw mut level).cast(),
            size_of::<u32>() as u32,
            &raw mut length,
        )
    })?;
    Ok(level)
}
