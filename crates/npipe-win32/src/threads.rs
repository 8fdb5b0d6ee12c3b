#![allow(
    unsafe_code,
    reason = "threads are the C library's, and ExitThread ends one in the middle"
)]

//! Threads, and the calls that are queued for them.
//!
//! Each thread that uses the library has a [`Thread`], those that the program made in other ways too; it is made when it is
//! first needed. A thread's object is signaled when the thread is over: after its functions and the destructors of its
//! variables, whichever of its ways out it took.
//!
//! `ExitThread` unwinds the stack, through code of the program's. Wherever this library calls such code, no frame of its
//! own holds anything that would have to be dropped.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};

use npipe::Access;
use npipe::overlapped::engine::{self, BlockedCall, Issuer, Signal};

use crate::dispatch::{self, Waitable, locked};
use crate::failure::{Failure, Outcome, boundary};
use crate::handles;
use crate::object::Object;
use crate::operations;
use crate::pipes::PipeEnd;
use crate::pointers::{In, Out};
use crate::processes::Process;
use crate::sanitizer;
use crate::scheduling::Priority;
use crate::types::{
    Bool, CURRENT_THREAD, FALSE, Handle, INVALID_HANDLE_VALUE, NULL, SECURITY_ATTRIBUTES, STILL_ACTIVE, TRUE,
    WAIT_FAILED, code,
};

/// A call that waits for its thread to be alertable.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    /// By QueueUserAPC.
    User {
        routine: unsafe extern "C-unwind" fn(usize),
        argument: usize,
    },
    /// By an operation that is complete: its routine, with what it is told.
    Completion {
        routine: CompletionRoutine,
        error: u32,
        bytes: u32,
        /// The structure's address, as the program gave it.
        overlapped: usize,
    },
    /// By a waitable timer.
    Timer(TimerCall),
}

/// PTIMERAPCROUTINE.
pub(crate) type TimerRoutine = unsafe extern "C-unwind" fn(usize, u32, u32);

/// What a waitable timer has its thread call.
#[derive(Clone, Copy)]
pub(crate) struct TimerCall {
    /// The timer's address, which tells it from others.
    pub(crate) timer: usize,
    pub(crate) routine: TimerRoutine,
    pub(crate) argument: usize,
    /// When it was signaled, as a FILETIME.
    pub(crate) time: u64,
}

/// LPOVERLAPPED_COMPLETION_ROUTINE.
pub(crate) type CompletionRoutine = unsafe extern "C-unwind" fn(u32, u32, usize);

impl Call {
    fn is_of(&self, timer: usize) -> bool {
        matches!(self, Call::Timer(call) if call.timer == timer)
    }

    /// Runs it. The caller's frame holds nothing that would have to be dropped.
    fn run(self) {
        match self {
            // SAFETY: whoever queued it vouches for the routine.
            Call::User { routine, argument } => unsafe { routine(argument) },
            Call::Completion {
                routine,
                error,
                bytes,
                overlapped,
            } => {
                // SAFETY: whoever started the operation vouches for the routine.
                unsafe { routine(error, bytes, overlapped) }
            }
            Call::Timer(call) => {
                let (low, high) = (call.time as u32, (call.time >> 32) as u32);
                // SAFETY: whoever set the timer vouches for the routine.
                unsafe { (call.routine)(call.argument, low, high) }
            }
        }
    }
}

/// One thread of the program.
pub(crate) struct Thread {
    /// Its number; 0 until it runs.
    id: AtomicU32,
    exit_code: AtomicU32,
    /// Signaled when it is over.
    over: Arc<Waitable>,
    /// Notified when it shall look at what it waits for; its operations with routines are looked after where it waits.
    signal: Arc<Signal>,
    state: Mutex<State>,
    /// How often it was suspended before it ran.
    gate: (Mutex<u32>, Condvar),
    /// The blocking call that it is inside of, for CancelSynchronousIo.
    blocked: OnceLock<Arc<BlockedCall>>,
    pub(crate) priority: Mutex<Priority>,
}

