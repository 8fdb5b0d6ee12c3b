//! Identities, tokens and impersonation.

pub(crate) mod accounts;
pub(crate) mod impersonation;
mod information;
pub(crate) mod privileges;
pub(crate) mod tokens;
