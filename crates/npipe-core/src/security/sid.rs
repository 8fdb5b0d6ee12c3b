//! Security identifiers: what users and groups are called in descriptors.
//!
//! In memory a SID is its revision (1), a count of sub-authorities (15 at most), the authority (48 bits, big-endian) and
//! the sub-authorities (32 bits each, little-endian). As text it is `S-1-AUTHORITY-SUB-SUB…`, in decimal but for an
//! authority that needs more than 32 bits.
//!
//! Unix users and groups have theirs in the way that Samba has made known: `S-1-22-1-UID` and `S-1-22-2-GID`. The user 0 is
//! the system itself, `S-1-5-18`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::status::Status;

/// Sub-authorities of one SID, at most. Win32 equivalent: SID_MAX_SUB_AUTHORITIES.
#[doc(alias = "SID_MAX_SUB_AUTHORITIES")]
pub const MAX_SUB_AUTHORITIES: usize = 15;

/// The longest SID, in bytes. Win32 equivalent: SECURITY_MAX_SID_SIZE.
#[doc(alias = "SECURITY_MAX_SID_SIZE")]
pub const MAX_SID_BYTES: usize = HEADER_BYTES + 4 * MAX_SUB_AUTHORITIES;

const HEADER_BYTES: usize = 8;
const REVISION: u8 = 1;
const MAX_AUTHORITY: u64 = 0xffff_ffff_ffff;

const NT_AUTHORITY: u64 = 5;
const UNIX_AUTHORITY: u64 = 22;
const UNIX_USER: u32 = 1;
const UNIX_GROUP: u32 = 2;
const BUILTIN_DOMAIN: u32 = 32;

/// A user, a group, or a kind of users.
///
/// `Display` and [`FromStr`] are the text form, such as `S-1-5-32-544`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "PSID")]
pub struct Sid {
    authority: u64,
    count: u8,
    // Those beyond the count are 0, so that equality is that of the parts.
    subs: [u32; MAX_SUB_AUTHORITIES],
}

/// What is no SID: not the text of one, or not its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvalidSid;

impl fmt::Display for InvalidSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a SID; one looks like S-1-5-18, with at most 15 numbers after the authority")
    }
}

impl Error for InvalidSid {}

impl From<InvalidSid> for Status {
    fn from(_: InvalidSid) -> Status {
        Status::InvalidSid
    }
}

impl Sid {
    /// Nobody. `S-1-0-0`
    pub const NULL: Sid = Sid::well_known(0, &[0]);
    /// All users. `S-1-1-0`, in SDDL `WD`.
    #[doc(alias = "WinWorldSid")]
    pub const EVERYONE: Sid = Sid::well_known(1, &[0]);
    /// All users of this computer. `S-1-2-0`
    pub const LOCAL: Sid = Sid::well_known(2, &[0]);
    /// Stands for the creator in entries that are inherited. `S-1-3-0`, in SDDL `CO`.
    pub const CREATOR_OWNER: Sid = Sid::well_known(3, &[0]);
    /// Stands for the creator's group in entries that are inherited. `S-1-3-1`, in SDDL `CG`.
    pub const CREATOR_GROUP: Sid = Sid::well_known(3, &[1]);
    /// What the owner may do, in place of what owners may do anyway. `S-1-3-4`, in SDDL `OW`.
    pub const OWNER_RIGHTS: Sid = Sid::well_known(3, &[4]);
    /// Users who come over the network; nobody does. `S-1-5-2`, in SDDL `NU`.
    pub const NETWORK: Sid = Sid::well_known(NT_AUTHORITY, &[2]);
    /// Users who log in. `S-1-5-4`, in SDDL `IU`.
    pub const INTERACTIVE: Sid = Sid::well_known(NT_AUTHORITY, &[4]);
    /// Users that services run as. `S-1-5-6`, in SDDL `SU`.
    pub const SERVICE: Sid = Sid::well_known(NT_AUTHORITY, &[6]);
    /// Users without a name; nobody is. `S-1-5-7`, in SDDL `AN`.
    pub const ANONYMOUS: Sid = Sid::well_known(NT_AUTHORITY, &[7]);
    /// Users whom the system knows: all. `S-1-5-11`, in SDDL `AU`.
    pub const AUTHENTICATED_USERS: Sid = Sid::well_known(NT_AUTHORITY, &[11]);
    /// The system, which is the user 0. `S-1-5-18`, in SDDL `SY`.
    #[doc(alias = "WinLocalSystemSid")]
    pub const LOCAL_SYSTEM: Sid = Sid::well_known(NT_AUTHORITY, &[18]);
    /// An account of Windows that has no like here. `S-1-5-19`, in SDDL `LS`.
    pub const LOCAL_SERVICE: Sid = Sid::well_known(NT_AUTHORITY, &[19]);
    /// An account of Windows that has no like here. `S-1-5-20`, in SDDL `NS`.
    pub const NETWORK_SERVICE: Sid = Sid::well_known(NT_AUTHORITY, &[20]);
    /// The administrators. `S-1-5-32-544`, in SDDL `BA`.
    #[doc(alias = "WinBuiltinAdministratorsSid")]
    pub const ADMINISTRATORS: Sid = Sid::well_known(NT_AUTHORITY, &[BUILTIN_DOMAIN, 544]);
    /// The users of this computer: all. `S-1-5-32-545`, in SDDL `BU`.
    pub const USERS: Sid = Sid::well_known(NT_AUTHORITY, &[BUILTIN_DOMAIN, 545]);
    /// Guests; nobody is. `S-1-5-32-546`, in SDDL `BG`.
    pub const GUESTS: Sid = Sid::well_known(NT_AUTHORITY, &[BUILTIN_DOMAIN, 546]);

