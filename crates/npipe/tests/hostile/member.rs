//! Processes that are let in to serve a name, and then say whatever can be said: what makes no sense, what is not so, too
//! much, and for ever; or do not listen. They are of the victim's user, and can have as many instances as they ask for, but
//! they keep nobody else waiting.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use npipe::{Direction, InstanceState, PipeMode, PipeServer, ReadMode};
use npipe_core::handshake::{Decoder, InstanceReport, Message, Serving};
use npipe_core::pipe::Attributes;
use npipe_core::{Access, SecurityQos, Status};

use crate::door::send_with_descriptors;
use crate::innocent;
use crate::intruder::{has_hung_up, knock, name};
use crate::support::{NAME, Place, Random, error, until};
use crate::tally::{Tally, rounds};
use crate::victim::{ATTACKED, BYTES, ECHO, MESSAGES, Victim};

/// Hostile messages of a run.
const MESSAGE_COUNT: u64 = 8_000;

/// A member by hand.
struct Member {
    socket: UnixStream,
    decoder: Decoder,
    attributes: Option<Attributes>,
    pipe_id: u64,
}

impl Member {
    /// Asks to be let in; `None`: it is not.
    fn join(place: &Place, path: &str, pipe_id: u64, posts: u32) -> Option<Member> {
        let mut member = Member {
            socket: knock(place.path(), path),
            decoder: Decoder::new(),
            attributes: None,
            pipe_id: 0,
        };
        member.say(&Serving::Join {
            name: name(path),
            member: u64::from(posts) + 7,
            pipe_id,
            posts,
        });
        while member.attributes.is_none() {
            match member.hear()? {
                Message::Serving(Serving::Joined {
                    pipe_id, attributes, ..
                }) => {
                    (member.pipe_id, member.attributes) = (pipe_id, Some(attributes));
                }
                Message::Serving(Serving::Members { .. }) => {}
                Message::Refused { .. } => return None,
                other => panic!("a leader says {other:?}"),
            }
        }
        Some(member)
    }

    fn say(&mut self, message: &Serving) {
        // The victim may have hung up.
        let _ = self.socket.write_all(&Message::Serving(message.clone()).encode());
    }

    /// The next message; its descriptor, if it has one, is not received. `None`: the leader has hung up.
    fn hear(&mut self) -> Option<Message> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.decoder.next_message().expect("a leader speaks the protocol") {
                return Some(message);
            }
            match self.socket.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.decoder.push(&buffer[..count]),
            }
        }
    }
}

/// Some numbers are met often.
fn number(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.next(),
        1 => random.one_of(&[0, u64::MAX, u64::MAX - 1]),
        _ => random.below(8),
    }
}

fn report(random: &mut Random) -> InstanceReport {
    InstanceReport {
        state: random.one_of(&[
            InstanceState::Listening,
            InstanceState::Connected,
            InstanceState::Closing,
            InstanceState::Disconnected,
        ]),
        server_pid: random.next() as u32,
        client: None,
        out_quota: random.next() as u32,
        in_quota: random.next() as u32,
        age_ms: None,
        traffic: None,
    }
}

fn create(number: u64, first_instance: bool) -> Serving {
    Serving::Create {
        number,
        wanted: npipe_core::handshake::WantedInstance {
            direction: Direction::Duplex,
            read_mode: ReadMode::Byte,
            first_instance,
            out_quota: 1,
            in_quota: u32::MAX,
            further_rights: 0,
        },
    }
}

/// Something to say; of instances only if it may have some.
fn message(random: &mut Random, path: &str, may_serve: bool) -> Serving {
    let number = number(random);
    match random.below(if may_serve { 10 } else { 6 }) {
        0 => Serving::Created { number },
        1 => Serving::NotCreated {
            number,
            status: Status::PipeBusy,
        },
        2 => Serving::Admit {
            number,
            since: number,
            access: Access::READ_WRITE,
            qos: SecurityQos::default(),
            instances: 1,
        },
        3 => Serving::Members {
            members: (0..random.below(100)).collect(),
        },
        4 => Serving::Join {
            name: name(path),
            member: number,
            pipe_id: number,
            posts: u32::MAX,
        },
        5 => Serving::Post {
            number,
            since: number,
            report: None,
        },
        6 | 7 => create(number, false),
        _ => Serving::Post {
            number,
            since: random.next() >> random.below(64),
            report: Some(report(random)),
        },
    }
}

