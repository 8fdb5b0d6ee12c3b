//! Looking after all busy ends of a runtime at once, so that their peers need not ring.
//!
//! A task that comes to rest in a runtime has itself *listed* with the runtime's scanner instead of calling for the bell of
//! its connection: while the runtime's thread is awake anyway, looking is cheaper than a byte that is sent and heard. The
//! scanner is a task itself. It goes round the ends that are listed, a few of them in each turn, wakes the tasks of those
//! where something is new, and gives way to every other task and to the runtime's own events in between.
//!
//! It ends that when it has found nothing for a few microseconds, or at once where no peer could do anything meanwhile, since
//! all were last seen on the same processor: then it *retires* every end, which calls for its bell and looks once more, and
//! sleeps. An end on which nothing comes while others are busy is retired alone.
//!
//! A bell costs its two ends far more than a look. So the more ends there are to retire, the longer they are looked at; and
//! when one is rung for after another, the others that were retired with them are *taken back* before it is their turn, as
//! many at a time as are looked at by then. Else two runtimes whose machine has held them up once would go on ringing: each
//! is kept busy by bells for as long as the other takes to sleep.
//!
//! What a task waits for besides data is rung for as ever, and so is that of an end which must not be looked at for long.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use npipe::PipeStream;
use npipe::overlapped::engine::{Outlook, Wish};
use tokio::runtime::{Handle, Id};

use super::tasks::{Tasks, locked};

/// Ends that are looked at, or retired, in one turn: about a microsecond's work.
const LOOKS: usize = 64;

/// Ends of which what is looked at is fetched from the other processors at once.
const AHEAD: usize = 8;

/// Turns after which the runtime looks for other events, while there is news in each.
const TURNS: u32 = 4;

/// Ends that are worth being looked at in vain for as long again as one alone.
const CALLS: usize = 50;

/// An end is retired when there was news at others so many times since there was at itself: about what a byte that is sent
/// and heard costs in looks, or so many times its share.
const LEFT_BEHIND: (u64, u64) = (64, 4);

/// What looks after the ends of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    door: Mutex<Door>,
}

#[derive(Debug, Default)]
struct Door {
    /// Those who were listed since the scanner's last turn.
    newcomers: Vec<Arc<Tasks>>,
    /// Of the scanner, if it sleeps.
    sleeper: Option<Waker>,
    /// The runtime is over.
    closed: bool,
}

/// An end's place with a scanner.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    scanner: Option<Arc<Scanner>>,
    /// What there was to see when its task came to rest; none while it is awake.
    outlook: Option<Outlook>,
    /// Left to its bell by the scanner, which may take it back.
    is_retired: bool,
    /// Among those that a scanner may take back, or was when it was last there.
    is_kept: bool,
}

impl Listing {
    fn is_of(&self, scanner: &Arc<Scanner>) -> bool {
        self.scanner.as_ref().is_some_and(|listed| Arc::ptr_eq(listed, scanner))
    }

    /// Whether the scanner looks at the end.
    fn is_with(&self, scanner: &Arc<Scanner>) -> bool {
        !self.is_retired && self.is_of(scanner)
    }

    /// Its end is gone, or has another connection.
    pub(crate) fn forget_outlook(&mut self) {
        self.outlook = None;
    }
}

/// Leaves an end whose task is about to rest to the scanner of the current runtime. The task looks once more before it
/// relies on it. `false`: it has to call for the bell.
pub(crate) fn look_after(tasks: &Arc<Tasks>, end: &PipeStream) -> bool {
    let Some(outlook) = Outlook::of(end) else { return false };
    let Some(scanner) = current() else { return false };
    let mut listing = locked(tasks.listing());
    let before = listing.outlook.replace(outlook);
    if !listing.is_with(&scanner) {
        if !scanner.admit(tasks) {
            listing.outlook = None;
            return false;
        }
        listing.scanner = Some(scanner);
        listing.is_retired = false;
    }
    drop(listing);
    // With its connection, perhaps.
    drop(before);
    true
}

impl Scanner {
    /// Takes an end in; the caller has its listing. `false`: the runtime is over.
    fn admit(&self, tasks: &Arc<Tasks>) -> bool {
        let mut door = locked(&self.door);
        if door.closed {
            return false;
        }
        door.newcomers.push(tasks.clone());
        let sleeper = door.sleeper.take();
        drop(door);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
        true
    }
}

thread_local! {
    /// That of the runtime that this thread was last in.
    static HERE: RefCell<Option<(Id, Arc<Scanner>)>> = const { RefCell::new(None) };
}

