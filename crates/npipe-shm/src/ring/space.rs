//! Where the writer may place the next part.
//!
//! The writer knows the regions of a lane that the reader has not left: the rest of earlier laps, oldest first, and the
//! current lap up to the tail. Everything else is free. The first frames go to the nook, later small ones to the small area,
//! and to its first page while the reader keeps up; bulk goes to the large one.
//!
//! Behind the tail of every lap there is always room for a jump and for the mark of a retracted frame.

use std::collections::VecDeque;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::header::Position;
use crate::layout::{ALIGN_BYTES, LaneShape, part_span};

/// Kept free behind the tail.
pub(crate) const SLACK_BYTES: u64 = 2 * part_span(0);

impl LaneShape {
    /// The unit in which the writer looks where the reader is, and the small area grows: a page.
    const fn page_bytes(&self) -> u64 {
        self.small_bytes / 16
    }

    /// The end of the nook, or of the page of the small area, that `offset` lies in.
    const fn page_end(&self, offset: u64) -> u64 {
        if offset < self.nook_bytes {
            self.nook_bytes
        } else {
            self.nook_bytes + ((offset - self.nook_bytes) / self.page_bytes() + 1) * self.page_bytes()
        }
    }

    /// What a lane has touched before it grows beyond a first page.
    const fn first_page_end(&self) -> u64 {
        self.page_end(self.nook_bytes)
    }

    /// Where an empty lane begins again for a frame of which `left` bytes are to be placed. Not in the nook: laps would be short,
    /// and the writer would look at the head more often.
    const fn bottom_of(&self, left: u64) -> u64 {
        if self.is_bulky(left) {
            self.small_bytes
        } else {
            self.nook_bytes
        }
    }

    /// An empty lane begins again at the bottom of the large area from here.
    const fn restart_large_bytes(&self) -> u64 {
        self.small_bytes + self.small_bytes * 16
    }

    /// Whether a frame of which `left` bytes are to be placed goes to the large area.
    #[inline]
    const fn is_bulky(&self, left: u64) -> bool {
        left > self.small_bytes / 4
    }

    /// The room that a frame takes of which `left` bytes are to be placed; an empty message takes one part too.
    #[inline]
    const fn want(&self, left: u64) -> u64 {
        let parts = if left <= self.part_bytes {
            1
        } else {
            left.div_ceil(self.part_bytes)
        };
        left.next_multiple_of(ALIGN_BYTES) + parts * part_span(0)
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Region {
    lap: u32,
    start: u64,
    end: u64,
}

/// The writer's knowledge of its lane.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Space {
    lane: LaneShape,
    tail: Position,
    /// Where the part of the current lap begins that the reader has not left.
    start: u64,
    earlier: VecDeque<Region>,
    /// How far the tail ever came since pages were given back.
    farthest: u64,
    /// How far small frames follow each other without another look at the head: what was free when it was last looked at,
    /// up to the end of a page. The head's cache line is the reader's, which moves it with every message.
    #[serde(skip)]
    known_end: u64,
}

/// Where a part goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// At the tail.
    Here,
    /// In a new lap from this offset.
    Jump(u64),
}

impl Space {
    pub(crate) fn new(lane: LaneShape) -> Space {
        Space {
            lane,
            tail: Position::new(0, 0),
            start: 0,
            earlier: VecDeque::new(),
            farthest: 0,
            known_end: 0,
        }
    }

    /// Whether this can be the knowledge of the writer of such a lane.
    pub(crate) fn is_of(&self, lane: &LaneShape) -> bool {
        let shape = &self.lane;
        let is_whole = shape == lane;
        let is_forgone = shape.nook_bytes == lane.nook_bytes
            && shape.small_bytes == lane.small_bytes
            && shape.lane_bytes == lane.small_bytes
            && (part_span(0)..=lane.part_bytes).contains(&shape.part_bytes)
            && shape.part_bytes.is_multiple_of(ALIGN_BYTES);
        let in_lane = |offset: u64| offset <= lane.lane_bytes;
        (is_whole || is_forgone)
            && lane.holds_part(self.tail.offset(), 0)
            && in_lane(self.start)
            && self
                .earlier
                .iter()
                .all(|region| in_lane(region.start) && in_lane(region.end))
    }

