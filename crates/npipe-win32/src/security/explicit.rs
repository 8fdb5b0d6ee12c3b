//! EXPLICIT_ACCESS: access lists by users and what they may do.

use npipe::{Ace, AceKind, Acl, Sid};

use super::{lookups, memory};
use crate::failure::{Failure, Outcome, not_implemented};
use crate::pointers::{Block, In, Out};
use crate::text::Words;
use crate::types::code;

/// TRUSTEE, of either form.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Trustee {
    multiple: Block,
    operation: u32,
    form: u32,
    kind: u32,
    name: Block,
}

/// EXPLICIT_ACCESS, of either form.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ExplicitAccess {
    permissions: u32,
    mode: u32,
    inheritance: u32,
    trustee: Trustee,
}

const GRANT_ACCESS: u32 = 1;
const SET_ACCESS: u32 = 2;
const DENY_ACCESS: u32 = 3;
const REVOKE_ACCESS: u32 = 4;
const TRUSTEE_IS_SID: u32 = 0;
const TRUSTEE_IS_NAME: u32 = 1;
/// The flags of grfInheritance that an entry has too.
const INHERITANCE: u32 = 0x0f;

fn trustee(trustee: &Trustee, text: impl Fn(Block) -> Option<Vec<u8>>) -> Outcome<Sid> {
    if !trustee.multiple.is_null() {
        return Err(not_implemented("SetEntriesInAcl with several trustees in one entry"));
    }
    match trustee.form {
        TRUSTEE_IS_SID => memory::sid(trustee.name),
        TRUSTEE_IS_NAME => {
            let name = text(trustee.name).ok_or(Failure(code::INVALID_PARAMETER))?;
            lookups::trustee(&name)
        }
        _ => Err(Failure(code::INVALID_PARAMETER)),
    }
}

/// The list with these entries in it: new ones that deny first, then what denied already, new ones that allow, the rest.
fn merge(entries: &[(ExplicitAccess, Sid)], old: &[Ace]) -> Outcome<Vec<Ace>> {
    let mut old = old.to_vec();
    let (mut denied, mut allowed) = (Vec::new(), Vec::new());
    for (entry, sid) in entries {
        let ace = |kind, mask| Ace {
            kind,
            flags: (entry.inheritance & INHERITANCE) as u8,
            mask,
            sid: *sid,
        };
        match entry.mode {
            GRANT_ACCESS => {
                // What the trustee has already is part of what it gets.
                let is_its =
                    |ace: &Ace| ace.sid == *sid && ace.kind == AceKind::Allowed && ace.flags == entry_flags(entry);
                let had = old
                    .iter()
                    .filter(|ace| is_its(ace))
                    .fold(0, |mask, ace| mask | ace.mask);
                old.retain(|ace| !is_its(ace));
                allowed.push(ace(AceKind::Allowed, entry.permissions | had));
            }
            SET_ACCESS => {
                old.retain(|ace| ace.sid != *sid);
                allowed.push(ace(AceKind::Allowed, entry.permissions));
            }
            DENY_ACCESS => denied.push(ace(AceKind::Denied, entry.permissions)),
            REVOKE_ACCESS => old.retain(|ace| ace.sid != *sid),
            _ => return Err(not_implemented("SetEntriesInAcl with entries that audit")),
        }
    }
    let first_other = old
        .iter()
        .position(|ace| ace.kind != AceKind::Denied)
        .unwrap_or(old.len());
    let rest = old.split_off(first_other);
    denied.extend(old);
    denied.extend(allowed);
    denied.extend(rest);
    Ok(denied)
}

fn entry_flags(entry: &ExplicitAccess) -> u8 {
    (entry.inheritance & INHERITANCE) as u8
}

fn set_entries(
    count: u32,
    entries: In<ExplicitAccess>,
    old: Block,
    new: Out<Block>,
    text: impl Fn(Block) -> Option<Vec<u8>>,
) -> Outcome<()> {
    let invalid = Failure(code::INVALID_PARAMETER);
    if new.is_null() || count > u16::MAX.into() {
        return Err(invalid);
    }
    let entries = match count {
        0 => Vec::new(),
        count => entries.array(count as usize).ok_or(invalid)?,
    };
    if entries.is_empty() && old.is_null() {
        new.set(Block::NULL);
        return Ok(());
    }
    let named = |entry: ExplicitAccess| Ok((entry, trustee(&entry.trustee, &text)?));
    let entries = entries.into_iter().map(named).collect::<Outcome<Vec<_>>>()?;
    let old = old.present().map(memory::acl).transpose()?.unwrap_or_default();
    let made = Acl::new(merge(&entries, old.aces())?)?;
    new.set(memory::allocated(&made.to_bytes())?);
    Ok(())
}

