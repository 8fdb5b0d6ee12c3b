//! An end becomes one that several processes hold, and is left to the others.

use std::sync::Arc;

use npipe_core::Status;
use npipe_core::wire::PeerState;
use npipe_shm::control::Standing;
use npipe_shm::object::Half;
use npipe_shm::ring::{RingInlet, RingOutlet};

use super::link::Link;
use super::turn::Portable;
use super::{End, Handle, Home, locked};
use crate::background;
use crate::object::Object;
use crate::sys::SysResult;

impl Handle {
    /// Makes what this process alone has held so far known to others. The object that this end is from now on: another
    /// thread may have been faster. `None`: the connection has ended meanwhile.
    pub(crate) fn become_object(&self, link: &Arc<Link>, object: Arc<Object>) -> SysResult<Option<Arc<Object>>> {
        object.watch(&self.0)?;
        let mut reading = locked(&self.reading);
        let mut writing = locked(&self.writing);
        let is_current = reading.link().is_some_and(|current| Arc::ptr_eq(current, link));
        let known = link.object().cloned();
        let images = (reading.save(), writing.save());
        if let (true, None, (Ok(read), Ok(written))) = (is_current, &known, images)
            && object.store(Half::Reading, &read)
            && object.store(Half::Writing, &written)
        {
            object.set_wait_mode(reading.wait_mode());
            if let (Some(inlet), Some(outlet)) = (reading.parts().0, writing.parts().0) {
                inlet.hold_back();
                outlet.hold_back();
            }
            link.set_object(object.clone());
            return Ok(Some(object));
        }
        drop((reading, writing));
        object.unwatch();
        Ok(known)
    }

    /// Goes on with an end that another process has passed on.
    pub(crate) fn adopt(&self, link: &Arc<Link>, object: Arc<Object>) -> SysResult<()> {
        locked(&self.reading).join(RingInlet::new(link.clone(), self.side()), self.peer_quota());
        locked(&self.writing).join(RingOutlet::new(link.clone(), self.side()));
        link.set_object(object.clone());
        object.watch(&self.0)?;
        background::watch_peer(link)?;
        // Those who have come before look who is new, and we who was there.
        object.stir();
        self.0.look_around();
        Ok(())
    }
}

impl End {
    /// Closes this process' part in an end that others hold too, or that is on its way to somebody: the connection goes on.
    /// `false`: there is nobody.
    pub(super) fn leave_to_others(&self) -> bool {
        let Some(link) = self.link() else { return false };
        let Some(object) = link.object() else { return false };
        if object.leave() || object.is_disconnected() {
            return false;
        }
        object.unwatch();
        background::unwatch(&link);
        // Without a word to the peer, and without a shutdown: the socket stays open elsewhere.
        locked(&self.reading).let_go();
        locked(&self.writing).let_go();
        if let (Home::Server { seat: Some(seat), .. }, Some(place)) = (&self.home, object.take_place()) {
            background::watch_place(place, seat);
        }
        true
    }

    /// Of an end that is in use: whether another process that holds it has disconnected it.
    pub(crate) fn is_disconnected_elsewhere(&self) -> bool {
        self.link()
            .is_none_or(|link| link.object().is_some_and(|object| object.is_disconnected()))
    }

    /// ConnectNamedPipe by a process that has not created the instance: it cannot have it listen.
    pub(crate) fn connect_elsewhere(&self) -> Result<(), Status> {
        self.require_own()?;
        match self.peer_state() {
            Some(PeerState::Open) => Err(Status::PipeConnected),
            Some(_) => Err(Status::PipeClosing),
            None => Err(Status::IllegalFunction),
        }
    }

    /// DisconnectNamedPipe by a process that has not created the instance; the one that has is told by the socket.
    pub(crate) fn disconnect_elsewhere(&self) -> Result<(), Status> {
        self.require_own()?;
        self.peer_state().ok_or(Status::PipeDisconnected)?;
        self.detach(Standing::Disconnected, Status::PipeDisconnected);
        Ok(())
    }
}