/// The scanner of the current runtime, if there is one.
fn current() -> Option<Arc<Scanner>> {
    let handle = Handle::try_current().ok()?;
    let id = handle.id();
    let known = HERE.try_with(|here| match &*here.borrow() {
        Some((known, scanner)) if *known == id => Some(scanner.clone()),
        _ => None,
    });
    if let Some(scanner) = known.ok()? {
        return Some(scanner);
    }
    let scanner = of_runtime(&handle);
    let before = HERE.try_with(|here| here.borrow_mut().replace((id, scanner.clone())));
    drop(before);
    Some(scanner)
}

/// The one scanner of a runtime, started if need be.
fn of_runtime(handle: &Handle) -> Arc<Scanner> {
    static ALL: Mutex<Vec<(Id, Weak<Scanner>)>> = Mutex::new(Vec::new());
    let mut all = locked(&ALL);
    all.retain(|(_, scanner)| scanner.strong_count() > 0);
    let known = all.iter().find(|(id, _)| *id == handle.id());
    if let Some(scanner) = known.and_then(|(_, scanner)| scanner.upgrade()) {
        return scanner;
    }
    let scanner = Arc::<Scanner>::default();
    all.push((handle.id(), Arc::downgrade(&scanner)));
    // In a runtime that is over it is dropped at once, and closed with that.
    handle.spawn(Round::new(scanner.clone()).run());
    scanner
}

/// What a look at an end has brought.
enum Look {
    /// Its task was woken.
    News,
    /// Its task rests on; whether its peer may do anything meanwhile.
    Nothing { is_elsewhere: bool },
    /// Its task is awake.
    Awake,
    /// It is with another scanner, or nowhere.
    Gone,
}

/// An end that the scanner goes by.
struct Stop {
    tasks: Arc<Tasks>,
    /// How often there had been news at any end, when there was at this one.
    news: u64,
}

impl Stop {
    fn expect_look(&self) {
        if let Some(outlook) = &locked(self.tasks.listing()).outlook {
            outlook.expect_look();
        }
    }

    fn expect_recall(&self) {
        if let Some(outlook) = &locked(self.tasks.listing()).outlook {
            outlook.expect_recall();
        }
    }

    fn look(&self, scanner: &Arc<Scanner>, is_place_asked: bool) -> Look {
        let mut listing = locked(self.tasks.listing());
        if !listing.is_with(scanner) {
            return Look::Gone;
        }
        let Some(outlook) = &listing.outlook else {
            return Look::Awake;
        };
        if !outlook.has_changed() {
            return Look::Nothing {
                is_elsewhere: is_place_asked && outlook.is_elsewhere(),
            };
        }
        outlook.expect_read();
        let seen = listing.outlook.take();
        drop(listing);
        drop(seen);
        self.tasks.happened();
        Look::News
    }

    /// Leaves the end to its bell. Whether there was news, and its task woken.
    fn retire(&self, scanner: &Arc<Scanner>) -> bool {
        let mut listing = locked(self.tasks.listing());
        if !listing.is_with(scanner) {
            return false;
        }
        listing.is_retired = true;
        let is_at_rest = listing.outlook.is_some();
        drop(listing);
        if !is_at_rest {
            return false;
        }
        self.tasks.expect(Wish::Data);
        let listing = locked(self.tasks.listing());
        let has_changed = listing.is_retired && listing.outlook.as_ref().is_some_and(Outlook::has_changed);
        drop(listing);
        if has_changed {
            self.tasks.happened();
        }
        has_changed
    }

    /// Takes an end back that was retired, unless its peer has rung or is about to, or it is elsewhere by now.
    fn recall(&self, scanner: &Arc<Scanner>) -> bool {
        let mut listing = locked(self.tasks.listing());
        listing.is_kept = false;
        if !listing.is_retired || !listing.is_of(scanner) {
            return false;
        }
        let outlook = listing.outlook.take_if(|outlook| outlook.has_changed());
        listing.is_retired = false;
        let is_quiet = listing.outlook.as_ref().is_some_and(Outlook::dispense_with_ring);
        if !is_quiet {
            listing.scanner = None;
        }
        drop(listing);
        drop(outlook);
        is_quiet
    }

    /// Whether it has to be put among those that may be taken back.
    fn is_to_keep(&self) -> bool {
        !std::mem::replace(&mut locked(self.tasks.listing()).is_kept, true)
    }

