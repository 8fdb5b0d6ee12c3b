//! The descriptor of a name: what it decides, who sees it, who changes it.

use npipe::{Access, ClientOptions, PipeClient, SecurityDescriptor, SecurityInformation, ServerOptions, rights};

use crate::support::child::Child;
use crate::support::{NAME, Place, Puppet, User, error, relisten, text};

const DACL: SecurityInformation = SecurityInformation {
    dacl: true,
    ..SecurityInformation::from_win32(0)
};
const OWNER: SecurityInformation = SecurityInformation {
    owner: true,
    ..SecurityInformation::from_win32(0)
};
const USER: User = User::new(40_011);
const OTHER: User = User::new(40_012);
const OTHER_NAME: &str = r"\\.\pipe\other";
/// Full control for everybody.
const OPEN: &str = "D:(A;;FA;;;WD)";
const READ_CONTROL: u32 = rights::READ_CONTROL;
const WRITE_DAC: u32 = rights::WRITE_DAC;

fn sddl(text: &str) -> SecurityDescriptor {
    text.parse().unwrap()
}

fn secured(place: &Place, text: &str) -> ServerOptions {
    let mut options = place.bytes();
    options.security_descriptor(sddl(text));
    options
}

/// A client that asks for a mask of Win32.
fn with_mask(place: &Place, mask: u32) -> ClientOptions {
    let mut options = place.client();
    options.access(Access::from_win32(mask));
    options
}

fn dacl_of(client: &PipeClient) -> String {
    client.security().unwrap().only(DACL).to_string()
}

/// semantics 264
#[test]
fn a_descriptor_without_a_list_is_windows_default() {
    let place = Place::new();
    let server = secured(&place, "").create(NAME).unwrap();
    let text = server.security().unwrap().to_string();
    let owner = text.split(['O', 'G', ':']).nth(2).unwrap();
    let dacl = format!("D:(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{owner})(A;;FR;;;WD)(A;;FR;;;AN)");
    assert!(text.ends_with(&dacl), "{text}");
    let null = secured(&place, "D:NO_ACCESS_CONTROL").create(OTHER_NAME).unwrap();
    assert!(null.security().unwrap().to_string().ends_with("D:NO_ACCESS_CONTROL"));
    place.client().open(OTHER_NAME).unwrap();
}

/// Whatever is asked for is compared with what the list grants, and what opening adds with it.
///
/// semantics 53, 264
#[test]
fn an_open_needs_every_right_that_it_asks_for() {
    let place = Place::new();
    let list = "D:(D;;0x100;;;WD)(A;;0x100083;;;WD)";
    let _servers: Vec<_> = (0..4)
        .map(|_| {
            secured(&place, &(list.to_owned() + "(A;;LC;;;WD)"))
                .create(NAME)
                .unwrap()
        })
        .collect();
    for (mask, granted) in [
        (rights::GENERIC_READ, false),
        (rights::FILE_READ_DATA, true),
        (rights::FILE_READ_DATA | rights::FILE_WRITE_DATA, true),
        (rights::FILE_WRITE_ATTRIBUTES, false),
        (rights::FILE_READ_DATA | rights::WRITE_OWNER, false),
        (0, true),
    ] {
        let opened = with_mask(&place, mask).open(NAME);
        match granted {
            true => drop(opened.unwrap()),
            false => assert_eq!(error(opened), "ERROR_ACCESS_DENIED", "{mask:x}"),
        }
    }
}

/// semantics 264
#[test]
fn whoever_asks_for_all_there_is_gets_what_the_list_grants() {
    let place = Place::new();
    let _server = secured(&place, "D:(A;;0x120083;;;WD)(A;;LC;;;WD)")
        .create(NAME)
        .unwrap();
    let client = with_mask(&place, rights::MAXIMUM_ALLOWED).open(NAME).unwrap();
    client.write(b"x").unwrap();
    assert_eq!(dacl_of(&client), "D:(A;;0x120083;;;WD)(A;;LC;;;WD)");
    let nowait = client.set_state(npipe::PipeMode::Byte, true);
    assert_eq!(error(nowait), "ERROR_ACCESS_DENIED");
}

