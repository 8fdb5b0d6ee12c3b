//! Calls that never wait and leave nothing behind, for surfaces that have a way of waiting of their own.

use std::sync::atomic::Ordering;

use npipe_core::{CallId, Progress, ReadOutcome, Status};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::Half;

use super::End;
use super::link::{Link, Wish};
use crate::background;

impl End {
    /// Reads what there is; `None`: nothing yet. One who is patient looks for a moment whether something comes, if that
    /// has paid off lately.
    #[inline]
    pub(crate) fn try_read(&self, into: &mut [u8], patient: bool) -> Result<Option<ReadOutcome>, Status> {
        self.require_own()?;
        self.shape.access.require_read()?;
        let mut reading = self.reading()?;
        let result = reading.read_now(into);
        reading.commit();
        let Some(lane) = reading.lane() else {
            return result.and(Err(Status::PipeDisconnected));
        };
        let link = lane.memory();
        if let Ok(Some(outcome)) = result {
            link.ring(Cause::ROOM);
            return Ok(Some(outcome));
        }
        if result.is_err() || !patient || reading.object().is_some() {
            return self.judge(&link.clone(), result);
        }
        let seen = link.glance_from(Wish::Data, lane.seen_tail());
        if link.spin_held(seen) {
            let result = reading.read_now(into);
            if let Some(lane) = reading.lane() {
                if let Ok(Some(_)) = result {
                    lane.memory().ring(Cause::ROOM);
                }
                return self.judge(lane.memory(), result);
            }
            return result;
        }
        let link = link.clone();
        drop(reading);
        match link.spin(Wish::Data, seen, None) {
            true => self.try_read(into, false),
            false => Ok(None),
        }
    }

    /// Writes all of `data` if that needs no waiting.
    #[inline]
    pub(crate) fn try_write(&self, data: &[u8]) -> Result<Option<usize>, Status> {
        self.require_own()?;
        self.shape.access.require_write()?;
        let mut writing = self.writing()?;
        let result = writing.write_now(data);
        writing.commit();
        match (result, writing.lane()) {
            (Ok(Some(bytes)), Some(lane)) => {
                lane.memory().ring_written();
                Ok(Some(bytes))
            }
            (result, Some(_)) => result,
            (result, None) => result.and(Err(Status::PipeDisconnected)),
        }
    }

    /// Whether [`End::try_read`] has a result to give, an error included.
    pub(crate) fn is_readable(&self) -> bool {
        if self.require_own().and(self.shape.access.require_read()).is_err() {
            return true;
        }
        self.reading().map_or(true, |mut reading| reading.is_readable())
    }

    /// The peer has rung: has the processor fetch what the next read looks at, unless somebody is at it, and rings back early
    /// if that pays off.
    pub(crate) fn expect_read(&self) {
        if self.require_own().is_ok()
            && let Ok(reading) = self.reading.try_lock()
            && let Some(lane) = reading.lane()
        {
            let link = lane.memory();
            link.fetch_tail();
            link.fetch_frames(lane.seen_tail());
            if link.glance(Wish::Data).tail != lane.seen_tail() {
                link.ring_early();
            }
        }
    }

    /// Has the peer ring, once, for what `wish` says. The caller looks once more before it relies on it.
    pub(crate) fn await_ring(&self, link: &Link, wish: Wish) {
        background::heed(link);
        link.publish_processor();
        link.call_delegate(wish);
        // Empty messages that found no room wait for nobody, so somebody has to think of them.
        self.place_empties();
        if link.object().is_some_and(|object| object.is_disconnected()) {
            // By another holder; the halves find out when they are entered.
            self.try_both_halves();
        }
    }

    /// Begins to wait until the peer has read everything written so far (semantics 163-170). `None`: it has.
    pub(crate) fn begin_flush(&self) -> Result<Option<CallId>, Status> {
        self.require_own()?;
        self.shape.access.require_write()?;
        let mut writing = self.writing()?;
        match (writing.lane().is_some(), writing.flush()?) {
            (true, Progress::Pending(id)) => Ok(Some(id)),
            (false, _) if self.role() == npipe_core::EndRole::Client => Err(Status::PipeDisconnected),
            _ => Ok(None),
        }
    }

    /// Asks how a flush goes.
    pub(crate) fn poll_flush(&self, id: CallId) -> std::task::Poll<Result<(), Status>> {
        match self.require_own().and_then(|()| self.writing()) {
            Ok(mut writing) => writing.poll_flush(id),
            Err(status) => super::turn::unless_late(status),
        }
    }

    /// Ends a flush that nobody asks for any more.
    pub(crate) fn end_flush(&self, id: CallId) {
        if self.require_own().is_err() {
            return;
        }
        match (self.writing(), self.link()) {
            (Ok(mut writing), _) => writing.cancel_flush(id),
            (Err(_), Some(link)) => link.give_up(Half::Writing, id),
            (Err(_), None) => {}
        }
    }

    /// Somebody else hears the peer's bell from now on, unless other processes hold the end too: then each has to be told.
    pub(crate) fn take_bell(&self, link: &Link) -> bool {
        if link.object().is_some() {
            return false;
        }
        link.heard_elsewhere().store(true, Ordering::SeqCst);
        background::ignore(link);
        true
    }

    /// The background thread hears it again.
    pub(crate) fn give_back_bell(&self, link: &Link) {
        link.heard_elsewhere().store(false, Ordering::SeqCst);
        self.entrust();
    }
}
