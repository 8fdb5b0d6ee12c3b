#![allow(
    unsafe_code,
    reason = "runs before the program does, takes descriptors by their numbers, and changes the environment"
)]

//! What a process finds at its start: the handles that it has inherited.
//!
//! The library takes them before `main` runs. The variable goes from the environment and the descriptors do not survive an
//! exec from there on, so that nothing of it reaches a child that was not given it. A table that is another process' is left
//! alone: the variable has come through a program that knows nothing of it.

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use npipe::{PipeClient, PipeServer};
use rustix::io::FdFlags;

use super::table::{Kind, Line, Standard, Table, VARIABLE};
use crate::failure::{Failure, Outcome, boundary};
use crate::files::{self, OpenFile};
use crate::handles::{self, Entry};
use crate::object::Object;
use crate::pipes::{AnonymousEnd, PipeEnd, Side};
use crate::sanitizer::Channel;
use crate::types::code;

/// What runs when the library is loaded, before constructors of the program's that may make handles.
// SAFETY: the section holds functions of this type, which the loader calls once each.
#[used]
#[unsafe(link_section = ".init_array.00101")]
static AT_START: extern "C" fn() = at_start;

/// Has the linker keep the above: whoever looks a handle up refers to it.
#[inline]
pub(crate) fn keep_linked() {
    std::hint::black_box(&AT_START);
}

extern "C" fn at_start() {
    boundary((), || {
        if let Some(value) = std::env::var_os(VARIABLE) {
            // SAFETY: the program has not begun, and who loads this library later vouches that nobody reads the environment.
            unsafe { std::env::remove_var(VARIABLE) };
            let fd = value.to_str().and_then(|text| text.parse().ok());
            if let Err(why) = fd.ok_or("it is no number").and_then(claim) {
                complain(why);
            }
        }
        Ok(())
    });
}

fn complain(why: &str) {
    // Where there is no stderr nobody reads it.
    let _ = writeln!(std::io::stderr(), "npipe: {VARIABLE} is not used: {why}");
}

/// Takes a descriptor that this process has inherited; `None` if there is none of that number.
fn take(fd: RawFd) -> Option<OwnedFd> {
    if fd < 3 {
        return None;
    }
    // SAFETY: asks whether it is open, and does nothing else.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    // Those of this process' own are closed by an exec, so one that is not came from outside and is nobody's yet.
    if flags < 0 || flags & libc::FD_CLOEXEC != 0 {
        return None;
    }
    // SAFETY: it is open, and was given to us by number; from here on it is marked and not taken again.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).ok()?;
    Some(fd)
}

/// Looks at a descriptor that may be of anybody.
fn is_open(fd: RawFd) -> bool {
    // SAFETY: asks whether it is open, and does nothing else.
    fd >= 3 && unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0
}

fn claim(fd: RawFd) -> Result<(), &'static str> {
    if !is_open(fd) {
        return Err("its descriptor is not open");
    }
    // SAFETY: it is open, and nobody else runs yet who could close it.
    let memory = unsafe { BorrowedFd::borrow_raw(fd) };
    let Some(table) = Table::unpack(memory)? else {
        return Ok(());
    };
    drop(take(fd));
    adopt(&table);
    Ok(())
}

fn adopt(table: &Table) {
    let mut objects = HashMap::new();
    for (index, passed) in table.objects.iter().enumerate() {
        let made = match passed.kind {
            Kind::Device => Ok(Object::PipeDevice),
            kind => take(passed.fd)
                .ok_or(Failure(code::INVALID_HANDLE))
                .and_then(|fd| object(kind, fd)),
        };
        match made {
            Ok(made) => {
                objects.insert(index, made);
            }
            Err(Failure(number)) => complain_of(table, index, number),
        }
    }
    for &Line { handle, object, access } in &table.handles {
        if let Some(object) = objects.get(&object) {
            let entry = Entry {
                object: object.clone(),
                access,
                // As on Windows, they go on to children's children.
                inherit: true,
                protect: false,
            };
            if handles::place_at(handle, entry).is_err() {
                complain("two handles have one number");
            }
        }
    }
    for (stream, standard) in table.standard.iter().enumerate() {
        if let Standard::Number(handle) = *standard {
            files::set_standard(stream, handle);
        }
    }
}

fn complain_of(table: &Table, index: usize, number: u32) {
    for line in table.handles.iter().filter(|line| line.object == index) {
        let _ = writeln!(
            std::io::stderr(),
            "npipe: the inherited handle {:#x} cannot be taken over: error {number}",
            line.handle
        );
    }
}

fn object(kind: Kind, fd: OwnedFd) -> Outcome<Object> {
    Ok(match kind {
        Kind::Server { overlapped } => Object::Pipe(PipeEnd::new(
            Side::Server(PipeServer::from_raw(fd)?),
            overlapped,
            Channel::default(),
        )),
        Kind::Client { overlapped } => Object::Pipe(PipeEnd::new(
            Side::Client(PipeClient::from_raw(fd)?),
            overlapped,
            Channel::default(),
        )),
        Kind::Reader { size } => Object::Anonymous(Arc::new(AnonymousEnd::reader(fd, size)?)),
        Kind::Writer { size } => Object::Anonymous(Arc::new(AnonymousEnd::writer(fd, size)?)),
        Kind::File | Kind::Device => Object::File(Arc::new(OpenFile::from(fd))),
    })
}
