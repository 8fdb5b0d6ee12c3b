//! The descriptors of objects: of named pipes. Other objects are their process's alone, or the system's.

use std::sync::Arc;

use npipe::{AccessList, SecurityDescriptor, SecurityInformation};

use super::descriptors::fill;
use super::explicit::number;
use super::memory;
use crate::failure::{Failure, Outcome, not_implemented};
use crate::handles;
use crate::object::Object;
use crate::pipes::PipeEnd;
use crate::pointers::{Block, Out};
use crate::types::{Bool, FALSE, Handle, TRUE, code};

const SE_FILE_OBJECT: u32 = 1;
const SE_KERNEL_OBJECT: u32 = 6;
const PROTECTED_DACL: u32 = 0x8000_0000;
const PROTECTED_SACL: u32 = 0x4000_0000;
const UNPROTECTED_DACL: u32 = 0x2000_0000;
const UNPROTECTED_SACL: u32 = 0x1000_0000;
/// SE_DACL_PROTECTED and SE_SACL_PROTECTED
const DACL_IS_PROTECTED: u16 = 0x1000;
const SACL_IS_PROTECTED: u16 = 0x2000;

/// The pipe behind a handle that has these rights.
fn pipe(handle: Handle, rights: u32) -> Outcome<Arc<PipeEnd>> {
    let entry = handles::get(handle)?;
    match entry.object {
        Object::Pipe(end) => {
            // semantics 258
            entry.access.require_further(rights)?;
            Ok(end)
        }
        _ => Err(not_implemented(
            "the security descriptor of an object that is not a named pipe",
        )),
    }
}

fn read(handle: Handle, parts: u32) -> Outcome<SecurityDescriptor> {
    let parts = SecurityInformation::from_win32(parts);
    let end = pipe(handle, parts.rights_to_read())?;
    match parts.rights_to_read() {
        0 => Ok(SecurityDescriptor::default()),
        _ => Ok(end.security()?.only(parts)),
    }
}

// semantics 265
fn write(handle: Handle, bits: u32, descriptor: &SecurityDescriptor) -> Outcome<()> {
    let parts = SecurityInformation::from_win32(bits);
    let end = pipe(handle, parts.rights_to_write())?;
    Ok(end.set_security(parts, descriptor)?)
}

/// Both kinds mean a named pipe.
fn require_kind(kind: u32) -> Outcome<()> {
    match kind {
        SE_FILE_OBJECT | SE_KERNEL_OBJECT => Ok(()),
        _ => Err(Failure(code::INVALID_PARAMETER)),
    }
}

struct Places {
    owner: Out<Block>,
    group: Out<Block>,
    dacl: Out<Block>,
    sacl: Out<Block>,
    descriptor: Out<Block>,
}

fn get_info(handle: Handle, kind: u32, bits: u32, places: &Places) -> Outcome<()> {
    require_kind(kind)?;
    let wanted = [places.owner, places.group, places.dacl, places.sacl];
    // Parts lie in the descriptor, which the program has to free.
    if places.descriptor.is_null() {
        return match wanted.iter().all(|place| place.is_null()) {
            true => read(handle, bits).map(drop),
            false => Err(Failure(code::INVALID_PARAMETER)),
        };
    }
    let made = memory::allocated(&read(handle, bits)?.encode())?;
    places.descriptor.set(made);
    let parts = memory::parts(made)?;
    let asked = SecurityInformation::from_win32(bits);
    for (is_asked, place, part) in [
        (asked.owner, places.owner, parts.owner),
        (asked.group, places.group, parts.group),
        (asked.dacl, places.dacl, parts.dacl),
        (asked.sacl, places.sacl, parts.sacl),
    ] {
        if is_asked {
            place.set(part);
        }
    }
    Ok(())
}

fn set_info(handle: Handle, kind: u32, bits: u32, [owner, group, dacl, sacl]: [Block; 4]) -> Outcome<()> {
    require_kind(kind)?;
    let parts = SecurityInformation::from_win32(bits);
    let mut descriptor = SecurityDescriptor::default();
    let sid = |is_set, sid: Block| match is_set {
        true => memory::sid(sid).map(Some),
        false => Ok(None),
    };
    let list = |is_set, list: Block| match (is_set, list.present()) {
        (false, _) => Ok(AccessList::Absent),
        (true, None) => Ok(AccessList::Null),
        (true, Some(list)) => memory::acl(list).map(AccessList::List),
    };
    descriptor.owner = sid(parts.owner, owner)?;
    descriptor.group = sid(parts.group, group)?;
    descriptor.dacl = list(parts.dacl, dacl)?;
    descriptor.sacl = list(parts.sacl, sacl)?;
    if bits & (PROTECTED_DACL | UNPROTECTED_DACL) == PROTECTED_DACL | UNPROTECTED_DACL
        || bits & (PROTECTED_SACL | UNPROTECTED_SACL) == PROTECTED_SACL | UNPROTECTED_SACL
    {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let protected = |bit, flag| if bits & bit != 0 { flag } else { 0 };
    descriptor.set_control(protected(PROTECTED_DACL, DACL_IS_PROTECTED) | protected(PROTECTED_SACL, SACL_IS_PROTECTED));
    write(handle, bits, &descriptor)
}

crate::export! {
    /// GetSecurityInfo, of named pipes: the error number, with the last error left alone. What stands in the other places lies in
    /// the descriptor.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED without READ_CONTROL; ERROR_INVALID_PARAMETER for another kind of object, or parts without the
    /// descriptor; ERROR_INVALID_HANDLE; ERROR_CALL_NOT_IMPLEMENTED for other objects.
    fn GetSecurityInfo(
        handle: Handle,
        kind: u32,
        parts: u32,
        owner: Out<Block>,
        group: Out<Block>,
        dacl: Out<Block>,
        sacl: Out<Block>,
        descriptor: Out<Block>,
    ) -> u32 [code::INTERNAL_ERROR] {
        number(get_info(handle, kind, parts, &Places { owner, group, dacl, sacl, descriptor }))
    }

    /// SetSecurityInfo, of named pipes: the error number, with the last error left alone. All ends of the name see it.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED without WRITE_DAC or WRITE_OWNER; ERROR_INVALID_OWNER, ERROR_INVALID_SID, ERROR_INVALID_ACL; otherwise
    /// as GetSecurityInfo.
    fn SetSecurityInfo(
        handle: Handle,
        kind: u32,
        parts: u32,
        owner: Block,
        group: Block,
        dacl: Block,
        sacl: Block,
    ) -> u32 [code::INTERNAL_ERROR] {
        number(set_info(handle, kind, parts, [owner, group, dacl, sacl]))
    }

    /// GetKernelObjectSecurity, of named pipes: a self-relative descriptor.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER, with the size that it takes; otherwise as GetSecurityInfo.
    fn GetKernelObjectSecurity(
        handle: Handle,
        parts: u32,
        descriptor: Block,
        size: u32,
        needed: Out<u32>,
    ) -> Bool [FALSE] {
        let bytes = read(handle, parts)?.encode();
        needed.set(bytes.len() as u32);
        fill(descriptor, size, &bytes)
    }

    /// SetKernelObjectSecurity, of named pipes. All ends of the name see it.
    ///
    /// # Errors
    /// As SetSecurityInfo; ERROR_INVALID_SECURITY_DESCR.
    fn SetKernelObjectSecurity(handle: Handle, parts: u32, descriptor: Block) -> Bool [FALSE] {
        write(handle, parts, &memory::descriptor(descriptor)?)?;
        Ok(TRUE)
    }
}
