//! Threads that act as somebody else: by the client of a pipe, by a token.
//!
//! What the thread may do is npipe's ([`npipe::impersonation`]); beside it each thread has the token as its handles see it.

use std::cell::RefCell;
use std::sync::Arc;

use npipe::impersonation::{self as acting, ImpersonationLevel};

use super::tokens::{self, AccessToken, Kind, TOKEN_DUPLICATE, TOKEN_IMPERSONATE, TOKEN_QUERY};
use crate::failure::{Failure, Outcome, not_implemented};
use crate::handles;
use crate::object::Object;
use crate::pipes::AnonymousEnd;
use crate::pointers::In;
use crate::threads::{self, Thread};
use crate::types::{Bool, CURRENT_THREAD, FALSE, Handle, NULL, TRUE, code};

thread_local! {
    static TOKEN: RefCell<Option<Arc<AccessToken>>> = const { RefCell::new(None) };
}

/// The token that the calling thread impersonates by.
pub(crate) fn of_thread() -> Option<Arc<AccessToken>> {
    TOKEN.try_with(|token| token.borrow().clone()).ok().flatten()
}

fn note(token: Option<Arc<AccessToken>>) {
    // A thread that ends has none.
    let _ = TOKEN.try_with(|place| place.replace(token));
}

/// Only the calling thread can be made somebody else, or asked who it is.
///
/// # Errors
/// ERROR_CALL_NOT_IMPLEMENTED for another one, ERROR_INVALID_HANDLE.
pub(super) fn require_calling(thread: Handle, what: &'static str) -> Outcome<()> {
    match thread == CURRENT_THREAD || Arc::ptr_eq(&threads::thread(thread)?, &Thread::current()) {
        true => Ok(()),
        false => Err(not_implemented(what)),
    }
}

/// Has the thread act by a token, at the level that the system lets it have.
fn impersonate(token: Arc<AccessToken>) -> Outcome<Bool> {
    acting::set_thread_token(Some(token.token()))?;
    let token = match acting::thread_token() {
        Some(got) if got != *token.token() => token.copy(got, Kind::Impersonation),
        _ => token,
    };
    note(Some(token));
    Ok(TRUE)
}

/// The token of a client, which brings no privileges along.
fn client(handle: Handle) -> Outcome<Arc<AccessToken>> {
    match handles::get(handle)?.object {
        Object::Pipe(end) => {
            let token = end.server()?.client_token()?;
            Ok(AccessToken::new(token, Kind::Impersonation, Vec::new()))
        }
        Object::Anonymous(end) => match &*end {
            AnonymousEnd::Writer(_) => Err(npipe::Status::IllegalFunction.into()),
            AnonymousEnd::Reader(_) => Err(not_implemented("ImpersonateNamedPipeClient of an anonymous pipe")),
        },
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

crate::export! {
    /// ImpersonateNamedPipeClient: the calling thread acts as the client, as far as the client and the system allow. Where
    /// the system does not, it succeeds at the level of identification, as on Windows without SeImpersonatePrivilege: what
    /// the thread opens through this library then fails with ERROR_BAD_IMPERSONATION_LEVEL, and system calls that go past it
    /// are the server's.
    ///
    /// # Errors
    /// ERROR_CANNOT_IMPERSONATE (nothing was read yet, or there is no client), ERROR_INVALID_FUNCTION (a client's end),
    /// ERROR_INVALID_HANDLE.
    // semantics 261, 262
    fn ImpersonateNamedPipeClient(pipe: Handle) -> Bool [FALSE] {
        impersonate(client(pipe)?)
    }

    /// RevertToSelf: always succeeds.
    // semantics 263
    fn RevertToSelf() -> Bool [FALSE] {
        acting::revert_to_self();
        note(None);
        Ok(TRUE)
    }

    /// ImpersonateSelf: the thread has a token of its own, with the process' identity.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for what is no level.
    fn ImpersonateSelf(level: u32) -> Bool [FALSE] {
        let level = tokens::level(level)?;
        let process = AccessToken::of_process()?;
        impersonate(process.copy(process.token().lowered_to(level), Kind::Impersonation))
    }

    /// ImpersonateLoggedOnUser, by a token of either type.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED (a primary token needs TOKEN_QUERY and TOKEN_DUPLICATE, another one TOKEN_QUERY and
    /// TOKEN_IMPERSONATE), ERROR_INVALID_HANDLE.
    fn ImpersonateLoggedOnUser(token: Handle) -> Bool [FALSE] {
        let found = tokens::get(token, TOKEN_QUERY)?;
        let found = match found.kind() {
            Kind::Primary => {
                tokens::get(token, TOKEN_DUPLICATE)?;
                found.copy(found.token().lowered_to(ImpersonationLevel::Impersonation), Kind::Impersonation)
            }
            Kind::Impersonation => tokens::get(token, TOKEN_IMPERSONATE)?,
        };
        impersonate(found)
    }

    /// SetThreadToken, of the calling thread; NULL in place of a token ends impersonation.
    ///
    /// # Errors
    /// ERROR_BAD_TOKEN_TYPE for a primary token, ERROR_ACCESS_DENIED (no TOKEN_IMPERSONATE), ERROR_INVALID_HANDLE;
    /// ERROR_CALL_NOT_IMPLEMENTED for other threads.
    fn SetThreadToken(thread: In<Handle>, token: Handle) -> Bool [FALSE] {
        if let Some(thread) = thread.get() {
            require_calling(thread, "SetThreadToken of another thread")?;
        }
        if token == NULL {
            acting::revert_to_self();
            note(None);
            return Ok(TRUE);
        }
        let token = tokens::get(token, TOKEN_IMPERSONATE)?;
        match token.kind() {
            Kind::Primary => Err(Failure(code::BAD_TOKEN_TYPE)),
            Kind::Impersonation => impersonate(token),
        }
    }
}
