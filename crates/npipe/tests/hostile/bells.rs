//! Calls that wait while the peer plays with what they wait for: moves the sleeper to another word, rings without end,
//! changes its words without end.
#![allow(unsafe_code, reason = "a futex is half of a word of the segment")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use npipe::{AccessRules, PipeMode, PipeServer};
use npipe_shm::layout::{Layout, Side};
use rustix::thread::futex::{self, Flags};

use crate::intruder::Intruder;
use crate::support::{NAME, PATIENCE, Place, Process, again, error, said, say, until};
use crate::tally::{Tally, tell};
use crate::victim::HUNG_MS;

/// The time-out of a call that is played with.
const SHORT: Duration = Duration::from_millis(30);

/// Another user, who needs no name.
const STRANGER: u32 = 40_001;

/// Moves whoever sleeps on the victim's bell to a word that nobody rings. Returns how many there were.
fn move_sleepers(intruder: &Intruder, elsewhere: &AtomicU32) -> usize {
    // FUTEX_REQUEUE: wake none, move all.
    futex::requeue(intruder.bell(), Flags::empty(), 0, i32::MAX as u32, elsewhere).unwrap_or(0)
}

/// A word of the segment that means nothing.
fn elsewhere(intruder: &Intruder) -> &AtomicU32 {
    let word = intruder.word_at(size_of::<npipe_shm::control::Control>() as u64 + 64);
    // The first half of it. Both are as good as the other.
    // SAFETY: aligned and mapped like the whole word, and every bit pattern is a value.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
}

fn server(place: &Place) -> PipeServer {
    let mut options = place.server(PipeMode::Message);
    options.in_buffer_size(100).out_buffer_size(100);
    let rules = AccessRules::from_mode(0o666).expect("mode bits");
    options.access_rules(rules).create(NAME).expect("the name is free")
}

/// A call of the victim, and how it ended; `None` when it has hung.
fn ends<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(call());
    });
    receive
}

const HUNG: Duration = Duration::from_millis(HUNG_MS);

/// semantics 92, 99, 119
#[test]
fn a_sleeper_that_is_moved_away_keeps_its_time_out() {
    const MOVES: u64 = 20;
    let place = Place::new();
    let server = Arc::new(server(&place));
    let intruder = Intruder::open(place.path(), NAME).expect("an instance listens");
    let tally = Tally::default();
    server.set_read_timeout(Some(SHORT));
    let mut moved = 0;
    while moved < MOVES {
        let reader = server.clone();
        let reading = ends(move || error(reader.read(&mut [0; 8])));
        let outcome = loop {
            moved += move_sleepers(&intruder, elsewhere(&intruder)) as u64;
            tally.count(1);
            match reading.try_recv() {
                Ok(outcome) => break outcome,
                Err(mpsc::TryRecvError::Empty) => std::thread::yield_now(),
                Err(mpsc::TryRecvError::Disconnected) => panic!("the call failed"),
            }
        };
        assert_eq!(outcome, "ERROR_SEM_TIMEOUT");
    }
    tally.report("sleepers moved away");
}

/// The role of another user's process: moves the sleepers of one connection, until it is killed.
pub(crate) fn steal(root: &Path) {
    let intruder = Intruder::open(root, NAME).expect("an instance listens");
    say("in");
    let mut told = false;
    loop {
        if move_sleepers(&intruder, elsewhere(&intruder)) > 0 && !told {
            say("moved");
            told = true;
        }
        std::thread::yield_now();
    }
}

/// A process of another user that has moved a call of `server` that waits without a time-out.
fn rob(place: &Place, server: &Arc<PipeServer>) -> (Process, mpsc::Receiver<&'static str>) {
    let mut command = again("thief", place.path());
    command.uid(STRANGER).gid(STRANGER).stdout(Stdio::piped());
    let mut thief = Process(command.spawn().expect("this program can be started again"));
    let output = thief.0.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut next = || lines.find_map(|line| said(&line).map(str::to_owned));
    assert_eq!(next().as_deref(), Some("in"));
    server.connect().expect("it is in");
    assert_eq!(server.peer().expect("it is in").uid, STRANGER);
    let reader = server.clone();
    let reading = ends(move || error(reader.read(&mut [0; 8])));
    assert_eq!(next().as_deref(), Some("moved"));
    (thief, reading)
}

