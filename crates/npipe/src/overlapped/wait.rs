//! How a thread waits for operations: look, spin for a moment, sleep until something happens, look again.
//!
//! A thread that waits on a signal looks after the operations of that signal itself: it takes the place of the delegate on
//! their connections, and sleeps on all their bells at once, so that the peer wakes it directly. That goes for
//! [`MAX_ATTENDED`] connections; the time for falling asleep grows with their number, and from there on the delegate, which
//! epoll tells who has rung, costs less. Of several threads that wait on one signal the first attends, the others sleep.
//!
//! When it leaves, with what it waited for or without, what is still pending goes back to the delegate.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::signal::{Listener, Signal, Source};
use crate::background;
use crate::end::link::{Asleep, Glance, Link, Wish};
use crate::end::wait::QUIET;
use crate::sys::futex;

/// Connections that a waiting thread looks after itself, at most.
pub(crate) const MAX_ATTENDED: usize = 32;

/// Connections that a waiting thread spins on, at most: each look costs a cache line of another processor's.
const MAX_SPUN: usize = 8;

/// Signals that one wait can be for. Win32 allows waits on 64 objects, and one is the thread's own.
pub const MAX_SIGNALS: usize = 65;

const _: () = assert!(MAX_SIGNALS + MAX_ATTENDED <= futex::MAX_WORDS);

/// A wait is for one signal mostly, or for two.
type Few<T> = SmallVec<[T; 2]>;

/// A connection that the waiting thread looks after.
struct Attended {
    source: Source,
    /// What it watches for; grows while it waits, since others count on it.
    wish: Cell<Wish>,
    seen: Cell<Glance>,
    /// Whether it has relieved the delegate.
    is_relieved: Cell<bool>,
}

impl Attended {
    fn new(source: Source) -> Option<Attended> {
        let (wish, seen) = source.end.attend(&source.link, None)?;
        Some(Attended {
            source,
            wish: Cell::new(wish),
            seen: Cell::new(seen),
            is_relieved: Cell::new(false),
        })
    }

    /// The peer came while we looked for it with this budget.
    fn met(&self, budget_ns: u64) {
        let Source { end, link, .. } = &self.source;
        link.spun_well(budget_ns);
        if link.pledge().met() {
            background::trust(link, end);
        }
    }

    fn has_changed(&self) -> bool {
        self.source.link.glance(self.wish.get()) != self.seen.get()
    }

    /// Looks if there may be anything new: a write may also go on without a sign of it.
    fn look(&self) {
        if self.wish.get() == Wish::Data && !self.has_changed() {
            return;
        }
        let attended = self.source.end.attend(&self.source.link, Some(self.wish.get()));
        // Of an end on which nothing is pending, nothing is new.
        let seen = attended.map_or_else(|| self.source.link.glance(self.wish.get()), |(_, seen)| seen);
        self.seen.set(seen);
        if let Some((wish, _)) = attended {
            self.wish.set(wish);
        }
    }
}

/// The connections of some signals, as the thread that waits on them has them.
struct Attendance<'a> {
    led: Few<&'a Signal>,
    attended: SmallVec<[Attended; 1]>,
}

