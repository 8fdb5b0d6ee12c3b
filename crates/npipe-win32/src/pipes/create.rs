//! CreateNamedPipe, CreatePipe and the client's side of CreateFile.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use npipe::{Access, ClientOptions, Direction, PipeMode, ServerOptions};

use super::anonymous;
use super::{PipeEnd, Side};
use crate::failure::{Failure, Outcome, set_last_error};
use crate::handles;
use crate::object::Object;
use crate::pointers::{Ansi, In, Out, WideText};
use crate::sanitizer::Channel;
use crate::security::memory;
use crate::text::Words;
use crate::types::{
    ACCESS_SYSTEM_SECURITY, Bool, FALSE, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_FLAG_WRITE_THROUGH,
    Handle, INVALID_HANDLE_VALUE, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND, PIPE_NOWAIT, PIPE_READMODE_MESSAGE,
    PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_MESSAGE, PIPE_UNLIMITED_INSTANCES, SECURITY_ATTRIBUTES, TRUE, WRITE_DAC,
    code,
};

const SECURITY_SQOS_PRESENT: u32 = 0x0010_0000;
const SECURITY_VALID_SQOS_FLAGS: u32 = 0x001f_0000;

/// The arguments of CreateNamedPipe that are not texts.
#[derive(Clone, Copy)]
struct Wanted {
    open_mode: u32,
    pipe_mode: u32,
    instances: u32,
    out_size: u32,
    in_size: u32,
    timeout_ms: u32,
    attributes: In<SECURITY_ATTRIBUTES>,
}

/// What the bits of dwOpenMode may be.
const OPEN_MODES: u32 = PIPE_ACCESS_INBOUND
    | PIPE_ACCESS_OUTBOUND
    | FILE_FLAG_FIRST_PIPE_INSTANCE
    | FILE_FLAG_OVERLAPPED
    | FILE_FLAG_WRITE_THROUGH
    | WRITE_DAC
    | ACCESS_SYSTEM_SECURITY;

const PIPE_MODES: u32 = PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_NOWAIT | PIPE_REJECT_REMOTE_CLIENTS;

impl Wanted {
    // semantics 19-22
    fn check(&self) -> Outcome<Direction> {
        let invalid = Failure(code::INVALID_PARAMETER);
        if self.open_mode & !OPEN_MODES != 0 || self.pipe_mode & !PIPE_MODES != 0 {
            return Err(invalid);
        }
        if self.instances == 0 || self.instances > PIPE_UNLIMITED_INSTANCES {
            return Err(invalid);
        }
        match (
            self.open_mode & PIPE_ACCESS_INBOUND,
            self.open_mode & PIPE_ACCESS_OUTBOUND,
        ) {
            (0, 0) => Err(invalid),
            (0, _) => Ok(Direction::Outbound),
            (_, 0) => Ok(Direction::Inbound),
            _ => Ok(Direction::Duplex),
        }
    }

    fn create(self, name: &OsStr) -> Outcome<Handle> {
        if name.is_empty() {
            // The name comes before the rest (semantics 10).
            return Err(Failure(code::PATH_NOT_FOUND));
        }
        let direction = self.check()?;
        let attributes = self.attributes.get();
        // semantics 264: without one, or with one that leaves something out, it is Windows' default.
        let descriptor = attributes.and_then(|attributes| attributes.lpSecurityDescriptor.present());
        let descriptor = descriptor.map(memory::descriptor).transpose()?.unwrap_or_default();
        let pipe_mode = |bit| match self.pipe_mode & bit {
            0 => PipeMode::Byte,
            _ => PipeMode::Message,
        };
        let mut options = ServerOptions::new();
        options
            .pipe_mode(pipe_mode(PIPE_TYPE_MESSAGE))
            .read_mode(pipe_mode(PIPE_READMODE_MESSAGE))
            .nowait(self.pipe_mode & PIPE_NOWAIT != 0)
            .access_inbound(direction.to_server())
            .access_outbound(direction.to_client())
            .security_descriptor(descriptor)
            .first_pipe_instance(self.open_mode & FILE_FLAG_FIRST_PIPE_INSTANCE != 0)
            .write_dac(self.open_mode & WRITE_DAC != 0)
            .access_system_security(self.open_mode & ACCESS_SYSTEM_SECURITY != 0)
            .out_buffer_size(self.out_size)
            .in_buffer_size(self.in_size)
            // A handle may be marked inheritable at any time.
            .shareable(true)
            .default_timeout(Duration::from_millis(self.timeout_ms.into()));
        if self.instances < PIPE_UNLIMITED_INSTANCES {
            options.max_instances(self.instances as usize);
        }
        let channel = Channel::of_name(name);
        channel.release();
        let server = options.create(name)?;
        let access = server.access();
        let overlapped = self.open_mode & FILE_FLAG_OVERLAPPED != 0;
        let end = PipeEnd::new(Side::Server(server), overlapped, channel);
        // semantics 41
        let inherit = attributes.is_some_and(|attributes| attributes.bInheritHandle != FALSE);
        let handle = insert(end, access, inherit)?;
        // As Windows does.
        set_last_error(code::SUCCESS);
        Ok(handle)
    }
}

