//! How ends are made: the builders, with tokio's names and defaults.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use npipe_core::name::NameUse;
use npipe_core::params::{InstanceParams, UNLIMITED_INSTANCES};
use npipe_core::security::rights;
use npipe_core::{
    Access, AccessRules, Direction, ImpersonationLevel, PipeName, SecurityDescriptor, SecurityQos, Status, WaitMode,
};

use crate::client::PipeClient;
use crate::connect::{self, Wanted};
use crate::error::{Error, Explain, Result};
use crate::host::{self, Kept};
use crate::impersonation;
use crate::info::PipeMode;
use crate::server::PipeServer;
use crate::sys::impersonation::{at_home, with_own_files};
use crate::sys::namespace::Root;

const SECURITY_SQOS_PRESENT: u32 = 0x0010_0000;

/// Waking a sleeping thread of another processor costs about this: to spin longer never pays.
const DEFAULT_SPIN: Duration = Duration::from_micros(20);

pub(crate) fn parse(name: &OsStr, used_for: NameUse, operation: &'static str) -> Result<PipeName> {
    PipeName::from_path(name.as_encoded_bytes()).map_err(|problem| {
        let text = name.to_string_lossy();
        let shown: String = text.chars().take(80).collect();
        let detail = format!(r"{shown:?} is not a pipe's name; one looks like \\.\pipe\NAME, 256 characters at most");
        Error::new(used_for.status(problem), operation).because(detail)
    })
}

pub(crate) fn find_root(chosen: Option<&Path>, operation: &'static str) -> Result<Root> {
    // The process' own, whoever this thread is.
    let root = with_own_files(|| chosen.map_or_else(Root::find, Root::at));
    root.map_err(|error| Error::from_sys(error, operation))
}

/// Who may open a pipe, as it was said.
#[derive(Clone, Debug)]
enum Security {
    Rules(AccessRules),
    Descriptor(SecurityDescriptor),
}

/// How a server makes an instance. Win32 equivalent: the arguments of CreateNamedPipe.
///
/// The names and defaults are those of `tokio::net::windows::named_pipe`: a duplex byte pipe of any number of instances
/// with quotas of 64 KiB. What Windows has beyond that is here too.
#[doc(alias = "CreateNamedPipe")]
#[derive(Clone, Debug)]
pub struct ServerOptions {
    params: InstanceParams,
    security: Security,
    inbound: bool,
    outbound: bool,
    #[cfg_attr(not(windows), allow(dead_code, reason = "only Windows has remote clients"))]
    rejects_remote_clients: bool,
    root: Option<PathBuf>,
    #[cfg_attr(windows, allow(dead_code, reason = "the kernel does not spin"))]
    spin: Duration,
    #[cfg_attr(windows, allow(dead_code, reason = "every handle can be duplicated"))]
    shareable: bool,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions::new()
    }
}

impl ServerOptions {
    /// The defaults.
    pub fn new() -> ServerOptions {
        ServerOptions {
            params: InstanceParams::default(),
            security: Security::Rules(AccessRules::owner()),
            inbound: true,
            outbound: true,
            rejects_remote_clients: true,
            root: None,
            spin: DEFAULT_SPIN,
            shareable: false,
        }
    }

    /// Bytes or messages; fixed for the name by its first instance. Win32 equivalent: PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE.
    ///
    /// As with tokio, a server of a message pipe reads messages too, unless [`read_mode`](ServerOptions::read_mode) says
    /// otherwise afterwards.
    #[doc(alias = "PIPE_TYPE_MESSAGE")]
    pub fn pipe_mode(&mut self, mode: PipeMode) -> &mut ServerOptions {
        self.params.pipe_type = mode.into();
        self.params.read_mode = mode.into();
        self
    }

    /// How the server end reads. Win32 equivalent: PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE.
    #[doc(alias = "PIPE_READMODE_MESSAGE")]
    pub fn read_mode(&mut self, mode: PipeMode) -> &mut ServerOptions {
        self.params.read_mode = mode.into();
        self
    }

