#![allow(unsafe_code, reason = "calls back into the program")]

//! Functions that are called when an operation is complete: those of bound handles, and I/O of thread pools.
//!
//! The operations complete into ports that workers empty. One of them at least waits there at any time, so that callbacks
//! may wait for each other: whoever takes a packet and leaves nobody behind sends another one first.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::outstanding::Outstanding;
use super::{INSTANCE, Instance, refuse_environment, workers};
use crate::dispatch::locked;
use crate::failure::{Failure, Outcome};
use crate::object::pipe_end;
use crate::overlapped::result_of;
use crate::pointers::Context;
use crate::ports::{Association, Packet, Port};
use crate::threads::CompletionRoutine;
use crate::types::{Bool, FALSE, Handle, NULL, TRUE, code};

/// As many wait at a port when there is nothing to do.
const AT_REST: usize = 2;

/// A port that workers empty.
struct Emptied {
    port: OnceLock<Arc<Port>>,
    /// Whether it has its workers.
    is_emptied: Mutex<bool>,
    /// How many wait there.
    waiting: AtomicUsize,
    call: fn(&Packet),
}

static BOUND: Emptied = Emptied::into(call_bound);
static POOLED: Emptied = Emptied::into(call_pooled);

impl Emptied {
    const fn into(call: fn(&Packet)) -> Emptied {
        Emptied {
            port: OnceLock::new(),
            is_emptied: Mutex::new(false),
            waiting: AtomicUsize::new(0),
            call,
        }
    }

    /// Has the operations of a handle complete here.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER if the handle is not overlapped or has a port, ERROR_INVALID_HANDLE, and that of the system if
    /// there is no thread.
    fn associate(&'static self, file: Handle, key: usize) -> Outcome<()> {
        let end = pipe_end(file)?;
        if !end.overlapped {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let port = self.port()?;
        end.pending.set_port(Association { port, key })
    }

    fn port(&'static self) -> Outcome<Arc<Port>> {
        let port = self.port.get_or_init(|| {
            let port: Arc<Port> = Arc::default();
            // It is never closed.
            port.opened();
            port
        });
        let mut is_emptied = locked(&self.is_emptied);
        if !*is_emptied {
            for _ in 0..AT_REST {
                workers::run(move || self.empty(port))?;
            }
            *is_emptied = true;
        }
        Ok(Arc::clone(port))
    }

    fn empty(&'static self, port: &'static Port) {
        loop {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let packet = port.next();
            let waited = self.waiting.fetch_sub(1, Ordering::SeqCst);
            let Some(packet) = packet else { return };
            if waited == 1 {
                // If there is no thread, it is this one that comes back.
                let _ = workers::run(move || self.empty(port));
            }
            (self.call)(&packet);
            super::come_back();
            if self.waiting.load(Ordering::SeqCst) >= AT_REST {
                return;
            }
        }
    }
}

fn call_bound(packet: &Packet) {
    // SAFETY: the key of a bound handle is its routine, by `BindIoCompletionCallback`, and nothing else is in this port.
    let routine = unsafe { std::mem::transmute::<usize, CompletionRoutine>(packet.key) };
    // SAFETY: the program vouches for its routine.
    unsafe { routine(result_of(packet.status), packet.bytes, packet.overlapped) };
}

/// PTP_WIN32_IO_CALLBACK: the OVERLAPPED, the error, the bytes, the I/O object.
type IoCallback = unsafe extern "C" fn(Instance, Context, usize, u32, usize, Handle);

/// What calls back for the operations of one handle.
struct PoolIo {
    routine: IoCallback,
    context: Context,
    /// What the callback is told.
    handle: OnceLock<Handle>,
    /// Its key in the port.
    number: usize,
    announced: Mutex<Announced>,
    outstanding: Outstanding,
}

/// Operations that the program has announced, and which are not complete.
#[derive(Default)]
struct Announced {
    /// These are called back for.
    count: usize,
    /// These were, until the program cancelled that.
    skipped: usize,
    is_closed: bool,
}

/// Those whose packets may come, by their numbers.
static KNOWN: Mutex<BTreeMap<usize, Arc<PoolIo>>> = Mutex::new(BTreeMap::new());

fn call_pooled(packet: &Packet) {
    let io = locked(&KNOWN).get(&packet.key).cloned();
    // What was not announced, or whose object is gone, is nobody's.
    let Some(io) = io else { return };
    let mut announced = locked(&io.announced);
    let is_wanted = announced.skipped == 0 && announced.count > 0;
    if is_wanted {
        announced.count -= 1;
    } else {
        announced.skipped = announced.skipped.saturating_sub(1);
    }
    io.forget_if_over(&announced);
    drop(announced);
    if is_wanted {
        let handle = io.handle.get().copied().unwrap_or(NULL);
        let (error, bytes) = (result_of(packet.status), packet.bytes as usize);
        // SAFETY: the program vouches for its callback.
        unsafe { (io.routine)(INSTANCE, io.context, packet.overlapped, error, bytes, handle) };
        io.outstanding.leave();
    }
}

impl PoolIo {
    /// Its packets need not find it any more.
    fn forget_if_over(&self, announced: &Announced) {
        if announced.is_closed && announced.count == 0 && announced.skipped == 0 {
            locked(&KNOWN).remove(&self.number);
        }
    }

