//! What programs ask about pipes and ends, and what they set.

use std::time::Duration;

#[cfg(not(windows))]
use npipe_core::handshake::{ClientReport, InstanceReport, PipeReport};
pub use npipe_core::handshake::{Flow, Traffic};
use npipe_core::pipe::InstanceState;
use npipe_core::{Direction, PipeName, PipeType, ReadMode, Sid};

use crate::sys::identity;
#[cfg(not(windows))]
use crate::sys::identity::PeerCredentials;

/// Whether a pipe carries a stream of bytes or messages; as a read mode, how an end reads.
#[doc(alias = "PIPE_TYPE_MESSAGE")]
#[doc(alias = "PIPE_READMODE_MESSAGE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PipeMode {
    /// A stream of bytes: PIPE_TYPE_BYTE, PIPE_READMODE_BYTE.
    Byte,
    /// Messages: PIPE_TYPE_MESSAGE, PIPE_READMODE_MESSAGE.
    Message,
}

impl From<PipeMode> for PipeType {
    fn from(mode: PipeMode) -> PipeType {
        match mode {
            PipeMode::Byte => PipeType::Byte,
            PipeMode::Message => PipeType::Message,
        }
    }
}

impl From<PipeType> for PipeMode {
    fn from(pipe_type: PipeType) -> PipeMode {
        match pipe_type {
            PipeType::Byte => PipeMode::Byte,
            PipeType::Message => PipeMode::Message,
        }
    }
}

impl From<PipeMode> for ReadMode {
    fn from(mode: PipeMode) -> ReadMode {
        match mode {
            PipeMode::Byte => ReadMode::Byte,
            PipeMode::Message => ReadMode::Message,
        }
    }
}

impl From<ReadMode> for PipeMode {
    fn from(mode: ReadMode) -> PipeMode {
        match mode {
            ReadMode::Byte => PipeMode::Byte,
            ReadMode::Message => PipeMode::Message,
        }
    }
}

/// Which end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PipeEnd {
    /// The end that opened the pipe: PIPE_CLIENT_END.
    Client,
    /// The end that created the instance: PIPE_SERVER_END.
    Server,
}

/// What is fixed about a pipe. Win32 equivalent: the results of GetNamedPipeInfo.
#[doc(alias = "GetNamedPipeInfo")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipeInfo {
    /// The type of the pipe.
    pub mode: PipeMode,
    /// Which end was asked.
    pub end: PipeEnd,
    /// The most instances there may be; 255 for any number.
    pub max_instances: u32,
    /// Bytes from server to client that may be unread before writes wait, as given at creation.
    pub out_buffer_size: u32,
    /// Bytes from client to server that may be unread before writes wait, as given at creation.
    pub in_buffer_size: u32,
}

/// What changes about an end. Win32 equivalent: the results of GetNamedPipeHandleState.
#[doc(alias = "GetNamedPipeHandleState")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipeState {
    /// How this end reads.
    pub read_mode: PipeMode,
    /// Whether calls return instead of waiting: PIPE_NOWAIT.
    pub nowait: bool,
    /// How many instances the pipe has now; 0 on a client whose pipe is gone.
    pub instances: u32,
}

/// What there is in an end's pipe. NT equivalent: the changing part of FilePipeLocalInformation.
#[doc(alias = "FILE_PIPE_LOCAL_INFORMATION")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalState {
    /// What the instance is doing.
    pub state: InstanceState,
    /// Bytes that this end can read: ReadDataAvailable.
    pub readable: usize,
    /// Bytes that this end can write without waiting, the free part of the peer's quota: WriteQuotaAvailable.
    pub writable: u32,
}

/// Who is at the other end, by the kernel's word.
///
/// It is the process that opened the pipe, or that made the name; a descriptor passed on is still that one's. On Windows, where
/// users have no numbers, there is `user` instead of `uid` and `gid`, as long as the process runs.
#[doc(alias = "GetNamedPipeClientProcessId")]
#[doc(alias = "GetNamedPipeServerProcessId")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The process; `None` when it is in another pid namespace and has no number here.
    pub pid: Option<u32>,
    /// Its user.
    #[cfg(not(windows))]
    pub uid: u32,
    /// Its group.
    #[cfg(not(windows))]
    pub gid: u32,
    /// Its user, as `DOMAIN\NAME`, while it runs and where it may be seen.
    #[cfg(windows)]
    pub user: Option<String>,
    /// The name of its program, while it runs and where it may be seen.
    pub process: Option<String>,
    #[cfg(windows)]
    sid: Option<Sid>,
}

impl Peer {
    /// Its user, as access lists name it; `None` where that is not known any more.
    #[cfg(not(windows))]
    pub fn sid(&self) -> Option<Sid> {
        Some(Sid::user(self.uid))
    }

