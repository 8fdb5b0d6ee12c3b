//! Several processes serve one name; the limit of instances is raced, and the one that keeps the name is killed again and
//! again while clients come and wait.
//!
//! `NPIPE_SUCCESSION_ROUNDS` sets how many races are run and how many exchanges are made; without it, 1,000 of each.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use npipe::{InstanceState, Namespace, PipeMode, ServerOptions};

use crate::support::{NAME, PATIENCE, Place, Process, Puppet, again, say, until};

fn rounds() -> u64 {
    let chosen = std::env::var("NPIPE_SUCCESSION_ROUNDS").ok();
    chosen.map_or(1_000, |rounds| rounds.parse().expect("a number of rounds"))
}

/// Of eight processes that create at the same moment, as many succeed as the limit allows: never more, never fewer.
///
/// semantics 13, 25, 28, 29
#[test]
fn eight_processes_race_for_the_limit() {
    const LIMIT: usize = 3;
    let place = Place::new();
    let mut racers: Vec<Puppet> = (0..8).map(|_| Puppet::start(&place)).collect();
    let mut won = BTreeSet::new();
    for round in 0..rounds() {
        for racer in &mut racers {
            racer.tell(&format!("create byte {NAME} max={LIMIT}"));
        }
        let mut winners = 0;
        for (number, racer) in racers.iter_mut().enumerate() {
            match racer.answer().as_str() {
                "0" => {
                    winners += 1;
                    won.insert(number);
                }
                lost => assert_eq!(lost, "ERROR_PIPE_BUSY", "round {round}"),
            }
        }
        assert_eq!(winners, LIMIT, "round {round}");
        for racer in &mut racers {
            racer.tell("drop");
        }
        for racer in &mut racers {
            assert_eq!(racer.answer(), "dropped");
        }
    }
    assert!(won.len() > 1, "only {won:?} ever won");
    for racer in racers {
        racer.end();
    }
    assert!(place.files().is_empty());
    eprintln!(
        "raced: {} rounds of 8 processes for {LIMIT} instances, each with {LIMIT} winners",
        rounds()
    );
}

/// Instances of each server. Those that are left when one is killed are more than there are clients.
const INSTANCES: usize = 4;
const CLIENTS: usize = 3;
const SERVERS: usize = 3;

/// A server process of these tests: every instance sends each client's message back, with the number of the process.
pub(crate) fn serve(root: &Path) {
    let served: Vec<_> = (0..INSTANCES)
        .map(|_| {
            let mut options = ServerOptions::new();
            let server = options.root(root).pipe_mode(PipeMode::Message).create(NAME);
            std::thread::spawn(move || {
                let server = server.expect("it may serve too");
                let mut buffer = [0; 64];
                loop {
                    if server.connect().is_ok() {
                        while let Ok(count @ 1..) = server.read(&mut buffer) {
                            let _ = server.write(&buffer[..count]);
                        }
                    }
                    let _ = server.disconnect();
                }
            })
        })
        .collect();
    say("serves");
    served.into_iter().for_each(|thread| drop(thread.join()));
}

fn start(place: &Place) -> Process {
    let mut command = again("server", place.path());
    command.stdout(Stdio::piped());
    let mut process = Process(command.spawn().expect("this program can be started again"));
    let output = process.0.stdout.take().expect("it is piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(output)).map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("serves")), "the server starts");
    process
}

/// What the clients met.
#[derive(Default)]
struct Tally {
    exchanges: AtomicU64,
    waits: AtomicU64,
    /// Connections that broke because their server was killed.
    broken: AtomicU64,
}

/// While there is always a process that serves, no client is refused and no wait fails, whoever is killed.
///
/// semantics 13, 28, 46, 56, 81-86, 89, 181, 190
#[test]
fn the_keeper_is_killed_while_clients_come_and_wait() {
    let place = Place::new();
    let mut servers: Vec<Process> = (0..SERVERS).map(|_| start(&place)).collect();
    let tally = Tally::default();
    let over = AtomicBool::new(false);
    let mut kills = 0;
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (place, tally, over) = (&place, &tally, &over);
            scope.spawn(move || come_and_go(place, client, tally, over));
        }
        while tally.exchanges.load(Ordering::Relaxed) < rounds() || kills < 20 {
            let before = tally.exchanges.load(Ordering::Relaxed);
            until(|| {
                (tally.exchanges.load(Ordering::Relaxed) >= before + 10 || over.load(Ordering::Relaxed)).then_some(())
            });
            let keeper = place.namespace().info(NAME).expect("somebody serves").server_pid;
            let at = servers
                .iter()
                .position(|server| Some(server.0.id()) == keeper)
                .expect("one of ours keeps the name");
            servers.remove(at).kill();
            kills += 1;
            servers.push(start(&place));
        }
        over.store(true, Ordering::Relaxed);
    });
    // Nobody was served twice, or an instance would be lost to a client that is not there.
    let instances = until(|| {
        let details = place.namespace().info(NAME).expect("somebody serves");
        let listening = |details: &npipe::PipeDetails| {
            let mut all = details.instances.iter();
            all.all(|instance| instance.state == InstanceState::Listening)
        };
        listening(&details).then_some(details.instance_count)
    });
    assert_eq!(instances as usize, SERVERS * INSTANCES);
    for server in &mut servers {
        server.kill();
    }
    assert!(place.namespace().list().expect("a namespace").is_empty());
    eprintln!(
        "succeeded: {kills} keepers killed during {} exchanges and {} waits; {} connections broke with their server, \
         refused=0, lost=0",
        tally.exchanges.into_inner(),
        tally.waits.into_inner(),
        tally.broken.into_inner()
    );
}

