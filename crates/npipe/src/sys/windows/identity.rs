#![allow(
    unsafe_code,
    reason = "the system's calls on processes and tokens, which take pointers"
)]
//! Who a process is: its program, its user, and what that user is called.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::null;

use npipe_core::Sid;
use windows_sys::Win32::Security::{
    GetTokenInformation, LookupAccountSidW, TOKEN_INFORMATION_CLASS, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};

use super::{Code, CodeResult, done};

/// Longer paths of programs are not shown.
const PATH_UNITS: usize = 32 * 1024;

/// Longer names of accounts do not exist.
const ACCOUNT_UNITS: usize = 512;

/// What is known of a process; each part where it may be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The file name of its program.
    pub(crate) program: Option<String>,
    pub(crate) sid: Option<Sid>,
    /// `DOMAIN\NAME`.
    pub(crate) user: Option<String>,
}

/// Looks at a process.
pub(crate) fn account_of(pid: u32) -> Account {
    // SAFETY: no memory is passed.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    let Ok(process) = owned(process) else {
        return Account::default();
    };
    let sid = user_of(process.as_raw_handle()).ok();
    Account {
        program: program_of(&process),
        user: sid.as_ref().and_then(account_name),
        sid,
    }
}

/// The user of this process.
pub(crate) fn own_sid() -> CodeResult<Sid> {
    // SAFETY: it is no handle that has to be closed.
    user_of(unsafe { GetCurrentProcess() })
}

fn owned(handle: RawHandle) -> CodeResult<OwnedHandle> {
    if handle.is_null() {
        return Err(Code::last());
    }
    // SAFETY: it is a new handle that nobody else closes.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn program_of(process: &OwnedHandle) -> Option<String> {
    let mut path = vec![0; PATH_UNITS];
    let mut length = PATH_UNITS as u32;
    // SAFETY: the path has that much room; both live until the call returns.
    let outcome = unsafe { QueryFullProcessImageNameW(process.as_raw_handle(), 0, path.as_mut_ptr(), &raw mut length) };
    done(outcome).ok()?;
    let path = String::from_utf16_lossy(path.get(..length as usize)?);
    path.rsplit(['\\', '/']).next().map(str::to_owned)
}

fn user_of(process: RawHandle) -> CodeResult<Sid> {
    let mut token = std::ptr::null_mut();
    // SAFETY: the handle is a process', and the token's place lives until the call returns.
    done(unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) })?;
    let token = owned(token)?;
    let words = token_information(&token, TokenUser)?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    // Behind the pointer to the SID stands the SID itself.
    let sid = bytes.get(size_of::<TOKEN_USER>()..).unwrap_or_default();
    Sid::from_prefix(sid).map_err(|_| Code::Win32(windows_sys::Win32::Foundation::ERROR_INVALID_SID))
}

/// In words, so that it is aligned.
fn token_information(token: &OwnedHandle, class: TOKEN_INFORMATION_CLASS) -> CodeResult<Vec<u64>> {
    let mut words = vec![0_u64; 128];
    let mut length = 0;
    // SAFETY: the words have that much room; both live until the call returns.
    done(unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            class,
            words.as_mut_ptr().cast(),
            size_of_val(words.as_slice()) as u32,
            &raw mut length,
        )
    })?;
    Ok(words)
}

/// What the system calls a user or a group.
pub(crate) fn account_name(sid: &Sid) -> Option<String> {
    let mut bytes = sid.to_bytes();
    let (mut name, mut domain) = ([0_u16; ACCOUNT_UNITS], [0_u16; ACCOUNT_UNITS]);
    let (mut name_length, mut domain_length) = (ACCOUNT_UNITS as u32, ACCOUNT_UNITS as u32);
    let mut kind = 0;
    // SAFETY: the SID is a whole one, the texts have that much room, and all live until the call returns.
    let outcome = unsafe {
        LookupAccountSidW(
            null(),
            bytes.as_mut_ptr().cast(),
            name.as_mut_ptr(),
            &raw mut name_length,
            domain.as_mut_ptr(),
            &raw mut domain_length,
            &raw mut kind,
        )
    };
    done(outcome).ok()?;
    let text = |units: &[u16], length: u32| String::from_utf16_lossy(&units[..(length as usize).min(units.len())]);
    let (name, domain) = (text(&name, name_length), text(&domain, domain_length));
    Some(if domain.is_empty() {
        name
    } else {
        format!(r"{domain}\{name}")
    })
}
