//! SIDs, lists and descriptors in the program's memory.
//!
//! Their lengths stand in them. What is read is copied first, and only the copy is looked at.

use npipe::{AccessList, AceKind, Acl, SecurityDescriptor, Sid};

use crate::failure::{Failure, Outcome, not_implemented};
use crate::heap;
use crate::pointers::Block;
use crate::types::{SECURITY_ATTRIBUTES, code};

pub(super) const SID_HEADER: usize = 8;
pub(super) const MAX_SUB_AUTHORITIES: u8 = 15;
pub(super) const ACL_HEADER: usize = 8;
pub(super) const RELATIVE_HEADER: usize = 20;
pub(super) const REVISION: u8 = 1;

pub(super) const OWNER_DEFAULTED: u16 = 0x0001;
pub(super) const GROUP_DEFAULTED: u16 = 0x0002;
pub(super) const DACL_PRESENT: u16 = 0x0004;
pub(super) const DACL_DEFAULTED: u16 = 0x0008;
pub(super) const SACL_PRESENT: u16 = 0x0010;
pub(super) const SACL_DEFAULTED: u16 = 0x0020;
pub(super) const SELF_RELATIVE: u16 = 0x8000;

/// SECURITY_DESCRIPTOR in its absolute form.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Absolute {
    pub(super) revision: u8,
    pub(super) reserved: u8,
    pub(super) control: u16,
    pub(super) owner: Block,
    pub(super) group: Block,
    pub(super) sacl: Block,
    pub(super) dacl: Block,
}

impl Absolute {
    pub(super) const EMPTY: Absolute = Absolute {
        revision: REVISION,
        reserved: 0,
        control: 0,
        owner: Block::NULL,
        group: Block::NULL,
        sacl: Block::NULL,
        dacl: Block::NULL,
    };
}

/// The bytes of a SID.
///
/// # Errors
/// ERROR_INVALID_SID.
pub(super) fn sid_bytes(sid: Block) -> Outcome<Vec<u8>> {
    let invalid = Failure(code::INVALID_SID);
    let [revision, count] = sid.present().ok_or(invalid)?.get::<[u8; 2]>();
    if revision != REVISION || count > MAX_SUB_AUTHORITIES {
        return Err(invalid);
    }
    Ok(sid.bytes(SID_HEADER + 4 * usize::from(count)))
}

/// # Errors
/// ERROR_INVALID_SID.
pub(super) fn sid(sid: Block) -> Outcome<Sid> {
    Sid::from_prefix(&sid_bytes(sid)?).map_err(|_| Failure(code::INVALID_SID))
}

/// The bytes of a list, with the room behind its entries.
///
/// # Errors
/// ERROR_INVALID_ACL.
pub(super) fn acl_bytes(acl: Block) -> Outcome<Vec<u8>> {
    let invalid = Failure(code::INVALID_ACL);
    let [_, _, low, high] = acl.present().ok_or(invalid)?.get::<[u8; 4]>();
    let size = usize::from(u16::from_le_bytes([low, high]));
    if size < ACL_HEADER {
        return Err(invalid);
    }
    Ok(acl.bytes(size))
}

/// # Errors
/// ERROR_INVALID_ACL, ERROR_INVALID_SID; ERROR_CALL_NOT_IMPLEMENTED for entries of other kinds than npipe knows.
pub(super) fn acl(acl: Block) -> Outcome<Acl> {
    let bytes = acl_bytes(acl)?;
    let walked = super::acls::Walk::of(&bytes)?;
    if walked
        .aces
        .iter()
        .any(|ace| AceKind::from_number(bytes[ace.start]).is_none())
    {
        return Err(not_implemented(
            "an access list with entries for objects, with conditions or of resources",
        ));
    }
    Ok(Acl::from_prefix(&bytes)?)
}

/// The parts of a descriptor of either form, wherever they lie.
///
/// # Errors
/// ERROR_INVALID_SECURITY_DESCR for NULL, ERROR_UNKNOWN_REVISION.
pub(super) fn parts(descriptor: Block) -> Outcome<Absolute> {
    let none = Failure(code::INVALID_SECURITY_DESCR);
    let [revision, _, low, high] = descriptor.present().ok_or(none)?.get::<[u8; 4]>();
    if revision != REVISION {
        return Err(Failure(code::UNKNOWN_REVISION));
    }
    if u16::from_le_bytes([low, high]) & SELF_RELATIVE == 0 {
        return Ok(descriptor.get::<Absolute>());
    }
    let places = descriptor.at(4).get::<[u32; 4]>();
    let [owner, group, sacl, dacl] = places.map(|place| match place as usize {
        0 => Block::NULL,
        place => descriptor.at(place),
    });
    Ok(Absolute {
        control: u16::from_le_bytes([low, high]),
        owner,
        group,
        sacl,
        dacl,
        ..Absolute::EMPTY
    })
}

/// The value of a descriptor.
///
/// # Errors
/// ERROR_INVALID_SECURITY_DESCR, ERROR_INVALID_ACL, ERROR_INVALID_SID; ERROR_CALL_NOT_IMPLEMENTED as for [`acl`].
pub(crate) fn descriptor(block: Block) -> Outcome<SecurityDescriptor> {
    let parts = parts(block)?;
    let list = |present: u16, list: Block| match (parts.control & present != 0, list.is_null()) {
        (false, _) => Ok(AccessList::Absent),
        (true, true) => Ok(AccessList::Null),
        (true, false) => acl(list).map(AccessList::List),
    };
    let mut value = SecurityDescriptor::default();
    value.owner = parts.owner.present().map(sid).transpose()?;
    value.group = parts.group.present().map(sid).transpose()?;
    value.dacl = list(DACL_PRESENT, parts.dacl)?;
    value.sacl = list(SACL_PRESENT, parts.sacl)?;
    value.set_control(parts.control);
    // What stands in the wrong list is found by reading it back.
    Ok(SecurityDescriptor::decode(&value.encode())?)
}

/// Whether the descriptor of an object that is not a pipe keeps anybody out, which this library has no means to do.
pub(crate) fn keeps_out(attributes: &SECURITY_ATTRIBUTES) -> Outcome<bool> {
    match attributes.lpSecurityDescriptor.present() {
        Some(block) => Ok(matches!(descriptor(block)?.dacl, AccessList::List(_))),
        None => Ok(false),
    }
}

/// A copy of the bytes that the program frees with LocalFree.
pub(super) fn allocated(bytes: &[u8]) -> Outcome<Block> {
    let block = Block::of_allocation(heap::allocate(bytes.len(), false)?);
    block.write(bytes);
    Ok(block)
}
