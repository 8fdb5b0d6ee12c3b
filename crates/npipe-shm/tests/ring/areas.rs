//! Where frames lie: pages that stay untouched, the two areas, laps.

use std::sync::atomic::Ordering;

use npipe_shm::layout::{NOOK_BYTES, SMALL_BYTES};

use crate::*;

/// The end of what was ever written in the lane that the server writes.
pub(crate) fn touched_bytes(memory: &HeapMemory) -> u64 {
    let lane_bytes = memory.layout().lane(Side::Server).lane_bytes;
    let is_zero = |&index: &u64| memory.word(Side::Server, 8 * index).load(Ordering::Relaxed) == 0;
    let untouched = (0..lane_bytes / 8).rev().take_while(is_zero).count() as u64;
    lane_bytes - 8 * untouched
}

/// semantics 99, 126
#[test]
fn an_idle_connection_touches_one_page() {
    let mut lane = Lane::real(65536);
    for turn in 0..5_000 {
        let data = pattern(turn, 1 + turn % 900);
        lane.put(&data);
        assert_eq!(lane.get(1000), Ok((data, false)));
    }
    assert!(touched_bytes(&lane.memory) <= NOOK_BYTES + 4096);
}

/// semantics 99, 117
#[test]
fn chat_stays_in_the_small_area_and_bulk_leaves_it() {
    let mut lane = Lane::real(1 << 20);
    for turn in 0..1_000 {
        lane.put(&pattern(turn, 20));
    }
    assert!((20_000..SMALL_BYTES).contains(&touched_bytes(&lane.memory)));
    lane.put(&pattern(0, 100_000));
    assert!(touched_bytes(&lane.memory) > SMALL_BYTES + 100_000);
    for turn in 0..1_000 {
        assert_eq!(lane.get(30), Ok((pattern(turn, 20), false)));
    }
    assert_eq!(lane.get(100_000), Ok((pattern(0, 100_000), false)));
}

/// semantics 99, 119
#[test]
fn a_backlog_grows_from_the_small_area_into_the_large_one_and_is_read_in_order() {
    let mut lane = Lane::real(1 << 20);
    let length = |turn: usize| [1, 700, 5, 20_000, 64, 33_000, 16_000][turn % 7];
    let (mut written, mut read, mut unread) = (0, 0, 0);
    for rounds in 0..40 {
        while unread + length(written) <= 1 << 20 {
            lane.put(&pattern(written, length(written)));
            unread += length(written);
            written += 1;
        }
        let until = written - rounds % 9 * 10;
        while read < until {
            assert_eq!(lane.get(40_000), Ok((pattern(read, length(read)), false)));
            unread -= length(read);
            read += 1;
        }
    }
    assert!(touched_bytes(&lane.memory) > SMALL_BYTES);
}

/// semantics 119, 130
#[test]
fn a_quota_of_tiny_messages_is_never_refused_for_want_of_room() {
    let quota_bytes = 169_301;
    let mut lane = Lane::real(quota_bytes);
    for round in 0..3 {
        for _ in 0..quota_bytes {
            lane.put(b"x");
        }
        let full = lane.write_and_wait(b"y");
        assert_eq!(lane.writer.cancel(full, Status::Cancelled), Err(Status::Cancelled));
        for _ in 0..quota_bytes - round {
            assert_eq!(lane.get(9), Ok((b"x".to_vec(), false)));
        }
        for _ in 0..round {
            assert_eq!(lane.get(9), Ok((b"x".to_vec(), false)));
        }
        assert!(lane.is_empty());
    }
}

/// Pages that a quiet lane gave back hold nothing that anybody still needs.
///
/// semantics 99, 104, 163
#[test]
fn a_lane_that_gave_pages_back_goes_on() {
    let has_surplus = |lane: &Lane| lane.writer.lane().expect("connected").has_surplus();
    let mut lane = Lane::real(1 << 20);
    assert!(!has_surplus(&lane));
    for turn in 0..20 {
        lane.put(&pattern(turn, 90_000));
        lane.put(b"");
        lane.put(b"");
        assert!(has_surplus(&lane));
        assert_eq!(lane.get(90_000), Ok((pattern(turn, 90_000), false)));
        assert_eq!(lane.get(9), Ok((vec![], false)));
        lane.writer.lane_mut().expect("connected").trim();
        assert_eq!(lane.get(9), Ok((vec![], false)));
        lane.writer.lane_mut().expect("connected").trim();
        lane.writer.lane_mut().expect("connected").trim();
        assert!(touched_bytes(&lane.memory) <= NOOK_BYTES + 4096);
        lane.put(b"");
        lane.put(b"chat");
        assert_eq!(lane.get(9), Ok((vec![], false)));
        assert_eq!(lane.get(9), Ok((b"chat".to_vec(), false)));
        assert!(lane.is_flushed());
        lane.writer.lane_mut().expect("connected").trim();
        assert!(!has_surplus(&lane), "a chat needs no more than it has");
    }
}
