//! SIDs: made, taken apart, compared.

use npipe::Sid;

use super::memory::{self, MAX_SUB_AUTHORITIES, REVISION, SID_HEADER};
use crate::failure::{Failure, Outcome};
use crate::heap;
use crate::pointers::{Block, In, Out};
use crate::types::{Bool, FALSE, TRUE, code};

/// SID_IDENTIFIER_AUTHORITY, big-endian.
type Authority = [u8; 6];

/// WELL_KNOWN_SID_TYPE: its number, and what the SID consists of. Those of a domain are not offered.
const WELL_KNOWN: &[(u32, u64, &[u32])] = &[
    (0, 0, &[0]),
    (1, 1, &[0]),
    (2, 2, &[0]),
    (3, 3, &[0]),
    (4, 3, &[1]),
    (5, 3, &[2]),
    (6, 3, &[3]),
    (7, 5, &[]),
    (8, 5, &[1]),
    (9, 5, &[2]),
    (10, 5, &[3]),
    (11, 5, &[4]),
    (12, 5, &[6]),
    (13, 5, &[7]),
    (14, 5, &[8]),
    (15, 5, &[9]),
    (16, 5, &[10]),
    (17, 5, &[11]),
    (18, 5, &[12]),
    (19, 5, &[13]),
    (20, 5, &[14]),
    (22, 5, &[18]),
    (23, 5, &[19]),
    (24, 5, &[20]),
    (25, 5, &[32]),
    (26, 5, &[32, 544]),
    (27, 5, &[32, 545]),
    (28, 5, &[32, 546]),
    (29, 5, &[32, 547]),
    (30, 5, &[32, 548]),
    (31, 5, &[32, 549]),
    (32, 5, &[32, 550]),
    (33, 5, &[32, 551]),
    (34, 5, &[32, 552]),
    (35, 5, &[32, 554]),
    (36, 5, &[32, 555]),
    (37, 5, &[32, 556]),
    (57, 5, &[32, 558]),
    (58, 5, &[32, 559]),
    (65, 16, &[0]),
    (66, 16, &[4096]),
    (67, 16, &[8192]),
    (68, 16, &[12288]),
    (69, 16, &[16384]),
    (70, 5, &[33]),
    (71, 3, &[4]),
    (80, 2, &[0]),
    (81, 2, &[1]),
];

fn well_known(kind: u32) -> Outcome<Sid> {
    let row = WELL_KNOWN.iter().find(|(number, ..)| *number == kind);
    let (_, authority, subs) = row.ok_or(Failure(code::INVALID_PARAMETER))?;
    Ok(Sid::new(*authority, subs).map_err(npipe::Status::from)?)
}

