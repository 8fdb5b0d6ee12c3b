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

pub mod anonymous;
mod background;
mod client;
mod connect;
mod directory;
mod end;
mod error;
mod host;
pub mod impersonation;
mod info;
mod listener;
mod object;
mod options;
pub mod overlapped;
mod patience;
mod process;
mod security;
mod server;
mod stream;
mod stream_io;
mod survey;
mod sys;

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
pub use survey::{Condition, Survey, SurveyEntry};
