//! Descriptors in the program's memory: put together, taken apart, turned from one form into the other.

use npipe::rights::GenericMapping;

use super::acls::Walk;
use super::memory::{
    self, Absolute, DACL_DEFAULTED, DACL_PRESENT, GROUP_DEFAULTED, OWNER_DEFAULTED, RELATIVE_HEADER, REVISION,
    SACL_DEFAULTED, SACL_PRESENT, SELF_RELATIVE,
};
use crate::failure::{Failure, Outcome};
use crate::pointers::{Block, Out};
use crate::types::{Bool, FALSE, TRUE, code};

/// What SetSecurityDescriptorControl changes: how lists were and are to be inherited.
const SETTABLE_CONTROL: u16 = 0x3f00;

/// GENERIC_MAPPING.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct GENERIC_MAPPING {
    read: u32,
    write: u32,
    execute: u32,
    all: u32,
}

impl From<GENERIC_MAPPING> for GenericMapping {
    /// A program's kinds of objects can have any rights.
    fn from(mapping: GENERIC_MAPPING) -> GenericMapping {
        const STANDARD_AND_SPECIFIC: u32 = 0x001f_ffff;
        let GENERIC_MAPPING {
            read,
            write,
            execute,
            all,
        } = mapping;
        GenericMapping {
            meanings: [read, write, execute, all],
            all: all | STANDARD_AND_SPECIFIC,
        }
    }
}

/// Changes an absolute descriptor.
fn change(descriptor: Block, act: impl FnOnce(&mut Absolute)) -> Outcome<Bool> {
    let mut absolute = memory::parts(descriptor)?;
    if absolute.control & SELF_RELATIVE != 0 {
        return Err(Failure(code::INVALID_SECURITY_DESCR));
    }
    act(&mut absolute);
    descriptor.set(absolute);
    Ok(TRUE)
}

fn set_bits(control: &mut u16, bits: u16, set: bool) {
    *control = if set { *control | bits } else { *control & !bits };
}

/// The bytes of each part that is there: owner, group, system's list, access list.
fn part_bytes(descriptor: Block) -> Outcome<(u16, [Option<Vec<u8>>; 4])> {
    let parts = memory::parts(descriptor)?;
    let sid = |sid: Block| sid.present().map(memory::sid_bytes).transpose();
    let list = |present: u16, list: Block| match parts.control & present {
        0 => Ok(None),
        _ => list.present().map(memory::acl_bytes).transpose(),
    };
    let bytes = [
        sid(parts.owner)?,
        sid(parts.group)?,
        list(SACL_PRESENT, parts.sacl)?,
        list(DACL_PRESENT, parts.dacl)?,
    ];
    Ok((parts.control, bytes))
}

fn relative(control: u16, parts: &[Option<Vec<u8>>; 4]) -> Vec<u8> {
    let mut bytes = vec![REVISION, 0];
    bytes.extend((control | SELF_RELATIVE).to_le_bytes());
    let mut place = RELATIVE_HEADER;
    for part in parts {
        let offset = part.as_ref().map_or(0, |_| place as u32);
        bytes.extend(offset.to_le_bytes());
        place += part.as_ref().map_or(0, Vec::len);
    }
    bytes.extend(parts.iter().flatten().flatten());
    bytes
}

/// Fills a buffer whose size the program tells, or tells what it takes.
pub(super) fn fill(target: Block, room: u32, bytes: &[u8]) -> Outcome<Bool> {
    if target.is_null() || (room as usize) < bytes.len() {
        return Err(Failure(code::INSUFFICIENT_BUFFER));
    }
    target.write(bytes);
    Ok(TRUE)
}

/// Tells where a list lies, if it is there, and whether it came by default.
fn tell_list(
    (control, present_bit, defaulted_bit): (u16, u16, u16),
    list: Block,
    (present, place, defaulted): (Out<Bool>, Out<Block>, Out<Bool>),
) {
    let is_present = control & present_bit != 0;
    present.set(Bool::from(is_present));
    if is_present {
        place.set(list);
        defaulted.set(Bool::from(control & defaulted_bit != 0));
    }
}

