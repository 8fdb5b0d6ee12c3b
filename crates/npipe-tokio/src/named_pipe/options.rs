//! How ends are made: tokio's builders, and what npipe has beyond them.
#![allow(
    unsafe_code,
    reason = "tokio's functions that take security attributes take them as pointers"
)]

use std::ffi::{OsStr, c_void};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use npipe::impersonation::ImpersonationLevel;
use npipe::{AccessRules, SecurityDescriptor};

use super::{NamedPipeClient, NamedPipeServer, PipeMode};

/// A task that looks for its peer keeps its thread from others that long at most.
const SPIN: Duration = Duration::from_micros(5);

/// What a pointer to security attributes points to.
#[repr(C)]
struct SecurityAttributes {
    length: u32,
    descriptor: *const c_void,
    inherit: i32,
}

/// What security attributes ask for.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// bInheritHandle.
    inherit: bool,
    /// There is a security descriptor.
    descriptor: bool,
}

/// # Safety
/// `attributes` is null, or points to SECURITY_ATTRIBUTES.
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput): they say of themselves that they are too short.
unsafe fn asked_by(attributes: *mut c_void) -> io::Result<Asked> {
    let attributes = attributes.cast::<SecurityAttributes>();
    // SAFETY: as the caller vouches for.
    let Some(attributes) = (unsafe { attributes.as_ref() }) else {
        return Ok(Asked::default());
    };
    if (attributes.length as usize) < size_of::<SecurityAttributes>() {
        let text = "nLength is smaller than SECURITY_ATTRIBUTES";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(Asked {
        inherit: attributes.inherit != 0,
        descriptor: !attributes.descriptor.is_null(),
    })
}

/// How a server makes an instance. Win32 equivalent: the arguments of CreateNamedPipe.
///
/// By default a duplex byte pipe of any number of instances with quotas of 64 KiB.
#[doc(alias = "CreateNamedPipe")]
#[derive(Clone, Debug)]
pub struct ServerOptions(npipe::ServerOptions);

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions::new()
    }
}

/// Setters by their names, arguments and docs, for a builder around one of npipe's with setters of the same names.
macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($argument:ident: $of:ty);)+) => {
        $(
            $(#[$doc])*
            pub fn $name(&mut self, $argument: $of) -> &mut Self {
                self.0.$name($argument.into());
                self
            }
        )+
    };
}

impl ServerOptions {
    /// The defaults.
    pub fn new() -> ServerOptions {
        let mut options = npipe::ServerOptions::new();
        options.spin(SPIN);
        ServerOptions(options)
    }