/// One process that is let in, and what it says until it has said enough or the leader has heard enough. It never listens.
fn session(place: &Place, random: &mut Random, tally: &Tally, kept: &mut Vec<Member>) {
    /// Members that stay and say nothing more.
    const KEPT: usize = 20;
    let path = random.one_of(&[MESSAGES, BYTES, ECHO]);
    let Some(mut member) = Member::join(place, path, 0, 0) else {
        panic!("whoever serves as the victim's user is let in");
    };
    if random.below(3) == 0 {
        // As one that comes from another leader, with instances that nobody has heard of, or says so.
        let posts = random.one_of(&[0, 1, 1_000, u32::MAX]);
        let again = if path == ECHO {
            None
        } else {
            Member::join(place, path, member.pipe_id, posts)
        };
        member = again.unwrap_or(member);
    }
    for _ in 0..random.magnitude(64) {
        let said = message(random, path, path != ECHO);
        let mut bytes = Message::Serving(said).encode();
        if path != ECHO && random.below(6) == 0 {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.truncate(at),
                _ => bytes[6..8].copy_from_slice(&(random.below(48) as u16).to_le_bytes()),
            }
        }
        tally.count(1);
        if bytes.is_empty() {
            break;
        }
        if random.below(8) == 0 {
            send_with_descriptors(&member.socket, &bytes);
        } else if member.socket.write_all(&bytes).is_err() {
            break;
        }
    }
    match random.below(4) {
        0 => drop(member.socket.shutdown(Shutdown::Write)),
        1 if kept.len() < KEPT => kept.push(member),
        1 => drop(std::mem::replace(&mut kept[random.below(KEPT as u64) as usize], member)),
        _ => {}
    }
}

/// An honest process that serves the same name as the victim.
fn echo_until(server: &PipeServer, over: &AtomicBool) {
    let mut buffer = [0; 10_000];
    while !over.load(Ordering::Acquire) {
        if server.connect().is_ok() {
            while let Ok(count) = server.read(&mut buffer)
                && server.write(&buffer[..count]).is_ok()
            {}
        }
        let _ = server.disconnect();
    }
}

/// semantics 13, 28, 29, 46-48, 56
#[test]
fn what_a_member_says_disturbs_nobody_else() {
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let over = AtomicBool::new(false);
    let innocent = innocent::open(&place, PipeMode::Message, MESSAGES);
    let honest = place.server(PipeMode::Message).create(ECHO).expect("another one");
    let before = victim.account();
    std::thread::scope(|scope| {
        scope.spawn(|| innocent::exchange_until(&innocent, &over, &tally));
        let served = scope.spawn(|| echo_until(&honest, &over));
        let clients = scope.spawn(|| innocent::come_and_go_until(&place, &over, &tally));
        let member = scope.spawn(|| {
            // Another honest one, whose instances come and go.
            while !over.load(Ordering::Acquire) {
                drop(
                    place
                        .server(PipeMode::Message)
                        .create(MESSAGES)
                        .expect("there is no limit"),
                );
            }
        });
        let attacker = scope.spawn(|| {
            let mut random = Random::new(16);
            let mut kept = Vec::new();
            while tally.inputs() < MESSAGE_COUNT * rounds() {
                session(&place, &mut random, &tally, &mut kept);
            }
        });
        let end = attacker.join();
        over.store(true, Ordering::Release);
        clients.join().expect("no innocent is turned away");
        while !served.is_finished() {
            let _ = honest.cancel();
            std::thread::yield_now();
        }
        member.join().expect("no honest member is refused");
        end.expect("the attacker failed");
    });
    // What the hostile had is gone with them.
    let count = |path: &str| place.namespace().info(path).expect("it is served").instance_count as usize;
    until(|| (count(MESSAGES) == 1 + ATTACKED && count(BYTES) == 1 + ATTACKED && count(ECHO) == 3).then_some(()));
    drop(honest);
    victim.end(before, &tally);
    tally.report("hostile members");
}

