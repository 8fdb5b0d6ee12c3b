//! Acting as a client, where both are the same user: what that needs, and what the client allows. Other users are in the
//! program `users`.

use npipe::impersonation::{self, ImpersonationLevel, Token};
use npipe::{PipeMode, PipeServer};

use crate::support::relisten_disconnected;
use crate::{NAME, Place, error, text};

const LEVELS: [ImpersonationLevel; 4] = [
    ImpersonationLevel::Anonymous,
    ImpersonationLevel::Identification,
    ImpersonationLevel::Impersonation,
    ImpersonationLevel::Delegation,
];

#[track_caller]
fn refused(server: &PipeServer) -> [&'static str; 3] {
    [
        error(server.client_token()),
        error(server.client_identity()),
        error(server.impersonate_client()),
    ]
}

const CANNOT: [&str; 3] = ["ERROR_CANNOT_IMPERSONATE"; 3];

/// Something has to be read first, an empty message at least; looking at it is not enough. semantics 261
#[test]
fn before_anything_was_read_a_client_is_not_impersonated() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    assert_eq!(refused(&server), CANNOT, "it listens");
    let client = place.message_client();
    assert_eq!(refused(&server), CANNOT);
    client.write(b"").unwrap();
    server.peek(&mut [0; 8]).unwrap();
    assert_eq!(refused(&server), CANNOT);
    server.read(&mut [0; 8]).unwrap();
    assert_eq!(
        server.client_identity().unwrap().uid,
        rustix::process::geteuid().as_raw()
    );
    assert_eq!(
        server.impersonate_client().unwrap().level(),
        ImpersonationLevel::Impersonation
    );
    assert!(impersonation::thread_token().is_none());
}

/// semantics 261
#[test]
fn a_client_that_has_closed_is_impersonated_and_one_that_was_thrown_out_is_not() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    client.write(b"request").unwrap();
    assert_eq!(text(&server), "request");
    drop(client);
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
    assert!(server.impersonate_client().is_ok());
    server.disconnect().unwrap();
    assert_eq!(refused(&server), CANNOT);
    relisten_disconnected(&server);
    let client = place.message_client();
    assert_eq!(refused(&server), CANNOT, "of the next one nothing was read");
    client.write(b"another").unwrap();
    assert_eq!(text(&server), "another");
    assert!(server.impersonate_client().is_ok());
}

/// Whatever brings data counts: a reply to a transaction, a part of a message. semantics 261
#[test]
fn any_data_that_was_read_counts() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    std::thread::scope(|scope| {
        scope.spawn(|| client.write(&client.read(&mut [0; 8]).map(|count| vec![b'x'; count]).unwrap()));
        server.transact(b"ask", &mut [0; 8]).unwrap();
    });
    assert!(server.impersonate_client().is_ok());

    let other = place.messages().create(NAME).unwrap();
    let client = place.message_client();
    client.write(b"long").unwrap();
    assert!(other.read_message(&mut [0; 2]).unwrap().more);
    assert!(other.impersonate_client().is_ok());
}

/// The client can only lower what its server gets; by default it may be acted as. semantics 262
#[test]
fn the_clients_level_decides() {
    let place = Place::new();
    for level in LEVELS {
        let server = place.bytes().create(NAME).unwrap();
        let client = place.client().impersonation_level(level).open(NAME).unwrap();
        client.write(b"x").unwrap();
        server.read(&mut [0]).unwrap();
        let guard = server.impersonate_client().unwrap();
        assert_eq!(guard.level(), level);
        let identity = server.client_identity();
        match level {
            ImpersonationLevel::Anonymous => assert_eq!(error(identity), "ERROR_CANT_OPEN_ANONYMOUS"),
            _ => assert!(identity.is_ok()),
        }
        // What the library opens on a thread that may not act as its client is not opened at all.
        let opened = place.client().open(r"\\.\pipe\nowhere");
        let created = place.bytes().create(r"\\.\pipe\other");
        if level < ImpersonationLevel::Impersonation {
            assert_eq!(error(opened), "ERROR_BAD_IMPERSONATION_LEVEL");
            assert_eq!(error(created), "ERROR_BAD_IMPERSONATION_LEVEL");
        } else {
            assert_eq!(error(opened), "ERROR_FILE_NOT_FOUND");
            created.unwrap();
        }
        // What is open already goes on.
        server.write(b"y").unwrap();
        drop(guard);
        assert_eq!(error(place.client().open(r"\\.\pipe\nowhere")), "ERROR_FILE_NOT_FOUND");
    }
}