    /// Its user, as access lists name it; `None` where that is not known any more.
    #[cfg(windows)]
    pub fn sid(&self) -> Option<Sid> {
        self.sid
    }

    /// The process with that number.
    #[cfg(windows)]
    pub(crate) fn of_process(pid: u32) -> Peer {
        let account = identity::account_of(pid);
        Peer {
            pid: Some(pid),
            user: account.user,
            process: account.program,
            sid: account.sid,
        }
    }
}

#[cfg(not(windows))]
impl Peer {
    pub(crate) fn new(credentials: &PeerCredentials) -> Peer {
        let &PeerCredentials { pid, uid, gid, .. } = credentials;
        Peer {
            pid,
            uid,
            gid,
            process: pid.and_then(identity::process_name),
        }
    }

    fn from_report(client: &ClientReport) -> Peer {
        let &ClientReport { pid, uid, gid } = client;
        Peer {
            pid,
            uid,
            gid,
            process: pid.and_then(identity::process_name),
        }
    }
}

/// A served pipe in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipeEntry {
    /// Its name.
    pub name: PipeName,
    /// The user whose process serves it.
    #[cfg(not(windows))]
    pub owner_uid: u32,
    /// The process that serves it.
    pub server_pid: Option<u32>,
    /// Whether the server answered; if not, it is stopped, and what follows is unknown.
    pub answering: bool,
    /// The type of the pipe.
    pub mode: Option<PipeMode>,
    /// How many instances there are.
    pub instances: u32,
    /// The most instances there may be; 255 for any number, and 0 on Windows, whose listing does not tell.
    pub max_instances: u32,
    /// Everything that the server told.
    pub details: Option<PipeDetails>,
}

/// Everything there is to know about a pipe from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipeDetails {
    /// Its name, as the server wrote it.
    pub name: PipeName,
    /// Its type.
    pub mode: PipeMode,
    /// Which way data flows.
    pub direction: Direction,
    /// The most instances there may be; 255 for any number.
    pub max_instances: u32,
    /// How long WaitNamedPipe waits with NMPWAIT_USE_DEFAULT_WAIT; zero on Windows, which does not tell.
    pub default_timeout: Duration,
    /// The user whose process serves it.
    #[cfg(not(windows))]
    pub owner_uid: u32,
    /// The process that serves it.
    pub server_pid: Option<u32>,
    /// Whose it is and who may open it: its security descriptor, in SDDL.
    pub access: String,
    /// How many instances there are; more than `instances` lists if they are very many.
    pub instance_count: u32,
    /// Its instances, oldest first; none on Windows, which does not tell.
    pub instances: Vec<InstanceDetails>,
}

/// An instance, from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceDetails {
    /// What it is doing.
    pub state: InstanceState,
    /// The client that is or was connected, by the server's account, who has it from the kernel.
    pub client: Option<Peer>,
    /// The process that serves it, by the account of the one that was asked.
    pub server_pid: Option<u32>,
    /// Bytes from server to client that may be unread before writes wait.
    pub out_buffer_size: u32,
    /// Bytes from client to server that may be unread before writes wait.
    pub in_buffer_size: u32,
    /// For how long the client has been there.
    pub age: Option<Duration>,
    /// What has passed since the client came; `None` where the instance's own process has not been asked, as by
    /// [`list`](crate::list), or has not answered.
    pub traffic: Option<Traffic>,
}

#[cfg(windows)]
impl PipeEntry {
    /// What the system's directory tells: the name and the instances.
    pub(crate) fn of_system(name: PipeName, instances: u32) -> PipeEntry {
        PipeEntry {
            name,
            server_pid: None,
            answering: true,
            mode: None,
            instances,
            max_instances: 0,
            details: None,
        }
    }
}

#[cfg(not(windows))]
impl PipeDetails {
    pub(crate) fn new(report: &PipeReport, server: &PeerCredentials) -> PipeDetails {
        PipeDetails {
            name: report.name.clone(),
            mode: report.pipe_type.into(),
            direction: report.direction,
            max_instances: report.max_instances,
            default_timeout: Duration::from_millis(report.default_timeout_ms.into()),
            owner_uid: server.uid,
            server_pid: server.pid,
            access: report.security.to_string(),
            instance_count: report.instance_count,
            instances: report.instances.iter().map(InstanceDetails::new).collect(),
        }
    }
}

#[cfg(not(windows))]
impl InstanceDetails {
    fn new(report: &InstanceReport) -> InstanceDetails {
        InstanceDetails {
            state: report.state,
            client: report.client.as_ref().map(Peer::from_report),
            server_pid: Some(report.server_pid),
            out_buffer_size: report.out_quota,
            in_buffer_size: report.in_quota,
            age: report.age_ms.map(Duration::from_millis),
            traffic: report.traffic,
        }
    }
}
