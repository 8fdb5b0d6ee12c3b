//! A client gets its instance: the segment is made, the end attached, the answer sent.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use npipe_core::handshake::{ClientReport, Connection, Message};
use npipe_core::pipe::Opened;
use npipe_core::{Access, PeerIdentity, SecurityQos, Status};
use npipe_shm::layout::{Layout, Side};
use npipe_shm::memory::Memory;

use super::{Host, HostState, Role, SELF, Visit};
use crate::background;
use crate::end::link::{Counterpart, Link};
use crate::end::{End, locked};
use crate::sys::forks::ProcessFd;
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::{SysError, SysResult, socket};

impl HostState {
    /// The end of an instance of ours.
    pub(crate) fn end_of(&self, opened: &Opened) -> Option<Arc<End>> {
        self.ends.get(&opened.instance).and_then(Weak::upgrade)
    }

    /// An instance without an end is none to be had: ends leave the pipe before they go.
    pub(crate) fn drop_endless(&mut self, opened: &Opened) {
        self.close(opened.instance);
        self.post(opened.instance);
    }
}

impl Host {
    /// A client asks for an instance: it gets the one that has listened longest, here or in the process that has it. What
    /// comes of it the client is told, unless it is refused.
    ///
    /// # Errors
    /// Why it is.
    pub(crate) fn admit(
        self: &Arc<Host>,
        client: &Arc<ProcessFd>,
        peer: Counterpart,
        access: Access,
    ) -> Result<(), Status> {
        // Declared before the lock and so dropped after it: an end that goes with its last handle takes the lock.
        let mut _ends = Vec::new();
        let mut state = locked(&self.state);
        let access = state.pipe.attributes().admit(&PeerIdentity::from(&peer.who), access)?;
        loop {
            let opened = state.choose(access)?;
            if opened.owner != SELF {
                if state.pass_on(&opened, (access, peer.qos), (client, &peer.who)) {
                    return Ok(());
                }
                continue;
            }
            let Some(end) = state.end_of(&opened) else {
                state.drop_endless(&opened);
                continue;
            };
            _ends.push(end.clone());
            self.note_processor(peer.processor);
            let instances = state.pipe.instances().len() as u32;
            let welcomed = self.welcome(&mut state, &opened, &end, client, peer, instances);
            // Who waits in a connect goes on to make the next instance, for which it needs the lock.
            drop(state);
            self.notify(&end);
            return welcomed;
        }
    }

    /// A client that the leader has sent to us.
    pub(super) fn welcome_passed_on(
        self: &Arc<Host>,
        state: &mut HostState,
        opened: &Opened,
        (client, qos): (ProcessFd, SecurityQos),
        instances: u32,
    ) {
        let client = Arc::new(client);
        let refusal = match (identity::peer_credentials(client.as_fd()), state.end_of(opened)) {
            (Ok(who), Some(end)) => {
                let processor = None;
                let peer = Counterpart { who, qos, processor };
                let welcomed = self.welcome(state, opened, &end, &client, peer, instances);
                self.notify(&end);
                welcomed.err()
            }
            (_, None) => {
                state.drop_endless(opened);
                None
            }
            (Err(_), _) => Some(Status::InsufficientResources),
        };
        if let Some(status) = refusal {
            let _ = socket::send(client.as_fd(), &Message::Refused { status }.encode(), None);
        }
    }

    /// Connects a client to the instance of ours that was taken for it. The caller notifies those who wait in a connect.
    ///
    /// # Errors
    /// [`Status::InsufficientResources`]: the instance listens again, and the client is to be told.
    pub(crate) fn welcome(
        self: &Arc<Host>,
        state: &mut HostState,
        opened: &Opened,
        end: &Arc<End>,
        client: &Arc<ProcessFd>,
        peer: Counterpart,
        instances: u32,
    ) -> Result<(), Status> {
        let report = ClientReport::from(&peer.who);
        let Ok((link, descriptor)) = self.make_link(end, client, peer) else {
            // Nothing happened yet: the instance goes on listening.
            let _ = state.pipe.disconnect(opened.instance);
            let released = state.pipe.listen(opened.instance).unwrap_or_default();
            state.release(released);
            state.post(opened.instance);
            return Err(Status::InsufficientResources);
        };
        let shape = &end.shape;
        let server_pid = identity::own_pid();
        let answer = Message::Opened(Connection {
            pipe_type: shape.pipe_type,
            direction: state.pipe.attributes().direction,
            out_quota: shape.out_quota,
            in_quota: shape.in_quota,
            max_instances: shape.max_instances,
            instances,
            server_pid,
            listener_pid: match &state.role {
                Role::Leading(leader) => leader.listener_pid,
                Role::Following(follower) => follower.listener_pid,
            },
            segment_bytes: link.layout().total_bytes(),
            pipe_id: self.pipe_id,
            access: opened.access,
            security: state.pipe.attributes().security.clone(),
        });
        end.attach(&link);
        state.clients.insert(opened.instance, Visit::begun(report));
        end.opens.fetch_add(1, Ordering::Relaxed);
        // semantics 57, 71
        let connects = end.finish_connects(Ok(()));
        // From here on the client is connected; if it has gone meanwhile, its socket says so.
        let seat = (Arc::downgrade(self), opened.instance, opened.connection);
        // With the lock: an end that closes now stops the watch after it has begun.
        if background::watch_client(&link, Arc::downgrade(end), seat).is_err() {
            link.peer_hung_up();
            if state.pipe.client_gone(opened.instance, opened.connection) {
                state.post(opened.instance);
            }
            end.pump();
            return Err(Status::InsufficientResources);
        }
        if connects > 0 || end.calls.attendant.get().is_some() {
            // They are handed over without the lock.
            background::stir(&link);
        }
        // With the lock too: a server that disconnects at once hangs up after the answer.
        let _ = socket::send(link.socket(), &answer.encode(), Some(descriptor.as_fd()));
        Ok(())
    }

    fn make_link(&self, end: &End, client: &Arc<ProcessFd>, peer: Counterpart) -> SysResult<(Arc<Link>, ProcessFd)> {
        let layout = Layout::new(end.shape.out_quota, end.shape.in_quota);
        let (segment, descriptor) = self.fresh.take(&layout)?;
        let kept = match end.shape.is_shareable {
            true => {
                let copy = descriptor.as_fd().try_clone_to_owned();
                Some(copy.map_err(|error| SysError::new("copy a descriptor", error))?.into())
            }
            false => None,
        };
        let processor = peer.processor;
        let link = Link::new(
            segment,
            layout,
            Side::Server,
            client.clone(),
            peer,
            end.shape.max_spin,
            kept,
        );
        if let Some(processor) = processor {
            // Until it says so itself: who waits for it is not to look for it where it cannot run meanwhile.
            let words = &link.control().end(Side::Client).attention.0;
            words.processor.store(processor.wrapping_add(1), Ordering::Relaxed);
        }
        Ok((link, descriptor))
    }
}

impl From<&PeerCredentials> for ClientReport {
    fn from(peer: &PeerCredentials) -> ClientReport {
        ClientReport {
            pid: peer.pid,
            uid: peer.uid,
            gid: peer.gid,
        }
    }
}
