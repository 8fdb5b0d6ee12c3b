//! Access lists in the program's memory: made, added to, looked at. Entries of any kind may stand in them.

use std::ops::Range;

use npipe::{Ace, AceKind};

use super::memory::{self, ACL_HEADER};
use crate::failure::{Failure, Outcome};
use crate::pointers::{Block, Bytes, Out};
use crate::types::{Bool, FALSE, TRUE, code};

const REVISIONS: std::ops::RangeInclusive<u32> = 2..=4;
/// Behind the last.
const MAXDWORD: u32 = u32::MAX;
const REVISION_INFORMATION: u32 = 1;
const SIZE_INFORMATION: u32 = 2;

/// Where the entries of a list lie.
pub(super) struct Walk {
    pub(super) aces: Vec<Range<usize>>,
    /// The end of the last.
    used: usize,
}

impl Walk {
    /// # Errors
    /// ERROR_INVALID_ACL.
    pub(super) fn of(bytes: &[u8]) -> Outcome<Walk> {
        let invalid = Failure(code::INVALID_ACL);
        if bytes.len() < ACL_HEADER || !REVISIONS.contains(&bytes[0].into()) {
            return Err(invalid);
        }
        let count = u16::from_le_bytes([bytes[4], bytes[5]]);
        let (mut aces, mut used) = (Vec::new(), ACL_HEADER);
        for _ in 0..count {
            let size = bytes.get(used + 2..used + 4).ok_or(invalid)?;
            let end = used + usize::from(u16::from_le_bytes([size[0], size[1]]));
            if end < used + 4 || end > bytes.len() || !(end - used).is_multiple_of(4) {
                return Err(invalid);
            }
            aces.push(used..end);
            used = end;
        }
        Ok(Walk { aces, used })
    }
}

