//! What SIDs are called: users and groups by the system's databases, others as on Windows.

use npipe::Sid;

use super::{database, memory};
use crate::failure::{Failure, Outcome};
use crate::pointers::{Ansi, Block, Out, TextOut, WideText};
use crate::text::{Page, Words};
use crate::types::{Bool, FALSE, TRUE, code};

/// SID_NAME_USE
const USER: u32 = 1;
const GROUP: u32 = 2;
const ALIAS: u32 = 4;
const WELL_KNOWN_GROUP: u32 = 5;

const UNIX_USER: &str = "Unix User";
const UNIX_GROUP: &str = "Unix Group";
const AUTHORITY: &str = "NT AUTHORITY";
const BUILTIN: &str = "BUILTIN";

/// Names as on an English Windows, with their domains.
const NAMES: [(Sid, &str, &str, u32); 17] = [
    (Sid::EVERYONE, "Everyone", "", WELL_KNOWN_GROUP),
    (Sid::LOCAL, "LOCAL", "", WELL_KNOWN_GROUP),
    (Sid::CREATOR_OWNER, "CREATOR OWNER", "", WELL_KNOWN_GROUP),
    (Sid::CREATOR_GROUP, "CREATOR GROUP", "", WELL_KNOWN_GROUP),
    (Sid::OWNER_RIGHTS, "OWNER RIGHTS", "", WELL_KNOWN_GROUP),
    (Sid::NULL, "NULL SID", "", WELL_KNOWN_GROUP),
    (Sid::NETWORK, "NETWORK", AUTHORITY, WELL_KNOWN_GROUP),
    (Sid::INTERACTIVE, "INTERACTIVE", AUTHORITY, WELL_KNOWN_GROUP),
    (Sid::SERVICE, "SERVICE", AUTHORITY, WELL_KNOWN_GROUP),
    (Sid::ANONYMOUS, "ANONYMOUS LOGON", AUTHORITY, WELL_KNOWN_GROUP),
    (
        Sid::AUTHENTICATED_USERS,
        "Authenticated Users",
        AUTHORITY,
        WELL_KNOWN_GROUP,
    ),
    (Sid::LOCAL_SYSTEM, "SYSTEM", AUTHORITY, WELL_KNOWN_GROUP),
    (Sid::LOCAL_SERVICE, "LOCAL SERVICE", AUTHORITY, WELL_KNOWN_GROUP),
    (Sid::NETWORK_SERVICE, "NETWORK SERVICE", AUTHORITY, WELL_KNOWN_GROUP),
    (Sid::ADMINISTRATORS, "Administrators", BUILTIN, ALIAS),
    (Sid::USERS, "Users", BUILTIN, ALIAS),
    (Sid::GUESTS, "Guests", BUILTIN, ALIAS),
];

/// A name, its domain, and what kind of thing it is.
struct Account {
    name: Vec<u8>,
    domain: &'static str,
    kind: u32,
}

fn account_of(sid: &Sid) -> Option<Account> {
    if let Some((_, name, domain, kind)) = NAMES.iter().find(|(known, ..)| known == sid) {
        return Some(Account {
            name: name.as_bytes().to_vec(),
            domain,
            kind: *kind,
        });
    }
    let (name, domain, kind) = match (sid.uid(), sid.gid()) {
        (Some(uid), _) => (database::user_name(uid)?, UNIX_USER, USER),
        (_, Some(gid)) => (database::group_name(gid)?, UNIX_GROUP, GROUP),
        (None, None) => return None,
    };
    Some(Account { name, domain, kind })
}

/// The SID of a name, with or without a domain before it.
fn sid_of(name: &[u8]) -> Option<(Sid, &'static str, u32)> {
    let (domain, bare) = match name.iter().rposition(|byte| *byte == b'\\') {
        Some(at) => (Some(&name[..at]), &name[at + 1..]),
        None => (None, name),
    };
    let is_in =
        |wanted: &str| domain.is_none_or(|domain| domain.eq_ignore_ascii_case(wanted.as_bytes()) || domain == b".");
    let known = NAMES
        .iter()
        .find(|(_, known, domain, _)| bare.eq_ignore_ascii_case(known.as_bytes()) && is_in(domain));
    if let Some((sid, _, domain, kind)) = known {
        return Some((*sid, domain, *kind));
    }
    let user = || database::user_number(bare).map(|uid| (Sid::user(uid), UNIX_USER, USER));
    let group = || database::group_number(bare).map(|gid| (Sid::group(gid), UNIX_GROUP, GROUP));
    let user = is_in(UNIX_USER).then(user).flatten();
    user.or_else(|| is_in(UNIX_GROUP).then(group).flatten())
}

