//! The place of a server end in its pipe: connecting, disconnecting, leaving.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use npipe_core::pipe::{ConnectionId, InstanceId, InstanceState};
use npipe_core::wire::PeerState;
use npipe_core::{Status, WaitMode};
use npipe_shm::control::Standing;

use super::{Host, HostState, Role, announce_vacancy};
use crate::end::blocked::{BlockedCall, Waiting};
use crate::end::{End, Handle, locked};
use crate::overlapped::{IntoOrder, OperationId};
use crate::sys::impersonation::at_home;

/// The place of a server end in its pipe.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) host: Arc<Host>,
    pub(crate) id: InstanceId,
}

impl Seat {
    /// Waits for a client (semantics 61-67, 76-78). A client that is there already is reported as
    /// [`Status::PipeConnected`].
    pub(crate) fn connect(&self, end: &End) -> Result<(), Status> {
        end.require_own()?;
        let mut state = locked(&self.host.state);
        match self.begin_connect(&mut state, end)? {
            WaitMode::NoWait => return Err(Status::PipeListening),
            WaitMode::Wait => {}
        }
        // Dropped after the lock: the background thread, which is told then, may be waiting for that.
        let mut keeper = self.host.keep_door(end.shape.max_spin);
        let opens = end.opens.load(Ordering::Relaxed);
        let cancelled = end.connects_cancelled.load(Ordering::Relaxed);
        end.connecting.fetch_add(1, Ordering::Relaxed);
        // The lock is kept until nobody finds the call any more.
        let (result, _state) = end.blocked(Waiting::Connect, |call| {
            loop {
                if end.opens.load(Ordering::Relaxed) != opens {
                    return (Ok(()), state);
                }
                if end.connects_cancelled.load(Ordering::Relaxed) != cancelled || call.is_cancelled() {
                    return (Err(Status::Cancelled), state);
                }
                match state.pipe.instance(self.id).map(|instance| instance.state) {
                    Some(InstanceState::Listening) => {}
                    Some(InstanceState::Disconnected) => return (Err(Status::PipeDisconnected), state),
                    _ => return (Err(Status::PipeBroken), state),
                }
                state = self.host.await_change(state, end, &mut keeper);
            }
        });
        end.connecting.fetch_sub(1, Ordering::Relaxed);
        result
    }

    /// Starts to wait for a client (semantics 68, 71).
    ///
    /// # Errors
    /// What [`Seat::connect`] fails with at once, [`Status::PipeConnected`] among it.
    pub(crate) fn start_connect(&self, end: &Handle, order: impl IntoOrder) -> Result<OperationId, Status> {
        end.require_own()?;
        let mut state = locked(&self.host.state);
        match self.begin_connect(&mut state, end)? {
            WaitMode::NoWait => Err(Status::PipeListening),
            WaitMode::Wait => Ok(end.keep_connect(order)),
        }
    }

    /// Starts to listen if the instance does not; says whether to wait then.
    fn begin_connect(&self, state: &mut HostState, end: &End) -> Result<WaitMode, Status> {
        state.follow(self.id, end);
        let before = state.pipe.instance(self.id).map(|instance| instance.state);
        if before == Some(InstanceState::Connected) && end.peer_state() == Some(PeerState::Closed) {
            // The client said so itself; its socket has yet to hang up (semantics 63).
            return Err(Status::PipeClosing);
        }
        if before == Some(InstanceState::Disconnected) {
            end.relisten();
        }
        let released = state.pipe.listen(self.id)?;
        state.release(released);
        if before == Some(InstanceState::Disconnected) {
            state.post(self.id);
        }
        Ok(end.wait_mode())
    }

    /// Ends connects of this instance that wait; it goes on listening (semantics 78). The caller hands over those that were
    /// operations.
    pub(crate) fn cancel_connects(&self, end: &End) -> usize {
        let _state = locked(&self.host.state);
        let count = end.connecting.load(Ordering::Relaxed);
        if count > 0 {
            end.connects_cancelled.fetch_add(1, Ordering::Relaxed);
            self.host.notify(end);
        }
        count as usize + end.finish_connects(Err(Status::Cancelled))
    }