    forward! {
        /// Bytes or messages; fixed for the name by its first instance. The server of a message pipe reads messages too.
        /// Win32 equivalent: PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE.
        #[doc(alias = "PIPE_TYPE_MESSAGE")]
        pipe_mode(pipe_mode: PipeMode);
        /// Whether data may flow from client to server. Win32 equivalent: PIPE_ACCESS_INBOUND.
        #[doc(alias = "PIPE_ACCESS_INBOUND")]
        access_inbound(allowed: bool);
        /// Whether data may flow from server to client. Win32 equivalent: PIPE_ACCESS_OUTBOUND.
        #[doc(alias = "PIPE_ACCESS_OUTBOUND")]
        access_outbound(allowed: bool);
        /// Fail with [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the name exists. Win32 equivalent:
        /// FILE_FLAG_FIRST_PIPE_INSTANCE.
        #[doc(alias = "FILE_FLAG_FIRST_PIPE_INSTANCE")]
        first_pipe_instance(first: bool);
        /// Accepted for the sake of programs that set it: there are no remote clients. Win32 equivalent:
        /// PIPE_REJECT_REMOTE_CLIENTS.
        #[doc(alias = "PIPE_REJECT_REMOTE_CLIENTS")]
        reject_remote_clients(reject: bool);
        /// Bytes from server to client that may be unread before a write waits. Win32 equivalent: nOutBufferSize.
        #[doc(alias = "nOutBufferSize")]
        out_buffer_size(buffer: u32);
        /// Bytes from client to server that may be unread before a write waits. Win32 equivalent: nInBufferSize.
        #[doc(alias = "nInBufferSize")]
        in_buffer_size(buffer: u32);
        /// How the server end reads, if not as the pipe carries; beyond tokio. Win32 equivalent: PIPE_READMODE_MESSAGE.
        #[doc(alias = "PIPE_READMODE_MESSAGE")]
        read_mode(read_mode: PipeMode);
        /// How long a client waits for an instance that does not say how long; beyond tokio. Win32 equivalent:
        /// nDefaultTimeOut.
        #[doc(alias = "nDefaultTimeOut")]
        default_timeout(timeout: Duration);
        /// Whether this end may change who may open the pipe. Win32 equivalent: WRITE_DAC.
        #[doc(alias = "WRITE_DAC")]
        write_dac(requested: bool);
        /// Whether this end may change the pipe's owner; the same bit as [`first_pipe_instance`](Self::first_pipe_instance).
        /// Win32 equivalent: WRITE_OWNER.
        #[doc(alias = "WRITE_OWNER")]
        write_owner(requested: bool);
        /// Whether this end may see and change what is logged of the pipe; the superuser's alone. Win32 equivalent:
        /// ACCESS_SYSTEM_SECURITY.
        #[doc(alias = "ACCESS_SYSTEM_SECURITY")]
        access_system_security(requested: bool);
        /// Who may open the pipe, as Windows says it; beyond tokio. Win32 equivalent: lpSecurityDescriptor.
        #[doc(alias = "lpSecurityDescriptor")]
        security_descriptor(descriptor: SecurityDescriptor);
        /// Who may open the pipe, its owner alone by default; beyond tokio. Win32 equivalent: the security descriptor.
        #[doc(alias = "SECURITY_ATTRIBUTES")]
        access_rules(rules: AccessRules);
        /// How long a task looks for an answer before it sleeps, 5 µs at most by default; zero sleeps at once; beyond
        /// tokio.
        spin(limit: Duration);
        /// Whether the server end can be passed on to other processes; beyond tokio. See [`npipe::ServerOptions::shareable`].
        #[doc(alias = "bInheritHandle")]
        shareable(shareable: bool);
    }

    /// The namespace directory to serve in, instead of the usual one; beyond tokio.
    pub fn root(&mut self, directory: impl Into<PathBuf>) -> &mut Self {
        self.0.root(directory);
        self
    }

    /// How many instances there may be, any number by default. Win32 equivalent: nMaxInstances.
    ///
    /// # Panics
    /// At 255 and above.
    #[doc(alias = "nMaxInstances")]
    #[track_caller]
    pub fn max_instances(&mut self, instances: usize) -> &mut Self {
        assert!(instances < 255, "cannot specify more than 254 instances");
        self.0.max_instances(instances);
        self
    }

    /// Creates an instance, which listens from now on. Win32 equivalent: CreateNamedPipe.
    ///
    /// # Errors
    /// As [`npipe::ServerOptions::create`]: 231 when the maximum is reached;
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) when the name exists and this was to be the first.
    #[doc(alias = "CreateNamedPipe")]
    pub fn create(&self, addr: impl AsRef<OsStr>) -> io::Result<NamedPipeServer> {
        Ok(self.0.create(addr)?.into())
    }

    /// The same with security attributes, or none if `attrs` is null: a descriptor in them is refused, and bInheritHandle
    /// makes the end [`shareable`](Self::shareable).
    ///
    /// # Safety
    /// `attrs` is null, or points to SECURITY_ATTRIBUTES as Windows has them.
    ///
    /// # Errors
    /// As [`create`](Self::create), and [`Unsupported`](io::ErrorKind::Unsupported): there is a security descriptor.
    #[doc(alias = "SECURITY_ATTRIBUTES")]
    pub unsafe fn create_with_security_attributes_raw(
        &self,
        addr: impl AsRef<OsStr>,
        attrs: *mut c_void,
    ) -> io::Result<NamedPipeServer> {
        // SAFETY: as the caller vouches for.
        let asked = unsafe { asked_by(attrs) }?;
        if asked.descriptor {
            let text =
                "a security descriptor is not taken from a pointer: give it to ServerOptions::security_descriptor";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let mut options = self.clone();
        if asked.inherit {
            options.shareable(true);
        }
        options.create(addr)
    }
}

