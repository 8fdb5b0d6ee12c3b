//! Waiting for objects, any of several or all of them.
//!
//! An object that can be waited for has a [`Waitable`]: what its signal is, and which waits hang on it. One lock, the
//! dispatcher's, is held while signals change and while a wait looks at its objects, so that a wait for several takes all
//! or nothing and two waits never take the same signal. Whoever signals serves the waits in their order, at once: a thread
//! that is released stays so even if the signal is gone before it runs.
//!
//! A thread that waits sleeps on signals of npipe's engine: its own, and those of its objects. Operations on pipes that
//! belong to these are looked after by the waiting thread itself, without another one in between.
//!
//! The *gate* of a pipe's end is the exception, for speed: it opens and closes without the lock, and takes the lock only
//! while somebody waits for it. A gate is never consumed, so nothing can be taken twice.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use npipe::overlapped::engine::{self, Signal as EngineSignal};

use crate::failure::{Failure, Outcome};
use crate::sanitizer;
use crate::threads::Thread;
use crate::types::{INFINITE, WAIT_ABANDONED_0, WAIT_IO_COMPLETION, WAIT_OBJECT_0, WAIT_TIMEOUT, code};

/// The proof that the dispatcher's lock is held.
pub(crate) type Guard = MutexGuard<'static, ()>;

