//! Overlapped operations on pipes: started now, completed later, by whichever thread finds them complete.
//!
//! npipe's engine carries them out; here is what an OVERLAPPED is told, and how. Each operation is a [`Sink`] for its own
//! completion: it fills in the structure, then signals the event in it or else the handle, queues a packet to the port of
//! the handle, or the completion routine to the thread that has started it. Its *signal* is what threads sleep on that may
//! wait for it; such a thread looks after the pipe itself instead of waiting for another one to do so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use npipe::Status;
use npipe::overlapped::engine::{self, Completion, IntoOrder, OperationId, Order, Refused, Signal, Sink, Started};
use npipe::{PipeServer, PipeStream};

use crate::dispatch::{Waitable, locked};
use crate::failure::{Failure, Outcome};
use crate::overlapped;
use crate::pipes::{PipeEnd, local};
use crate::pointers::{Buffer, Bytes, Kept, Out, Shared};
use crate::ports::{Association, Packet};
use crate::sanitizer;
use crate::threads::{Call, CompletionRoutine, Thread};
use crate::types::{Bool, OVERLAPPED, STATUS_PENDING, TRUE, code};

/// Who is told of a completion, beside the structure.
#[derive(Clone)]
enum Notice {
    Event(Arc<Waitable>),
    /// The handle itself (semantics 72, 221).
    Handle,
    Routine {
        thread: Arc<Thread>,
        routine: CompletionRoutine,
    },
}

/// All who are told of a completion.
#[derive(Clone)]
struct Told {
    structure: Kept<OVERLAPPED>,
    notice: Notice,
    /// Whether the port hears of it (semantics 226).
    posts: bool,
}

/// One operation that is pending. What is complete at once never becomes one.
struct Operation {
    id: OperationId,
    end: Arc<PipeEnd>,
    told: Told,
}

/// The operations of an end that may be pending.
#[derive(Default)]
pub(crate) struct Pending {
    operations: Mutex<Vec<Arc<Operation>>>,
    port: OnceLock<Association>,
    /// FILE_SKIP_COMPLETION_PORT_ON_SUCCESS.
    skips_port: AtomicBool,
}

impl Pending {
    /// The port, once there is one.
    pub(crate) fn port(&self) -> Option<&Association> {
        self.port.get()
    }

    /// # Errors
    /// ERROR_INVALID_PARAMETER for a second one.
    // semantics 251
    pub(crate) fn set_port(&self, port: Association) -> Outcome<()> {
        self.port.set(port).map_err(|_| Failure(code::INVALID_PARAMETER))
    }

    pub(crate) fn set_skips_port(&self, skips: bool) {
        self.skips_port.store(skips, Ordering::Relaxed);
    }

    /// Whether there are any.
    pub(crate) fn is_busy(&self) -> bool {
        !locked(&self.operations).is_empty()
    }

    fn forget(&self, operation: &Operation) {
        locked(&self.operations).retain(|known| !std::ptr::eq(&**known, operation));
    }

    /// The operation that a structure belongs to.
    fn find(&self, structure: Shared<'_, OVERLAPPED>) -> Option<OperationId> {
        locked(&self.operations)
            .iter()
            .find(|operation| operation.told.structure.is(structure))
            .map(|operation| operation.id)
    }
}

/// What an operation ended with, as a structure says it.
struct Result {
    status: usize,
    bytes: usize,
}

impl Result {
    fn of(completion: &Completion) -> Result {
        match completion.result {
            Ok(outcome) if outcome.more => Result {
                status: Status::BufferOverflow.ntstatus() as usize,
                bytes: outcome.bytes,
            },
            Ok(outcome) => Result {
                status: 0,
                bytes: outcome.bytes,
            },
            Err(status) => Result {
                status: status.ntstatus() as usize,
                bytes: 0,
            },
        }
    }
}

impl Told {
    /// Tells everybody. `immediate`: the call that started it has not returned.
    // semantics 212, 214, 235, 246-250
    fn tell(&self, end: &PipeEnd, completion: &Completion, immediate: bool) {
        let result = Result::of(completion);
        let structure = self.structure.get();
        end.channel.acquire();
        sanitizer::release(structure);
        structure.InternalHigh.store(result.bytes, Ordering::Relaxed);
        structure.Internal.store(result.status, Ordering::Release);
        let pending = &end.pending;
        let skips = immediate && result.status == 0 && pending.skips_port.load(Ordering::Relaxed);
        // The port that the handle has now, and not one that it gets by a thread which this wakes.
        let port = pending.port().filter(|_| self.posts && !skips);
        let signal = || end.signal(completion.result == Err(Status::PipeDisconnected));
        let post = || {
            if let Some(Association { port, key }) = port {
                port.push(Packet {
                    key: *key,
                    overlapped: self.structure.address(),
                    bytes: result.bytes as u32,
                    status: result.status,
                });
            }
        };
        match &self.notice {
            Notice::Event(event) => {
                event.set_event(true);
                post();
            }
            Notice::Handle => {
                signal();
                post();
            }
            // Either the thread itself is here and does not wait, or the engine notifies its signal afterwards.
            Notice::Routine { thread, routine } => {
                signal();
                thread.queue_quietly(Call::Completion {
                    routine: *routine,
                    error: overlapped::result_of(result.status),
                    bytes: result.bytes as u32,
                    overlapped: self.structure.address(),
                });
            }
        }
    }