/// How a client opens a pipe. Win32 equivalent: the arguments of CreateFile.
///
/// By default for reading and writing, in byte-read mode.
#[doc(alias = "CreateFile")]
#[derive(Clone, Debug)]
pub struct ClientOptions(npipe::ClientOptions);

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions::new()
    }
}

impl ClientOptions {
    /// The defaults.
    pub fn new() -> ClientOptions {
        let mut options = npipe::ClientOptions::new();
        options
            .spin(SPIN)
            .impersonation_level(ImpersonationLevel::Identification);
        ClientOptions(options)
    }

    forward! {
        /// Whether the client reads. Win32 equivalent: GENERIC_READ.
        #[doc(alias = "GENERIC_READ")]
        read(allowed: bool);
        /// Whether the client writes. Win32 equivalent: GENERIC_WRITE.
        #[doc(alias = "GENERIC_WRITE")]
        write(allowed: bool);
        /// How the client end reads, bytes by default whatever the pipe is. Win32 equivalent: SetNamedPipeHandleState.
        #[doc(alias = "SetNamedPipeHandleState")]
        pipe_mode(pipe_mode: PipeMode);
        /// How far the server may act as this client: it may know who it is, by default, as with tokio. See
        /// [`npipe::ClientOptions::security_qos_flags`]. Win32 equivalent: SECURITY_SQOS_PRESENT and the flags that go with it.
        #[doc(alias = "SECURITY_SQOS_PRESENT")]
        security_qos_flags(flags: u32);
        /// How long a task looks for an answer before it sleeps, 5 µs at most by default; zero sleeps at once; beyond
        /// tokio.
        spin(limit: Duration);
        /// Whether the client end can be passed on to other processes; beyond tokio. See [`npipe::ClientOptions::shareable`].
        #[doc(alias = "bInheritHandle")]
        shareable(shareable: bool);
    }

    /// The namespace directory to look in, instead of the usual one; beyond tokio.
    pub fn root(&mut self, directory: impl Into<PathBuf>) -> &mut Self {
        self.0.root(directory);
        self
    }

    /// Opens the pipe; fails at once when all instances are busy. Win32 equivalent: CreateFile with OPEN_EXISTING.
    ///
    /// The server's process answers without delay, whatever its tasks do. While it is stopped, this blocks for 10 s.
    ///
    /// # Errors
    /// As [`npipe::ClientOptions::open`]: [`NotFound`](io::ErrorKind::NotFound) (2) when nobody serves the name, 231 when
    /// all instances are busy.
    #[doc(alias = "CreateFile")]
    pub fn open(&self, addr: impl AsRef<OsStr>) -> io::Result<NamedPipeClient> {
        Ok(self.0.open(addr)?.into())
    }

    /// The same with security attributes, or none if `attrs` is null: bInheritHandle makes the end [`shareable`](Self::shareable),
    /// and a descriptor is ignored, as on Windows where something is there already.
    ///
    /// # Safety
    /// `attrs` is null, or points to SECURITY_ATTRIBUTES as Windows has them.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`InvalidInput`](io::ErrorKind::InvalidInput): `nLength` is too small.
    #[doc(alias = "SECURITY_ATTRIBUTES")]
    pub unsafe fn open_with_security_attributes_raw(
        &self,
        addr: impl AsRef<OsStr>,
        attrs: *mut c_void,
    ) -> io::Result<NamedPipeClient> {
        // SAFETY: as the caller vouches for.
        let asked = unsafe { asked_by(attrs) }?;
        let mut options = self.clone();
        if asked.inherit {
            options.shareable(true);
        }
        options.open(addr)
    }
}
