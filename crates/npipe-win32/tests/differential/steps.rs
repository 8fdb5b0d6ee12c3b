//! The operations, and the lines in which `conformance/differential/actors.c` reads them.

/// `GENERIC_READ` and `GENERIC_WRITE`.
const GENERIC: [u32; 2] = [0x8000_0000, 0x4000_0000];

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
}

impl Form {
    pub(crate) fn is_actor(self) -> bool {
        matches!(self, Form::Actor | Form::ActorWithOverlapped)
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
}

/// An operation, and the number that its call has for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) id: u32,
    pub(crate) operation: Operation,
}

impl Step {
    /// The line of a script. A handle that the rules refuse is given no slot: where the system makes one all the same, it is
    /// closed at once.
    pub(crate) fn line(&self, refused: bool) -> String {
        let id = self.id;
        let place = |slot: Slot| if refused { -1 } else { slot as i64 };
        match self.operation {
            Operation::Create {
                slot,
                name,
                parameters: of,
            } => format!(
                "c {id} {} {name} {} {} {} {} {} {}",
                place(slot),
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
                format!("o {id} {} {name} {access} {}", place(slot), u8::from(overlapped))
            }
            Operation::Connect { slot, form } => format!("n {id} {} {slot}", form as u8),
            Operation::Read { slot, size, form } => format!("r {id} {} {slot} {size}", form as u8),
            Operation::Write { slot, size, form } => format!("w {id} {} {slot} {size}", form as u8),
            Operation::Transact {
                slot,
                request,
                reply,
                form,
            } => {
                format!("t {id} {} {slot} {request} {reply}", form as u8)
            }
            Operation::Flush { slot, form } => format!("f {id} {} {slot}", form as u8),
            Operation::Wait { name, timeout_ms, form } => format!("W {id} {} {name} {timeout_ms}", form as u8),
            Operation::Peek { slot, size } => format!("p {id} {slot} {size}"),
            Operation::Disconnect { slot } => format!("d {id} {slot}"),
            Operation::Close { slot } => format!("x {id} {slot}"),
            Operation::SetState { slot, mode } => format!("s {id} {slot} {}", mode.map_or(-1, i64::from)),
            Operation::State { slot } => format!("g {id} {slot}"),
            Operation::Information { slot } => format!("i {id} {slot}"),
            Operation::Cancel { slot, which } => {
                let which = match which {
                    Which::OfThread => -2,
                    Which::All => -1,
                    Which::One(call) => i64::from(call),
                };
                format!("k {id} {slot} {which}")
            }
            Operation::CancelThread { call } => format!("y {id} {call}"),
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