    /// What threads sleep on that may wait for it.
    fn signal(&self, end: &PipeEnd) -> Arc<Signal> {
        match (&self.notice, end.pending.port()) {
            (Notice::Routine { thread, .. }, _) => Arc::clone(thread.signal()),
            (_, Some(association)) if self.posts => Arc::clone(association.port.signal()),
            (Notice::Event(event), _) => Arc::clone(event.signal()),
            (Notice::Handle, _) => Arc::clone(end.gate().signal()),
        }
    }
}

impl Sink for Operation {
    fn complete(&self, completion: Completion) {
        self.end.pending.forget(self);
        self.told.tell(&self.end, &completion, false);
    }
}

/// What is to be done.
enum Work<'a> {
    Read(engine::Buffer),
    Write(engine::Buffer),
    Transact(engine::Buffer, engine::Buffer),
    Connect(&'a PipeServer),
}

impl Work<'_> {
    fn start(self, stream: &PipeStream, order: impl IntoOrder) -> std::result::Result<Started, Refused> {
        match self {
            Work::Read(into) => engine::read(stream, into, order),
            Work::Write(data) => engine::write(stream, data, order),
            Work::Transact(request, reply) => engine::transact(stream, request, reply, order),
            Work::Connect(server) => engine::connect(server, order),
        }
    }
}

/// Starts an operation; `None` while it is pending.
fn start(end: &Arc<PipeEnd>, told: &Told, work: Work<'_>) -> Outcome<Option<overlapped::Moved>> {
    // semantics 213
    match &told.notice {
        Notice::Event(event) => drop(event.set_event(false)),
        // A routine's operation has no event either, whatever stands in its structure (semantics 221, 241).
        Notice::Handle | Notice::Routine { .. } => end.gate().close_gate(),
    }
    told.structure.get().Internal.store(STATUS_PENDING, Ordering::Relaxed);
    end.channel.release();
    let order = |id| {
        let operation = Arc::new(Operation {
            id,
            end: Arc::clone(end),
            told: told.clone(),
        });
        // Listed before anybody can complete it, who takes it from the list.
        locked(&end.pending.operations).push(Arc::clone(&operation));
        Order {
            sink: operation,
            signal: told.signal(end),
            issuer: Some(Thread::issues_on(end)),
        }
    };
    let started = work.start(end, order);
    local::settle();
    match started {
        Ok(Started::Pending(_)) => Ok(None),
        Ok(Started::Complete(completion)) => {
            told.tell(end, &completion, true);
            Ok(Some(completion.result?.into()))
        }
        Err(refused) => Err(refused.status.into()),
    }
}

/// Starts an operation whose structure names an event or leaves the handle to be signaled.
fn start_signaling(
    end: &Arc<PipeEnd>,
    structure: Shared<'_, OVERLAPPED>,
    work: Work<'_>,
) -> Outcome<Option<overlapped::Moved>> {
    let structure = structure.keep()?;
    let told = Told {
        notice: overlapped::event(structure.get())?.map_or(Notice::Handle, Notice::Event),
        // semantics 226
        posts: structure.get().hEvent.load(Ordering::Relaxed) & 1 == 0,
        structure,
    };
    start(end, &told, work)
}

/// What ReadFile and its kin return for an operation that they started.
// semantics 211, 215
fn answer(started: Option<overlapped::Moved>, count: Out<u32>) -> Outcome<Bool> {
    match started {
        None => Err(Failure::from(Status::Pending)),
        Some(moved) if moved.more => Err(Failure(code::MORE_DATA)),
        Some(moved) => moved.answer(count),
    }
}

/// ReadFile with an OVERLAPPED.
pub(crate) fn read(
    end: &Arc<PipeEnd>,
    into: Buffer<'_>,
    size: u32,
    structure: Shared<'_, OVERLAPPED>,
    count: Out<u32>,
) -> Outcome<Bool> {
    answer(start_signaling(end, structure, Work::Read(into.lend(size)?))?, count)
}

/// WriteFile with an OVERLAPPED.
pub(crate) fn write(
    end: &Arc<PipeEnd>,
    data: Bytes<'_>,
    size: u32,
    structure: Shared<'_, OVERLAPPED>,
    count: Out<u32>,
) -> Outcome<Bool> {
    answer(start_signaling(end, structure, Work::Write(data.lend(size)?))?, count)
}