    const fn well_known(authority: u64, parts: &[u32]) -> Sid {
        let mut subs = [0; MAX_SUB_AUTHORITIES];
        let mut index = 0;
        while index < parts.len() {
            subs[index] = parts[index];
            index += 1;
        }
        Sid {
            authority,
            count: parts.len() as u8,
            subs,
        }
    }

    /// A SID of its parts.
    ///
    /// # Errors
    /// An authority of more than 48 bits, or more than [`MAX_SUB_AUTHORITIES`].
    #[doc(alias = "AllocateAndInitializeSid")]
    pub fn new(authority: u64, sub_authorities: &[u32]) -> Result<Sid, InvalidSid> {
        if authority > MAX_AUTHORITY || sub_authorities.len() > MAX_SUB_AUTHORITIES {
            return Err(InvalidSid);
        }
        Ok(Sid::well_known(authority, sub_authorities))
    }

    /// The user with this number: [`Sid::LOCAL_SYSTEM`] for 0, else `S-1-22-1-UID`.
    pub const fn user(uid: u32) -> Sid {
        match uid {
            0 => Sid::LOCAL_SYSTEM,
            uid => Sid::well_known(UNIX_AUTHORITY, &[UNIX_USER, uid]),
        }
    }

    /// The group with this number: `S-1-22-2-GID`.
    pub const fn group(gid: u32) -> Sid {
        Sid::well_known(UNIX_AUTHORITY, &[UNIX_GROUP, gid])
    }

    /// The user that it means here; `S-1-22-1-0` is the user 0 too.
    pub fn uid(&self) -> Option<u32> {
        match (self.authority, self.sub_authorities()) {
            (UNIX_AUTHORITY, &[UNIX_USER, uid]) => Some(uid),
            _ if *self == Sid::LOCAL_SYSTEM => Some(0),
            _ => None,
        }
    }

    /// The group that it means here.
    pub fn gid(&self) -> Option<u32> {
        match (self.authority, self.sub_authorities()) {
            (UNIX_AUTHORITY, &[UNIX_GROUP, gid]) => Some(gid),
            _ => None,
        }
    }

    /// The authority, 48 bits.
    #[doc(alias = "GetSidIdentifierAuthority")]
    pub const fn authority(&self) -> u64 {
        self.authority
    }

    /// The numbers after the authority.
    #[doc(alias = "GetSidSubAuthority")]
    pub fn sub_authorities(&self) -> &[u32] {
        &self.subs[..usize::from(self.count)]
    }

