//! The threads, and what they are to do.
//!
//! There are as many as there is work at once, up to Windows' 500; one that has had nothing to do for a while ends.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use npipe::impersonation::as_process;
use npipe::overlapped::engine;

use crate::dispatch::locked;
use crate::failure::Outcome;

const MOST_THREADS: usize = 500;
const REST: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

struct Workers {
    state: Mutex<State>,
    wanted: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static WORKERS: Workers = Workers {
    state: Mutex::new(State {
        jobs: VecDeque::new(),
        threads: 0,
        idle: 0,
    }),
    wanted: Condvar::new(),
};

/// Starts a thread of the library. It is the process, whomever the thread that asks acts as, and handlers of signals run on
/// the program's own threads; where that fails they may run here.
pub(super) fn start_thread(run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let run = || {
        let _ = engine::block_signals();
        run();
    };
    as_process(|| std::thread::Builder::new().spawn(run)).map(drop)
}

/// Has a thread of the library do something.
///
/// # Errors
/// That of the system if there is no thread to do it, nor one that will come to it.
pub(super) fn run(job: impl FnOnce() + Send + 'static) -> Outcome<()> {
    let mut state = locked(&WORKERS.state);
    state.jobs.push_back(Box::new(job));
    if state.idle >= state.jobs.len() || state.threads >= MOST_THREADS {
        drop(state);
        WORKERS.wanted.notify_one();
        return Ok(());
    }
    match start_thread(work) {
        Ok(()) => state.threads += 1,
        // The others will come to it.
        Err(_) if state.threads > 0 => {}
        Err(error) => {
            state.jobs.pop_back();
            return Err(error.into());
        }
    }
    Ok(())
}

fn work() {
    while let Some(job) = next_job() {
        job();
        super::come_back();
    }
}

/// What is to be done next; `None` after a long rest.
fn next_job() -> Option<Job> {
    let mut state = locked(&WORKERS.state);
    loop {
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        state.idle += 1;
        let rested = WORKERS.wanted.wait_timeout(state, REST);
        let (woken, rest) = rested.unwrap_or_else(PoisonError::into_inner);
        state = woken;
        state.idle -= 1;
        if rest.timed_out() && state.jobs.is_empty() {
            state.threads -= 1;
            return None;
        }
    }
}
