//! Which directory is a root, and what is found in one.

use super::*;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

const KEY: Key = [0xa5; 16];

fn places(base: &Path) -> Places {
    Places {
        chosen: None,
        shared: base.join("shared"),
        session: base.join("session"),
        fallback: base.join("fallback"),
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// All programs of a user meet in one place, wherever they were started from.
#[test]
fn the_first_place_that_exists_is_the_root() {
    let base = tempfile::tempdir().unwrap();
    let base = base.path();
    let mut places = places(base);
    let found = |places: &Places| Root::find_among(places).unwrap().path().to_owned();
    assert_eq!(found(&places), base.join("fallback"));

    std::fs::create_dir(&places.session).unwrap();
    assert_eq!(found(&places), base.join("session/npipe"));
    let mode = std::fs::metadata(base.join("session/npipe"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);

    std::fs::create_dir(&places.shared).unwrap();
    set_mode(&places.shared, 0o755);
    assert_eq!(found(&places), base.join("shared"));

    places.chosen = Some(base.join("chosen").into());
    assert_eq!(found(&places), base.join("chosen"));
    places.chosen = Some("".into());
    assert_eq!(found(&places), base.join("shared"));
    places.chosen = Some("relative".into());
    let error = Root::find_among(&places).unwrap_err();
    assert!(error.to_string().contains("NPIPE_ROOT must be an absolute path"));
}

/// A place that is unfit is an error that says what to do, not a reason to go
/// elsewhere.
#[test]
fn unfit_roots_are_refused() {
    let base = tempfile::tempdir().unwrap();
    let base = base.path();
    let why = |path: &Path| Root::at(path).unwrap_err().to_string();

    let missing = base.join("missing/root");
    assert!(why(&missing).contains("the directory that should contain it does not exist"));
    assert!(why(&missing).contains(missing.to_str().unwrap()));

    std::fs::write(base.join("file"), "").unwrap();
    assert!(why(&base.join("file")).contains("it is not a directory"));

    std::fs::create_dir(base.join("root")).unwrap();
    symlink(base.join("root"), base.join("link")).unwrap();
    assert!(why(&base.join("link")).contains("symbolic links are not followed"));
    assert!(why(&base.join("link/")).contains("symbolic links are not followed"));

    set_mode(&base.join("root"), 0o777);
    assert!(why(&base.join("root")).contains("chmod go-w"));
    let mut places = places(base);
    places.shared = base.join("root");
    assert!(Root::find_among(&places).is_err());
    assert!(!base.join("fallback").exists());
}

/// Only the owner, or the superuser for all, may say who meets there.
#[test]
fn roots_are_judged_by_owner_and_mode() {
    assert_eq!(kind_of_root(1000, 0o700, 1000), Ok(false));
    assert_eq!(kind_of_root(1000, 0o755, 1000), Ok(false));
    assert_eq!(kind_of_root(0, 0o1777, 1000), Ok(true));
    assert_eq!(kind_of_root(0, 0o1777, 0), Ok(true));
    assert_eq!(kind_of_root(0, 0o1770, 1000), Ok(true));
    assert_eq!(kind_of_root(0, 0o700, 0), Ok(false));
    for (owner, mode) in [(0, 0o777), (0, 0o755), (1001, 0o700), (1001, 0o1777)] {
        let reason = kind_of_root(owner, mode, 1000).unwrap_err();
        assert!(reason.contains("NPIPE_ROOT"), "{reason}");
    }
    assert!(kind_of_root(1000, 0o1777, 1000).is_err());
    assert!(kind_of_root(1000, 0o770, 1000).is_err());
}

/// Every name has a file, and no other file is taken for one.
#[test]
fn file_names_are_recognised() {
    let Files { socket, lock, fresh } = Files::of(&KEY, 1000);
    assert_eq!(socket, "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5.1000");
    assert_eq!(Files::parse(socket.as_bytes()), Some((KEY, 1000)));
    let zero = Files::of(&[0; 16], 0).socket;
    assert_eq!(Files::parse(zero.as_bytes()), Some(([0; 16], 0)));
    let upper = socket.to_uppercase();
    let others: [&[u8]; 9] = [
        lock.as_bytes(),
        fresh.as_bytes(),
        upper.as_bytes(),
        b"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5.01000",
        b"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5.+100",
        b"+5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5.1000",
        b"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5.4294967296",
        b"a5.1000",
        b"\xff.1000",
    ];
    for other in others {
        assert_eq!(Files::parse(other), None, "{}", other.escape_ascii());
    }
}

/// Of several servers the oldest comes first; what belongs to another than it
/// says, or is no socket, does not count.
#[test]
fn candidates_of_a_shared_root() {
    let base = tempfile::tempdir().unwrap();
    let mut root = Root::at(&base.path().join("root")).unwrap();
    root.shared = true;
    let at = |uid| root.path().join(Files::of(&KEY, uid).socket);
    let own = UnixListener::bind(at(own_uid())).unwrap();
    let forged = UnixListener::bind(at(own_uid() + 1)).unwrap();
    std::fs::write(at(own_uid() + 2), "").unwrap();
    symlink(at(own_uid()), at(own_uid() + 3)).unwrap();
    let uids = |root: &Root| -> Vec<u32> { root.candidates(&KEY).unwrap().iter().map(|found| found.uid).collect() };
    assert_eq!(uids(&root), [own_uid()]);
    assert_eq!(root.entries().unwrap().len(), 1);
    assert!(root.candidates(&[0; 16]).unwrap().is_empty());

    if own_uid() == 0 {
        // Only the superuser can make files of other users.
        std::os::unix::fs::lchown(at(own_uid() + 1), Some(own_uid() + 1), None).unwrap();
        assert_eq!(uids(&root), [own_uid(), own_uid() + 1]);
        // A change makes the first the younger, once the clock of the file system has moved on.
        let deadline = Instant::now() + std::time::Duration::from_secs(10);
        while uids(&root)[0] == own_uid() && Instant::now() < deadline {
            set_mode(&at(own_uid()), 0o700);
        }
        assert_eq!(uids(&root), [own_uid() + 1, own_uid()]);
        root.shared = false;
        assert_eq!(uids(&root), [own_uid()]);
    }
    drop((own, forged));
}

/// The directory that was opened last is looked at again each time: it may be another one, or no longer fit.
#[test]
fn a_directory_that_is_known_is_still_judged() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("root");
    let first = Root::at(&path).unwrap();
    assert_eq!(Root::at(&path).unwrap().id, first.id);
    std::fs::rename(&path, base.path().join("moved")).unwrap();
    let second = Root::at(&path).unwrap();
    assert!(second.id != first.id);
    set_mode(&path, 0o777);
    assert!(Root::at(&path).unwrap_err().to_string().contains("chmod go-w"));
    set_mode(&path, 0o700);
    assert_eq!(Root::at(&path).unwrap().id, second.id);
    std::fs::remove_dir(&path).unwrap();
    symlink(base.path().join("moved"), &path).unwrap();
    assert!(Root::at(&path).is_err(), "links are not followed");
}

/// What is not a socket of the right owner is not connected to.
#[test]
fn connecting_checks_the_owner() {
    let base = tempfile::tempdir().unwrap();
    let root = Root::at(base.path()).unwrap();
    let at = |uid| root.path().join(Files::of(&KEY, uid).socket);
    let listener = UnixListener::bind(at(own_uid())).unwrap();
    let candidate = root.candidates(&KEY).unwrap().remove(0);
    root.connect_until(&candidate, None).unwrap();

    let forged = UnixListener::bind(at(own_uid() + 1)).unwrap();
    let other = Candidate {
        uid: own_uid() + 1,
        ..candidate.clone()
    };
    assert_eq!(
        root.connect_until(&other, None).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    std::fs::remove_file(at(own_uid())).unwrap();
    symlink(at(own_uid() + 1), at(own_uid())).unwrap();
    let error = root.connect_until(&candidate, None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    std::fs::remove_file(at(own_uid())).unwrap();
    let error = root.connect_until(&candidate, None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    drop((listener, forged));
}
