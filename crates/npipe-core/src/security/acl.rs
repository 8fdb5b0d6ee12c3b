//! Access lists and their entries.
//!
//! In memory a list is a header of 8 bytes (revision, 0, size u16, count u16, 0) and its entries; an entry is a header of 4 bytes
//! (kind, flags, size u16), a mask (u32) and a SID; all little-endian, sizes in bytes and multiples of 4. There may be room behind
//! the last entry.

use super::SecurityError;
use super::sid::Sid;
use crate::status::Status;

/// The length of a list's header, in bytes.
pub const ACL_HEADER_BYTES: usize = 8;
/// The longest list, in bytes.
pub const MAX_ACL_BYTES: usize = u16::MAX as usize;

const ACE_HEADER_BYTES: usize = 4;
const ACE_FIXED_BYTES: usize = ACE_HEADER_BYTES + 4;
const ACL_REVISION: u8 = 2;
const ACL_REVISION_DS: u8 = 4;
const INHERIT_ONLY_ACE: u8 = 0x08;

/// What an entry does. Others than these, such as those for objects of a directory and those with conditions, are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AceKind {
    /// Allows.
    #[doc(alias = "ACCESS_ALLOWED_ACE_TYPE")]
    Allowed,
    /// Denies.
    #[doc(alias = "ACCESS_DENIED_ACE_TYPE")]
    Denied,
    /// Asks for a note in the system's log. It is kept, and nothing is logged.
    #[doc(alias = "SYSTEM_AUDIT_ACE_TYPE")]
    Audit,
    /// The integrity level. It is kept; see [`super::SecurityDescriptor::check_supported`].
    #[doc(alias = "SYSTEM_MANDATORY_LABEL_ACE_TYPE")]
    MandatoryLabel,
}

impl AceKind {
    const NUMBERS: [(AceKind, u8); 4] = [
        (AceKind::Allowed, 0),
        (AceKind::Denied, 1),
        (AceKind::Audit, 2),
        (AceKind::MandatoryLabel, 0x11),
    ];

    /// Its number: ACCESS_ALLOWED_ACE_TYPE and so on.
    pub fn number(self) -> u8 {
        let row = AceKind::NUMBERS.iter().find(|(kind, _)| *kind == self);
        row.map_or(u8::MAX, |(_, number)| *number)
    }

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<AceKind> {
        let row = AceKind::NUMBERS.iter().find(|(_, listed)| *listed == number);
        row.map(|(kind, _)| *kind)
    }

    /// Whether it stands in the list that decides; the others stand in the system's.
    pub const fn decides(self) -> bool {
        matches!(self, AceKind::Allowed | AceKind::Denied)
    }
}

/// An entry of an access list. Win32 equivalent: ACCESS_ALLOWED_ACE and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "ACCESS_ALLOWED_ACE")]
#[doc(alias = "ACCESS_DENIED_ACE")]
pub struct Ace {
    /// What it does.
    pub kind: AceKind,
    /// How it is inherited: OBJECT_INHERIT_ACE and so on. Nothing is inherited here.
    pub flags: u8,
    /// To which rights.
    pub mask: u32,
    /// For whom.
    pub sid: Sid,
}

impl Ace {
    /// Allows `sid` the rights of `mask`.
    pub const fn allowed(mask: u32, sid: Sid) -> Ace {
        Ace {
            kind: AceKind::Allowed,
            flags: 0,
            mask,
            sid,
        }
    }

    /// Denies `sid` the rights of `mask`.
    pub const fn denied(mask: u32, sid: Sid) -> Ace {
        Ace {
            kind: AceKind::Denied,
            ..Ace::allowed(mask, sid)
        }
    }

    /// Whether it is for what inherits from the object, and not for the object.
    #[doc(alias = "INHERIT_ONLY_ACE")]
    pub const fn is_inherit_only(&self) -> bool {
        self.flags & INHERIT_ONLY_ACE != 0
    }