    pub(crate) fn tail(&self) -> Position {
        self.tail
    }

    /// Moves the tail over a part.
    pub(crate) fn advance(&mut self, span: u64) {
        self.tail = self.tail.plus(span);
        self.farthest = self.farthest.max(self.tail.offset());
    }

    /// Begins a new lap; the jump itself takes one header.
    pub(crate) fn jump(&mut self, offset: u64) {
        self.earlier.push_back(Region {
            lap: self.tail.lap(),
            start: self.start,
            end: self.tail.offset() + part_span(0),
        });
        self.tail = self.tail.jump(offset);
        self.start = offset;
        self.know_end();
    }

    /// What was free at the tail stays free until a part is placed there, whatever the reader does.
    fn know_end(&mut self) {
        let here = self.tail.offset();
        self.known_end = (here + self.room(here) + SLACK_BYTES).min(self.lane.page_end(here));
    }

    /// Takes note of where the reader is. A head that no honest reader can have is ignored: it frees nothing.
    pub(crate) fn note_head(&mut self, head: Position) {
        if head.lap() != self.tail.lap() && !self.earlier.iter().any(|region| region.lap == head.lap()) {
            return;
        }
        while self.earlier.front().is_some_and(|region| region.lap != head.lap()) {
            self.earlier.pop_front();
        }
        match self.earlier.front_mut() {
            Some(region) if head.offset() <= region.end => region.start = region.start.max(head.offset()),
            None if head.offset() <= self.tail.offset() => self.start = self.start.max(head.offset()),
            _ => {}
        }
    }

    /// Payload of the next part of a frame of which `left` bytes are to be placed.
    #[inline]
    pub(crate) fn part_of(&self, left: u64) -> u64 {
        left.min(self.lane.part_bytes)
    }

    /// Whether the next part of a frame goes to the tail without a costly look at the head.
    #[inline]
    pub(crate) fn stays_here(&self, left: u64) -> bool {
        !self.lane.is_bulky(left) && self.tail.offset() + part_span(self.part_of(left)) + SLACK_BYTES <= self.known_end
    }

    /// Whether a part of `bytes` at the tail, and what follows it, keep to the nook or to the first page behind it.
    #[inline]
    fn keeps_to_page(&self, bytes: u64) -> bool {
        let here = self.tail.offset();
        let end = if here < self.lane.nook_bytes {
            self.lane.nook_bytes
        } else {
            self.lane.first_page_end()
        };
        here + part_span(bytes) + SLACK_BYTES <= end
    }

    /// Whether the lane has touched more than its first page.
    pub(crate) fn has_surplus(&self) -> bool {
        self.farthest > self.lane.first_page_end()
    }

    /// What a quiet lane has touched beyond its first page; `None` while anything is unread. The reader looks at nothing
    /// before the tail, and what is placed there next is placed anew.
    pub(crate) fn surplus(&mut self) -> Option<Range<u64>> {
        if !self.is_empty() {
            return None;
        }
        let far = std::mem::replace(&mut self.farthest, self.tail.offset());
        // So that what comes next goes to the bottom again.
        self.known_end = 0;
        let page_end = self.lane.first_page_end();
        (far > page_end).then_some(page_end..self.lane.lane_bytes)
    }

    fn is_empty(&self) -> bool {
        self.earlier.is_empty() && self.start == self.tail.offset()
    }