#[derive(Default)]
struct State {
    /// No call will run any more.
    is_over: bool,
    calls: VecDeque<Call>,
    owned: Vec<Arc<Waitable>>,
    /// How the engine knows it, and the ends on which it has started operations.
    issuer: Option<Issuer>,
    ends: Ends,
}

/// Ends by their addresses; those that are gone are forgotten now and then.
#[derive(Default)]
struct Ends {
    known: HashMap<usize, Weak<PipeEnd>>,
    prune_at: usize,
}

impl Ends {
    fn note(&mut self, end: &Arc<PipeEnd>) {
        let address = Arc::as_ptr(end) as usize;
        // The weak reference keeps the address from being another end's.
        if self.known.contains_key(&address) {
            return;
        }
        if self.known.len() >= self.prune_at {
            self.known.retain(|_, end| end.strong_count() > 0);
            self.prune_at = (self.known.len() * 2).max(64);
        }
        self.known.insert(address, Arc::downgrade(end));
    }
}

/// What a thread's storage holds: its end is the thread's.
struct Presence(Arc<Thread>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.end();
    }
}

thread_local! {
    static PRESENCE: RefCell<Option<Presence>> = const { RefCell::new(None) };
}

impl Thread {
    fn new(suspended: u32) -> Arc<Thread> {
        Arc::new(Thread {
            id: AtomicU32::new(0),
            exit_code: AtomicU32::new(0),
            over: Waitable::event(true, false),
            signal: Arc::default(),
            state: Mutex::new(State::default()),
            gate: (Mutex::new(suspended), Condvar::new()),
            blocked: OnceLock::new(),
            priority: Mutex::default(),
        })
    }

    /// That of the thread that calls. While a thread ends and its own is gone, one that nobody else knows.
    pub(crate) fn current() -> Arc<Thread> {
        let found = PRESENCE.try_with(|presence| {
            let mut presence = presence.borrow_mut();
            let presence = presence.get_or_insert_with(|| {
                let thread = Thread::new(0);
                thread.id.store(own_id(), Ordering::Relaxed);
                thread.blocked.get_or_init(engine::current_blocked);
                Presence(thread)
            });
            Arc::clone(&presence.0)
        });
        found.unwrap_or_else(|_| Thread::new(0))
    }

    pub(crate) fn waitable(&self) -> &Arc<Waitable> {
        &self.over
    }

    fn exit_code(&self) -> u32 {
        self.exit_code.load(Ordering::Acquire)
    }

    /// What it sleeps on.
    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Wakes it from a wait, if it is in one.
    pub(crate) fn wake(&self) {
        self.signal.notify();
    }

    /// Notes that the thread that calls has an operation on an end, which is cancelled with it.
    pub(crate) fn issues_on(end: &Arc<PipeEnd>) -> Issuer {
        let thread = Thread::current();
        let mut state = locked(&thread.state);
        // Those of a port go on without it.
        if end.pending.port().is_none() {
            state.ends.note(end);
        }
        *state.issuer.get_or_insert_with(engine::current_issuer)
    }

    pub(crate) fn has_calls(&self) -> bool {
        !locked(&self.state).calls.is_empty()
    }

    /// Queues a call; false if the thread is over.
    pub(crate) fn queue(&self, call: Call) -> bool {
        let queued = self.queue_quietly(call);
        if queued {
            self.wake();
        }
        queued
    }

    /// The same for a thread that does not wait, or that is woken afterwards.
    pub(crate) fn queue_quietly(&self, call: Call) -> bool {
        sanitizer::release(self);
        let mut state = locked(&self.state);
        if !state.is_over {
            state.calls.push_back(call);
        }
        !state.is_over
    }

    /// Queues the call of a timer, unless its last one has not run yet.
    pub(crate) fn queue_timer(&self, call: TimerCall) {
        let is_queued = locked(&self.state).calls.iter().any(|queued| queued.is_of(call.timer));
        if !is_queued {
            self.queue(Call::Timer(call));
        }
    }

