//! Who may open a pipe.
//!
//! Other users are made by number, which only the superuser can; where the tests run as anybody else, what needs other
//! users is left out, and said so.

use std::os::unix::fs::PermissionsExt;

use npipe::AccessRules;

use crate::support::child::Child;
use crate::{NAME, Place, error, text};

const USER: u32 = 40_001;
const OTHER: u32 = 40_002;
const GROUP: u32 = 40_003;

/// A namespace that all users share, if there can be other users.
fn shared() -> Option<Place> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not the superuser: nothing is known about other users");
        return None;
    }
    let place = Place::new();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    Some(place)
}

fn open(child: &mut Child, access: &str) -> String {
    child.ask(&format!("open {access} {NAME}"))
}

/// semantics 264: by default nobody but the owner gets in; on Windows everybody may read.
#[test]
fn a_pipe_is_its_owners() {
    let Some(place) = shared() else { return };
    let server = place.bytes().create(NAME).unwrap();
    let mut stranger = Child::start_as(&place, USER, GROUP);
    for access in ["rw", "r", "w", "-"] {
        assert_eq!(open(&mut stranger, access), "ERROR_ACCESS_DENIED");
    }
    // It took nothing.
    let client = place.open();
    client.write(b"x").unwrap();
    assert_eq!(text(&server), "x");
}

/// semantics 24, 52, 264: the rules are the first instance's; who is refused takes no instance.
#[test]
fn rules_let_others_in() {
    let Some(place) = shared() else { return };
    let cases = [
        (
            AccessRules::owner().allow_user(USER),
            ["rw", "r", "w", "-"].as_slice(),
            true,
        ),
        (AccessRules::owner().allow_user(OTHER), &["rw", "r", "w", "-"], false),
        (AccessRules::owner().allow_group(GROUP), &["rw", "r", "w", "-"], true),
        (AccessRules::from_mode(0o666).unwrap(), &["rw", "r", "w", "-"], true),
        (AccessRules::from_mode(0o604).unwrap(), &["r", "-"], true),
        (AccessRules::from_mode(0o604).unwrap(), &["rw", "w"], false),
        (AccessRules::from_mode(0o602).unwrap(), &["w", "-"], true),
        (AccessRules::from_mode(0o602).unwrap(), &["rw", "r"], false),
        (AccessRules::from_mode(0o660).unwrap(), &["rw", "r", "w", "-"], false),
    ];
    let mut child = Child::start_as(&place, USER, GROUP);
    let mut opened = 0;
    for (rules, accesses, admitted) in cases {
        for access in accesses {
            let mut options = place.bytes();
            let server = options.access_rules(rules.clone()).create(NAME).unwrap();
            // A later instance has no say.
            let later = options.access_rules(AccessRules::owner()).create(NAME).unwrap();
            if admitted {
                assert_eq!(open(&mut child, access), opened.to_string(), "{rules}, {access}");
                opened += 1;
                let peer = server.peer().unwrap();
                assert_eq!((peer.uid, peer.gid), (USER, GROUP));
            } else {
                assert_eq!(open(&mut child, access), "ERROR_ACCESS_DENIED", "{rules}, {access}");
                assert_eq!(error(server.peer()), "ERROR_NOT_FOUND");
            }
            drop(later);
        }
    }
}

/// semantics 92, 183, 264: between users data flows as within one.
#[test]
fn users_talk_to_each_other() {
    let Some(place) = shared() else { return };
    let mut server = Child::start_as(&place, USER, GROUP);
    // Its owner alone: the superuser and itself.
    assert_eq!(server.ask(&format!("create message {NAME}")), "0");
    assert_eq!(
        open(&mut Child::start_as(&place, OTHER, GROUP), "rw"),
        "ERROR_ACCESS_DENIED"
    );
    let client = place.message_client();
    assert_eq!(client.peer().unwrap().uid, USER);
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!((details.owner_uid, details.server_pid), (USER, Some(server.pid())));

    assert_eq!(server.ask("begin read 0 10"), "waits");
    client.write(b"ping").unwrap();
    assert_eq!(server.ask("result"), "ping");
    let reader = client.try_clone().unwrap();
    let reading = crate::call(move || text(&reader)).blocked();
    assert_eq!(server.ask("write 0 pong"), "4");
    assert_eq!(reading.end(), "pong");
    assert_eq!(server.ask("begin read 0 10"), "waits");
    drop(client);
    assert_eq!(server.ask("result"), "ERROR_BROKEN_PIPE");

    assert_eq!(server.ask("disconnect 0"), "disconnected");
    assert_eq!(server.ask("begin connect 0"), "waits");
    let client = place.message_client();
    assert_eq!(server.ask("result"), "connected");
    let reader = client.try_clone().unwrap();
    let reading = crate::call(move || reader.read(&mut [0])).blocked();
    server.kill();
    assert_eq!(error(reading.end()), "ERROR_BROKEN_PIPE");
}

/// semantics 25, 30: the name of a pipe that lives is not another user's to serve.
#[test]
fn a_name_belongs_to_whoever_serves_it() {
    let Some(place) = shared() else { return };
    let mut first = Child::start_as(&place, USER, GROUP);
    let mut second = Child::start_as(&place, OTHER, GROUP);
    assert_eq!(first.ask(&format!("create byte {NAME}")), "0");
    assert_eq!(second.ask(&format!("create byte {NAME}")), "ERROR_ACCESS_DENIED");
    first.kill();
    // What the first one left counts no more, nor does it stand in for the second.
    assert_eq!(second.ask(&format!("create byte {NAME}")), "0");
    assert_eq!(place.open().peer().unwrap().uid, OTHER);
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!((details.owner_uid, details.server_pid), (OTHER, Some(second.pid())));
    let listed = place.namespace().list().unwrap();
    assert_eq!((listed.len(), listed[0].owner_uid), (1, OTHER));
}

/// semantics 264: the owner can keep itself out. The superuser cannot, as SYSTEM cannot.
#[test]
fn empty_rules_refuse_the_owner() {
    let place = Place::new();
    let _server = place
        .bytes()
        .access_rules(AccessRules::from_mode(0).unwrap())
        .create(NAME)
        .unwrap();
    assert_eq!(place.namespace().info(NAME).unwrap().access, "mode 000");
    let opened = place.client().open(NAME);
    if rustix::process::geteuid().is_root() {
        opened.unwrap();
    } else {
        assert_eq!(error(opened), "ERROR_ACCESS_DENIED");
    }
}

/// No rule: a namespace that is another user's own cannot be used, and the error says why.
#[test]
fn a_foreign_namespace_is_refused() {
    let Some(_) = shared() else { return };
    let place = Place::new();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _server = place.bytes().create(NAME).unwrap();
    assert_eq!(
        open(&mut Child::start_as(&place, USER, GROUP), "rw"),
        "ERROR_ACCESS_DENIED"
    );
}