impl<'a> Attendance<'a> {
    fn begin(signals: &[&'a Signal]) -> Attendance<'a> {
        let mut attendance = Attendance {
            led: Few::new(),
            attended: SmallVec::new(),
        };
        if !futex::can_wait_for_many() {
            return attendance;
        }
        for &signal in signals {
            if !signal.lead() {
                continue;
            }
            attendance.led.push(signal);
            let room = MAX_ATTENDED - attendance.attended.len();
            for source in signal.sources(room) {
                let same = |other: &Attended| std::ptr::eq(&*other.source.link, &*source.link);
                if !attendance.attended.iter().any(same) {
                    attendance.attended.extend(Attended::new(source));
                }
            }
        }
        attendance
    }

    /// Looks wherever there is anything new.
    fn look(&self) {
        self.attended.iter().for_each(Attended::look);
    }

    /// Relieves the delegates. What happens from here on is seen by the next look.
    fn take_over(&self) {
        for attended in &self.attended {
            let wish = attended.wish.get();
            attended.source.link.relieve_delegate(wish);
            attended.is_relieved.set(true);
        }
    }

    /// Spins until something changes, for as long as it has paid off lately; looks then. `false`: it has not.
    fn spin(&self, signals: &[&Signal], deadline: Option<Instant>) -> bool {
        if self.attended.len() > MAX_SPUN {
            return false;
        }
        let budget = |attended: &Attended| attended.source.link.spin_budget();
        let Some(budgets) = self.attended.iter().map(budget).collect::<Option<Few<u64>>>() else {
            return false;
        };
        let Some(budget_ns) = budgets.iter().copied().min() else {
            return false;
        };
        /// A prompt peer comes before the first look at the clock.
        const LOOKS: usize = 64;
        let heard: Few<u32> = signals.iter().map(|signal| signal.notices()).collect();
        let mut start = None;
        loop {
            for _ in 0..LOOKS / self.attended.len() {
                for (attended, own_ns) in self.attended.iter().zip(&budgets) {
                    if attended.has_changed() {
                        attended.met(*own_ns);
                        attended.look();
                        return true;
                    }
                }
                std::hint::spin_loop();
            }
            if signals
                .iter()
                .zip(&heard)
                .any(|(signal, heard)| signal.notices() != *heard)
            {
                return true;
            }
            let now = Instant::now();
            let spent = now.duration_since(*start.get_or_insert(now));
            if spent.as_nanos() as u64 >= budget_ns || deadline.is_some_and(|end| end <= now) {
                return false;
            }
        }
    }

    /// Lets the only peer run if it was last seen on this processor; looks then. `false`: it has not answered.
    fn give_way(&self) -> bool {
        let [attended] = &self.attended[..] else { return false };
        let answered = attended.source.link.give_way(attended.wish.get(), attended.seen.get());
        if answered {
            attended.look();
        }
        answered
    }

    /// Sleeps until something happens. `ready` is asked once more before, and ends the wait if it says so.
    fn sleep<'b, T>(
        &'b self,
        signals: &[&'b Signal],
        deadline: Option<Instant>,
        ready: &mut impl FnMut() -> Option<T>,
    ) -> Option<T> {
        for attended in &self.attended {
            attended.source.end.place_empties();
        }
        let announce = |attended: &'b Attended| attended.source.link.announce(attended.wish.get());
        let announced: SmallVec<[Asleep<'b>; 1]> = self.attended.iter().map(announce).collect();
        let perch = self.perch(signals);
        let listeners: Few<Listener<'b>> = match perch {
            Some(link) => self.led.iter().map(|signal| signal.announce_on(link)).collect(),
            None => signals.iter().map(|signal| signal.announce()).collect(),
        };
        self.look();
        if let Some(value) = ready() {
            return Some(value);
        }
        let bells: SmallVec<[_; 1]> = announced.iter().map(|asleep| (asleep.bell, asleep.rung())).collect();
        match (perch, &bells[..]) {
            (Some(_), &[(bell, rung)]) => futex::wait(bell, rung, deadline),
            _ => {
                let own: Few<_> = listeners.iter().map(Listener::word).collect();
                futex::wait_any(&bells, &own, deadline)
            }
        };
        None
    }

    /// The connection on whose bell alone this thread can sleep: the only one, of a peer who may move sleepers elsewhere,
    /// since it may end us too. Every signal rings it: they are all led from here.
    fn perch(&self, signals: &[&Signal]) -> Option<&Arc<Link>> {
        let [attended] = &self.attended[..] else { return None };
        let link = &attended.source.link;
        (link.trusts_peer() && self.led.len() == signals.len()).then_some(link)
    }

    /// What is to be done when all is quiet: give back memory, if a connection has more than a chat needs.
    fn has_upkeep(&self) -> bool {
        self.attended
            .iter()
            .any(|attended| attended.source.end.upkeep().is_some())
    }

    fn keep_up(&self) {
        for tidy in self.attended.iter().filter_map(|attended| attended.source.end.upkeep()) {
            tidy();
        }
    }

    fn learn(&self, waited: std::time::Duration) {
        for attended in self.attended.iter().filter(|attended| attended.has_changed()) {
            attended.source.link.slept(waited);
            attended.source.link.pledge().slept();
        }
    }
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        for signal in &self.led {
            signal.resign();
        }
        for attended in &self.attended {
            let (link, wish, seen) = (&attended.source.link, attended.wish.get(), attended.seen.get());
            if attended.is_relieved.get() {
                attended.source.end.hand_back(link, wish, seen);
            }
        }
    }
}

/// Waits until `ready` has a value; `None` when the deadline passes first.
///
/// It is asked again whenever one of the signals was notified, after everything that can be completed is. A deadline that
/// has passed makes this a mere look.
///
/// # Panics
/// With more than [`MAX_SIGNALS`] signals.
pub fn wait_until<T>(
    signals: &[&Signal],
    deadline: Option<Instant>,
    mut ready: impl FnMut() -> Option<T>,
) -> Option<T> {
    assert!(signals.len() <= MAX_SIGNALS, "too many signals to wait for");
    let attendance = Attendance::begin(signals);
    if let Some(value) = ready() {
        return Some(value);
    }
    // Without a deadline, and while the peer is prompt, nobody asks for the time.
    let is_late = || deadline.is_some_and(|deadline| deadline <= Instant::now());
    if is_late() {
        return None;
    }
    attendance.take_over();
    let mut start = None;
    let mut quiet = None;
    loop {
        if attendance.spin(signals, deadline) || attendance.give_way() {
            if let Some(value) = ready() {
                return Some(value);
            }
            if is_late() {
                return None;
            }
            continue;
        }
        let begun = *start.get_or_insert_with(Instant::now);
        // Once in a wait; a timer is dear, and only set if there is something to do.
        let tidy = quiet.get_or_insert_with(|| attendance.has_upkeep().then(|| begun + QUIET));
        let until = deadline.into_iter().chain(*tidy).min();
        if let Some(value) = attendance.sleep(signals, until, &mut ready) {
            return Some(value);
        }
        let now = Instant::now();
        if tidy.is_some_and(|time| time <= now) {
            attendance.keep_up();
            *tidy = None;
        }
        attendance.learn(now - begun);
        attendance.look();
        if let Some(value) = ready() {
            return Some(value);
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return None;
        }
    }
}
