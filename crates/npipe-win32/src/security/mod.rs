//! SIDs, access lists and descriptors, as C programs have them.
//!
//! In the program's memory they have Windows' form ([`memory`]); what they mean is npipe's ([`npipe::SecurityDescriptor`]). A
//! descriptor is *absolute*, with pointers to its parts, or *self-relative*, in one piece; every function takes both where
//! Windows does. What a function hands out is freed by LocalFree, SIDs by FreeSid.
//!
//! Who acts is in [`tokens`], and in [`impersonation`] by which of them a thread does.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod acls;
mod database;
pub(crate) mod descriptors;
pub(crate) mod explicit;
pub(crate) mod impersonation;
mod information;
pub(crate) mod lookups;
pub(crate) mod memory;
pub(crate) mod objects;
pub(crate) mod privileges;
pub(crate) mod sddl;
pub(crate) mod sids;
pub(crate) mod tokens;