/// The SID of a trustee's name.
///
/// # Errors
/// ERROR_NONE_MAPPED.
pub(super) fn trustee(name: &[u8]) -> Outcome<Sid> {
    if name.eq_ignore_ascii_case(b"CURRENT_USER") {
        return Ok(Sid::user(rustix::process::geteuid().as_raw()));
    }
    let found = sid_of(name).ok_or(Failure(code::NONE_MAPPED))?;
    Ok(found.0)
}

/// Whether a text of this length fits where it is to go; what it takes otherwise, its zero counted.
fn fits<T: Page>(target: T, size: Out<u32>, text: &[u8]) -> Outcome<bool> {
    let room = size.get().ok_or(Failure(code::INVALID_PARAMETER))?;
    let length = target.length_of(text) as u32;
    let fits = room > length && !target.is_missing();
    size.set(if fits { length } else { length + 1 });
    Ok(fits)
}

fn look_up_sid<T: Page>(
    sid: Block,
    (name, name_size): (T, Out<u32>),
    (domain, domain_size): (T, Out<u32>),
    kind: Out<u32>,
) -> Outcome<Bool> {
    let account = account_of(&memory::sid(sid)?).ok_or(Failure(code::NONE_MAPPED))?;
    let name_fits = fits(name, name_size, &account.name)?;
    let domain_fits = fits(domain, domain_size, account.domain.as_bytes())?;
    if !name_fits || !domain_fits {
        return Err(Failure(code::INSUFFICIENT_BUFFER));
    }
    name.put(&account.name);
    domain.put(account.domain.as_bytes());
    kind.set(account.kind);
    Ok(TRUE)
}

fn look_up_name<T: Page>(
    name: impl Words,
    (sid, sid_size): (Block, Out<u32>),
    (domain, domain_size): (T, Out<u32>),
    kind: Out<u32>,
) -> Outcome<Bool> {
    let name = name.bytes().ok_or(Failure(code::INVALID_PARAMETER))?;
    let (found, found_domain, found_kind) = sid_of(&name).ok_or(Failure(code::NONE_MAPPED))?;
    let bytes = found.to_bytes();
    let room = sid_size.get().ok_or(Failure(code::INVALID_PARAMETER))?;
    sid_size.set(bytes.len() as u32);
    let sid_fits = !sid.is_null() && room as usize >= bytes.len();
    let domain_fits = fits(domain, domain_size, found_domain.as_bytes())?;
    if !sid_fits || !domain_fits {
        return Err(Failure(code::INSUFFICIENT_BUFFER));
    }
    sid.write(&bytes);
    domain.put(found_domain.as_bytes());
    kind.set(found_kind);
    Ok(TRUE)
}

crate::export! {
    /// LookupAccountSidA, on this computer: users are of the domain `Unix User`, groups of `Unix Group`, as Samba calls them.
    ///
    /// # Errors
    /// ERROR_NONE_MAPPED; ERROR_INSUFFICIENT_BUFFER, with the sizes that it takes; ERROR_INVALID_SID.
    fn LookupAccountSidA(
        _system: Ansi<'_>,
        sid: Block,
        name: TextOut<u8>,
        name_size: Out<u32>,
        domain: TextOut<u8>,
        domain_size: Out<u32>,
        kind: Out<u32>,
    ) -> Bool [FALSE] {
        look_up_sid(sid, (name, name_size), (domain, domain_size), kind)
    }

    /// LookupAccountSidW.
    ///
    /// # Errors
    /// As LookupAccountSidA.
    fn LookupAccountSidW(
        _system: WideText<'_>,
        sid: Block,
        name: TextOut<u16>,
        name_size: Out<u32>,
        domain: TextOut<u16>,
        domain_size: Out<u32>,
        kind: Out<u32>,
    ) -> Bool [FALSE] {
        look_up_sid(sid, (name, name_size), (domain, domain_size), kind)
    }

    /// LookupAccountNameA, on this computer. A user goes before a group of the same name.
    ///
    /// # Errors
    /// ERROR_NONE_MAPPED; ERROR_INSUFFICIENT_BUFFER, with the sizes that it takes.
    fn LookupAccountNameA(
        _system: Ansi<'_>,
        name: Ansi<'_>,
        sid: Block,
        sid_size: Out<u32>,
        domain: TextOut<u8>,
        domain_size: Out<u32>,
        kind: Out<u32>,
    ) -> Bool [FALSE] {
        look_up_name(name, (sid, sid_size), (domain, domain_size), kind)
    }

    /// LookupAccountNameW.
    ///
    /// # Errors
    /// As LookupAccountNameA.
    fn LookupAccountNameW(
        _system: WideText<'_>,
        name: WideText<'_>,
        sid: Block,
        sid_size: Out<u32>,
        domain: TextOut<u16>,
        domain_size: Out<u32>,
        kind: Out<u32>,
    ) -> Bool [FALSE] {
        look_up_name(name, (sid, sid_size), (domain, domain_size), kind)
    }
}
