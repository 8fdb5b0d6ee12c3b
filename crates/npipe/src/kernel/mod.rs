//! Ends of the kernel's own pipes: what stands in the engine's place on Windows.
//!
//! The public types, their options, their errors and their documentation are the same everywhere; what an end does is asked of
//! the kernel here, by overlapped calls, so that each can have a time-out and be cancelled. The other files of this directory stand
//! where the engine's stand elsewhere, under the same names (see the crate's list of modules), and offer what the public types ask
//! of those. Nothing is done over that the system does.
//!
//! A refusal is a Win32 code. Some codes stand for several statuses; which one is known by what was asked.

mod directory;
#[doc(hidden)]
pub mod waits;

use npipe_core::security::rights::{FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE};
use npipe_core::security::{AccessList, Ace, Acl, Sid};
use npipe_core::{AccessRules, PipeName, SecurityDescriptor, Status};

use crate::error::{Error, Explain, Result};
use crate::sys::{Code, CodeResult, SysError, identity};

/// Why a call failed: the status, and the code that it came from where that says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: Status,
    code: Option<Code>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure { status, code: None }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Failure {
        let known = match code {
            Code::Win32(number) => Status::from_win32(number),
            Code::Nt(number) => Status::from_ntstatus(number.cast_unsigned()),
        };
        match known {
            Some(status) => status.into(),
            None => Failure {
                status: Status::SystemError,
                code: Some(code),
            },
        }
    }
}

impl Failure {
    pub(crate) fn status(self) -> Status {
        self.status
    }

    /// Says which of the statuses it is that share a Win32 code.
    fn meaning(self, status: Status) -> Failure {
        if self.status.win32() == status.win32() {
            status.into()
        } else {
            self
        }
    }

    pub(crate) fn error(self, operation: &'static str) -> Error {
        match self.code {
            Some(Code::Win32(number)) => {
                let source = std::io::Error::from_raw_os_error(number.cast_signed());
                Error::from_sys(SysError::new(operation, source), operation)
            }
            Some(Code::Nt(number)) => {
                Error::new(self.status, operation).because(format!("NT status {:#010X}", number.cast_unsigned()))
            }
            None => Error::new(self.status, operation),
        }
    }
}

impl<T> Explain<T> for std::result::Result<T, Failure> {
    fn explain(self, operation: &'static str, name: &PipeName) -> Result<T> {
        self.map_err(|failure| failure.error(operation).about(name))
    }
}

/// The outcome of one of the system's calls, with the status that its code has for this call.
pub(crate) fn asked<T>(outcome: CodeResult<T>, meanings: &[Status]) -> std::result::Result<T, Failure> {
    outcome.map_err(|code| {
        let failure = Failure::from(code);
        meanings
            .iter()
            .fold(failure, |failure, &status| failure.meaning(status))
    })
}

/// The rules in the words of Windows, for a pipe of this process. SYSTEM has full control, as the user 0 has elsewhere.
///
/// # Errors
/// Users, groups, and what the owner's group alone may do: there are no such numbers on Windows.
pub(crate) fn own_descriptor(rules: &AccessRules, operation: &'static str) -> Result<SecurityDescriptor> {
    let mode = rules.mode();
    let (owner_bits, group_bits, other_bits) = (mode >> 6 & 6, mode >> 3 & 6, mode & 6);
    if !rules.users().is_empty() || !rules.groups().is_empty() || group_bits & !other_bits != 0 {
        let reason = "Windows has no numbers for users and groups: say who they are by security_descriptor, in SDDL";
        return Err(Error::new(Status::NotSupported, operation).because(reason));
    }
    let own = asked(identity::own_sid(), &[]).map_err(|failure| failure.error(operation))?;
    let mask = |bits: u32| {
        let read = if bits & 4 != 0 { FILE_GENERIC_READ } else { 0 };
        let write = if bits & 2 != 0 { FILE_GENERIC_WRITE } else { 0 };
        read | write
    };
    let mut aces = Vec::new();
    if mode != 0 {
        aces.push(Ace::allowed(FILE_ALL_ACCESS, Sid::LOCAL_SYSTEM));
    }
    if owner_bits != 0 {
        let all = owner_bits == 6;
        aces.push(Ace::allowed(if all { FILE_ALL_ACCESS } else { mask(owner_bits) }, own));
    }
    if other_bits != 0 {
        aces.push(Ace::allowed(mask(other_bits), Sid::EVERYONE));
    }
    let acl = Acl::new(aces).map_err(|error| Error::from_security(&error, operation))?;
    let mut descriptor = SecurityDescriptor::default();
    descriptor.dacl = AccessList::List(acl);
    Ok(descriptor)
}
