//! Security descriptors: whose a pipe is, and who may do what with it.
//!
//! As bytes a descriptor is *self-relative*: a header of 20 bytes (revision, 0, control u16, and the places of owner, group,
//! system's list and access list, u32 each, 0 for none), and those parts.

use super::SecurityError;
use super::acl::{Ace, AceKind, Acl};
use super::identity::PeerIdentity;
use super::rights::{FILE_ALL_ACCESS, FILE_GENERIC_READ};
use super::sid::Sid;
use crate::status::Status;

/// The length of a self-relative descriptor's header, in bytes.
pub const HEADER_BYTES: usize = 20;
/// The longest descriptor that a pipe can have, in bytes.
pub const MAX_DESCRIPTOR_BYTES: usize = 32 * 1024;

const REVISION: u8 = 1;
/// The list is there, if only as none: SE_DACL_PRESENT.
pub const DACL_PRESENT: u16 = 0x0004;
/// SE_SACL_PRESENT
pub const SACL_PRESENT: u16 = 0x0010;
/// SE_SELF_RELATIVE
pub const SELF_RELATIVE: u16 = 0x8000;
/// SE_DACL_AUTO_INHERIT_REQ, in SDDL `AR`.
pub const DACL_AUTO_INHERIT_REQ: u16 = 0x0100;
/// SE_DACL_AUTO_INHERITED, in SDDL `AI`.
pub const DACL_AUTO_INHERITED: u16 = 0x0400;
/// SE_DACL_PROTECTED, in SDDL `P`.
pub const DACL_PROTECTED: u16 = 0x1000;
/// What is kept of the control bits: what came by default, and how lists were inherited. The others say how the descriptor
/// lies in memory.
const KEPT_CONTROL: u16 = 0x3f2b;
/// Control bits that go with the access list, and with the system's.
const DACL_CONTROL: u16 = DACL_AUTO_INHERIT_REQ | DACL_AUTO_INHERITED | DACL_PROTECTED | 0x0008;
const SACL_CONTROL: u16 = DACL_CONTROL << 1 & !0x0010 | 0x0020;

/// Integrity levels above this one keep others out.
const MEDIUM_LEVEL: u32 = 0x2000;
const LABEL_AUTHORITY: u64 = 16;

/// An access list, or what stands in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccessList {
    /// Nothing is said. A pipe that is created so gets the default.
    #[default]
    Absent,
    /// There is to be none: everybody may do everything.
    Null,
    /// This one.
    List(Acl),
}

/// Parts of a descriptor. Win32 equivalent: SECURITY_INFORMATION.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "SECURITY_INFORMATION")]
pub struct SecurityInformation {
    /// OWNER_SECURITY_INFORMATION
    pub owner: bool,
    /// GROUP_SECURITY_INFORMATION
    pub group: bool,
    /// DACL_SECURITY_INFORMATION
    pub dacl: bool,
    /// SACL_SECURITY_INFORMATION, LABEL_SECURITY_INFORMATION
    pub sacl: bool,
}

impl SecurityInformation {
    /// The parts that READ_CONTROL shows.
    pub const READABLE: SecurityInformation = SecurityInformation {
        owner: true,
        group: true,
        dacl: true,
        sacl: false,
    };

    /// The parts that these bits name. LABEL_SECURITY_INFORMATION is taken for the whole system's list.
    pub const fn from_win32(bits: u32) -> SecurityInformation {
        SecurityInformation {
            owner: bits & 1 != 0,
            group: bits & 2 != 0,
            dacl: bits & 4 != 0,
            sacl: bits & (8 | 0x10) != 0,
        }
    }

    /// These parts as bits.
    pub const fn to_win32(self) -> u32 {
        self.owner as u32 | (self.group as u32) << 1 | (self.dacl as u32) << 2 | (self.sacl as u32) << 3
    }

    /// The rights that it takes to read these parts.
    pub const fn rights_to_read(self) -> u32 {
        let control = if self.owner || self.group || self.dacl {
            super::rights::READ_CONTROL
        } else {
            0
        };
        control | self.system_right()
    }

    /// The rights that it takes to change these parts.
    pub const fn rights_to_write(self) -> u32 {
        let dac = if self.dacl { super::rights::WRITE_DAC } else { 0 };
        let owner = if self.owner || self.group {
            super::rights::WRITE_OWNER
        } else {
            0
        };
        dac | owner | self.system_right()
    }

    const fn system_right(self) -> u32 {
        if self.sacl {
            super::rights::ACCESS_SYSTEM_SECURITY
        } else {
            0
        }
    }
}

