//! Acting as a client: a thread of the server takes on the client's identity for a while.
//!
//! The system keeps what a thread acts on; this gives it guards, and an order when they are within one another. **The level
//! decides**: below [`ImpersonationLevel::Impersonation`] the thread may only be asked who the client is, and the system
//! refuses what it tries to open.
//!
//! What other systems have beyond this and Windows has in APIs of its own (who a token is, the process' token, privileges) is
//! not here; [`Token::handle`] is what those take.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::Arc;

pub use npipe_core::ImpersonationLevel;
use npipe_core::Status;

use crate::end::End;
use crate::error::{Explain, Result};
use crate::kernel::asked;
use crate::sys::CodeResult;
use crate::sys::impersonation as system;

const IMPERSONATE: &str = "impersonate";

/// Somebody's identity, and how far it may be used. Win32 equivalent: an impersonation token.
#[doc(alias = "HANDLE")]
#[derive(Clone, Debug)]
pub struct Token {
    handle: Arc<OwnedHandle>,
    level: ImpersonationLevel,
}

impl Token {
    fn new(handle: OwnedHandle) -> CodeResult<Token> {
        let level = ImpersonationLevel::from_win32(system::level_of(&handle)?);
        Ok(Token {
            handle: Arc::new(handle),
            level: level.unwrap_or(ImpersonationLevel::Anonymous),
        })
    }

    /// How far it may be used.
    #[doc(alias = "TokenImpersonationLevel")]
    pub fn level(&self) -> ImpersonationLevel {
        self.level
    }

    /// The system's token, for its own functions.
    pub fn handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }

    /// Has the calling thread act on this identity until the guard is dropped. Win32 equivalent: ImpersonateLoggedOnUser.
    ///
    /// # Errors
    /// What the system refused.
    #[doc(alias = "ImpersonateLoggedOnUser")]
    pub fn impersonate(&self) -> Result<Impersonation> {
        asked(system::set_thread_token(Some(&self.handle)), &[]).map_err(|failure| failure.error(IMPERSONATE))?;
        Ok(Impersonation::of(self.clone()))
    }
}

/// A thread that acts on somebody's identity, until this is dropped. Made by
/// [`PipeServer::impersonate_client`](crate::PipeServer::impersonate_client) and [`Token::impersonate`].
///
/// Within one another, the newest guard counts, and the one before it again when it is dropped; one that is dropped out of
/// turn is left out. A guard that is forgotten leaves the thread with that identity until [`revert_to_self`] or its end.
#[doc(alias = "ImpersonateNamedPipeClient")]
#[must_use = "the thread comes back at once when this is dropped"]
#[derive(Debug)]
pub struct Impersonation {
    id: u64,
    level: ImpersonationLevel,
    /// It is the thread's.
    not_send: PhantomData<*const ()>,
}

impl Impersonation {
    fn of(token: Token) -> Impersonation {
        let level = token.level;
        let id = next_id();
        STACK.with_borrow_mut(|stack| stack.push((id, token)));
        Impersonation {
            id,
            level,
            not_send: PhantomData,
        }
    }

    /// What the thread may do.
    pub fn level(&self) -> ImpersonationLevel {
        self.level
    }
}

impl Drop for Impersonation {
    fn drop(&mut self) {
        // While a thread ends its token goes with it.
        let _ = STACK.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let Some(at) = stack.iter().position(|(id, _)| *id == self.id) else {
                return;
            };
            stack.remove(at);
            if at == stack.len() {
                put_back(stack.last().map(|(_, token)| token));
            }
        });
    }
}

thread_local! {
    static STACK: RefCell<Vec<(u64, Token)>> = const { RefCell::new(Vec::new()) };
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
}

fn next_id() -> u64 {
    LAST_ID.set(LAST_ID.get() + 1);
    LAST_ID.get()
}

/// Makes the thread what it was before. A thread that cannot come back ends the process.
fn put_back(token: Option<&Token>) {
    let outcome = match token {
        Some(token) => system::set_thread_token(Some(&token.handle)),
        None => system::revert(),
    };
    if outcome.is_err() {
        std::process::abort();
    }
}

/// Has the calling thread act as a server end's client.
pub(crate) fn of_client(end: &End) -> Result<Impersonation> {
    end.impersonate().explain(IMPERSONATE, &end.shape.name)?;
    let token = system::thread_token().and_then(|handle| handle.map(Token::new).transpose());
    match asked(token, &[]) {
        Ok(Some(token)) => Ok(Impersonation::of(token)),
        outcome => {
            STACK.with_borrow(|stack| put_back(stack.last().map(|(_, token)| token)));
            Err(outcome
                .err()
                .unwrap_or(Status::CannotImpersonate.into())
                .error(IMPERSONATE))
        }
    }
}

/// What the calling thread acts on; `None`: it is the process. Win32 equivalent: OpenThreadToken.
#[doc(alias = "OpenThreadToken")]
pub fn thread_token() -> Option<Token> {
    let handle = system::thread_token().ok().flatten()?;
    Token::new(handle).ok()
}

/// Has the calling thread act on `token` from now on, in place of whatever it acted on before; `None`: it is the process.
/// Guards of the thread have no effect any more. Win32 equivalent: SetThreadToken, of the calling thread.
///
/// # Errors
/// As [`Token::impersonate`]; the thread is who it was before.
#[doc(alias = "SetThreadToken")]
pub fn set_thread_token(token: Option<&Token>) -> Result<()> {
    let set = system::set_thread_token(token.map(|token| &*token.handle));
    asked(set, &[]).map_err(|failure| failure.error(IMPERSONATE))?;
    STACK.with_borrow_mut(Vec::clear);
    Ok(())
}

/// Makes the calling thread the process again, whatever it acts on. Win32 equivalent: RevertToSelf.
// semantics 263
#[doc(alias = "RevertToSelf")]
pub fn revert_to_self() {
    let _ = STACK.try_with(|stack| stack.borrow_mut().clear());
    put_back(None);
}

/// Runs `act` as the process, on a thread that may be impersonating, and goes on impersonating afterwards.
pub fn as_process<T>(act: impl FnOnce() -> T) -> T {
    struct Return(Option<Token>);
    impl Drop for Return {
        fn drop(&mut self) {
            put_back(self.0.as_ref());
        }
    }
    let _return = Return(thread_token());
    put_back(None);
    act()
}

/// The system itself refuses to open a pipe on an identity that may only be known.
pub(crate) fn require_acting() -> std::result::Result<(), Status> {
    Ok(())
}
