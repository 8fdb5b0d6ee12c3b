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
//! On Windows the same types stand over the kernel's own pipes. Not there yet: `overlapped` and `anonymous`; and identities are
//! accounts there, not numbers.

mod acting;
#[cfg(not(windows))]
pub mod anonymous;
#[cfg(not(windows))]
mod background;
mod client;
#[cfg(not(windows))]
mod connect;
mod directory;
#[cfg(not(windows))]
mod end;
mod error;
#[cfg(not(windows))]
mod host;
#[cfg(not(windows))]
pub mod impersonation;
mod info;
#[cfg(windows)]
mod kernel;
mod listener;
#[cfg(not(windows))]
mod listing;
#[cfg(not(windows))]
mod object;
mod options;
#[cfg(not(windows))]
pub mod overlapped;
#[cfg(not(windows))]
mod patience;
#[cfg(not(windows))]
mod process;
mod security;
mod server;
mod stream;
mod stream_io;
#[cfg(not(windows))]
mod survey;
mod sys;

#[cfg(windows)]
use kernel::{connect, end, host, object};
#[cfg(windows)]
pub use kernel::{impersonation, waits};

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
