//! The descriptor of a name, where this process leads (semantics 265).

use std::sync::{Arc, Mutex, Weak};

use npipe_core::{PeerIdentity, PipeName, SecurityDescriptor, SecurityInformation, Status};

use super::{Host, HostState, KnownSecurity, Place, Role};
use crate::end::locked;
use crate::process::Process;
use crate::sys::impersonation::with_own_files;
use crate::sys::namespace::Root;

/// A pipe that this process has opened: where its name is, which of its pipes, and whose; a stranger could claim another's number.
pub(crate) type OpenedPipe = (Place, u64, u32);

/// What this process knows of the descriptor of a pipe that it opens. All its clients of a pipe share it, and the server if that
/// is this process too; `told` is the news.
pub(crate) fn security_of(
    root: &Root,
    name: &PipeName,
    (pipe_id, server_uid): (u64, u32),
    told: &SecurityDescriptor,
) -> KnownSecurity {
    let place = (root.path().to_owned(), name.key());
    if let Some(served) = security_served(&place, pipe_id) {
        return served;
    }
    let mut opened = locked(&Process::current().opened);
    let pipe = (place, pipe_id, server_uid);
    if let Some(known) = opened.get(&pipe).and_then(Weak::upgrade) {
        locked(&known).clone_from(told);
        return known;
    }
    // Now and then, so that each pipe pays for looking at few others.
    if opened.len().is_power_of_two() {
        opened.retain(|_, known| known.strong_count() > 0);
    }
    let known = Arc::new(Mutex::new(told.clone()));
    opened.insert(pipe, Arc::downgrade(&known));
    known
}

/// What this process knows as a server of that pipe of the name.
fn security_served(place: &Place, pipe_id: u64) -> Option<KnownSecurity> {
    let slot = locked(&Process::current().slots).get(place).cloned()?;
    // Whoever begins or ends to serve the name has it; a client does not wait for that.
    let serving = slot.try_lock().ok()?;
    let host = serving.as_ref().filter(|host| host.pipe_id == pipe_id)?;
    Some(host.security.clone())
}

impl Host {
    /// What the descriptor is, if this process has the last word on it.
    pub(crate) fn security_if_leading(&self) -> Option<SecurityDescriptor> {
        let state = locked(&self.state);
        matches!(state.role, Role::Leading(_)).then(|| state.pipe.attributes().security.clone())
    }

    /// What the descriptor was by the last news.
    pub(crate) fn known_security(&self) -> SecurityDescriptor {
        locked(&self.state).pipe.attributes().security.clone()
    }

    /// Changes it for an end that has the rights; `None` where another process leads.
    pub(crate) fn set_security_if_leading(
        &self,
        parts: SecurityInformation,
        source: &SecurityDescriptor,
        by: &PeerIdentity,
    ) -> Option<Result<(), Status>> {
        let mut state = locked(&self.state);
        matches!(state.role, Role::Leading(_)).then(|| {
            let mut changed = state.pipe.attributes().security.clone();
            changed.change(parts, source, by)?;
            self.publish_security(&mut state, changed)
        })
    }

    /// Changes it for a process that asks for it, if it may.
    pub(crate) fn set_security_for(
        &self,
        parts: SecurityInformation,
        source: &SecurityDescriptor,
        by: &PeerIdentity,
    ) -> Result<(), Status> {
        let mut state = locked(&self.state);
        let mut attributes = state.pipe.attributes().clone();
        attributes.set_security(parts, source, by)?;
        self.publish_security(&mut state, attributes.security)
    }

    fn publish_security(&self, state: &mut HostState, changed: SecurityDescriptor) -> Result<(), Status> {
        if changed.admits_others()
            && let Some(claim) = &*locked(&self.claim)
        {
            // Those who were to be kept out may not even knock so far.
            with_own_files(|| claim.widen()).map_err(|_| Status::SystemError)?;
        }
        if let Role::Leading(leader) = &mut state.role {
            leader.tell_security(&changed);
        }
        self.note_security(state, changed);
        Ok(())
    }

    /// It has changed.
    pub(super) fn note_security(&self, state: &mut HostState, changed: SecurityDescriptor) {
        *locked(&self.security) = changed.clone();
        state.pipe.attributes_mut().security = changed;
    }
}
