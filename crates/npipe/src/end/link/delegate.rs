//! The delegate of an end, which looks after operations that no thread waits for: calling for it, doing without it, and
//! ringing the peer's.
//!
//! The delegate is the background thread, and it is rung by a byte on the connection's socket. A thread that waits takes its
//! place, and one that always comes back to wait does not even call for it: see [`Pledge`].

use npipe_shm::doorbell;

use super::{Link, Pledge, Wish};
use crate::sys::socket;

impl Link {
    /// The peer's background thread gets a byte. If there is no room for it, it has one that it has not read.
    #[cold]
    pub(super) fn ring_delegate(&self) {
        let _ = socket::send(self.socket(), &[0], None);
    }

    /// Takes the bytes with which the peer has rung. Whatever else a peer sends here means no more than that. `false`: the
    /// socket has hung up.
    pub(crate) fn hear_bell(&self) -> bool {
        matches!(socket::recv(self.socket(), &mut [0; 512]), Ok(None | Some(1..)))
    }

    /// Has the peer ring the background thread, once, when there is something to do for what `wish` says. The caller
    /// looks once more before it relies on it.
    pub(crate) fn call_delegate(&self, wish: Wish) {
        doorbell::call_delegate(self.own_words(), wish.cause());
    }

    /// The same for a thread of ours that may be sure to come back; then it does without.
    pub(crate) fn call_delegate_or_pledge(&self, wish: Wish) {
        // Where other processes hold the end, a thread of ours answers for none of them.
        if self.object().is_some() || !self.pledge.give() {
            self.call_delegate(wish);
        }
    }

    /// A thread of ours watches for what `wish` says, instead of the delegate.
    pub(crate) fn relieve_delegate(&self, wish: Wish) {
        self.pledge.redeem();
        if self.object().is_none() {
            // Else it may have been called by another holder.
            self.dismiss_delegate(wish);
        }
    }

    /// Does without the delegate for what `wish` says.
    pub(crate) fn dismiss_delegate(&self, wish: Wish) {
        doorbell::dismiss_delegate(self.own_words(), wish.cause());
    }

    /// Whether threads of ours come back.
    pub(crate) fn pledge(&self) -> &Pledge {
        &self.pledge
    }
}
