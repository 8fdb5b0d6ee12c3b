//! What a child is given: the inheritable handles, and the standard ones.
//!
//! Each object goes as one descriptor, whichever number of handles stands for it: an end of a named pipe by npipe's
//! `into_raw`, an anonymous pipe and a file as the system's own descriptor, which a program that knows nothing of us has
//! then too. The copies are made for one child and gone from here when it runs.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use npipe::{Access, Status};
use rustix::io::FdFlags;

use super::program;
use super::relay::Relay;
use super::table::{self, Kind, Line, Passed, Standard, Table};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::handles::{self, Entry};
use crate::object::Object;
use crate::pipes::{AnonymousEnd, PipeEnd, Side};
use crate::types::{Handle, code};

/// The numbers below are for shells and programs, which choose some themselves.
const LOWEST: i32 = 64;

/// What one child is given.
pub(super) struct Gift {
    table: Option<OwnedFd>,
    copies: Vec<OwnedFd>,
}

/// One of the child's streams; `None` is ours.
pub(super) type Stream = Option<OwnedFd>;

impl Gift {
    pub(super) fn new(table: OwnedFd, copies: Vec<OwnedFd>) -> Gift {
        let table = Some(table);
        Gift { table, copies }
    }

    /// Where the child finds its table.
    pub(super) fn table(&self) -> Option<i32> {
        self.table.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Lets the child keep it. Between fork and exec: makes system calls and nothing else.
    pub(super) fn keep(&self) -> std::io::Result<()> {
        if let Some(table) = &self.table {
            table::address(table.as_fd())?;
        }
        for copy in self.copies.iter().chain(&self.table) {
            rustix::io::fcntl_setfd(copy, FdFlags::empty())?;
        }
        Ok(())
    }
}

/// Says what a child does not get.
fn left_out(handle: Handle, what: &str) {
    // Where there is no stderr nobody reads it.
    let _ = writeln!(
        std::io::stderr(),
        "npipe: handle {handle:#x} is marked inheritable but {what}; the child does not get it"
    );
}

pub(super) fn copy(fd: BorrowedFd<'_>) -> Outcome<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, LOWEST).map_err(|errno| Failure::from(std::io::Error::from(errno)))
}

fn raw_end(end: &PipeEnd) -> npipe::Result<OwnedFd> {
    match &end.side {
        Side::Server(server) => server.try_clone()?.into_raw(),
        Side::Client(client) => client.try_clone()?.into_raw(),
    }
}

/// Why an object stays here.
pub(super) enum Stays {
    Because(&'static str),
    Failed(Failure),
}

impl From<Failure> for Stays {
    fn from(failure: Failure) -> Stays {
        Stays::Failed(failure)
    }
}

/// An end as a descriptor that does not hinder anybody.
pub(super) fn pass_pipe(end: &PipeEnd) -> Result<OwnedFd, Stays> {
    let raw = raw_end(end).map_err(|error| match error.status() {
        Status::InvalidPipeState => Stays::Because("is an instance without a client, which stays where it was created"),
        Status::PipeDisconnected => Stays::Because("is an end that was disconnected"),
        _ => Stays::Failed(error.into()),
    })?;
    Ok(copy(raw.as_fd())?)
}

fn pass(object: &Object) -> Result<(Kind, Option<OwnedFd>), Stays> {
    Ok(match object {
        Object::Pipe(end) => {
            let overlapped = end.overlapped;
            let kind = match &end.side {
                Side::Server(_) => Kind::Server { overlapped },
                Side::Client(_) => Kind::Client { overlapped },
            };
            (kind, Some(pass_pipe(end)?))
        }
        Object::Anonymous(end) => {
            end.share();
            let kind = match &**end {
                AnonymousEnd::Reader(reader) => Kind::Reader {
                    size: reader.info().out_buffer_size,
                },
                AnonymousEnd::Writer(writer) => Kind::Writer {
                    size: writer.info().out_buffer_size,
                },
            };
            (kind, Some(copy(end.as_fd())?))
        }
        Object::File(file) => (Kind::File, Some(copy(file.as_fd())?)),
        Object::PipeDevice => (Kind::Device, None),
        Object::Event(_) | Object::Mutex(_) | Object::Semaphore(_) => {
            return Err(Stays::Because(
                "is an event, a mutex or a semaphore, which are of one process",
            ));
        }
        Object::Thread(_) | Object::OtherThread(_) => return Err(Stays::Because("is a thread's")),
        Object::Process | Object::OtherProcess(_) => return Err(Stays::Because("is a process'")),
        Object::Token(_) => return Err(Stays::Because("is a token's, which are of one process")),
        Object::Port(_) | Object::Timer(_) | Object::Pooled(_) => {
            return Err(Stays::Because(
                "is a port, a timer or a pool's, which are of one process",
            ));
        }
    })
}

/// The table of a child in the making.
#[derive(Default)]
struct Packing {
    table: Table,
    copies: Vec<OwnedFd>,
    /// Where the objects are here, in the table's order.
    identities: Vec<usize>,
    /// The standard streams that lead to named pipes.
    relay: Relay,
}

impl Packing {
    fn add(&mut self, handle: Handle, entry: &Entry) -> Outcome<()> {
        let identity = entry.object.identity();
        let known = self.identities.iter().position(|&other| other == identity);
        let object = match known {
            Some(object) => object,
            None => match pass(&entry.object) {
                Ok((kind, copy)) => {
                    let fd = copy.as_ref().map_or(0, AsRawFd::as_raw_fd);
                    self.copies.extend(copy);
                    self.table.objects.push(Passed { kind, fd });
                    self.identities.push(identity);
                    self.identities.len() - 1
                }
                Err(Stays::Because(what)) => {
                    left_out(handle, what);
                    return Ok(());
                }
                Err(Stays::Failed(failure)) => return Err(failure),
            },
        };
        let access = entry.access;
        self.table.handles.push(Line { handle, object, access });
        Ok(())
    }

