//! `npipe wait`: WaitNamedPipe (semantics 81-89).

use crate::args::Wait;
use crate::report::Failure;
use crate::target::Target;

pub(super) fn run(args: &Wait) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    npipe::wait(target.path(), args.timeout.duration())?;
    Ok(())
}
