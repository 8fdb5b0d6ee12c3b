//! Every way in which an operation on a pipe can end other than plain success.
//!
//! One row of one table describes each: the NT status, the Win32 code, the Linux
//! errno, the `std::io::ErrorKind`, whom to blame, what it means and what to do.
//! The library speaks in [`Status`] throughout; each surface translates at its edge.
//!
//! Win32 folds several NT statuses into one code. [`Status::from_win32`] gives the
//! first row with that code, which is therefore the most common of them.
//! Statuses that NT does not know are written in its own way of wrapping a Win32
//! code: `0xC007` followed by the code.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

/// Who has to act when an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The system refused something that is needed.
    System,
    /// The process at the other end broke the protocol.
    Peer,
    /// The caller asked for something that can never work.
    Misuse,
    /// Nobody: the pipe is in a state in which this cannot be done now.
    State,
}

struct Row {
    status: Status,
    ntstatus: u32,
    name: &'static str,
    win32: u32,
    win32_name: &'static str,
    errno: i32,
    kind: ErrorKind,
    blame: Blame,
    meaning: &'static str,
    hint: &'static str,
}

macro_rules! statuses {
    ($(
        $status:ident = $ntstatus:literal $name:literal, $win32:literal $win32_name:literal,
        $errno:ident, $kind:ident, $blame:ident, $meaning:literal, $hint:literal;
    )+) => {
        /// How an operation ended, by its NT name.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Status {
            $(
                #[doc = $meaning]
                #[doc = ""]
                #[doc = $hint]
                #[doc(alias = $name)]
                #[doc(alias = $win32_name)]
                $status,
            )+
        }

        // In the order of the enum, so that a status is the index of its row.
        const TABLE: &[Row] = &[
            $(Row {
                status: Status::$status,
                ntstatus: $ntstatus,
                name: $name,
                win32: $win32,
                win32_name: $win32_name,
                errno: errno::$errno,
                kind: ErrorKind::$kind,
                blame: Blame::$blame,
                meaning: $meaning,
                hint: $hint,
            },)+
        ];
    };
}

/// Linux error numbers, the same on every architecture that Linux calls generic.
mod errno {
    pub(super) const EPERM: i32 = 1;
    pub(super) const ENOENT: i32 = 2;
    pub(super) const EIO: i32 = 5;
    pub(super) const EBADF: i32 = 9;
    pub(super) const EAGAIN: i32 = 11;
    pub(super) const ENOMEM: i32 = 12;
    pub(super) const EACCES: i32 = 13;
    pub(super) const EBUSY: i32 = 16;
    pub(super) const EINVAL: i32 = 22;
    pub(super) const EMFILE: i32 = 24;
    pub(super) const EPIPE: i32 = 32;
    pub(super) const EPROTO: i32 = 71;
    pub(super) const EBADFD: i32 = 77;
    pub(super) const EMSGSIZE: i32 = 90;
    pub(super) const EOPNOTSUPP: i32 = 95;
    pub(super) const EISCONN: i32 = 106;
    pub(super) const ENOTCONN: i32 = 107;
    pub(super) const ETIMEDOUT: i32 = 110;
    pub(super) const EINPROGRESS: i32 = 115;
    pub(super) const ECANCELED: i32 = 125;
}

