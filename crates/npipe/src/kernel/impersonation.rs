//! Acting as a client: a thread of the server takes on the client's identity for a while.
//!
//! The system keeps what a thread acts on; this gives it guards, and an order when they are within one another. **The level
//! decides**: below [`ImpersonationLevel::Impersonation`] the thread may only be asked who the client is, and the system
//! refuses what it tries to open.
//!
//! What other systems have beyond this and Windows has in APIs of its own (who a token is, the process' token, privileges) is
//! not here; [`Token::handle`] is what those take.

use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::Arc;

pub use npipe_core::ImpersonationLevel;
use npipe_core::Status;

pub use crate::acting::Impersonation;
use crate::acting::{InForce, current, give_back, replace, take};
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

/// Makes the thread what it was before. A thread that cannot come back ends the process.
pub(crate) fn put_back(token: Option<&Token>) {
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
    match asked(token_in_force(), &[]) {
        Ok(Some(token)) => Ok(Impersonation::of(token)),
        outcome => {
            put_back(current().as_ref());
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
    token_in_force().ok().flatten()
}

fn token_in_force() -> CodeResult<Option<Token>> {
    system::thread_token()?.map(Token::new).transpose()
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
    replace(token.cloned());
    Ok(())
}

/// Makes the calling thread the process again, whatever it acts on. Win32 equivalent: RevertToSelf.
// semantics 263
#[doc(alias = "RevertToSelf")]
pub fn revert_to_self() {
    drop(take());
    put_back(None);
}

/// Runs `act` as the process, on a thread that may be impersonating, and goes on impersonating afterwards.
///
/// What the thread takes on inside is over with it.
pub fn as_process<T>(act: impl FnOnce() -> T) -> T {
    struct Return(Option<Token>, Vec<InForce>);
    impl Drop for Return {
        fn drop(&mut self) {
            drop(take());
            give_back(std::mem::take(&mut self.1));
            put_back(self.0.as_ref());
        }
    }
    // Whom it could not become again, it must not cease to be: it would go on as the process and take itself for the client.
    let Ok(token) = token_in_force() else {
        std::process::abort()
    };
    let _return = Return(token, take());
    put_back(None);
    act()
}

/// The system itself refuses to open a pipe on an identity that may only be known.
pub(crate) fn require_acting() -> std::result::Result<(), Status> {
    Ok(())
}