/// The same process and the same user need it too.
///
/// semantics 265
#[test]
fn another_instance_needs_the_right_to_create_one() {
    let place = Place::new();
    let denied = secured(&place, "D:(A;;FR;;;WD)(A;;DC;;;WD)");
    let _first = denied.create(NAME).unwrap();
    assert_eq!(error(denied.create(NAME)), "ERROR_ACCESS_DENIED");
    let mut child = Child::start(&place);
    assert_eq!(child.ask(&format!("create byte {NAME}")), "ERROR_ACCESS_DENIED");

    let allowed = secured(&place, "D:(A;;LC;;;WD)");
    let _others = [allowed.create(OTHER_NAME).unwrap(), allowed.create(OTHER_NAME).unwrap()];
    assert_eq!(child.ask(&format!("create byte {OTHER_NAME}")), "0");
}

/// semantics 265
#[test]
fn all_ends_of_all_processes_see_and_change_one_descriptor() {
    let place = Place::new();
    let first = secured(&place, OPEN).write_dac(true).create(NAME).unwrap();
    let mut follower = Child::start(&place);
    assert_eq!(
        follower.ask(&format!("create byte {NAME} sddl=D:(A;;GA;;;BG) dac")),
        "0"
    );
    let mut client = Child::start(&place);
    assert_eq!(
        client.ask(&format!("open 0x{:x} {NAME}", READ_CONTROL | WRITE_DAC)),
        "0"
    );
    let see = |follower: &mut Child, client: &mut Child, list: &str| {
        assert!(first.security().unwrap().to_string().ends_with(list));
        for child in [follower, client] {
            let seen = child.ask("security 0");
            assert!(seen.ends_with(list), "{seen} should end with {list}");
        }
    };
    see(&mut follower, &mut client, OPEN);
    let by_leader = "D:(A;;FA;;;AU)";
    first.set_security(DACL, &sddl(by_leader)).unwrap();
    see(&mut follower, &mut client, by_leader);
    let by_follower = "D:P(A;;FA;;;BU)(A;;FR;;;WD)";
    assert_eq!(follower.ask(&format!("set-dacl 0 {by_follower}")), "set");
    see(&mut follower, &mut client, by_follower);
    let by_client = "D:(D;;DC;;;AN)(A;;GA;;;WD)";
    assert_eq!(client.ask(&format!("set-dacl 0 {by_client}")), "set");
    see(&mut follower, &mut client, by_client);
}

/// Whoever leads after it keeps it; a client keeps it after all.
///
/// semantics 265
#[test]
fn the_descriptor_outlives_those_who_serve_it() {
    let place = Place::new();
    let mut leader = Child::start(&place);
    assert_eq!(leader.ask(&format!("create byte {NAME} sddl={OPEN} dac")), "0");
    let heir = place.bytes().write_dac(true).create(NAME).unwrap();
    let list = "D:(A;;FA;;;AU)(A;;RC;;;WD)";
    assert_eq!(leader.ask(&format!("set-dacl 0 {list}")), "set");
    leader.kill();
    let client = with_mask(&place, READ_CONTROL | WRITE_DAC).open(NAME).unwrap();
    assert_eq!(dacl_of(&client), list);
    let later = "D:(A;;FA;;;BU)";
    heir.set_security(DACL, &sddl(later)).unwrap();
    // Clients in the process of a server need not have asked.
    drop(heir);
    assert_eq!(dacl_of(&client), later);
    client.set_security(DACL, &sddl(list)).unwrap();
    assert_eq!(dacl_of(&client), list);
    // Another pipe of that name is another pipe.
    let _anew = secured(&place, OPEN).create(NAME).unwrap();
    assert_eq!(dacl_of(&client), list);
}

/// Of a pipe whose servers have all gone, too.
///
/// semantics 265
#[test]
fn the_clients_of_one_process_share_what_they_were_told() {
    let place = Place::new();
    let mut server = Child::start(&place);
    for instance in ["0", "1"] {
        assert_eq!(server.ask(&format!("create byte {NAME} sddl={OPEN} dac")), instance);
    }
    let open = || with_mask(&place, READ_CONTROL | WRITE_DAC).open(NAME).unwrap();
    let (one, other) = (open(), open());
    server.kill();
    let list = "D:(A;;FA;;;AU)(A;;RC;;;WD)";
    one.set_security(DACL, &sddl(list)).unwrap();
    assert_eq!(dacl_of(&other), list);
}

