//! Whether an identity may do what it asks for.

use super::SecurityError;
use super::acl::AceKind;
use super::descriptor::{AccessList, SecurityDescriptor};
use super::identity::PeerIdentity;
use super::rights::{ACCESS_SYSTEM_SECURITY, GenericMapping, MAXIMUM_ALLOWED, READ_CONTROL, WRITE_DAC};
use super::sid::Sid;
use crate::status::Status;

impl SecurityDescriptor {
    /// The rights that `identity` gets who asks for `desired`: these, or all it may have if MAXIMUM_ALLOWED is among them.
    ///
    /// Entries decide in their order: what an earlier one has granted is not denied any more, and the other way round. The owner
    /// may always read the descriptor and change its access list, unless an entry for owner rights says what owners may do. Without
    /// an access list everybody may do everything; with an empty one, nobody anything else.
    ///
    /// # Errors
    /// [`Status::AccessDenied`].
    // semantics 264
    #[doc(alias = "AccessCheck")]
    pub fn check(&self, identity: &PeerIdentity, desired: u32) -> Result<u32, Status> {
        self.check_for(&GenericMapping::FILE, identity, desired)
    }

    /// The same for objects of another kind than pipes, of which a program keeps the descriptors.
    ///
    /// # Errors
    /// [`Status::AccessDenied`].
    pub fn check_for(&self, kind: &GenericMapping, identity: &PeerIdentity, desired: u32) -> Result<u32, Status> {
        let wanted = kind.map(desired) & !MAXIMUM_ALLOWED;
        let mut granted = if identity.uid == 0 {
            wanted & ACCESS_SYSTEM_SECURITY
        } else {
            0
        };
        match &self.dacl {
            AccessList::Absent | AccessList::Null => granted |= kind.all,
            AccessList::List(dacl) => {
                let is_owner = self.owner.is_some_and(|owner| identity.has(&owner));
                let effective = || dacl.aces().iter().filter(|ace| !ace.is_inherit_only());
                if is_owner && !effective().any(|ace| ace.sid == Sid::OWNER_RIGHTS) {
                    granted |= READ_CONTROL | WRITE_DAC;
                }
                let mut denied = 0;
                for ace in effective() {
                    let applies = match ace.sid {
                        Sid::OWNER_RIGHTS => is_owner,
                        sid => identity.has(&sid),
                    };
                    match ace.kind {
                        _ if !applies => {}
                        AceKind::Allowed => granted |= kind.map(ace.mask) & kind.all & !denied,
                        AceKind::Denied => denied |= kind.map(ace.mask) & !granted,
                        AceKind::Audit | AceKind::MandatoryLabel => {}
                    }
                }
            }
        }
        match wanted & !granted {
            0 if desired & MAXIMUM_ALLOWED == 0 => Ok(wanted),
            // Nobody gets a handle without any right.
            0 if granted != 0 => Ok(granted),
            _ => Err(Status::AccessDenied),
        }
    }

