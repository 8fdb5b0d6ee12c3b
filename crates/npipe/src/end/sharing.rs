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
        object.watch(&self.0, link)?;
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
            link.set_object(object.clone());
            if let (Some(inlet), Some(outlet)) = (reading.parts().0, writing.parts().0) {
                inlet.hold_back();
                outlet.hold_back();
            }
            return Ok(Some(object));
        }
        drop((reading, writing));
        object.unwatch();
        Ok(known)
    }

    /// Goes on with an end that another process has passed on.
    pub(crate) fn adopt(&self, link: &Arc<Link>, object: Arc<Object>) -> SysResult<()> {
        link.set_object(object.clone());
        let mut inlet = RingInlet::new(link.clone(), self.side());
        let mut outlet = RingOutlet::new(link.clone(), self.side());
        inlet.hold_back();
        outlet.hold_back();
        locked(&self.reading).join(inlet, self.peer_quota());
        locked(&self.writing).join(outlet);
        object.watch(&self.0, link)?;
        background::watch_peer(link, Arc::downgrade(&self.0))?;
        // Those who have come before look who is new, and we who was there.
        object.stir();
        self.0.look_around(link);
        Ok(())
    }
}

impl End {
    /// Closes this process' part in an end that others may hold too. The connection goes on with them, or ends with us.
    /// `false`: it was never passed on.
    pub(super) fn close_shared(&self) -> bool {
        let Some(link) = self.link() else { return false };
        let Some(object) = link.object() else { return false };
        // A close can meet calls that wait (semantics 192).
        if let Ok(mut reading) = self.reading() {
            reading.end_own(Status::PipeBroken);
        }
        if let Ok(mut writing) = self.writing() {
            writing.end_own(Status::PipeBroken);
        }
        // From here on no thread of ours takes a turn, or falls asleep: others do not watch us any more once we have left.
        self.let_go();
        object.unwatch();
        background::unwatch(&link);
        link.sound_alarm();
        while object.has_sleepers() {
            // They take themselves from the count, which others would do for them if we left before.
            std::thread::yield_now();
            link.sound_alarm();
        }
        let seat = match &self.home {
            Home::Server { seat, .. } => seat.as_ref(),
            Home::Client { .. } => None,
        };
        let is_held = object.leave();
        if object.is_disconnected() || !is_held {
            if let Some(seat) = seat {
                seat.vacate();
                seat.host.notify(self);
            }
            // To one that was disconnected that was said already, and stays so (semantics 182).
            if !object.is_disconnected() {
                link.leave(Standing::Closed);
            }
            self.finish_connects(Err(Status::PipeBroken));
        } else if let (Some(seat), Some(place)) = (seat, object.take_place()) {
            // Without a shutdown where others go on: the socket stays open with them.
            background::watch_place(place, seat);
        }
        self.pump();
        true
    }

    /// From here on no call of this process gets to the connection.
    fn let_go(&self) {
        let mut reading = locked(&self.reading);
        let mut writing = locked(&self.writing);
        reading.let_go();
        writing.let_go();
        reading.set_absent(Status::InvalidHandle);
        writing.set_absent(Status::InvalidHandle);
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
        self.detach(
            Standing::Disconnected,
            Status::PipeDisconnected,
            Status::PipeDisconnected,
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests;
