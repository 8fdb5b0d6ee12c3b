//! The writer's choices against a model that knows every part that is not read.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::layout::{Layout, NOOK_BYTES, Side};

/// A lane with an honest reader.
struct Model {
    space: Space,
    /// Parts and jumps that are not read, and where the next one begins.
    unread: VecDeque<(Position, u64, Position)>,
    lane: LaneShape,
    /// A retraction has used up its share of the slack.
    marked: bool,
    /// Whether each part is compared with all that is unread, which takes its time.
    compares: bool,
    /// How often the writer has looked where the reader is.
    looks: u64,
}

impl Model {
    fn new(lane: LaneShape) -> Self {
        Model {
            space: Space::new(lane),
            unread: VecDeque::new(),
            lane,
            marked: true,
            compares: true,
            looks: 0,
        }
    }

    fn head(&self) -> Position {
        self.unread.front().map_or(self.space.tail(), |&(at, ..)| at)
    }

    fn read(&mut self, parts: usize) {
        self.unread.drain(..parts.min(self.unread.len()));
    }

    /// Takes note of something that was placed at the tail, which must be free.
    fn place(&mut self, span: u64, next: Position) {
        let at = self.space.tail();
        let (start, end) = (at.offset(), at.offset() + span);
        assert!(start.is_multiple_of(ALIGN_BYTES), "a part begins at {start}");
        assert!(end <= self.lane.area_end(start), "a part goes from {start} to {end}");
        let unread = self.unread.iter().take(if self.compares { usize::MAX } else { 0 });
        for &(other, span, _) in unread {
            let free = end <= other.offset() || other.offset() + span <= start;
            assert!(free, "{start}..{end} is placed over {other:?} of {span}");
        }
        self.unread.push_back((at, span, next));
    }

    fn advance(&mut self, span: u64) {
        self.place(span, self.space.tail().plus(span));
        self.space.advance(span);
    }

    /// Places the next part of a frame; `None` when there is no room.
    fn put_part(&mut self, left: u64) -> Option<u64> {
        if !self.space.stays_here(left) {
            self.looks += 1;
            self.space.note_head(self.head());
            if let Choice::Jump(offset) = self.space.choose(left)? {
                self.place(part_span(0), self.space.tail().jump(offset));
                self.space.jump(offset);
            }
        }
        let bytes = self.space.part_of(left);
        self.advance(part_span(bytes));
        self.marked = false;
        Some(bytes)
    }

    /// Places a frame as far as there is room, and returns how many of its bytes went.
    fn put(&mut self, bytes: u64) -> u64 {
        let mut placed = 0;
        while placed < bytes
            && let Some(part) = self.put_part(bytes - placed)
        {
            placed += part;
        }
        placed
    }

    fn has_room(&mut self, bytes: u64) -> bool {
        self.space.note_head(self.head());
        self.space.room_for(bytes).is_some()
    }