statuses! {
    PipeBroken = 0xC000_014B "STATUS_PIPE_BROKEN", 109 "ERROR_BROKEN_PIPE",
        EPIPE, BrokenPipe, State,
        "The other end was closed and everything it had written has been read.",
        "This is the end of the data; close this end, or disconnect and connect again if you are the server.";
    IoTimeout = 0xC000_00B5 "STATUS_IO_TIMEOUT", 121 "ERROR_SEM_TIMEOUT",
        ETIMEDOUT, TimedOut, State,
        "The time-out passed before the operation could finish.",
        "Try again, allow more time, or see whether the other side still answers.";
    InvalidPipeState = 0xC000_00AD "STATUS_INVALID_PIPE_STATE", 230 "ERROR_BAD_PIPE",
        EBADFD, NotConnected, State,
        "The pipe is not in a state in which this operation makes sense.",
        "Peek and transact need a connected client that has not closed its end.";
    InvalidReadMode = 0xC000_00B4 "STATUS_INVALID_READ_MODE", 230 "ERROR_BAD_PIPE",
        EINVAL, InvalidInput, Misuse,
        "This end does not read by messages, which the operation needs.",
        "Create the pipe with message type and set this end's read mode to message first.";
    PipeNotAvailable = 0xC000_00AC "STATUS_PIPE_NOT_AVAILABLE", 231 "ERROR_PIPE_BUSY",
        EBUSY, ResourceBusy, State,
        "The pipe exists, but none of its instances is listening for a client.",
        "Wait for the pipe and open it again, or let the server create more instances.";
    InstanceNotAvailable = 0xC000_00AB "STATUS_INSTANCE_NOT_AVAILABLE", 231 "ERROR_PIPE_BUSY",
        EBUSY, ResourceBusy, State,
        "The pipe already has as many instances as its first one allowed.",
        "Close an instance first, or create the first instance with a higher maximum.";
    PipeBusy = 0xC000_00AE "STATUS_PIPE_BUSY", 231 "ERROR_PIPE_BUSY",
        EBUSY, ResourceBusy, State,
        "The pipe holds unread data or unfinished operations, and this one needs it idle.",
        "Read what is waiting, or let pending operations finish, before trying again.";
    PipeClosing = 0xC000_00B1 "STATUS_PIPE_CLOSING", 232 "ERROR_NO_DATA",
        EPIPE, BrokenPipe, State,
        "The other end was closed, so nobody will read what is written.",
        "Read what it left behind, then close this end, or disconnect if you are the server.";
    PipeEmpty = 0xC000_00D9 "STATUS_PIPE_EMPTY", 232 "ERROR_NO_DATA",
        EAGAIN, WouldBlock, State,
        "There is nothing to read, and this end does not wait.",
        "Try again later, or set this end to blocking mode.";
    PipeDisconnected = 0xC000_00B0 "STATUS_PIPE_DISCONNECTED", 233 "ERROR_PIPE_NOT_CONNECTED",
        ENOTCONN, NotConnected, State,
        "The server has disconnected this instance; unread data was discarded.",
        "A client closes its end and opens the pipe again; a server connects again.";
    BufferOverflow = 0x8000_0005 "STATUS_BUFFER_OVERFLOW", 234 "ERROR_MORE_DATA",
        EMSGSIZE, Other, State,
        "The message is longer than the buffer; the buffer holds its beginning.",
        "Read again to get the rest of the same message.";
    PipeConnected = 0xC000_00B2 "STATUS_PIPE_CONNECTED", 535 "ERROR_PIPE_CONNECTED",
        EISCONN, Other, State,
        "A client is already connected to this instance.",
        "Nothing went wrong: go on as if connecting had just succeeded.";
    PipeListening = 0xC000_00B3 "STATUS_PIPE_LISTENING", 536 "ERROR_PIPE_LISTENING",
        ENOTCONN, NotConnected, State,
        "The instance is listening and no client has opened it yet.",
        "Wait for a client by connecting in blocking mode, or try again later.";
    Cancelled = 0xC000_0120 "STATUS_CANCELLED", 995 "ERROR_OPERATION_ABORTED",
        ECANCELED, Other, State,
        "The operation was cancelled before it finished.",
        "Somebody asked for this, or the thread that had started it ended; start it again if it is still wanted.";
    IoIncomplete = 0xC007_03E4 "STATUS_IO_INCOMPLETE", 996 "ERROR_IO_INCOMPLETE",
        EAGAIN, WouldBlock, State,
        "The operation has not finished yet, and its result was asked for without waiting.",
        "Ask again later, or wait for the result.";
    Pending = 0x0000_0103 "STATUS_PENDING", 997 "ERROR_IO_PENDING",
        EINPROGRESS, WouldBlock, State,
        "The operation was started and will finish later.",
        "Wait for it to finish; its buffers must stay in place until then.";
    IllegalFunction = 0xC000_00AF "STATUS_ILLEGAL_FUNCTION", 1 "ERROR_INVALID_FUNCTION",
        EINVAL, InvalidInput, Misuse,
        "The operation belongs to the other end of the pipe.",
        "Only a server connects, disconnects and impersonates.";
    ObjectNameNotFound = 0xC000_0034 "STATUS_OBJECT_NAME_NOT_FOUND", 2 "ERROR_FILE_NOT_FOUND",
        ENOENT, NotFound, State,
        "No pipe of this name exists.",
        "Check the spelling, and that the server is running and uses the same namespace directory.";
    ObjectPathNotFound = 0xC000_003A "STATUS_OBJECT_PATH_NOT_FOUND", 3 "ERROR_PATH_NOT_FOUND",
        ENOENT, NotFound, Misuse,
        "The name is empty.",
        "Give a name such as \\\\.\\pipe\\NAME.";
    TooManyOpenedFiles = 0xC000_011F "STATUS_TOO_MANY_OPENED_FILES", 4 "ERROR_TOO_MANY_OPEN_FILES",
        EMFILE, Other, System,
        "The process or the system has no file descriptor left.",
        "Close ends that are no longer needed, or raise the limit (ulimit -n).";
    AccessDenied = 0xC000_0022 "STATUS_ACCESS_DENIED", 5 "ERROR_ACCESS_DENIED",
        EACCES, PermissionDenied, Misuse,
        "The pipe's direction, its access rules or the rights of this end do not allow this.",
        "Compare the pipe's direction and access rules with what was asked for; creating fails so if the name exists with another direction or must be new.";
    InvalidHandle = 0xC000_0008 "STATUS_INVALID_HANDLE", 6 "ERROR_INVALID_HANDLE",
        EBADF, InvalidInput, Misuse,
        "The handle is closed, was never opened, or is not a pipe.",
        "Look for a handle that is closed twice, used after closing, or used in a forked child.";
    SystemError = 0xC000_0001 "STATUS_UNSUCCESSFUL", 31 "ERROR_GEN_FAILURE",
        EIO, Other, System,
        "The operating system refused something that the operation needs.",
        "The source of this error holds the system's own message.";
    NotSupported = 0xC000_00BB "STATUS_NOT_SUPPORTED", 50 "ERROR_NOT_SUPPORTED",
        EOPNOTSUPP, Unsupported, Misuse,
        "This is not supported here, as pipes on another computer are not yet.",
        "Use a pipe of this computer: \\\\.\\pipe\\NAME.";
    PeerMisbehaved = 0xC000_00C3 "STATUS_INVALID_NETWORK_RESPONSE", 58 "ERROR_BAD_NET_RESP",
        EPROTO, InvalidData, Peer,
        "The process at the other end broke the protocol, so its connection was closed.",
        "Find out which process it is; it is faulty, hostile, or uses an incompatible version.";
    InvalidParameter = 0xC000_000D "STATUS_INVALID_PARAMETER", 87 "ERROR_INVALID_PARAMETER",
        EINVAL, InvalidInput, Misuse,
        "An argument has a value that is never allowed, or not for this type of pipe.",
        "Instances must be 1 to 255, reading by messages needs a message-type pipe, and unknown mode bits are refused.";
    BufferTooSmall = 0xC000_0023 "STATUS_BUFFER_TOO_SMALL", 122 "ERROR_INSUFFICIENT_BUFFER",
        EINVAL, InvalidInput, Misuse,
        "The place given for a result is missing or too small.",
        "Pass a buffer that is large enough.";
    ObjectNameInvalid = 0xC000_0033 "STATUS_OBJECT_NAME_INVALID", 123 "ERROR_INVALID_NAME",
        EINVAL, InvalidFilename, Misuse,
        "This is not a name that a pipe can have.",
        "Use \\\\.\\pipe\\NAME with at most 256 characters in all and no NUL.";
    ObjectPathSyntaxBad = 0xC000_003B "STATUS_OBJECT_PATH_SYNTAX_BAD", 161 "ERROR_BAD_PATHNAME",
        EINVAL, InvalidFilename, Misuse,
        "The path is not that of a pipe.",
        "Use \\\\.\\pipe\\NAME.";
    PipeLocal = 0xC007_00E5 "STATUS_PIPE_LOCAL", 229 "ERROR_PIPE_LOCAL",
        EOPNOTSUPP, Unsupported, State,
        "The client runs on this computer, so it has no remote computer name.",
        "Treat the client as local.";
    NotFound = 0xC000_0225 "STATUS_NOT_FOUND", 1168 "ERROR_NOT_FOUND",
        ENOENT, NotFound, State,
        "There is nothing of the kind that was asked for.",
        "No operation was left to cancel, or no client is connected to be asked about.";
    InvalidOwner = 0xC000_005A "STATUS_INVALID_OWNER", 1307 "ERROR_INVALID_OWNER",
        EPERM, PermissionDenied, Misuse,
        "This SID may not be made the owner.",
        "The owner can be the caller's user or one of its groups.";
    InvalidAcl = 0xC000_0077 "STATUS_INVALID_ACL", 1336 "ERROR_INVALID_ACL",
        EINVAL, InvalidInput, Misuse,
        "The access list is malformed, or holds a kind of entry that is not supported.",
        "Use entries that allow or deny, and an ACL that has room for them.";
    InvalidSid = 0xC000_0078 "STATUS_INVALID_SID", 1337 "ERROR_INVALID_SID",
        EINVAL, InvalidInput, Misuse,
        "This is not the SID of a user or group.",
        "A SID looks like S-1-5-32-544; that of a Unix user is S-1-22-1-UID, that of a group S-1-22-2-GID.";
    InvalidSecurityDescriptor = 0xC000_0079 "STATUS_INVALID_SECURITY_DESCR", 1338 "ERROR_INVALID_SECURITY_DESCR",
        EINVAL, InvalidInput, Misuse,
        "The security descriptor is malformed.",
        "Make it with InitializeSecurityDescriptor or from an SDDL string.";
    CannotImpersonate = 0xC000_010D "STATUS_CANNOT_IMPERSONATE", 1368 "ERROR_CANNOT_IMPERSONATE",
        EPERM, PermissionDenied, State,
        "The server has not read anything from this client yet, or has none, so it cannot act on its behalf.",
        "Read the client's request first.";
    BadImpersonationLevel = 0xC000_00A5 "STATUS_BAD_IMPERSONATION_LEVEL", 1346 "ERROR_BAD_IMPERSONATION_LEVEL",
        EPERM, PermissionDenied, State,
        "This thread knows a client's identity, but the client or the system does not let it act as the client.",
        "Stop impersonating first; to act as clients a server needs CAP_SETUID and CAP_SETGID, and clients that allow it.";
    CantOpenAnonymous = 0xC000_00A6 "STATUS_CANT_OPEN_ANONYMOUS", 1347 "ERROR_CANT_OPEN_ANONYMOUS",
        EPERM, PermissionDenied, State,
        "The client has opened the pipe anonymously, so its identity is not to be had.",
        "Let the client open the pipe at the level of identification or above.";
    InsufficientResources = 0xC000_009A "STATUS_INSUFFICIENT_RESOURCES", 1450 "ERROR_NO_SYSTEM_RESOURCES",
        ENOMEM, OutOfMemory, System,
        "There is not enough memory or address space.",
        "Use smaller quotas or fewer connections, or raise the limit.";
}

