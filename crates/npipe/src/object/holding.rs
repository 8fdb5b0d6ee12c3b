//! What holders of one end know of each other: who is there, and who has died.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use npipe_shm::doorbell::Cause;
use npipe_shm::object::{Half, Object as Words, Place, Seen};

use super::Object;
use crate::background;
use crate::end::link::Link;
use crate::end::{End, locked};
use crate::sys::forks::ProcessFd;
use crate::sys::{SysResult, forks, futex, identity, lifetime};

/// How long who finds all places taken waits for one of those who are gone.
const VACATING_TIME: Duration = Duration::from_secs(5);

/// Takes a place for this process among the holders of an end.
pub(super) fn take_place(words: &Words, bell: &ProcessFd) -> Option<Place> {
    let holders = words.holders();
    let own_pid = identity::own_pid();
    let born = lifetime::began(own_pid).ok()??;
    let until = Instant::now() + VACATING_TIME;
    loop {
        let vacated = holders.vacated().load(Ordering::Acquire);
        if let Some(place) = holders.join(own_pid, born) {
            return Some(place);
        }
        // Of one that was killed before it could stir the others nobody knows but who looks.
        if clear_away_the_dead(words) {
            continue;
        }
        let is_about_to_change = Half::BOTH.iter().any(|&half| holders.remembered(half).next().is_some());
        if holders.vacated().load(Ordering::Acquire) != vacated {
            continue;
        }
        if !is_about_to_change || Instant::now() >= until {
            return None;
        }
        // Those who hold the end forget who has left.
        lifetime::ring(bell);
        futex::wait(holders.vacated(), vacated, Some(until));
    }
}

/// Marks holders as gone whose processes have ended; whether places are free by that alone.
fn clear_away_the_dead(words: &Words) -> bool {
    for holder in words.holders().present() {
        if let Ok(None) = lifetime::end_of(holder.pid, holder.born) {
            mark_gone(words, &holder);
        }
    }
    let mut cleared = false;
    for (place, pid) in words.holders().joining() {
        if !lifetime::exists(pid) {
            words.holders().clear(place);
            cleared = true;
        }
    }
    cleared
}

/// A holder's process has ended: what it had begun is for others to end.
fn mark_gone(words: &Words, holder: &Seen) {
    words.holders().mark_gone(holder);
    for half in Half::BOTH {
        let turn = words.turn(half);
        if turn.orphan(holder.place) {
            futex::wake_all(turn.word());
        }
    }
}

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
        mark_gone(self.words(), other);
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
        let present = self.present().into_iter();
        let mut own = present.filter(|seen| seen.place == self.me);
        own.next().expect("it holds the end")
    }

    /// Who holds the end.
    pub(crate) fn present(&self) -> Vec<Seen> {
        self.words().holders().present().collect()
    }

    /// Another has ended, and nobody has looked since.
    pub(crate) fn lose(&self, other: &Seen) {
        self.mark_gone(other);
    }

    /// A process that has joined, and of which nobody was told.
    pub(crate) fn forge_holder(&self, pid: u32, born: u64) {
        self.words().holders().join(pid, born).expect("there is room");
    }

    /// Whether somebody waits for the turn of the reading half.
    pub(crate) fn is_awaited(&self) -> bool {
        self.words().turn(Half::Reading).is_awaited()
    }

    /// Under what numbers the background thread watches the bell and the others.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        let others = locked(&self.others);
        let others = others.values().map(|other| other.token);
        others.chain([self.bell_token.load(Ordering::Relaxed)]).collect()
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
        // What could not be ended holds up the calls of others behind it, and nobody else can end it.
        if object.has_given_up(Half::Reading) {
            drop(self.reading());
        }
        if object.has_given_up(Half::Writing) {
            drop(self.writing());
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

#[cfg(test)]
mod tests {
    use npipe_shm::object::OBJECT_BYTES;

    use super::*;
    use crate::sys::segment::Segment;

    /// An end that could not be passed on after all, or not taken over, leaves its place.
    ///
    /// semantics 190
    #[test]
    fn a_place_goes_with_what_came_to_nothing() {
        let (segment, memory) = Object::make_segment().unwrap();
        let again = || Segment::attach(&memory, OBJECT_BYTES, OBJECT_BYTES as usize).unwrap();
        let descriptor = || memory.try_clone().unwrap().into();
        let bell = || lifetime::bell().unwrap();
        let first = Object::join((segment, descriptor()), bell(), None).unwrap();
        let second = Object::join((again(), descriptor()), bell(), None).unwrap();
        assert_eq!(first.present().len(), 2);
        drop(second);
        assert_eq!(first.present(), [first.seen()]);
    }
}
