//! Acting as a client that is another user: what the thread may do then, and nobody else.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::mpsc;

use npipe::impersonation::{self, ImpersonationLevel};
use npipe::{AccessRules, ClientOptions, PipeServer, ServerOptions};
use rustix::process::{Gid, Uid, getegid, geteuid, getgroups, getuid};

use crate::support::{again, text};
use crate::{ALICE, BOB, CAROL, NAME, Place, Puppet, User, error, within};

const CLIENT: User = within(BOB, &[50_001, 50_002]);

/// The effective user and group of the calling thread, and its other groups.
fn thread() -> (u32, u32, Vec<u32>) {
    let groups = getgroups().unwrap();
    (
        geteuid().as_raw(),
        getegid().as_raw(),
        groups.iter().map(|gid| gid.as_raw()).collect(),
    )
}

/// An instance of the superuser's, whose client of another user has sent something that was read.
fn server_of(place: &Place, user: User, qos: &str) -> (PipeServer, Puppet) {
    let rules = AccessRules::from_mode(0o666).unwrap();
    let server = place.bytes().access_rules(rules).create(NAME).unwrap();
    let mut client = Puppet::start_as(place, user);
    assert_eq!(client.ask(&format!("open rw {NAME}{qos}")), "0");
    assert_eq!(client.ask("write 0 request"), "7");
    assert_eq!(text(&server), "request");
    (server, client)
}

/// semantics 261, 262
#[test]
fn a_thread_acts_as_its_client() {
    let Some(place) = Place::shared("a_thread_acts_as_its_client") else {
        return;
    };
    let (server, _client) = server_of(&place, CLIENT, "");
    let secret = place.path().join("secret");
    File::create(&secret).unwrap();
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let before = thread();
    std::thread::scope(|scope| {
        let (ask, asked) = mpsc::channel::<()>();
        let (answer, answers) = mpsc::channel();
        scope.spawn(move || asked.iter().for_each(|()| answer.send(thread()).unwrap()));
        let elsewhere = || {
            ask.send(()).unwrap();
            answers.recv().unwrap()
        };

        let guard = server.impersonate_client().unwrap();
        assert_eq!(guard.level(), ImpersonationLevel::Impersonation);
        assert_eq!(thread(), (CLIENT.uid, CLIENT.gid, CLIENT.groups.to_vec()));
        assert_eq!(elsewhere(), before, "only this thread");
        assert_eq!(getuid(), Uid::ROOT, "signals of the client's do not reach it");
        let made = place.path().join("made");
        File::create(&made).unwrap();
        let owner = std::fs::metadata(&made).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (CLIENT.uid, CLIENT.gid));
        assert_eq!(File::open(&secret).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(
            std::fs::remove_file(&secret).unwrap_err().kind(),
            ErrorKind::PermissionDenied
        );
        // The connection goes on as ever.
        server.write(b"answer").unwrap();
        drop(guard);
        assert_eq!(thread(), before);
        File::open(&secret).unwrap();
    });
    // A panic comes back too.
    let panicked = std::panic::catch_unwind(|| {
        let _guard = server.impersonate_client().unwrap();
        std::panic::resume_unwind(Box::new(geteuid()));
    });
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&Uid::from_raw(CLIENT.uid)));
    assert_eq!(thread(), before);
}

/// What the client allows decides, and who the thread is: below the level of impersonation it is the server. semantics 262
#[test]
fn the_clients_limits_are_honoured() {
    let Some(place) = Place::shared("the_clients_limits_are_honoured") else {
        return;
    };
    let cases = [
        ("100000", ImpersonationLevel::Anonymous, 0),
        ("110000", ImpersonationLevel::Identification, 0),
        ("120000", ImpersonationLevel::Impersonation, BOB.uid),
        ("130000", ImpersonationLevel::Delegation, BOB.uid),
    ];
    for (flags, level, uid) in cases {
        let (server, _client) = server_of(&place, BOB, &format!(" qos={flags}"));
        let guard = server.impersonate_client().unwrap();
        assert_eq!((guard.level(), geteuid().as_raw()), (level, uid), "{flags}");
        // The kernel tells who it is at any level.
        assert_eq!(server.peer().unwrap().uid, BOB.uid);
        match level {
            ImpersonationLevel::Anonymous => assert_eq!(error(server.client_identity()), "ERROR_CANT_OPEN_ANONYMOUS"),
            _ => assert_eq!(server.client_identity().unwrap().uid, BOB.uid),
        }
        if uid == 0 {
            assert_eq!(error(place.client().open(NAME)), "ERROR_BAD_IMPERSONATION_LEVEL");
        }
    }
}

