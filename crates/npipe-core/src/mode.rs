//! The modes of a pipe and the rights of its ends.
//!
//! Three things are fixed for a whole name by its first instance: the type
//! ([`PipeType`]), the [`Direction`] and the limits. Two belong to each end and
//! may change while it is open: the [`ReadMode`] and the [`WaitMode`]. One is
//! fixed when an end is opened: its rights ([`Access`]), which every later call
//! on that end is checked against.
//!
//! `read` and `write` are rights to data as seen by the end that holds them, so
//! a server of an inbound pipe reads and its client writes.

use serde::{Deserialize, Serialize};

use crate::security::rights::{
    ACCESS_SYSTEM_SECURITY, FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_READ_ATTRIBUTES,
    FILE_READ_DATA, FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA, MAXIMUM_ALLOWED, SYNCHRONIZE, map_generic,
};
use crate::status::Status;

/// What a pipe carries: fixed for the name by its first instance.
// semantics 24
#[doc(alias = "PIPE_TYPE_BYTE")]
#[doc(alias = "PIPE_TYPE_MESSAGE")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PipeType {
    /// A stream; write boundaries vanish.
    #[default]
    Byte,
    /// A queue of messages; each write is one.
    Message,
}

impl PipeType {
    /// Whether an end of a pipe of this type may read in `mode`.
    ///
    /// A byte-type pipe has no boundaries, so message reading is refused.
    // semantics 21, 98
    pub const fn permits(self, mode: ReadMode) -> bool {
        matches!((self, mode), (PipeType::Message, _) | (_, ReadMode::Byte))
    }
}

/// How one end reads.
// semantics 27, 116
#[doc(alias = "PIPE_READMODE_BYTE")]
#[doc(alias = "PIPE_READMODE_MESSAGE")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadMode {
    /// A read takes whatever bytes there are.
    #[default]
    Byte,
    /// A read takes at most one message.
    Message,
}

/// Whether the calls of one end may block.
// semantics 27, 137
#[doc(alias = "PIPE_WAIT")]
#[doc(alias = "PIPE_NOWAIT")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WaitMode {
    /// Calls wait until they can finish.
    #[default]
    Wait,
    /// Calls return at once, with nothing done if need be.
    NoWait,
}

/// Which way data flows, seen from the server.
// semantics 24, 49
#[doc(alias = "PIPE_ACCESS_INBOUND")]
#[doc(alias = "PIPE_ACCESS_OUTBOUND")]
#[doc(alias = "PIPE_ACCESS_DUPLEX")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Client to server only.
    Inbound,
    /// Server to client only.
    Outbound,
    /// Both ways.
    #[default]
    Duplex,
}

impl Direction {
    /// Whether data may flow from client to server.
    pub const fn to_server(self) -> bool {
        matches!(self, Direction::Inbound | Direction::Duplex)
    }

    /// Whether data may flow from server to client.
    pub const fn to_client(self) -> bool {
        matches!(self, Direction::Outbound | Direction::Duplex)
    }
}

/// One of the two ends of an instance.
#[doc(alias = "PIPE_SERVER_END")]
#[doc(alias = "PIPE_CLIENT_END")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EndRole {
    /// The end that created the instance.
    Server,
    /// The end that opened it.
    Client,
}

impl EndRole {
    /// The role of the other end.
    pub const fn peer(self) -> EndRole {
        match self {
            EndRole::Server => EndRole::Client,
            EndRole::Client => EndRole::Server,
        }
    }
}

/// The rights of one end, or the rights that a client asks for.
///
/// As a request, [`Access::NONE`] and attributes alone are always permitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Access {
    /// Read and peek (`FILE_READ_DATA`).
    pub read: bool,
    /// Write and flush (`FILE_WRITE_DATA`).
    pub write: bool,
    /// Ask for information and state (`FILE_READ_ATTRIBUTES`).
    pub read_attributes: bool,
    /// Change the modes (`FILE_WRITE_ATTRIBUTES`).
    pub write_attributes: bool,
    /// The other rights, as bits of an access mask: `READ_CONTROL`, `WRITE_DAC`, `FILE_CREATE_PIPE_INSTANCE` and so on.
    pub further: u32,
}

/// The bits of [`Access::further`].
const FURTHER: u32 = (FILE_ALL_ACCESS | ACCESS_SYSTEM_SECURITY | MAXIMUM_ALLOWED) & !HAVE_FIELDS;
const HAVE_FIELDS: u32 = FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES;

impl Access {
    /// No rights at all.
    pub const NONE: Access = Access {
        read: false,
        write: false,
        read_attributes: false,
        write_attributes: false,
        further: 0,
    };
    /// Generic read: data and attributes, and the descriptor.
    #[doc(alias = "GENERIC_READ")]
    pub const READ: Access = Access::from_win32(FILE_GENERIC_READ);
    /// Generic write: data and attributes, the descriptor, and further instances.
    #[doc(alias = "GENERIC_WRITE")]
    pub const WRITE: Access = Access::from_win32(FILE_GENERIC_WRITE);
    /// Generic read and write.
    pub const READ_WRITE: Access = Access::READ.union(Access::WRITE);

