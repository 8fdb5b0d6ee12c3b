//! Whose a name is: of one who serves it, while it is served, and nobody's after that.

use crate::{ALICE, BOB, NAME, Place, Puppet, announce};

/// semantics 13-14: again and again, whether its server ends in order or dies.
#[test]
fn names_pass_from_user_to_user() {
    let Some(place) = Place::shared("names_pass_from_user_to_user") else {
        return;
    };
    let create = format!("create byte {NAME} rules=666");
    for round in 0..5 {
        for (owner, other) in [(ALICE, BOB), (BOB, ALICE)] {
            let mut server = Puppet::start_as(&place, owner);
            assert_eq!(server.ask(&create), "0", "round {round}");
            let answer = Puppet::start_as(&place, other).ask_why(&create);
            let who = format!("ERROR_ACCESS_DENIED user {} serves this name", owner.uid);
            assert!(answer.starts_with(&who), "{answer}");
            // The superuser takes it no more than others do.
            assert_eq!(crate::error(place.bytes().create(NAME)), "ERROR_ACCESS_DENIED");
            assert_eq!(place.client().open(NAME).unwrap().peer().unwrap().uid, owner.uid);
            // Every other server is killed, the rest let go.
            if round % 2 == 0 {
                assert_eq!(server.ask("drop"), "dropped");
            }
        }
    }
    // What is dead is neither listed nor found.
    assert!(place.namespace().list().unwrap().is_empty());
    assert_eq!(crate::error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
}

/// semantics 14, 46: clients of both come to the one that serves, past whatever is dead.
#[test]
fn dead_entries_of_both_are_passed_by() {
    let Some(place) = Place::shared("dead_entries_of_both_are_passed_by") else {
        return;
    };
    for dead in [ALICE, BOB] {
        let mut server = Puppet::start_as(&place, dead);
        assert_eq!(server.ask(&format!("create byte {NAME} rules=600")), "0");
    }
    for user in [ALICE, BOB] {
        let mut server = Puppet::start_as(&place, user);
        assert_eq!(server.ask(&format!("create byte {NAME} rules=666 count=2")), "1");
        for client in [ALICE, BOB] {
            let mut client = Puppet::start_as(&place, client);
            assert_eq!(client.ask(&format!("open rw {NAME}")), "0");
            let peer = client.ask("peer 0");
            assert_eq!(peer, format!("{} {} {}", user.uid, user.gid, server.pid()));
        }
    }
}

/// semantics 13: of two users who create a name at the same time one succeeds, or both are refused.
#[test]
fn two_at_the_same_time() {
    const ROUNDS: u32 = 200;
    let Some(place) = Place::shared("two_at_the_same_time") else {
        return;
    };
    let mut servers = [Puppet::start_as(&place, ALICE), Puppet::start_as(&place, BOB)];
    let (mut one, mut none) = (0, 0);
    for round in 0..ROUNDS {
        for server in &mut servers {
            server.tell(&format!("create byte {NAME} rules=666"));
        }
        let made = servers.each_mut().map(|server| server.answer() == "0");
        match made {
            [true, true] => panic!("both serve the name in round {round}"),
            [false, false] => none += 1,
            _ => one += 1,
        }
        for server in &mut servers {
            assert_eq!(server.ask("drop"), "dropped");
        }
    }
    announce(&format!(
        "two users create one name at the same time: one succeeds {one} times, none {none} times"
    ));
    assert!(one > 0, "nobody succeeds");
}