    /// The length of its bytes.
    pub const fn byte_len(&self) -> usize {
        ACE_FIXED_BYTES + self.sid.byte_len()
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind.number(), self.flags];
        // 76 bytes at most.
        bytes.extend((self.byte_len() as u16).to_le_bytes());
        bytes.extend(self.mask.to_le_bytes());
        bytes.extend(self.sid.to_bytes());
        bytes
    }

    /// The entry at the beginning of `bytes`, and how many it takes.
    ///
    /// # Errors
    /// Status [`Status::InvalidAcl`]: a size that cannot be, or a kind that is not supported; [`Status::InvalidSid`].
    pub fn from_prefix(bytes: &[u8]) -> Result<(Ace, usize), SecurityError> {
        let (&[kind, flags, s0, s1], _) = bytes
            .split_first_chunk::<ACE_HEADER_BYTES>()
            .ok_or_else(|| malformed("an entry is cut short"))?;
        let size = usize::from(u16::from_le_bytes([s0, s1]));
        let whole = bytes
            .get(..size)
            .filter(|whole| whole.len() > ACE_FIXED_BYTES && whole.len().is_multiple_of(4))
            .ok_or_else(|| malformed("an entry's size is not that of its list"))?;
        let kind = AceKind::from_number(kind).ok_or_else(|| {
            malformed(format!(
                "entries of type {kind} (object, callback, resource) are not supported; use ones that allow or deny"
            ))
        })?;
        let mask = [whole[4], whole[5], whole[6], whole[7]];
        let ace = Ace {
            kind,
            flags,
            mask: u32::from_le_bytes(mask),
            sid: Sid::from_prefix(&whole[ACE_FIXED_BYTES..])?,
        };
        Ok((ace, size))
    }
}

fn malformed(detail: impl Into<String>) -> SecurityError {
    SecurityError::new(Status::InvalidAcl, detail)
}

/// An access list: entries in the order in which they decide. An empty one refuses everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "PACL")]
pub struct Acl {
    aces: Vec<Ace>,
}

impl Acl {
    /// A list of these entries.
    ///
    /// # Errors
    /// [`Status::InvalidAcl`] if they take more than 64 KiB.
    pub fn new(aces: Vec<Ace>) -> Result<Acl, SecurityError> {
        let acl = Acl { aces };
        if acl.byte_len() > MAX_ACL_BYTES {
            return Err(malformed("an access list has at most 65535 bytes"));
        }
        Ok(acl)
    }

    /// A list of a few entries.
    ///
    /// # Panics
    /// With more than a hundred.
    pub(crate) fn of(aces: Vec<Ace>) -> Acl {
        assert!(aces.len() <= 100, "{} entries", aces.len());
        Acl { aces }
    }

    /// Its entries.
    pub fn aces(&self) -> &[Ace] {
        &self.aces
    }

    /// The length of its bytes.
    pub fn byte_len(&self) -> usize {
        ACL_HEADER_BYTES + self.aces.iter().map(Ace::byte_len).sum::<usize>()
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![ACL_REVISION, 0];
        // Bounded by the constructors.
        bytes.extend((self.byte_len() as u16).to_le_bytes());
        bytes.extend((self.aces.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        self.aces.iter().for_each(|ace| bytes.extend(ace.to_bytes()));
        bytes
    }

    /// The list at the beginning of `bytes`.
    ///
    /// # Errors
    /// [`Status::InvalidAcl`], [`Status::InvalidSid`].
    #[doc(alias = "IsValidAcl")]
    pub fn from_prefix(bytes: &[u8]) -> Result<Acl, SecurityError> {
        let (&[revision, _, s0, s1, c0, c1, _, _], _) = bytes
            .split_first_chunk::<ACL_HEADER_BYTES>()
            .ok_or_else(|| malformed("an access list is cut short"))?;
        if !(ACL_REVISION..=ACL_REVISION_DS).contains(&revision) {
            return Err(malformed(format!("access lists of revision {revision} are unknown")));
        }
        let size = usize::from(u16::from_le_bytes([s0, s1]));
        let whole = bytes
            .get(..size)
            .ok_or_else(|| malformed("an access list is cut short"))?;
        let mut rest = whole
            .get(ACL_HEADER_BYTES..)
            .ok_or_else(|| malformed("an access list is shorter than its header"))?;
        let mut aces = Vec::new();
        for _ in 0..u16::from_le_bytes([c0, c1]) {
            let (ace, size) = Ace::from_prefix(rest)?;
            rest = &rest[size..];
            aces.push(ace);
        }
        Acl::new(aces)
    }
}