    /// Does not take it back any more.
    fn forget(&self, scanner: &Arc<Scanner>) {
        let mut listing = locked(self.tasks.listing());
        if listing.is_retired && listing.is_of(scanner) {
            listing.is_retired = false;
            listing.scanner = None;
            let outlook = listing.outlook.take();
            drop(listing);
            drop(outlook);
        }
    }

    /// The scanner ends; whoever rests finds somebody else.
    fn abandon(&self, scanner: &Arc<Scanner>) {
        let mut listing = locked(self.tasks.listing());
        if !listing.is_of(scanner) {
            return;
        }
        listing.scanner = None;
        listing.is_retired = false;
        let outlook = listing.outlook.take();
        drop(listing);
        if outlook.is_some() {
            self.tasks.happened();
        }
    }
}

/// The scanner's way round the ends that are listed with it.
struct Round {
    scanner: Arc<Scanner>,
    stops: Vec<Stop>,
    /// Ends that were retired together, the first of them first. Some are looked at again by now, or gone.
    retired: VecDeque<Stop>,
    /// How many of them are to be taken back.
    owed: usize,
    /// The next stop.
    at: usize,
    /// News at any end so far.
    news: u64,
    /// Since when there were none, by the first look at the clock.
    quiet: Option<Instant>,
    /// How often all ends were gone by since then.
    laps: u32,
    /// How long to look on in vain.
    patience: Patience,
}

/// How long looking in vain pays off.
struct Patience {
    most: Duration,
    now: Duration,
}

/// Looking for less is not worth a look at the clock.
const LEAST: Duration = Duration::from_micros(1);

impl Patience {
    fn paid_off(&mut self) {
        self.now = self.now.saturating_mul(2).max(LEAST).min(self.most);
    }

    /// How long to look in vain at so many ends, each of which may have to be rung for afterwards.
    fn for_ends(&self, ends: usize) -> Duration {
        self.now
            .saturating_mul(u32::try_from(1 + ends / CALLS).unwrap_or(u32::MAX))
    }

    /// The scanner has slept after looking in vain: had it found something, had it looked on?
    fn slept(&mut self, slept: Duration) {
        if slept <= self.most {
            self.paid_off();
        } else {
            self.now = (self.now / 2).max(LEAST).min(self.most);
        }
    }
}

impl Round {
    fn new(scanner: Arc<Scanner>) -> Round {
        Round {
            scanner,
            stops: Vec::new(),
            retired: VecDeque::new(),
            owed: 0,
            at: 0,
            news: 0,
            quiet: None,
            laps: 0,
            patience: Patience {
                most: Duration::ZERO,
                now: Duration::ZERO,
            },
        }
    }