/// One that asks for instances without a pause, and hears the answers, has no more than its turn.
///
/// semantics 28, 46-47
#[test]
fn a_flood_of_requests_keeps_nobody_waiting() {
    const EXCHANGES: u64 = 50;
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let over = AtomicBool::new(false);
    let before = victim.account();
    let member = Member::join(&place, MESSAGES, 0, 0).expect("it is let in");
    let flood: Vec<u8> = (0..1_000)
        .flat_map(|number| Message::Serving(create(number, true)).encode())
        .collect();
    std::thread::scope(|scope| {
        let hearing = scope.spawn(|| while let Ok(1..) = (&member.socket).read(&mut [0; 65_536]) {});
        let flooding = scope.spawn(|| {
            while !over.load(Ordering::Acquire) && (&member.socket).write_all(&flood).is_ok() {
                tally.count(1_000);
            }
        });
        let clients = scope.spawn(|| innocent::come_and_go_until(&place, &over, &tally));
        until(|| (tally.exchanges.load(Ordering::Relaxed) >= EXCHANGES || clients.is_finished()).then_some(()));
        over.store(true, Ordering::Release);
        let _ = member.socket.shutdown(Shutdown::Both);
        clients.join().expect("no innocent is turned away");
        flooding.join().expect("no panic");
        hearing.join().expect("no panic");
    });
    drop(member);
    victim.end(before, &tally);
    tally.report("a flood of requests");
}

/// One that does not listen is hung up on when too much waits for it, whatever it is that it is told.
///
/// semantics 28
#[test]
fn a_member_that_never_listens_is_given_up() {
    let place = Place::new();
    let mut victim = Victim::start(&place);
    let tally = Tally::default();
    let before = victim.account();
    let deaf = Member::join(&place, MESSAGES, 0, 0).expect("it is let in");
    let crowd: Vec<_> = (0..50).map(|_| Member::join(&place, MESSAGES, 0, 0)).collect();
    assert!(crowd.iter().all(Option::is_some));
    drop(crowd);
    until(|| {
        // It is told of each that comes and goes.
        drop(Member::join(&place, MESSAGES, 0, 0).expect("it is let in"));
        tally.count(1);
        has_hung_up(deaf.socket.as_fd()).then_some(())
    });
    drop(deaf);
    victim.end(before, &tally);
    tally.report("a member that never listens");
}

/// A member has the instances that it asked for, and those it said that it brings: no more than there may be.
///
/// semantics 25, 28
#[test]
fn instances_that_nobody_asked_for_are_not_believed() {
    const LIMIT: u32 = 3;
    let place = Place::new();
    let server = place
        .server(PipeMode::Byte)
        .max_instances(LIMIT as usize)
        .create(NAME)
        .expect("the first");
    let mut random = Random::new(17);
    let mut member = Member::join(&place, NAME, 0, 0).expect("it is let in");
    let pipe_id = member.pipe_id;
    let listens = |number| Serving::Post {
        number,
        since: number,
        report: Some(InstanceReport {
            state: InstanceState::Listening,
            ..report(&mut Random::new(1))
        }),
    };
    member.say(&listens(random.next()));
    while member.hear().is_some() {}
    assert_eq!(server.state().expect("it lives").instances, 1);
    for (pipe_id, posts) in [(0, 1), (pipe_id, LIMIT + 1), (pipe_id, u32::MAX), (pipe_id + 1, 0)] {
        assert!(
            Member::join(&place, NAME, pipe_id, posts).is_none(),
            "{pipe_id} {posts}"
        );
    }
    let mut member = Member::join(&place, NAME, pipe_id, 2).expect("it is let in");
    member.say(&listens(1));
    member.say(&listens(2));
    assert_eq!(server.state().expect("it lives").instances, 3);
    assert_eq!(error(place.server(PipeMode::Byte).create(NAME)), "ERROR_PIPE_BUSY");
    member.say(&listens(3));
    while member.hear().is_some() {}
    assert_eq!(server.state().expect("it lives").instances, 1);
}
