#![allow(unsafe_code, reason = "calls back into the program")]

//! Functions that a thread of the library calls, once for each time that it is asked for.

use std::ffi::c_void;
use std::sync::Arc;

use super::outstanding::Submissions;
use super::{INSTANCE, Instance, refuse_environment, workers};
use crate::failure::Failure;
use crate::pointers::Context;
use crate::sanitizer;
use crate::types::{Bool, FALSE, Handle, NULL, TRUE, code};

/// LPTHREAD_START_ROUTINE, of which nobody asks what it returns.
type WorkItem = unsafe extern "C" fn(Context) -> u32;

/// PTP_WORK_CALLBACK.
type WorkCallback = unsafe extern "C" fn(Instance, Context, Handle);

/// PTP_SIMPLE_CALLBACK.
type SimpleCallback = unsafe extern "C" fn(Instance, Context);

/// A work object, which may be submitted again and again.
struct Work {
    routine: WorkCallback,
    context: Context,
    submissions: Arc<Submissions>,
}

/// Between what a thread did before it asked for a call, and the call.
static HANDED_OVER: u8 = 0;

crate::export! {
    /// QueueUserWorkItem: a thread of the library calls `routine`. Which kind of thread the flags ask for makes no difference.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER without a routine; ERROR_CALL_NOT_IMPLEMENTED for WT_TRANSFER_IMPERSONATION.
    fn QueueUserWorkItem(routine: Option<WorkItem>, context: Context, flags: u32) -> Bool [FALSE] {
        super::refuse_impersonation(flags)?;
        let routine = routine.ok_or(Failure(code::INVALID_PARAMETER))?;
        sanitizer::release(&HANDED_OVER);
        workers::run(move || {
            sanitizer::acquire(&HANDED_OVER);
            // SAFETY: the program vouches for its routine.
            unsafe { routine(context) };
        })?;
        Ok(TRUE)
    }

    /// TrySubmitThreadpoolCallback: a thread of the library calls `routine` once. The instance is NULL.
    ///
    /// # Errors
    /// As CreateThreadpoolWork.
    fn TrySubmitThreadpoolCallback(
        routine: Option<SimpleCallback>,
        context: Context,
        environment: *const c_void,
    ) -> Bool [FALSE] {
        refuse_environment(environment)?;
        let routine = routine.ok_or(Failure(code::INVALID_PARAMETER))?;
        sanitizer::release(&HANDED_OVER);
        workers::run(move || {
            sanitizer::acquire(&HANDED_OVER);
            // SAFETY: the program vouches for its routine.
            unsafe { routine(INSTANCE, context) };
        })?;
        Ok(TRUE)
    }

    /// CreateThreadpoolWork.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER without a routine; ERROR_CALL_NOT_IMPLEMENTED with an environment.
    fn CreateThreadpoolWork(
        routine: Option<WorkCallback>,
        context: Context,
        environment: *const c_void,
    ) -> Handle [NULL] {
        refuse_environment(environment)?;
        super::insert(Arc::new(Work {
            routine: routine.ok_or(Failure(code::INVALID_PARAMETER))?,
            context,
            submissions: Arc::default(),
        }))
    }

    /// SubmitThreadpoolWork: a thread of the library calls its routine, once for each time. The instance is NULL.
    fn SubmitThreadpoolWork(handle: Handle) -> () [()] {
        let work = super::get::<Work>(handle)?;
        let (routine, context) = (work.routine, work.context);
        work.submissions.submit(move || {
            // SAFETY: the program vouches for its routine.
            unsafe { routine(INSTANCE, context, handle) };
        })
    }

    /// WaitForThreadpoolWorkCallbacks: until all are over that were submitted; those that have not begun may be cancelled.
    fn WaitForThreadpoolWorkCallbacks(handle: Handle, cancel: Bool) -> () [()] {
        super::get::<Work>(handle)?.submissions.wait(cancel);
        Ok(())
    }

    /// CloseThreadpoolWork. Callbacks that are outstanding go on.
    fn CloseThreadpoolWork(handle: Handle) -> () [()] {
        super::take::<Work>(handle).map(drop)
    }
}