crate::export! {
    /// InitializeSecurityDescriptor: an absolute one without parts.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION; ERROR_NOACCESS for NULL.
    fn InitializeSecurityDescriptor(descriptor: Block, revision: u32) -> Bool [FALSE] {
        if revision != REVISION.into() {
            return Err(Failure(code::UNKNOWN_REVISION));
        }
        descriptor.present().ok_or(Failure(code::NOACCESS))?.set(Absolute::EMPTY);
        Ok(TRUE)
    }

    /// IsValidSecurityDescriptor.
    fn IsValidSecurityDescriptor(descriptor: Block) -> Bool [FALSE] {
        let is_valid = part_bytes(descriptor).is_ok_and(|(_, [_, _, sacl, dacl])| {
            [sacl, dacl].iter().flatten().all(|list| Walk::of(list).is_ok())
        });
        Ok(Bool::from(is_valid))
    }

    /// GetSecurityDescriptorLength: of its structure in the form that it has, and its parts; 0 for what is none.
    fn GetSecurityDescriptorLength(descriptor: Block) -> u32 [0] {
        let Ok((control, parts)) = part_bytes(descriptor) else {
            return Ok(0);
        };
        let structure = match control & SELF_RELATIVE {
            0 => size_of::<Absolute>(),
            _ => RELATIVE_HEADER,
        };
        Ok((structure + parts.iter().flatten().map(Vec::len).sum::<usize>()) as u32)
    }

    /// GetSecurityDescriptorControl.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION.
    fn GetSecurityDescriptorControl(descriptor: Block, control: Out<u16>, revision: Out<u32>) -> Bool [FALSE] {
        control.set(memory::parts(descriptor)?.control);
        revision.set(REVISION.into());
        Ok(TRUE)
    }

    /// SetSecurityDescriptorControl: the bits about inheritance alone.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for other bits; ERROR_INVALID_SECURITY_DESCR.
    fn SetSecurityDescriptorControl(descriptor: Block, mask: u16, bits: u16) -> Bool [FALSE] {
        if mask & !SETTABLE_CONTROL != 0 || bits & !mask != 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        change(descriptor, |absolute| absolute.control = absolute.control & !mask | bits)
    }

    /// SetSecurityDescriptorOwner.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION; ERROR_INVALID_SECURITY_DESCR for a self-relative one; ERROR_INVALID_SID.
    fn SetSecurityDescriptorOwner(descriptor: Block, owner: Block, defaulted: Bool) -> Bool [FALSE] {
        owner.present().map(memory::sid_bytes).transpose()?;
        change(descriptor, |absolute| {
            absolute.owner = owner;
            set_bits(&mut absolute.control, OWNER_DEFAULTED, defaulted != FALSE);
        })
    }

    /// SetSecurityDescriptorGroup.
    ///
    /// # Errors
    /// As SetSecurityDescriptorOwner.
    fn SetSecurityDescriptorGroup(descriptor: Block, group: Block, defaulted: Bool) -> Bool [FALSE] {
        group.present().map(memory::sid_bytes).transpose()?;
        change(descriptor, |absolute| {
            absolute.group = group;
            set_bits(&mut absolute.control, GROUP_DEFAULTED, defaulted != FALSE);
        })
    }

    /// SetSecurityDescriptorDacl. Present and NULL lets everybody in; not present is the default.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION; ERROR_INVALID_SECURITY_DESCR for a self-relative one; ERROR_INVALID_ACL.
    fn SetSecurityDescriptorDacl(descriptor: Block, present: Bool, dacl: Block, defaulted: Bool) -> Bool [FALSE] {
        dacl.present().map(memory::acl_bytes).transpose()?;
        change(descriptor, |absolute| {
            absolute.dacl = if present != FALSE { dacl } else { Block::NULL };
            set_bits(&mut absolute.control, DACL_PRESENT, present != FALSE);
            set_bits(&mut absolute.control, DACL_DEFAULTED, present != FALSE && defaulted != FALSE);
        })
    }

    /// SetSecurityDescriptorSacl.
    ///
    /// # Errors
    /// As SetSecurityDescriptorDacl.
    fn SetSecurityDescriptorSacl(descriptor: Block, present: Bool, sacl: Block, defaulted: Bool) -> Bool [FALSE] {
        sacl.present().map(memory::acl_bytes).transpose()?;
        change(descriptor, |absolute| {
            absolute.sacl = if present != FALSE { sacl } else { Block::NULL };
            set_bits(&mut absolute.control, SACL_PRESENT, present != FALSE);
            set_bits(&mut absolute.control, SACL_DEFAULTED, present != FALSE && defaulted != FALSE);
        })
    }

    /// GetSecurityDescriptorOwner: where it lies, or NULL.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION.
    fn GetSecurityDescriptorOwner(descriptor: Block, owner: Out<Block>, defaulted: Out<Bool>) -> Bool [FALSE] {
        let parts = memory::parts(descriptor)?;
        owner.set(parts.owner);
        defaulted.set(Bool::from(parts.control & OWNER_DEFAULTED != 0));
        Ok(TRUE)
    }

    /// GetSecurityDescriptorGroup: where it lies, or NULL.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION.
    fn GetSecurityDescriptorGroup(descriptor: Block, group: Out<Block>, defaulted: Out<Bool>) -> Bool [FALSE] {
        let parts = memory::parts(descriptor)?;
        group.set(parts.group);
        defaulted.set(Bool::from(parts.control & GROUP_DEFAULTED != 0));
        Ok(TRUE)
    }

    /// GetSecurityDescriptorDacl: where it lies. The last two are set only if it is present.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION.
    fn GetSecurityDescriptorDacl(
        descriptor: Block,
        present: Out<Bool>,
        dacl: Out<Block>,
        defaulted: Out<Bool>,
    ) -> Bool [FALSE] {
        let parts = memory::parts(descriptor)?;
        tell_list((parts.control, DACL_PRESENT, DACL_DEFAULTED), parts.dacl, (present, dacl, defaulted));
        Ok(TRUE)
    }

    /// GetSecurityDescriptorSacl: where it lies. The last two are set only if it is present.
    ///
    /// # Errors
    /// ERROR_UNKNOWN_REVISION.
    fn GetSecurityDescriptorSacl(
        descriptor: Block,
        present: Out<Bool>,
        sacl: Out<Block>,
        defaulted: Out<Bool>,
    ) -> Bool [FALSE] {
        let parts = memory::parts(descriptor)?;
        tell_list((parts.control, SACL_PRESENT, SACL_DEFAULTED), parts.sacl, (present, sacl, defaulted));
        Ok(TRUE)
    }

    /// MakeSelfRelativeSD.
    ///
    /// # Errors
    /// ERROR_BAD_DESCRIPTOR_FORMAT for one that is self-relative already; ERROR_INSUFFICIENT_BUFFER, with the size that it takes;
    /// ERROR_INVALID_SECURITY_DESCR, ERROR_INVALID_ACL, ERROR_INVALID_SID.
    fn MakeSelfRelativeSD(absolute: Block, target: Block, size: Out<u32>) -> Bool [FALSE] {
        let (control, parts) = part_bytes(absolute)?;
        if control & SELF_RELATIVE != 0 {
            return Err(Failure(code::BAD_DESCRIPTOR_FORMAT));
        }
        let room = size.get().ok_or(Failure(code::NOACCESS))?;
        let bytes = relative(control, &parts);
        size.set(bytes.len() as u32);
        fill(target, room, &bytes)
    }

    /// MakeAbsoluteSD.
    ///
    /// # Errors
    /// ERROR_BAD_DESCRIPTOR_FORMAT for one that is absolute already; ERROR_INSUFFICIENT_BUFFER, with the sizes that it takes;
    /// ERROR_INVALID_SECURITY_DESCR, ERROR_INVALID_ACL, ERROR_INVALID_SID.
    fn MakeAbsoluteSD(
        source: Block,
        absolute: Block,
        size: Out<u32>,
        dacl: Block,
        dacl_size: Out<u32>,
        sacl: Block,
        sacl_size: Out<u32>,
        owner: Block,
        owner_size: Out<u32>,
        group: Block,
        group_size: Out<u32>,
    ) -> Bool [FALSE] {
        let (control, parts) = part_bytes(source)?;
        if control & SELF_RELATIVE == 0 {
            return Err(Failure(code::BAD_DESCRIPTOR_FORMAT));
        }
        let targets = [(owner, owner_size), (group, group_size), (sacl, sacl_size), (dacl, dacl_size)];
        let mut fits = true;
        let needed = parts.iter().map(|part| part.as_ref().map_or(0, Vec::len)).chain([size_of::<Absolute>()]);
        for (needed, (target, size)) in needed.zip(targets.into_iter().chain([(absolute, size)])) {
            let room = size.get().ok_or(Failure(code::NOACCESS))?;
            size.set(needed as u32);
            fits &= needed == 0 || !target.is_null() && room as usize >= needed;
        }
        if !fits {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        }
        let [owner, group, sacl, dacl] = std::array::from_fn(|index| match &parts[index] {
            Some(bytes) => {
                targets[index].0.write(bytes);
                targets[index].0
            }
            None => Block::NULL,
        });
        absolute.set(Absolute {
            control: control & !SELF_RELATIVE,
            owner,
            group,
            sacl,
            dacl,
            ..Absolute::EMPTY
        });
        Ok(TRUE)
    }

    /// MapGenericMask.
    ///
    /// # Errors
    /// ERROR_NOACCESS for NULL.
    fn MapGenericMask(mask: Out<u32>, mapping: Out<GENERIC_MAPPING>) -> () [()] {
        let none = Failure(code::NOACCESS);
        let (bits, mapping) = (mask.get().ok_or(none)?, mapping.get().ok_or(none)?);
        mask.set(GenericMapping::from(mapping).map(bits) & 0x0fff_ffff);
        Ok(())
    }
}
