//! A segment in hand for the next client.
//!
//! Making one takes longer than anything else that is done for a client, so a thread that keeps a door makes the next one after
//! it has answered, while the client sets itself up. It is as good as one that is made when it is needed: nobody else has seen it.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use npipe_shm::layout::Layout;

use crate::background;
use crate::end::locked;
use crate::sys::SysResult;
use crate::sys::forks::ProcessFd;
use crate::sys::segment::Segment;

/// At most one, and of what size the last one was.
#[derive(Debug, Default)]
pub(super) struct Fresh(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    total_bytes: u64,
    segment: Option<(Segment, ProcessFd)>,
}

impl Fresh {
    /// A segment that nobody has seen, and its descriptor.
    pub(super) fn take(&self, layout: &Layout) -> SysResult<(Segment, ProcessFd)> {
        let mut kept = locked(&self.0);
        let fitting = kept.segment.take().filter(|_| kept.total_bytes == layout.total_bytes());
        kept.total_bytes = layout.total_bytes();
        drop(kept);
        match fitting {
            Some(segment) => Ok(segment),
            None => background::with_spare(|| create(layout.total_bytes())),
        }
    }

    /// Makes the next one, of the same size, if there is none.
    pub(super) fn refill(&self) {
        let mut kept = locked(&self.0);
        if kept.segment.is_none() && kept.total_bytes != 0 {
            // What cannot be made now is made when it is needed, or fails then.
            kept.segment = create(kept.total_bytes).ok().inspect(|(segment, _)| {
                // The page that every connection needs is there, too.
                segment.initial().atomic_u64(0).store(0, Ordering::Relaxed);
            });
        }
    }

    /// Gives back what is kept.
    pub(super) fn clear(&self) {
        let segment = locked(&self.0).segment.take();
        drop(segment);
    }
}

fn create(total_bytes: u64) -> SysResult<(Segment, ProcessFd)> {
    let (segment, descriptor) = Segment::create(total_bytes, Layout::first_bytes() as usize)?;
    Ok((segment, descriptor.into()))
}
