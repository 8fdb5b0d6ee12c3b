//! Who may open a pipe: by owner, mode, users and groups.

use crate::{ALICE, BOB, NAME, Place, Puppet, User, error, within};

/// Alice in other groups than her own, which are not her pipes' groups.
const OWNER: User = within(ALICE, &[50_001]);

/// Bob in the groups 50002 and 50003 besides.
const MEMBER: User = within(BOB, &[50_002, 50_003]);

/// Bob in the group of the owner.
const COLLEAGUE: User = within(BOB, &[40_001]);

/// More groups than most, of which the last counts as much as the first.
const JOINER: User = within(BOB, &MANY_GROUPS);

const MANY_GROUPS: [u32; 200] = {
    let mut groups = [0; 200];
    let mut index = 0;
    while index < groups.len() {
        groups[index] = 60_000 + index as u32;
        index += 1;
    }
    groups
};

/// What each may do to a pipe of [`OWNER`]'s: `rw`, `r`, `w`, or nothing. Rules that let nobody in let the owner make no further
/// instance either, which the tests of `blocking` have.
const CASES: [(&str, User, &str); 21] = [
    ("600", OWNER, "rw"),
    ("600", BOB, ""),
    ("600", COLLEAGUE, ""),
    ("400", OWNER, "r"),
    ("200", OWNER, "w"),
    // The owner's class decides for the owner, whatever the others may.
    ("066", OWNER, ""),
    // The group of the pipe is the owner's first; its other groups give nothing.
    ("660", COLLEAGUE, "rw"),
    ("640", COLLEAGUE, "r"),
    ("620", COLLEAGUE, "w"),
    ("660", within(BOB, &[50_001]), ""),
    ("606", COLLEAGUE, ""),
    ("606", BOB, "rw"),
    ("602", BOB, "w"),
    // By name, beside the mode.
    ("600,u40002", BOB, "rw"),
    ("600,u40003", BOB, ""),
    ("600,g50003", MEMBER, "rw"),
    ("600,g50004", MEMBER, ""),
    ("600,g40002", BOB, "rw"),
    ("000,g50002", MEMBER, "rw"),
    ("600,g60199", JOINER, "rw"),
    ("600,g60200", JOINER, ""),
];

/// semantics 24, 264: by the kernel's word for user and groups, supplementary ones among them.
#[test]
fn rules_decide() {
    let Some(place) = Place::shared("rules_decide") else {
        return;
    };
    for (rules, user, rights) in CASES {
        let mut server = Puppet::start_as(&place, OWNER);
        assert_eq!(server.ask(&format!("create byte {NAME} rules={rules} count=3")), "2");
        let mut client = Puppet::start_as(&place, user);
        let mut opened = 0;
        for access in ["r", "w", "rw"] {
            let answer = client.ask(&format!("open {access} {NAME}"));
            let expected = match rights.contains(access) {
                true => {
                    opened += 1;
                    (opened - 1).to_string()
                }
                false => "ERROR_ACCESS_DENIED".to_owned(),
            };
            assert_eq!(answer, expected, "{access} by {} for {rules}", user.uid);
        }
        // Who is refused takes no instance: those that remain are for the superuser, whom no such rules keep out.
        for _ in opened..3 {
            std::mem::forget(place.client().open(NAME).unwrap());
        }
        assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    }
}

/// semantics 24, 264: who may open has no say in who may serve, and later instances have none in who may open.
#[test]
fn rules_are_of_the_name() {
    let Some(place) = Place::shared("rules_are_of_the_name") else {
        return;
    };
    let (mut server, mut guest) = (Puppet::start_as(&place, ALICE), Puppet::start_as(&place, BOB));
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600,u40002")), "0");
    assert_eq!(server.ask(&format!("create byte {NAME} rules=600")), "1");
    let answer = guest.ask_why(&format!("create byte {NAME} rules=666"));
    assert!(
        answer.starts_with("ERROR_ACCESS_DENIED user 40001 serves this name"),
        "{answer}"
    );
    assert_eq!(guest.ask(&format!("open rw {NAME} count=2")), "1");
    assert_eq!(guest.ask("write 1 hello"), "5");
    assert_eq!(server.ask("read 1 8"), "hello");
}