    /// The length of its bytes.
    #[doc(alias = "GetLengthSid")]
    pub const fn byte_len(&self) -> usize {
        HEADER_BYTES + 4 * self.count as usize
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.byte_len());
        bytes.extend([REVISION, self.count]);
        bytes.extend(&self.authority.to_be_bytes()[2..]);
        bytes.extend(self.sub_authorities().iter().flat_map(|sub| sub.to_le_bytes()));
        bytes
    }

    /// The SID at the beginning of `bytes`; [`Sid::byte_len`] says how many it takes.
    ///
    /// # Errors
    /// Another revision, too many sub-authorities, or too few bytes.
    #[doc(alias = "IsValidSid")]
    pub fn from_prefix(bytes: &[u8]) -> Result<Sid, InvalidSid> {
        let (&[revision, count, a0, a1, a2, a3, a4, a5], rest) =
            bytes.split_first_chunk::<HEADER_BYTES>().ok_or(InvalidSid)?;
        let subs = rest.get(..4 * usize::from(count)).ok_or(InvalidSid)?;
        if revision != REVISION || usize::from(count) > MAX_SUB_AUTHORITIES {
            return Err(InvalidSid);
        }
        let mut sid = Sid {
            authority: u64::from_be_bytes([0, 0, a0, a1, a2, a3, a4, a5]),
            count,
            subs: [0; MAX_SUB_AUTHORITIES],
        };
        for (sub, bytes) in sid.subs.iter_mut().zip(subs.chunks_exact(4)) {
            *sub = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Ok(sid)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authority {
            small if small <= u32::MAX.into() => write!(f, "S-1-{small}")?,
            large => write!(f, "S-1-0x{large:012x}")?,
        }
        self.sub_authorities().iter().try_for_each(|sub| write!(f, "-{sub}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sid {
    type Err = InvalidSid;

    fn from_str(text: &str) -> Result<Sid, InvalidSid> {
        let mut parts = text.split('-');
        let is_start = parts.next().is_some_and(|s| s.eq_ignore_ascii_case("S")) && parts.next() == Some("1");
        if !is_start {
            return Err(InvalidSid);
        }
        let authority = number(parts.next().ok_or(InvalidSid)?)?;
        let mut subs = Vec::with_capacity(MAX_SUB_AUTHORITIES);
        for part in parts {
            if subs.len() == MAX_SUB_AUTHORITIES {
                return Err(InvalidSid);
            }
            subs.push(u32::try_from(number(part)?).map_err(|_| InvalidSid)?);
        }
        Sid::new(authority, &subs)
    }
}

/// A number in decimal, or in hexadecimal after `0x`.
fn number(text: &str) -> Result<u64, InvalidSid> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // A sign would be accepted by the parser.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return Err(InvalidSid);
    }
    u64::from_str_radix(digits, radix).map_err(|_| InvalidSid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sids() -> impl Strategy<Value = Sid> {
        let parts = prop::collection::vec(any::<u32>(), 0..=MAX_SUB_AUTHORITIES);
        (0..=MAX_AUTHORITY, parts).prop_map(|(authority, subs)| Sid::new(authority, &subs).unwrap())
    }

    proptest! {
        /// No rule: the form is the documentation's.
        #[test]
        fn bytes_and_text_give_it_back(sid in sids(), after in prop::collection::vec(any::<u8>(), 0..9)) {
            let mut bytes = sid.to_bytes();
            prop_assert_eq!(bytes.len(), sid.byte_len());
            prop_assert!(bytes.len() <= MAX_SID_BYTES);
            bytes.extend(after);
            prop_assert_eq!(Sid::from_prefix(&bytes), Ok(sid));
            prop_assert_eq!(Sid::from_prefix(&bytes[..sid.byte_len() - 1]), Err(InvalidSid));
            prop_assert_eq!(sid.to_string().parse(), Ok(sid));
        }

        /// No rule: a peer may write anything.
        #[test]
        fn any_bytes_and_texts_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,40}") {
            if let Ok(sid) = Sid::from_prefix(&bytes) {
                prop_assert_eq!(&sid.to_bytes()[..], &bytes[..sid.byte_len()]);
            }
            if let Ok(sid) = text.parse::<Sid>() {
                prop_assert_eq!(sid.to_string().parse(), Ok(sid));
            }
        }
    }

    /// No rule: the text is the documentation's.
    #[test]
    fn texts_are_those_of_the_documentation() {
        assert_eq!(Sid::ADMINISTRATORS.to_string(), "S-1-5-32-544");
        assert_eq!("s-1-5-18".parse(), Ok(Sid::LOCAL_SYSTEM));
        assert_eq!("S-1-0x5-0x20-544".parse(), Ok(Sid::ADMINISTRATORS));
        assert_eq!(Sid::new(1 << 40, &[7]).unwrap().to_string(), "S-1-0x010000000000-7");
        assert_eq!("S-1-5".parse::<Sid>().unwrap().sub_authorities(), &[0; 0]);
        for wrong in [
            "",
            "S",
            "S-1",
            "S-1-",
            "S-2-5-18",
            "S-1-5-",
            "S-1-5-+18",
            "S-1-5-4294967296",
            "S-1-0x1000000000000-1",
            "S-1-5-18 ",
            "S-1-5-0x",
            "S-1-1-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
        ] {
            assert_eq!(wrong.parse::<Sid>(), Err(InvalidSid), "{wrong}");
        }
    }

    /// No rule: the mapping is Samba's.
    #[test]
    fn users_and_groups_are_mapped_as_samba_does() {
        assert_eq!(Sid::user(1000).to_string(), "S-1-22-1-1000");
        assert_eq!(Sid::group(50).to_string(), "S-1-22-2-50");
        assert_eq!(Sid::user(0), Sid::LOCAL_SYSTEM);
        assert_eq!((Sid::user(1000).uid(), Sid::user(1000).gid()), (Some(1000), None));
        assert_eq!((Sid::group(0).uid(), Sid::group(0).gid()), (None, Some(0)));
        assert_eq!(Sid::LOCAL_SYSTEM.uid(), Some(0));
        assert_eq!("S-1-22-1-0".parse::<Sid>().unwrap().uid(), Some(0));
        assert_eq!((Sid::EVERYONE.uid(), Sid::ADMINISTRATORS.gid()), (None, None));
    }
}
