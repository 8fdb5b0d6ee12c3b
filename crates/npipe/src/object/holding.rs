//! What holders of one end know of each other: who is there, and who has died.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use npipe_shm::doorbell::Cause;
use npipe_shm::object::{Half, Seen};

use super::Object;
use crate::background;
use crate::end::link::Link;
use crate::end::{End, locked};
use crate::sys::forks::ProcessFd;
use crate::sys::{SysResult, forks, futex, lifetime};

/// Another holder, whose process is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    process: ProcessFd,
    token: u64,
}

impl Object {
    /// Begins to watch who comes and goes, on behalf of this process' end.
    pub(crate) fn watch(&self, end: &Arc<End>, link: &Arc<Link>) -> SysResult<()> {
        let token = background::watch_bell((end, link), self.bell.as_fd())?;
        self.bell_token.store(token, Ordering::Relaxed);
        Ok(())
    }

    /// Stops to watch, before the descriptors are closed.
    pub(crate) fn unwatch(&self) {
        if self.generation != forks::generation() {
            return;
        }
        background::unwatch_descriptor(self.bell.as_fd(), self.bell_token.swap(0, Ordering::Relaxed));
        for (_, other) in locked(&self.others).drain() {
            background::unwatch_descriptor(other.process.as_fd(), other.token);
        }
    }

    /// Looks who is there: those who have come are watched from now on, those who have left no more.
    fn look_around(&self, end: &Arc<End>, link: &Arc<Link>) -> Vec<Seen> {
        let present: Vec<Seen> = self.words().holders().present().collect();
        let mut gone = Vec::new();
        let mut others = locked(&self.others);
        others.retain(|other, watched| {
            let stays = present.contains(other);
            if !stays {
                background::unwatch_descriptor(watched.process.as_fd(), watched.token);
            }
            stays
        });
        for other in present {
            if other.place == self.me || others.contains_key(&other) {
                continue;
            }
            match lifetime::end_of(other.pid, other.born) {
                Ok(None) => gone.push(other),
                Ok(Some(process)) => {
                    if let Ok(token) = background::watch_holder((end, link), process.as_fd(), other) {
                        others.insert(other, Watched { process, token });
                    }
                }
                // Without a descriptor to spare its death is found out when somebody stirs us next.
                Err(_) => {}
            }
        }
        gone
    }

    /// A holder's process has ended: what it had begun is for others to end.
    fn mark_gone(&self, other: &Seen) {
        if let Some(watched) = locked(&self.others).remove(other) {
            background::unwatch_descriptor(watched.process.as_fd(), watched.token);
        }
        self.words().holders().mark_gone(other);
        for half in Half::BOTH {
            let turn = self.words().turn(half);
            if turn.orphan(other.place) {
                futex::wake_all(turn.word());
            }
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.unwatch();
        if self.generation == forks::generation() {
            // Where that was not done by a close: what was begun with the end came to nothing.
            self.words().holders().retire(self.me);
        }
    }
}

#[cfg(test)]
impl Object {
    /// As the others see us.
    pub(crate) fn seen(&self) -> Seen {
        let mut present = self.words().holders().present();
        present.find(|seen| seen.place == self.me).expect("it holds the end")
    }
}

impl End {
    /// Somebody has come to hold this end too, or has left it.
    pub(crate) fn look_around(self: &Arc<End>, link: &Arc<Link>) {
        let Some(object) = link.object() else { return };
        for gone in object.look_around(self, link) {
            self.holder_gone(link, &gone);
        }
        if Half::BOTH.iter().any(|&half| object.remembered(half).next().is_some()) {
            // Somebody has left; places are free when both halves have forgotten who had them.
            self.try_both_halves();
        }
    }

    /// A process that holds this end too has ended (semantics 128, 129). Waits for nobody: whoever has a half now finds out
    /// himself.
    pub(crate) fn holder_gone(&self, link: &Link, gone: &Seen) {
        let Some(object) = link.object() else { return };
        object.mark_gone(gone);
        self.try_both_halves();
        link.wake_own();
        link.ring(Cause::ANY);
        self.entrust();
    }
}
