//! The operations, and the lines in which `conformance/differential/actors.c` reads them.

/// `GENERIC_READ` and `GENERIC_WRITE`.
const GENERIC: [u32; 2] = [0x8000_0000, 0x4000_0000];

/// Where the interpreter has the duplicates.
const DUPLICATES: usize = 16;

/// How a call is made that may wait; the numbers stand in scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By the thread that performs the script, which it does not hold up.
    Direct = 0,
    /// With an OVERLAPPED that has an event.
    Overlapped = 1,
    /// By a thread of its own, without an OVERLAPPED.
    Actor = 2,
    /// By a thread of its own, with an OVERLAPPED on a handle that is not overlapped.
    ActorWithOverlapped = 3,
    /// With an OVERLAPPED that has no event: the handle is signaled.
    ByHandle = 4,
    /// With an OVERLAPPED whose event resets itself.
    AutoReset = 5,
    /// With an OVERLAPPED whose event's low bit keeps the port out of it.
    Quiet = 6,
    /// With a completion routine.
    Routine = 7,
}

impl Form {
    pub(crate) fn is_actor(self) -> bool {
        matches!(self, Form::Actor | Form::ActorWithOverlapped)
    }

    /// Whether the call returns at once and its operation ends by itself.
    pub(crate) fn is_overlapped(self) -> bool {
        self != Form::Direct && !self.is_actor()
    }

    /// Whether a port hears of the operation (semantics 226).
    pub(crate) fn posts(self) -> bool {
        matches!(self, Form::Overlapped | Form::ByHandle | Form::AutoReset)
    }
}

/// How a thread is alertable; the numbers stand in scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alert {
    Sleep = 0,
    WaitForOne = 1,
    WaitForSeveral = 2,
    SignalAndWait = 3,
    AtAPort = 4,
    /// It waits for what is signaled already.
    ForSignaled = 5,
    /// It waits, and is not alertable.
    Not = 6,
}

impl Alert {
    pub(crate) const ALL: [Alert; 7] = [
        Alert::Sleep,
        Alert::WaitForOne,
        Alert::WaitForSeveral,
        Alert::SignalAndWait,
        Alert::AtAPort,
        Alert::ForSignaled,
        Alert::Not,
    ];

    /// Whether calls that are due run (semantics 234, 237, 238).
    pub(crate) fn runs(self) -> bool {
        !matches!(self, Alert::ForSignaled | Alert::Not)
    }
}

/// The arguments of CreateNamedPipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) open_mode: u32,
    pub(crate) pipe_mode: u32,
    pub(crate) most_instances: u32,
    pub(crate) out_bytes: u32,
    pub(crate) in_bytes: u32,
    pub(crate) default_ms: u32,
}

/// Which calls are to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// CancelIo.
    OfThread,
    /// CancelIoEx without an OVERLAPPED.
    All,
    /// CancelIoEx of the call that a step made.
    One(u32),
}

impl Which {
    fn number(self) -> i64 {
        match self {
            Which::OfThread => -2,
            Which::All => -1,
            Which::One(call) => call.into(),
        }
    }
}

/// A place for a handle.
pub(crate) type Slot = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create {
        slot: Slot,
        name: usize,
        parameters: Parameters,
    },
    Open {
        slot: Slot,
        name: usize,
        access: [bool; 2],
        overlapped: bool,
    },
    Connect {
        slot: Slot,
        form: Form,
    },
    Read {
        slot: Slot,
        size: u32,
        form: Form,
    },
    Write {
        slot: Slot,
        size: u32,
        form: Form,
    },
    Transact {
        slot: Slot,
        request: u32,
        reply: u32,
        form: Form,
    },
    Flush {
        slot: Slot,
        form: Form,
    },
    Wait {
        name: usize,
        timeout_ms: u32,
        form: Form,
    },
    Peek {
        slot: Slot,
        size: u32,
    },
    Disconnect {
        slot: Slot,
    },
    Close {
        slot: Slot,
    },
    SetState {
        slot: Slot,
        mode: Option<u32>,
    },
    State {
        slot: Slot,
    },
    Information {
        slot: Slot,
    },
    Cancel {
        slot: Slot,
        which: Which,
    },
    /// CancelSynchronousIo of the thread that is inside of the call that a step made.
    CancelThread {
        call: u32,
    },
    /// CancelIoEx without an OVERLAPPED, until the call that a step made in a thread has ended.
    CancelInside {
        slot: Slot,
        call: u32,
    },
    /// GetOverlappedResult of a call that waits, which does not.
    Result {
        call: u32,
    },
    /// DuplicateHandle of an end that has one handle.
    Duplicate {
        slot: Slot,
    },
    /// CreateIoCompletionPort.
    Associate {
        slot: Slot,
        port: usize,
    },
    /// SetFileCompletionNotificationModes.
    SkipSuccesses {
        slot: Slot,
    },
    Post {
        port: usize,
    },
    /// GetQueuedCompletionStatus, or its Ex form if there is a most.
    Take {
        port: usize,
        most: usize,
    },
    QueueCall,
    /// An alertable wait, or one that is nearly one.
    Alert {
        how: Alert,
    },
}

