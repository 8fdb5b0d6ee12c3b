//! The descriptor of a pipe, as the processes that have its ends know it.
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
use crate::sys::identity;

impl End {
    /// The descriptor by the last news.
    pub(crate) fn known_security(&self) -> Option<SecurityDescriptor> {
        match &self.home {
            Home::Server { seat: Some(seat), .. } => Some(seat.host.known_security()),
            _ => self.security.get().map(|known| locked(known).clone()),
        }
    }

    /// The descriptor, as far as this end may see it.
    pub(crate) fn descriptor(&self) -> Result<SecurityDescriptor> {
        const OPERATION: &str = "security";
        let end = self;
        let access = end.shape.access;
        let mut parts = SecurityInformation::READABLE;
        access
            .require_further(parts.rights_to_read())
            .and_then(|()| end.require_own())
            .explain(OPERATION, &end.shape.name)?;
        parts.sacl = access.require_further(ACCESS_SYSTEM_SECURITY).is_ok();
        Ok(self.current_security()?.only(parts))
    }

    fn current_security(&self) -> Result<SecurityDescriptor> {
        let end = self;
        if let Home::Server { seat: Some(seat), .. } = &end.home
            && let Some(descriptor) = seat.host.security_if_leading()
        {
            return Ok(descriptor);
        }
        let deadline = Some(Instant::now() + connect::ANSWER_TIME);
        let error = match connect::query(&end.shape.root, &end.shape.name, deadline) {
            Ok(Account { report, .. }) if report.pipe_id == end.pipe_id() => {
                if let Some(known) = end.security.get() {
                    *locked(known) = report.security.clone();
                }
                return Ok(report.security);
            }
            Ok(_) => Error::new(Status::ObjectNameNotFound, "security").about(&end.shape.name),
            Err(error) => error,
        };
        match end.known_security() {
            Some(known) if error.status() == Status::ObjectNameNotFound => Ok(known),
            _ => Err(error),
        }
    }

    /// Changes parts of the descriptor.
    pub(crate) fn set_descriptor(&self, parts: SecurityInformation, descriptor: &SecurityDescriptor) -> Result<()> {
        const OPERATION: &str = "set_security";
        let end = self;
        end.shape
            .access
            .require_further(parts.rights_to_write())
            .and_then(|()| end.require_own())
            .explain(OPERATION, &end.shape.name)?;
        let wanted = descriptor.only(parts);
        let by = identity::own_identity().map_err(|error| Error::from_sys(error, OPERATION).about(&end.shape.name))?;
        let fail = |error| Error::from_security(&error, OPERATION).about(&end.shape.name);
        // Without asking anybody: what can never be has its reason told.
        SecurityDescriptor::default()
            .change(parts, &wanted, &by)
            .map_err(fail)?;
        if let Home::Server { seat: Some(seat), .. } = &end.home
            && let Some(changed) = seat.host.set_security_if_leading(parts, &wanted, &by)
        {
            return changed.explain(OPERATION, &end.shape.name);
        }
        match connect::set_security(&end.shape.root, &end.shape.name, end.pipe_id(), (parts, &wanted)) {
            // All servers have gone: what is left of the pipe is this end.
            Err(error) if error.status() == Status::ObjectNameNotFound => match end.security.get() {
                Some(known) => locked(known).change(parts, &wanted, &by).map_err(fail),
                None => Err(error),
            },
            other => other,
        }
    }
}
