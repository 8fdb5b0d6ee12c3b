//! Who may open a pipe, in the terms of Unix.
//!
//! The rules hold mode bits as `chmod` knows them, chosen by the class of the peer (the owner, a member of the owner's group,
//! everyone else), and numeric users and groups that may read and write besides. `r` lets a client read from the pipe, `w`
//! lets it write to it. An open that asks for neither still takes an instance, so it needs either.
//!
//! They are only a way to write down a [`SecurityDescriptor`], which decides. The user 0 gets full control by an entry, as
//! SYSTEM does on Windows; rules that let nobody in are an empty list, which refuses the user 0 too.

use std::fmt;

use crate::security::rights::{
    FILE_ALL_ACCESS, FILE_CREATE_PIPE_INSTANCE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_READ_ATTRIBUTES,
    FILE_READ_DATA, FILE_WRITE_DATA,
};
use crate::security::{AccessList, Ace, Acl, SecurityDescriptor, SecurityError, Sid};
use crate::status::Status;

const OWNER_ONLY: u32 = 0o600;
const READ: u32 = 0o4;
const WRITE: u32 = 0o2;

/// Who may open a pipe, in the terms of Unix. By default its owner alone.
///
/// Differs from Windows: without rules of its own a pipe there can be read by everyone.
///
/// `Display` is for people: `owner`, or `mode 660, users 1000,1001, groups 50`.
// semantics 264
#[doc(alias = "SECURITY_ATTRIBUTES")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessRules {
    mode: u32,
    users: Vec<u32>,
    groups: Vec<u32>,
}

impl Default for AccessRules {
    fn default() -> AccessRules {
        AccessRules::owner()
    }
}