impl Operation {
    /// Whose handle it is done with.
    pub(crate) fn slot(&self) -> Option<Slot> {
        match *self {
            Operation::Create { .. }
            | Operation::Open { .. }
            | Operation::Wait { .. }
            | Operation::CancelThread { .. }
            | Operation::Result { .. }
            | Operation::Post { .. }
            | Operation::Take { .. }
            | Operation::QueueCall
            | Operation::Alert { .. } => None,
            Operation::Connect { slot, .. }
            | Operation::Read { slot, .. }
            | Operation::Write { slot, .. }
            | Operation::Transact { slot, .. }
            | Operation::Flush { slot, .. }
            | Operation::Peek { slot, .. }
            | Operation::Disconnect { slot }
            | Operation::Close { slot }
            | Operation::SetState { slot, .. }
            | Operation::State { slot }
            | Operation::Information { slot }
            | Operation::Cancel { slot, .. }
            | Operation::CancelInside { slot, .. }
            | Operation::Duplicate { slot }
            | Operation::Associate { slot, .. }
            | Operation::SkipSuccesses { slot } => Some(slot),
        }
    }

    /// The form of a call that may wait.
    pub(crate) fn form(&self) -> Option<Form> {
        match *self {
            Operation::Connect { form, .. }
            | Operation::Read { form, .. }
            | Operation::Write { form, .. }
            | Operation::Transact { form, .. }
            | Operation::Flush { form, .. }
            | Operation::Wait { form, .. } => Some(form),
            _ => None,
        }
    }
}

/// An operation, and the number that its call has for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) id: u32,
    /// Through which handle of its end: 0, or 1 for the duplicate.
    pub(crate) handle: usize,
    pub(crate) operation: Operation,
}

/// Where the interpreter has a handle of an end.
pub(crate) fn place(slot: Slot, handle: usize) -> usize {
    slot + handle * DUPLICATES
}

impl Step {
    /// The line of a script. A handle that the rules refuse is given no slot: where the system makes one all the same, it is
    /// closed at once.
    pub(crate) fn line(&self, refused: bool) -> String {
        let id = self.id;
        let made = |slot: Slot| if refused { -1 } else { slot as i64 };
        let slot = self.operation.slot().map_or(0, |slot| place(slot, self.handle));
        match self.operation {
            Operation::Create {
                slot,
                name,
                parameters: of,
            } => format!(
                "c {id} {} {name} {} {} {} {} {} {}",
                made(slot),
                of.open_mode,
                of.pipe_mode,
                of.most_instances,
                of.out_bytes,
                of.in_bytes,
                of.default_ms
            ),
            Operation::Open {
                slot,
                name,
                access,
                overlapped,
            } => {
                let access: u32 = (0..2).filter(|&right| access[right]).map(|right| GENERIC[right]).sum();
                format!("o {id} {} {name} {access} {}", made(slot), u8::from(overlapped))
            }
            Operation::Connect { form, .. } => format!("n {id} {} {slot}", form as u8),
            Operation::Read { size, form, .. } => format!("r {id} {} {slot} {size}", form as u8),
            Operation::Write { size, form, .. } => format!("w {id} {} {slot} {size}", form as u8),
            Operation::Transact {
                request, reply, form, ..
            } => {
                format!("t {id} {} {slot} {request} {reply}", form as u8)
            }
            Operation::Flush { form, .. } => format!("f {id} {} {slot}", form as u8),
            Operation::Wait { name, timeout_ms, form } => format!("W {id} {} {name} {timeout_ms}", form as u8),
            Operation::Peek { size, .. } => format!("p {id} {slot} {size}"),
            Operation::SetState { mode, .. } => format!("s {id} {slot} {}", mode.map_or(-1, i64::from)),
            Operation::Cancel { which, .. } => format!("k {id} {slot} {}", which.number()),
            Operation::CancelInside { call, .. } => format!("K {id} {slot} {call}"),
            Operation::CancelThread { call } => format!("y {id} {call}"),
            Operation::Result { call } => format!("R {id} {call}"),
            Operation::Associate { port, .. } => format!("P {id} {slot} {port}"),
            Operation::Post { port } => format!("b {id} {port}"),
            Operation::Take { port, most } => format!("q {id} {port} {most}"),
            Operation::QueueCall => format!("u {id}"),
            Operation::Alert { how } => format!("z {id} {}", how as u8),
            Operation::Disconnect { .. } => format!("d {id} {slot}"),
            Operation::Close { .. } => format!("x {id} {slot}"),
            Operation::State { .. } => format!("g {id} {slot}"),
            Operation::Information { .. } => format!("i {id} {slot}"),
            Operation::Duplicate { .. } => format!("D {id} {slot}"),
            Operation::SkipSuccesses { .. } => format!("m {id} {slot}"),
        }
    }

    /// What a write or a request writes.
    pub(crate) fn data(&self, size: u32) -> Vec<u8> {
        let byte = |index: u32| {
            (self.id.wrapping_mul(31))
                .wrapping_add(index * 7)
                .wrapping_add(index >> 8) as u8
        };
        (0..size).map(byte).collect()
    }
}
