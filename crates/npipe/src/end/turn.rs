//! The lock of a half: between the threads of this process, and between the processes that hold the end.
//!
//! An end of one process alone has a mutex for each half and nothing else. Once several processes hold it
//! ([`crate::object`]), whoever has entered a half also has its *turn*: what another process knows about the half is loaded
//! first, and before the turn passes on, what is known now is stored and only then shown to the peer ([`Entered::commit`]).
//! So the peer is rung after a commit, never before.
//!
//! A process that ends in its turn leaves what was stored before it. Whoever inherits the turn takes back what the peer may
//! have seen beyond that, and every turn ends the calls of processes that are gone.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::task::Poll;

use npipe_core::{CallId, HolderId, Reader, ReaderState, Status, Writer, WriterState};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::{Half, Place};
use npipe_shm::ring::{InletState, OutletState, RingInlet, RingOutlet, Ticket};
use serde::de::DeserializeOwned;

use super::link::Link;
use super::locked;
use crate::object::Object;

/// A half of an end that can go from process to process.
pub(crate) trait Portable {
    const HALF: Half;

    /// Whether other processes may hold the end.
    fn is_shared(&self) -> bool;

    /// The connection that its lane belongs to.
    fn link(&self) -> Option<&Arc<Link>>;

    /// What others have to know of it.
    fn save(&mut self) -> postcard::Result<Vec<u8>>;

    /// Goes on from what another process has saved.
    fn load(&mut self, image: &[u8], holder: HolderId) -> Result<(), Status>;

    /// Shows the peer what has changed.
    fn publish(&mut self);

    /// Takes back what a process that ended in its turn has done to the lane.
    fn revert(&mut self) -> Result<(), Status>;

    /// Ends the calls of a process that is gone.
    fn abandon(&mut self, holder: HolderId);

    /// Ends a call whose result nobody will ask for.
    fn give_up(&mut self, id: CallId);

    /// The connection was ended by a disconnect (semantics 175, 177).
    fn disconnect(&mut self);
}

/// A call that waits goes on waiting while another process that holds the end is stopped in its turn.
pub(super) fn unless_late<T>(status: Status) -> Poll<Result<T, Status>> {
    match status {
        Status::IoTimeout => Poll::Pending,
        status => Poll::Ready(Err(status)),
    }
}

fn decode<T: DeserializeOwned>(image: &[u8]) -> Result<T, Status> {
    // Only a mistake of a process of our own user can do this, or another version of this library.
    postcard::from_bytes(image).map_err(|_| Status::InvalidHandle)
}

impl Portable for Reader<RingInlet<Link>> {
    const HALF: Half = Half::Reading;

    #[inline]
    fn is_shared(&self) -> bool {
        self.lane().is_some_and(RingInlet::holds_back)
    }

    fn link(&self) -> Option<&Arc<Link>> {
        self.lane().map(RingInlet::memory)
    }

    fn save(&mut self) -> postcard::Result<Vec<u8>> {
        let (lane, known) = self.parts();
        postcard::to_stdvec(&(known, lane.map(|lane| lane.state())))
    }

    fn load(&mut self, image: &[u8], holder: HolderId) -> Result<(), Status> {
        let (known, lane): (ReaderState, Option<InletState>) = decode(image)?;
        self.resume(holder, known)?;
        match (self.parts().0, lane) {
            (Some(lane), Some(state)) => lane.resume(state)?,
            (_, None) => drop(self.let_go()),
            (None, Some(_)) => return Err(Status::PipeDisconnected),
        }
        Ok(())
    }

    fn publish(&mut self) {
        if let Some(lane) = self.parts().0 {
            lane.publish();
        }
    }

    fn revert(&mut self) -> Result<(), Status> {
        self.parts().0.map_or(Ok(()), RingInlet::revert)?;
        // Whatever the other had begun to tell of its waiting reads.
        self.publish_calls();
        Ok(())
    }

    fn abandon(&mut self, holder: HolderId) {
        Reader::abandon(self, holder);
    }

    fn give_up(&mut self, id: CallId) {
        Reader::give_up(self, id);
    }

    fn disconnect(&mut self) {
        self.detach(Status::PipeDisconnected, Status::PipeDisconnected);
    }
}

impl Portable for Writer<RingOutlet<Link>> {
    const HALF: Half = Half::Writing;

    #[inline]
    fn is_shared(&self) -> bool {
        self.lane().is_some_and(RingOutlet::holds_back)
    }

    fn link(&self) -> Option<&Arc<Link>> {
        self.lane().map(RingOutlet::memory)
    }

    fn save(&mut self) -> postcard::Result<Vec<u8>> {
        let (lane, known) = self.parts();
        postcard::to_stdvec(&(known, lane.map(|lane| lane.state())))
    }

    fn load(&mut self, image: &[u8], holder: HolderId) -> Result<(), Status> {
        let (known, lane): (WriterState<Ticket>, Option<OutletState>) = decode(image)?;
        self.resume(holder, known)?;
        match (self.parts().0, lane) {
            (Some(lane), Some(state)) => lane.resume(state)?,
            (_, None) => drop(self.let_go()),
            (None, Some(_)) => return Err(Status::PipeDisconnected),
        }
        Ok(())
    }

    fn publish(&mut self) {
        if let Some(lane) = self.parts().0 {
            lane.publish();
        }
    }

    fn revert(&mut self) -> Result<(), Status> {
        // What was placed and not published nobody has seen; of what was to be taken back some may have gone.
        self.doubt();
        Ok(())
    }