    /// The mark of a retracted frame takes the slack, once after each part.
    fn mark(&mut self) {
        if !std::mem::replace(&mut self.marked, true) {
            self.advance(part_span(0));
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// In sixteenths of the small area, and some bytes.
    Put(u64, u64),
    PutIfRoom(u64, u64),
    PutEmpty,
    Mark,
    Read(usize),
    /// A head as a hostile reader may claim it.
    Claim(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let length = || prop_oneof![3 => (Just(0), 1..64_u64), 2 => (0..64_u64, 1..64_u64)];
    prop_oneof![
        6 => length().prop_map(|(sixteenths, bytes)| Step::Put(sixteenths, bytes)),
        6 => length().prop_map(|(sixteenths, bytes)| Step::PutIfRoom(sixteenths, bytes)),
        1 => Just(Step::PutEmpty),
        2 => Just(Step::Mark),
        6 => prop_oneof![4 => 0..4_usize, 1 => 0..100_usize].prop_map(Step::Read),
        1 => any::<u64>().prop_map(Step::Claim),
    ]
}

fn shape() -> impl Strategy<Value = LaneShape> {
    (1..6_u64, 1..20_u64, 1..50_u64, 0..30_u64).prop_map(|(part, small, large, nook)| {
        let part_bytes = part * ALIGN_BYTES;
        let least = 2 * (part_span(part_bytes) + SLACK_BYTES);
        let large_bytes = least + large * ALIGN_BYTES;
        let layout = Layout::scaled(least + small * ALIGN_BYTES, part_bytes, [large_bytes; 2]);
        let layout = match nook * ALIGN_BYTES {
            ..48 => layout,
            nook_bytes => layout.with_nook(nook_bytes),
        };
        layout.lane(Side::Server)
    })
}

/// Checks of arithmetic make the rest slow.
const CASES: u32 = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    /// Nothing is placed over what is unread, and a frame for which there is room goes in whole.
    ///
    /// semantics 119, 121, 127
    #[test]
    fn what_is_unread_is_never_overwritten(lane in shape(), steps in vec(step(), 1..100)) {
        let mut model = Model::new(lane);
        for step in steps {
            let length = |sixteenths: u64, bytes: u64| sixteenths * lane.small_bytes / 16 + bytes;
            match step {
                Step::Put(sixteenths, bytes) => {
                    let was_empty = model.unread.is_empty();
                    let placed = model.put(length(sixteenths, bytes));
                    prop_assert!(placed > 0 || !was_empty, "an empty lane takes a part of any frame");
                }
                Step::PutIfRoom(sixteenths, bytes) => {
                    let bytes = length(sixteenths, bytes);
                    if model.has_room(bytes) {
                        prop_assert_eq!(model.put(bytes), bytes);
                    }
                }
                Step::PutEmpty => {
                    model.put_part(0);
                }
                Step::Mark => model.mark(),
                Step::Read(parts) => model.read(parts),
                Step::Claim(head) => {
                    // Only what an honest reader can have reached by now counts, and that is the reader's own loss.
                    let head = Position(head);
                    let laps = model.unread.iter().map(|(at, ..)| at.lap()).chain([model.space.tail().lap()]);
                    if laps.into_iter().all(|lap| lap != head.lap()) {
                        model.space.note_head(head);
                    }
                }
            }
        }
    }

    /// Whatever a reader claims, the writer stays in its lane, and its knowledge stays small.
    ///
    /// semantics 119
    #[test]
    fn a_hostile_reader_misleads_nobody_out_of_the_lane(
        lane in shape(),
        steps in vec((step(), 0..4_u32, any::<u64>()), 1..100),
    ) {
        let mut model = Model::new(lane);
        for (step, lap, offset) in steps {
            let tail = model.space.tail();
            let offset = offset % (2 * lane.lane_bytes);
            model.space.note_head(Position::new(tail.lap().wrapping_sub(lap), offset));
            // It has thrown away what it claims to have read.
            model.unread.clear();
            match step {
                Step::Put(sixteenths, bytes) | Step::PutIfRoom(sixteenths, bytes) => {
                    model.put(sixteenths * lane.small_bytes / 16 + bytes);
                }
                Step::PutEmpty => {
                    model.put_part(0);
                }
                Step::Claim(head) => model.space.note_head(Position(head)),
                Step::Mark | Step::Read(_) => {}
            }
            prop_assert!(model.space.earlier.len() as u64 <= lane.lane_bytes / SLACK_BYTES);
        }
    }
}

/// A lane of a pipe with this quota, whose reader takes frames whenever the quota is used up.
fn within_quota(
    quota_bytes: u32,
    mut length: impl FnMut() -> u64,
    mut taken_bytes: impl FnMut() -> u64,
    frames: usize,
) {
    let lane = Layout::new(quota_bytes, 0).lane(Side::Server);
    let mut model = Model {
        compares: false,
        ..Model::new(lane)
    };
    let mut lengths = VecDeque::new();
    let (mut live, mut regions) = (0, 0);
    for _ in 0..frames {
        let bytes = length();
        if live + bytes > u64::from(quota_bytes) {
            let until = live.saturating_sub(taken_bytes().max(bytes));
            while live > until
                && let Some((bytes, parts)) = lengths.pop_front()
            {
                live -= bytes;
                for _ in 0..parts {
                    // A frame of several parts is read with the jumps between them.
                    while model
                        .unread
                        .front()
                        .is_some_and(|&(at, span, next)| next != at.plus(span))
                    {
                        model.read(1);
                    }
                    model.read(1);
                }
            }
        }
        if live + bytes <= u64::from(quota_bytes) {
            assert!(
                model.has_room(bytes),
                "{live} of {quota_bytes} are used, {bytes} more must find room"
            );
            assert_eq!(model.put(bytes), bytes);
            live += bytes;
            lengths.push_back((bytes, bytes.div_ceil(lane.part_bytes)));
        }
        regions = regions.max(model.space.earlier.len());
    }
    assert!(regions < 64, "{regions} regions are many");
}

/// The largest quotas for which the large area still has its least size, and the next power of two.
const CRAMPED_QUOTAS: [u32; 5] = [1, 4096, 65536, 169_301, 344_064];

/// semantics 119, 130
#[test]
fn a_quota_of_messages_of_one_byte_always_finds_room() {
    for quota_bytes in CRAMPED_QUOTAS {
        for taken in [1, 7, 4001, u64::from(quota_bytes) / 2, u64::from(quota_bytes)] {
            within_quota(quota_bytes, || 1, || taken, 500_000);
        }
    }
}

/// semantics 119, 130
#[test]
fn a_quota_of_messages_of_any_sizes_always_finds_room() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for quota_bytes in CRAMPED_QUOTAS {
        for bits in [2, 5, 9, 15, 18] {
            let mut next = move || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random
            };
            let mut length = next;
            let mut sizes = move || {
                let bits = length() % bits + 1;
                (length() & ((1 << bits) - 1)).clamp(1, u64::from(quota_bytes))
            };
            within_quota(quota_bytes, &mut sizes, || next() % u64::from(quota_bytes) + 1, 100_000);
        }
    }
}

