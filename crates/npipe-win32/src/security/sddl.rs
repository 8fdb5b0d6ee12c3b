//! SIDs and descriptors as texts.

use npipe::{SecurityDescriptor, SecurityInformation, Sid};

use super::memory;
use crate::failure::{Failure, Outcome};
use crate::pointers::{Ansi, Block, Out, WideText};
use crate::text::{self, Words};
use crate::types::{Bool, FALSE, TRUE, code};

/// SDDL_REVISION_1
const SDDL_REVISION: u32 = 1;

fn read(text: impl Words) -> Outcome<String> {
    let bytes = text.bytes().ok_or(Failure(code::INVALID_PARAMETER))?;
    String::from_utf8(bytes).map_err(|_| Failure(code::INVALID_PARAMETER))
}

/// Allocates a text with its zero for the program; its length in units, the zero counted.
fn give_ansi(text: &str, target: Out<Block>) -> Outcome<u32> {
    let bytes = [text.as_bytes(), &[0]].concat();
    target.set(memory::allocated(&bytes)?);
    Ok(bytes.len() as u32)
}

fn give_wide(text: &str, target: Out<Block>) -> Outcome<u32> {
    let mut units = text::utf16(text.as_bytes());
    units.push(0);
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
    target.set(memory::allocated(&bytes)?);
    Ok(units.len() as u32)
}

fn read_sid(text: impl Words, sid: Out<Block>) -> Outcome<Bool> {
    let text = read(text)?;
    if sid.is_null() {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    sid.set(memory::allocated(&Sid::from_sddl(&text)?.to_bytes())?);
    Ok(TRUE)
}

fn read_descriptor(text: impl Words, revision: u32, descriptor: Out<Block>, size: Out<u32>) -> Outcome<Bool> {
    let text = read(text)?;
    if descriptor.is_null() {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    require_revision(revision)?;
    let bytes = text.parse::<SecurityDescriptor>()?.encode();
    descriptor.set(memory::allocated(&bytes)?);
    size.set(bytes.len() as u32);
    Ok(TRUE)
}

fn require_revision(revision: u32) -> Outcome<()> {
    match revision {
        SDDL_REVISION => Ok(()),
        _ => Err(Failure(code::UNKNOWN_REVISION)),
    }
}

fn write_descriptor(descriptor: Block, revision: u32, parts: u32) -> Outcome<String> {
    require_revision(revision)?;
    let parts = SecurityInformation::from_win32(parts);
    Ok(memory::descriptor(descriptor)?.only(parts).to_string())
}

crate::export! {
    /// ConvertSidToStringSidA.
    ///
    /// # Errors
    /// ERROR_INVALID_SID; ERROR_INVALID_PARAMETER for NULL.
    fn ConvertSidToStringSidA(sid: Block, text: Out<Block>) -> Bool [FALSE] {
        if sid.is_null() || text.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        give_ansi(&memory::sid(sid)?.to_string(), text)?;
        Ok(TRUE)
    }

    /// ConvertSidToStringSidW.
    ///
    /// # Errors
    /// As ConvertSidToStringSidA.
    fn ConvertSidToStringSidW(sid: Block, text: Out<Block>) -> Bool [FALSE] {
        if sid.is_null() || text.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        give_wide(&memory::sid(sid)?.to_string(), text)?;
        Ok(TRUE)
    }

    /// ConvertStringSidToSidA: `S-1-…`, or a word of SDDL.
    ///
    /// # Errors
    /// ERROR_INVALID_SID; ERROR_INVALID_PARAMETER for NULL.
    fn ConvertStringSidToSidA(text: Ansi<'_>, sid: Out<Block>) -> Bool [FALSE] {
        read_sid(text, sid)
    }

    /// ConvertStringSidToSidW.
    ///
    /// # Errors
    /// As ConvertStringSidToSidA.
    fn ConvertStringSidToSidW(text: WideText<'_>, sid: Out<Block>) -> Bool [FALSE] {
        read_sid(text, sid)
    }

    /// ConvertStringSecurityDescriptorToSecurityDescriptorA: a self-relative one.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER, ERROR_INVALID_SID; ERROR_INVALID_ACL for entries for objects, with conditions, of resources;
    /// ERROR_UNKNOWN_REVISION.
    fn ConvertStringSecurityDescriptorToSecurityDescriptorA(
        text: Ansi<'_>,
        revision: u32,
        descriptor: Out<Block>,
        size: Out<u32>,
    ) -> Bool [FALSE] {
        read_descriptor(text, revision, descriptor, size)
    }

    /// ConvertStringSecurityDescriptorToSecurityDescriptorW.
    ///
    /// # Errors
    /// As ConvertStringSecurityDescriptorToSecurityDescriptorA.
    fn ConvertStringSecurityDescriptorToSecurityDescriptorW(
        text: WideText<'_>,
        revision: u32,
        descriptor: Out<Block>,
        size: Out<u32>,
    ) -> Bool [FALSE] {
        read_descriptor(text, revision, descriptor, size)
    }

    /// ConvertSecurityDescriptorToStringSecurityDescriptorA: the parts that are asked for.
    ///
    /// # Errors
    /// ERROR_INVALID_SECURITY_DESCR, ERROR_INVALID_ACL, ERROR_INVALID_SID; ERROR_UNKNOWN_REVISION.
    fn ConvertSecurityDescriptorToStringSecurityDescriptorA(
        descriptor: Block,
        revision: u32,
        parts: u32,
        text: Out<Block>,
        length: Out<u32>,
    ) -> Bool [FALSE] {
        length.set(give_ansi(&write_descriptor(descriptor, revision, parts)?, text)?);
        Ok(TRUE)
    }

    /// ConvertSecurityDescriptorToStringSecurityDescriptorW.
    ///
    /// # Errors
    /// As ConvertSecurityDescriptorToStringSecurityDescriptorA.
    fn ConvertSecurityDescriptorToStringSecurityDescriptorW(
        descriptor: Block,
        revision: u32,
        parts: u32,
        text: Out<Block>,
        length: Out<u32>,
    ) -> Bool [FALSE] {
        length.set(give_wide(&write_descriptor(descriptor, revision, parts)?, text)?);
        Ok(TRUE)
    }
}