    fn abandon(&mut self, holder: HolderId) {
        Writer::abandon(self, holder);
    }

    fn give_up(&mut self, id: CallId) {
        Writer::give_up(self, id);
    }

    fn disconnect(&mut self) {
        self.detach(Status::PipeDisconnected, Status::PipeDisconnected);
    }
}

/// A half that this thread has to itself.
///
/// What happens in a turn is in functions that take the half alone, so that this guard itself can stay in registers.
pub(crate) struct Entered<'a, H: Portable> {
    half: MutexGuard<'a, H>,
    /// Whose turn is to be passed on.
    object: Option<Arc<Object>>,
}

impl<'a, H: Portable> Entered<'a, H> {
    /// Enters a half.
    ///
    /// # Errors
    /// Of an end that several processes hold: [`Status::IoTimeout`] when one of them has stopped in its turn,
    /// [`Status::InvalidHandle`] when it has left what cannot be understood.
    #[inline]
    pub(crate) fn enter(half: &'a Mutex<H>) -> Result<Entered<'a, H>, Status> {
        let mut half = locked(half);
        let object = if half.is_shared() {
            await_turn(&mut *half)?
        } else {
            None
        };
        Ok(Entered { half, object })
    }

    /// The same without waiting for anybody; `None` also for an end that this process alone holds.
    pub(crate) fn try_enter(half: &'a Mutex<H>) -> Option<Entered<'a, H>> {
        let mut half = match half.try_lock() {
            Ok(half) => half,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let object = half.link().and_then(|link| link.object()).cloned()?;
        let inherited = object.try_turn(H::HALF)?;
        begin_turn(&mut *half, &object, inherited).ok()?;
        let object = Some(object);
        Some(Entered { half, object })
    }

    /// What other processes go by that may hold the end too.
    #[inline]
    pub(crate) fn object(&self) -> Option<&Arc<Object>> {
        self.object.as_ref()
    }

    /// Makes what has changed safe with the other processes, and shows it to the peer.
    #[inline]
    pub(crate) fn commit(&mut self) {
        if let Some(object) = &self.object {
            commit(&mut *self.half, object);
        }
    }
}

#[cold]
fn await_turn<H: Portable>(half: &mut H) -> Result<Option<Arc<Object>>, Status> {
    let Some(object) = half.link().and_then(|link| link.object()).cloned() else {
        return Ok(None);
    };
    let inherited = object.await_turn(H::HALF)?;
    begin_turn(half, &object, inherited)?;
    Ok(Some(object))
}

/// Begins a turn, or passes it on at once.
fn begin_turn<H: Portable>(half: &mut H, object: &Object, inherited: bool) -> Result<(), Status> {
    let begun = catch_up(half, object, inherited);
    if let Err(status) = begun {
        if status == Status::PeerMisbehaved
            && let Some(link) = half.link()
        {
            link.peer_misbehaved();
        }
        if inherited {
            object.bequeath_turn(H::HALF);
        } else {
            object.pass_turn(H::HALF);
        }
    }
    begun
}

fn catch_up<H: Portable>(half: &mut H, object: &Object, inherited: bool) -> Result<(), Status> {
    if let Some((version, image)) = object.news(H::HALF) {
        half.load(&image, object.holder())?;
        object.note(H::HALF, version);
    }
    if inherited {
        half.revert()?;
    }
    let gone: Vec<Place> = object.remembered(H::HALF).collect();
    if !gone.is_empty() {
        for gone in &gone {
            half.abandon(gone.id);
        }
        // Safe before it is forgotten: whoever inherits our turn is not told of them again.
        commit(half, object);
        for gone in gone {
            let sleepers = object.forget(gone, H::HALF);
            if let Some(link) = half.link() {
                link.forget_sleepers(sleepers);
            }
        }
    }
    let given_up = object.take_given_up(H::HALF);
    if !given_up.is_empty() {
        for id in given_up {
            half.give_up(id);
        }
        commit(half, object);
        if let Some(link) = half.link() {
            // Calls of others may have been behind them.
            link.wake_own();
            link.ring(Cause::ANY);
        }
    }
    if object.is_disconnected() && half.link().is_some() {
        half.disconnect();
    }
    Ok(())
}

#[cold]
fn commit<H: Portable>(half: &mut H, object: &Object) {
    let stored = half.save().is_ok_and(|image| object.store(H::HALF, &image));
    match (stored, half.link()) {
        (true, _) => half.publish(),
        // More calls wait than there is room to tell of; others cannot go on without them.
        (false, Some(link)) => link.peer_misbehaved(),
        (false, None) => {}
    }
}

#[cold]
fn end_turn<H: Portable>(half: &mut H, object: &Object) {
    commit(half, object);
    object.pass_turn(H::HALF);
    // Somebody may have been found gone by one who found us here.
    while object.remembered(H::HALF).next().is_some() {
        let Some(inherited) = object.try_turn(H::HALF) else {
            return;
        };
        if begin_turn(half, object, inherited).is_err() {
            return;
        }
        commit(half, object);
        object.pass_turn(H::HALF);
        if let Some(link) = half.link() {
            link.wake_own();
            link.ring(Cause::ANY);
        }
    }
}

impl<H: Portable> Drop for Entered<'_, H> {
    #[inline]
    fn drop(&mut self) {
        if let Some(object) = &self.object {
            end_turn(&mut *self.half, object);
        }
    }
}

impl<H: Portable> Deref for Entered<'_, H> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.half
    }
}

impl<H: Portable> DerefMut for Entered<'_, H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut H {
        &mut self.half
    }
}