/// Whose a pipe is, and who may do what with it.
///
/// `Display` and [`FromStr`](std::str::FromStr) are SDDL, such as `D:(A;;GRGW;;;AU)`: authenticated users may read and write.
///
/// What a descriptor leaves out, [`SecurityDescriptor::complete`] puts in when the pipe is created.
// semantics 24, 264, 265
#[doc(alias = "SECURITY_DESCRIPTOR")]
#[doc(alias = "SECURITY_ATTRIBUTES")]
#[doc(alias = "lpSecurityDescriptor")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecurityDescriptor {
    /// Whose it is, who may always see and change the access list of what is open.
    pub owner: Option<Sid>,
    /// The owner's group, which decides nothing.
    pub group: Option<Sid>,
    /// Who may do what.
    pub dacl: AccessList,
    /// The system's list: what is to be logged. It is kept, and has no effect.
    pub sacl: AccessList,
    control: u16,
}

impl SecurityDescriptor {
    /// The control bits, but for SE_SELF_RELATIVE.
    #[doc(alias = "GetSecurityDescriptorControl")]
    pub fn control(&self) -> u16 {
        let present = |list: &AccessList, bit| if *list == AccessList::Absent { 0 } else { bit };
        self.control | present(&self.dacl, DACL_PRESENT) | present(&self.sacl, SACL_PRESENT)
    }

    /// Sets the control bits that tell how lists were inherited and what came by default; others tell what is there, and are
    /// not changed.
    #[doc(alias = "SetSecurityDescriptorControl")]
    pub fn set_control(&mut self, control: u16) {
        self.control = control & KEPT_CONTROL;
    }

    /// Puts in what is left out, as Windows does when a pipe is created: the creator owns it, and without an access list it has
    /// the default one, full control for the creator, the administrators and the system, reading for everyone.
    // semantics 264
    pub fn complete(&mut self, creator: &PeerIdentity) {
        let user = creator.user();
        self.owner.get_or_insert(user);
        self.group.get_or_insert(creator.primary_group());
        if self.dacl == AccessList::Absent {
            self.dacl = AccessList::List(Acl::of(vec![
                Ace::allowed(FILE_ALL_ACCESS, Sid::LOCAL_SYSTEM),
                Ace::allowed(FILE_ALL_ACCESS, Sid::ADMINISTRATORS),
                Ace::allowed(FILE_ALL_ACCESS, user),
                Ace::allowed(FILE_GENERIC_READ, Sid::EVERYONE),
                Ace::allowed(FILE_GENERIC_READ, Sid::ANONYMOUS),
            ]));
        }
    }

    /// Whether this library can do what the descriptor says.
    ///
    /// # Errors
    /// [`Status::NotSupported`]: an integrity level above medium, since users here have none and all would be let in;
    /// [`Status::InvalidSecurityDescriptor`]: it is longer than [`MAX_DESCRIPTOR_BYTES`].
    pub fn check_supported(&self) -> Result<(), SecurityError> {
        if let AccessList::List(sacl) = &self.sacl {
            let keeps_out = |ace: &&Ace| {
                let is_low = ace.sid.authority() == LABEL_AUTHORITY
                    && matches!(*ace.sid.sub_authorities(), [level] if level <= MEDIUM_LEVEL);
                ace.kind == AceKind::MandatoryLabel && !is_low
            };
            if let Some(ace) = sacl.aces().iter().find(keeps_out) {
                let detail = format!(
                    "processes have no integrity level here, so the label {} would keep nobody out; leave it out",
                    ace.sid
                );
                return Err(SecurityError::new(Status::NotSupported, detail));
            }
        }
        if self.byte_len() > MAX_DESCRIPTOR_BYTES {
            let detail = format!("a pipe's descriptor has at most {MAX_DESCRIPTOR_BYTES} bytes");
            return Err(SecurityError::new(Status::InvalidSecurityDescriptor, detail));
        }
        Ok(())
    }

    /// Whether the access list lets in anybody but the owner and the system.
    pub fn admits_others(&self) -> bool {
        let AccessList::List(dacl) = &self.dacl else {
            return true;
        };
        let is_other = |sid: Sid| ![Some(Sid::LOCAL_SYSTEM), Some(Sid::OWNER_RIGHTS), self.owner].contains(&Some(sid));
        let mut allowed = dacl.aces().iter().filter(|ace| ace.kind == AceKind::Allowed);
        allowed.any(|ace| !ace.is_inherit_only() && is_other(ace.sid))
    }

    /// Changes these parts, by a handle that has the rights to.
    ///
    /// # Errors
    /// [`Status::InvalidOwner`] for an owner that `by` may not choose, or none; those of
    /// [`SecurityDescriptor::check_supported`]. Nothing changes then.
    // semantics 265
    #[doc(alias = "SetSecurityInfo")]
    #[doc(alias = "SetKernelObjectSecurity")]
    pub fn change(
        &mut self,
        parts: SecurityInformation,
        source: &SecurityDescriptor,
        by: &PeerIdentity,
    ) -> Result<(), SecurityError> {
        if parts.owner {
            SecurityDescriptor::check_owner(source.owner, by)?;
        }
        let mut changed = self.clone();
        changed.take(parts, source);
        changed.check_supported()?;
        *self = changed;
        Ok(())
    }

