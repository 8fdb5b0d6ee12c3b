//! What a handle can stand for.

use std::any::Any;
use std::sync::Arc;

use crate::dispatch::Waitable;
use crate::failure::{Failure, Outcome};
use crate::files::OpenFile;
use crate::pipes::{AnonymousEnd, PipeEnd};
use crate::ports::Port;
use crate::processes::Process;
use crate::security::tokens::TokenHandle;
use crate::threads::Thread;
use crate::timers::Timer;
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
    /// A waitable timer.
    Timer(Arc<Timer>),
    /// What only its own functions take, see [`crate::pool`].
    Pooled(Arc<dyn Any + Send + Sync>),
    /// An access token, with what may be done with it by some handles.
    Token(Arc<TokenHandle>),
    /// This process.
    Process,
    /// Another one.
    OtherProcess(Arc<Process>),
    /// The first thread of another one.
    OtherThread(Arc<Process>),
}

impl Object {
    /// One more handle stands for it.
    pub(crate) fn opened(&self) {
        match self {
            Object::Pipe(end) => end.opened(),
            Object::Port(port) => port.opened(),
            Object::Timer(timer) => timer.opened(),
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
            Object::Timer(timer) => timer.closed(),
            _ => {}
        }
    }

    /// What is waited for when the handle is.
    pub(crate) fn waitable(&self) -> Arc<Waitable> {
        match self {
            Object::Event(waitable) | Object::Mutex(waitable) | Object::Semaphore(waitable) => Arc::clone(waitable),
            Object::Thread(thread) => Arc::clone(thread.waitable()),
            Object::Timer(timer) => Arc::clone(timer.waitable()),
            Object::OtherProcess(process) => Arc::clone(process.waitable()),
            Object::OtherThread(process) => Arc::clone(process.thread_waitable()),
            Object::Pipe(end) => end.waitable(),
            Object::Anonymous(_) | Object::PipeDevice | Object::File(_) => Waitable::gate(),
            // A process is over when nobody can ask any more; whoever waits for a port asks it for a packet.
            Object::Process | Object::Port(_) | Object::Token(_) | Object::Pooled(_) => Waitable::event(true, false),
        }
    }

    /// The same for all handles of one object and for no other's, while one is open.
    pub(crate) fn identity(&self) -> usize {
        match self {
            Object::Pipe(end) => Arc::as_ptr(end) as usize,
            Object::Anonymous(end) => Arc::as_ptr(end) as usize,
            Object::File(file) => Arc::as_ptr(file) as usize,
            Object::Event(waitable) | Object::Mutex(waitable) | Object::Semaphore(waitable) => {
                Arc::as_ptr(waitable) as usize
            }
            Object::Thread(thread) => Arc::as_ptr(thread) as usize,
            Object::Port(port) => Arc::as_ptr(port) as usize,
            Object::OtherProcess(process) | Object::OtherThread(process) => Arc::as_ptr(process) as usize,
            Object::Token(token) => Arc::as_ptr(token) as usize,
            Object::Timer(timer) => Arc::as_ptr(timer) as usize,
            Object::Pooled(pooled) => Arc::as_ptr(pooled).cast::<()>() as usize,
            Object::PipeDevice => 1,
            Object::Process => 2,
        }
    }

    /// Itself, unless only its own functions take it.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE.
    pub(crate) fn of_the_system(self) -> Outcome<Object> {
        match self {
            Object::Pooled(_) => Err(Failure(code::INVALID_HANDLE)),
            other => Ok(other),
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
