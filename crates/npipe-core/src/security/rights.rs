//! The bits of an access mask, as pipes understand them.
//!
//! The low 16 bits are rights to pipes, the next 8 rights to any object, and the uppermost stand for others: generic rights
//! are exchanged for those that they mean here before anything is compared.

/// Read and peek.
pub const FILE_READ_DATA: u32 = 0x0001;
/// Write and flush.
pub const FILE_WRITE_DATA: u32 = 0x0002;
/// Create further instances of the pipe; the same bit as FILE_APPEND_DATA, so that it is part of generic writing.
// semantics 265
#[doc(alias = "FILE_APPEND_DATA")]
pub const FILE_CREATE_PIPE_INSTANCE: u32 = 0x0004;
/// Ask for information and state.
pub const FILE_READ_ATTRIBUTES: u32 = 0x0080;
/// Change the modes.
pub const FILE_WRITE_ATTRIBUTES: u32 = 0x0100;
/// Read the descriptor.
pub const READ_CONTROL: u32 = 0x0002_0000;
/// Change the access list.
pub const WRITE_DAC: u32 = 0x0004_0000;
/// Change the owner and the group.
pub const WRITE_OWNER: u32 = 0x0008_0000;
/// Wait for the handle.
pub const SYNCHRONIZE: u32 = 0x0010_0000;
/// Read and change the system's list. Only the user 0 may.
pub const ACCESS_SYSTEM_SECURITY: u32 = 0x0100_0000;
/// Whatever the access list grants.
pub const MAXIMUM_ALLOWED: u32 = 0x0200_0000;
/// Stands for [`FILE_ALL_ACCESS`].
pub const GENERIC_ALL: u32 = 0x1000_0000;
/// Stands for [`FILE_GENERIC_EXECUTE`].
pub const GENERIC_EXECUTE: u32 = 0x2000_0000;
/// Stands for [`FILE_GENERIC_WRITE`].
pub const GENERIC_WRITE: u32 = 0x4000_0000;
/// Stands for [`FILE_GENERIC_READ`].
pub const GENERIC_READ: u32 = 0x8000_0000;

/// Data, attributes, and the descriptor.
pub const FILE_GENERIC_READ: u32 = 0x0012_0089;
/// Data, attributes, further instances, and the descriptor.
pub const FILE_GENERIC_WRITE: u32 = 0x0012_0116;
/// Attributes, and the descriptor.
pub const FILE_GENERIC_EXECUTE: u32 = 0x0012_00a0;
/// Everything.
pub const FILE_ALL_ACCESS: u32 = 0x001f_01ff;

/// What generic rights mean for objects of a kind, and which rights there are to them.
#[doc(alias = "GENERIC_MAPPING")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenericMapping {
    /// What GENERIC_READ, GENERIC_WRITE, GENERIC_EXECUTE and GENERIC_ALL stand for.
    pub meanings: [u32; 4],
    /// All rights that can be granted.
    pub all: u32,
}

impl GenericMapping {
    /// That of files, which is that of pipes.
    pub const FILE: GenericMapping = GenericMapping {
        meanings: [
            FILE_GENERIC_READ,
            FILE_GENERIC_WRITE,
            FILE_GENERIC_EXECUTE,
            FILE_ALL_ACCESS,
        ],
        all: FILE_ALL_ACCESS,
    };

    /// Puts what generic rights mean in their place.
    #[doc(alias = "MapGenericMask")]
    pub const fn map(&self, mask: u32) -> u32 {
        const GENERIC: [u32; 4] = [GENERIC_READ, GENERIC_WRITE, GENERIC_EXECUTE, GENERIC_ALL];
        let mut mapped = mask;
        let mut index = 0;
        while index < GENERIC.len() {
            if mask & GENERIC[index] != 0 {
                mapped = mapped & !GENERIC[index] | self.meanings[index];
            }
            index += 1;
        }
        mapped
    }
}

/// Puts what generic rights mean for a pipe in their place. Win32 equivalent: MapGenericMask with the mapping of files.
#[doc(alias = "MapGenericMask")]
pub const fn map_generic(mask: u32) -> u32 {
    GenericMapping::FILE.map(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No rule: the mapping is that of files.
    #[test]
    fn generic_rights_become_those_of_files() {
        assert_eq!(map_generic(GENERIC_READ), FILE_GENERIC_READ);
        assert_eq!(map_generic(GENERIC_WRITE | 1), FILE_GENERIC_WRITE | 1);
        assert_eq!(map_generic(GENERIC_EXECUTE), FILE_GENERIC_EXECUTE);
        assert_eq!(map_generic(GENERIC_ALL | GENERIC_READ), FILE_ALL_ACCESS);
        assert_eq!(map_generic(MAXIMUM_ALLOWED | WRITE_DAC), MAXIMUM_ALLOWED | WRITE_DAC);
    }
}
