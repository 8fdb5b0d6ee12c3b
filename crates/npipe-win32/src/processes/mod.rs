//! Other processes: those that this one has started, and those that it opens by number.
//!
//! A process is held by its pidfd. One thread watches all of them and signals their objects; of children it also asks how
//! they ended, so that none is left behind when its handles are closed before.

pub(crate) mod as_user;
pub(crate) mod claim;
mod command_line;
pub(crate) mod create;
mod inherit;
mod program;
mod table;

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use npipe::Access;
use npipe::impersonation::as_process;
use npipe::overlapped::engine;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::dispatch::{Waitable, locked};
use crate::failure::{Failure, Outcome};
use crate::handles;
use crate::object::Object;
use crate::pointers::Out;
use crate::types::{Bool, CURRENT_PROCESS, FALSE, Handle, NULL, STILL_ACTIVE, TRUE, code};

/// Exit codes of Windows for what ends a process here by a signal.
const STATUS_ACCESS_VIOLATION: u32 = 0xC000_0005;
const STATUS_CONTROL_C_EXIT: u32 = 0xC000_013A;
const ABORTED: u32 = 3;
/// As shells tell it.
const BY_SIGNAL: u32 = 128;

/// Another process.
pub(crate) struct Process {
    id: u32,
    pidfd: OwnedFd,
    /// Signaled when it is over.
    over: Arc<Waitable>,
    /// The same for its first thread, which is another object to those that wait for both.
    thread_over: Arc<Waitable>,
    state: Mutex<State>,
    watcher: &'static Watcher,
    /// What the watcher knows it by.
    key: u64,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    /// What TerminateProcess was told here.
    told: Option<u32>,
    /// Once it is over; of a process that is no child it is known only if it was ended here.
    exit_code: Option<u32>,
}

/// Who keeps a process that is watched.
enum Watched {
    /// A child is asked how it ended, whether anybody wants to know or not.
    Child(Arc<Process>),
    Other(Weak<Process>),
}

struct Watcher {
    epoll: OwnedFd,
    known: Mutex<HashMap<u64, Watched>>,
}

impl Watcher {
    /// That of this process; one that was forked from another has no threads of its parent's and begins anew.
    fn get() -> Outcome<&'static Watcher> {
        static WATCHER: Mutex<Option<(u32, &'static Watcher)>> = Mutex::new(None);
        let this = std::process::id();
        let mut current = locked(&WATCHER);
        if let Some((process, watcher)) = *current
            && process == this
        {
            return Ok(watcher);
        }
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(system)?;
        let known = Mutex::default();
        let watcher: &'static Watcher = Box::leak(Box::new(Watcher { epoll, known }));
        let thread = std::thread::Builder::new().name("npipe-children".into());
        as_process(|| thread.spawn(|| watcher.run()))?;
        *current = Some((this, watcher));
        Ok(watcher)
    }

    fn watch(&self, process: &Arc<Process>, keep: bool) -> Outcome<()> {
        let watched = match keep {
            true => Watched::Child(Arc::clone(process)),
            false => Watched::Other(Arc::downgrade(process)),
        };
        locked(&self.known).insert(process.key, watched);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        epoll::add(
            &self.epoll,
            &process.pidfd,
            epoll::EventData::new_u64(process.key),
            flags,
        )
        .map_err(|errno| {
            let forgotten = locked(&self.known).remove(&process.key);
            drop(forgotten);
            system(errno)
        })
    }

