//! Forks without an exec: what was opened before belongs to the parent alone, and the child begins anew.
//!
//! No rule of the specification speaks of forks, which Windows does not have; what counts is that the other processes see
//! the same as if there had been none.
#![allow(unsafe_code, reason = "fork and _exit have no safe binding")]

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use npipe::overlapped::{Woken, sleep_alertable};
use npipe::{PipeClient, PipeMode, PipeServer, Status};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::{NAME, PATIENCE, Place, Puppet, error, until};

/// What the child does, and whether it did: nothing of it may unwind or run the parent's destructors twice.
fn fork(child: impl FnOnce() -> bool) -> Pid {
    // SAFETY: the child runs only `child` and leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(false);
            // SAFETY: it has no preconditions.
            unsafe { libc::_exit(if done { 0 } else { 1 }) }
        }
        pid => Pid::from_raw(pid).expect("not zero"),
    }
}

fn succeeded(child: Pid) -> bool {
    let (_, status) = waitpid(Some(child), WaitOptions::empty())
        .expect("it is ours")
        .expect("it has ended");
    status.exit_status() == Some(0)
}

/// A process that forks a child which only waits, for [`a_child_does_not_hide_its_parents_death`]. The child ends with the
/// namespace's directory, which it watches.
pub(crate) fn fork_a_sleeper(root: &Path) -> String {
    let root = root.to_owned();
    let sleeper = fork(move || {
        while root.exists() {
            std::thread::yield_now();
        }
        true
    });
    sleeper.as_raw_nonzero().to_string()
}

/// A server or a client that has forked is killed: the other end and the name hear of it, though the child lives on.
///
/// semantics 13, 183, 190
#[test]
fn a_child_does_not_hide_its_parents_death() {
    let place = Place::new();
    for role in ["server", "client"] {
        let mut puppet = Puppet::start(&place);
        let mut own = None;
        let server: Option<PipeServer> = if role == "server" {
            assert_eq!(puppet.ask(&format!("create byte {NAME} quota=4096")), "0");
            own = Some(place.client().open(NAME).unwrap());
            None
        } else {
            let server = place.server(PipeMode::Byte).create(NAME).unwrap();
            assert_eq!(puppet.ask(&format!("open rw {NAME}")), "0");
            Some(server)
        };
        let sleeper: i32 = puppet.ask("fork").parse().expect("a process number");
        puppet.kill();
        match (&own, &server) {
            (Some(client), _) => {
                assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
                // The name is free, its lock too.
                drop(
                    place
                        .server(PipeMode::Byte)
                        .first_pipe_instance(true)
                        .create(NAME)
                        .unwrap(),
                );
            }
            (None, Some(server)) => assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE"),
            (None, None) => unreachable!("one of the two is here"),
        }
        kill_process(Pid::from_raw(sleeper).expect("not zero"), Signal::KILL).expect("it lives");
    }
}

/// What the parent opened is invalid in the child; dropping it there does nothing to the parent, and the child can use
/// pipes of its own, the parent's among them.
///
/// semantics 16, 190
#[test]
fn a_child_begins_anew() {
    let place = Place::new();
    let server = place.server(PipeMode::Byte).create(NAME).unwrap();
    let client = place.client().open(NAME).unwrap();
    let second = place.server(PipeMode::Byte).create(NAME).unwrap();
    let (inherited, place_of_child) = (client.try_clone().unwrap(), &place);
    let child = fork(move || {
        let invalid = |result: npipe::Result<usize>| result.is_err_and(|error| error.status() == Status::InvalidHandle);
        let refused = invalid(inherited.write(b"x")) && invalid(inherited.read(&mut [0]));
        let closed = inherited.peer().is_err() && inherited.flush().is_err() && inherited.cancel().is_err();
        drop(inherited);
        // As one more process it serves the name too, and is its own client.
        let own = place_of_child.server(PipeMode::Byte).create(NAME).unwrap();
        let to_parent = place_of_child.client().open(NAME).unwrap();
        let to_itself = place_of_child.client().open(NAME).unwrap();
        to_parent.write(b"child").unwrap();
        to_itself.write(b"self").unwrap();
        let mut text = [0; 4];
        own.read(&mut text).unwrap();
        refused && closed && &text == b"self" && own.state().unwrap().instances == 3
    });
    assert!(succeeded(child));
    let mut text = [0; 5];
    assert_eq!(second.read(&mut text).unwrap(), 5);
    assert_eq!(&text, b"child");
    client.write(b"still").unwrap();
    assert_eq!(server.read(&mut text).unwrap(), 5);
    assert_eq!(server.state().unwrap().instances, 2);
}

