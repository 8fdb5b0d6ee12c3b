//! Acting as a client: a thread of the server takes on the client's identity for a while.
//!
//! ```no_run
//! # fn main() -> npipe::Result<()> {
//! use npipe::impersonation::ImpersonationLevel;
//! # let server = npipe::ServerOptions::new().create(r"\\.\pipe\files")?;
//! let mut path = [0; 256];
//! let count = server.read(&mut path)?;
//! let client = server.impersonate_client()?;
//! if client.level() < ImpersonationLevel::Impersonation {
//!     // The thread is still the server: nothing may be done for the client here but what the server decides itself.
//! }
//! let file = std::fs::File::open(String::from_utf8_lossy(&path[..count]).as_ref());
//! drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! **The level decides.** Only at [`ImpersonationLevel::Impersonation`] and above the thread *is* the client, by user,
//! group and groups, and without the process' capabilities. It gets there if the client allows it (the default), and if the
//! server has CAP_SETUID and CAP_SETGID, or is the same user in the same groups; a server that is not the superuser never
//! becomes it. Otherwise impersonating succeeds all the same, as on Windows for a server without SeImpersonatePrivilege, at
//! [`ImpersonationLevel::Identification`]: **the thread goes on as the server.** What it opens through this library then
//! fails with [`Status::BadImpersonationLevel`]; system calls that do not go through it, `std::fs` among them, know
//! nothing of that and are the *server's*. So ask for [`level`](Impersonation::level) before acting for a client.
//!
//! **The thread alone** changes. Threads and processes that it starts meanwhile are another matter, and differ from Windows,
//! where they are the process': a Linux thread is whoever started it, so `std::thread::spawn` gives a thread that is the
//! client and never comes back, and a program that is executed keeps a way back to the server's user. Start both by
//! [`as_process`], as the library does with its own.
//!
//! The library looks for the namespace and serves pipes as the process, whoever the thread is; a server that the thread opens
//! sees the client at its other end.
//!
//! While threads impersonate, the process must not change its own identity (`setuid` and the like change all threads). A
//! thread that cannot come back ends the process.

use std::sync::Arc;

pub use npipe_core::ImpersonationLevel;
use npipe_core::{PeerIdentity, Status};

pub use crate::acting::Impersonation;
use crate::acting::{InForce, current, give_back, replace, take};
use crate::end::End;
use crate::error::{Error, Explain, Result};
use crate::sys::impersonation as system;

const IMPERSONATE: &str = "impersonate";

/// Somebody's identity, by the kernel's word, and how far it may be used. Win32 equivalent: an impersonation token.
#[doc(alias = "HANDLE")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    who: Arc<PeerIdentity>,
    level: ImpersonationLevel,
}

impl Token {
    pub(crate) fn new(who: PeerIdentity, level: ImpersonationLevel) -> Token {
        Token {
            who: Arc::new(who),
            level,
        }
    }

    /// The process' own identity, whoever the calling thread is. Win32 equivalent: OpenProcessToken.
    ///
    /// # Errors
    /// [`Status::SystemError`]: what the system refused is in the detail.
    #[doc(alias = "OpenProcessToken")]
    pub fn of_process() -> Result<Token> {
        let own = system::process_credentials().map_err(|error| Error::from_sys(error, "ask who this process is"))?;
        Ok(Token::new(PeerIdentity::from(&own), ImpersonationLevel::Delegation))
    }

    /// Whose it is.
    ///
    /// # Errors
    /// [`Status::CantOpenAnonymous`] at the level [`ImpersonationLevel::Anonymous`].
    pub fn identity(&self) -> Result<&PeerIdentity> {
        match self.level {
            ImpersonationLevel::Anonymous => Err(Error::new(Status::CantOpenAnonymous, "ask who somebody is")),
            _ => Ok(&self.who),
        }
    }

    /// How far it may be used.
    #[doc(alias = "TokenImpersonationLevel")]
    pub fn level(&self) -> ImpersonationLevel {
        self.level
    }

    /// The same, to be used no further than `level`. Win32 equivalent: DuplicateToken.
    #[doc(alias = "DuplicateToken")]
    #[must_use]
    pub fn lowered_to(&self, level: ImpersonationLevel) -> Token {
        Token {
            who: Arc::clone(&self.who),
            level: self.level.min(level),
        }
    }