    /// Takes the call of a timer back that has not run.
    pub(crate) fn withdraw_timer(&self, call: TimerCall) {
        locked(&self.state).calls.retain(|queued| !queued.is_of(call.timer));
    }

    fn next_call(&self) -> Option<Call> {
        let call = locked(&self.state).calls.pop_front()?;
        sanitizer::acquire(self);
        Some(call)
    }

    pub(crate) fn now_owns(&self, mutex: &Arc<Waitable>) {
        locked(&self.state).owned.push(Arc::clone(mutex));
    }

    pub(crate) fn owns_no_longer(&self, mutex: &Arc<Waitable>) {
        locked(&self.state).owned.retain(|owned| !Arc::ptr_eq(owned, mutex));
    }

    /// What a blocking call of its can be found by; of a thread that has begun.
    pub(crate) fn blocked_call(&self) -> Option<Arc<BlockedCall>> {
        self.blocked.get().cloned()
    }

    fn end(&self) {
        let over = State {
            is_over: true,
            ..State::default()
        };
        let state = std::mem::replace(&mut *locked(&self.state), over);
        // Their completions take locks of their own.
        if let Some(issuer) = state.issuer {
            for end in state.ends.known.values() {
                operations::cancel_issued(end, issuer);
            }
        }
        let guard = dispatch::lock();
        for mutex in state.owned {
            mutex.abandon(&guard);
        }
        self.over.set_event_within(&guard, true);
    }

    /// Its number, while it runs.
    pub(crate) fn live_id(&self) -> Option<u32> {
        let id = self.id.load(Ordering::Relaxed);
        (id != 0 && !self.is_over()).then_some(id)
    }

    fn is_over(&self) -> bool {
        self.over.is_set()
    }

    /// Waits until it may run.
    fn wait_for_resume(&self) {
        let (suspended, changed) = &self.gate;
        let mut count = locked(suspended);
        while *count > 0 {
            count = changed.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
        sanitizer::acquire(&self.gate);
    }
}

fn own_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get() as u32
}

/// Runs the calls that a wait was ended for.
pub(crate) extern "C-unwind" fn deliver(outcome: u32) -> u32 {
    if outcome == crate::types::WAIT_IO_COMPLETION {
        // Those that the calls queue themselves run too (semantics 236).
        while let Some(call) = boundary(None, || Ok(Thread::current().next_call())) {
            call.run();
        }
    }
    outcome
}

type StartRoutine = unsafe extern "C-unwind" fn(usize) -> u32;

/// What a new thread is given.
struct Start {
    thread: Arc<Thread>,
    routine: StartRoutine,
    argument: usize,
}

// SAFETY: as the C library declares them, but that the stack may be unwound through both.
unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut c_void) -> !;
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        routine: extern "C-unwind" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> libc::c_int;
}

/// The first function of a new thread.
extern "C-unwind" fn run(start: *mut c_void) -> *mut c_void {
    let begun = boundary(None, || {
        // SAFETY: `spawn` made it from a box and leaves it to us.
        let start = unsafe { Box::from_raw(start.cast::<Start>()) };
        begin(&start.thread);
        Ok(Some((start.routine, start.argument)))
    });
    if let Some((routine, argument)) = begun {
        // SAFETY: the program vouches for its routine.
        let exit_code = unsafe { routine(argument) };
        set_exit_code(exit_code);
    }
    ptr::null_mut()
}

fn begin(thread: &Arc<Thread>) {
    thread.blocked.get_or_init(engine::current_blocked);
    PRESENCE.set(Some(Presence(Arc::clone(thread))));
    let (suspended, changed) = &thread.gate;
    let count = locked(suspended);
    thread.id.store(own_id(), Ordering::Relaxed);
    changed.notify_all();
    drop(count);
    thread.wait_for_resume();
}

fn set_exit_code(exit_code: u32) {
    boundary((), || {
        Thread::current().exit_code.store(exit_code, Ordering::Release);
        Ok(())
    });
}

/// Threads have 1 MiB at least, since code that asks for little means what Windows rounds it up to.
const LEAST_STACK: usize = 1 << 20;

