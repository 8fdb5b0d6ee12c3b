//! Who may do what: identities, access lists, descriptors.
//!
//! A [`SecurityDescriptor`] belongs to a name. It says who owns the pipe and, in its access list ([`Acl`]), what each user and
//! group may do with it: a mask of [`rights`]. Users and groups are known by their [`Sid`], whatever system they come from;
//! [`identity`] says which SIDs a process of a Unix system has. [`SecurityDescriptor::check`] brings the two together.
//!
//! A descriptor is a value here, in memory that C sees and between processes its bytes (`encode` and `decode`), and for people
//! its text in SDDL (`Display` and `FromStr`). Bytes and texts may come from anybody: they are checked, and what this library
//! does not know is refused, since an entry that is passed over might have kept somebody out.

pub mod acl;
mod check;
pub mod descriptor;
pub mod identity;
pub mod rights;
mod sddl;
pub mod sid;

use std::error::Error;
use std::fmt;

pub use acl::{Ace, AceKind, Acl};
pub use descriptor::{AccessList, SecurityDescriptor, SecurityInformation};
pub use identity::PeerIdentity;
pub use sid::{InvalidSid, Sid};

use crate::status::Status;

/// What is wrong with a descriptor, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityError {
    status: Status,
    detail: String,
}

impl SecurityError {
    fn new(status: Status, detail: impl Into<String>) -> SecurityError {
        SecurityError {
            status,
            detail: detail.into(),
        }
    }

    /// The status that a call fails with.
    pub const fn status(&self) -> Status {
        self.status
    }
}

impl fmt::Display for SecurityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Error for SecurityError {}

impl From<InvalidSid> for SecurityError {
    fn from(error: InvalidSid) -> SecurityError {
        SecurityError::new(Status::InvalidSid, error.to_string())
    }
}

impl From<SecurityError> for Status {
    fn from(error: SecurityError) -> Status {
        error.status
    }
}