/// By cancelling, by disconnecting, by the death of the thief.
///
/// semantics 92, 177, 183
#[test]
fn a_sleeper_that_another_user_moves_away_is_found_all_the_same() {
    if !rustix::process::geteuid().is_root() {
        tell("not the superuser: there is no other user to be robbed by; by this user there is a test above");
        return;
    }
    let place = Place::new();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o1777)).expect("it is ours");
    let tally = Tally::default();
    /// What ends the call, besides its time-out.
    type Ending = fn(&PipeServer, &mut Process);
    let ways: [(&str, Ending); 3] = [
        ("ERROR_OPERATION_ABORTED", |server, _| {
            server.cancel().expect("a call waits")
        }),
        ("ERROR_BROKEN_PIPE", |_, thief| thief.kill()),
        ("ERROR_PIPE_NOT_CONNECTED", |server, _| {
            server.disconnect().expect("it is connected");
        }),
    ];
    for (expected, end) in ways.into_iter().cycle().take(15) {
        let server = Arc::new(server(&place));
        let (mut thief, reading) = rob(&place, &server);
        end(&server, &mut thief);
        assert_eq!(reading.recv_timeout(PATIENCE), Ok(expected));
        tally.count(1);
    }
    tally.report("sleepers of another user");
}

/// Rings the victim's bell.
pub(crate) fn ring(intruder: &Intruder) {
    intruder.bell().fetch_add(1, Ordering::SeqCst);
    let _ = futex::wake(intruder.bell(), Flags::empty(), i32::MAX as u32);
}

/// Does something to the segment without end while the victim makes a call that has to end by its time-out.
#[track_caller]
fn unrest(
    what: &str,
    prepare: impl FnOnce(&Intruder),
    mut disturb: impl FnMut(&Intruder, u64) + Send,
    call: impl FnOnce(&PipeServer) -> npipe::Result<()> + Send + 'static,
) {
    let place = Place::new();
    let server = Arc::new(server(&place));
    let intruder = Intruder::open(place.path(), NAME).expect("an instance listens");
    prepare(&intruder);
    server.set_read_timeout(Some(SHORT));
    server.set_write_timeout(Some(SHORT));
    let (counted, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let count = counted.fetch_add(1, Ordering::Relaxed);
                disturb(&intruder, count);
                // Lest the victim sleeps through it.
                if count.is_multiple_of(1_000) {
                    ring(&intruder);
                }
            }
        });
        until(|| (counted.load(Ordering::Relaxed) > 0).then_some(()));
        let begun = Instant::now();
        let victim = server.clone();
        let outcome = ends(move || error(call(&victim))).recv_timeout(HUNG);
        over.store(true, Ordering::Relaxed);
        assert_eq!(outcome, Ok("ERROR_SEM_TIMEOUT"), "{what}, after {:?}", begun.elapsed());
    });
}

/// More than the quota.
fn write_too_much(server: &PipeServer) -> npipe::Result<()> {
    server.write(&[b'x'; 200]).map(drop)
}

/// semantics 99, 119, 163
#[test]
fn words_that_change_without_end_do_not_outlast_a_time_out() {
    let words = |intruder: &Intruder, count: u64| {
        let reader = &intruder.words(Side::Client).reader.0;
        reader.empties.store(count, Ordering::Release);
    };
    unrest("a write and the count of empty messages", |_| {}, words, write_too_much);
    unrest(
        "a flush and the count of empty messages",
        |_| {},
        words,
        |server| {
            server.write(b"unread")?;
            server.flush()
        },
    );
}

/// Parts that hold nothing, one after the other: an honest writer can take back what it has written, again and again.
///
/// semantics 92, 99
#[test]
fn a_lane_of_nothing_without_end_does_not_outlast_a_time_out() {
    const JUMP: u64 = 5 << 56;
    const LAP: u64 = 1 << 32;
    let lane = Layout::first_at(Side::Client, 0);
    // At the beginning of the lane, a jump to the beginning of the lane.
    let prepare = |intruder: &Intruder| {
        intruder.word_at(lane + 8).store(0, Ordering::Release);
        intruder.word_at(lane).store(JUMP, Ordering::Release);
    };
    // Never more than a few laps ahead of the reader, who would notice that no lane is so long.
    let go_on = |intruder: &Intruder, _| {
        let head = intruder.words(Side::Server).reader.0.head.load(Ordering::Acquire);
        let tail = &intruder.words(Side::Client).writer.0.tail;
        tail.store(head.wrapping_add(LAP), Ordering::Release);
    };
    unrest("a read and a lane of nothing", prepare, go_on, |server| {
        server.read(&mut [0; 8]).map(drop)
    });
}

/// semantics 92, 99
#[test]
fn a_bell_that_rings_without_end_does_not_outlast_a_time_out() {
    let go_on = |intruder: &Intruder, _| ring(intruder);
    unrest(
        "a read and the bell",
        |_| {},
        go_on,
        |server| server.read(&mut [0; 8]).map(drop),
    );
    unrest("a write and the bell", |_| {}, go_on, write_too_much);
}