/// Takes the dispatcher's lock. Nothing else is locked while it is held but the state of waitables and threads.
pub(crate) fn lock() -> Guard {
    static DISPATCHER: Mutex<()> = Mutex::new(());
    DISPATCHER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No code of ours panics while it holds a lock.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What its signal is.
enum Signal {
    /// Set and reset; one that is not manual is reset by the wait that it releases.
    Event { manual: bool, set: bool },
    /// Free, or a thread's. Abandoned: that thread ended without giving it back.
    Mutex {
        owner: Option<Arc<Thread>>,
        depth: u32,
        abandoned: bool,
    },
    /// How many waits it releases.
    Semaphore { count: i32, maximum: i32 },
    /// Open or closed, see [`Waitable::gate`].
    Gate,
}

/// What can be waited for.
pub(crate) struct Waitable {
    gate: AtomicBool,
    /// How many waits hang on it, for those who look without the lock.
    watchers: AtomicUsize,
    state: Mutex<State>,
    /// What threads sleep on that wait for operations which signal it, once there are any.
    signal: OnceLock<Arc<EngineSignal>>,
}

struct State {
    signal: Signal,
    waits: Vec<Arc<Wait>>,
}

/// One call that waits.
struct Wait {
    objects: Vec<Arc<Waitable>>,
    all: bool,
    thread: Arc<Thread>,
    outcome: Mutex<Option<u32>>,
}

impl Waitable {
    fn new(signal: Signal, open: bool) -> Arc<Waitable> {
        Arc::new(Waitable {
            gate: AtomicBool::new(open),
            watchers: AtomicUsize::new(0),
            state: Mutex::new(State {
                signal,
                waits: Vec::new(),
            }),
            signal: OnceLock::new(),
        })
    }

    pub(crate) fn event(manual: bool, set: bool) -> Arc<Waitable> {
        Waitable::new(Signal::Event { manual, set }, false)
    }

    pub(crate) fn mutex(owned: bool) -> Arc<Waitable> {
        let owner = owned.then(Thread::current);
        let signal = Signal::Mutex {
            owner: owner.clone(),
            depth: u32::from(owned),
            abandoned: false,
        };
        let mutex = Waitable::new(signal, false);
        if let Some(owner) = owner {
            owner.now_owns(&mutex);
        }
        mutex
    }

    pub(crate) fn semaphore(count: i32, maximum: i32) -> Arc<Waitable> {
        Waitable::new(Signal::Semaphore { count, maximum }, false)
    }

    /// An open gate.
    pub(crate) fn gate() -> Arc<Waitable> {
        Waitable::new(Signal::Gate, true)
    }

    /// The engine's signal of operations that end with this one.
    pub(crate) fn signal(&self) -> &Arc<EngineSignal> {
        self.signal.get_or_init(Arc::default)
    }

    /// Closes a gate: an operation has begun.
    #[inline]
    pub(crate) fn close_gate(&self) {
        self.gate.store(false, Ordering::Relaxed);
    }

    /// Opens a gate: an operation is over.
    #[inline]
    pub(crate) fn open_gate(&self) {
        sanitizer::release(self);
        // Pairs with `hang_on`: either the wait sees the gate open, or we see that somebody waits.
        self.gate.store(true, Ordering::SeqCst);
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.serve(&lock());
        }
    }

    /// Sets or resets an event; says whether it was set.
    pub(crate) fn set_event(&self, on: bool) -> bool {
        self.set_event_within(&lock(), on)
    }

    pub(crate) fn set_event_within(&self, guard: &Guard, on: bool) -> bool {
        if on {
            sanitizer::release(self);
        }
        let mut state = locked(&self.state);
        let Signal::Event { set, .. } = &mut state.signal else {
            return false;
        };
        let before = std::mem::replace(set, on);
        drop(state);
        if on {
            self.serve(guard);
        }
        before
    }

    /// Releases who waits for an event now, and leaves it reset.
    pub(crate) fn pulse_event(&self) {
        let guard = lock();
        self.set_event_within(&guard, true);
        self.set_event_within(&guard, false);
    }

    /// Adds to a semaphore; gives what it was before.
    ///
    /// # Errors
    /// ERROR_TOO_MANY_POSTS beyond its maximum, and nothing changes.
    pub(crate) fn release_semaphore(&self, by: i32) -> Outcome<i32> {
        sanitizer::release(self);
        let guard = lock();
        let mut state = locked(&self.state);
        let Signal::Semaphore { count, maximum } = &mut state.signal else {
            return Err(Failure(code::INVALID_HANDLE));
        };
        let before = *count;
        match before.checked_add(by) {
            Some(after) if after <= *maximum => *count = after,
            _ => return Err(Failure(code::TOO_MANY_POSTS)),
        }
        drop(state);
        self.serve(&guard);
        Ok(before)
    }

    /// Gives a mutex back once.
    ///
    /// # Errors
    /// ERROR_NOT_OWNER if it is another thread's or nobody's.
    pub(crate) fn release_mutex(self: &Arc<Waitable>) -> Outcome<()> {
        let guard = lock();
        let thread = Thread::current();
        let mut state = locked(&self.state);
        let Signal::Mutex { owner, depth, .. } = &mut state.signal else {
            return Err(Failure(code::INVALID_HANDLE));
        };
        if !owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, &thread)) {
            return Err(Failure(code::NOT_OWNER));
        }
        *depth -= 1;
        if *depth == 0 {
            sanitizer::release(&**self);
            *owner = None;
            drop(state);
            thread.owns_no_longer(self);
            self.serve(&guard);
        }
        Ok(())
    }

    /// Gives back what a wait of this thread has taken, for which there is no use after all.
    pub(crate) fn give_back(self: &Arc<Waitable>) {
        let is_reset = matches!(locked(&self.state).signal, Signal::Event { manual: false, .. });
        // Of these each does something to its own kind alone.
        if is_reset {
            self.set_event(true);
        }
        let _ = self.release_semaphore(1);
        let _ = self.release_mutex();
    }

    /// Frees a mutex whose owner has ended.
    pub(crate) fn abandon(&self, guard: &Guard) {
        sanitizer::release(self);
        if let Signal::Mutex {
            owner,
            depth,
            abandoned,
        } = &mut locked(&self.state).signal
        {
            (*owner, *depth, *abandoned) = (None, 0, true);
        }
        self.serve(guard);
    }

    /// Whether an event is set.
    pub(crate) fn is_set(&self) -> bool {
        let set = matches!(locked(&self.state).signal, Signal::Event { set: true, .. });
        if set {
            sanitizer::acquire(self);
        }
        set
    }

    /// Whether a wait of `thread` would be released.
    fn is_ready_for(&self, thread: &Arc<Thread>) -> bool {
        match &locked(&self.state).signal {
            Signal::Event { set, .. } => *set,
            Signal::Mutex { owner, .. } => owner.as_ref().is_none_or(|owner| Arc::ptr_eq(owner, thread)),
            Signal::Semaphore { count, .. } => *count > 0,
            Signal::Gate => self.gate.load(Ordering::SeqCst),
        }
    }

    /// What a wait does to the object that releases it. Says whether the object was an abandoned mutex.
    fn take(self: &Arc<Waitable>, thread: &Arc<Thread>) -> bool {
        match &mut locked(&self.state).signal {
            Signal::Event { manual, set } => *set = *manual,
            Signal::Semaphore { count, .. } => *count -= 1,
            Signal::Gate => {}
            Signal::Mutex {
                owner,
                depth,
                abandoned,
            } => {
                *depth += 1;
                if owner.is_none() {
                    *owner = Some(Arc::clone(thread));
                    thread.now_owns(self);
                }
                return std::mem::replace(abandoned, false);
            }
        }
        false
    }

    /// Releases the waits that can be, in their order.
    fn serve(&self, _guard: &Guard) {
        let waits = locked(&self.state).waits.clone();
        for wait in waits {
            if wait.try_finish() {
                wait.thread.wake();
            }
        }
    }
}