/// The number that functions return which set no last error.
pub(super) fn number(outcome: Outcome<()>) -> Outcome<u32> {
    Ok(match outcome {
        Ok(()) => code::SUCCESS,
        Err(Failure(number)) => number,
    })
}

fn ansi(name: Block) -> Option<Vec<u8>> {
    name.as_text::<u8>().bytes()
}

fn wide(name: Block) -> Option<Vec<u8>> {
    name.as_text::<u16>().bytes()
}

fn of(form: u32, name: Block) -> Trustee {
    Trustee {
        multiple: Block::NULL,
        operation: 0,
        form,
        // TRUSTEE_IS_UNKNOWN
        kind: 0,
        name,
    }
}

fn build(target: Out<ExplicitAccess>, name: Block, permissions: u32, mode: u32, inheritance: u32) -> Outcome<()> {
    target.set(ExplicitAccess {
        permissions,
        mode,
        inheritance,
        trustee: of(TRUSTEE_IS_NAME, name),
    });
    Ok(())
}

crate::export! {
    /// SetEntriesInAclA: the error number, with the last error left alone.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER, ERROR_INVALID_ACL, ERROR_INVALID_SID; ERROR_NONE_MAPPED for an unknown name.
    fn SetEntriesInAclA(count: u32, entries: In<ExplicitAccess>, old: Block, new: Out<Block>) -> u32 [code::INTERNAL_ERROR] {
        number(set_entries(count, entries, old, new, ansi))
    }

    /// SetEntriesInAclW.
    ///
    /// # Errors
    /// As SetEntriesInAclA.
    fn SetEntriesInAclW(count: u32, entries: In<ExplicitAccess>, old: Block, new: Out<Block>) -> u32 [code::INTERNAL_ERROR] {
        number(set_entries(count, entries, old, new, wide))
    }

    /// BuildExplicitAccessWithNameA.
    fn BuildExplicitAccessWithNameA(
        target: Out<ExplicitAccess>,
        name: Block,
        permissions: u32,
        mode: u32,
        inheritance: u32,
    ) -> () [()] {
        build(target, name, permissions, mode, inheritance)
    }

    /// BuildExplicitAccessWithNameW.
    fn BuildExplicitAccessWithNameW(
        target: Out<ExplicitAccess>,
        name: Block,
        permissions: u32,
        mode: u32,
        inheritance: u32,
    ) -> () [()] {
        build(target, name, permissions, mode, inheritance)
    }

    /// BuildTrusteeWithNameA.
    fn BuildTrusteeWithNameA(trustee: Out<Trustee>, name: Block) -> () [()] {
        trustee.set(of(TRUSTEE_IS_NAME, name));
        Ok(())
    }

    /// BuildTrusteeWithNameW.
    fn BuildTrusteeWithNameW(trustee: Out<Trustee>, name: Block) -> () [()] {
        trustee.set(of(TRUSTEE_IS_NAME, name));
        Ok(())
    }

    /// BuildTrusteeWithSidA.
    fn BuildTrusteeWithSidA(trustee: Out<Trustee>, sid: Block) -> () [()] {
        trustee.set(of(TRUSTEE_IS_SID, sid));
        Ok(())
    }

    /// BuildTrusteeWithSidW.
    fn BuildTrusteeWithSidW(trustee: Out<Trustee>, sid: Block) -> () [()] {
        trustee.set(of(TRUSTEE_IS_SID, sid));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: u32, permissions: u32, sid: Sid) -> (ExplicitAccess, Sid) {
        let access = ExplicitAccess {
            permissions,
            mode,
            inheritance: 0,
            trustee: of(TRUSTEE_IS_SID, Block::NULL),
        };
        (access, sid)
    }

    /// No rule: the order is the documentation's.
    #[test]
    fn what_denies_comes_first() {
        let (all, users, system) = (Sid::EVERYONE, Sid::USERS, Sid::LOCAL_SYSTEM);
        let old = [Ace::denied(1, users), Ace::allowed(2, all), Ace::denied(4, all)];
        let merged = |entries: &[_]| merge(entries, &old).unwrap();
        assert_eq!(
            merged(&[entry(GRANT_ACCESS, 8, system), entry(DENY_ACCESS, 16, system)]),
            [
                Ace::denied(16, system),
                Ace::denied(1, users),
                Ace::allowed(8, system),
                Ace::allowed(2, all),
                Ace::denied(4, all)
            ]
        );
        assert_eq!(
            merged(&[entry(GRANT_ACCESS, 8, all)]),
            [Ace::denied(1, users), Ace::denied(4, all), Ace::allowed(10, all)]
        );
        assert_eq!(
            merged(&[entry(SET_ACCESS, 8, all)]),
            [Ace::denied(1, users), Ace::allowed(8, all)]
        );
        assert_eq!(merged(&[entry(REVOKE_ACCESS, 0, all)]), [Ace::denied(1, users)]);
    }
}