    /// Whether data may flow from client to server. Win32 equivalent: PIPE_ACCESS_INBOUND.
    #[doc(alias = "PIPE_ACCESS_INBOUND")]
    pub fn access_inbound(&mut self, allowed: bool) -> &mut ServerOptions {
        self.inbound = allowed;
        self
    }

    /// Whether data may flow from server to client. Win32 equivalent: PIPE_ACCESS_OUTBOUND.
    #[doc(alias = "PIPE_ACCESS_OUTBOUND")]
    pub fn access_outbound(&mut self, allowed: bool) -> &mut ServerOptions {
        self.outbound = allowed;
        self
    }

    /// Fail with [`Status::AccessDenied`] if the name exists. Win32 equivalent: FILE_FLAG_FIRST_PIPE_INSTANCE, which is the same
    /// bit as WRITE_OWNER: the server end may change the owner too.
    #[doc(alias = "FILE_FLAG_FIRST_PIPE_INSTANCE")]
    pub fn first_pipe_instance(&mut self, first: bool) -> &mut ServerOptions {
        self.params.first_instance = first;
        self
    }

    /// Whether clients of other computers are refused, as they are by default. Only Windows has any. Win32 equivalent:
    /// PIPE_REJECT_REMOTE_CLIENTS.
    #[doc(alias = "PIPE_REJECT_REMOTE_CLIENTS")]
    pub fn reject_remote_clients(&mut self, reject: bool) -> &mut ServerOptions {
        self.rejects_remote_clients = reject;
        self
    }

    /// How many instances there may be, any number by default; fixed for the name by its first instance. Win32
    /// equivalent: nMaxInstances.
    ///
    /// # Panics
    /// At 255 and above, as tokio's does: leave it out for any number.
    #[doc(alias = "nMaxInstances")]
    pub fn max_instances(&mut self, instances: usize) -> &mut ServerOptions {
        assert!(
            instances < UNLIMITED_INSTANCES as usize,
            "cannot specify more than 254 instances"
        );
        self.params.max_instances = instances as u32;
        self
    }

    /// Bytes from server to client that may be unread before writes wait. Win32 equivalent: nOutBufferSize.
    #[doc(alias = "nOutBufferSize")]
    pub fn out_buffer_size(&mut self, bytes: u32) -> &mut ServerOptions {
        self.params.out_quota = bytes;
        self
    }

    /// Bytes from client to server that may be unread before writes wait. Win32 equivalent: nInBufferSize.
    #[doc(alias = "nInBufferSize")]
    pub fn in_buffer_size(&mut self, bytes: u32) -> &mut ServerOptions {
        self.params.in_quota = bytes;
        self
    }

    /// How long a client waits for an instance that does not say how long, 50 ms by default; whole milliseconds. Win32
    /// equivalent: nDefaultTimeOut.
    #[doc(alias = "nDefaultTimeOut")]
    pub fn default_timeout(&mut self, timeout: Duration) -> &mut ServerOptions {
        self.params.default_timeout_ms = timeout.as_millis().min(u128::from(u32::MAX - 1)) as u32;
        self
    }

    /// Whether calls of the server end return instead of waiting. Win32 equivalent: PIPE_NOWAIT.
    #[doc(alias = "PIPE_NOWAIT")]
    pub fn nowait(&mut self, nowait: bool) -> &mut ServerOptions {
        self.params.wait_mode = if nowait { WaitMode::NoWait } else { WaitMode::Wait };
        self
    }

    /// Who may open the pipe, in the terms of Unix; its owner alone by default. This makes the security descriptor, whose
    /// default on Windows also lets everyone read.
    #[doc(alias = "SECURITY_ATTRIBUTES")]
    pub fn access_rules(&mut self, rules: AccessRules) -> &mut ServerOptions {
        self.security = Security::Rules(rules);
        self
    }