    async fn run(mut self) {
        let mut turns = 0;
        loop {
            self.admit().await;
            self.recall();
            let has_news = self.turn();
            turns += 1;
            if has_news && turns < TURNS {
                give_way().await;
            } else {
                turns = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes in those who were listed, and sleeps if there is nobody at all.
    async fn admit(&mut self) {
        let slept_since = self.quiet;
        let mut has_slept = false;
        let newcomers = poll_fn(|cx| {
            let mut door = locked(&self.scanner.door);
            if self.stops.is_empty() && door.newcomers.is_empty() {
                has_slept = true;
                door.sleeper = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut door.newcomers))
        })
        .await;
        if !newcomers.is_empty() {
            // They have been rung for. The first is alone, perhaps; behind the second as many are taken back as are here.
            self.owed += self.stops.len();
        }
        for tasks in newcomers {
            let listed = locked(tasks.listing());
            if let Some(outlook) = &listed.outlook {
                self.patience.most = self.patience.most.max(outlook.patience());
            }
            drop(listed);
            let news = self.news;
            self.stops.push(Stop { tasks, news });
        }
        if has_slept {
            if let Some(since) = slept_since {
                self.patience.slept(since.elapsed());
            }
            self.begin_anew();
        }
    }

    /// Takes back some of those who are about to be rung for.
    fn recall(&mut self) {
        let count = self.owed.min(LOOKS).min(self.retired.len());
        self.owed = (self.owed - self.owed.min(LOOKS)).min(self.retired.len() - count);
        self.retired.iter().take(count).for_each(Stop::expect_recall);
        for mut stop in self.retired.drain(..count) {
            if stop.recall(&self.scanner) {
                stop.news = self.news;
                self.stops.push(stop);
            }
        }
    }

    fn begin_anew(&mut self) {
        self.quiet = None;
        self.laps = 0;
    }

    /// A few looks, and what follows from them. Whether there was news.
    fn turn(&mut self) -> bool {
        let mut is_somebody_elsewhere = false;
        let before = self.news;
        for _ in 0..LOOKS {
            if self.at >= self.stops.len() {
                self.at = 0;
                self.laps += 1;
                if self.stops.is_empty() || self.news != before {
                    break;
                }
                std::hint::spin_loop();
            }
            if self.at.is_multiple_of(AHEAD) && self.stops.len() >= AHEAD {
                self.stops[self.at..].iter().take(AHEAD).for_each(Stop::expect_look);
            }
            match self.stops[self.at].look(&self.scanner, !is_somebody_elsewhere) {
                Look::News => {
                    self.news += 1;
                    self.stops[self.at].news = self.news;
                }
                Look::Nothing { is_elsewhere } => is_somebody_elsewhere |= is_elsewhere,
                // What it does takes a while, on another thread perhaps.
                Look::Awake => is_somebody_elsewhere = true,
                Look::Gone => {
                    self.stops.swap_remove(self.at);
                    continue;
                }
            }
            let missed = self.news - self.stops[self.at].news;
            if missed > LEFT_BEHIND.0.max(LEFT_BEHIND.1 * self.stops.len() as u64) {
                let left = self.stops.swap_remove(self.at);
                self.news += u64::from(left.retire(&self.scanner));
                left.forget(&self.scanner);
                continue;
            }
            self.at += 1;
        }
        if self.news != before {
            self.patience.paid_off();
            self.begin_anew();
            return true;
        }
        let now = Instant::now();
        let looked = now - *self.quiet.get_or_insert(now);
        if self.laps > 0 && (!is_somebody_elsewhere || looked >= self.patience.for_ends(self.stops.len())) {
            self.retire();
        }
        false
    }

    /// Puts an end that was retired among those that may be taken back.
    fn keep(&mut self, stop: Stop) {
        if self.retired.len() == self.retired.capacity() {
            // Not before as many more were retired will it be done again.
            self.retired.retain(|stop| stop.tasks.has_end());
            self.retired.reserve(self.retired.len() + 1);
        }
        if stop.is_to_keep() {
            self.retired.push_back(stop);
        }
    }

    /// Gives up some ends, and the others next time, unless there is news after all.
    fn retire(&mut self) {
        for _ in 0..LOOKS {
            let Some(stop) = self.stops.pop() else { break };
            let has_news = stop.retire(&self.scanner);
            self.keep(stop);
            if has_news {
                self.news += 1;
                self.owed += LOOKS;
                return self.begin_anew();
            }
        }
        if self.stops.is_empty() {
            // From here on it sleeps.
            self.quiet = Some(Instant::now());
        }
    }
}

/// Lets the tasks go first that were woken, without the look for other events that a yield has the runtime take.
async fn give_way() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Drop for Round {
    fn drop(&mut self) {
        let mut door = locked(&self.scanner.door);
        door.closed = true;
        let (newcomers, sleeper) = (std::mem::take(&mut door.newcomers), door.sleeper.take());
        drop(door);
        drop(sleeper);
        let newcomers = newcomers.into_iter().map(|tasks| Stop { tasks, news: 0 });
        for stop in std::mem::take(&mut self.stops).into_iter().chain(newcomers) {
            stop.abandon(&self.scanner);
        }
        for stop in std::mem::take(&mut self.retired) {
            locked(stop.tasks.listing()).is_kept = false;
            stop.forget(&self.scanner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(most: Duration) -> Patience {
        let now = Duration::ZERO;
        Patience { most, now }
    }

    /// The more ends there are to be rung for, the longer it looks; and not at all where that is off.
    ///
    /// No rule: how to wait is ours.
    #[test]
    fn patience_goes_with_the_number_of_ends() {
        let most = Duration::from_micros(20);
        let mut patience = patience(most);
        assert_eq!(patience.for_ends(1_000), Duration::ZERO);
        (0..10).for_each(|_| patience.paid_off());
        assert_eq!(patience.for_ends(1), most);
        assert!(patience.for_ends(1_000) > 10 * most);
        (0..10).for_each(|_| patience.slept(2 * most));
        assert_eq!(patience.for_ends(1), LEAST);
    }

    /// An end may be told to look for as long as there are numbers.
    ///
    /// No rule: how to wait is ours.
    #[test]
    fn patience_has_no_end() {
        let mut patience = patience(Duration::MAX);
        (0..200).for_each(|_| patience.paid_off());
        assert_eq!(patience.for_ends(usize::MAX - 1), Duration::MAX);
    }
}