    /// Takes these parts over from `source`.
    pub fn take(&mut self, parts: SecurityInformation, source: &SecurityDescriptor) {
        let mut replace = |part: bool, bits: u16| {
            if part {
                self.control = self.control & !bits | source.control & bits;
            }
        };
        replace(parts.owner, 0x0001);
        replace(parts.group, 0x0002);
        replace(parts.dacl, DACL_CONTROL);
        replace(parts.sacl, SACL_CONTROL);
        if parts.owner {
            self.owner = source.owner;
        }
        if parts.group {
            self.group = source.group;
        }
        if parts.dacl {
            self.dacl = source.dacl.clone();
        }
        if parts.sacl {
            self.sacl = source.sacl.clone();
        }
    }

    /// These parts of it.
    #[must_use]
    pub fn only(&self, parts: SecurityInformation) -> SecurityDescriptor {
        let mut only = SecurityDescriptor::default();
        only.take(parts, self);
        only
    }

    /// The length of its bytes.
    #[doc(alias = "GetSecurityDescriptorLength")]
    pub fn byte_len(&self) -> usize {
        let sid = |sid: &Option<Sid>| sid.map_or(0, |sid| sid.byte_len());
        let list = |list: &AccessList| match list {
            AccessList::List(acl) => acl.byte_len(),
            AccessList::Absent | AccessList::Null => 0,
        };
        HEADER_BYTES + sid(&self.owner) + sid(&self.group) + list(&self.dacl) + list(&self.sacl)
    }

    /// Its bytes.
    #[doc(alias = "MakeSelfRelativeSD")]
    pub fn encode(&self) -> Vec<u8> {
        let list = |list: &AccessList| match list {
            AccessList::List(acl) => Some(acl.to_bytes()),
            AccessList::Absent | AccessList::Null => None,
        };
        let sid = |sid: &Option<Sid>| sid.map(|sid| sid.to_bytes());
        let parts = [sid(&self.owner), sid(&self.group), list(&self.sacl), list(&self.dacl)];
        let mut bytes = vec![REVISION, 0];
        bytes.extend((self.control() | SELF_RELATIVE).to_le_bytes());
        let mut place = HEADER_BYTES;
        for part in &parts {
            // Four parts of 64 KiB at most.
            let offset = part.as_ref().map_or(0, |_| place as u32);
            bytes.extend(offset.to_le_bytes());
            place += part.as_ref().map_or(0, Vec::len);
        }
        bytes.extend(parts.into_iter().flatten().flatten());
        bytes
    }

    /// The descriptor that these bytes are.
    ///
    /// # Errors
    /// [`Status::InvalidSecurityDescriptor`] if they make no sense; [`Status::InvalidAcl`] and [`Status::InvalidSid`] of a part.
    #[doc(alias = "IsValidSecurityDescriptor")]
    #[doc(alias = "MakeAbsoluteSD")]
    pub fn decode(bytes: &[u8]) -> Result<SecurityDescriptor, SecurityError> {
        let invalid = |detail: &str| SecurityError::new(Status::InvalidSecurityDescriptor, detail);
        let (header, _) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(|| invalid("a security descriptor is cut short"))?;
        let control = u16::from_le_bytes([header[2], header[3]]);
        if header[0] != REVISION || control & SELF_RELATIVE == 0 {
            return Err(invalid("this is not a self-relative security descriptor of revision 1"));
        }
        // The part whose place is the header's n-th.
        let part = |n: usize| -> Result<Option<&[u8]>, SecurityError> {
            let place = &header[4 + 4 * n..][..4];
            match u32::from_le_bytes([place[0], place[1], place[2], place[3]]) as usize {
                0 => Ok(None),
                place if place < HEADER_BYTES => Err(invalid("a part of a security descriptor lies in its header")),
                place => bytes
                    .get(place..)
                    .map(Some)
                    .ok_or_else(|| invalid("a part of a security descriptor lies outside of it")),
            }
        };
        let sid = |n| part(n)?.map(Sid::from_prefix).transpose().map_err(SecurityError::from);
        let list = |n, present, is_dacl| match (control & present != 0, part(n)?) {
            (false, _) => Ok(AccessList::Absent),
            (true, None) => Ok(AccessList::Null),
            (true, Some(bytes)) => {
                let acl = Acl::from_prefix(bytes)?;
                match acl.aces().iter().all(|ace| ace.kind.decides() == is_dacl) {
                    true => Ok(AccessList::List(acl)),
                    false => Err(SecurityError::new(
                        Status::InvalidAcl,
                        "an entry stands in the wrong list: those that allow or deny belong to the access list, the others to \
                         the system's",
                    )),
                }
            }
        };
        Ok(SecurityDescriptor {
            owner: sid(0)?,
            group: sid(1)?,
            sacl: list(2, SACL_PRESENT, false)?,
            dacl: list(3, DACL_PRESENT, true)?,
            control: control & KEPT_CONTROL,
        })
    }
}