    /// Has the calling thread act on this identity until the guard is dropped. Win32 equivalent: ImpersonateLoggedOnUser.
    ///
    /// # Errors
    /// [`Status::SystemError`], [`Status::InsufficientResources`]: what the system refused is in the detail; the thread is
    /// who it was before.
    #[doc(alias = "ImpersonateLoggedOnUser")]
    pub fn impersonate(&self) -> Result<Impersonation> {
        let token = put_in_force(Some(self))?;
        Ok(Impersonation::of(token.unwrap_or_else(|| self.clone())))
    }
}

/// The identity of a server end's client.
pub(crate) fn client_of(end: &End) -> Result<Token> {
    end.client_token().explain("ask who the client is", &end.shape.name)
}

/// Has the calling thread act as a server end's client.
pub(crate) fn of_client(end: &End) -> Result<Impersonation> {
    client_of(end)?.impersonate()
}

/// Makes the thread what `token` lets it be; the token at the level that it got.
fn put_in_force(token: Option<&Token>) -> Result<Option<Token>> {
    system::come_back();
    match token {
        Some(token) if token.level >= ImpersonationLevel::Impersonation => match system::leave_for(&token.who) {
            Ok(true) => Ok(Some(token.clone())),
            // As on Windows without SeImpersonatePrivilege.
            Ok(false) => Ok(Some(token.lowered_to(ImpersonationLevel::Identification))),
            Err(error) => {
                put_back(current().as_ref());
                Err(Error::from_sys(error, IMPERSONATE))
            }
        },
        other => Ok(other.cloned()),
    }
}

/// Makes the thread what it was before.
pub(crate) fn put_back(before: Option<&Token>) {
    system::come_back();
    match before {
        Some(token) if token.level >= ImpersonationLevel::Impersonation => system::leave_for_surely(&token.who),
        _ => {}
    }
}

/// What the calling thread acts on, at the level that it got; `None`: it is the process. Win32 equivalent: OpenThreadToken.
#[doc(alias = "OpenThreadToken")]
pub fn thread_token() -> Option<Token> {
    current()
}

/// Has the calling thread act on `token` from now on, in place of whatever it acted on before; `None`: it is the process.
/// Guards of the thread have no effect any more. Win32 equivalent: SetThreadToken, of the calling thread.
///
/// # Errors
/// As [`Token::impersonate`]; the thread is who it was before.
#[doc(alias = "SetThreadToken")]
pub fn set_thread_token(token: Option<&Token>) -> Result<()> {
    replace(put_in_force(token)?);
    Ok(())
}

/// Makes the calling thread the process again, whatever it acts on. Always succeeds. Win32 equivalent: RevertToSelf.
// semantics 263
#[doc(alias = "RevertToSelf")]
pub fn revert_to_self() {
    drop(take());
    system::come_back();
}

/// Runs `act` as the process, on a thread that may be impersonating, and goes on impersonating afterwards. For threads and
/// processes that are to be started: they are whoever the thread is that starts them.
///
/// What the thread takes on inside is over with it. If the thread cannot become the client again, the process ends.
pub fn as_process<T>(act: impl FnOnce() -> T) -> T {
    struct Return(Vec<InForce>);
    impl Drop for Return {
        fn drop(&mut self) {
            revert_to_self();
            give_back(std::mem::take(&mut self.0));
        }
    }
    let taken = take();
    system::at_home(|| {
        let _return = Return(taken);
        act()
    })
}

/// Whether the process has what it takes to act as any client but the superuser: CAP_SETUID and CAP_SETGID. Win32
/// equivalent: SeImpersonatePrivilege.
#[doc(alias = "SeImpersonatePrivilege")]
pub fn is_privileged() -> bool {
    system::is_privileged()
}

/// Whether what the calling thread does is done on the identity that it has: by the process, or by the client that it acts
/// as. For surfaces that open things on their own.
///
/// # Errors
/// [`Status::BadImpersonationLevel`]: it acts on an identity that it may only know.
// semantics 262
pub fn require_acting() -> Result<(), Status> {
    match thread_token() {
        Some(token) if token.level < ImpersonationLevel::Impersonation => Err(Status::BadImpersonationLevel),
        _ => Ok(()),
    }
}