    fn announce(&self) {
        self.outstanding.enter();
        locked(&self.announced).count += 1;
    }

    /// One that was announced has failed at once, or was complete and has no packet.
    fn retract(&self) {
        let mut announced = locked(&self.announced);
        if announced.count > 0 {
            announced.count -= 1;
            self.outstanding.leave();
        } else {
            announced.skipped = announced.skipped.saturating_sub(1);
        }
        self.forget_if_over(&announced);
    }

    fn skip_all(&self) {
        let mut announced = locked(&self.announced);
        let skipped = std::mem::take(&mut announced.count);
        announced.skipped += skipped;
        (0..skipped).for_each(|_| self.outstanding.leave());
    }

    fn close(&self) {
        let mut announced = locked(&self.announced);
        announced.is_closed = true;
        self.forget_if_over(&announced);
    }
}

fn create(file: Handle, routine: IoCallback, context: Context) -> Outcome<Handle> {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let io = Arc::new(PoolIo {
        routine,
        context,
        handle: OnceLock::new(),
        number: LAST.fetch_add(1, Ordering::Relaxed),
        announced: Mutex::default(),
        outstanding: Outstanding::default(),
    });
    POOLED.associate(file, io.number)?;
    let handle = super::insert(Arc::clone(&io))?;
    io.handle.get_or_init(|| handle);
    locked(&KNOWN).insert(io.number, io);
    Ok(handle)
}

crate::export! {
    /// BindIoCompletionCallback: completions of the handle's operations go to `routine`, on threads of the library.
    ///
    /// # Errors
    /// As CreateIoCompletionPort.
    fn BindIoCompletionCallback(file: Handle, routine: Option<CompletionRoutine>, _flags: u32) -> Bool [FALSE] {
        let routine = routine.ok_or(Failure(code::INVALID_PARAMETER))?;
        BOUND.associate(file, routine as usize)?;
        Ok(TRUE)
    }

    /// CreateThreadpoolIo: completions of the handle's operations go to `routine`, on threads of the library. An I/O object
    /// belongs to one handle as long as that is open.
    ///
    /// # Errors
    /// As CreateIoCompletionPort; ERROR_INVALID_PARAMETER without a routine; ERROR_CALL_NOT_IMPLEMENTED with an environment.
    fn CreateThreadpoolIo(
        file: Handle,
        routine: Option<IoCallback>,
        context: Context,
        environment: *const c_void,
    ) -> Handle [NULL] {
        refuse_environment(environment)?;
        create(file, routine.ok_or(Failure(code::INVALID_PARAMETER))?, context)
    }

    /// StartThreadpoolIo: announces one operation. One that was not announced is not called back for.
    fn StartThreadpoolIo(handle: Handle) -> () [()] {
        super::get::<PoolIo>(handle)?.announce();
        Ok(())
    }

    /// CancelThreadpoolIo: an operation that was announced has failed, or is complete already where
    /// FILE_SKIP_COMPLETION_PORT_ON_SUCCESS leaves it without a callback.
    fn CancelThreadpoolIo(handle: Handle) -> () [()] {
        super::get::<PoolIo>(handle)?.retract();
        Ok(())
    }

    /// WaitForThreadpoolIoCallbacks: until all operations that were announced are complete and no callback runs; or no callback
    /// for those that are under way any more, which go on.
    fn WaitForThreadpoolIoCallbacks(handle: Handle, cancel: Bool) -> () [()] {
        let io = super::get::<PoolIo>(handle)?;
        if cancel != FALSE {
            io.skip_all();
        }
        io.outstanding.wait();
        Ok(())
    }

    /// CloseThreadpoolIo. Operations that were announced are still called back for.
    fn CloseThreadpoolIo(handle: Handle) -> () [()] {
        super::take::<PoolIo>(handle)?.close();
        Ok(())
    }
}