    /// Ends the connect that a thread waits in; the instance goes on listening (semantics 78, 232).
    pub(crate) fn cancel_connect(&self, end: &End, call: &BlockedCall) -> bool {
        let _state = locked(&self.host.state);
        let is_connect = call.cancel_connect(end);
        self.host.notify(end);
        is_connect
    }

    /// Throws the client out, or stops listening (semantics 172-182).
    pub(crate) fn disconnect(&self, end: &End) -> Result<(), Status> {
        end.require_own()?;
        let mut state = locked(&self.host.state);
        state.follow(self.id, end);
        state.pipe.disconnect(self.id)?;
        state.end_connection(self.id, end);
        self.host.notify(end);
        end.finish_connects(Err(Status::PipeDisconnected));
        drop(state);
        end.pump();
        Ok(())
    }

    /// What the instance is doing.
    pub(crate) fn state(&self) -> Result<InstanceState, Status> {
        let state = locked(&self.host.state);
        let instance = state.pipe.instance(self.id);
        instance.map(|instance| instance.state).ok_or(Status::InvalidHandle)
    }

    /// How many instances the pipe has, where this process keeps it (semantics 197).
    pub(crate) fn instances(&self) -> Option<u32> {
        let mut state = locked(&self.host.state);
        state.catch_up();
        match state.role {
            Role::Leading(_) => Some(state.pipe.instances().len() as u32),
            Role::Following(_) => None,
        }
    }

    /// Gives the instance up; with the last one the name vanishes (semantics 13, 29).
    pub(crate) fn vacate(&self) {
        self.host.vacate(self.id);
    }
}

impl HostState {
    /// An instance that is in use, and whose end is not: another process that holds it has disconnected it.
    fn follow(&mut self, id: InstanceId, end: &End) {
        let is_used = self
            .pipe
            .instance(id)
            .is_some_and(|instance| matches!(instance.state, InstanceState::Connected | InstanceState::Closing));
        if is_used && end.is_disconnected_elsewhere() && self.pipe.disconnect(id).is_ok() {
            self.end_connection(id, end);
        }
    }

    /// The connection of an instance ends, and everything unread with it.
    fn end_connection(&mut self, id: InstanceId, end: &End) {
        self.clients.remove(&id);
        self.post(id);
        end.detach(
            Standing::Disconnected,
            Status::PipeDisconnected,
            Status::PipeDisconnected,
        );
    }
}

impl Host {
    /// An instance closes; with the last one the name vanishes.
    pub(crate) fn vacate(self: &Arc<Host>, id: InstanceId) {
        self.close_instance(id);
        // What goes with the last instance is the process' to remove, whoever this thread is.
        at_home(|| self.leave_if_over());
        announce_vacancy();
    }

    /// The same for the background thread, of an instance whose end was left to others; nothing if it has closed.
    pub(crate) fn vacate_for_others(self: &Arc<Host>, id: InstanceId) {
        self.close_instance(id);
        // It waits for nobody who begins or ends to serve the name: who does looks himself.
        self.dissolve_if_over();
        announce_vacancy();
    }

    fn close_instance(&self, id: InstanceId) {
        let mut state = locked(&self.state);
        state.close(id);
        state.post(id);
        // What others have closed by now counts too.
        state.catch_up();
    }

    /// Another process that holds the end of an instance has disconnected it. The end itself finds out when it is used: the
    /// background thread waits for nobody's turn.
    pub(crate) fn disconnected_elsewhere(&self, id: InstanceId, connection: ConnectionId) {
        let mut state = locked(&self.state);
        if state.pipe.client_gone(id, connection) && state.pipe.disconnect(id).is_ok() {
            state.clients.remove(&id);
            state.post(id);
        }
    }
}