    /// Whose the pipe is and who may open it, as Windows says it; an SDDL text such as `D:(A;;GRGW;;;AU)` parses as one. It
    /// takes the place of [`access_rules`](ServerOptions::access_rules), and is fixed for the name by its first instance. What it
    /// leaves out, Windows' default fills in. Win32 equivalent: lpSecurityDescriptor.
    // semantics 264
    #[doc(alias = "SECURITY_ATTRIBUTES")]
    #[doc(alias = "lpSecurityDescriptor")]
    pub fn security_descriptor(&mut self, descriptor: SecurityDescriptor) -> &mut ServerOptions {
        self.security = Security::Descriptor(descriptor);
        self
    }

    /// Whether the server end may change the access list. Win32 equivalent: WRITE_DAC.
    #[doc(alias = "WRITE_DAC")]
    pub fn write_dac(&mut self, allowed: bool) -> &mut ServerOptions {
        self.further_right(rights::WRITE_DAC, allowed)
    }

    /// Whether the server end may change the owner and the group. Win32 equivalent: WRITE_OWNER, which is the same bit as
    /// FILE_FLAG_FIRST_PIPE_INSTANCE: it asks for the first instance too.
    // semantics 32
    #[doc(alias = "WRITE_OWNER")]
    pub fn write_owner(&mut self, allowed: bool) -> &mut ServerOptions {
        self.first_pipe_instance(allowed)
    }

    /// Whether the server end may read and change the system's list, which only the user 0 may. Win32 equivalent:
    /// ACCESS_SYSTEM_SECURITY.
    #[doc(alias = "ACCESS_SYSTEM_SECURITY")]
    pub fn access_system_security(&mut self, allowed: bool) -> &mut ServerOptions {
        self.further_right(rights::ACCESS_SYSTEM_SECURITY, allowed)
    }

    fn further_right(&mut self, right: u32, allowed: bool) -> &mut ServerOptions {
        self.params.further_rights &= !right;
        self.params.further_rights |= if allowed { right } else { 0 };
        self
    }

    /// The namespace directory to serve in, instead of the usual one. It is made if its parent exists. On Windows, where pipes
    /// have one place, its path becomes a prefix of the name, and there is no directory.
    pub fn root(&mut self, directory: impl Into<PathBuf>) -> &mut ServerOptions {
        self.root = Some(directory.into());
        self
    }

    /// How long calls that wait look for a change before they sleep, 20 µs at most by default; zero sleeps at once. No
    /// effect on Windows.
    ///
    /// Of calls that look in vain, one in 64 looks four times as long, to find out whether both ends could be awake.
    pub fn spin(&mut self, limit: Duration) -> &mut ServerOptions {
        self.spin = limit;
        self
    }

    /// Whether the server end can be passed on to other processes, by [`PipeServer::into_raw`]; not by default. It costs one more
    /// descriptor for each connection. Win32 equivalent: bInheritHandle; there every handle can be duplicated, and this has no effect.
    #[doc(alias = "bInheritHandle")]
    #[doc(alias = "HANDLE_FLAG_INHERIT")]
    pub fn shareable(&mut self, shareable: bool) -> &mut ServerOptions {
        self.shareable = shareable;
        self
    }

    #[cfg(not(windows))]
    fn kept(&self) -> Kept {
        Kept {
            max_spin: self.spin,
            is_shareable: self.shareable,
        }
    }

    #[cfg(windows)]
    fn kept(&self) -> Kept {
        Kept {
            rejects_remote_clients: self.rejects_remote_clients,
        }
    }

    pub(crate) fn waits(&self) -> bool {
        self.params.wait_mode == WaitMode::Wait
    }

