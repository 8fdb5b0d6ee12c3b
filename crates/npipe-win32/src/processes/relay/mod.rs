#![allow(unsafe_code, reason = "what happens between fork and exec")]

//! Named pipes as standard streams of programs that know nothing of npipe.
//!
//! Such a program reads and writes descriptors, so it is given the system's pipes, and a process of our own stands between
//! those and the pipe's end: the *relay*. It is this program itself, started once more, in which the library finds before
//! `main` that it is to be one ([`run`]); so nothing has to be installed beside the library, in either form. It belongs to
//! nobody: it is not among the program's children, in a session of its own, holds the end as one more process does, and is
//! gone when the child's streams are closed.
//!
//! * **Input** is read ahead: as much as one page, and only when the child has taken everything before.
//! * **Output** of message pipes goes through a pipe of packets, so that what the child writes at once is one message, up to
//!   one page.
//! * **The end of a child** is told when what it has written by then is in the named pipe: on Windows its writes would not
//!   have returned before. A *line* between this process and the relay serves for that, both ways by closing it.

pub(super) mod run;

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use npipe::PipeMode;
use rustix::pipe::PipeFlags;

use super::inherit::{Gift, Stays, copy, pass_pipe};
use super::program;
use super::table::{Kind, Lane, Passed, Table, VARIABLE};
use crate::failure::{Failure, Outcome};
use crate::pipes::{PipeEnd, Side};
use crate::types::code;

const OWN_PROGRAM: &str = "/proc/self/exe";

/// As much as a child's input is read ahead, and what a message of its output may have.
const PAGE: usize = 4096;

/// The streams of one child that lead to named pipes.
#[derive(Default)]
pub(super) struct Relay {
    table: Table,
    copies: Vec<OwnedFd>,
    /// Where the ends are here, in the table's order.
    identities: Vec<usize>,
    /// The child's sides of outputs, by the number of the object.
    outputs: Vec<(usize, OwnedFd)>,
}

fn system(errno: rustix::io::Errno) -> Failure {
    Failure::from(std::io::Error::from(errno))
}

impl Relay {
    /// Whether this program can be started as a relay.
    pub(super) fn is_possible() -> bool {
        static KNOWN: OnceLock<bool> = OnceLock::new();
        *KNOWN.get_or_init(|| program::knows_us(OWN_PROGRAM.as_ref()))
    }

    fn object(&mut self, end: &PipeEnd) -> Result<usize, Stays> {
        let identity = std::ptr::from_ref(end) as usize;
        if let Some(known) = self.identities.iter().position(|&other| other == identity) {
            return Ok(known);
        }
        let raw = pass_pipe(end)?;
        let overlapped = false;
        let kind = match &end.side {
            Side::Server(_) => Kind::Server { overlapped },
            Side::Client(_) => Kind::Client { overlapped },
        };
        self.table.objects.push(Passed {
            kind,
            fd: raw.as_raw_fd(),
        });
        self.copies.push(raw);
        self.identities.push(identity);
        Ok(self.identities.len() - 1)
    }

    /// What the child has for one of its streams, from input on.
    pub(super) fn stream(&mut self, number: usize, end: &PipeEnd) -> Result<OwnedFd, Stays> {
        let object = self.object(end)?;
        let of_messages = end.info().map_err(Failure::from)?.mode == PipeMode::Message;
        Ok(match number {
            0 => self.input(object)?,
            _ => self.output(object, of_messages)?,
        })
    }

    fn input(&mut self, object: usize) -> Outcome<OwnedFd> {
        let (theirs, ours) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
        // One page is there or it is not, so that the relay is told when all of it was taken.
        rustix::pipe::fcntl_setpipe_size(&ours, PAGE).map_err(system)?;
        self.lane(object, ours, true)?;
        Ok(theirs)
    }

    /// Both outputs to one end are one stream, in whose order the child writes.
    fn output(&mut self, object: usize, of_messages: bool) -> Outcome<OwnedFd> {
        if let Some((_, known)) = self.outputs.iter().find(|(other, _)| *other == object) {
            return Ok(known.try_clone()?);
        }
        let kind = if of_messages {
            PipeFlags::DIRECT
        } else {
            PipeFlags::empty()
        };
        let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | kind).map_err(system)?;
        self.lane(object, ours, false)?;
        self.outputs.push((object, theirs.try_clone()?));
        Ok(theirs)
    }

    fn lane(&mut self, object: usize, ours: OwnedFd, is_input: bool) -> Outcome<()> {
        let ours = copy(ours.as_fd())?;
        let fd = ours.as_raw_fd();
        self.copies.push(ours);
        self.table.lanes.push(Lane { object, fd, is_input });
        Ok(())
    }

    /// Starts it, if there is anything to relay. What it returns is the line to it.
    ///
    /// # Errors
    /// ERROR_NOT_SUPPORTED if it did not come to life.
    pub(super) fn start(mut self) -> Outcome<Option<OwnedFd>> {
        if self.table.lanes.is_empty() {
            return Ok(None);
        }
        let (mut ours, theirs) = UnixStream::pair()?;
        let theirs = copy(theirs.as_fd())?;
        self.table.line = Some(theirs.as_raw_fd());
        self.copies.push(theirs);
        let table = copy(self.table.pack()?.as_fd())?;
        let gift = Gift::new(table, self.copies);
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0("npipe-relay");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(fd) = gift.table() {
            command.env(VARIABLE, fd.to_string());
        }
        // SAFETY: between fork and exec this makes system calls alone, takes no lock and allocates nothing.
        unsafe { command.pre_exec(move || become_relay(&gift)) };
        let mut between = command.spawn()?;
        // What the closure holds is closed here; otherwise the line would not tell of the relay's end.
        drop(command);
        // It has ended when the relay has begun. A program that waits for all its children may have been faster.
        let _ = between.wait();
        let mut ready = [0];
        match ours.read(&mut ready) {
            Ok(1) => Ok(Some(ours.into())),
            _ => {
                // Where there is no stderr nobody reads it.
                let _ = writeln!(
                    std::io::stderr(),
                    "npipe: the relay for a child's standard handles has not started: the library did not find itself in \
                     {OWN_PROGRAM} (ERROR_NOT_SUPPORTED)"
                );
                Err(Failure(code::NOT_SUPPORTED))
            }
        }
    }
}

/// Between fork and exec: leaves the family, and keeps what it was given and nothing else.
fn become_relay(gift: &Gift) -> std::io::Result<()> {
    // SAFETY: this process has one thread, and execs.
    match unsafe { libc::fork() } {
        0 => {}
        -1 => return Err(std::io::Error::last_os_error()),
        // SAFETY: nothing of this process is to run.
        _ => unsafe { libc::_exit(0) },
    }
    rustix::process::setsid()?;
    // SAFETY: ignoring a signal, which an exec preserves; a child that reads no more is no reason to end.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // What the program has open without the flag would be kept open by the relay.
    // SAFETY: marks descriptors of this process, which execs.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked != 0 {
        return Err(std::io::Error::last_os_error());
    }
    gift.keep()
}
