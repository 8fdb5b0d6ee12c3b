//! One name, several server processes.

use crate::support::child::Child;
use crate::support::{NAME, Place, call, error, text, until};

/// How often what might only sometimes go wrong is tried.
const TRIES: usize = 200;

fn create(child: &mut Child, options: &str) -> String {
    child.ask(format!("create byte {NAME} {options}").trim_end())
}

/// Clients get the instance that has listened longest, whose ever it is, and know whom they talk to.
///
/// semantics 28, 56
#[test]
fn clients_go_to_the_longest_listener_of_any_process() {
    let place = Place::new();
    let mut servers: Vec<Child> = (0..3).map(|_| Child::start(&place)).collect();
    for turn in 0..2 {
        for server in &mut servers {
            assert_eq!(create(server, ""), turn.to_string());
        }
    }
    for turn in 0..2 {
        for server in &mut servers {
            let client = place.open();
            assert_eq!(client.peer().unwrap().pid, Some(server.pid()));
            client.write(b"hello").unwrap();
            assert_eq!(server.ask(&format!("read {turn} 16")), "hello");
            assert_eq!(server.ask(&format!("write {turn} reply")), "5");
            assert_eq!(text(&client), "reply");
        }
    }
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
}

/// One limit, one direction and one type hold for all processes, as the first instance has fixed them.
///
/// semantics 24-28, 33, 34
#[test]
fn the_first_instance_decides_for_all_processes() {
    let place = Place::new();
    let mut first = Child::start(&place);
    assert_eq!(create(&mut first, "max=3"), "0");
    assert_eq!(
        error(place.bytes().first_pipe_instance(true).create(NAME)),
        "ERROR_ACCESS_DENIED"
    );
    assert_eq!(
        error(place.bytes().access_outbound(false).create(NAME)),
        "ERROR_ACCESS_DENIED"
    );
    // Its own type counts for nothing, and a byte pipe is not read by messages.
    assert_eq!(error(place.messages().create(NAME)), "ERROR_INVALID_PARAMETER");
    let second = place.bytes().max_instances(200).create(NAME).unwrap();
    assert_eq!(second.info().unwrap().max_instances, 3);
    let mut third = Child::start(&place);
    assert_eq!(create(&mut third, ""), "0");
    assert_eq!(second.state().unwrap().instances, 3);
    assert_eq!(third.ask("instances 0"), "3");
    // The limit is checked first.
    for options in ["", "first", "inbound"] {
        assert_eq!(create(&mut third, options), "ERROR_PIPE_BUSY");
        assert_eq!(create(&mut first, options), "ERROR_PIPE_BUSY");
    }
    drop(second);
    assert_eq!(create(&mut third, "first"), "ERROR_ACCESS_DENIED");
    assert_eq!(create(&mut first, ""), "1");
}

/// What one process closes, another can make at once; nobody is refused on stale news.
///
/// semantics 13, 25, 29
#[test]
fn a_place_is_free_the_moment_another_process_closes() {
    let place = Place::new();
    let mut others = [Child::start(&place), Child::start(&place)];
    assert_eq!(create(&mut others[0], "max=2"), "0");
    let mut made = 0;
    for turn in 0..TRIES {
        let closing = others[1].ask(&format!("create byte {NAME}"));
        assert_eq!(closing, turn.to_string());
        assert_eq!(error(place.bytes().create(NAME)), "ERROR_PIPE_BUSY");
        assert_eq!(others[1].ask(&format!("close {closing}")), "closed");
        drop(place.bytes().create(NAME).expect("there is room again"));
        made += 1;
    }
    assert_eq!(made, TRIES);
}

/// An instance that listens again in one process can be opened at once from another.
///
/// semantics 56, 64, 86, 88
#[test]
fn what_listens_again_can_be_opened_at_once() {
    let place = Place::new();
    let _leader = {
        let server = place.bytes().create(NAME).unwrap();
        let client = place.open();
        (server, client)
    };
    let mut follower = Child::start(&place);
    assert_eq!(create(&mut follower, ""), "0");
    for _ in 0..TRIES {
        let client = place.open();
        assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
        assert_eq!(follower.ask("disconnect 0"), "disconnected");
        assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
        drop(client);
        assert_eq!(follower.ask("begin connect 0"), "waits");
        let client = place.open();
        assert_eq!(follower.ask("result"), "connected");
        assert_eq!(follower.ask("relisten 0"), "listens");
        assert_eq!(error(client.read(&mut [0])), "ERROR_PIPE_NOT_CONNECTED");
    }
}

