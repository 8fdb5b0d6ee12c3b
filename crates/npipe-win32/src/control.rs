#![allow(unsafe_code, reason = "installs handlers of signals and calls those of the program")]

//! SetConsoleCtrlHandler: the system's signals as the events of a console.
//!
//! The handler of a signal writes its number into a pipe; a thread reads it there and calls the program's
//! handlers, the latest first, on a thread of their own, as Windows does. Ctrl+C is SIGINT, Ctrl+Break SIGQUIT, closing the
//! terminal SIGHUP, shutting down SIGTERM. A signal that nobody handles does what it does without this library.

use std::io::{PipeReader, Read};
use std::os::fd::IntoRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_current_process_group, kill_process_group, test_kill_process_group};

use crate::dispatch::locked;
use crate::failure::{Failure, Outcome};
use crate::types::{Bool, FALSE, TRUE, code};

/// PHANDLER_ROUTINE.
type Handler = unsafe extern "C" fn(u32) -> Bool;

const CTRL_C_EVENT: u32 = 0;
const CTRL_BREAK_EVENT: u32 = 1;
const CTRL_CLOSE_EVENT: u32 = 2;
const CTRL_SHUTDOWN_EVENT: u32 = 6;

/// Which signal is which event.
const SIGNALS: [(i32, u32); 4] = [
    (libc::SIGINT, CTRL_C_EVENT),
    (libc::SIGQUIT, CTRL_BREAK_EVENT),
    (libc::SIGHUP, CTRL_CLOSE_EVENT),
    (libc::SIGTERM, CTRL_SHUTDOWN_EVENT),
];

struct Handlers {
    routines: Vec<Handler>,
    /// Ctrl+C does nothing.
    ignores: bool,
    /// What the signals did before, while they do what the handlers want.
    before: [Option<libc::sigaction>; SIGNALS.len()],
}

static HANDLERS: Mutex<Handlers> = Mutex::new(Handlers {
    routines: Vec::new(),
    ignores: false,
    before: [None; SIGNALS.len()],
});

/// Where the handler of signals writes, and the process whose thread reads it; a forked child has no such thread.
static INLET: AtomicI32 = AtomicI32::new(-1);
static READER: AtomicU32 = AtomicU32::new(0);

/// Does nothing that a handler of signals must not do.
extern "C" fn note(signal: libc::c_int) {
    if READER.load(Ordering::Relaxed) != std::process::id() {
        return;
    }
    // SAFETY: the C library keeps a word for each thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { errno.read() };
    let number = signal as u8;
    // SAFETY: one byte of this frame; a pipe that is full has events enough.
    unsafe { libc::write(INLET.load(Ordering::Relaxed), (&raw const number).cast(), 1) };
    // SAFETY: as above.
    unsafe { errno.write(before) };
}

/// What a signal does from now on, a handler or one of SIG_DFL and SIG_IGN; what it did before.
fn dispose(signal: i32, disposition: libc::sighandler_t) -> libc::sigaction {
    // SAFETY: all zeros is a sigaction without flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = disposition;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `note` may run at any time, and both structures are complete.
    unsafe { libc::sigaction(signal, &raw const action, &raw mut before) };
    before
}

/// Gives a signal back what it did.
fn restore(signal: i32, before: &libc::sigaction) {
    // SAFETY: it was in force before.
    unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
}

/// Makes the signals what the handlers want, and leaves alone those that they do not want.
fn arrange(handlers: &mut Handlers) {
    for ((signal, event), before) in SIGNALS.into_iter().zip(&mut handlers.before) {
        let disposition = if event == CTRL_C_EVENT && handlers.ignores {
            libc::SIG_IGN
        } else if !handlers.routines.is_empty() {
            note as *const () as libc::sighandler_t
        } else {
            if let Some(before) = before.take() {
                restore(signal, &before);
            }
            continue;
        };
        let replaced = dispose(signal, disposition);
        // Whoever started this process with nohup wants it to go on.
        if event == CTRL_CLOSE_EVENT && replaced.sa_sigaction == libc::SIG_IGN {
            restore(signal, &replaced);
        } else {
            before.get_or_insert(replaced);
        }
    }
}

