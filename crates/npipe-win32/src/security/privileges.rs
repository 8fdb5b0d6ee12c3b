//! Privileges: those of Windows by name and number, and which of them a process has.
//!
//! A process has a privilege if it has the capability that comes to the same. Whether it is enabled in a token is kept for
//! programs that ask; the system goes by the capabilities alone.

use rustix::thread::CapabilitySet;

use super::tokens::{self, TOKEN_ADJUST_PRIVILEGES, TOKEN_QUERY};
use crate::failure::{Failure, Outcome, set_last_error};
use crate::pointers::{Ansi, Block, Buffer, Out, WideText};
use crate::text::Words;
use crate::types::{Bool, FALSE, Handle, TRUE, code};

const SE_PRIVILEGE_ENABLED_BY_DEFAULT: u32 = 1;
const SE_PRIVILEGE_ENABLED: u32 = 2;
const SE_PRIVILEGE_REMOVED: u32 = 4;
const SE_PRIVILEGE_USED_FOR_ACCESS: u32 = 0x8000_0000;
const PRIVILEGE_SET_ALL_NECESSARY: u32 = 1;

/// More than there are.
const MOST: u32 = 64;

/// A privilege of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Its number, which on Windows is the same from start to start.
    pub(crate) luid: u64,
    /// SE_PRIVILEGE_ENABLED and the like.
    pub(crate) attributes: u32,
}

/// Windows' privileges, from number 2 on.
const NAMES: [&str; 35] = [
    "SeCreateTokenPrivilege",
    "SeAssignPrimaryTokenPrivilege",
    "SeLockMemoryPrivilege",
    "SeIncreaseQuotaPrivilege",
    "SeMachineAccountPrivilege",
    "SeTcbPrivilege",
    "SeSecurityPrivilege",
    "SeTakeOwnershipPrivilege",
    "SeLoadDriverPrivilege",
    "SeSystemProfilePrivilege",
    "SeSystemtimePrivilege",
    "SeProfileSingleProcessPrivilege",
    "SeIncreaseBasePriorityPrivilege",
    "SeCreatePagefilePrivilege",
    "SeCreatePermanentPrivilege",
    "SeBackupPrivilege",
    "SeRestorePrivilege",
    "SeShutdownPrivilege",
    "SeDebugPrivilege",
    "SeAuditPrivilege",
    "SeSystemEnvironmentPrivilege",
    "SeChangeNotifyPrivilege",
    "SeRemoteShutdownPrivilege",
    "SeUndockPrivilege",
    "SeSyncAgentPrivilege",
    "SeEnableDelegationPrivilege",
    "SeManageVolumePrivilege",
    "SeImpersonatePrivilege",
    "SeCreateGlobalPrivilege",
    "SeTrustedCredManAccessPrivilege",
    "SeRelabelPrivilege",
    "SeIncreaseWorkingSetPrivilege",
    "SeTimeZonePrivilege",
    "SeCreateSymbolicLinkPrivilege",
    "SeDelegateSessionUserImpersonatePrivilege",
];
const FIRST: u64 = 2;

/// What here comes to the same; the others nobody has. Impersonation, which takes two, and creating global objects, which
/// takes none, are enabled from the beginning.
const CAPABILITIES: [(&str, CapabilitySet, u32); 13] = [
    ("SeLockMemoryPrivilege", CapabilitySet::IPC_LOCK, 0),
    ("SeTakeOwnershipPrivilege", CapabilitySet::CHOWN, 0),
    ("SeLoadDriverPrivilege", CapabilitySet::SYS_MODULE, 0),
    ("SeSystemtimePrivilege", CapabilitySet::SYS_TIME, 0),
    ("SeIncreaseBasePriorityPrivilege", CapabilitySet::SYS_NICE, 0),
    ("SeBackupPrivilege", CapabilitySet::DAC_READ_SEARCH, 0),
    ("SeRestorePrivilege", CapabilitySet::DAC_OVERRIDE, 0),
    ("SeShutdownPrivilege", CapabilitySet::SYS_BOOT, 0),
    ("SeDebugPrivilege", CapabilitySet::SYS_PTRACE, 0),
    ("SeAuditPrivilege", CapabilitySet::AUDIT_WRITE, 0),
    (
        "SeImpersonatePrivilege",
        CapabilitySet::SETUID.union(CapabilitySet::SETGID),
        BY_DEFAULT,
    ),
    ("SeCreateGlobalPrivilege", CapabilitySet::empty(), BY_DEFAULT),
    ("SeTimeZonePrivilege", CapabilitySet::SYS_TIME, 0),
];
const BY_DEFAULT: u32 = SE_PRIVILEGE_ENABLED | SE_PRIVILEGE_ENABLED_BY_DEFAULT;