    fn has(&self, handle: Handle) -> bool {
        self.table.handles.iter().any(|line| line.handle == handle)
    }

    /// The child's stream for a standard handle of which it has the number, or of which it gets the stream alone.
    fn stream(&mut self, number: usize, handle: Handle, entry: &Entry, program: &Path) -> Outcome<OwnedFd> {
        if self.has(handle) {
            self.table.standard[number] = Standard::Number(handle);
        }
        match &entry.object {
            Object::File(file) => copy(file.as_fd()),
            Object::Anonymous(end) => {
                end.share();
                copy(end.as_fd())
            }
            Object::Pipe(_) if self.has(handle) && program::knows_us(program) => nothing(),
            Object::Pipe(end) => self.relayed(number, (handle, end), entry.access, program),
            _ => nothing(),
        }
    }

    /// The stream for an end of a named pipe, of a program that would not find the handle.
    fn relayed(
        &mut self,
        number: usize,
        (handle, end): (Handle, &PipeEnd),
        access: Access,
        program: &Path,
    ) -> Outcome<OwnedFd> {
        let may = if number == 0 { access.read } else { access.write };
        if !may {
            return nothing();
        }
        if !Relay::is_possible() {
            let why = "this program is not linked with libnpipe itself, so that it cannot be started as the relay between them";
            return Err(refuse(handle, program, why));
        }
        if end.state().is_ok_and(|state| state.nowait) {
            return Err(refuse(handle, program, "it is in PIPE_NOWAIT mode"));
        }
        match self.relay.stream(number, end) {
            Ok(stream) => Ok(stream),
            Err(Stays::Because(what)) => Err(refuse(handle, program, &format!("it {what}"))),
            Err(Stays::Failed(failure)) => Err(failure),
        }
    }
}

fn nothing() -> Outcome<OwnedFd> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    Ok(file.into())
}

/// Says why a child cannot have an end as a standard stream.
fn refuse(handle: Handle, program: &Path, why: &str) -> Failure {
    let _ = writeln!(
        std::io::stderr(),
        "npipe: handle {handle:#x} is an end of a named pipe that cannot be a standard handle of {}: {why} \
         (ERROR_NOT_SUPPORTED)",
        program.display()
    );
    Failure(code::NOT_SUPPORTED)
}

/// Which of the inheritable handles a child gets.
pub(super) enum Inherited {
    None,
    All,
    /// PROC_THREAD_ATTRIBUTE_HANDLE_LIST.
    Those(Vec<Handle>),
}

impl Inherited {
    fn has(&self, handle: Handle) -> bool {
        match self {
            Inherited::None => false,
            Inherited::All => true,
            Inherited::Those(chosen) => chosen.contains(&handle),
        }
    }
}

/// Gathers what a child gets: the inheritable handles that it is to have, and the standard ones that were given or are set here.
// semantics 259, 260
pub(super) fn gather(
    inherit: &Inherited,
    given: Option<[Handle; 3]>,
    program: &Path,
) -> Outcome<(Gift, [Stream; 3], Relay)> {
    let mut packing = Packing::default();
    for (handle, entry) in handles::inheritable() {
        if inherit.has(handle) {
            packing.add(handle, &entry)?;
        }
    }
    let mut streams = [None, None, None];
    for (number, stream) in streams.iter_mut().enumerate() {
        *stream = match given {
            // What the child does not inherit is no handle there.
            Some(given) => match handles::get(given[number]) {
                Ok(entry) if inherit.has(given[number]) && entry.inherit => {
                    Some(packing.stream(number, given[number], &entry, program)?)
                }
                _ => Some(nothing()?),
            },
            None => match files::standard_handle(number) {
                Some(handle) => match handles::get(handle) {
                    Ok(entry) => Some(packing.stream(number, handle, &entry, program)?),
                    Err(_) => Some(nothing()?),
                },
                None => None,
            },
        };
    }
    let table = match packing.table.handles.is_empty() {
        true => None,
        false => Some(packing.table.pack()?),
    };
    let table = table.map(|table| copy(table.as_fd())).transpose()?;
    let (copies, relay) = (packing.copies, packing.relay);
    Ok((Gift { table, copies }, streams, relay))
}