/// Puts the entries in `added` before the one with this number.
fn insert(acl: Block, revision: u32, index: u32, added: &[u8], count: usize) -> Outcome<Bool> {
    let bytes = memory::acl_bytes(acl)?;
    let walk = Walk::of(&bytes)?;
    if !REVISIONS.contains(&revision) {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let room = bytes.len() - walk.used;
    let total = walk.aces.len() + count;
    if added.len() > room || total > u16::MAX.into() {
        return Err(Failure(code::ALLOTTED_SPACE_EXCEEDED));
    }
    let at = match index {
        MAXDWORD => walk.used,
        index => walk.aces.get(index as usize).map_or(walk.used, |ace| ace.start),
    };
    let behind = &bytes[at..walk.used];
    acl.at(at + added.len()).write(behind);
    acl.at(at).write(added);
    acl.set::<u8>(bytes[0].max(revision as u8));
    acl.at(4).set((total as u16).to_le_bytes());
    Ok(TRUE)
}

fn add(acl: Block, revision: u32, kind: AceKind, flags: u32, mask: u32, sid: Block) -> Outcome<Bool> {
    let ace = Ace {
        kind,
        flags: flags as u8,
        mask,
        sid: memory::sid(sid)?,
    };
    insert(acl, revision, MAXDWORD, &ace.to_bytes(), 1)
}

/// The number of the entries that these bytes are.
fn count(aces: &[u8]) -> Outcome<usize> {
    let (mut count, mut rest) = (0, aces);
    while !rest.is_empty() {
        let invalid = Failure(code::INVALID_PARAMETER);
        let size = rest.get(2..4).ok_or(invalid)?;
        let size = usize::from(u16::from_le_bytes([size[0], size[1]]));
        if size < 4 || !size.is_multiple_of(4) {
            return Err(invalid);
        }
        rest = rest.get(size..).ok_or(invalid)?;
        count += 1;
    }
    Ok(count)
}

crate::export! {
    /// InitializeAcl.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for NULL, an unknown revision, or more than 65535 bytes; ERROR_INSUFFICIENT_BUFFER for fewer than
    /// 8.
    fn InitializeAcl(acl: Block, size: u32, revision: u32) -> Bool [FALSE] {
        if (size as usize) < ACL_HEADER {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        }
        if acl.is_null() || size > u16::MAX.into() || !REVISIONS.contains(&revision) {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        acl.set([revision as u8, 0]);
        acl.at(2).set((size as u16 & !3).to_le_bytes());
        acl.at(4).set([0_u8; 4]);
        Ok(TRUE)
    }

    /// IsValidAcl.
    fn IsValidAcl(acl: Block) -> Bool [FALSE] {
        Ok(Bool::from(memory::acl_bytes(acl).and_then(|bytes| Walk::of(&bytes)).is_ok()))
    }

    /// AddAccessAllowedAce.
    ///
    /// # Errors
    /// ERROR_INVALID_ACL, ERROR_INVALID_SID, ERROR_INVALID_PARAMETER; ERROR_ALLOTTED_SPACE_EXCEEDED if the list is too short.
    fn AddAccessAllowedAce(acl: Block, revision: u32, mask: u32, sid: Block) -> Bool [FALSE] {
        add(acl, revision, AceKind::Allowed, 0, mask, sid)
    }

    /// AddAccessAllowedAceEx.
    ///
    /// # Errors
    /// As AddAccessAllowedAce.
    fn AddAccessAllowedAceEx(acl: Block, revision: u32, flags: u32, mask: u32, sid: Block) -> Bool [FALSE] {
        add(acl, revision, AceKind::Allowed, flags, mask, sid)
    }

    /// AddAccessDeniedAce. It goes behind the others, as on Windows: programs add those that deny first.
    ///
    /// # Errors
    /// As AddAccessAllowedAce.
    fn AddAccessDeniedAce(acl: Block, revision: u32, mask: u32, sid: Block) -> Bool [FALSE] {
        add(acl, revision, AceKind::Denied, 0, mask, sid)
    }

    /// AddAccessDeniedAceEx.
    ///
    /// # Errors
    /// As AddAccessAllowedAce.
    fn AddAccessDeniedAceEx(acl: Block, revision: u32, flags: u32, mask: u32, sid: Block) -> Bool [FALSE] {
        add(acl, revision, AceKind::Denied, flags, mask, sid)
    }

    /// AddAce: entries of any kind.
    ///
    /// # Errors
    /// As AddAccessAllowedAce; ERROR_INVALID_PARAMETER for entries that are none.
    fn AddAce(acl: Block, revision: u32, index: u32, aces: Bytes<'_>, size: u32) -> Bool [FALSE] {
        let aces = aces.slice(size)?;
        insert(acl, revision, index, aces, count(aces)?)
    }

    /// GetAce: where it lies.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER if there are not so many; ERROR_INVALID_ACL.
    fn GetAce(acl: Block, index: u32, ace: Out<Block>) -> Bool [FALSE] {
        let walk = Walk::of(&memory::acl_bytes(acl)?)?;
        let found = walk.aces.get(index as usize).ok_or(Failure(code::INVALID_PARAMETER))?;
        ace.set(acl.at(found.start));
        Ok(TRUE)
    }

    /// DeleteAce.
    ///
    /// # Errors
    /// As GetAce.
    fn DeleteAce(acl: Block, index: u32) -> Bool [FALSE] {
        let bytes = memory::acl_bytes(acl)?;
        let walk = Walk::of(&bytes)?;
        let gone = walk.aces.get(index as usize).ok_or(Failure(code::INVALID_PARAMETER))?;
        acl.at(gone.start).write(&bytes[gone.end..walk.used]);
        acl.at(4).set((walk.aces.len() as u16 - 1).to_le_bytes());
        Ok(TRUE)
    }

    /// FindFirstFreeAce: the place behind the entries; NULL if there is none left.
    ///
    /// # Errors
    /// ERROR_INVALID_ACL.
    fn FindFirstFreeAce(acl: Block, free: Out<Block>) -> Bool [FALSE] {
        let bytes = memory::acl_bytes(acl)?;
        let used = Walk::of(&bytes)?.used;
        free.set(if used < bytes.len() { acl.at(used) } else { Block::NULL });
        Ok(TRUE)
    }

    /// GetAclInformation: its revision, or its sizes.
    ///
    /// # Errors
    /// ERROR_INVALID_ACL; ERROR_INVALID_PARAMETER for another class; ERROR_INSUFFICIENT_BUFFER.
    fn GetAclInformation(acl: Block, information: Block, size: u32, class: u32) -> Bool [FALSE] {
        let bytes = memory::acl_bytes(acl)?;
        let walk = Walk::of(&bytes)?;
        let words = match class {
            REVISION_INFORMATION => vec![bytes[0].into()],
            SIZE_INFORMATION => vec![walk.aces.len() as u32, walk.used as u32, (bytes.len() - walk.used) as u32],
            _ => return Err(Failure(code::INVALID_PARAMETER)),
        };
        if information.is_null() || (size as usize) < 4 * words.len() {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        }
        for (index, word) in words.into_iter().enumerate() {
            information.at(4 * index).set::<u32>(word);
        }
        Ok(TRUE)
    }
}
