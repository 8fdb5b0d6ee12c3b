//! A victim as the survivor sees it: heard, counted, killed when it is time.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::plan::{Plan, ROUND_VARIABLE, SEED_VARIABLE, Scenario};
use crate::support::{PATIENCE, Process, again, said};

/// What the threads of a round share.
#[derive(Default)]
pub(super) struct Watched {
    /// The survivor allows the kill.
    armed: AtomicBool,
    /// Calls of the victim that have returned.
    records: AtomicU64,
    /// The victim is dead, or about to be.
    over: AtomicBool,
}

impl Watched {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// A victim, the thread that hears it and the one that kills it.
pub(super) struct Hunted {
    process: Process,
    watched: Arc<Watched>,
    ready: Receiver<()>,
    /// Ends at the death, with the moment.
    listener: JoinHandle<Instant>,
    killer: JoinHandle<()>,
}

impl Hunted {
    pub(super) fn start(plan: &Plan, root: &Path) -> Hunted {
        let mut command = again("victim", root);
        command
            .env(SEED_VARIABLE, plan.seed.to_string())
            .env(ROUND_VARIABLE, plan.round.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Process(command.spawn().expect("this program can be started again"));
        let output = process.0.stdout.take().expect("it is piped");
        let handle = pidfd_open(process.pid(), PidfdFlags::empty()).expect("it is not waited for");
        let watched = Arc::new(Watched::default());
        let (announce, ready) = mpsc::channel();
        let killer = {
            let (plan, watched) = (plan.clone(), watched.clone());
            std::thread::spawn(move || kill_in_time(&plan, &handle, &watched))
        };
        let listener = {
            let (watched, killer) = (watched.clone(), killer.thread().clone());
            std::thread::spawn(move || listen(output, &watched, &announce, &killer))
        };
        Hunted {
            process,
            watched,
            ready,
            listener,
            killer,
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub(super) fn until_ready(&self) {
        self.ready.recv_timeout(PATIENCE).expect("the victim says so");
    }

    /// How many calls of it have returned.
    pub(super) fn records(&self) -> u64 {
        self.watched.records.load(Ordering::Acquire)
    }

    pub(super) fn watched(&self) -> Arc<Watched> {
        self.watched.clone()
    }

    /// From now on it may be killed.
    pub(super) fn arm(&self) {
        self.watched.armed.store(true, Ordering::Release);
        self.killer.thread().unpark();
    }

    /// Waits until it is dead. Returns how many calls had returned, and how long before `noticed` it died.
    pub(super) fn end(mut self, noticed: Instant) -> (u64, Duration) {
        let died = self.listener.join().expect("it only listens");
        self.killer.join().expect("it kills");
        let status = self.process.wait();
        assert_eq!(
            status.signal(),
            Some(Signal::KILL.as_raw()),
            "the victim found a fault itself: {status}"
        );
        (
            self.watched.records.load(Ordering::Acquire),
            noticed.saturating_duration_since(died),
        )
    }
}

fn listen(output: ChildStdout, watched: &Watched, ready: &Sender<()>, killer: &Thread) -> Instant {
    let mut heard = 0;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match said(&line) {
            // A round that failed listens no more.
            Some("ready") => drop(ready.send(())),
            Some(record) => {
                assert_eq!(record.parse(), Ok(heard));
                heard += 1;
                watched.records.store(heard, Ordering::Release);
                killer.unpark();
            }
            None => {}
        }
    }
    let died = Instant::now();
    watched.over.store(true, Ordering::Release);
    killer.unpark();
    died
}

fn kill_in_time(plan: &Plan, victim: &OwnedFd, watched: &Watched) {
    // In this scenario the survivor itself knows when.
    let wanted = if plan.scenario == Scenario::Late { 0 } else { plan.after };
    let is_time = || watched.armed.load(Ordering::Acquire) && watched.records.load(Ordering::Acquire) >= wanted;
    while !watched.is_over() && !is_time() {
        std::thread::park();
    }
    plan.spin();
    // One that kills itself may be dead.
    let _ = if plan.by_itself {
        Ok(())
    } else {
        pidfd_send_signal(victim, Signal::KILL)
    };
}
