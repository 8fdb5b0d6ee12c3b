//! Windows named pipes for every system.
//!
//! A named pipe (`\\.\pipe\NAME`) connects processes of one machine, as streams of bytes or of messages, any number of
//! clients by one name. This library gives Windows' semantics natively on Linux, without a daemon and over shared memory.
//!
//! * [`ServerOptions`] creates an instance, [`ClientOptions`] opens one; [`PipeListener`] serves client after client.
//! * [`PipeServer`] and [`PipeClient`] are the ends; what both can do is [`PipeStream`].
//! * [`wait`], [`call`], [`list`] and [`info`] need a name only; [`Namespace`] does the same in a directory of choice.
//! * [`overlapped`] operations are started now and complete later: awaited, with completion routines or ports.
//! * [`impersonation`]: a server's thread acts as its client.
//! * [`anonymous`] pipes redirect the standard streams of children.
//!
//! Errors carry an NT status and its Win32 number: see [`Error`].
//!
//! On Windows the same types stand over the kernel's own pipes. Identities are accounts there, not numbers.

// What the public types ask of the system: of the kernel's pipes on Windows, elsewhere of the engine.
#[cfg_attr(windows, path = "kernel/connect.rs")]
mod connect;
#[cfg_attr(windows, path = "kernel/end.rs")]
mod end;
#[cfg_attr(windows, path = "kernel/host.rs")]
mod host;
#[cfg_attr(windows, path = "kernel/impersonation.rs")]
pub mod impersonation;
#[cfg_attr(windows, path = "kernel/object.rs")]
mod object;

mod acting;
pub mod anonymous;
mod client;
mod directory;
mod error;
mod info;
mod listener;
mod options;
pub mod overlapped;
mod security;
mod server;
mod stream;
mod stream_io;
mod sys;

// The kernel's errors, and what it tells of its names.
#[cfg(windows)]
mod kernel;
#[cfg(windows)]
pub use kernel::waits;

// The engine's own: nothing of the system's stands for it.
#[cfg(not(windows))]
mod background;
#[cfg(not(windows))]
mod listing;
#[cfg(not(windows))]
mod patience;
#[cfg(not(windows))]
mod process;
#[cfg(not(windows))]
mod survey;

pub use client::PipeClient;
pub use directory::{Namespace, call, info, list, wait};
pub use error::{Error, Result};
pub use info::{
    Flow, InstanceDetails, LocalState, Peer, PipeDetails, PipeEnd, PipeEntry, PipeInfo, PipeMode, PipeState, Traffic,
};
pub use listener::{Incoming, PipeListener};
pub use npipe_core::pipe::InstanceState;
pub use npipe_core::security::{AccessList, Ace, AceKind, Acl, PeerIdentity, SecurityError, Sid, rights};
pub use npipe_core::{Access, AccessRules, Blame, Direction, PipeName, PipeType, ReadMode, Status};
pub use npipe_core::{SecurityDescriptor, SecurityInformation};
pub use object::RawEnd;
pub use options::{ClientOptions, ServerOptions};
pub use server::PipeServer;
pub use stream::{Peeked, PipeStream, ReadOutcome};
#[cfg(not(windows))]
pub use survey::{Condition, Survey, SurveyEntry};