fn insert(end: Arc<PipeEnd>, access: Access, inherit: bool) -> Outcome<Handle> {
    handles::insert(Object::Pipe(end), access, inherit)
}

/// The client's side of CreateFile.
pub(crate) fn open(name: &OsStr, desired: u32, inherit: bool, flags: u32) -> Outcome<Handle> {
    let asked = Access::from_win32(desired);
    let channel = Channel::of_name(name);
    channel.release();
    let mut options = ClientOptions::new();
    options.access(asked).shareable(true);
    // semantics 262
    if flags & SECURITY_SQOS_PRESENT != 0 {
        options.security_qos_flags(flags & SECURITY_VALID_SQOS_FLAGS);
    }
    let client = options.open(name)?;
    // semantics 53
    let access = client.access();
    // semantics 59
    let end = PipeEnd::new(Side::Client(client), flags & FILE_FLAG_OVERLAPPED != 0, channel);
    let handle = insert(end, access, inherit)?;
    super::local::settle();
    Ok(handle)
}

/// Whether a path is that of a pipe, or of the place where all pipes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pipe,
    PipeDevice,
    /// What else lies behind `\\.\` or `\\?\`, or on another computer.
    Device,
    Ordinary,
}

/// What a path leads to.
pub(crate) fn kind_of(path: &OsStr) -> Kind {
    let bytes: Vec<u8> = path
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'/' => b'\\',
            other => other.to_ascii_lowercase(),
        })
        .collect();
    let rest = match bytes.strip_prefix(br"\\.\").or_else(|| bytes.strip_prefix(br"\\?\")) {
        Some(rest) => rest,
        // Two slashes begin an ordinary path; two backslashes name another computer, of which npipe knows no pipes.
        None if path.as_bytes().starts_with(br"\\") => {
            return if bytes.windows(6).any(|part| part == br"\pipe\") {
                Kind::Pipe
            } else {
                Kind::Device
            };
        }
        None => return Kind::Ordinary,
    };
    match rest {
        b"pipe" | br"pipe\" => Kind::PipeDevice,
        _ if rest.starts_with(br"pipe\") || rest.starts_with(br"unc\") => Kind::Pipe,
        _ => Kind::Device,
    }
}

/// Rights to data in one direction and to both attributes, as the ends of an anonymous pipe have them.
// semantics 255
const READ_END: Access = Access {
    write_attributes: true,
    ..Access::READ
};
const WRITE_END: Access = Access {
    read_attributes: true,
    ..Access::WRITE
};

/// A standard stream that is an end of the system's pipe, as the object that it is on Windows. Input is read from.
// semantics 260
pub(crate) fn stream_of_pipe(fd: BorrowedFd<'_>, stream: usize) -> Option<(Object, Access)> {
    let fd = fd.try_clone_to_owned().ok()?;
    let (end, access) = match stream {
        0 => (anonymous::AnonymousEnd::reader(fd, 0), READ_END),
        _ => (anonymous::AnonymousEnd::writer(fd, 0), WRITE_END),
    };
    Some((Object::Anonymous(Arc::new(end.ok()?)), access))
}

