//! The semantics of Windows named pipes, without I/O.
//!
//! What happens on one *end* of a pipe is in [`reader`] and [`writer`]; what an end sees of its peer is a [`wire`], which
//! the systems supply. What happens to a *name* is in [`pipe`]. Nothing here allocates shared memory, makes a system
//! call or reads a clock.

#![forbid(unsafe_code)]

pub mod access;
mod call;
pub mod feed;
pub mod handshake;
pub mod mode;
pub mod name;
pub mod params;
pub mod pipe;
pub mod qos;
pub mod reader;
pub mod security;
pub mod status;
pub mod wire;
pub mod writer;

pub use access::AccessRules;
pub use call::{CallId, HolderId, Progress};
pub use mode::{Access, Direction, EndRole, PipeType, ReadMode, WaitMode};
pub use name::PipeName;
pub use params::InstanceParams;
pub use pipe::{InstanceState, Pipe};
pub use qos::{ImpersonationLevel, SecurityQos};
pub use reader::{Peeked, ReadOutcome, Reader, ReaderState};
pub use security::{PeerIdentity, SecurityDescriptor, SecurityInformation, Sid};
pub use status::{Blame, Status};
pub use writer::{Writer, WriterState};