/// A server without the privilege knows who its client is, and acts as it only if that is itself. semantics 261
#[test]
fn an_unprivileged_server_identifies() {
    let Some(place) = Place::shared("an_unprivileged_server_identifies") else {
        return;
    };
    let mut server = Puppet::start_as(&place, ALICE);
    for (user, expected) in [
        (BOB, "Identification 40001 ERROR_BAD_IMPERSONATION_LEVEL"),
        (ALICE, "Impersonation 40001 ERROR_FILE_NOT_FOUND"),
        // The same user in another group would be somebody who is neither.
        (
            within(ALICE, &[50_001]),
            "Identification 40001 ERROR_BAD_IMPERSONATION_LEVEL",
        ),
    ] {
        let end = server.ask(&format!("create byte {NAME} rules=666"));
        let mut client = Puppet::start_as(&place, user);
        assert_eq!(client.ask(&format!("open rw {NAME}")), "0");
        assert_eq!(server.ask(&format!("impersonate {end}")), "ERROR_CANNOT_IMPERSONATE");
        assert_eq!(client.ask("write 0 x"), "1");
        assert_eq!(server.ask(&format!("read {end} 1")), "x");
        assert_eq!(server.ask(&format!("impersonate {end}")), expected, "{user:?}");
    }
}

/// At the other end of what the thread opens is the client, by the kernel's word, wherever the process has its namespace.
///
/// semantics 261, 264
#[test]
fn pipes_are_opened_as_the_client() {
    let Some(shared) = Place::shared("pipes_are_opened_as_the_client") else {
        return;
    };
    // A directory that the client cannot even enter: names are found by the process.
    let private = Place::new();
    std::fs::set_permissions(private.path(), Permissions::from_mode(0o700)).unwrap();
    let (server, _client) = server_of(&shared, CLIENT, "");
    for place in [&shared, &private] {
        let other = |rules: &AccessRules| {
            let mut options = place.bytes();
            options.access_rules(rules.clone()).create(r"\\.\pipe\other").unwrap()
        };
        let admits = [
            (AccessRules::owner(), false),
            (AccessRules::owner().allow_user(CAROL.uid), false),
            (AccessRules::owner().allow_user(CLIENT.uid), true),
            (AccessRules::owner().allow_group(CLIENT.groups[1]), true),
        ];
        for (rules, admitted) in admits {
            let answering = other(&rules);
            let guard = server.impersonate_client().unwrap();
            let opened = place.client().open(r"\\.\pipe\other");
            let details = place.namespace().info(r"\\.\pipe\other").unwrap();
            assert_eq!(details.owner_uid, 0);
            assert_eq!(
                place.namespace().list().unwrap().len(),
                if place.path() == shared.path() { 2 } else { 1 }
            );
            drop(guard);
            match admitted {
                true => {
                    let opened = opened.unwrap();
                    opened.write(b"x").unwrap();
                    assert_eq!(answering.peer().unwrap().uid, CLIENT.uid);
                    assert_eq!(text(&answering), "x");
                    assert_eq!(answering.client_identity().unwrap().groups, CLIENT.groups);
                }
                false => assert_eq!(error(opened), "ERROR_ACCESS_DENIED"),
            }
        }
    }
}

