//! Namespaces that are read-only, overfull, or littered with what dead servers left.

use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Instant;

use crate::support::again;
use crate::{NAME, Place, Puppet, User, announce, error, has_other_users};

const USER: User = User::new(40_011);

/// semantics 13, 46: on a read-only file system nobody can serve, but who is served elsewhere can be reached.
#[test]
fn read_only_for_all() {
    /// A view of its own, in which the namespace cannot be written to.
    const SCRIPT: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
    if !has_other_users("read_only_for_all") {
        return;
    }
    let place = Place::new();
    let server = place.bytes().create(NAME).unwrap();
    let start = again("puppet", place.path());
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-c", SCRIPT]).arg(place.path());
    // The shell is another program than this one, so what starts this one again has to be its path.
    shell.arg(std::env::current_exe().unwrap()).args(start.get_args());
    shell.envs(start.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut other = Puppet::spawn(shell);
    assert_eq!(other.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(other.ask("write 0 hello"), "5");
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 5);
    assert_eq!(other.ask("list"), "test of 0 answers");
    for name in [NAME, r"\\.\pipe\another"] {
        let answer = other.ask_why(&format!("create byte {name} rules=600"));
        assert!(answer.contains("Read-only file system"), "{answer}");
        assert!(answer.contains(&*place.path().to_string_lossy()), "{answer}");
    }
}

/// semantics 13, 46: a directory that its owner may not write to is said to be one.
#[test]
fn read_only_by_mode() {
    if !has_other_users("read_only_by_mode") {
        return;
    }
    let place = Place::new();
    chown(place.path(), Some(USER.uid), Some(USER.gid)).unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let mut other = Puppet::start_as(&place, USER);
    let answer = other.ask_why(&format!("create byte {NAME} rules=600"));
    assert!(
        answer.starts_with("ERROR_ACCESS_DENIED cannot open the lock"),
        "{answer}"
    );
    assert!(answer.contains(&*place.path().to_string_lossy()), "{answer}");
    let answer = other.ask(&format!("open rw {NAME}"));
    assert!(answer.starts_with("ERROR_FILE_NOT_FOUND"), "{answer}");
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(other.ask(&format!("create byte {NAME} rules=600")), "0");
}

/// semantics 13, 46: however much somebody else puts there, one's own name is found, and looking ends.
#[test]
fn overfull() {
    /// More than are looked at.
    const FILES: u32 = 70_000;
    let place = Place::new();
    let mode = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(place.path(), mode).unwrap();
    for index in 0..FILES {
        // Every other one looks like an entry.
        let name = match index % 2 {
            0 => format!("{index}"),
            _ => format!("{:032x}.{index}", u128::from(index) << 64),
        };
        symlink("/nowhere", place.path().join(name)).unwrap();
    }
    let root = rustix::process::geteuid().is_root();
    if !root {
        // Shared directories are the superuser's; this one is ours, and for us alone then.
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    let start = Instant::now();
    let server = place.bytes().create(NAME).unwrap();
    let client = place.client().open(NAME).unwrap();
    let spent_ms = start.elapsed().as_millis();
    client.write(b"x").unwrap();
    assert_eq!(server.read(&mut [0; 4]).unwrap(), 1);
    assert!(place.namespace().list().is_ok());
    drop((server, client));
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
    let left = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, FILES as usize, "nothing of others is removed");
    let kind = if root { "shared" } else { "private" };
    announce(&format!(
        "a {kind} namespace with {FILES} foreign files: created and opened in {spent_ms} ms"
    ));
}

/// semantics 13-14, 46, 81: sockets of dead servers are in nobody's way; one's own go when they are met.
#[test]
fn littered_with_dead_sockets() {
    const DEAD: u32 = 1000;
    let place = Place::new();
    let own = rustix::process::geteuid().as_raw();
    let owners = if own == 0 { [own, USER.uid] } else { [own, own] };
    if own == 0 {
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    }
    for index in 1..=DEAD {
        let owner = owners[index as usize % 2];
        let path = place.path().join(format!("{index:032x}.{owner}"));
        drop(UnixListener::bind(&path).unwrap());
        if own == 0 {
            lchown(&path, Some(owner), Some(owner)).unwrap();
        }
    }
    // One of the name itself, older than any server to come.
    let dead = place.file(owners[1], "");
    drop(UnixListener::bind(&dead).unwrap());
    if own == 0 {
        lchown(&dead, Some(USER.uid), Some(USER.gid)).unwrap();
    }
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
    let server = place.bytes().create(NAME).unwrap();
    place.client().open(NAME).unwrap().write(b"x").unwrap();
    assert_eq!(server.read(&mut [0; 4]).unwrap(), 1);
    let start = Instant::now();
    assert_eq!(place.namespace().list().unwrap().len(), 1);
    let spent_ms = start.elapsed().as_millis();
    drop(server);
    let left = std::fs::read_dir(place.path()).unwrap().count();
    let foreign = if own == 0 { DEAD as usize / 2 + 1 } else { 0 };
    assert_eq!(left, foreign, "one's own go, those of others stay");
    announce(&format!(
        "a namespace with {DEAD} sockets of dead servers: listed in {spent_ms} ms"
    ));
}
