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
        self.let_go();
        object.unwatch();
        background::unwatch(&link);
        let seat = match &self.home {
            Home::Server { seat, .. } => seat.as_ref(),
            Home::Client { .. } => None,
        };
        let (is_last, is_disconnected) = (object.leave(), object.is_disconnected());
        if is_last || is_disconnected {
            if let Some(seat) = seat {
                seat.vacate();
            }
            // To one that was disconnected that was said already, and stays so (semantics 182).
            if !is_disconnected {
                link.leave(Standing::Closed);
            }
        } else if let (Some(seat), Some(place)) = (seat, object.take_place()) {
            background::watch_place(place, seat);
        }
        // Without a shutdown where others go on: the socket stays open with them.
        link.sound_alarm();
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
mod tests {
    use npipe_core::{Progress, WaitMode};
    use npipe_shm::object::Seen;

    use crate::{ClientOptions, PipeClient, PipeMode, PipeServer, ServerOptions};

    /// A server, and two holders of its client's end, of which the second is about to die.
    fn holders(root: &std::path::Path) -> (PipeServer, PipeClient, PipeClient) {
        let server = ServerOptions::new()
            .root(root)
            .pipe_mode(PipeMode::Message)
            .create(r"\\.\pipe\test")
            .expect("the name is free");
        let mut options = ClientOptions::new();
        options.root(root).pipe_mode(PipeMode::Message).shareable(true);
        let client = options.open(r"\\.\pipe\test").expect("it listens");
        let raw = client.try_clone().and_then(PipeClient::into_raw).expect("shareable");
        (server, client, PipeClient::from_raw(raw).expect("an end"))
    }

    /// How others see a holder.
    fn seen(holder: &PipeClient) -> Seen {
        let link = holder.end.link().expect("it is connected");
        link.object().expect("it is shared").seen()
    }

    /// A process is killed when it has read a message and nobody knows yet: another reads it, and need not wait.
    ///
    /// semantics 101, 190
    #[test]
    fn what_was_read_in_a_turn_that_never_ended_is_read_again() {
        let root = tempfile::tempdir().expect("a directory");
        let (server, client, dead) = holders(root.path());
        // One that is pending leaves marks in the lane when it is read.
        server.write(b"message").expect("there is room");
        for _ in 0..2 {
            server.write(b"").expect("empty messages need none");
        }
        let seen = seen(&dead);
        let link = client.end.link().expect("it is connected");
        let mut turn = dead.end.reading().expect("nobody else has it");
        let mut buffer = [0; 16];
        for _ in 0..2 {
            assert!(matches!(turn.read(&mut buffer), Ok(Progress::Done(_))));
        }
        std::mem::forget(turn);
        let waiting = std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut buffer = [0; 16];
                let lengths = [0; 3].map(|_| client.read(&mut buffer).expect("three messages"));
                (lengths, client.peek(&mut []).expect("it is open").total)
            });
            client.end.0.holder_gone(&link, &seen);
            reading.join().expect("no panic")
        });
        assert_eq!(waiting, ([7, 0, 0], 0));
        server.flush().expect("all was read");
        std::mem::forget(dead);
    }

    /// The same for one that writes: nothing of it is seen, and what others write comes in its place.
    ///
    /// semantics 128, 129
    #[test]
    fn what_was_written_in_a_turn_that_never_ended_was_not() {
        let root = tempfile::tempdir().expect("a directory");
        let (server, client, dead) = holders(root.path());
        client.write(b"before").expect("there is room");
        let seen = seen(&dead);
        let link = client.end.link().expect("it is connected");
        let mut turn = dead.end.writing().expect("nobody else has it");
        for data in [b"unheard".as_slice(), b"", &[0; 100_000]] {
            turn.write(data, WaitMode::Wait).expect("somebody reads");
        }
        std::mem::forget(turn);
        client.end.0.holder_gone(&link, &seen);
        client.write(b"after").expect("there is room");
        let mut buffer = [0; 16];
        let lengths = [0; 2].map(|_| server.read(&mut buffer).expect("two messages"));
        assert_eq!((lengths, server.peek(&mut []).expect("it is open").total), ([6, 5], 0));
        client.flush().expect("all was read");
        std::mem::forget(dead);
    }

    /// A process that stops in its turn holds nobody up for ever.
    ///
    /// semantics 230
    #[test]
    fn a_turn_that_does_not_end_is_a_time_out() {
        let root = tempfile::tempdir().expect("a directory");
        let (_server, client, stopped) = holders(root.path());
        let turn = stopped.end.reading().expect("nobody else has it");
        let error = client.read(&mut [0]).expect_err("it waits in vain");
        assert_eq!(error.status().win32_name(), "ERROR_SEM_TIMEOUT");
        drop(turn);
        client.set_read_timeout(Some(std::time::Duration::from_millis(1)));
        assert!(client.read(&mut [0]).is_err(), "there is nothing to read");
    }
}