    /// The rights of a Win32 access mask (`dwDesiredAccess`).
    ///
    /// Bits that mean nothing for a pipe are ignored. What `MAXIMUM_ALLOWED` stands for
    /// depends on the pipe, so that it stays as it is.
    pub const fn from_win32(mask: u32) -> Access {
        let mask = map_generic(mask);
        Access {
            read: mask & FILE_READ_DATA != 0,
            write: mask & FILE_WRITE_DATA != 0,
            read_attributes: mask & FILE_READ_ATTRIBUTES != 0,
            write_attributes: mask & FILE_WRITE_ATTRIBUTES != 0,
            further: mask & FURTHER,
        }
    }

    /// The rights as a Win32 access mask; [`Access::from_win32`] gives them back.
    pub const fn to_win32(self) -> u32 {
        const fn bit(held: bool, bit: u32) -> u32 {
            if held { bit } else { 0 }
        }
        bit(self.read, FILE_READ_DATA)
            | bit(self.write, FILE_WRITE_DATA)
            | bit(self.read_attributes, FILE_READ_ATTRIBUTES)
            | bit(self.write_attributes, FILE_WRITE_ATTRIBUTES)
            | self.further & FURTHER
    }

    /// The rights of the server end of a pipe with this direction.
    // semantics 40
    pub const fn of_server(direction: Direction) -> Access {
        match direction {
            Direction::Inbound => Access::READ,
            Direction::Outbound => Access::WRITE,
            Direction::Duplex => Access::READ_WRITE,
        }
    }

    /// The rights of a client end that asked for `self`.
    ///
    /// # Errors
    /// [`Status::AccessDenied`] if it asks for data to flow in a direction that
    /// the pipe does not have.
    // semantics 49-51, 53
    pub const fn of_client(self, direction: Direction) -> Result<Access, Status> {
        let reads_nothing = self.read && !direction.to_client();
        let writes_nowhere = self.write && !direction.to_server();
        if reads_nothing || writes_nowhere {
            return Err(Status::AccessDenied);
        }
        // Opening adds the rights to read attributes and to wait, whatever was asked for.
        Ok(Access {
            read_attributes: true,
            further: self.further | SYNCHRONIZE,
            ..self
        })
    }

    /// Without the rights to data in directions that the pipe does not have.
    #[must_use]
    pub const fn within(self, direction: Direction) -> Access {
        Access {
            read: self.read && direction.to_client(),
            write: self.write && direction.to_server(),
            ..self
        }
    }

    /// Whether all that the access list grants was asked for.
    #[doc(alias = "MAXIMUM_ALLOWED")]
    pub const fn is_maximum(self) -> bool {
        self.further & MAXIMUM_ALLOWED != 0
    }

    /// All rights of either.
    #[must_use]
    pub const fn union(self, other: Access) -> Access {
        Access {
            read: self.read || other.read,
            write: self.write || other.write,
            read_attributes: self.read_attributes || other.read_attributes,
            write_attributes: self.write_attributes || other.write_attributes,
            further: self.further | other.further,
        }
    }

    /// The rights that both have, as when a handle is duplicated with less.
    // semantics 258
    #[must_use]
    pub const fn intersection(self, other: Access) -> Access {
        Access {
            read: self.read && other.read,
            write: self.write && other.write,
            read_attributes: self.read_attributes && other.read_attributes,
            write_attributes: self.write_attributes && other.write_attributes,
            further: self.further & other.further,
        }
    }

    /// Checks for the right to read and peek.
    ///
    /// # Errors
    /// [`Status::AccessDenied`] without it.
    // semantics 148, 150, 255
    pub const fn require_read(self) -> Result<(), Status> {
        require(self.read)
    }

    /// Checks for the right to write and flush.
    ///
    /// # Errors
    /// [`Status::AccessDenied`] without it.
    // semantics 150, 170, 255
    pub const fn require_write(self) -> Result<(), Status> {
        require(self.write)
    }

    /// Checks for the right to ask for information and state.
    ///
    /// # Errors
    /// [`Status::AccessDenied`] without it.
    // semantics 204
    pub const fn require_read_attributes(self) -> Result<(), Status> {
        require(self.read_attributes)
    }

    /// Checks for the right to change the modes.
    ///
    /// # Errors
    /// [`Status::AccessDenied`] without it.
    // semantics 204
    pub const fn require_write_attributes(self) -> Result<(), Status> {
        require(self.write_attributes)
    }