    /// Creates an instance, which listens from now on. Win32 equivalent: CreateNamedPipe.
    ///
    /// # Errors
    /// * [`Status::ObjectNameInvalid`]: not of the form `\\.\pipe\NAME`, or too long; [`Status::ObjectPathNotFound`]: empty.
    /// * [`Status::InvalidParameter`]: no direction, no instances, or message reads on a byte pipe.
    /// * [`Status::InstanceNotAvailable`]: the maximum is reached, or the process that keeps the name has not answered for 10 s.
    /// * [`Status::AccessDenied`]: the name exists and this was to be the first, or has another direction, or belongs to
    ///   another user, or its access list does not grant the caller FILE_CREATE_PIPE_INSTANCE.
    /// * [`Status::InvalidOwner`]: the descriptor names an owner that is neither the caller nor one of its groups.
    /// * [`Status::NotSupported`], [`Status::InvalidSecurityDescriptor`]: see [`SecurityDescriptor::check_supported`].
    /// * [`Status::TooManyOpenedFiles`], [`Status::SystemError`]: what the system refused is in the detail.
    /// * [`Status::BadImpersonationLevel`]: this thread knows a client's identity and may not act on it.
    ///
    /// Differs from Windows: an instance that a thread creates while it impersonates is the process', not the client's.
    #[doc(alias = "CreateNamedPipe")]
    pub fn create(&self, name: impl AsRef<OsStr>) -> Result<PipeServer> {
        let name = parse(name.as_ref(), NameUse::Create, OPERATION)?;
        let mut params = self.params_for(&name)?;
        impersonation::require_acting().explain(OPERATION, &name)?;
        params.security = match &self.security {
            Security::Descriptor(descriptor) => descriptor.clone(),
            Security::Rules(rules) => own_descriptor(rules, OPERATION).map_err(|error| error.about(&name))?,
        };
        let root = find_root(self.root.as_deref(), OPERATION)?;
        // Its files, its thread and its place among the processes that serve the name are the process'.
        at_home(|| host::create(&root, &name, &params, self.kept())).map(PipeServer::new)
    }

    /// As [`create`](ServerOptions::create), of the name that this process' instance has, by whose place it is found sooner.
    #[cfg(not(windows))]
    pub(crate) fn create_beside(&self, instance: &PipeServer, path: &OsStr) -> Result<PipeServer> {
        let Some(seat) = instance.seat() else {
            return self.create(path);
        };
        let name = &seat.host.name;
        let params = self.params_for(name)?;
        impersonation::require_acting().explain(OPERATION, name)?;
        at_home(|| host::create_beside(seat, &params, self.kept())).map(PipeServer::new)
    }

    /// As [`create`](ServerOptions::create): the system finds names by itself.
    #[cfg(windows)]
    pub(crate) fn create_beside(&self, _instance: &PipeServer, path: &OsStr) -> Result<PipeServer> {
        self.create(path)
    }

    /// What an instance is to be like, but for the pipe's descriptor.
    fn params_for(&self, name: &PipeName) -> Result<InstanceParams> {
        let mut params = self.params.clone();
        params.direction = match (self.inbound, self.outbound) {
            (true, true) => Direction::Duplex,
            (true, false) => Direction::Inbound,
            (false, true) => Direction::Outbound,
            (false, false) => {
                let detail = "a pipe must be readable or writable: allow access_inbound, access_outbound or both";
                return Err(Error::new(Status::InvalidParameter, OPERATION)
                    .about(name)
                    .because(detail));
            }
        };
        Ok(params)
    }
}

const OPERATION: &str = "create";

/// The rules in the words of Windows, for a pipe of this process.
#[cfg(not(windows))]
fn own_descriptor(rules: &AccessRules, operation: &'static str) -> Result<SecurityDescriptor> {
    use crate::sys::identity;
    rules
        .descriptor(identity::own_uid(), identity::own_gid())
        .map_err(|error| Error::from_security(&error, operation))
}

#[cfg(windows)]
use crate::kernel::own_descriptor;

fn rights(read: bool, write: bool) -> Access {
    match (read, write) {
        (true, true) => Access::READ_WRITE,
        (true, false) => Access::READ,
        (false, true) => Access::WRITE,
        (false, false) => Access::NONE,
    }
}

/// How a client opens a pipe. Win32 equivalent: the arguments of CreateFile.
///
/// By default for reading and writing, in byte-read mode, failing at once when all instances are busy.
#[doc(alias = "CreateFile")]
#[derive(Clone, Debug)]
pub struct ClientOptions {
    access: Access,
    mode: PipeMode,
    nowait: bool,
    connect_timeout: Option<Duration>,
    qos_flags: u32,
    root: Option<PathBuf>,
    spin: Duration,
    shareable: bool,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions::new()
    }
}

