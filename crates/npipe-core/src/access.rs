//! Who may open a pipe: what stands in for the security descriptor.
//!
//! The rules belong to the name and are fixed by its first instance. They hold mode
//! bits as `chmod` knows them, chosen by the class of the peer (the owner, a member
//! of the owner's group, everyone else), and numeric users and groups that may read
//! and write besides. `r` lets a client read from the pipe, `w` lets it write to it.
//! An open that asks for neither still takes an instance, so it needs either.
//!
//! uid 0 passes always, as SYSTEM does on Windows. Nothing is ever granted to a peer
//! by anything that it says about itself: a [`PeerIdentity`] comes from the system.

use std::fmt;

use crate::mode::Access;
pub use crate::security::PeerIdentity;
use crate::status::Status;

const OWNER_ONLY: u32 = 0o600;
const READ: u32 = 0o4;
const WRITE: u32 = 0o2;

/// Who may open a pipe. By default its owner alone.
///
/// Differs from Windows: without rules of its own a pipe there can be read by
/// everyone.
///
/// `Display` is for people: `owner`, or `mode 660, users 1000,1001, groups 50`.
// semantics 24, 264, 265
#[doc(alias = "SECURITY_ATTRIBUTES")]
#[doc(alias = "lpSecurityDescriptor")]
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

    /// Mode bits as `chmod` knows them, such as `0o660`.
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

    /// Whether anyone but the owner and root may open the pipe.
    pub fn admits_others(&self) -> bool {
        self.mode & 0o066 != 0 || !self.users.is_empty() || !self.groups.is_empty()
    }

    /// Whether `peer` may open a pipe of this owner with `access`.
    ///
    /// Only rights to data are looked at; the pipe's direction is checked apart.
    // semantics 264
    pub fn allows(&self, owner_uid: u32, owner_gid: u32, peer: &PeerIdentity, access: Access) -> bool {
        let named = self.users.contains(&peer.uid) || self.groups.iter().any(|&gid| peer.is_in(gid));
        if peer.uid == 0 || named {
            return true;
        }
        let class = if peer.uid == owner_uid {
            self.mode >> 6
        } else if peer.is_in(owner_gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        let lacks = |bit| class & bit == 0;
        let refused = access.read && lacks(READ) || access.write && lacks(WRITE);
        !lacks(READ | WRITE) && !refused
    }
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
        let may = |access| rules.allows(OWNER.0, OWNER.1, peer, access);
        match (may(Access::READ), may(Access::WRITE)) {
            (true, true) if may(Access::READ_WRITE) => "rw",
            (true, false) if !may(Access::READ_WRITE) => "r",
            (false, true) if !may(Access::READ_WRITE) => "w",
            (false, false) if !may(Access::NONE) => "",
            _ => "inconsistent",
        }
    }

    /// No rule: mode bits are this system's.
    #[test]
    fn the_owner_alone_by_default() {
        let rules = AccessRules::default();
        assert_eq!(rights(&rules, &peer(1000, 100, &[])), "rw");
        assert_eq!(rights(&rules, &peer(1001, 100, &[100])), "");
        assert_eq!(rights(&rules, &peer(0, 0, &[])), "rw");
        assert!(!rules.admits_others());
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
            assert!(AccessRules::from_mode(mode).unwrap().admits_others(), "{mode:o}");
        }
        assert!(AccessRules::owner().allow_user(1).admits_others());
        assert!(AccessRules::owner().allow_group(1).admits_others());
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
        assert_eq!(rights(&rules, &peer(0, 0, &[])), "rw");
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
        assert!(rules.admits_others());
        assert_eq!(rights(&rules, &peer(1001, 1, &[])), "rw");
        assert_eq!(rights(&rules, &peer(1003, 1, &[50])), "rw");
        assert_eq!(rights(&rules, &peer(1003, 1, &[51])), "");
        let named = AccessRules::owner().allow_group(50);
        assert_eq!(named.to_string(), "owner, groups 50");
    }

    /// No rule: mode bits are this system's.
    #[test]
    fn other_mode_bits_are_refused() {
        for mode in [0o700, 0o4600, 0o1000, u32::MAX] {
            assert_eq!(AccessRules::from_mode(mode), Err(Status::InvalidParameter));
        }
    }
}