    fn run(&self) {
        let mut space = [MaybeUninit::<epoll::Event>::uninit(); 16];
        loop {
            let ended: Vec<u64> = match epoll::wait(&self.epoll, &mut space, None) {
                Ok((events, _)) => events.iter().map(|event| event.data.u64()).collect(),
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            for key in ended {
                let process = match locked(&self.known).get(&key) {
                    Some(Watched::Child(process)) => Some(Arc::clone(process)),
                    Some(Watched::Other(process)) => process.upgrade(),
                    None => None,
                };
                // It is known until its number can be another's.
                if let Some(process) = process {
                    process.note_end();
                    let forgotten = locked(&self.known).remove(&key);
                    drop(forgotten);
                    // Its handles are closed before its end is seen (semantics 128).
                    engine::catch_up();
                    process.over.set_event(true);
                    process.thread_over.set_event(true);
                }
            }
        }
    }

    fn child(&self, id: u32) -> Option<Arc<Process>> {
        let known = locked(&self.known);
        known.values().find_map(|watched| match watched {
            Watched::Child(process) if process.id == id => Some(Arc::clone(process)),
            _ => None,
        })
    }
}

fn system(errno: Errno) -> Failure {
    Failure::from(std::io::Error::from(errno))
}

/// The number as Windows would have it.
fn exit_code(status: ExitStatus, told: Option<u32>) -> u32 {
    match (status.code(), status.signal()) {
        (Some(number), _) => number as u32,
        (None, Some(libc::SIGKILL)) if told.is_some() => told.unwrap_or_default(),
        (None, Some(libc::SIGSEGV | libc::SIGBUS)) => STATUS_ACCESS_VIOLATION,
        (None, Some(libc::SIGINT)) => STATUS_CONTROL_C_EXIT,
        (None, Some(libc::SIGABRT)) => ABORTED,
        (None, signal) => BY_SIGNAL + signal.unwrap_or_default() as u32,
    }
}

/// Ends a child that nobody is to know of.
fn end(child: &mut Child) {
    // It has ended already, or this ends it.
    let _ = child.kill();
    let _ = child.wait();
}

impl Process {
    fn hold(id: u32) -> Outcome<Arc<Process>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let invalid = Failure(code::INVALID_PARAMETER);
        let number = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(invalid)?;
        let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty()).map_err(|errno| match errno {
            // What is a thread's number is not a process'.
            Errno::SRCH | Errno::INVAL | Errno::NOENT => invalid,
            errno => system(errno),
        })?;
        Ok(Arc::new(Process {
            id,
            pidfd,
            over: Waitable::event(true, false),
            thread_over: Waitable::event(true, false),
            state: Mutex::default(),
            watcher: Watcher::get()?,
            key: NEXT.fetch_add(1, Ordering::Relaxed),
        }))
    }

    /// One that was started just now. If it cannot be watched it is ended: the program would not know of it.
    fn of_child(mut child: Child) -> Outcome<Arc<Process>> {
        let process = Process::hold(child.id()).inspect_err(|_| end(&mut child))?;
        locked(&process.state).child = Some(child);
        process.watcher.watch(&process, true).inspect_err(|_| {
            if let Some(mut child) = locked(&process.state).child.take() {
                end(&mut child);
            }
        })?;
        Ok(process)
    }

    /// Another process of this user.
    fn open(id: u32) -> Outcome<Arc<Process>> {
        let watcher = Watcher::get()?;
        if let Some(child) = watcher.child(id) {
            return Ok(child);
        }
        let process = Process::hold(id)?;
        // Asked after it is held: the number is not given to another from here on.
        let owner = std::fs::metadata(format!("/proc/{id}")).map_err(|_| Failure(code::INVALID_PARAMETER))?;
        if owner.uid() != rustix::process::getuid().as_raw() {
            return Err(Failure(code::ACCESS_DENIED));
        }
        watcher.watch(&process, false)?;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn waitable(&self) -> &Arc<Waitable> {
        &self.over
    }

    pub(crate) fn thread_waitable(&self) -> &Arc<Waitable> {
        &self.thread_over
    }

    fn note_end(&self) {
        let mut state = locked(&self.state);
        let told = state.told;
        state.exit_code = match state.child.take() {
            // It has ended, so this does not wait. If the program has asked before us, nobody knows any more.
            Some(mut child) => child.wait().ok().map(|status| exit_code(status, told)),
            None => told,
        };
    }

    /// How it ended; STILL_ACTIVE while it runs.
    ///
    /// # Errors
    /// ERROR_NOT_SUPPORTED of one that is no child of this process.
    pub(crate) fn exit_code(&self) -> Outcome<u32> {
        if !self.over.is_set() {
            return Ok(STILL_ACTIVE);
        }
        locked(&self.state).exit_code.ok_or(Failure(code::NOT_SUPPORTED))
    }

    fn terminate(&self, exit_code: u32) -> Outcome<()> {
        let mut state = locked(&self.state);
        if self.over.is_set() {
            return Err(Failure(code::ACCESS_DENIED));
        }
        rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL).map_err(|_| Failure(code::ACCESS_DENIED))?;
        state.told = Some(exit_code);
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let forgotten = locked(&self.watcher.known).remove(&self.key);
        drop(forgotten);
    }
}