    /// Whether `identity` may make `owner` the owner: itself, a group that it is in, and the user 0 anybody.
    ///
    /// # Errors
    /// [`Status::InvalidOwner`].
    pub fn check_owner(owner: Option<Sid>, identity: &PeerIdentity) -> Result<(), SecurityError> {
        let detail = match owner {
            Some(owner) if identity.uid == 0 || identity.has(&owner) => return Ok(()),
            Some(owner) => format!("{owner} is not the caller's to make the owner; its user and its groups are"),
            None => "an object has an owner".to_owned(),
        };
        Err(SecurityError::new(Status::InvalidOwner, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rights::*;
    use super::*;

    fn user(uid: u32, groups: &[u32]) -> PeerIdentity {
        PeerIdentity {
            uid,
            gid: uid,
            groups: groups.to_vec(),
            is_administrator: groups.contains(&27),
        }
    }

    fn check(sddl: &str, identity: &PeerIdentity, desired: u32) -> Result<u32, Status> {
        let descriptor: SecurityDescriptor = sddl.parse().unwrap();
        descriptor.check(identity, desired)
    }

    const DENIED: Result<u32, Status> = Err(Status::AccessDenied);

    /// semantics 264
    #[test]
    fn no_list_lets_everybody_do_everything_and_an_empty_one_nobody() {
        for who in [user(0, &[]), user(1000, &[]), user(1001, &[27])] {
            assert_eq!(check("D:NO_ACCESS_CONTROL", &who, GENERIC_ALL), Ok(FILE_ALL_ACCESS));
            assert_eq!(check("O:SY", &who, MAXIMUM_ALLOWED), Ok(FILE_ALL_ACCESS));
            for desired in [
                FILE_READ_ATTRIBUTES,
                SYNCHRONIZE,
                GENERIC_READ,
                FILE_CREATE_PIPE_INSTANCE,
            ] {
                assert_eq!(check("O:S-1-22-1-1000D:", &who, desired), DENIED, "{who:?}");
            }
        }
        assert_eq!(check("O:SYD:", &user(0, &[]), FILE_READ_DATA), DENIED);
        assert_eq!(check("O:SYD:", &user(5, &[]), MAXIMUM_ALLOWED), DENIED);
    }

    /// semantics 264
    #[test]
    fn the_default_is_full_control_for_some_and_reading_for_all() {
        let mut descriptor = SecurityDescriptor::default();
        descriptor.complete(&user(1000, &[]));
        assert_eq!(
            descriptor.to_string(),
            "O:S-1-22-1-1000G:S-1-22-2-1000D:(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;S-1-22-1-1000)(A;;FR;;;WD)(A;;FR;;;AN)"
        );
        for who in [user(1000, &[]), user(0, &[]), user(1001, &[27])] {
            assert_eq!(descriptor.check(&who, GENERIC_ALL), Ok(FILE_ALL_ACCESS));
        }
        let other = user(1001, &[1000]);
        assert_eq!(descriptor.check(&other, GENERIC_READ), Ok(FILE_GENERIC_READ));
        assert_eq!(descriptor.check(&other, FILE_WRITE_DATA), DENIED);
        assert_eq!(descriptor.check(&other, MAXIMUM_ALLOWED), Ok(FILE_GENERIC_READ));
        assert_eq!(descriptor.check(&other, MAXIMUM_ALLOWED | WRITE_DAC), DENIED);
    }

    /// semantics 264
    #[test]
    fn entries_decide_in_their_order() {
        let member = user(1000, &[50]);
        let denied_first = "D:(D;;GW;;;S-1-22-2-50)(A;;GA;;;WD)";
        assert_eq!(check(denied_first, &member, FILE_READ_DATA), Ok(FILE_READ_DATA));
        assert_eq!(check(denied_first, &member, FILE_WRITE_DATA), DENIED);
        assert_eq!(
            check(denied_first, &user(1001, &[]), FILE_WRITE_DATA),
            Ok(FILE_WRITE_DATA)
        );
        let allowed_first = "D:(A;;GA;;;WD)(D;;GW;;;S-1-22-2-50)";
        assert_eq!(check(allowed_first, &member, FILE_WRITE_DATA), Ok(FILE_WRITE_DATA));
        let in_parts = "D:(A;;0x1;;;WD)(A;;0x2;;;S-1-22-2-50)";
        assert_eq!(check(in_parts, &member, 3), Ok(3));
        assert_eq!(check(in_parts, &user(1001, &[]), 3), DENIED);
        let not_for_the_pipe = "D:(A;OICIIO;GA;;;WD)";
        assert_eq!(check(not_for_the_pipe, &member, FILE_READ_DATA), DENIED);
    }

    /// semantics 264
    #[test]
    fn the_owner_may_see_and_change_the_list_unless_it_says_otherwise() {
        let owner = user(1000, &[]);
        let control = READ_CONTROL | WRITE_DAC;
        assert_eq!(check("O:S-1-22-1-1000D:", &owner, control), Ok(control));
        assert_eq!(check("O:S-1-22-1-1000D:", &owner, MAXIMUM_ALLOWED), Ok(control));
        assert_eq!(check("O:S-1-22-1-1000D:(D;;GA;;;WD)", &owner, control), Ok(control));
        assert_eq!(check("O:S-1-22-1-1000D:", &owner, WRITE_OWNER), DENIED);
        assert_eq!(check("O:S-1-22-1-1000D:", &user(1001, &[]), READ_CONTROL), DENIED);
        let limited = "O:S-1-22-1-1000D:(A;;RC;;;OW)";
        assert_eq!(check(limited, &owner, READ_CONTROL), Ok(READ_CONTROL));
        assert_eq!(check(limited, &owner, WRITE_DAC), DENIED);
        assert_eq!(check(limited, &user(1001, &[]), READ_CONTROL), DENIED);
    }

    /// No rule: privileges are the user 0's.
    #[test]
    fn the_systems_list_is_for_the_system() {
        let all = "D:(A;;GA;;;WD)";
        assert_eq!(check(all, &user(1000, &[]), ACCESS_SYSTEM_SECURITY), DENIED);
        assert_eq!(
            check(all, &user(0, &[]), ACCESS_SYSTEM_SECURITY),
            Ok(ACCESS_SYSTEM_SECURITY)
        );
    }

    /// No rule: as for any object of Windows.
    #[test]
    fn owners_are_oneself_ones_groups_or_the_systems_choice() {
        let who = user(1000, &[50]);
        let root = user(0, &[]);
        let may = |owner, who| SecurityDescriptor::check_owner(owner, who).is_ok();
        assert!(may(Some(Sid::user(1000)), &who) && may(Some(Sid::group(50)), &who));
        assert!(!may(Some(Sid::user(1001)), &who) && !may(None, &who) && !may(None, &root));
        assert!(may(Some(Sid::user(1001)), &root));
    }
}
