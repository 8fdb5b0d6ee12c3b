//! Signals, as fast as they can be sent, at threads that wait in calls: no call is ended by one, nothing is lost.
#![allow(
    unsafe_code,
    reason = "signal handlers and signals to one thread have no safe binding"
)]

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use npipe::{PipeClient, PipeMode};

use crate::support::{NAME, PATIENCE, Place, until};

/// How many signals have arrived.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_signal(_: libc::c_int) {
    ARRIVED.fetch_add(1, Ordering::Relaxed);
}

/// Has SIGUSR1 interrupt system calls, whose default is to end the process.
fn handle_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: all zero is a valid value: no flags, SA_RESTART among them, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
        // SAFETY: a valid action whose handler only adds to an atomic.
        let result = unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
        assert_eq!(result, 0);
    });
}

/// A thread that may be sent signals.
struct Target(libc::pthread_t);

impl Target {
    fn this_thread() -> Target {
        // SAFETY: it has no preconditions.
        Target(unsafe { libc::pthread_self() })
    }

    fn strike(&self) {
        // SAFETY: a storm is over before its threads are joined, so the thread exists.
        let result = unsafe { libc::pthread_kill(self.0, libc::SIGUSR1) };
        assert_eq!(result, 0);
    }
}

/// Runs both parts, each on a thread at which signals are sent without a pause. A part gets a way to say that it has done
/// with signals, and does not return before the storm is over.
fn in_a_storm<A: Send, B: Send>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B + Send) -> (A, B) {
    handle_signals();
    let over = AtomicBool::new(false);
    let running = AtomicU64::new(2);
    let (announce, targets) = mpsc::channel();
    std::thread::scope(|scope| {
        let one = {
            let (announce, running, over) = (announce.clone(), &running, &over);
            scope.spawn(move || take_part(one, &announce, running, over))
        };
        let other = {
            let (running, over) = (&running, &over);
            scope.spawn(move || take_part(other, &announce, running, over))
        };
        let targets: Vec<Target> = targets.iter().take(2).collect();
        while running.load(Ordering::Acquire) > 0 {
            for target in &targets {
                target.strike();
            }
            // A thread that does nothing but run handlers gets nowhere.
            for _ in 0..500 {
                std::hint::spin_loop();
            }
        }
        over.store(true, Ordering::Release);
        (one.join().expect("no panic"), other.join().expect("no panic"))
    })
}

fn take_part<T>(part: impl FnOnce() -> T, announce: &Sender<Target>, running: &AtomicU64, over: &AtomicBool) -> T {
    /// Also of a part that panics.
    struct Leave<'a>(&'a AtomicU64, &'a AtomicBool);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Release);
            until(|| self.1.load(Ordering::Acquire).then_some(()));
        }
    }
    announce.send(Target::this_thread()).expect("the storm is prepared");
    let _leave = Leave(running, over);
    part()
}

/// A client that reads messages and sleeps at once when it waits.
fn spinless_client(place: &Place) -> PipeClient {
    let mut options = place.client();
    options.pipe_mode(PipeMode::Message).spin(Duration::ZERO);
    options.open(NAME).unwrap()
}

/// semantics 92, 99, 152: signals end no call.
#[test]
fn ten_thousand_round_trips() {
    const ROUNDS: u32 = 10_000;
    let place = Place::new();
    // Without a spin every read sleeps, to be woken by signals too.
    let server = place
        .server(PipeMode::Message)
        .spin(Duration::ZERO)
        .create(NAME)
        .unwrap();
    let client = spinless_client(&place);
    let before = ARRIVED.load(Ordering::Relaxed);
    in_a_storm(
        || {
            let mut buffer = [0; 8];
            for round in 0..ROUNDS {
                assert_eq!(server.read(&mut buffer).unwrap(), 4);
                assert_eq!(buffer[..4], round.to_le_bytes());
                assert_eq!(server.write(&buffer[..4]).unwrap(), 4);
            }
        },
        || {
            let mut buffer = [0; 8];
            for round in 0..ROUNDS {
                let outcome = client.transact(&round.to_le_bytes(), &mut buffer).unwrap();
                assert_eq!((outcome.bytes, outcome.more), (4, false));
                assert_eq!(buffer[..4], round.to_le_bytes());
            }
        },
    );
    assert!(ARRIVED.load(Ordering::Relaxed) > before, "there was no storm");
}

/// semantics 61, 119-122, 163: writes beyond the quota, flushes, connects, and a message in many parts.
#[test]
fn writes_that_wait() {
    const ROUNDS: usize = 300;
    let size = |round: usize| [1, 300, 5_000, 150_000][round % 4] + round;
    let place = Place::new();
    let mut options = place.server(PipeMode::Message);
    let server = options.in_buffer_size(100).spin(Duration::ZERO).create(NAME).unwrap();
    in_a_storm(
        || {
            let mut buffer = vec![0; 200_000];
            server.connect().unwrap();
            for round in 0..ROUNDS {
                assert_eq!(server.read(&mut buffer).unwrap(), size(round));
                assert!(buffer[..size(round)].iter().all(|&byte| byte == round as u8));
            }
            assert_eq!(
                server.read(&mut buffer).unwrap_err().status().win32_name(),
                "ERROR_BROKEN_PIPE"
            );
        },
        || {
            let client = spinless_client(&place);
            for round in 0..ROUNDS {
                assert_eq!(client.write(&vec![round as u8; size(round)]).unwrap(), size(round));
                if round % 3 == 0 {
                    client.flush().unwrap();
                }
            }
        },
    );
}

/// semantics 46-47, 61, 67, 75, 84, 86: signals at both sides of the door; no connect is ended by one.
#[test]
fn opening_and_connecting() {
    const ROUNDS: u32 = 300;
    let place = Place::new();
    let server = place.server(PipeMode::Byte).create(NAME).unwrap();
    in_a_storm(
        || {
            for round in 0..ROUNDS {
                server.connect().unwrap();
                let mut buffer = [0; 8];
                assert_eq!(server.read(&mut buffer).unwrap(), 4);
                assert_eq!(buffer[..4], round.to_le_bytes());
                server.disconnect().unwrap();
            }
        },
        || {
            for round in 0..ROUNDS {
                let mut options = place.client();
                let client = options.connect_timeout(PATIENCE).open(NAME).unwrap();
                client.write(&round.to_le_bytes()).unwrap();
                let gone = client.read(&mut [0; 8]).unwrap_err();
                assert_eq!(gone.status().win32_name(), "ERROR_PIPE_NOT_CONNECTED");
            }
        },
    );
}
