//! The descriptor of a pipe, asked and changed on one of its ends.
//!
//! There is one for each name, and the process that leads has it. Others ask and tell it by the namespace, as strangers do:
//! the kernel says who they are, and the descriptor itself whether they may change it. What an end was told last is kept, for
//! when there is nobody left to ask; clients in a process that serves the name share what that knows.

use std::time::Instant;

use npipe_core::security::rights::ACCESS_SYSTEM_SECURITY;
use npipe_core::{SecurityDescriptor, SecurityInformation, Status};

use crate::connect::{self, Account};
use crate::end::{End, Home, locked};
use crate::error::{Error, Explain, Result};
use crate::stream::PipeStream;
use crate::sys::identity;

impl End {
    /// The descriptor by the last news.
    pub(crate) fn known_security(&self) -> Option<SecurityDescriptor> {
        match &self.home {
            Home::Server { seat: Some(seat), .. } => Some(seat.host.known_security()),
            _ => self.security.get().map(|known| locked(known).clone()),
        }
    }
}

impl PipeStream {
    /// Whose the pipe is, and who may open it. Win32 equivalents: GetSecurityInfo, GetKernelObjectSecurity.
    ///
    /// All ends of a name have one descriptor and see its changes. The system's list is part of it where this end has the right
    /// ACCESS_SYSTEM_SECURITY. Once no server has an instance any more, a client end has what it was told last, or, in a process
    /// that was a server, what that knew last.
    ///
    /// # Errors
    /// * [`Status::AccessDenied`]: this end was opened without READ_CONTROL, which reading and writing have.
    /// * [`Status::PipeNotAvailable`]: the server has not answered for 10 s.
    // semantics 265
    #[doc(alias = "GetSecurityInfo")]
    #[doc(alias = "GetKernelObjectSecurity")]
    pub fn security(&self) -> Result<SecurityDescriptor> {
        const OPERATION: &str = "security";
        let end = &self.end;
        let access = end.shape.access;
        let mut parts = SecurityInformation::READABLE;
        access
            .require_further(parts.rights_to_read())
            .and_then(|()| end.require_own())
            .explain(OPERATION, self.name())?;
        parts.sacl = access.require_further(ACCESS_SYSTEM_SECURITY).is_ok();
        Ok(self.current_security()?.only(parts))
    }

    fn current_security(&self) -> Result<SecurityDescriptor> {
        let end = &self.end;
        if let Home::Server { seat: Some(seat), .. } = &end.home
            && let Some(descriptor) = seat.host.security_if_leading()
        {
            return Ok(descriptor);
        }
        let deadline = Some(Instant::now() + connect::ANSWER_TIME);
        let error = match connect::query(&end.shape.root, self.name(), deadline) {
            Ok(Account { report, .. }) if report.pipe_id == end.pipe_id() => {
                if let Some(known) = end.security.get() {
                    *locked(known) = report.security.clone();
                }
                return Ok(report.security);
            }
            Ok(_) => Error::new(Status::ObjectNameNotFound, "security").about(self.name()),
            Err(error) => error,
        };
        match end.known_security() {
            Some(known) if error.status() == Status::ObjectNameNotFound => Ok(known),
            _ => Err(error),
        }
    }

    /// Changes whose the pipe is, or who may open it, for all ends and from now on; what is open stays open. Win32 equivalents:
    /// SetSecurityInfo, SetKernelObjectSecurity.
    ///
    /// Differs from Windows: an end in another process than the one that leads needs the rights at this moment too, not only
    /// when it was opened.
    ///
    /// # Errors
    /// * [`Status::AccessDenied`]: this end was opened without the right, WRITE_DAC for the access list, WRITE_OWNER for owner
    ///   and group, ACCESS_SYSTEM_SECURITY for the system's list.
    /// * [`Status::InvalidOwner`]: the new owner is neither the caller nor one of its groups.
    /// * [`Status::NotSupported`], [`Status::InvalidSecurityDescriptor`]: see [`SecurityDescriptor::check_supported`].
    /// * [`Status::PipeNotAvailable`]: the server has not answered for 10 s.
    // semantics 265
    #[doc(alias = "SetSecurityInfo")]
    #[doc(alias = "SetKernelObjectSecurity")]
    pub fn set_security(&self, parts: SecurityInformation, descriptor: &SecurityDescriptor) -> Result<()> {
        const OPERATION: &str = "set_security";
        let end = &self.end;
        end.shape
            .access
            .require_further(parts.rights_to_write())
            .and_then(|()| end.require_own())
            .explain(OPERATION, self.name())?;
        let wanted = descriptor.only(parts);
        let by = identity::own_identity().map_err(|error| Error::from_sys(error, OPERATION).about(self.name()))?;
        let fail = |error| Error::from_security(&error, OPERATION).about(self.name());
        // Without asking anybody: what can never be has its reason told.
        SecurityDescriptor::default()
            .change(parts, &wanted, &by)
            .map_err(fail)?;
        if let Home::Server { seat: Some(seat), .. } = &end.home
            && let Some(changed) = seat.host.set_security_if_leading(parts, &wanted, &by)
        {
            return changed.explain(OPERATION, self.name());
        }
        match connect::set_security(&end.shape.root, self.name(), end.pipe_id(), (parts, &wanted)) {
            // All servers have gone: what is left of the pipe is this end.
            Err(error) if error.status() == Status::ObjectNameNotFound => match end.security.get() {
                Some(known) => locked(known).change(parts, &wanted, &by).map_err(fail),
                None => Err(error),
            },
            other => other,
        }
    }
}
