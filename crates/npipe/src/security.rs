//! The descriptor of a pipe, asked and changed on one of its ends.

use npipe_core::{SecurityDescriptor, SecurityInformation};

#[cfg(doc)]
use npipe_core::Status;

use crate::error::Result;
use crate::stream::PipeStream;

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
        self.end.descriptor()
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
        self.end.set_descriptor(parts, descriptor)
    }
}