/// What a handle of a process stands for; `None` is this one.
fn process(handle: Handle) -> Outcome<Option<Arc<Process>>> {
    match crate::waits::object(handle)? {
        Object::Process => Ok(None),
        Object::OtherProcess(process) => Ok(Some(process)),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

crate::export! {
    /// GetExitCodeProcess: STILL_ACTIVE while it runs. Of an exit code the system keeps eight bits; a process that a signal
    /// has ended has the code that Windows gives to the like of it, or 128 and the signal's number.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE; ERROR_NOT_SUPPORTED of a process that has ended and is no child of this one.
    fn GetExitCodeProcess(handle: Handle, exit_code: Out<u32>) -> Bool [FALSE] {
        exit_code.set(match process(handle)? {
            None => STILL_ACTIVE,
            Some(process) => process.exit_code()?,
        });
        Ok(TRUE)
    }

    /// TerminateProcess. It does not wait until the process is over.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE; ERROR_ACCESS_DENIED for one that is over.
    fn TerminateProcess(handle: Handle, exit_code: u32) -> Bool [FALSE] {
        match process(handle)? {
            None => create::leave_at_once(exit_code),
            Some(process) => process.terminate(exit_code)?,
        }
        Ok(TRUE)
    }

    /// GetProcessId.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no process.
    fn GetProcessId(handle: Handle) -> u32 [0] {
        Ok(process(handle)?.map_or_else(std::process::id, |process| process.id))
    }

    /// OpenProcess, of this user. The rights asked for are not checked.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER without such a process; ERROR_ACCESS_DENIED for another user's.
    fn OpenProcess(_access: u32, inherit: Bool, id: u32) -> Handle [NULL] {
        let object = match id == std::process::id() {
            true => Object::Process,
            false => {
                npipe::impersonation::require_acting()?;
                Object::OtherProcess(Process::open(id)?)
            }
        };
        handles::insert(object, Access::READ_WRITE, inherit != FALSE)
    }
}

/// Whether a handle means this process.
pub(crate) fn is_this(handle: Handle) -> Outcome<bool> {
    Ok(handle == CURRENT_PROCESS || process(handle)?.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_what_windows_has() {
        let ended = |raw| ExitStatus::from_raw(raw);
        assert_eq!(exit_code(ended(5 << 8), None), 5);
        assert_eq!(exit_code(ended(5 << 8), Some(7)), 5, "it was faster");
        assert_eq!(exit_code(ended(libc::SIGKILL), Some(7)), 7);
        assert_eq!(exit_code(ended(libc::SIGKILL), None), 137);
        assert_eq!(exit_code(ended(libc::SIGSEGV), None), 0xC000_0005);
        assert_eq!(exit_code(ended(libc::SIGINT), None), 0xC000_013A);
        assert_eq!(exit_code(ended(libc::SIGABRT), None), 3);
    }

    /// A child whose handles are closed is asked for how it ended all the same, and does not stay as a zombie.
    #[test]
    fn nobody_is_left_behind() {
        let mut command = std::process::Command::new("cat");
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let process = Process::of_child(child).unwrap();
        let over = Arc::clone(process.waitable());
        let id = process.id();
        let again = Process::open(id).map(|again| again.id());
        assert!(again.is_ok_and(|again| again == id));
        drop((process, input));
        let waited = crate::dispatch::wait(vec![over], false, 60_000, false);
        assert_eq!(waited, crate::types::WAIT_OBJECT_0);
        // It is signaled after it was asked for.
        assert_eq!(Process::open(id).err(), Some(Failure(code::INVALID_PARAMETER)));
    }
}