impl AccessRules {
    /// The owner alone may read and write.
    pub const fn owner() -> AccessRules {
        AccessRules {
            mode: OWNER_ONLY,
            users: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Mode bits as `chmod` knows them, such as `0o660`; 0 lets nobody in, not the owner and not the user 0.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] for bits other than `r` and `w`.
    pub fn from_mode(mode: u32) -> Result<AccessRules, Status> {
        if mode & !0o666 != 0 {
            return Err(Status::InvalidParameter);
        }
        Ok(AccessRules {
            mode,
            ..AccessRules::owner()
        })
    }

    /// Lets the user `uid` read and write as well.
    #[must_use]
    pub fn allow_user(mut self, uid: u32) -> AccessRules {
        insert(&mut self.users, uid);
        self
    }

    /// Lets the members of the group `gid` read and write as well.
    #[must_use]
    pub fn allow_group(mut self, gid: u32) -> AccessRules {
        insert(&mut self.groups, gid);
        self
    }

    /// The mode bits.
    pub const fn mode(&self) -> u32 {
        self.mode
    }

    /// The users that may read and write besides, in ascending order.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// The groups whose members may read and write besides, in ascending order.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The descriptor that says the same of a pipe of this user and group.
    ///
    /// # Errors
    /// [`Status::InvalidAcl`] for more users and groups than a list has room for.
    // semantics 264
    pub fn descriptor(&self, owner_uid: u32, owner_gid: u32) -> Result<SecurityDescriptor, SecurityError> {
        let (owner, group) = (Sid::user(owner_uid), Sid::group(owner_gid));
        let mut aces = Vec::new();
        if self.mode != 0 || !self.users.is_empty() || !self.groups.is_empty() {
            aces.push(Ace::allowed(FILE_ALL_ACCESS, Sid::LOCAL_SYSTEM));
            if self.mode >> 6 & 0o7 != READ | WRITE {
                // The rules are about opening: whoever serves the name goes on doing so.
                aces.push(Ace::allowed(FILE_CREATE_PIPE_INSTANCE, owner));
            }
        }
        let users = self.users.iter().map(|uid| Sid::user(*uid));
        let named = users.chain(self.groups.iter().map(|gid| Sid::group(*gid)));
        aces.extend(named.map(|sid| Ace::allowed(mask_of(READ | WRITE), sid)));
        let (owners, members, others) = (self.mode >> 6 & 0o7, self.mode >> 3 & 0o7, self.mode & 0o7);
        for (sid, class, granted_later) in [
            (owner, owners, members | others),
            (group, members, others),
            (Sid::EVERYONE, others, 0),
        ] {
            // Who is kept out as one class is not let in as another one.
            let withheld = granted_later & !class;
            if withheld != 0 {
                aces.push(Ace::denied(withheld_mask(class, withheld), sid));
            }
            if class != 0 {
                let own = match sid == owner {
                    true if class == READ | WRITE => FILE_ALL_ACCESS,
                    _ => mask_of(class),
                };
                aces.push(Ace::allowed(own, sid));
            }
        }
        let mut descriptor = SecurityDescriptor::default();
        (descriptor.owner, descriptor.group) = (Some(owner), Some(group));
        descriptor.dacl = AccessList::List(Acl::new(aces)?);
        Ok(descriptor)
    }
}

/// The rights that `r` and `w` give. Whoever opens a pipe asks to read its attributes too.
const fn mask_of(class: u32) -> u32 {
    let read = if class & READ != 0 { FILE_GENERIC_READ } else { 0 };
    let write = if class & WRITE != 0 {
        FILE_GENERIC_WRITE | FILE_READ_ATTRIBUTES
    } else {
        0
    };
    read | write
}

/// The rights that a class is denied which a later one is given.
const fn withheld_mask(class: u32, withheld: u32) -> u32 {
    if class == 0 {
        return FILE_ALL_ACCESS;
    }
    let read = if withheld & READ != 0 { FILE_READ_DATA } else { 0 };
    let write = if withheld & WRITE != 0 { FILE_WRITE_DATA } else { 0 };
    read | write
}

fn insert(ids: &mut Vec<u32>, id: u32) {
    if let Err(at) = ids.binary_search(&id) {
        ids.insert(at, id);
    }
}

impl fmt::Display for AccessRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mode == OWNER_ONLY {
            f.write_str("owner")?;
        } else {
            write!(f, "mode {:03o}", self.mode)?;
        }
        for (word, ids) in [("users", &self.users), ("groups", &self.groups)] {
            for (index, id) in ids.iter().enumerate() {
                match index {
                    0 => write!(f, ", {word} {id}")?,
                    _ => write!(f, ",{id}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::{Access, Direction, PipeType};
    use crate::pipe::Attributes;
    use crate::security::PeerIdentity;

    const OWNER: (u32, u32) = (1000, 100);

    fn peer(uid: u32, gid: u32, groups: &[u32]) -> PeerIdentity {
        PeerIdentity {
            uid,
            gid,
            groups: groups.to_vec(),
            is_administrator: false,
        }
    }

    /// What a peer may do: `rw`, `r`, `w`, `-` (attributes only) or nothing.
    fn rights(rules: &AccessRules, peer: &PeerIdentity) -> &'static str {
        let attributes = Attributes {
            direction: Direction::Duplex,
            pipe_type: PipeType::Byte,
            max_instances: 1,
            default_timeout_ms: 50,
            security: rules.descriptor(OWNER.0, OWNER.1).unwrap(),
        };
        let may = |access| attributes.admit(peer, access).is_ok();
        match (may(Access::READ), may(Access::WRITE)) {
            (true, true) if may(Access::READ_WRITE) => "rw",
            (true, false) if !may(Access::READ_WRITE) => "r",
            (false, true) if !may(Access::READ_WRITE) => "w",
            (false, false) if !may(Access::NONE) => "",
            _ => "inconsistent",
        }
    }

    fn admits_others(rules: &AccessRules) -> bool {
        rules.descriptor(OWNER.0, OWNER.1).unwrap().admits_others()
    }

    /// No rule: mode bits are this system's.
    #[test]
    fn the_owner_alone_by_default() {
        let rules = AccessRules::default();
        assert_eq!(rights(&rules, &peer(1000, 100, &[])), "rw");
        assert_eq!(rights(&rules, &peer(1001, 100, &[100])), "");
        assert_eq!(rights(&rules, &peer(0, 0, &[])), "rw");
        assert!(!admits_others(&rules));
        assert_eq!(rules.to_string(), "owner");
    }

    /// No rule: mode bits are this system's.
    #[test]
    fn the_class_of_the_peer_chooses_the_bits() {
        let rules = AccessRules::from_mode(0o642).unwrap();
        assert_eq!(rights(&rules, &peer(1000, 1, &[])), "rw");
        assert_eq!(rights(&rules, &peer(1001, 100, &[])), "r");
        assert_eq!(rights(&rules, &peer(1001, 1, &[7, 100])), "r");
        assert_eq!(rights(&rules, &peer(1001, 1, &[7])), "w");
        assert_eq!(rules.to_string(), "mode 642");
        // As with chmod, a class that is kept out is not let in as another one.
        let but_group = AccessRules::from_mode(0o606).unwrap();
        assert_eq!(rights(&but_group, &peer(1001, 100, &[])), "");
        assert_eq!(rights(&but_group, &peer(1001, 1, &[])), "rw");
    }

    /// No rule: who may knock at all depends on it.
    #[test]
    fn any_way_in_for_others_counts() {
        for mode in [0o640, 0o620, 0o604, 0o602] {
            assert!(admits_others(&AccessRules::from_mode(mode).unwrap()), "{mode:o}");
        }
        assert!(admits_others(&AccessRules::owner().allow_user(1)));
        assert!(admits_others(&AccessRules::owner().allow_group(1)));
        let both = AccessRules::owner().allow_user(3).allow_user(2).allow_group(5);
        assert_eq!(
            (both.mode(), both.users(), both.groups()),
            (0o600, &[2, 3][..], &[5][..])
        );
    }

    /// semantics 264
    #[test]
    fn empty_rules_refuse_even_the_owner() {
        let rules = AccessRules::from_mode(0).unwrap();
        assert_eq!(rights(&rules, &peer(1000, 100, &[])), "");
        assert_eq!(rights(&rules, &peer(0, 0, &[])), "");
    }

    /// No rule: mode bits are this system's.
    #[test]
    fn users_and_groups_are_let_in_besides() {
        let rules = AccessRules::from_mode(0o660)
            .unwrap()
            .allow_user(1002)
            .allow_user(1001)
            .allow_user(1002)
            .allow_group(50);
        assert_eq!(rules.to_string(), "mode 660, users 1001,1002, groups 50");
        assert!(admits_others(&rules));
        assert_eq!(rights(&rules, &peer(1001, 1, &[])), "rw");
        assert_eq!(rights(&rules, &peer(1003, 1, &[50])), "rw");
        assert_eq!(rights(&rules, &peer(1003, 1, &[51])), "");
        let named = AccessRules::owner().allow_group(50);
        assert_eq!(named.to_string(), "owner, groups 50");
    }

    /// semantics 264
    #[test]
    fn rules_are_a_descriptor() {
        let text = |mode| {
            AccessRules::from_mode(mode)
                .unwrap()
                .descriptor(1000, 100)
                .unwrap()
                .to_string()
        };
        let owned = "O:S-1-22-1-1000G:S-1-22-2-100D:";
        assert_eq!(text(0), owned);
        assert_eq!(text(0o600), format!("{owned}(A;;FA;;;SY)(A;;FA;;;S-1-22-1-1000)"));
        assert_eq!(
            text(0o604),
            format!("{owned}(A;;FA;;;SY)(A;;FA;;;S-1-22-1-1000)(D;;FA;;;S-1-22-2-100)(A;;FR;;;WD)")
        );
        assert_eq!(
            text(0o426),
            format!(
                "{owned}(A;;FA;;;SY)(A;;LC;;;S-1-22-1-1000)(D;;DC;;;S-1-22-1-1000)(A;;FR;;;S-1-22-1-1000)(D;;CC;;;S-1-22-2-100)\
                 (A;;0x120196;;;S-1-22-2-100)(A;;0x12019f;;;WD)"
            )
        );
        let many = (0..4000).fold(AccessRules::owner(), AccessRules::allow_user);
        assert_eq!(many.descriptor(1, 1).unwrap_err().status(), Status::InvalidAcl);
    }

    /// No rule: mode bits are this system's.
    #[test]
    fn other_mode_bits_are_refused() {
        for mode in [0o700, 0o4600, 0o1000, u32::MAX] {
            assert_eq!(AccessRules::from_mode(mode), Err(Status::InvalidParameter));
        }
    }
}