/// Ends the process as the signal does by itself.
fn end(signal: i32) {
    // What ends by Ctrl+Break leaves no core.
    let signal = if signal == libc::SIGQUIT { libc::SIGINT } else { signal };
    dispose(signal, libc::SIG_DFL);
    // SAFETY: a signal to this process.
    unsafe { libc::kill(std::process::id() as libc::pid_t, signal) };
}

/// Calls the handlers until one has taken the event.
fn deliver(signal: i32, event: u32) {
    let routines = locked(&HANDLERS).routines.clone();
    // SAFETY: the program vouches for its handlers.
    let taken = routines.iter().rev().any(|routine| unsafe { routine(event) } != FALSE);
    // After these a process ends, whatever its handlers say.
    if !taken || matches!(event, CTRL_CLOSE_EVENT | CTRL_SHUTDOWN_EVENT) {
        end(signal);
    }
}

fn read_signals(mut outlet: PipeReader) {
    let mut number = [0];
    while outlet.read_exact(&mut number).is_ok() {
        let signal = i32::from(number[0]);
        let Some(&(_, event)) = SIGNALS.iter().find(|known| known.0 == signal) else {
            continue;
        };
        let thread = std::thread::Builder::new().name("npipe-control".into());
        if thread.spawn(move || deliver(signal, event)).is_err() {
            deliver(signal, event);
        }
    }
}

/// Begins to read signals, once in each process.
fn begin_reading() -> Outcome<()> {
    if READER.load(Ordering::Relaxed) == std::process::id() {
        return Ok(());
    }
    let (outlet, inlet) = std::io::pipe()?;
    rustix::io::ioctl_fionbio(&inlet, true).map_err(std::io::Error::from)?;
    let thread = std::thread::Builder::new().name("npipe-signals".into());
    thread.spawn(move || read_signals(outlet))?;
    INLET.store(inlet.into_raw_fd(), Ordering::Relaxed);
    READER.store(std::process::id(), Ordering::Relaxed);
    Ok(())
}

crate::export! {
    /// SetConsoleCtrlHandler. NULL makes Ctrl+C do nothing, or what it did before; children inherit that.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER (a handler that was not added).
    fn SetConsoleCtrlHandler(routine: Option<Handler>, add: Bool) -> Bool [FALSE] {
        let mut handlers = locked(&HANDLERS);
        match routine {
            None => handlers.ignores = add != FALSE,
            Some(routine) if add != FALSE => {
                begin_reading()?;
                handlers.routines.push(routine);
            }
            Some(routine) => {
                let place = handlers.routines.iter().rposition(|known| *known as usize == routine as usize);
                handlers.routines.remove(place.ok_or(Failure(code::INVALID_PARAMETER))?);
            }
        }
        arrange(&mut handlers);
        Ok(TRUE)
    }

    /// GenerateConsoleCtrlEvent, to this process' group or to that of a child with CREATE_NEW_PROCESS_GROUP, which Ctrl+C
    /// does not reach.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for other events, and for a group that there is not.
    fn GenerateConsoleCtrlEvent(event: u32, group: u32) -> Bool [FALSE] {
        let invalid = Failure(code::INVALID_PARAMETER);
        let signal = match event {
            CTRL_C_EVENT => Signal::INT,
            CTRL_BREAK_EVENT => Signal::QUIT,
            _ => return Err(invalid),
        };
        let sent = match i32::try_from(group).map_err(|_| invalid)? {
            0 => kill_current_process_group(signal),
            group => {
                let group = Pid::from_raw(group).ok_or(invalid)?;
                match event {
                    CTRL_C_EVENT => test_kill_process_group(group),
                    _ => kill_process_group(group, signal),
                }
            }
        };
        sent.map_err(|_| invalid)?;
        Ok(TRUE)
    }
}