/// TransactNamedPipe with an OVERLAPPED.
// semantics 157
pub(crate) fn transact(
    end: &Arc<PipeEnd>,
    request: (Bytes<'_>, u32),
    reply: (Buffer<'_>, u32),
    structure: Shared<'_, OVERLAPPED>,
    count: Out<u32>,
) -> Outcome<Bool> {
    let work = Work::Transact(request.0.lend(request.1)?, reply.0.lend(reply.1)?);
    answer(start_signaling(end, structure, work)?, count)
}

/// ConnectNamedPipe with an OVERLAPPED.
// semantics 68-72
pub(crate) fn connect(end: &Arc<PipeEnd>, structure: Shared<'_, OVERLAPPED>) -> Outcome<()> {
    match start_signaling(end, structure, Work::Connect(end.server()?))? {
        None => Err(Failure::from(Status::Pending)),
        Some(_) => Ok(()),
    }
}

/// Starts an operation with a completion routine; whether what was read has more.
// semantics 234, 235, 240-242, 245
fn start_with_routine(
    end: &Arc<PipeEnd>,
    structure: Shared<'_, OVERLAPPED>,
    routine: Option<CompletionRoutine>,
    work: Work<'_>,
) -> Outcome<bool> {
    let invalid = Failure(code::INVALID_PARAMETER);
    let routine = routine.ok_or(invalid)?;
    if end.pending.port().is_some() {
        return Err(invalid);
    }
    let thread = Thread::current();
    let told = Told {
        structure: structure.keep()?,
        notice: Notice::Routine { thread, routine },
        posts: false,
    };
    let started = start(end, &told, work)?;
    Ok(started.is_some_and(|moved| moved.more))
}

/// ReadFileEx: TRUE when it is started, with the last error saying whether the message has more.
pub(crate) fn read_ex(
    end: &Arc<PipeEnd>,
    into: Buffer<'_>,
    size: u32,
    structure: Shared<'_, OVERLAPPED>,
    routine: Option<CompletionRoutine>,
) -> Outcome<Bool> {
    let more = start_with_routine(end, structure, routine, Work::Read(into.lend(size)?))?;
    crate::failure::set_last_error(if more { code::MORE_DATA } else { code::SUCCESS });
    Ok(TRUE)
}

/// WriteFileEx.
pub(crate) fn write_ex(
    end: &Arc<PipeEnd>,
    data: Bytes<'_>,
    size: u32,
    structure: Shared<'_, OVERLAPPED>,
    routine: Option<CompletionRoutine>,
) -> Outcome<Bool> {
    start_with_routine(end, structure, routine, Work::Write(data.lend(size)?))?;
    crate::failure::set_last_error(code::SUCCESS);
    Ok(TRUE)
}

/// ReadFileEx and WriteFileEx on a handle that is not overlapped: the operation is over when they return, and its routine
/// still waits for the thread to be alertable. The event in the structure is the program's own.
// semantics 223, 234, 235
pub(crate) fn finish_with_routine(
    end: &PipeEnd,
    structure: Shared<'_, OVERLAPPED>,
    routine: Option<CompletionRoutine>,
    act: impl FnOnce() -> Outcome<overlapped::Moved>,
) -> Outcome<Bool> {
    let invalid = Failure(code::INVALID_PARAMETER);
    let (routine, kept) = (routine.ok_or(invalid)?, structure.keep()?);
    if end.pending.port().is_some() {
        return Err(invalid);
    }
    let moved = overlapped::filling(kept.get(), act)?;
    let error = if moved.more { code::MORE_DATA } else { code::SUCCESS };
    Thread::current().queue_quietly(Call::Completion {
        routine,
        error,
        bytes: moved.bytes as u32,
        overlapped: kept.address(),
    });
    crate::failure::set_last_error(error);
    Ok(TRUE)
}

/// CancelIoEx for one structure.
// semantics 228, 230, 231
pub(crate) fn cancel(end: &PipeEnd, structure: Shared<'_, OVERLAPPED>) -> Outcome<()> {
    let nothing = Failure(code::NOT_FOUND);
    // What is complete by now is not to be cancelled.
    engine::pump(end);
    let id = end.pending.find(structure).ok_or(nothing)?;
    engine::cancel(end, id)?;
    // It completes before the call returns.
    engine::pump(end);
    Ok(())
}

/// An end that a thread has operations on, which end with the thread (semantics 233).
pub(crate) fn cancel_issued(end: &Weak<PipeEnd>, issuer: engine::Issuer) {
    if let Some(end) = end.upgrade()
        && end.pending.port().is_none()
    {
        engine::cancel_issued(&end, issuer);
    }
}
