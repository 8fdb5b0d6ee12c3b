//! What goes wrong, in one type.
//!
//! An [`Error`] is a [`Status`] of the one table, the operation that failed, the pipe it was about, and what else is known.
//! It converts into [`std::io::Error`] so that programs which match on `raw_os_error()` as on Windows go on doing so where
//! that is possible (see the conversion).

use std::borrow::Cow;
use std::fmt;
use std::io;

use npipe_core::security::SecurityError;
use npipe_core::{PipeName, Status};

use crate::sys::SysError;

/// The result of an operation on pipes.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation. Win32 equivalent: the last error.
#[doc(alias = "GetLastError")]
pub struct Error(Box<Inner>);

struct Inner {
    status: Status,
    operation: &'static str,
    name: Option<PipeName>,
    detail: Option<Cow<'static, str>>,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(status: Status, operation: &'static str) -> Error {
        Error(Box::new(Inner {
            status,
            operation,
            name: None,
            detail: None,
            source: None,
        }))
    }

    pub(crate) fn about(mut self, name: &PipeName) -> Error {
        self.0.name = Some(name.clone());
        self
    }

    pub(crate) fn because(mut self, detail: impl Into<Cow<'static, str>>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    #[cfg(not(windows))]
    pub(crate) fn with_status(mut self, status: Status) -> Error {
        self.0.status = status;
        self
    }

    /// A refusal by the system.
    pub(crate) fn from_sys(error: SysError, operation: &'static str) -> Error {
        let status = match error.kind() {
            io::ErrorKind::PermissionDenied => Status::AccessDenied,
            io::ErrorKind::NotFound => Status::ObjectPathNotFound,
            io::ErrorKind::TimedOut => Status::IoTimeout,
            io::ErrorKind::OutOfMemory => Status::InsufficientResources,
            io::ErrorKind::InvalidData => Status::PeerMisbehaved,
            _ if error.is_descriptor_shortage() => Status::TooManyOpenedFiles,
            _ => Status::SystemError,
        };
        let mut made = Error::new(status, operation).because(error.to_string());
        made.0.source = Some(error.into_source());
        made
    }

    /// A descriptor that cannot be.
    pub(crate) fn from_security(error: &SecurityError, operation: &'static str) -> Error {
        Error::new(error.status(), operation).because(error.to_string())
    }

    /// The NT status.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// The operation that failed, such as `"open"`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The pipe it was about.
    pub fn name(&self) -> Option<&PipeName> {
        self.0.name.as_ref()
    }

    /// What is known beyond the status.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Whether the system has refused something of which the detail tells, and the status only of what kind that was.
    fn is_systems(&self) -> bool {
        let vague = [Status::AccessDenied, Status::ObjectPathNotFound, Status::SystemError];
        self.0.source.is_some() && vague.contains(&self.0.status)
    }

    /// What the status means; `None` where the [detail](Error::detail) has the system's own words instead.
    pub fn meaning(&self) -> Option<&'static str> {
        (!self.is_systems()).then(|| self.0.status.meaning())
    }

    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<&'static str> {
        (!self.is_systems()).then(|| self.0.status.hint())
    }

    /// The Win32 error number, such as 231 for ERROR_PIPE_BUSY.
    pub fn win32(&self) -> u32 {
        self.0.status.win32()
    }

    /// The number of the system's that is told by the conversion into [`io::Error`].
    #[cfg(windows)]
    fn raw_code(&self) -> Option<i32> {
        let own = (self.status() != Status::SystemError).then_some(self.win32().cast_signed());
        own.or_else(|| self.0.source.as_ref()?.raw_os_error())
    }

    /// The kind that the conversion into [`io::Error`] aims at.
    pub fn kind(&self) -> io::ErrorKind {
        self.0.status.kind()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.0.status)
            .field("win32", &self.0.status.win32_name())
            .field("operation", &self.0.operation)
            .field("name", &self.0.name.as_ref().map(PipeName::path))
            .field("detail", &self.0.detail)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.operation)?;
        if let Some(name) = &self.0.name {
            write!(f, " {}", name.path())?;
        }
        let code = self.0.status.win32_name();
        match (self.meaning(), &self.0.detail) {
            (None, Some(detail)) => write!(f, ": {detail} ({code})"),
            (meaning, detail) => {
                write!(f, ": {} ({code})", meaning.unwrap_or_default())?;
                detail.iter().try_for_each(|detail| write!(f, ": {detail}"))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// Where a Win32 number means nothing else as an errno, the number is kept: `raw_os_error()` is then 231 for
/// ERROR_PIPE_BUSY, as on Windows. 2 is "not found" on both systems. Other numbers collide with Linux's, so there the
/// `kind()` is right and the error itself is the inner one. On Windows every number is kept, and the detail is lost.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        #[cfg(windows)]
        if let Some(code) = error.raw_code() {
            return io::Error::from_raw_os_error(code);
        }
        match error.win32() {
            code @ (2 | 231..=234 | 535 | 536) => io::Error::from_raw_os_error(code as i32),
            _ => io::Error::new(error.kind(), error),
        }
    }
}

/// Names the operation and the pipe of a bare status.
pub(crate) trait Explain<T> {
    fn explain(self, operation: &'static str, name: &PipeName) -> Result<T>;
}

impl<T> Explain<T> for std::result::Result<T, Status> {
    fn explain(self, operation: &'static str, name: &PipeName) -> Result<T> {
        self.map_err(|status| Error::new(status, operation).about(name))
    }
}
