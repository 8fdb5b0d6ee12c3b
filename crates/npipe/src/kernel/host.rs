//! Making instances, and waiting for there to be room for one more.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use npipe_core::params::InstanceParams;
use npipe_core::{Direction, EndRole, PipeName, PipeType, ReadMode, Status, WaitMode};

use crate::end::{Handle, Shape};
use crate::error::{Explain, Result};
use crate::kernel::asked;
use crate::sys::namespace::Root;
use crate::sys::pipe::{self, Creation};
use crate::sys::transfer::waiting;

const FILE_FLAG_FIRST_PIPE_INSTANCE: u32 = 0x0008_0000;
const PIPE_NOWAIT: u32 = 1;
const PIPE_READMODE_MESSAGE: u32 = 2;
const PIPE_TYPE_MESSAGE: u32 = 4;
const PIPE_REJECT_REMOTE_CLIENTS: u32 = 8;

/// Of instances that other processes close nothing is heard, so it is looked this often.
const VACANCY_TIME: Duration = Duration::from_millis(50);

/// How many instances this process has closed so far.
static VACANCIES: Mutex<u64> = Mutex::new(0);
static VACATED: Condvar = Condvar::new();

/// What is said of an instance besides what it is.
pub(crate) struct Kept {
    pub(crate) rejects_remote_clients: bool,
}

/// Creates an instance.
pub(crate) fn create(root: &Root, name: &PipeName, params: &InstanceParams, kept: Kept) -> Result<Handle> {
    const OPERATION: &str = "create";
    params.validate().explain(OPERATION, name)?;
    let system_name = root.system_name(name).explain(OPERATION, name)?;
    let descriptor = params.security.encode();
    let direction = match params.direction {
        Direction::Inbound => 1,
        Direction::Outbound => 2,
        Direction::Duplex => 3,
    };
    let flag = |set: bool, bit: u32| if set { bit } else { 0 };
    let creation = Creation {
        open_mode: direction | params.further_rights | flag(params.first_instance, FILE_FLAG_FIRST_PIPE_INSTANCE),
        pipe_mode: flag(params.pipe_type == PipeType::Message, PIPE_TYPE_MESSAGE)
            | flag(params.read_mode == ReadMode::Message, PIPE_READMODE_MESSAGE)
            | flag(params.wait_mode == WaitMode::NoWait, PIPE_NOWAIT)
            | flag(kept.rejects_remote_clients, PIPE_REJECT_REMOTE_CLIENTS),
        max_instances: params.max_instances,
        out_quota: params.out_quota,
        in_quota: params.in_quota,
        default_timeout_ms: params.default_timeout_ms,
        descriptor: &descriptor,
    };
    let made = asked(pipe::create(&system_name, &creation), &[Status::InstanceNotAvailable]);
    let shape = Shape {
        name: name.clone(),
        root: root.clone(),
        role: EndRole::Server,
    };
    Ok(Handle::new(made.explain(OPERATION, name)?, shape))
}

/// How many instances were closed so far; see [`await_vacancy`].
pub(crate) fn vacancies() -> u64 {
    *VACANCIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until an instance of this process has closed since, or one of another process may have.
pub(crate) fn await_vacancy(before: u64) {
    let count = VACANCIES.lock().unwrap_or_else(PoisonError::into_inner);
    let unchanged = |count: &mut u64| *count == before;
    // What it returns is looked at by the next attempt.
    drop(waiting(|| VACATED.wait_timeout_while(count, VACANCY_TIME, unchanged)));
}

/// An instance of this process has closed.
pub(crate) fn vacate() {
    *VACANCIES.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    VACATED.notify_all();
}
