//! Writes that leave no call behind.

use super::{Writer, outstanding};
use crate::wire::{Outlet, Standing};
use crate::{PipeType, Progress, Status};

impl<O: Outlet> Writer<O> {
    /// Writes all of `data` if that needs no waiting, whatever the wait mode; `None`: it would wait, and nothing is written.
    ///
    /// # Errors
    /// As [`Writer::write`].
    #[inline]
    pub fn write_now(&mut self, data: &[u8]) -> Result<Option<usize>, Status> {
        let length = u32::try_from(data.len()).map_err(|_| Status::InvalidParameter)?;
        self.open_lane()?;
        if length == 0 {
            self.write_empty();
        } else if self.is_idle() && self.fits(length) && self.has_room(length) {
            self.submit(length, Standing::Complete, data);
        } else {
            return Ok(None);
        }
        Ok(Some(data.len()))
    }

    /// PIPE_NOWAIT without room: only reads that wait can take it (semantics 134-136).
    pub(super) fn write_at_once(&mut self, length: u32, data: &[u8]) -> usize {
        const ATTEMPTS: usize = 8;
        for _ in 0..ATTEMPTS {
            let Some(lane) = &self.lane else { return 0 };
            let taken = lane.taken();
            let view = lane.waiting_reads();
            let mut after = view;
            let part = after.feed(length);
            let unread = outstanding(self.known.queued, taken).saturating_sub(view.eaten());
            let all = unread + u64::from(length - part) <= u64::from(self.quota_bytes);
            let count = match self.pipe_type {
                _ if all => length,
                PipeType::Byte => part,
                PipeType::Message => 0,
            };
            if count == 0 {
                return 0;
            }
            if lane.taken() != taken || !lane.claim(&view) {
                continue;
            }
            // The claim keeps the reads that make it complete.
            let written = if !self.has_room(count) {
                0
            } else {
                match self.submit(count, Standing::Complete, &data[..count as usize]) {
                    Progress::Done(bytes) => bytes,
                    Progress::Pending(id) => self.cancel(id, Status::Cancelled).unwrap_or(0),
                }
            };
            if let Some(lane) = &mut self.lane {
                lane.release_claim();
            }
            return written;
        }
        0
    }
}