impl ClientOptions {
    /// The defaults.
    pub fn new() -> ClientOptions {
        ClientOptions {
            access: Access::READ_WRITE,
            mode: PipeMode::Byte,
            nowait: false,
            connect_timeout: None,
            qos_flags: SecurityQos::default().to_win32(),
            root: None,
            spin: DEFAULT_SPIN,
            shareable: false,
        }
    }

    /// Whether the client reads. Win32 equivalent: GENERIC_READ.
    #[doc(alias = "GENERIC_READ")]
    pub fn read(&mut self, allowed: bool) -> &mut ClientOptions {
        self.access = rights(allowed, self.access.write);
        self
    }

    /// Whether the client writes. Win32 equivalent: GENERIC_WRITE.
    #[doc(alias = "GENERIC_WRITE")]
    pub fn write(&mut self, allowed: bool) -> &mut ClientOptions {
        self.access = rights(self.access.read, allowed);
        self
    }

    /// Exactly these rights, attributes among them, instead of what [`read`](ClientOptions::read) and
    /// [`write`](ClientOptions::write) said. Win32 equivalent: dwDesiredAccess.
    #[doc(alias = "dwDesiredAccess")]
    pub fn access(&mut self, access: Access) -> &mut ClientOptions {
        self.access = access;
        self
    }

    /// How the client end reads, bytes by default whatever the pipe is. Win32 equivalent: a SetNamedPipeHandleState that
    /// follows CreateFile.
    #[doc(alias = "SetNamedPipeHandleState")]
    pub fn pipe_mode(&mut self, mode: PipeMode) -> &mut ClientOptions {
        self.mode = mode;
        self
    }

    /// Whether calls of the client end return instead of waiting. Win32 equivalent: PIPE_NOWAIT.
    #[doc(alias = "PIPE_NOWAIT")]
    pub fn nowait(&mut self, nowait: bool) -> &mut ClientOptions {
        self.nowait = nowait;
        self
    }