crate::export! {
    /// IsValidSid.
    fn IsValidSid(sid: Block) -> Bool [FALSE] {
        Ok(Bool::from(memory::sid(sid).is_ok()))
    }

    /// EqualSid. The last error is set to ERROR_SUCCESS where they differ, as on Windows.
    ///
    /// # Errors
    /// ERROR_INVALID_SID.
    fn EqualSid(one: Block, other: Block) -> Bool [FALSE] {
        match memory::sid(one)? == memory::sid(other)? {
            true => Ok(TRUE),
            false => Err(Failure(code::SUCCESS)),
        }
    }

    /// EqualPrefixSid: whether all but the last sub-authority are equal.
    ///
    /// # Errors
    /// ERROR_INVALID_SID.
    fn EqualPrefixSid(one: Block, other: Block) -> Bool [FALSE] {
        let (one, other) = (memory::sid(one)?, memory::sid(other)?);
        let prefix = |sid: &Sid| sid.sub_authorities().split_last().map(|(_, rest)| rest.to_vec());
        let is_equal = one.authority() == other.authority()
            && one.sub_authorities().len() == other.sub_authorities().len()
            && prefix(&one) == prefix(&other);
        Ok(Bool::from(is_equal))
    }

    /// GetSidLengthRequired.
    fn GetSidLengthRequired(count: u8) -> u32 [0] {
        Ok((SID_HEADER + 4 * usize::from(count)) as u32)
    }

    /// InitializeSid.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for NULL, or more than 15 sub-authorities.
    fn InitializeSid(sid: Block, authority: In<Authority>, count: u8) -> Bool [FALSE] {
        let invalid = Failure(code::INVALID_PARAMETER);
        if sid.is_null() || count > MAX_SUB_AUTHORITIES {
            return Err(invalid);
        }
        sid.set([REVISION, count]);
        sid.at(2).set(authority.get().ok_or(invalid)?);
        sid.at(SID_HEADER).write(&vec![0; 4 * usize::from(count)]);
        Ok(TRUE)
    }

    /// GetSidIdentifierAuthority: where it lies.
    ///
    /// # Errors
    /// ERROR_INVALID_SID.
    fn GetSidIdentifierAuthority(sid: Block) -> Block [Block::NULL] {
        memory::sid_bytes(sid)?;
        Ok(sid.at(2))
    }

    /// GetSidSubAuthorityCount: where it lies.
    ///
    /// # Errors
    /// ERROR_INVALID_SID.
    fn GetSidSubAuthorityCount(sid: Block) -> Block [Block::NULL] {
        memory::sid_bytes(sid)?;
        Ok(sid.at(1))
    }

    /// GetSidSubAuthority: where it lies.
    ///
    /// # Errors
    /// ERROR_INVALID_SID; ERROR_INVALID_PARAMETER for one that there is not, which Windows does not check.
    fn GetSidSubAuthority(sid: Block, index: u32) -> Block [Block::NULL] {
        let place = SID_HEADER + 4 * index as usize;
        match place < memory::sid_bytes(sid)?.len() {
            true => Ok(sid.at(place)),
            false => Err(Failure(code::INVALID_PARAMETER)),
        }
    }

    /// GetLengthSid.
    ///
    /// # Errors
    /// ERROR_INVALID_SID.
    fn GetLengthSid(sid: Block) -> u32 [0] {
        Ok(memory::sid_bytes(sid)?.len() as u32)
    }

    /// CopySid.
    ///
    /// # Errors
    /// ERROR_INVALID_SID, ERROR_INSUFFICIENT_BUFFER.
    fn CopySid(size: u32, target: Block, source: Block) -> Bool [FALSE] {
        let bytes = memory::sid_bytes(source)?;
        if target.is_null() || bytes.len() > size as usize {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        }
        target.write(&bytes);
        Ok(TRUE)
    }

    /// AllocateAndInitializeSid, of up to eight sub-authorities.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for NULL; ERROR_INVALID_SID for more than eight; ERROR_NOT_ENOUGH_MEMORY.
    fn AllocateAndInitializeSid(
        authority: In<Authority>,
        count: u8,
        first: u32,
        second: u32,
        third: u32,
        fourth: u32,
        fifth: u32,
        sixth: u32,
        seventh: u32,
        eighth: u32,
        sid: Out<Block>,
    ) -> Bool [FALSE] {
        let [a, b, c, d, e, f] = authority.get().ok_or(Failure(code::INVALID_PARAMETER))?;
        let subs = [first, second, third, fourth, fifth, sixth, seventh, eighth];
        let subs = subs.get(..count.into()).ok_or(Failure(code::INVALID_SID))?;
        let made = Sid::new(u64::from_be_bytes([0, 0, a, b, c, d, e, f]), subs).map_err(npipe::Status::from)?;
        if sid.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        sid.set(memory::allocated(&made.to_bytes())?);
        Ok(TRUE)
    }

    /// FreeSid, of what AllocateAndInitializeSid has made. NULL, which is success.
    fn FreeSid(sid: Block) -> Block [Block::NULL] {
        heap::free(sid.memory());
        Ok(Block::NULL)
    }

    /// CreateWellKnownSid, but for those of a domain.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for a kind that is not offered; ERROR_INSUFFICIENT_BUFFER, with the size that it takes.
    fn CreateWellKnownSid(kind: u32, _domain: Block, sid: Block, size: Out<u32>) -> Bool [FALSE] {
        let bytes = well_known(kind)?.to_bytes();
        let room = size.get().ok_or(Failure(code::INVALID_PARAMETER))?;
        size.set(bytes.len() as u32);
        if sid.is_null() || (room as usize) < bytes.len() {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        }
        sid.write(&bytes);
        Ok(TRUE)
    }

    /// IsWellKnownSid.
    fn IsWellKnownSid(sid: Block, kind: u32) -> Bool [FALSE] {
        let is_this = memory::sid(sid).is_ok_and(|sid| well_known(kind).is_ok_and(|known| known == sid));
        Ok(Bool::from(is_this))
    }
}