/// Small messages look at the head a few times in a page, whether the reader keeps up or not.
///
/// semantics 119
#[test]
fn the_head_is_looked_at_a_few_times_in_a_page() {
    const MESSAGES: u64 = 10_000;
    let lane = Layout::new(0, 0).lane(Side::Server);
    for behind in [0, 1, 100, 1000] {
        let mut model = Model::new(lane);
        for _ in 0..MESSAGES {
            assert_eq!(model.put(32), 32);
            while model.unread.len() > behind {
                model.read(1);
            }
        }
        let pages = MESSAGES * part_span(32) / lane.page_bytes();
        // Up to three where a page ends, and more where a lap does.
        assert!(
            model.looks <= pages * 4 + 10,
            "{behind} behind: {} looks, {pages} pages",
            model.looks
        );
    }
}

/// semantics 126
#[test]
fn an_idle_connection_touches_one_page() {
    let lane = Layout::new(65536, 65536).lane(Side::Server);
    let mut model = Model::new(lane);
    for turn in 0..10_000 {
        assert_eq!(model.put(turn % 700 + 1), turn % 700 + 1);
        let &(at, span, _) = model.unread.back().expect("it was placed");
        // The first ones are in the nook, the others in a page behind it.
        let end = if turn < 30 { NOOK_BYTES } else { NOOK_BYTES + 4096 };
        assert!(at.offset() + span <= end, "{at:?} is beyond {end}");
        model.read(2);
    }
}

/// What finds no room in the nook, as the reader does not keep up, goes on behind it.
///
/// semantics 117
#[test]
fn a_crowd_leaves_the_nook() {
    let lane = Layout::new(65536, 65536).lane(Side::Server);
    let mut model = Model::new(lane);
    for _ in 0..1000 {
        assert_eq!(model.put(32), 32);
    }
    assert!(model.space.tail().offset() > NOOK_BYTES);
}

/// semantics 117
#[test]
fn bulk_goes_to_the_large_area_and_chat_comes_back() {
    let lane = Layout::new(1 << 20, 0).lane(Side::Server);
    let mut model = Model::new(lane);
    assert_eq!(model.put(1 << 20), 1 << 20);
    assert!(model.space.tail().offset() > lane.small_bytes + (1 << 20));
    model.read(usize::MAX);
    model.put(10);
    assert!(model.space.tail().offset() < NOOK_BYTES + 4096);
    model.put(10);
    assert_eq!(model.space.surplus(), None, "something is unread");
    model.read(usize::MAX);
    model.space.note_head(model.head());
    assert_eq!(model.space.surplus(), Some(NOOK_BYTES + 4096..lane.lane_bytes));
    assert_eq!(model.space.surplus(), None, "the tail was near by since");
}

/// A quarter of the small area is the most that keeps to it.
///
/// semantics 117
#[test]
fn only_long_frames_are_bulk() {
    let lane = Layout::new(1 << 20, 0).lane(Side::Server);
    for (bytes, is_large) in [(16_384, false), (16_385, true)] {
        let mut model = Model::new(lane);
        assert_eq!(model.put(bytes), bytes);
        assert_eq!(
            model.space.tail().offset() > lane.small_bytes,
            is_large,
            "{bytes} bytes"
        );
    }
}

/// Bulk that is read as it comes goes round in about a megabyte: on fresh pages for a while, but not for ever.
///
/// semantics 117
#[test]
fn bulk_goes_round_in_the_bottom_of_the_large_area() {
    let lane = Layout::new(1 << 20, 0).lane(Side::Server);
    let mut model = Model::new(lane);
    let mut farthest = 0;
    for turn in 1..200 {
        assert_eq!(model.put(30_000), 30_000);
        farthest = farthest.max(model.space.tail().offset() - lane.small_bytes);
        if turn < 30 {
            assert!(farthest >= turn * 30_000, "it begins again after {turn} frames");
        }
        model.read(usize::MAX);
    }
    assert!(farthest < 1_200_000, "it goes on to {farthest}");
}

/// A head beyond the end of a lap is none that an honest reader has: it frees nothing.
///
/// semantics 119
#[test]
fn an_impossible_head_frees_nothing() {
    let lane = Layout::scaled(160, 32, [480; 2]).lane(Side::Server);
    let mut model = Model::new(lane);
    model.put(20);
    let first = model.space.tail();
    // Bulk begins another lap; the first one is unread.
    model.put(100);
    assert_ne!(model.space.tail().lap(), first.lap());
    let room = model.space.room(0);
    for beyond in [1, 100, 1 << 20] {
        let end = first.offset() + part_span(0);
        model.space.note_head(Position::new(first.lap(), end + beyond));
        assert_eq!(model.space.room(0), room);
    }
}

/// semantics 117
#[test]
fn without_a_large_area_frames_go_through_the_small_one() {
    let mut model = Model::new(Layout::new(0, 0).lane(Side::Server));
    model.space.forgo_large();
    let mut placed = model.put(1 << 20);
    assert!(placed > 0 && placed <= 65536);
    while placed < 1 << 20 {
        model.read(usize::MAX);
        let more = model.put((1 << 20) - placed);
        assert!(more > 0);
        placed += more;
    }
    assert!(!model.has_room(65536));
}