    /// How long to wait for an instance while all are busy; not at all by default, for ever with [`Duration::MAX`]. Win32
    /// equivalent: a loop of WaitNamedPipe and CreateFile. A name that does not exist fails at once all the same.
    #[doc(alias = "WaitNamedPipe")]
    pub fn connect_timeout(&mut self, timeout: Duration) -> &mut ClientOptions {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How far the server may act as this client, [`ImpersonationLevel::Impersonation`] by default. Win32 equivalent:
    /// SECURITY_SQOS_PRESENT with SECURITY_ANONYMOUS to SECURITY_DELEGATION.
    ///
    /// It can only take away from what the server gets. Who the client is, [`peer`](crate::PipeStream::peer) tells the server
    /// at any level: the system says so to whoever is connected to it.
    #[doc(alias = "SECURITY_IDENTIFICATION")]
    #[doc(alias = "SECURITY_IMPERSONATION")]
    pub fn impersonation_level(&mut self, level: ImpersonationLevel) -> &mut ClientOptions {
        let level = SecurityQos {
            level,
            ..SecurityQos::default()
        };
        self.qos_flags = level.to_win32();
        self
    }

    /// The security quality of service, as tokio has it: SECURITY_SQOS_PRESENT is set too. Win32 equivalent: the flags
    /// SECURITY_ANONYMOUS to SECURITY_DELEGATION, SECURITY_CONTEXT_TRACKING and SECURITY_EFFECTIVE_ONLY of CreateFile.
    ///
    /// Without this call it is SECURITY_IMPERSONATION; with 0, and so with tracking alone, it is SECURITY_ANONYMOUS.
    /// Other bits fail in [`open`](ClientOptions::open). Differs from Windows: the server has the identity that the client
    /// had when it opened the pipe, with SECURITY_CONTEXT_TRACKING too.
    // semantics 262
    #[doc(alias = "SECURITY_SQOS_PRESENT")]
    pub fn security_qos_flags(&mut self, flags: u32) -> &mut ClientOptions {
        self.qos_flags = flags | SECURITY_SQOS_PRESENT;
        self
    }

    /// The namespace directory to look in, instead of the usual one. On Windows its path becomes a prefix of the name.
    pub fn root(&mut self, directory: impl Into<PathBuf>) -> &mut ClientOptions {
        self.root = Some(directory.into());
        self
    }

    /// How long calls that wait look for a change before they sleep, 20 µs at most by default; zero sleeps at once. No
    /// effect on Windows.
    ///
    /// Of calls that look in vain, one in 64 looks four times as long, to find out whether both ends could be awake.
    pub fn spin(&mut self, limit: Duration) -> &mut ClientOptions {
        self.spin = limit;
        self
    }

    /// Whether the client end can be passed on to other processes, by [`PipeClient::into_raw`]; not by default. It costs one more
    /// descriptor for each connection. Win32 equivalent: bInheritHandle; there every handle can be duplicated, and this has no effect.
    #[doc(alias = "bInheritHandle")]
    #[doc(alias = "HANDLE_FLAG_INHERIT")]
    pub fn shareable(&mut self, shareable: bool) -> &mut ClientOptions {
        self.shareable = shareable;
        self
    }

    /// Opens the pipe. Win32 equivalent: CreateFile with OPEN_EXISTING.
    ///
    /// # Errors
    /// * [`Status::ObjectNameNotFound`]: nobody serves the name; the detail says where was looked.
    /// * [`Status::PipeNotAvailable`]: all instances are busy, or the server has not answered for 10 s.
    /// * [`Status::IoTimeout`]: all instances were busy for the whole [`connect_timeout`](ClientOptions::connect_timeout).
    /// * [`Status::AccessDenied`]: by the access rules, or against the pipe's direction.
    /// * [`Status::InvalidParameter`]: message reads on a byte pipe, or unknown
    ///   [`security_qos_flags`](ClientOptions::security_qos_flags).
    /// * [`Status::ObjectNameInvalid`], [`Status::ObjectPathNotFound`]: not the name of a pipe.
    /// * [`Status::BadImpersonationLevel`]: this thread knows a client's identity and may not act on it; see
    ///   [`impersonation`](crate::impersonation).
    #[doc(alias = "CreateFile")]
    pub fn open(&self, name: impl AsRef<OsStr>) -> Result<PipeClient> {
        const OPERATION: &str = "open";
        let name = parse(name.as_ref(), NameUse::Open, OPERATION)?;
        let root = find_root(self.root.as_deref(), OPERATION)?;
        self.open_in(&root, &name)
    }

    pub(crate) fn open_in(&self, root: &Root, name: &PipeName) -> Result<PipeClient> {
        impersonation::require_acting().explain("open", name)?;
        let qos = SecurityQos::from_flags(self.qos_flags).map_err(|status| {
            let detail = "security_qos_flags takes SECURITY_ANONYMOUS to SECURITY_DELEGATION, SECURITY_CONTEXT_TRACKING and \
                          SECURITY_EFFECTIVE_ONLY";
            Error::new(status, "open").about(name).because(detail)
        })?;
        let wanted = Wanted {
            access: self.access,
            qos,
            mode: self.mode.into(),
            wait: if self.nowait { WaitMode::NoWait } else { WaitMode::Wait },
            max_spin: self.spin,
            is_shareable: self.shareable,
        };
        let start = Instant::now();
        loop {
            let left = self
                .connect_timeout
                .map(|timeout| timeout.saturating_sub(start.elapsed()));
            let busy = match connect::open(root, name, &wanted, left.unwrap_or(connect::ANSWER_TIME)) {
                Err(error) if error.status() == Status::PipeNotAvailable => error,
                other => return other.map(PipeClient::new),
            };
            let Some(timeout) = self.connect_timeout else {
                return Err(busy);
            };
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                let detail = busy.detail().unwrap_or("all instances stayed busy").to_owned();
                return Err(Error::new(Status::IoTimeout, "open").about(name).because(detail));
            }
            // Without a deadline where the time left ends after time itself.
            connect::wait(root, name, Some(left))?;
        }
    }
}