impl Status {
    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The NT status.
    pub const fn ntstatus(self) -> u32 {
        self.row().ntstatus
    }

    /// The name of the NT status, such as `STATUS_PIPE_BROKEN`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The Win32 error code.
    #[doc(alias = "GetLastError")]
    #[doc(alias = "RtlNtStatusToDosError")]
    pub const fn win32(self) -> u32 {
        self.row().win32
    }

    /// The name of the Win32 error code, such as `ERROR_BROKEN_PIPE`.
    pub const fn win32_name(self) -> &'static str {
        self.row().win32_name
    }

    /// The nearest Linux error number.
    pub const fn errno(self) -> i32 {
        self.row().errno
    }

    /// The nearest `std::io::ErrorKind`.
    ///
    /// Never `Interrupted`, on which the standard library starts an operation again.
    pub const fn kind(self) -> ErrorKind {
        self.row().kind
    }

    /// Who has to act.
    pub const fn blame(self) -> Blame {
        self.row().blame
    }

    /// What it means, in one sentence.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// What to do about it, in one sentence.
    pub const fn hint(self) -> &'static str {
        self.row().hint
    }

    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Status> {
        TABLE.iter().map(|row| row.status)
    }

    /// The most common status behind a Win32 code.
    pub fn from_win32(code: u32) -> Option<Status> {
        Status::all().find(|status| status.win32() == code)
    }

    /// The status with this NT number.
    pub fn from_ntstatus(number: u32) -> Option<Status> {
        Status::all().find(|status| status.ntstatus() == number)
    }

    /// The status with this NT or Win32 name, without regard to case.
    pub fn from_name(name: &str) -> Option<Status> {
        let matches = |other: &str| other.eq_ignore_ascii_case(name);
        Status::all()
            .find(|status| matches(status.name()))
            .or_else(|| Status::all().find(|status| matches(status.win32_name())))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning())
    }
}

