//! Writing and flushing on an end.

use std::sync::Arc;
use std::task::Poll;

use npipe_core::{CallId, EndRole, Progress, Status};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::Half;

use super::End;
use super::blocked::Waiting;
use super::link::{Link, Wish};
use super::turn::unless_late;
use super::wait::{Look, wait_for};

impl End {
    /// Writes, waiting for quota if the end waits (semantics 93, 99, 119-126, 134-136, 185, 186).
    #[inline]
    pub(crate) fn write(&self, data: &[u8]) -> Result<usize, Status> {
        self.require_own()?;
        self.shape.access.require_write()?;
        let mut writing = self.writing()?;
        let wait = self.wait_mode_in(&writing);
        let result = writing.write(data, wait)?;
        writing.commit();
        let Some(lane) = writing.lane() else {
            return Err(Status::PipeDisconnected);
        };
        match result {
            Progress::Done(bytes) => {
                lane.memory().ring(Cause::DATA);
                Ok(bytes)
            }
            Progress::Pending(id) => {
                let link = lane.memory().clone();
                drop(writing);
                self.await_write(&link, id, data)
            }
        }
    }

    fn await_write(&self, link: &Arc<Link>, id: CallId, data: &[u8]) -> Result<usize, Status> {
        // Its data is there to be read while it waits (semantics 121).
        link.ring(Cause::DATA);
        let deadline = End::deadline(&self.write_timeout_ns);
        let seen = link.glance(Wish::Room);
        let poll = || {
            let mut writing = match self.writing() {
                Ok(writing) => writing,
                Err(status) => return unless_late(status),
            };
            let before = link.progress();
            let mut polled = writing.poll(id, data);
            writing.commit();
            let news = link.progress() != before;
            if news && polled.is_pending() && writing.object().is_some() {
                // Only what the peer can see is fed to its waiting reads.
                polled = writing.poll(id, data);
            }
            let others = polled.is_ready() && !writing.is_idle();
            drop(writing);
            if news {
                link.ring(Cause::DATA);
            }
            if others {
                link.wake_own();
                self.pump();
            }
            polled
        };
        // What happened before the glance is looked for once.
        if let Poll::Ready(result) = poll() {
            return result;
        }
        let outcome = self.blocked(Waiting::Write(id), |_| {
            wait_for(link, Wish::Room, seen, deadline, |_| poll(), None::<fn()>)
        });
        outcome.unwrap_or_else(|| {
            let result = match self.writing() {
                Ok(mut writing) => writing.cancel(id, Status::IoTimeout),
                Err(status) => {
                    link.give_up(Half::Writing, id);
                    Err(status)
                }
            };
            link.ring(Cause::ANY);
            link.wake_own();
            self.pump();
            result
        })
    }

    /// Waits until the peer has read everything written so far (semantics 163-170).
    pub(crate) fn flush(&self) -> Result<(), Status> {
        self.require_own()?;
        self.shape.access.require_write()?;
        let mut writing = self.writing()?;
        let link = writing.lane().map(|lane| lane.memory().clone());
        let (Some(link), Progress::Pending(id)) = (link, writing.flush()?) else {
            return match self.role() {
                EndRole::Client if writing.lane().is_none() => Err(Status::PipeDisconnected),
                _ => Ok(()),
            };
        };
        drop(writing);
        let deadline = End::deadline(&self.write_timeout_ns);
        let seen = link.glance(Wish::Room);
        let poll = |_| -> Poll<Result<(), Status>> {
            match self.writing() {
                Ok(mut writing) => writing.poll_flush(id),
                Err(status) => unless_late(status),
            }
        };
        if let Poll::Ready(result) = poll(Look::Awake) {
            return result;
        }
        let outcome = self.blocked(Waiting::Write(id), |_| {
            wait_for(&link, Wish::Room, seen, deadline, poll, None::<fn()>)
        });
        outcome.unwrap_or_else(|| {
            match self.writing() {
                Ok(mut writing) => writing.cancel_flush(id),
                Err(_) => link.give_up(Half::Writing, id),
            }
            Err(Status::IoTimeout)
        })
    }
}