/// The number of a privilege.
fn luid_of(name: &[u8]) -> Option<u64> {
    let matches = |known: &&str| known.as_bytes().eq_ignore_ascii_case(name);
    NAMES.iter().position(matches).map(|at| at as u64 + FIRST)
}

/// Those of this process, whoever the calling thread is.
pub(crate) fn of_process() -> Vec<Held> {
    let sets = npipe::impersonation::as_process(|| rustix::thread::capabilities(None));
    let effective = sets.map_or(CapabilitySet::empty(), |sets| sets.effective);
    let held = CAPABILITIES.iter().filter(|(_, needed, _)| effective.contains(*needed));
    held.filter_map(|&(name, _, attributes)| {
        let luid = luid_of(name.as_bytes())?;
        Some(Held { luid, attributes })
    })
    .collect()
}

/// As LUID_AND_ATTRIBUTES.
pub(crate) fn encode(held: &[Held]) -> Vec<u8> {
    let entry = |held: &Held| [&held.luid.to_le_bytes()[..], &held.attributes.to_le_bytes()].concat();
    held.iter().flat_map(entry).collect()
}

const ENTRY_BYTES: usize = 12;

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|word| word.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// So many LUID_AND_ATTRIBUTES behind a count and what else stands before them.
///
/// # Errors
/// ERROR_NOACCESS for NULL, ERROR_INVALID_PARAMETER for more than there can be.
fn listed(place: Block, header_bytes: usize) -> Outcome<(Vec<Held>, Vec<u8>)> {
    let header = place.present().ok_or(Failure(code::NOACCESS))?.bytes(header_bytes);
    let count = word(&header, 0);
    if count > MOST {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let bytes = place.bytes(header_bytes + count as usize * ENTRY_BYTES);
    let entries = bytes[header_bytes..].chunks_exact(ENTRY_BYTES);
    let held = entries.map(|entry| Held {
        luid: u64::from(word(entry, 0)) | u64::from(word(entry, 4)) << 32,
        attributes: word(entry, 8),
    });
    Ok((held.collect(), header))
}

/// Enables, disables and removes; what has changed as it was before, and whether all that was named is held.
fn adjust(held: &mut Vec<Held>, wanted: &[Held]) -> (Vec<Held>, bool) {
    let (mut before, mut all) = (Vec::new(), true);
    for want in wanted {
        let Some(at) = held.iter().position(|held| held.luid == want.luid) else {
            all = false;
            continue;
        };
        let now = held[at].attributes;
        let next = now & !SE_PRIVILEGE_ENABLED | want.attributes & SE_PRIVILEGE_ENABLED;
        if want.attributes & SE_PRIVILEGE_REMOVED != 0 {
            before.push(held.remove(at));
        } else if next != now {
            before.push(held[at]);
            held[at].attributes = next;
        }
    }
    (before, all)
}

fn lookup(system: Option<Vec<u8>>, name: Option<Vec<u8>>, luid: Out<[u32; 2]>) -> Outcome<Bool> {
    if system.is_some_and(|system| !system.is_empty()) {
        return Err(Failure(code::NOT_SUPPORTED));
    }
    let found = name
        .and_then(|name| luid_of(&name))
        .ok_or(Failure(code::NO_SUCH_PRIVILEGE))?;
    if luid.is_null() {
        return Err(Failure(code::NOACCESS));
    }
    luid.set([found as u32, (found >> 32) as u32]);
    Ok(TRUE)
}

crate::export! {
    /// LookupPrivilegeValueA: the number of a privilege, of this computer.
    ///
    /// # Errors
    /// ERROR_NO_SUCH_PRIVILEGE; ERROR_NOT_SUPPORTED for another computer.
    fn LookupPrivilegeValueA(system: Ansi<'_>, name: Ansi<'_>, luid: Out<[u32; 2]>) -> Bool [FALSE] {
        lookup(system.bytes(), name.bytes(), luid)
    }

    /// LookupPrivilegeValueW.
    ///
    /// # Errors
    /// As LookupPrivilegeValueA.
    fn LookupPrivilegeValueW(system: WideText<'_>, name: WideText<'_>, luid: Out<[u32; 2]>) -> Bool [FALSE] {
        lookup(system.bytes(), name.bytes(), luid)
    }

    /// AdjustTokenPrivileges. The last error is set in any case: ERROR_SUCCESS, or ERROR_NOT_ALL_ASSIGNED if the token lacks
    /// one that was named. What the system lets the process do does not change.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED (no TOKEN_ADJUST_PRIVILEGES), ERROR_INSUFFICIENT_BUFFER (for the state before; nothing changes),
    /// ERROR_INVALID_PARAMETER, ERROR_INVALID_HANDLE.
    fn AdjustTokenPrivileges(
        token: Handle,
        disable_all: Bool,
        wanted: Block,
        size: u32,
        before: Buffer<'_>,
        needed: Out<u32>,
    ) -> Bool [FALSE] {
        let rights = if before.is_null() { 0 } else { TOKEN_QUERY };
        let token = tokens::get(token, TOKEN_ADJUST_PRIVILEGES | rights)?;
        let wanted = match disable_all {
            FALSE => listed(wanted, 4)?.0,
            _ => token.privileges().iter().map(|held| Held { attributes: 0, ..*held }).collect(),
        };
        if !before.is_null() {
            let most = 4 + ENTRY_BYTES * adjust(&mut token.privileges(), &wanted).0.len();
            needed.set(most as u32);
            if (size as usize) < most {
                return Err(Failure(code::INSUFFICIENT_BUFFER));
            }
        }
        let (changed, all) = token.adjust(|held| adjust(held, &wanted));
        if !before.is_null() {
            let state = [&(changed.len() as u32).to_le_bytes()[..], &encode(&changed)].concat();
            let place = before.slice(size)?;
            let fitting = state.len().min(place.len());
            place[..fitting].copy_from_slice(&state[..fitting]);
        }
        set_last_error(if all { code::SUCCESS } else { code::NOT_ALL_ASSIGNED });
        Ok(TRUE)
    }

    /// PrivilegeCheck: whether all, or any, of some privileges are enabled in a token. Those that are, are marked as used.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED (no TOKEN_QUERY), ERROR_INVALID_PARAMETER, ERROR_INVALID_HANDLE, ERROR_NOACCESS.
    fn PrivilegeCheck(token: Handle, required: Block, result: Out<Bool>) -> Bool [FALSE] {
        const HEADER_BYTES: usize = 8;
        let held = tokens::get(token, TOKEN_QUERY)?.privileges();
        if result.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        let (wanted, header) = listed(required, HEADER_BYTES)?;
        let is_enabled = |luid| {
            let enabled = |held: &Held| held.luid == luid && held.attributes & SE_PRIVILEGE_ENABLED != 0;
            held.iter().any(enabled)
        };
        let mut count = 0;
        for (index, want) in wanted.iter().enumerate().filter(|(_, want)| is_enabled(want.luid)) {
            count += 1;
            let attributes = (want.attributes | SE_PRIVILEGE_USED_FOR_ACCESS).to_le_bytes();
            required.at(HEADER_BYTES + index * ENTRY_BYTES + 8).write(&attributes);
        }
        result.set(Bool::from(match word(&header, 4) & PRIVILEGE_SET_ALL_NECESSARY {
            0 => count > 0 || wanted.is_empty(),
            _ => count == wanted.len(),
        }));
        Ok(TRUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No rule of pipes.
    #[test]
    fn numbers_are_windows() {
        assert_eq!(luid_of(b"SeCreateTokenPrivilege"), Some(2));
        assert_eq!(luid_of(b"sedebugprivilege"), Some(20));
        assert_eq!(luid_of(b"SeImpersonatePrivilege"), Some(29));
        assert_eq!(luid_of(b"SeDelegateSessionUserImpersonatePrivilege"), Some(36));
        assert_eq!(luid_of(b"SeNoPrivilege"), None);
        assert!(CAPABILITIES.iter().all(|(name, ..)| luid_of(name.as_bytes()).is_some()));
    }

    /// No rule of pipes.
    #[test]
    fn what_is_not_held_is_not_assigned() {
        let entry = |luid, attributes| Held { luid, attributes };
        let mut held = vec![entry(20, 0), entry(29, BY_DEFAULT)];
        let (before, all) = adjust(
            &mut held,
            &[entry(20, SE_PRIVILEGE_ENABLED), entry(7, SE_PRIVILEGE_ENABLED)],
        );
        assert_eq!((before, all), (vec![entry(20, 0)], false));
        let (before, all) = adjust(&mut held, &[entry(20, SE_PRIVILEGE_ENABLED), entry(29, 0)]);
        assert_eq!((before, all), (vec![entry(29, BY_DEFAULT)], true), "only what changes");
        assert_eq!(held, [entry(20, 2), entry(29, SE_PRIVILEGE_ENABLED_BY_DEFAULT)]);
        adjust(&mut held, &[entry(29, SE_PRIVILEGE_REMOVED)]);
        assert_eq!(held, [entry(20, 2)]);
    }
}
