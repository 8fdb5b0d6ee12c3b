//! Strangers at the files of a namespace that users share.

use std::fs::{File, OpenOptions, Permissions, rename, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::{ALICE, BOB, CAROL, NAME, Place, Puppet, User, error};

fn is_denied<T>(result: std::io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// semantics 13: a stranger can neither lock nor change nor remove what belongs to a pipe, served or dead.
#[test]
fn files_of_others_are_out_of_reach() {
    let Some(place) = Place::shared("files_of_others_are_out_of_reach") else {
        return;
    };
    let mut server = Puppet::start_as(&place, ALICE);
    assert_eq!(server.ask(&format!("create byte {NAME} rules=666 count=2")), "1");
    let (socket, lock) = (place.file(ALICE.uid, ""), place.file(ALICE.uid, ".lock"));
    for dead in [false, true] {
        if dead {
            drop(std::mem::replace(&mut server, Puppet::start_as(&place, ALICE)));
        }
        BOB.act(|| {
            assert!(is_denied(File::open(&lock)), "the lock can be read, and so held");
            assert!(is_denied(OpenOptions::new().write(true).open(&lock)));
            for file in [&socket, &lock] {
                assert!(is_denied(std::fs::remove_file(file)), "removed: {file:?}");
                assert!(is_denied(rename(file, place.path().join("elsewhere"))));
                assert!(is_denied(set_permissions(file, Permissions::from_mode(0o666))));
                let own = place.path().join("own");
                File::create(&own).unwrap();
                assert!(is_denied(rename(&own, file)), "replaced: {file:?}");
                std::fs::remove_file(own).unwrap();
            }
        });
    }
    assert_eq!(server.ask(&format!("create byte {NAME} rules=666 count=2")), "1");
    place.client().open(NAME).unwrap();
}

/// What a stranger may put where an entry's files would be.
fn squat(user: User, kind: &str, path: &Path) {
    user.act(|| match kind {
        "file" => drop(File::create(path).unwrap()),
        "link" => symlink("/nowhere/at/all", path).unwrap(),
        "directory" => std::fs::create_dir(path).unwrap(),
        // Somebody listens there as long as the file is open.
        _ => std::mem::forget(UnixListener::bind(path).unwrap()),
    });
}

/// semantics 13, 46, 81: in place of a user's files there are a stranger's. Its server says whose they are, and what to do;
/// for clients there is no pipe, and the stranger is not taken for the user.
#[test]
fn a_strangers_files_in_place_of_ones_own() {
    let Some(place) = Place::shared("a_strangers_files_in_place_of_ones_own") else {
        return;
    };
    let mut server = Puppet::start_as(&place, ALICE);
    for suffix in ["", ".lock", ".new"] {
        for kind in ["file", "link", "directory", "socket"] {
            let path = place.file(ALICE.uid, suffix);
            squat(BOB, kind, &path);
            let answer = server.ask_why(&format!("create byte {NAME} rules=666"));
            assert!(answer.starts_with("ERROR_"), "{kind} at {suffix:?}: {answer}");
            assert!(answer.contains("or use another root"), "{kind} at {suffix:?}: {answer}");
            assert!(
                answer.contains(&*path.to_string_lossy()),
                "{kind} at {suffix:?}: {answer}"
            );
            assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
            assert_eq!(error(place.namespace().wait(NAME, None)), "ERROR_FILE_NOT_FOUND");
            assert!(place.namespace().list().unwrap().is_empty());
            // Others serve the name meanwhile.
            let mut another = Puppet::start_as(&place, CAROL);
            assert_eq!(another.ask(&format!("create byte {NAME} rules=666")), "0");
            assert_eq!(place.client().open(NAME).unwrap().peer().unwrap().uid, CAROL.uid);
            assert_eq!(another.ask("drop"), "dropped");
            assert!(path.symlink_metadata().is_ok(), "what is not ours was removed");
            match kind {
                "directory" => std::fs::remove_dir(path).unwrap(),
                _ => std::fs::remove_file(path).unwrap(),
            }
        }
    }
    assert_eq!(server.ask(&format!("create byte {NAME} rules=666")), "0");
}

/// semantics 13-14: a lock of one's own that somebody holds and does not answer for keeps a server out, but not waiting.
#[test]
fn a_held_lock_is_waited_for_with_a_bound() {
    let Some(place) = Place::shared("a_held_lock_is_waited_for_with_a_bound") else {
        return;
    };
    let path = place.file(ALICE.uid, ".lock");
    let held = ALICE.act(|| {
        let file = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        file
    });
    let mut server = Puppet::start_as(&place, ALICE);
    let answer = server.ask_why(&format!("create byte {NAME} rules=666"));
    assert!(answer.starts_with("ERROR_PIPE_BUSY"), "{answer}");
    drop(held);
    assert_eq!(server.ask(&format!("create byte {NAME} rules=666")), "0");
}