/// Who waits hears of an instance of any process, and of the end of the name.
///
/// semantics 81, 82, 84, 86, 89
#[test]
fn waiters_are_told_by_all_processes() {
    let place = Place::new();
    let mut leader = Child::start(&place);
    let mut follower = Child::start(&place);
    let mut waiter = Child::start(&place);
    assert_eq!(create(&mut leader, ""), "0");
    assert_eq!(create(&mut follower, ""), "0");
    let clients = [place.open(), place.open()];
    assert_eq!(waiter.ask(&format!("begin-wait {NAME}")), "waits");
    assert_eq!(follower.ask("relisten 0"), "listens");
    assert_eq!(waiter.ask("result"), "ready");
    let _third = place.open();
    // With a new instance, of a process that was none of them.
    assert_eq!(waiter.ask(&format!("begin-wait {NAME}")), "waits");
    let own = place.bytes().create(NAME).unwrap();
    assert_eq!(waiter.ask("result"), "ready");
    let _fourth = place.open();
    // And when nobody serves it any more.
    assert_eq!(waiter.ask(&format!("begin-wait {NAME}")), "waits");
    drop(own);
    assert_eq!(follower.ask("close 0"), "closed");
    assert_eq!(leader.ask("close 0"), "closed");
    assert_eq!(waiter.ask("result"), "ERROR_FILE_NOT_FOUND");
    drop(clients);
}

/// The process that began a name may go, in order or not: the others serve on, and clients notice nothing.
///
/// semantics 13, 28, 189, 190
#[test]
fn the_name_lives_on_with_any_process_that_serves_it() {
    let place = Place::new();
    let mut servers: Vec<Child> = (0..5).map(|_| Child::start(&place)).collect();
    for server in &mut servers {
        assert_eq!(create(server, "max=7"), "0");
    }
    let mut own = Some(place.bytes().create(NAME).unwrap());
    let mut left = servers.len() as u32 + 1;
    while let Some(server) = servers.pop() {
        // The oldest and the youngest in turn.
        let (gone, mut other) = match servers.len() % 2 {
            0 => (server, servers.pop()),
            _ => (servers.remove(0), Some(server)),
        };
        gone.kill();
        left -= 1;
        // Nobody is refused while it is found out who leads.
        let client = place.open();
        client.write(b"still here").unwrap();
        let counted = own.as_ref().map(|own| own.state().unwrap().instances);
        assert_eq!(counted, Some(left));
        drop(client);
        if let Some(other) = &mut other {
            assert_eq!(create(other, "first"), "ERROR_ACCESS_DENIED");
        }
        servers.extend(other);
        drop(own.take());
        own = Some(place.bytes().max_instances(1).create(NAME).expect("a seventh may be"));
        assert_eq!(
            own.as_ref().unwrap().info().unwrap().max_instances,
            if left > 1 { 7 } else { 1 }
        );
    }
}

/// A name that is made anew has nothing of the old one, whose clients read what is left.
///
/// semantics 13, 14, 24
#[test]
fn a_new_name_has_its_own_attributes_while_old_clients_drain() {
    let place = Place::new();
    let mut leader = Child::start(&place);
    let mut follower = Child::start(&place);
    for turn in 0..TRIES {
        assert_eq!(create(&mut leader, "max=2"), turn.to_string());
        assert_eq!(create(&mut follower, ""), turn.to_string());
        let clients = [place.open(), place.open()];
        for server in [&mut leader, &mut follower] {
            assert_eq!(server.ask(&format!("write {turn} rest")), "4");
            assert_eq!(server.ask(&format!("close {turn}")), "closed");
        }
        let anew = place.messages().max_instances(9).first_pipe_instance(true).create(NAME);
        let anew = anew.expect("the name is free");
        assert_eq!(anew.info().unwrap().max_instances, 9);
        let _client = place.open();
        for client in &clients {
            assert_eq!(text(client), "rest");
            assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
            // The number of instances is that of the pipe it opened, which has none.
            assert_eq!(client.state().unwrap().instances, 0);
        }
    }
}