fn come_and_go(place: &Place, number: usize, tally: &Tally, over: &AtomicBool) {
    let namespace = Namespace::at(place.path()).expect("a namespace");
    let mut options = place.client();
    options.pipe_mode(PipeMode::Message);
    let mut turn = 0_u64;
    while !over.load(Ordering::Relaxed) {
        turn += 1;
        if turn.is_multiple_of(2) {
            namespace
                .wait(NAME, Some(PATIENCE))
                .expect("an instance always listens");
            tally.waits.fetch_add(1, Ordering::Relaxed);
        }
        let client = options.open(NAME).expect("an instance always listens");
        client.set_read_timeout(Some(Duration::from_secs(30)));
        let message = format!("{number} {turn}");
        let mut reply = [0; 64];
        let exchanged = client.write(message.as_bytes()).and_then(|_| client.read(&mut reply));
        match exchanged {
            Ok(count) => {
                assert_eq!(&reply[..count], message.as_bytes());
                tally.exchanges.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                let name = error.status().win32_name();
                assert!(["ERROR_BROKEN_PIPE", "ERROR_NO_DATA"].contains(&name), "{error}");
                tally.broken.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The process that keeps the name, by its own account, without asking it.
fn keeper_of(place: &Place) -> Option<u32> {
    let lock = place.files().into_iter().find(|file| file.ends_with(".lock"))?;
    let text = std::fs::read_to_string(place.path().join(lock)).ok()?;
    text.lines().nth(1)?.parse().ok()
}

/// The name's first keeper, others that serve it too, and one that dies unnoticed: whoever keeps the name next awaits it.
fn with_one_that_never_comes(place: &Place, others: usize) -> Vec<Puppet> {
    let mut all: Vec<Puppet> = (0..others + 2).map(|_| Puppet::start(place)).collect();
    for puppet in &mut all {
        assert_eq!(puppet.ask(&format!("create byte {NAME} max=100")), "0");
    }
    let keeper = all.remove(0);
    let missing = all.remove(0);
    keeper.stop();
    missing.kill();
    keeper.kill();
    let next = || keeper_of(place).filter(|&pid| all.iter().any(|puppet| puppet.pid() == pid));
    let next = until(next);
    // The keeper first.
    all.sort_by_key(|puppet| puppet.pid() != next);
    all
}

/// What is asked of a new keeper while it waits for one that never comes is answered when it waits no longer, though
/// nothing else happens.
///
/// semantics 28
#[test]
fn one_that_never_comes_holds_no_request_up() {
    let place = Place::new();
    let mut others = with_one_that_never_comes(&place, 2);
    assert_eq!(others[1].ask(&format!("create byte {NAME} max=100")), "1");
}

/// With its last instance the name goes, though one was awaited that never came, and nobody asks.
///
/// semantics 13, 29
#[test]
fn one_that_never_comes_does_not_keep_the_name() {
    let place = Place::new();
    let mut others = with_one_that_never_comes(&place, 1);
    assert_eq!(others[0].ask("drop"), "dropped");
    until(|| place.files().is_empty().then_some(()));
}
