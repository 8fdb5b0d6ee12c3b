//! What operations do.

use std::fmt;

/// What an operation does, with the memory that it has until it is complete.
pub(crate) enum Work {
    /// Waits for a client.
    Connect,
    /// Reads into this.
    Read(Vec<u8>),
    /// Writes this.
    Write(Vec<u8>),
    /// Writes a request, and reads the reply.
    Transact {
        /// What is written.
        request: Vec<u8>,
        /// What is read into.
        reply: Vec<u8>,
    },
}

impl Work {
    /// What errors call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Work::Connect => "connect",
            Work::Read(_) => "read",
            Work::Write(_) => "write",
            Work::Transact { .. } => "transact",
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
