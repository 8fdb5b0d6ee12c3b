//! What is due at some time: one thread that sleeps until the next date and tells of it.
//!
//! Timers of all kinds leave their dates here. A date is told once; what goes on has the next one from here too. The clock is
//! the monotonic one, so that nothing comes early or late when somebody sets the system's time. What a timer could not be told
//! in time is not made up for: it comes once and then in its period again.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use npipe::impersonation::as_process;
use npipe::overlapped::engine;

use crate::dispatch::locked;
use crate::environment::file_time;
use crate::failure::{Failure, Outcome};
use crate::sanitizer;
use crate::types::code;

/// What comes at times.
pub(crate) trait Timed: Send + Sync {
    fn schedule(&self) -> &Mutex<Schedule>;

    /// It is time. All timers share the thread that says so, so this does little. The schedule is locked meanwhile, so that
    /// whoever changes it finds this done or not begun.
    fn come(self: Arc<Self>);
}

/// When something comes.
#[derive(Default)]
pub(crate) struct Schedule {
    /// The next time.
    date: Option<Date>,
    /// From one to the next; none if it comes once.
    period: Duration,
    /// It is closed, and cannot be set.
    is_over: bool,
}

impl Schedule {
    /// It comes `at`, and then each `period`, and not when it would have come before.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE if it has ended; ERROR_NOT_ENOUGH_MEMORY and the like if there is no thread that tells of it.
    pub(crate) fn set(&mut self, timed: Arc<dyn Timed>, at: Instant, period: Duration) -> Outcome<()> {
        if self.is_over {
            return Err(Failure(code::INVALID_HANDLE));
        }
        sanitizer::release(self);
        let date = remind(at, timed)?;
        self.stop();
        self.date = Some(date);
        self.period = period;
        Ok(())
    }

    /// It comes no more, until it is set. Says whether it would have come.
    pub(crate) fn stop(&mut self) -> bool {
        let date = self.date.take();
        if let Some(date) = date {
            forget(date);
        }
        date.is_some()
    }

    /// Whether it will come.
    pub(crate) fn is_to_come(&self) -> bool {
        self.date.is_some()
    }

    /// It never comes any more.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
        self.stop();
    }
}

/// A time, told from all other dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Date {
    at: Instant,
    number: u64,
}

#[derive(Default)]
struct Clock {
    dates: Mutex<Dates>,
    changed: Condvar,
}

#[derive(Default)]
struct Dates {
    due: BTreeMap<Date, Arc<dyn Timed>>,
    last: u64,
}

/// The clock, with its thread.
fn clock() -> Outcome<&'static Clock> {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    static RUNS: Mutex<bool> = Mutex::new(false);
    let clock = CLOCK.get_or_init(Clock::default);
    let mut runs = locked(&RUNS);
    if !*runs {
        as_process(|| std::thread::Builder::new().spawn(move || run(clock)))?;
        *runs = true;
    }
    Ok(clock)
}

fn run(clock: &Clock) {
    // Handlers of the program's are to run on its own threads; where this fails they may run here.
    let _ = engine::block_signals();
    let mut dates = locked(&clock.dates);
    loop {
        let now = Instant::now();
        dates = match dates.due.first_entry() {
            Some(first) if first.key().at <= now => {
                let (date, timed) = first.remove_entry();
                drop(dates);
                tell(&timed, date);
                drop(timed);
                locked(&clock.dates)
            }
            Some(first) => {
                let left = first.key().at - now;
                let woken = clock.changed.wait_timeout(dates, left);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
            None => clock.changed.wait(dates).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn tell(timed: &Arc<dyn Timed>, date: Date) {
    let mut schedule = locked(timed.schedule());
    if schedule.date != Some(date) {
        // Set anew or stopped meanwhile.
        return;
    }
    sanitizer::acquire(&*schedule);
    schedule.date = None;
    if !schedule.period.is_zero() {
        let next = (date.at + schedule.period).max(Instant::now());
        // The clock runs, since it is what tells.
        schedule.date = remind(next, Arc::clone(timed)).ok();
    }
    Arc::clone(timed).come();
}

/// Has `timed` told when it is `at`.
fn remind(at: Instant, timed: Arc<dyn Timed>) -> Outcome<Date> {
    let clock = clock()?;
    let mut dates = locked(&clock.dates);
    dates.last += 1;
    let date = Date { at, number: dates.last };
    let is_first = dates.due.first_key_value().is_none_or(|(first, _)| date < *first);
    dates.due.insert(date, timed);
    drop(dates);
    if is_first {
        clock.changed.notify_one();
    }
    Ok(date)
}

/// Forgets a date, unless it was told.
fn forget(date: Date) {
    if let Ok(clock) = clock() {
        let forgotten = locked(&clock.dates).due.remove(&date);
        // Without the lock, since it may be the last reference.
        drop(forgotten);
    }
}

/// When a due time is: a FILETIME, or so many of its units from now if it is not positive.
pub(crate) fn when(due: i64) -> Instant {
    const UNITS_PER_SECOND: u64 = 10_000_000;
    let units = match due {
        ..=0 => due.unsigned_abs(),
        _ => due.unsigned_abs().saturating_sub(file_time()),
    };
    let left = Duration::from_secs(units / UNITS_PER_SECOND) + Duration::from_nanos(units % UNITS_PER_SECOND * 100);
    let now = Instant::now();
    // Thousands of years away.
    now.checked_add(left)
        .unwrap_or(now + Duration::from_secs(u32::MAX.into()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Told {
        schedule: Mutex<Schedule>,
        to: mpsc::Sender<()>,
    }

    impl Timed for Told {
        fn schedule(&self) -> &Mutex<Schedule> {
            &self.schedule
        }

        fn come(self: Arc<Self>) {
            // Nobody listens any more when the test has failed.
            let _ = self.to.send(());
        }
    }

    /// One that comes so many milliseconds from now, and then each so many; and where it says so.
    fn told(at_ms: u64, period_ms: u64) -> (Arc<Told>, mpsc::Receiver<()>) {
        let (to, heard) = mpsc::channel();
        let told = Arc::new(Told {
            schedule: Mutex::default(),
            to,
        });
        let at = Instant::now() + Duration::from_millis(at_ms);
        let set = locked(&told.schedule).set(told.clone(), at, Duration::from_millis(period_ms));
        set.expect("there is a thread");
        (told, heard)
    }

    /// What is due comes, also before what was set earlier; what was stopped does not.
    #[test]
    fn what_is_stopped_stays_away() {
        const FAR: u64 = 600_000;
        let (never, not_heard) = told(FAR, 0);
        let (_once, heard) = told(1, 0);
        assert_eq!(heard.recv(), Ok(()));
        assert!(locked(&never.schedule).stop());
        assert!(!locked(&never.schedule).stop());
        drop(never);
        // The clock has let go of it, too.
        assert!(not_heard.recv().is_err());
    }

    /// What comes again does so until it ends, and then cannot be set.
    #[test]
    fn what_has_ended_stays_away() {
        let (again, heard) = told(0, 1);
        assert_eq!(heard.iter().take(3).count(), 3);
        let mut schedule = locked(&again.schedule);
        schedule.end();
        let set = schedule.set(again.clone(), Instant::now(), Duration::ZERO);
        assert_eq!(set, Err(Failure(code::INVALID_HANDLE)));
    }
}
