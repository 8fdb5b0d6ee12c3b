//! What the calling thread acts on: identities within one another, each with the guard that ends it.
//!
//! What an identity is, and how a thread takes it on, each system has in its `impersonation`.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use npipe_core::ImpersonationLevel;

use crate::impersonation::{Token, put_back};

/// An identity that the thread has taken on, at the level that it got, by the number of its guard.
pub(crate) type InForce = (u64, Token);

thread_local! {
    /// The newest last.
    static IN_FORCE: RefCell<Vec<InForce>> = const { RefCell::new(Vec::new()) };
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
}

fn next_id() -> u64 {
    LAST_ID.set(LAST_ID.get() + 1);
    LAST_ID.get()
}

/// A thread that acts on somebody's identity, until this is dropped. Made by
/// [`PipeServer::impersonate_client`](crate::PipeServer::impersonate_client) and [`Token::impersonate`].
///
/// Within one another, the newest guard counts, and the one before it again when it is dropped; one that is dropped out of
/// turn is left out. A guard that is forgotten leaves the thread with that identity until
/// [`revert_to_self`](crate::impersonation::revert_to_self) or its end.
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
    /// Of an identity that the thread has just taken on.
    pub(crate) fn of(token: Token) -> Impersonation {
        let (id, level) = (next_id(), token.level());
        IN_FORCE.with_borrow_mut(|in_force| in_force.push((id, token)));
        Impersonation {
            id,
            level,
            not_send: PhantomData,
        }
    }

    /// What the thread may do. Below [`ImpersonationLevel::Impersonation`] it only knows who the client is: on Windows it is
    /// refused what it tries to open, elsewhere **it is still the server**.
    pub fn level(&self) -> ImpersonationLevel {
        self.level
    }
}

impl Drop for Impersonation {
    fn drop(&mut self) {
        // While a thread ends it has come back already.
        let _ = IN_FORCE.try_with(|in_force| {
            let mut in_force = in_force.borrow_mut();
            let Some(at) = in_force.iter().position(|(id, _)| *id == self.id) else {
                return;
            };
            in_force.remove(at);
            if at == in_force.len() {
                put_back(in_force.last().map(|(_, token)| token));
            }
        });
    }
}

/// The identity that counts; `None`: the thread is the process.
pub(crate) fn current() -> Option<Token> {
    let newest = IN_FORCE.try_with(|in_force| in_force.borrow().last().map(|(_, token)| token.clone()));
    newest.ok().flatten()
}

/// From now on the thread acts on this alone, without a guard, and guards that there are have no effect.
pub(crate) fn replace(token: Option<Token>) {
    drop(take());
    give_back(token.map(|token| (next_id(), token)).into_iter().collect());
}

/// All identities, away from the thread's account.
pub(crate) fn take() -> Vec<InForce> {
    let taken = IN_FORCE.try_with(|in_force| std::mem::take(&mut *in_force.borrow_mut()));
    taken.unwrap_or_default()
}

/// What [`take`] has taken.
pub(crate) fn give_back(mut taken: Vec<InForce>) {
    let _ = IN_FORCE.try_with(|in_force| in_force.borrow_mut().append(&mut taken));
}