impl Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    /// semantics, last section (error numbers and NT statuses)
    #[test]
    fn rows_are_unique_and_in_the_order_of_the_enum() {
        let mut numbers = HashSet::new();
        let mut names = HashSet::new();
        let mut meanings = HashSet::new();
        for (index, status) in Status::all().enumerate() {
            assert_eq!(status as usize, index);
            assert!(numbers.insert(status.ntstatus()), "{status:?}");
            assert!(names.insert(status.name()), "{status:?}");
            assert!(meanings.insert(status.meaning()), "{status:?}");
        }
    }

    /// semantics, last section (error numbers and NT statuses)
    #[test]
    fn one_win32_code_has_one_name() {
        let mut names = HashMap::new();
        let mut codes = HashMap::new();
        for status in Status::all() {
            let (code, name) = (status.win32(), status.win32_name());
            assert_eq!(*names.entry(code).or_insert(name), name);
            assert_eq!(*codes.entry(name).or_insert(code), code);
            assert!(name.starts_with("ERROR_") && status.name().starts_with("STATUS_"));
            if status.ntstatus() >> 16 == 0xC007 {
                assert_eq!(status.ntstatus() & 0xFFFF, code);
            }
        }
    }

    /// semantics, last section (error numbers and NT statuses)
    #[test]
    fn texts_are_one_sentence_and_kinds_never_ask_for_a_retry() {
        for status in Status::all() {
            for text in [status.meaning(), status.hint()] {
                assert!(text.ends_with('.') && !text.contains(". "), "{text}");
                assert!(text.starts_with(char::is_uppercase), "{text}");
            }
            assert_ne!(status.kind(), ErrorKind::Interrupted);
            assert_eq!(status.to_string(), status.meaning());
        }
    }

    /// What Rust makes of the error number is what the table says.
    ///
    /// semantics, last section (error numbers and NT statuses)
    #[cfg(target_os = "linux")]
    #[test]
    fn error_numbers_are_those_of_their_kinds() {
        let numbers: HashSet<i32> = Status::all().map(Status::errno).collect();
        assert!(numbers.len() > 10 && numbers.iter().all(|&errno| (1..=133).contains(&errno)));
        for (status, errno) in [
            (Status::ObjectNameNotFound, 2),
            (Status::AccessDenied, 13),
            (Status::InvalidParameter, 22),
            (Status::PipeClosing, 32),
        ] {
            assert_eq!(status.errno(), errno);
            assert_eq!(std::io::Error::from_raw_os_error(errno).kind(), status.kind());
        }
    }

    /// semantics, last section (error numbers and NT statuses)
    #[test]
    fn every_status_is_found_by_its_numbers_and_names() {
        for status in Status::all() {
            assert_eq!(Status::from_ntstatus(status.ntstatus()), Some(status));
            assert_eq!(Status::from_name(status.name()), Some(status));
            assert_eq!(Status::from_name(&status.name().to_lowercase()), Some(status));
            let by_code = Status::from_win32(status.win32()).unwrap();
            assert_eq!(by_code.win32(), status.win32());
            assert_eq!(Status::from_name(status.win32_name()), Some(by_code));
        }
        assert_eq!(Status::from_win32(0), None);
        assert_eq!(Status::from_ntstatus(0), None);
        assert_eq!(Status::from_name("ERROR_SUCCESS"), None);
    }

    /// semantics, last section (error numbers and NT statuses)
    #[test]
    fn codes_that_stand_for_several_statuses_give_the_common_one() {
        assert_eq!(Status::from_win32(230), Some(Status::InvalidPipeState));
        assert_eq!(Status::from_win32(231), Some(Status::PipeNotAvailable));
        assert_eq!(Status::from_win32(232), Some(Status::PipeClosing));
    }
}
