//! Opening client ends, and waiting for instances.

use std::time::Duration;

use npipe_core::security::rights;
use npipe_core::{Access, EndRole, PipeName, ReadMode, SecurityQos, Status, WaitMode};

use crate::end::{Handle, Shape};
use crate::error::{Explain, Result};
use crate::kernel::asked;
use crate::sys::namespace::Root;
use crate::sys::pipe;

/// The kernel answers at once; elsewhere a server has this long.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(10);

/// What a client asks for besides the name.
pub(crate) struct Wanted {
    pub(crate) access: Access,
    pub(crate) mode: ReadMode,
    pub(crate) wait: WaitMode,
    pub(crate) qos: SecurityQos,
    #[allow(dead_code, reason = "the kernel does not spin")]
    pub(crate) max_spin: Duration,
    #[allow(dead_code, reason = "every handle can be duplicated")]
    pub(crate) is_shareable: bool,
}

/// Opens a client end (semantics 46-60).
pub(crate) fn open(root: &Root, name: &PipeName, wanted: &Wanted, _patience: Duration) -> Result<Handle> {
    const OPERATION: &str = "open";
    let system_name = root.system_name(name).explain(OPERATION, name)?;
    let opened = pipe::open(&system_name, generic(wanted.access), wanted.qos.to_win32());
    let opened = asked(opened, &[Status::PipeNotAvailable]).explain(OPERATION, name)?;
    let shape = Shape {
        name: name.clone(),
        root: root.clone(),
        role: EndRole::Client,
    };
    let end = Handle::new(opened, shape);
    // A client begins by reading bytes and waiting (semantics 55).
    if wanted.mode != ReadMode::Byte || wanted.wait != WaitMode::Wait {
        end.set_modes(wanted.mode, wanted.wait).explain(OPERATION, name)?;
    }
    Ok(end)
}

/// The mask as programs write it: generic rights where all that they stand for is asked for.
fn generic(access: Access) -> u32 {
    let mut mask = access.to_win32();
    for (generic, specific) in [
        (rights::GENERIC_READ, rights::FILE_GENERIC_READ),
        (rights::GENERIC_WRITE, rights::FILE_GENERIC_WRITE),
    ] {
        if access.to_win32() & specific == specific {
            mask = mask & !specific | generic;
        }
    }
    mask
}

/// Waits until an instance listens (semantics 81-89).
pub(crate) fn wait(root: &Root, name: &PipeName, timeout: Option<Duration>) -> Result<()> {
    const OPERATION: &str = "wait";
    let system_name = root.system_name(name).explain(OPERATION, name)?;
    asked(pipe::wait_for(&system_name, timeout), &[]).explain(OPERATION, name)
}
