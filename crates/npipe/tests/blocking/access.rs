//! Who may open a pipe.
//!
//! Other users are made by number, which only the superuser can; where the tests run as anybody else, what needs other
//! users is left out and named (see [`has_other_users`]).

use std::os::unix::fs::PermissionsExt;

use npipe::AccessRules;

use crate::support::{Puppet, User, has_other_users};
use crate::{NAME, Place, error, text};

const GROUP: u32 = 40_003;
const USER: User = of_the_group(40_001);
const OTHER: User = of_the_group(40_002);

const fn of_the_group(uid: u32) -> User {
    User {
        gid: GROUP,
        ..User::new(uid)
    }
}

fn open(child: &mut Puppet, access: &str) -> String {
    child.ask(&format!("open {access} {NAME}"))
}

/// semantics 264: by default nobody but the owner gets in; on Windows everybody may read.
#[test]
fn a_pipe_is_its_owners() {
    let Some(place) = Place::shared("a_pipe_is_its_owners") else {
        return;
    };
    let server = place.bytes().create(NAME).unwrap();
    let mut stranger = Puppet::start_as(&place, USER);
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
    let Some(place) = Place::shared("rules_let_others_in") else {
        return;
    };
    let cases = [
        (
            AccessRules::owner().allow_user(USER.uid),
            ["rw", "r", "w", "-"].as_slice(),
            true,
        ),
        (
            AccessRules::owner().allow_user(OTHER.uid),
            &["rw", "r", "w", "-"],
            false,
        ),
        (AccessRules::owner().allow_group(GROUP), &["rw", "r", "w", "-"], true),
        (AccessRules::from_mode(0o666).unwrap(), &["rw", "r", "w", "-"], true),
        (AccessRules::from_mode(0o604).unwrap(), &["r", "-"], true),
        (AccessRules::from_mode(0o604).unwrap(), &["rw", "w"], false),
        (AccessRules::from_mode(0o602).unwrap(), &["w", "-"], true),
        (AccessRules::from_mode(0o602).unwrap(), &["rw", "r"], false),
        (AccessRules::from_mode(0o660).unwrap(), &["rw", "r", "w", "-"], false),
    ];
    let mut child = Puppet::start_as(&place, USER);
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
                assert_eq!((peer.uid, peer.gid), (USER.uid, GROUP));
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
    let Some(place) = Place::shared("users_talk_to_each_other") else {
        return;
    };
    let mut server = Puppet::start_as(&place, USER);
    // Its owner alone: the superuser and itself.
    assert_eq!(server.ask(&format!("create message {NAME}")), "0");
    assert_eq!(open(&mut Puppet::start_as(&place, OTHER), "rw"), "ERROR_ACCESS_DENIED");
    let client = place.message_client();
    assert_eq!(client.peer().unwrap().uid, USER.uid);
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!((details.owner_uid, details.server_pid), (USER.uid, Some(server.pid())));

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
    let Some(place) = Place::shared("a_name_belongs_to_whoever_serves_it") else {
        return;
    };
    let mut first = Puppet::start_as(&place, USER);
    let mut second = Puppet::start_as(&place, OTHER);
    assert_eq!(first.ask(&format!("create byte {NAME}")), "0");
    assert_eq!(second.ask(&format!("create byte {NAME}")), "ERROR_ACCESS_DENIED");
    first.kill();
    // What the first one left counts no more, nor does it stand in for the second.
    assert_eq!(second.ask(&format!("create byte {NAME}")), "0");
    assert_eq!(place.open().peer().unwrap().uid, OTHER.uid);
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!((details.owner_uid, details.server_pid), (OTHER.uid, Some(second.pid())));
    let listed = place.namespace().list().unwrap();
    assert_eq!((listed.len(), listed[0].owner_uid), (1, OTHER.uid));
}

/// semantics 264: an empty list refuses everybody, the owner and the superuser too.
#[test]
fn empty_rules_refuse_the_owner() {
    let place = Place::new();
    let _server = place
        .bytes()
        .access_rules(AccessRules::from_mode(0).unwrap())
        .create(NAME)
        .unwrap();
    assert!(place.namespace().info(NAME).unwrap().access.ends_with("D:"));
    assert_eq!(error(place.client().open(NAME)), "ERROR_ACCESS_DENIED");
}

/// No rule: a namespace that is another user's own cannot be used, and the error says why.
#[test]
fn a_foreign_namespace_is_refused() {
    if !has_other_users("a_foreign_namespace_is_refused") {
        return;
    }
    let place = Place::new();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _server = place.bytes().create(NAME).unwrap();
    assert_eq!(open(&mut Puppet::start_as(&place, USER), "rw"), "ERROR_ACCESS_DENIED");
}
