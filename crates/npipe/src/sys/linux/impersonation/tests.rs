//! The steps, and what becomes of them when one fails. Only the superuser can be somebody else; others check that nothing
//! happens to them.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

fn other() -> PeerIdentity {
    PeerIdentity {
        uid: 40_001,
        gid: 40_002,
        groups: vec![40_004, 40_003],
        is_administrator: false,
    }
}

/// Runs a test on a thread of its own; says whether it can be somebody else there.
fn on_a_thread(test: impl FnOnce(bool) + Send) {
    if !is_privileged() {
        // Past the harness, which keeps what the macros print.
        let _ = writeln!(
            std::io::stderr(),
            "left out, since this user can be nobody else: being somebody else"
        );
    }
    std::thread::scope(|scope| scope.spawn(|| test(is_privileged())).join().unwrap());
}

/// semantics 261
#[test]
fn a_thread_is_somebody_else_and_comes_back() {
    on_a_thread(|is_privileged| {
        let before = Home::read().unwrap();
        assert_eq!(leave_for(&other()).unwrap(), is_privileged);
        let now = Home::read().unwrap();
        if is_privileged {
            assert_eq!((now.effective_uid(), now.effective_gid()), (40_001, 40_002));
            assert_eq!(now.groups, [40_003, 40_004]);
            assert!(now.capabilities.effective.is_empty());
            // The ways in for others stay shut.
            assert_eq!((now.uids[0], now.uids[2]), (before.uids[0], before.effective_uid()));
            let elsewhere = std::thread::scope(|scope| {
                let home = || at_home(|| scope.spawn(|| Home::read().unwrap()));
                home().join().unwrap()
            });
            assert_eq!(elsewhere, before, "a thread that was started at home");
            assert_eq!(Home::read().unwrap(), now, "somebody else again");
        } else {
            assert_eq!(now, before);
        }
        assert_eq!((own_uid(), own_gid()), (before.effective_uid(), before.effective_gid()));
        let own = process_credentials().unwrap();
        assert_eq!((own.uid, &own.groups), (before.effective_uid(), &before.groups));
        come_back();
        assert_eq!(Home::read().unwrap(), before);
        come_back();
        assert_eq!(Home::read().unwrap(), before);
    });
}

/// semantics 261
#[test]
fn the_process_may_use_its_files_meanwhile() {
    on_a_thread(|is_privileged| {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        let (uid, own) = (own_uid(), directory.path().join("own"));
        leave_for(&other()).unwrap();
        with_own_files(|| std::fs::write(&own, "").unwrap());
        assert_eq!(
            std::fs::read(&own).is_err(),
            is_privileged,
            "a directory of the process'"
        );
        let attempt = std::fs::write(directory.path().join("other"), "");
        assert_eq!(attempt.is_err(), is_privileged);
        at_home(|| assert_eq!(std::fs::metadata(&own).unwrap().uid(), uid));
        come_back();
    });
}

/// Without the right to change users the steps before that are taken back, and nothing of them stays.
///
/// semantics 261
#[test]
fn a_step_that_fails_takes_back_those_before() {
    on_a_thread(|is_privileged| {
        if is_privileged {
            let mut sets = capabilities(None).unwrap();
            sets.effective.remove(CapabilitySet::SETUID);
            set_capabilities(None, sets).unwrap();
        }
        let home = Home::read().unwrap();
        assert!(!home.may_become(&other()));
        assert_eq!(home.leave_for(&other()), Err(Errno::PERM));
        if is_privileged {
            let now = Home::read().unwrap();
            assert_eq!(
                (now.effective_uid(), now.effective_gid()),
                (home.effective_uid(), 40_002)
            );
            assert_eq!(now.groups, [40_003, 40_004]);
        }
        home.restore();
        assert_eq!(Home::read().unwrap(), home);
        assert!(!leave_for(&other()).unwrap());
    });
}

/// semantics 261
#[test]
fn nobody_becomes_the_superuser_or_someone_unknown() {
    on_a_thread(|is_privileged| {
        if is_privileged {
            // A server that may change users, and is not the superuser.
            rustix::thread::set_keep_capabilities(true).unwrap();
            let sets = capabilities(None).unwrap();
            set_thread_res_uid(Uid::from_raw(40_009), Uid::from_raw(40_009), Uid::from_raw(40_009)).unwrap();
            set_capabilities(None, sets).unwrap();
        }
        let home = Home::read().unwrap();
        let superuser = PeerIdentity { uid: 0, ..other() };
        assert!(!leave_for(&superuser).unwrap());
        for who in [
            PeerIdentity {
                uid: u32::MAX,
                ..other()
            },
            PeerIdentity {
                gid: u32::MAX,
                ..other()
            },
            PeerIdentity {
                groups: vec![u32::MAX],
                ..other()
            },
        ] {
            assert!(!leave_for(&who).unwrap());
        }
        assert_eq!(leave_for(&other()).unwrap(), is_privileged);
        // Its rights are the process', and do not go with it.
        assert!(Home::read().unwrap().capabilities.effective.is_empty() || !is_privileged);
        come_back();
        assert_eq!(Home::read().unwrap(), home);
    });
}

/// Whoever is the same needs no right to be it. semantics 261
#[test]
fn the_same_identity_needs_no_privilege() {
    on_a_thread(|_| {
        let home = Home::read().unwrap();
        let mut itself = PeerIdentity {
            uid: home.effective_uid(),
            gid: home.effective_gid(),
            groups: home.groups.clone(),
            is_administrator: false,
        };
        itself.groups.reverse();
        if home.effective_uid() == 0 {
            set_capabilities(
                None,
                CapabilitySets {
                    effective: CapabilitySet::empty(),
                    ..home.capabilities
                },
            )
            .unwrap();
        }
        assert!(leave_for(&itself).unwrap());
        come_back();
        itself.groups.push(40_001);
        assert!(!leave_for(&itself).unwrap());
    });
}