fn spawn(stack: usize, start: Start) -> Outcome<()> {
    let thread = Arc::clone(&start.thread);
    let start = Box::into_raw(Box::new(start));
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the attributes are writable.
    unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) };
    // SAFETY: they were initialised just now.
    unsafe { libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED) };
    if stack > 0 {
        // SAFETY: as above. A size that the system refuses leaves its own.
        unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack.max(LEAST_STACK)) };
    }
    let mut id = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: `run` takes over what `start` points to; all pointers are valid.
    let create = || unsafe { pthread_create(id.as_mut_ptr(), attributes.as_ptr(), run, start.cast()) };
    // A thread is who starts it; on Windows it is the process.
    let errno = npipe::impersonation::as_process(create);
    // SAFETY: initialised above and not used after this.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if errno != 0 {
        // SAFETY: no thread was made, so the box is still ours.
        drop(unsafe { Box::from_raw(start) });
        return Err(Failure(code::NOT_ENOUGH_MEMORY));
    }
    // Its number is asked for below and by GetThreadId, so that there is one from the beginning.
    let (suspended, changed) = &thread.gate;
    let mut count = locked(suspended);
    while thread.id.load(Ordering::Relaxed) == 0 && !thread.is_over() {
        count = changed.wait(count).unwrap_or_else(PoisonError::into_inner);
    }
    Ok(())
}

const CREATE_SUSPENDED: u32 = 4;
const STACK_SIZE_PARAM_IS_A_RESERVATION: u32 = 0x1_0000;

