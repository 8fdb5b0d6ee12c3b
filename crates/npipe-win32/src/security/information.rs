//! What GetTokenInformation tells of a token, as it lies in memory.
//!
//! A structure with pointers is followed by what they lead to, in the same buffer.

use npipe::{Ace, Acl, Sid, rights};

use super::privileges;
use super::tokens::{AccessToken, Kind};
use crate::failure::{Failure, Outcome};
use crate::types::code;

/// TOKEN_INFORMATION_CLASS, as far as there is something to tell.
mod class {
    pub(super) const USER: u32 = 1;
    pub(super) const GROUPS: u32 = 2;
    pub(super) const PRIVILEGES: u32 = 3;
    pub(super) const OWNER: u32 = 4;
    pub(super) const PRIMARY_GROUP: u32 = 5;
    pub(super) const DEFAULT_DACL: u32 = 6;
    pub(super) const TYPE: u32 = 8;
    pub(super) const IMPERSONATION_LEVEL: u32 = 9;
    pub(super) const STATISTICS: u32 = 10;
    pub(super) const RESTRICTED_SIDS: u32 = 11;
    pub(super) const SESSION_ID: u32 = 12;
    pub(super) const ELEVATION_TYPE: u32 = 18;
    pub(super) const ELEVATION: u32 = 20;
    pub(super) const HAS_RESTRICTIONS: u32 = 21;
    pub(super) const INTEGRITY_LEVEL: u32 = 25;
    pub(super) const IS_APP_CONTAINER: u32 = 29;
    /// From here on there are no classes.
    pub(super) const AFTER_LAST: u32 = 51;
}

/// SE_GROUP_MANDATORY, SE_GROUP_ENABLED_BY_DEFAULT, SE_GROUP_ENABLED.
const GROUP_ENABLED: u32 = 7;
const SE_GROUP_OWNER: u32 = 8;
const SE_GROUP_INTEGRITY: u32 = 0x20 | 0x40;
const TOKEN_ELEVATION_TYPE_DEFAULT: u32 = 1;

const MANDATORY_LABEL_AUTHORITY: u64 = 16;
const MEDIUM: u32 = 0x2000;
const SYSTEM: u32 = 0x4000;

/// What a class tells of a token, for a buffer at the address `base`.
///
/// # Errors
/// ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, ERROR_CANT_OPEN_ANONYMOUS.
pub(super) fn of(token: &AccessToken, class: u32, base: usize) -> Outcome<Vec<u8>> {
    let who = token.who()?;
    let is_superuser = who.uid == 0;
    Ok(match class {
        class::USER => sids(base, &[], &[(who.user(), 0)]),
        class::GROUPS => {
            let groups: Vec<(Sid, u32)> = groups(&who.group_sids());
            sids(base, &counted(groups.len()), &groups)
        }
        class::RESTRICTED_SIDS => counted(0),
        class::PRIVILEGES => {
            let held = token.privileges();
            [&number(held.len() as u32)[..], &privileges::encode(&held)].concat()
        }
        class::OWNER => bare_sid(base, &who.user()),
        class::PRIMARY_GROUP => bare_sid(base, &who.primary_group()),
        class::DEFAULT_DACL => {
            let at = base + size_of::<usize>();
            [&at.to_le_bytes()[..], &default_dacl(&who.user()).to_bytes()].concat()
        }
        class::TYPE => number(kind(token)),
        class::IMPERSONATION_LEVEL => match token.kind() {
            Kind::Primary => return Err(Failure(code::INVALID_PARAMETER)),
            Kind::Impersonation => number(token.token().level().to_win32()),
        },
        class::STATISTICS => statistics(token, who.group_sids().len() as u32),
        class::SESSION_ID | class::HAS_RESTRICTIONS | class::IS_APP_CONTAINER => number(0),
        class::ELEVATION_TYPE => number(TOKEN_ELEVATION_TYPE_DEFAULT),
        class::ELEVATION => number(u32::from(is_superuser)),
        class::INTEGRITY_LEVEL => {
            let level = if is_superuser { SYSTEM } else { MEDIUM };
            let label = Sid::new(MANDATORY_LABEL_AUTHORITY, &[level]).unwrap_or(Sid::NULL);
            sids(base, &[], &[(label, SE_GROUP_INTEGRITY)])
        }
        0 | class::AFTER_LAST.. => return Err(Failure(code::INVALID_PARAMETER)),
        _ => return Err(Failure(code::NOT_SUPPORTED)),
    })
}

fn number(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// A count before structures that begin with a pointer.
fn counted(count: usize) -> Vec<u8> {
    (count as u64).to_le_bytes().to_vec()
}

fn groups(sids: &[Sid]) -> Vec<(Sid, u32)> {
    let attributes = |sid: &Sid| match *sid {
        Sid::ADMINISTRATORS => GROUP_ENABLED | SE_GROUP_OWNER,
        _ => GROUP_ENABLED,
    };
    sids.iter().map(|sid| (*sid, attributes(sid))).collect()
}

/// SID_AND_ATTRIBUTES behind a header, and the SIDs behind them.
fn sids(base: usize, header: &[u8], entries: &[(Sid, u32)]) -> Vec<u8> {
    const ENTRY_BYTES: usize = 16;
    let mut at = base + header.len() + entries.len() * ENTRY_BYTES;
    let mut bytes = header.to_vec();
    for (sid, attributes) in entries {
        bytes.extend(at.to_le_bytes());
        bytes.extend(u64::from(*attributes).to_le_bytes());
        at += sid.byte_len();
    }
    bytes.extend(entries.iter().flat_map(|(sid, _)| sid.to_bytes()));
    bytes
}

/// The list of what is made without one: for the user and the system.
fn default_dacl(user: &Sid) -> Acl {
    let mut sids = vec![*user, Sid::LOCAL_SYSTEM];
    sids.dedup();
    let aces = sids.into_iter().map(|sid| Ace::allowed(rights::GENERIC_ALL, sid));
    Acl::new(aces.collect()).unwrap_or_default()
}

/// A pointer, and the SID behind it.
fn bare_sid(base: usize, sid: &Sid) -> Vec<u8> {
    let at = base + size_of::<usize>();
    [&at.to_le_bytes()[..], &sid.to_bytes()].concat()
}

fn kind(token: &AccessToken) -> u32 {
    match token.kind() {
        Kind::Primary => 1,
        Kind::Impersonation => 2,
    }
}

/// TOKEN_STATISTICS.
fn statistics(token: &AccessToken, groups: u32) -> Vec<u8> {
    /// That of the system's own session, which is the only one.
    const AUTHENTICATION_ID: u64 = 0x3e7;
    const NEVER: u64 = i64::MAX as u64;
    let level = match token.kind() {
        Kind::Primary => 0,
        Kind::Impersonation => token.token().level().to_win32(),
    };
    let mut bytes: Vec<u8> = [token.id(), AUTHENTICATION_ID, NEVER]
        .iter()
        .flat_map(|id| id.to_le_bytes())
        .collect();
    let numbers = [kind(token), level, 0, 0, groups, token.privileges().len() as u32];
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(token.modified().to_le_bytes());
    bytes
}