    /// Checks for all these bits of [`Access::further`].
    ///
    /// # Errors
    /// [`Status::AccessDenied`] without one of them.
    // semantics 265
    pub const fn require_further(self, bits: u32) -> Result<(), Status> {
        require(self.further & bits == bits)
    }
}

const fn require(held: bool) -> Result<(), Status> {
    if held { Ok(()) } else { Err(Status::AccessDenied) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::rights::{GENERIC_ALL, GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE, WRITE_DAC};

    /// semantics 21, 98
    #[test]
    fn message_reading_needs_a_message_pipe() {
        assert!(!PipeType::Byte.permits(ReadMode::Message));
        assert!(PipeType::Byte.permits(ReadMode::Byte));
        assert!(PipeType::Message.permits(ReadMode::Message));
        assert!(PipeType::Message.permits(ReadMode::Byte));
    }

    /// semantics 40, 204
    #[test]
    fn server_rights_follow_the_direction() {
        let inbound = Access::of_server(Direction::Inbound);
        assert_eq!(inbound, Access::READ);
        assert_eq!(inbound.require_read_attributes(), Ok(()));
        assert_eq!(inbound.require_write_attributes(), Err(Status::AccessDenied));
        let outbound = Access::of_server(Direction::Outbound);
        assert_eq!(outbound, Access::WRITE);
        assert_eq!(outbound.require_read_attributes(), Err(Status::AccessDenied));
        assert_eq!(outbound.require_write_attributes(), Ok(()));
        assert_eq!(Access::of_server(Direction::Duplex), Access::READ_WRITE);
    }

    /// semantics 49-51
    #[test]
    fn client_rights_are_checked_against_the_direction() {
        let attributes = Access {
            read_attributes: true,
            write_attributes: true,
            ..Access::NONE
        };
        let allowed = |access: Access, direction| access.of_client(direction).is_ok();
        for direction in [Direction::Inbound, Direction::Outbound, Direction::Duplex] {
            assert!(allowed(Access::NONE, direction));
            assert!(allowed(attributes, direction));
            let duplex = direction == Direction::Duplex;
            assert_eq!(allowed(Access::READ_WRITE, direction), duplex);
            assert_eq!(allowed(Access::READ, direction), direction != Direction::Inbound);
            assert_eq!(allowed(Access::WRITE, direction), direction != Direction::Outbound);
        }
        let read_data = Access::from_win32(FILE_READ_DATA);
        assert_eq!(read_data.of_client(Direction::Inbound), Err(Status::AccessDenied));
        let write_data = Access::from_win32(FILE_WRITE_DATA);
        assert_eq!(write_data.of_client(Direction::Outbound), Err(Status::AccessDenied));
    }

    /// semantics 53, 204
    #[test]
    fn opening_adds_the_right_to_read_attributes() {
        let none = Access::NONE.of_client(Direction::Duplex).unwrap();
        assert_eq!(none.require_read_attributes(), Ok(()));
        assert_eq!(none.require_write_attributes(), Err(Status::AccessDenied));
        assert_eq!(none.require_read(), Err(Status::AccessDenied));
        assert_eq!(none.require_write(), Err(Status::AccessDenied));
        let read = Access::READ.of_client(Direction::Duplex).unwrap();
        assert_eq!(read.require_write_attributes(), Err(Status::AccessDenied));
        let write = Access::WRITE.of_client(Direction::Duplex).unwrap();
        assert_eq!(write.require_read_attributes(), Ok(()));
        assert_eq!(write.require_write_attributes(), Ok(()));
    }

    /// semantics 50, 53
    #[test]
    fn masks_are_read_as_win32_reads_them() {
        assert_eq!(Access::from_win32(0), Access::NONE);
        assert_eq!(Access::from_win32(GENERIC_READ), Access::READ);
        assert_eq!(Access::from_win32(GENERIC_WRITE), Access::WRITE);
        let all = Access::from_win32(GENERIC_ALL);
        assert_eq!(all.intersection(Access::READ_WRITE), Access::READ_WRITE);
        assert!(all.require_further(WRITE_DAC).is_ok() && Access::READ_WRITE.require_further(WRITE_DAC).is_err());
        let both = Access::from_win32(GENERIC_READ | FILE_WRITE_ATTRIBUTES);
        assert!(both.read && both.write_attributes && !both.write);
        let execute = Access::from_win32(GENERIC_EXECUTE);
        assert!(execute.read_attributes && !execute.read);
        for access in [Access::NONE, Access::READ, Access::WRITE, both, execute] {
            assert_eq!(Access::from_win32(access.to_win32()), access);
        }
    }

    /// No rule: the library's own.
    #[test]
    fn a_reduced_duplicate_keeps_what_both_allow() {
        assert_eq!(Access::READ_WRITE.intersection(Access::READ), Access::READ);
        let neither = Access::WRITE.intersection(Access::READ);
        assert!(!neither.read && !neither.write && !neither.read_attributes && !neither.write_attributes);
    }
}
