//! What a handle can stand for.

use std::sync::Arc;

use crate::dispatch::Waitable;
use crate::failure::{Failure, Outcome};
use crate::files::OpenFile;
use crate::pipes::{AnonymousEnd, PipeEnd};
use crate::pool::Registration;
use crate::ports::Port;
use crate::threads::Thread;
use crate::types::{FILE_TYPE_PIPE, Handle, code};

/// An object, as its handles share it.
#[derive(Clone)]
pub(crate) enum Object {
    /// An end of a named pipe.
    Pipe(Arc<PipeEnd>),
    /// An end of an anonymous pipe.
    Anonymous(Arc<AnonymousEnd>),
    /// `\\.\pipe\` itself.
    PipeDevice,
    /// An ordinary file.
    File(Arc<OpenFile>),
    Event(Arc<Waitable>),
    Mutex(Arc<Waitable>),
    Semaphore(Arc<Waitable>),
    Thread(Arc<Thread>),
    Port(Arc<Port>),
    /// A registered wait.
    Registration(Arc<Registration>),
    /// This process.
    Process,
}

impl Object {
    /// One more handle stands for it.
    pub(crate) fn opened(&self) {
        match self {
            Object::Pipe(end) => end.opened(),
            Object::Port(port) => port.opened(),
            _ => {}
        }
    }

    /// A handle less stands for it. A pipe's end is closed with the last one, whatever calls are inside; other objects go
    /// when nobody uses them.
    // semantics 190
    pub(crate) fn closed(&self) {
        match self {
            Object::Pipe(end) => end.closed(),
            Object::Port(port) => port.closed(),
            _ => {}
        }
    }

    /// What is waited for when the handle is.
    pub(crate) fn waitable(&self) -> Arc<Waitable> {
        match self {
            Object::Event(waitable) | Object::Mutex(waitable) | Object::Semaphore(waitable) => Arc::clone(waitable),
            Object::Thread(thread) => Arc::clone(thread.waitable()),
            Object::Pipe(end) => end.waitable(),
            Object::Anonymous(_) | Object::PipeDevice | Object::File(_) => Waitable::gate(),
            // A process is over when nobody can ask any more; whoever waits for a port asks it for a packet.
            Object::Process | Object::Port(_) | Object::Registration(_) => Waitable::event(true, false),
        }
    }

    /// GetFileType.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no file.
    pub(crate) fn file_type(&self) -> Outcome<u32> {
        match self {
            Object::Pipe(_) | Object::Anonymous(_) | Object::PipeDevice => Ok(FILE_TYPE_PIPE),
            Object::File(file) => Ok(file.file_type()),
            _ => Err(Failure(code::INVALID_HANDLE)),
        }
    }
}

/// The end of a named pipe behind a handle.
///
/// # Errors
/// ERROR_INVALID_HANDLE for anything else.
pub(crate) fn pipe_end(handle: Handle) -> Outcome<Arc<PipeEnd>> {
    match crate::handles::get(handle)?.object {
        Object::Pipe(end) => Ok(end),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}
