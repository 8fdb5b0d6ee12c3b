//! Who somebody is, by the kernel's word: that of the moment in which a socket was connected or made to listen, whoever
//! holds it later, and whatever is said on it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use npipe::{Direction, PipeName, Status};
use npipe_core::handshake::{Message, PipeReport};
use npipe_core::{Access, PipeType, SecurityQos};

use crate::support::hear;
use crate::{ALICE, BOB, CAROL, NAME, Place, Puppet, within};

fn name() -> PipeName {
    PipeName::from_path(NAME.as_bytes()).unwrap()
}

/// semantics 264: a socket that was passed on stands for the one who connected it: it brings the superuser who holds it
/// now no further, nor does it make a stranger who speaks on it one.
#[test]
fn a_forwarded_socket_is_its_connectors() {
    let Some(place) = Place::shared("a_forwarded_socket_is_its_connectors") else {
        return;
    };
    let mut server = Puppet::start_as(&place, ALICE);
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600,u40002 count=2")), "1");
    let socket = place.file(ALICE.uid, "");
    let open = Message::Open {
        name: name(),
        access: Access::READ_WRITE,
        qos: SecurityQos::default(),
        processor: None,
    }
    .encode();
    let connect = || UnixStream::connect(&socket).unwrap();

    let mut of_a_stranger = CAROL.act(connect);
    of_a_stranger.write_all(&open).unwrap();
    let status = Status::AccessDenied;
    assert_eq!(hear(&mut of_a_stranger), Message::Refused { status });

    let mut of_a_guest = BOB.act(connect);
    CAROL.act(|| of_a_guest.write_all(&open).unwrap());
    assert!(matches!(hear(&mut of_a_guest), Message::Opened(_)));
    assert_eq!(server.ask("peer 0"), format!("40002 40002 {}", std::process::id()));
}

/// semantics 206, 264: both ends learn who the other is, from the kernel.
#[test]
fn both_ends_know_each_other() {
    let Some(place) = Place::shared("both_ends_know_each_other") else {
        return;
    };
    let client_user = within(BOB, &[50_002]);
    let (mut server, mut client) = (Puppet::start_as(&place, ALICE), Puppet::start_as(&place, client_user));
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600,g50002")), "0");
    assert_eq!(client.ask(&format!("open rw {NAME}")), "0");
    assert_eq!(client.ask("peer 0"), format!("40001 40001 {}", server.pid()));
    assert_eq!(server.ask("peer 0"), format!("40002 40002 {}", client.pid()));
    let details = place.namespace().info(NAME).unwrap();
    assert_eq!((details.owner_uid, details.server_pid), (ALICE.uid, Some(server.pid())));
    let seen = details.instances[0].client.as_ref().unwrap();
    assert_eq!((seen.uid, seen.gid, seen.pid), (BOB.uid, BOB.gid, Some(client.pid())));
}

/// semantics 206: a server that lies about itself is shown as who it is.
#[test]
fn a_server_cannot_pass_for_another() {
    let Some(place) = Place::shared("a_server_cannot_pass_for_another") else {
        return;
    };
    let path = place.file(CAROL.uid, "");
    let listener = CAROL.act(|| {
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        listener
    });
    let lie = Message::Info(PipeReport {
        name: name(),
        pipe_type: PipeType::Byte,
        direction: Direction::Duplex,
        max_instances: 255,
        default_timeout_ms: 50,
        server_pid: 1,
        listener_pid: std::process::id(),
        pipe_id: 1,
        security: npipe::SecurityDescriptor::default(),
        instance_count: 0,
        instances: Vec::new(),
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(matches!(hear(&mut stream), Message::Query { .. }));
                stream.write_all(&lie.encode()).unwrap();
            }
        });
        let details = place.namespace().info(NAME);
        let listed = place.namespace().list();
        // Now that nobody waits for a question any more.
        let (details, listed) = (details.unwrap(), listed.unwrap());
        let (mine, lie) = (Some(std::process::id()), Some(1));
        assert_eq!((details.owner_uid, listed[0].owner_uid), (CAROL.uid, CAROL.uid));
        for pid in [details.server_pid, listed[0].server_pid] {
            assert!(
                pid != lie && (pid == mine || pid.is_none()),
                "the lie is believed: {pid:?}"
            );
        }
    });
}