/// What is open stays so, and who comes later meets the new list.
///
/// semantics 52, 265
#[test]
fn a_change_is_for_those_who_come_later() {
    let place = Place::new();
    let server = secured(&place, OPEN).write_dac(true).create(NAME).unwrap();
    let client = place.open();
    server.set_security(DACL, &sddl("D:")).unwrap();
    client.write(b"x").unwrap();
    assert_eq!(text(&server), "x");
    assert_eq!(error(place.bytes().create(NAME)), "ERROR_ACCESS_DENIED");
    drop(client);
    server.disconnect().unwrap();
    relisten(&server);
    assert_eq!(error(place.client().open(NAME)), "ERROR_ACCESS_DENIED");
}

/// semantics 32, 265
#[test]
fn the_handle_needs_the_right_to_look_and_to_change() {
    let place = Place::new();
    let server = secured(&place, OPEN).create(NAME).unwrap();
    assert_eq!(error(server.set_security(DACL, &sddl("D:"))), "ERROR_ACCESS_DENIED");
    assert_eq!(error(server.set_security(OWNER, &sddl("O:SY"))), "ERROR_ACCESS_DENIED");
    let client = with_mask(&place, rights::FILE_READ_DATA).open(NAME).unwrap();
    assert_eq!(error(client.security()), "ERROR_ACCESS_DENIED");
    let first = secured(&place, OPEN)
        .first_pipe_instance(true)
        .create(OTHER_NAME)
        .unwrap();
    let own = first.security().unwrap();
    first.set_security(OWNER, &own).unwrap();
    let nobody = first.set_security(OWNER, &SecurityDescriptor::default());
    assert_eq!(error(nobody), "ERROR_INVALID_OWNER");
    let labelled = secured(&place, "S:(ML;;NW;;;HI)").create(r"\\.\pipe\labelled");
    assert_eq!(error(labelled), "ERROR_NOT_SUPPORTED");
}

/// semantics 264, 265
#[test]
fn other_users_get_what_their_entries_give() {
    let Some(place) = Place::shared("other_users_get_what_their_entries_give") else {
        return;
    };
    let list = format!(
        "D:(D;;DC;;;S-1-22-1-{})(A;;FA;;;S-1-22-1-{0})(A;;FR;;;IU)(A;;FA;;;SY)",
        USER.uid
    );
    let _servers: Vec<_> = (0..4).map(|_| secured(&place, &list).create(NAME).unwrap()).collect();
    let (mut user, mut other) = (Puppet::start_as(&place, USER), Puppet::start_as(&place, OTHER));
    assert_eq!(user.ask(&format!("open rw {NAME}")), "ERROR_ACCESS_DENIED");
    assert_eq!(user.ask(&format!("open r {NAME}")), "0");
    assert_eq!(user.ask(&format!("open 0x40001 {NAME}")), "1");
    assert_eq!(other.ask(&format!("open w {NAME}")), "ERROR_ACCESS_DENIED");
    assert_eq!(other.ask(&format!("open r {NAME}")), "0");
    assert_eq!(other.ask(&format!("open 0x40001 {NAME}")), "ERROR_ACCESS_DENIED");
    // The first may change the list, and lets the second write.
    assert_eq!(user.ask(&format!("set-dacl 0 {OPEN}")), "ERROR_ACCESS_DENIED");
    assert_eq!(user.ask(&format!("set-dacl 1 {OPEN}")), "set");
    assert_eq!(other.ask(&format!("open w {NAME}")), "1");
    assert!(other.ask("security 0").ends_with(OPEN));
}

/// Those who were kept out by the socket already are let in by a change of the list.
///
/// semantics 265
#[test]
fn others_are_let_in_later() {
    let Some(place) = Place::shared("others_are_let_in_later") else {
        return;
    };
    let server = secured(&place, "D:(A;;FA;;;SY)").write_dac(true).create(NAME).unwrap();
    let mut user = Puppet::start_as(&place, USER);
    assert_eq!(user.ask(&format!("open rw {NAME}")), "ERROR_ACCESS_DENIED");
    server.set_security(DACL, &sddl(OPEN)).unwrap();
    assert_eq!(user.ask(&format!("open rw {NAME}")), "0");
}