/// The thread behind a handle, GetCurrentThread() included.
pub(crate) fn thread(handle: Handle) -> Outcome<Arc<Thread>> {
    if handle == CURRENT_THREAD {
        return Ok(Thread::current());
    }
    match handles::get(handle)?.object {
        Object::Thread(thread) => Ok(thread),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

/// The process whose first thread a handle stands for, if it is another one's.
fn other_process(handle: Handle) -> Outcome<Option<Arc<Process>>> {
    match crate::waits::object(handle)? {
        Object::OtherThread(process) => Ok(Some(process)),
        _ => Ok(None),
    }
}

crate::export! {
    /// CreateThread. The security descriptor is ignored: threads are their process's alone. One that a thread starts which
    /// impersonates is the process, not the client.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for unknown flags, ERROR_NOT_ENOUGH_MEMORY if the system has no room for one more.
    fn CreateThread(
        attributes: In<SECURITY_ATTRIBUTES>,
        stack: usize,
        routine: Option<StartRoutine>,
        argument: usize,
        flags: u32,
        id: Out<u32>,
    ) -> Handle [NULL] {
        if flags & !(CREATE_SUSPENDED | STACK_SIZE_PARAM_IS_A_RESERVATION) != 0 {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let routine = routine.ok_or(Failure(code::INVALID_PARAMETER))?;
        let thread = Thread::new(u32::from(flags & CREATE_SUSPENDED != 0));
        thread.exit_code.store(STILL_ACTIVE, Ordering::Relaxed);
        let inherit = attributes.get().is_some_and(|attributes| attributes.bInheritHandle != FALSE);
        let handle = handles::insert(Object::Thread(Arc::clone(&thread)), Access::READ_WRITE, inherit)?;
        let start = Start { thread: Arc::clone(&thread), routine, argument };
        if let Err(failure) = spawn(stack, start) {
            handles::close(handle)?;
            return Err(failure);
        }
        id.set(thread.id.load(Ordering::Relaxed));
        Ok(handle)
    }

    /// ResumeThread: how often it was suspended before. Only a thread that has not begun is ever suspended, and
    /// the first one of a child.
    fn ResumeThread(handle: Handle) -> u32 [u32::MAX] {
        if let Some(process) = other_process(handle)? {
            return Ok(u32::from(process.resume()));
        }
        let thread = thread(handle)?;
        sanitizer::release(&thread.gate);
        let (suspended, changed) = &thread.gate;
        let mut count = locked(suspended);
        let before = *count;
        *count = before.saturating_sub(1);
        changed.notify_all();
        Ok(before)
    }

    /// GetExitCodeThread: STILL_ACTIVE while it runs.
    fn GetExitCodeThread(handle: Handle, exit_code: Out<u32>) -> Bool [FALSE] {
        if let Some(process) = other_process(handle)? {
            exit_code.set(process.exit_code()?);
            return Ok(TRUE);
        }
        let thread = thread(handle)?;
        exit_code.set(if thread.is_over() { thread.exit_code() } else { STILL_ACTIVE });
        Ok(TRUE)
    }

    /// GetThreadId. When the thread is over, its number may be another's before the handle is closed.
    fn GetThreadId(handle: Handle) -> u32 [0] {
        if let Some(process) = other_process(handle)? {
            return Ok(process.id());
        }
        Ok(thread(handle)?.id.load(Ordering::Relaxed))
    }

    /// GetCurrentThreadId: the number that the system has for it.
    fn GetCurrentThreadId() -> u32 [0] {
        Ok(own_id())
    }

    /// GetCurrentThread: a handle that means whichever thread uses it.
    fn GetCurrentThread() -> Handle [INVALID_HANDLE_VALUE] {
        Ok(CURRENT_THREAD)
    }

    /// QueueUserAPC: `routine` runs when the thread next waits alertably.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is not a thread; ERROR_GEN_FAILURE for one that is over.
    fn QueueUserAPC(
        routine: Option<unsafe extern "C-unwind" fn(usize)>,
        handle: Handle,
        argument: usize,
    ) -> u32 [0] {
        let routine = routine.ok_or(Failure(code::INVALID_PARAMETER))?;
        if !thread(handle)?.queue(Call::User { routine, argument }) {
            return Err(Failure(code::GEN_FAILURE));
        }
        Ok(1)
    }

    /// SwitchToThread: whether others wanted to run is not known; always TRUE.
    fn SwitchToThread() -> Bool [FALSE] {
        std::thread::yield_now();
        Ok(TRUE)
    }
}

crate::export_unwinding! {
    /// ExitThread: ends the calling thread, the first one of the program too. C++ destructors on its stack run, which they
    /// do not on Windows.
    fn ExitThread(exit_code: u32) -> () {
        set_exit_code(exit_code);
        // SAFETY: this frame, and every one of ours that called the program's code, holds nothing to drop.
        unsafe { pthread_exit(ptr::null_mut()) }
    }

    /// SleepEx: 0, or WAIT_IO_COMPLETION when calls have run.
    fn SleepEx(timeout_ms: u32, alertable: Bool) -> u32 {
        let outcome = boundary(0, || Ok(dispatch::sleep(timeout_ms, alertable != FALSE)));
        match deliver(outcome) {
            crate::types::WAIT_IO_COMPLETION => crate::types::WAIT_IO_COMPLETION,
            _ => 0,
        }
    }

    /// WaitForSingleObjectEx.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    fn WaitForSingleObjectEx(handle: Handle, timeout_ms: u32, alertable: Bool) -> u32 {
        deliver(boundary(WAIT_FAILED, || crate::waits::single(handle, timeout_ms, alertable)))
    }

    /// WaitForMultipleObjectsEx.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE; ERROR_INVALID_PARAMETER for none or more than 64, or one twice where all are waited for.
    fn WaitForMultipleObjectsEx(count: u32, handles: In<Handle>, all: Bool, timeout_ms: u32, alertable: Bool) -> u32 {
        deliver(boundary(WAIT_FAILED, || crate::waits::multiple(count, handles, all, timeout_ms, alertable)))
    }

    /// SignalObjectAndWait: signals the first and waits for the second. Another thread may run between the two.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what cannot be signaled, ERROR_NOT_OWNER, ERROR_TOO_MANY_POSTS.
    fn SignalObjectAndWait(signal: Handle, handle: Handle, timeout_ms: u32, alertable: Bool) -> u32 {
        deliver(boundary(WAIT_FAILED, || {
            crate::waits::signal(signal)?;
            crate::waits::single(handle, timeout_ms, alertable)
        }))
    }
}