crate::export! {
    /// CreateNamedPipeA.
    ///
    /// # Errors
    /// ERROR_INVALID_NAME, ERROR_PATH_NOT_FOUND (no name), ERROR_INVALID_PARAMETER, ERROR_PIPE_BUSY (the limit),
    /// ERROR_ACCESS_DENIED (exists, has another direction, or an access list without FILE_CREATE_PIPE_INSTANCE for the caller);
    /// ERROR_UNKNOWN_REVISION, ERROR_INVALID_SECURITY_DESCR, ERROR_INVALID_ACL, ERROR_INVALID_SID, ERROR_INVALID_OWNER, ERROR_NOT_SUPPORTED,
    /// ERROR_CALL_NOT_IMPLEMENTED for a security descriptor that makes no sense here.
    fn CreateNamedPipeA(
        name: Ansi<'_>,
        open_mode: u32,
        pipe_mode: u32,
        instances: u32,
        out_size: u32,
        in_size: u32,
        timeout_ms: u32,
        attributes: In<SECURITY_ATTRIBUTES>,
    ) -> Handle [INVALID_HANDLE_VALUE] {
        Wanted { open_mode, pipe_mode, instances, out_size, in_size, timeout_ms, attributes }.create(&name.path())
    }

    /// CreateNamedPipeW.
    ///
    /// # Errors
    /// As CreateNamedPipeA.
    fn CreateNamedPipeW(
        name: WideText<'_>,
        open_mode: u32,
        pipe_mode: u32,
        instances: u32,
        out_size: u32,
        in_size: u32,
        timeout_ms: u32,
        attributes: In<SECURITY_ATTRIBUTES>,
    ) -> Handle [INVALID_HANDLE_VALUE] {
        Wanted { open_mode, pipe_mode, instances, out_size, in_size, timeout_ms, attributes }.create(&name.path())
    }

    /// CreatePipe: the system's own pipe, so that children can have its ends as standard streams.
    ///
    /// # Errors
    /// ERROR_TOO_MANY_OPEN_FILES; ERROR_NOACCESS for NULL.
    // semantics 253-257
    fn CreatePipe(
        read: Out<Handle>,
        write: Out<Handle>,
        attributes: In<SECURITY_ATTRIBUTES>,
        size: u32,
    ) -> Bool [FALSE] {
        if read.is_null() || write.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        let inherit = attributes.get().is_some_and(|attributes| attributes.bInheritHandle != FALSE);
        let (reader, writer) = anonymous::pipe(size)?;
        let reader = Object::Anonymous(Arc::new(reader));
        let reader = handles::insert(reader, READ_END, inherit)?;
        let writer = Object::Anonymous(Arc::new(writer));
        let writer = handles::insert(writer, WRITE_END, inherit).inspect_err(|_| {
            let _ = handles::close(reader);
        })?;
        read.set(reader);
        write.set(writer);
        Ok(TRUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 1, 3, 18
    #[test]
    fn paths_of_pipes_are_told_from_others() {
        let kind = |path: &str| kind_of(OsStr::new(path));
        for path in [
            r"\\.\pipe\x",
            r"\\.\PIPE\x",
            "//./pipe/x",
            r"\\?\pipe\x",
            r"\\server\pipe\x",
        ] {
            assert_eq!(kind(path), Kind::Pipe, "{path}");
        }
        for path in [r"\\.\pipe", r"\\.\pipe\", "//./Pipe/"] {
            assert_eq!(kind(path), Kind::PipeDevice, "{path}");
        }
        for path in ["", "x", "/tmp/x", "//tmp/pipe/x", r"C:\pipe\x", r"\x"] {
            assert_eq!(kind(path), Kind::Ordinary, "{path}");
        }
        assert_eq!(kind(r"\\.\NUL"), Kind::Device);
        assert_eq!(kind(r"\\.\pipes\x"), Kind::Device);
    }
}