    /// Free bytes from `offset` on, without the slack. At the tail, what the lap goes on with; elsewhere, a new lap.
    fn room(&self, offset: u64) -> u64 {
        let mut end = self.lane.area_end(offset);
        // Even an empty lap keeps the jump that ends it, until the reader has followed.
        let current = Region {
            lap: 0,
            start: self.start,
            end: self.tail.offset() + SLACK_BYTES,
        };
        let current = (offset != self.tail.offset()).then_some(current);
        for region in self.earlier.iter().chain(&current) {
            if region.start <= offset && offset < region.end {
                return 0;
            }
            if region.start > offset {
                end = end.min(region.start);
            }
        }
        end.saturating_sub(offset + SLACK_BYTES)
    }

    fn fits(&self, offset: u64, span: u64) -> bool {
        self.room(offset) >= span
    }

    /// Where the next part goes of a frame of which `left` bytes are to be placed; `None` when there is no room.
    pub(crate) fn choose(&mut self, left: u64) -> Option<Choice> {
        let choice = self.place_of(left);
        if choice == Some(Choice::Here) {
            self.know_end();
        }
        choice
    }

    fn place_of(&self, left: u64) -> Option<Choice> {
        let (span, want) = (part_span(self.part_of(left)), self.lane.want(left));
        let small = self.lane.small_bytes;
        let here = self.tail.offset();
        let bulky = self.lane.is_bulky(left);
        let bottom = self.lane.bottom_of(left);
        let far = match (bulky, here < small) {
            (false, true) => !self.keeps_to_page(self.part_of(left)),
            (true, false) => here >= self.lane.restart_large_bytes(),
            _ => true,
        };
        if self.is_empty() && far && here != bottom && self.fits(bottom, span) {
            return Some(Choice::Jump(bottom));
        }
        if bulky && here < small && self.fits(small, span) {
            return Some(Choice::Jump(small));
        }
        let strayed = !bulky && here >= self.start + small && here >= small;
        let nook = self.lane.nook_bytes;
        if strayed && self.room(nook) >= small / 2 {
            return Some(Choice::Jump(nook));
        }
        if self.fits(here, span) {
            return Some(Choice::Here);
        }
        let whole = self.bottoms(bottom).find(|&offset| self.fits(offset, want));
        let part = || self.bottoms(small).find(|&offset| self.fits(offset, span));
        whole.or_else(part).map(Choice::Jump)
    }

    /// Where a new lap can begin: at the bottom of an area, the small or the large one `first` and the nook last, or behind a
    /// region that is still unread.
    fn bottoms(&self, first: u64) -> impl Iterator<Item = u64> {
        let (nook, small) = (self.lane.nook_bytes, self.lane.small_bytes);
        [first, nook + small - first, 0]
            .into_iter()
            .chain(self.earlier.iter().map(|region| region.end))
    }

    /// The system has no room for the large area: from now on the small one has to do.
    pub(crate) fn forgo_large(&mut self) {
        self.lane.lane_bytes = self.lane.small_bytes;
        // Whatever the tail has come to, one of the two halves beside it takes a part.
        self.lane.part_bytes = self
            .lane
            .part_bytes
            .min((self.lane.small_bytes - self.lane.nook_bytes) / 4)
            / ALIGN_BYTES
            * ALIGN_BYTES;
    }

    /// Whether a whole frame of `bytes` finds room by [`Space::choose`], part by part, and where it begins.
    #[inline]
    pub(crate) fn room_for(&self, bytes: u64) -> Option<Choice> {
        if bytes <= self.lane.part_bytes {
            return match self.stays_here(bytes) {
                true => Some(Choice::Here),
                false => self.place_of(bytes),
            };
        }
        let want = self.lane.want(bytes);
        let here = self.tail.offset();
        let stays = !self.lane.is_bulky(bytes) || here >= self.lane.small_bytes;
        let rest = if stays { self.room(here) } else { 0 };
        if rest >= want {
            return Some(Choice::Here);
        }
        let enough = want + part_span(self.lane.part_bytes) + SLACK_BYTES;
        self.bottoms(self.lane.nook_bytes)
            .find(|&offset| rest + self.room(offset) >= enough)
            .map(Choice::Jump)
    }
}

#[cfg(test)]
mod tests;