/// Operations are their process' too: in the child they are invalid, and the parent's go on. The child's own complete, with
/// routines, and by its own background thread.
///
/// semantics 190, 214, 234
#[test]
fn a_child_has_operations_of_its_own() {
    let place = Place::new();
    let server = place.server(PipeMode::Message).create(NAME).unwrap();
    let client = place.client().open(NAME).unwrap();
    let reading = server.start_read(vec![0; 8]).unwrap();
    let with_routine = Rc::new(Cell::new(false));
    let ran = with_routine.clone();
    server.read_then(vec![0; 8], move |_| ran.set(true)).unwrap();
    let (inherited, place_of_child) = (&reading, &place);
    let child = fork(move || {
        let invalid = inherited
            .result()
            .is_err_and(|error| error.status() == Status::InvalidHandle);
        assert!(invalid && inherited.is_complete() && inherited.wait(None) && inherited.cancel().is_err());
        let own = place_of_child
            .server(PipeMode::Message)
            .create(r"\\.\pipe\child")
            .unwrap();
        let to_itself = place_of_child.client().open(r"\\.\pipe\child").unwrap();
        let detached = own.start_read(vec![0; 8]).unwrap();
        let (routine, ran) = (Rc::new(Cell::new(false)), Cell::new(false));
        let set = routine.clone();
        own.read_then(vec![0; 8], move |read| set.set(read.data() == b"two"))
            .unwrap();
        for word in ["one", "two"] {
            to_itself.write(word.as_bytes()).unwrap();
        }
        ran.set(sleep_alertable(None) == Woken::Completions);
        routine.get() && ran.get() && detached.finish().data() == b"one"
    });
    assert!(succeeded(child));
    client.write(b"still").unwrap();
    client.write(b"here").unwrap();
    assert_eq!(sleep_alertable(None), Woken::Completions);
    assert!(with_routine.get());
    assert_eq!(reading.finish().data(), b"still");
}

/// Forks while other threads are in the middle of everything: each child can use pipes at once.
///
/// semantics 13, 46
#[test]
fn a_child_of_many_threads_finds_no_lock_held() {
    const CHILDREN: usize = 100;
    let place = Place::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (place, over) = (&place, &over);
            scope.spawn(move || {
                let name = format!(r"\\.\pipe\busy{thread}");
                while !over.load(Ordering::Relaxed) {
                    let server = place.server(PipeMode::Byte).create(&name).expect("the name is free");
                    let client = place.client().open(&name).expect("it listens");
                    client.write(b"x").expect("it is connected");
                    server.read(&mut [0]).expect("it is connected");
                }
            });
        }
        for _ in 0..CHILDREN {
            let child = fork(|| {
                let server = place.server(PipeMode::Byte).create(NAME).unwrap();
                let client = place.client().open(NAME).unwrap();
                client.write(b"x").is_ok() && server.read(&mut [0]).is_ok()
            });
            assert!(succeeded(child));
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// A process whose first thread has ended lives on in the others, and those who hold an end with it know.
///
/// semantics 190
#[test]
fn a_holder_lives_on_without_its_first_thread() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let client = place
        .client()
        .pipe_mode(PipeMode::Message)
        .shareable(true)
        .open(NAME)
        .unwrap();
    let raw = client.try_clone().unwrap().into_raw().unwrap();
    let child = fork(move || {
        let held = PipeClient::from_raw(raw).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 16];
            let answered = held.read(&mut buffer).and_then(|count| held.write(&buffer[..count]));
            // SAFETY: it has no preconditions.
            unsafe { libc::_exit(i32::from(answered.is_err())) }
        });
        // SAFETY: this thread has nothing that others use; the process goes on.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        false
    });
    let stat = format!("/proc/{}/stat", child.as_raw_nonzero());
    until(|| {
        std::fs::read_to_string(&stat)
            .is_ok_and(|stat| stat.contains(") Z "))
            .then_some(())
    });
    // Whoever joins looks who is there.
    let third = PipeClient::from_raw(client.try_clone().unwrap().into_raw().unwrap()).unwrap();
    server.set_read_timeout(Some(PATIENCE));
    server.write(b"question").unwrap();
    let mut answer = [0; 16];
    assert_eq!(server.read(&mut answer).unwrap(), 8);
    assert_eq!(&answer[..8], b"question");
    assert!(succeeded(child));
    drop(third);
}
