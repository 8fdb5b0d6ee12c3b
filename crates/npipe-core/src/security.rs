//! Who may do what: identities, access lists, descriptors.
//!
//! A user or group is known by its [`Sid`], whatever system it comes from; [`identity`] says which SIDs a process of a
//! Unix system has.

pub mod identity;
pub mod sid;

pub use identity::PeerIdentity;
pub use sid::{InvalidSid, Sid};