/// A process that is killed takes its instances with it, at once.
///
/// semantics 16, 25, 181, 190
#[test]
fn instances_go_with_their_process() {
    let place = Place::new();
    let own = place.bytes().max_instances(3).create(NAME).unwrap();
    for _ in 0..10 {
        let mut follower = Child::start(&place);
        assert_eq!(create(&mut follower, ""), "0");
        assert_eq!(create(&mut follower, ""), "1");
        assert_eq!(error(place.bytes().create(NAME)), "ERROR_PIPE_BUSY");
        let _first = place.open();
        let second = place.open();
        follower.kill();
        let instance = place.bytes().create(NAME).expect("there is room again");
        assert_eq!(own.state().unwrap().instances, 2);
        assert_eq!(error(second.read(&mut [0])), "ERROR_BROKEN_PIPE");
        drop(instance);
        own.disconnect().unwrap();
        crate::support::relisten(&own);
    }
}

/// From outside it is one pipe, whose instances say who serves them.
///
/// semantics 195-197
#[test]
fn listing_shows_one_pipe_with_instances_of_several_processes() {
    let place = Place::new();
    let own = place.bytes().create(NAME).unwrap();
    let mut follower = Child::start(&place);
    assert_eq!(create(&mut follower, ""), "0");
    let _clients = [place.open(), place.open()];
    let listed = place.namespace().list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].instances, 2);
    let details = place.namespace().info(NAME).unwrap();
    let servers: Vec<_> = details.instances.iter().map(|instance| instance.server_pid).collect();
    assert_eq!(servers, [Some(std::process::id()), Some(follower.pid())]);
    let clients = details
        .instances
        .iter()
        .map(|instance| instance.client.as_ref().unwrap().pid);
    assert!(clients.into_iter().all(|pid| pid == Some(std::process::id())));
    drop(own);
}

/// The process that keeps the name does not answer: further ones hear so in time, and it goes on when it does.
///
/// semantics 28, 47
#[test]
fn a_stopped_keeper_is_named() {
    let place = Place::new();
    let mut keeper = Child::start(&place);
    assert_eq!(create(&mut keeper, ""), "0");
    let mut member = Child::start(&place);
    assert_eq!(create(&mut member, ""), "0");
    keeper.stop();
    let refused = place.bytes().create(NAME).unwrap_err();
    assert_eq!(refused.status().win32_name(), "ERROR_PIPE_BUSY");
    let text = refused.to_string();
    assert!(text.contains(&format!("process {}", keeper.pid())), "{text}");
    keeper.kill();
    // The member leads now.
    drop(place.open());
    drop(place.bytes().create(NAME).unwrap());
}

/// Creating, opening and leaving from many threads of several processes ends with nothing left over.
///
/// semantics 13, 28, 29, 46
#[test]
fn many_come_and_go() {
    let place = Place::new();
    let mut members: Vec<Child> = (0..3).map(|_| Child::start(&place)).collect();
    let opening = {
        let client = place.client();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let opening = call(move || {
            let mut opened = 0_u32;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                match client.open(NAME) {
                    Ok(_) => opened += 1,
                    Err(failed) => {
                        let name = failed.status().win32_name();
                        assert!(["ERROR_FILE_NOT_FOUND", "ERROR_PIPE_BUSY"].contains(&name), "{failed}");
                    }
                }
            }
            opened
        });
        (opening, stop)
    };
    for turn in 0..TRIES {
        for member in &mut members {
            member.tell(&format!("create byte {NAME}"));
        }
        for member in &mut members {
            assert_eq!(member.answer(), turn.to_string());
        }
        for member in &mut members {
            member.tell(&format!("close {turn}"));
        }
        for member in &mut members {
            assert_eq!(member.answer(), "closed");
        }
    }
    drop(opening.1);
    opening.0.end();
    // The process that keeps the name hears of another's last instance by a message.
    until(|| (std::fs::read_dir(place.path()).unwrap().count() == 0).then_some(()));
    assert!(place.namespace().list().unwrap().is_empty());
}