/// tokio's flags: with them alone the level is anonymous, without them a server may act as its client. semantics 262
#[test]
fn flags_are_those_of_createfile() {
    let place = Place::new();
    let cases = [
        (0, ImpersonationLevel::Anonymous),
        (0x0001_0000, ImpersonationLevel::Identification),
        (0x0002_0000, ImpersonationLevel::Impersonation),
        (0x0013_0000, ImpersonationLevel::Delegation),
        // SECURITY_CONTEXT_TRACKING | SECURITY_EFFECTIVE_ONLY
        (0x000e_0000, ImpersonationLevel::Impersonation),
    ];
    for (flags, level) in cases {
        let server = place.bytes().create(NAME).unwrap();
        let client = place.client().security_qos_flags(flags).open(NAME).unwrap();
        client.write(b"x").unwrap();
        server.read(&mut [0]).unwrap();
        assert_eq!(server.client_token().unwrap().level(), level, "{flags:#x}");
    }
    let server = place.bytes().create(NAME).unwrap();
    for flags in [1, 0x4000_0000, 0x0200_0000] {
        let opened = place.client().security_qos_flags(flags).open(NAME);
        assert_eq!(error(opened), "ERROR_INVALID_PARAMETER", "{flags:#x}");
    }
    // Nothing was taken.
    let client = place.client().pipe_mode(PipeMode::Byte).open(NAME).unwrap();
    client.write(b"x").unwrap();
    assert_eq!(text(&server), "x");
}

/// The newest counts; one that goes gives way to the one before it, and reverting ends all. semantics 261, 263
#[test]
fn guards_lie_within_one_another() {
    let own = Token::of_process().unwrap();
    let current = || impersonation::thread_token().map(|token| token.level());
    let at = |level| own.lowered_to(level).impersonate().unwrap();
    use ImpersonationLevel as L;

    let first = at(L::Identification);
    {
        let _second = at(L::Impersonation);
        assert_eq!(current(), Some(L::Impersonation));
    }
    assert_eq!(current(), Some(L::Identification));
    let second = at(L::Anonymous);
    drop(first);
    assert_eq!(current(), Some(L::Anonymous), "out of turn");
    drop(second);
    assert_eq!(current(), None);

    let guard = at(L::Identification);
    let inner = at(L::Anonymous);
    impersonation::revert_to_self();
    assert_eq!(current(), None);
    let next = at(L::Impersonation);
    drop((guard, inner));
    assert_eq!(current(), Some(L::Impersonation), "what was reverted is over");
    impersonation::set_thread_token(Some(&own.lowered_to(L::Identification))).unwrap();
    drop(next);
    assert_eq!(current(), Some(L::Identification));
    impersonation::set_thread_token(None).unwrap();
    impersonation::revert_to_self();
    assert_eq!(current(), None);
}

/// What is to be the process' own doing is, at any level, and what is taken on inside ends with it. semantics 261
#[test]
fn the_process_acts_in_between() {
    let place = Place::new();
    let own = Token::of_process().unwrap();
    let level = || impersonation::thread_token().map(|token| token.level());
    let guard = own
        .lowered_to(ImpersonationLevel::Identification)
        .impersonate()
        .unwrap();
    let (server, inner) = impersonation::as_process(|| {
        assert_eq!(level(), None);
        let server = place.bytes().create(NAME).unwrap();
        let inner = own.lowered_to(ImpersonationLevel::Anonymous).impersonate().unwrap();
        assert_eq!(level(), Some(ImpersonationLevel::Anonymous));
        (server, inner)
    });
    assert_eq!(level(), Some(ImpersonationLevel::Identification));
    drop(inner);
    assert_eq!(level(), Some(ImpersonationLevel::Identification));
    let panicked = std::panic::catch_unwind(|| impersonation::as_process(|| std::panic::resume_unwind(Box::new(()))));
    assert!(panicked.is_err());
    assert_eq!(level(), Some(ImpersonationLevel::Identification));
    drop(guard);
    drop(server);
    assert_eq!(level(), None);
}

/// semantics 261
#[test]
fn another_thread_is_not_concerned() {
    let own = Token::of_process().unwrap();
    let _guard = own
        .lowered_to(ImpersonationLevel::Identification)
        .impersonate()
        .unwrap();
    assert!(impersonation::require_acting().is_err());
    std::thread::scope(|scope| {
        let other = || (impersonation::thread_token(), impersonation::require_acting());
        assert_eq!(scope.spawn(other).join().unwrap(), (None, Ok(())));
    });
}