/// Takes what the wait is for, if that is possible now: the number of the object that did it.
fn try_take(objects: &[Arc<Waitable>], all: bool, thread: &Arc<Thread>) -> Option<u32> {
    let number = |index: usize, abandoned: bool| {
        let base = if abandoned { WAIT_ABANDONED_0 } else { WAIT_OBJECT_0 };
        base + index as u32
    };
    if all {
        if !objects.iter().all(|object| object.is_ready_for(thread)) {
            return None;
        }
        let mut outcome = WAIT_OBJECT_0;
        for (index, object) in objects.iter().enumerate() {
            if object.take(thread) {
                outcome = number(index, true);
            }
        }
        return Some(outcome);
    }
    let index = objects.iter().position(|object| object.is_ready_for(thread))?;
    let abandoned = objects[index].take(thread);
    Some(number(index, abandoned))
}

impl Wait {
    /// Finishes the wait if its objects allow it. Once finished, it takes no more.
    fn try_finish(&self) -> bool {
        let mut outcome = locked(&self.outcome);
        if outcome.is_some() {
            return false;
        }
        *outcome = try_take(&self.objects, self.all, &self.thread);
        outcome.is_some()
    }

    fn hang_on(self: &Arc<Wait>) {
        for object in &self.objects {
            locked(&object.state).waits.push(Arc::clone(self));
            object.watchers.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn let_go(self: &Arc<Wait>) {
        for object in &self.objects {
            let mut state = locked(&object.state);
            if let Some(place) = state.waits.iter().position(|wait| Arc::ptr_eq(wait, self)) {
                state.waits.remove(place);
                object.watchers.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

/// Tells the sanitizer what has released a wait.
fn released_by(objects: &[Arc<Waitable>], all: bool, outcome: u32) {
    let number = match outcome {
        WAIT_IO_COMPLETION | WAIT_TIMEOUT => return,
        WAIT_ABANDONED_0.. => outcome - WAIT_ABANDONED_0,
        _ => outcome - WAIT_OBJECT_0,
    };
    for (index, object) in objects.iter().enumerate() {
        if all || index as u32 == number {
            sanitizer::acquire(&**object);
        }
    }
}

/// The end of a time-out in milliseconds; `None` is never.
pub(crate) fn deadline(timeout_ms: u32) -> Option<Instant> {
    (timeout_ms != INFINITE).then(|| Instant::now() + Duration::from_millis(timeout_ms.into()))
}

/// Waits for nothing but calls to run, if it is alertable: WAIT_IO_COMPLETION when there are some, which have not run yet,
/// or WAIT_TIMEOUT.
// semantics 236-238, 244
pub(crate) fn sleep(timeout_ms: u32, alertable: bool) -> u32 {
    let thread = Thread::current();
    let called = || (alertable && thread.has_calls()).then_some(WAIT_IO_COMPLETION);
    engine::wait_until(&[&**thread.signal()], deadline(timeout_ms), called).unwrap_or(WAIT_TIMEOUT)
}

/// Waits for one of the objects or for all of them. WAIT_IO_COMPLETION is as for [`sleep`].
// semantics 236-238, 244
pub(crate) fn wait(objects: Vec<Arc<Waitable>>, all: bool, timeout_ms: u32, alertable: bool) -> u32 {
    let thread = Thread::current();
    // An object that is signaled already comes before calls that are due.
    let guard = lock();
    let ready = try_take(&objects, all, &thread);
    drop(guard);
    if let Some(outcome) = ready {
        released_by(&objects, all, outcome);
        return outcome;
    }
    let signals: Vec<Arc<EngineSignal>> = std::iter::once(Arc::clone(thread.signal()))
        .chain(objects.iter().filter_map(|object| object.signal.get().cloned()))
        .collect();
    let signals: Vec<&EngineSignal> = signals.iter().map(|signal| &**signal).collect();
    let wait = Arc::new(Wait {
        objects,
        all,
        thread: Arc::clone(&thread),
        outcome: Mutex::new(None),
    });
    let guard = lock();
    wait.hang_on();
    drop(guard);
    let found = engine::wait_until(&signals, deadline(timeout_ms), || {
        let _guard = lock();
        // Gates open without the lock; what hangs on the objects by now misses none.
        wait.try_finish();
        let outcome = *locked(&wait.outcome);
        outcome.or_else(|| (alertable && thread.has_calls()).then_some(WAIT_IO_COMPLETION))
    });
    let _guard = lock();
    wait.let_go();
    // Between the last look and here somebody may have finished it, and then it has taken its objects.
    let last = *locked(&wait.outcome);
    let outcome = last.or(found).unwrap_or(WAIT_TIMEOUT);
    released_by(&wait.objects, all, outcome);
    outcome
}