/// A pipe that is created meanwhile is the process', and so are its files, its thread, and what is passed on. semantics 13, 261
#[test]
fn what_the_library_does_for_itself_is_the_process() {
    let Some(place) = Place::shared("what_the_library_does_for_itself_is_the_process") else {
        return;
    };
    let private = Place::new();
    std::fs::set_permissions(private.path(), Permissions::from_mode(0o700)).unwrap();
    let (server, _client) = server_of(&place, CLIENT, "");
    let guard = server.impersonate_client().unwrap();
    let created = private.bytes().shareable(true).create(NAME).unwrap();
    let files = impersonation::as_process(|| (private.files(), std::fs::metadata(private.file(0, "")).unwrap().uid()));
    assert!(!files.0.is_empty());
    assert_eq!(files.1, 0);
    let mut other = impersonation::as_process(|| Puppet::start(&private));
    assert_eq!(other.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(other.ask("write 0 x"), "1");
    assert_eq!(text(&created), "x");
    let passed_on = created.into_raw().unwrap();
    let created = PipeServer::from_raw(passed_on).unwrap();
    assert_eq!(created.client_identity().unwrap().uid, 0);
    drop(created);
    impersonation::as_process(|| crate::support::until(|| private.files().is_empty().then_some(())));
    let other = impersonation::as_process(|| server_of(&place, ALICE, ""));
    let inner = impersonation::as_process(|| {
        let inner = other.0.impersonate_client().unwrap();
        assert_eq!(geteuid().as_raw(), ALICE.uid);
        inner
    });
    assert_eq!(
        geteuid().as_raw(),
        CLIENT.uid,
        "what was taken on as the process is over"
    );
    drop(inner);
    let started = impersonation::as_process(|| std::thread::spawn(thread)).join().unwrap();
    assert_eq!(started.0, 0);
    assert_eq!(geteuid().as_raw(), CLIENT.uid);
    drop(guard);
}

/// An end that goes to another process takes its client along, and what that allows; so does a client that another process
/// of the name has let in. semantics 28, 190, 261, 262
#[test]
fn the_client_goes_along() {
    let Some(place) = Place::shared("the_client_goes_along") else {
        return;
    };
    let rules = AccessRules::from_mode(0o666).unwrap();
    for (qos, expected) in [
        ("", "Impersonation 40002 ERROR_FILE_NOT_FOUND"),
        (" qos=110000", "Identification 0 ERROR_BAD_IMPERSONATION_LEVEL"),
    ] {
        let mut options = place.bytes();
        let first = options
            .shareable(true)
            .access_rules(rules.clone())
            .create(NAME)
            .unwrap();
        let mut client = Puppet::start_as(&place, BOB);
        assert_eq!(client.ask(&format!("open rw {NAME}{qos}")), "0");
        let mut heir = Puppet::start(&place);
        let end = heir.give("server", first.try_clone().unwrap().into_raw().unwrap());
        assert_eq!(heir.ask(&format!("impersonate {end}")), "ERROR_CANNOT_IMPERSONATE");
        assert_eq!(client.ask("write 0 xy"), "2");
        first.read(&mut [0]).unwrap();
        assert_eq!(
            heir.ask(&format!("impersonate {end}")),
            expected,
            "read by another holder"
        );
        first.disconnect().unwrap();
        assert_eq!(heir.ask(&format!("impersonate {end}")), "ERROR_CANNOT_IMPERSONATE");

        let mut member = Puppet::start(&place);
        assert_eq!(member.ask(&format!("create byte {NAME}")), "0");
        assert_eq!(client.ask(&format!("open rw {NAME}{qos}")), "1");
        assert_eq!(client.ask("write 1 x"), "1");
        assert_eq!(member.ask("read 0 1"), "x");
        assert_eq!(member.ask("impersonate 0"), expected, "let in by another process");
    }
}

/// Each client is itself, on however many threads at once. semantics 261
#[test]
fn many_threads_act_as_many_clients() {
    let Some(place) = Place::shared("many_threads_act_as_many_clients") else {
        return;
    };
    const USERS: [User; 4] = [ALICE, BOB, CAROL, User::new(40_004)];
    let rules = AccessRules::from_mode(0o666).unwrap();
    let pairs: Vec<(PipeServer, User)> = USERS
        .into_iter()
        .map(|user| {
            let server = place.bytes().access_rules(rules.clone()).create(NAME).unwrap();
            let client = user.act(|| place.open());
            client.write(b"x").unwrap();
            server.read(&mut [0]).unwrap();
            (server, user)
        })
        .collect();
    let before = thread();
    std::thread::scope(|scope| {
        for (server, user) in &pairs {
            scope.spawn(|| {
                for _ in 0..200 {
                    let guard = server.impersonate_client().unwrap();
                    assert_eq!(thread(), (user.uid, user.gid, Vec::new()));
                    drop(guard);
                    assert_eq!(thread(), before);
                }
            });
        }
    });
    // One after the other on one thread, without coming back in between.
    let guards: Vec<_> = pairs
        .iter()
        .map(|(server, user)| {
            let guard = server.impersonate_client().unwrap();
            assert_eq!(geteuid().as_raw(), user.uid);
            guard
        })
        .collect();
    drop(guards);
    assert_eq!(thread(), before);
}

/// The role of one who changes its identity while it is somebody else.
pub(crate) fn lose_the_way_back(root: &Path) {
    let mut options = ServerOptions::new();
    let server = options.root(root).access_rules(AccessRules::from_mode(0o666).unwrap());
    let server = server.create(NAME).unwrap();
    let client = BOB.act(|| ClientOptions::new().root(root).open(NAME).unwrap());
    client.write(b"x").unwrap();
    server.read(&mut [0]).unwrap();
    let guard = server.impersonate_client().unwrap();
    rustix::thread::set_thread_res_gid(None, None, Gid::from_raw(BOB.gid)).unwrap();
    rustix::thread::set_thread_res_uid(None, None, Uid::from_raw(BOB.uid)).unwrap();
    let real = Uid::from_raw(BOB.uid);
    rustix::thread::set_thread_res_uid(real, None, None).unwrap();
    drop(guard);
    unreachable!("the thread went on as somebody else");
}

/// A thread that cannot come back ends its process: nobody goes on with an identity that is not its own. semantics 263
#[test]
fn who_cannot_come_back_ends() {
    let Some(place) = Place::shared("who_cannot_come_back_ends") else {
        return;
    };
    let output = again("turncoat", place.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "{told}");
    assert!(told.contains("npipe: cannot come back from impersonation"), "{told}");
}
