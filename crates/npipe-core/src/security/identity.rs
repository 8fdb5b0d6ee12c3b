//! Which SIDs a process of a Unix system has.
//!
//! | SID | who has it |
//! |---|---|
//! | `S-1-22-1-UID` | the user; user 0 is `S-1-5-18`, the system, and has `S-1-22-1-0` too |
//! | `S-1-22-2-GID` | the members of the group |
//! | `S-1-5-32-544`, administrators | user 0, and the members of the group that the system calls so |
//! | `S-1-1-0`, `S-1-2-0`, `S-1-5-11`, `S-1-5-32-545`: everyone, local, authenticated, users | all |
//! | `S-1-5-4`, interactive | users who log in: those from 1000 on, but 65534, who is nobody |
//! | `S-1-5-6`, services | the other users, but user 0 |
//!
//! Nobody has `S-1-5-2` (network), since there are no remote pipes, `S-1-5-7` (anonymous), or an account that only Windows
//! has. Entries that allow these let nobody in; entries that deny these keep nobody out.

use super::sid::Sid;

/// Where the numbers of users who log in begin, by the convention of all distributions.
const FIRST_LOGIN_UID: u32 = 1000;
/// Whoever has no number here.
const NOBODY_UID: u32 = 65534;

/// What a process can be besides a user and the member of a group.
const KINDS: [Sid; 7] = [
    Sid::EVERYONE,
    Sid::LOCAL,
    Sid::AUTHENTICATED_USERS,
    Sid::USERS,
    Sid::INTERACTIVE,
    Sid::SERVICE,
    Sid::ADMINISTRATORS,
];

/// A peer as the system describes it. Nothing in it is what the peer says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
    /// Whether one of these is the administrators' group, if the system has one.
    pub is_administrator: bool,
}

impl PeerIdentity {
    /// Its user.
    #[doc(alias = "TokenUser")]
    pub const fn user(&self) -> Sid {
        Sid::user(self.uid)
    }

    /// Its first group. Win32 equivalent: the primary group of a token.
    #[doc(alias = "TokenPrimaryGroup")]
    pub const fn primary_group(&self) -> Sid {
        Sid::group(self.gid)
    }

    /// All groups and kinds of users that it belongs to, each once.
    #[doc(alias = "TokenGroups")]
    pub fn group_sids(&self) -> Vec<Sid> {
        let mut sids = vec![self.primary_group()];
        // Linux lets a process be in 65536 groups.
        let mut rest: Vec<u32> = self.groups.iter().copied().filter(|gid| *gid != self.gid).collect();
        rest.sort_unstable();
        rest.dedup();
        sids.extend(rest.into_iter().map(Sid::group));
        let kinds = KINDS.iter().filter(|kind| self.is_of_kind(kind));
        sids.extend(kinds);
        sids
    }

    /// Whether the user or one of the groups and kinds is `sid`.
    pub fn has(&self, sid: &Sid) -> bool {
        match (sid.uid(), sid.gid()) {
            (Some(uid), _) => uid == self.uid,
            (_, Some(gid)) => self.is_in(gid),
            (None, None) => self.is_of_kind(sid),
        }
    }

    fn is_of_kind(&self, kind: &Sid) -> bool {
        let logs_in = self.uid >= FIRST_LOGIN_UID && self.uid != NOBODY_UID;
        match *kind {
            Sid::EVERYONE | Sid::LOCAL | Sid::AUTHENTICATED_USERS | Sid::USERS => true,
            Sid::INTERACTIVE => logs_in,
            Sid::SERVICE => !logs_in && self.uid != 0,
            Sid::ADMINISTRATORS => self.is_administrator || self.uid == 0,
            _ => false,
        }
    }

    pub(crate) fn is_in(&self, group: u32) -> bool {
        self.gid == group || self.groups.contains(&group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, gid: u32, groups: &[u32]) -> PeerIdentity {
        PeerIdentity {
            uid,
            gid,
            groups: groups.to_vec(),
            is_administrator: gid == 27 || groups.contains(&27),
        }
    }

    /// No rule: the mapping is Samba's.
    #[test]
    fn what_is_listed_is_what_is_found() {
        let others = [
            Sid::user(1),
            Sid::group(77),
            Sid::NETWORK,
            Sid::ANONYMOUS,
            Sid::LOCAL_SERVICE,
            Sid::CREATOR_OWNER,
            Sid::OWNER_RIGHTS,
            Sid::GUESTS,
            Sid::NULL,
        ];
        let kinds = [Sid::INTERACTIVE, Sid::SERVICE, Sid::ADMINISTRATORS, Sid::LOCAL_SYSTEM];
        for (identity, own_kinds) in [
            (peer(0, 0, &[]), &[Sid::ADMINISTRATORS, Sid::LOCAL_SYSTEM][..]),
            (peer(33, 33, &[5, 4, 5]), &[Sid::SERVICE][..]),
            (peer(65534, 65534, &[]), &[Sid::SERVICE][..]),
            (
                peer(1000, 100, &[27, 100]),
                &[Sid::INTERACTIVE, Sid::ADMINISTRATORS][..],
            ),
            (peer(1001, 27, &[]), &[Sid::INTERACTIVE, Sid::ADMINISTRATORS][..]),
            (peer(1002, 100, &[28]), &[Sid::INTERACTIVE][..]),
        ] {
            let has = |sid: &Sid| identity.has(sid);
            let mut listed = identity.group_sids();
            listed.push(identity.user());
            assert!(listed.iter().all(has), "{identity:?}");
            assert!(!others.iter().any(has), "{identity:?}");
            for kind in kinds {
                assert_eq!(listed.contains(&kind), own_kinds.contains(&kind), "{identity:?} {kind}");
                assert_eq!(has(&kind), own_kinds.contains(&kind), "{identity:?} {kind}");
            }
            let count = listed.len();
            listed.sort_unstable();
            listed.dedup();
            assert_eq!(listed.len(), count, "each once");
        }
    }
}
