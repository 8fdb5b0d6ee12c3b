//! Empty messages, which share parts.

use npipe_shm::layout::NOOK_BYTES;

use crate::areas::touched_bytes;
use crate::*;

/// semantics 104, 125
#[test]
fn a_flood_of_empty_messages_fills_no_lane() {
    let mut lane = Lane::real(10);
    for _ in 0..1_000_000 {
        lane.put(b"");
    }
    assert!(touched_bytes(&lane.memory) <= NOOK_BYTES + 4096);
    lane.put(b"data");
    let mut buffer = [0; 9];
    for _ in 0..1_000_000 {
        assert_eq!(
            lane.reader.read(&mut buffer),
            Ok(Progress::Done(ReadOutcome::default()))
        );
    }
    assert!(!lane.is_flushed());
    assert_eq!(lane.get(9), Ok((b"data".to_vec(), false)));
    assert!(lane.is_empty() && lane.is_flushed());
}

/// semantics 104, 105, 147, 164
#[test]
fn empty_messages_keep_their_places_between_others() {
    let mut lane = Lane::small(1000);
    for turn in 0..300_usize {
        let empties = [turn % 3, turn % 5, turn % 2];
        lane.put(&[b'a'; 40]);
        for count in empties {
            for _ in 0..count {
                lane.put(b"");
            }
            lane.put(b"b");
        }
        assert_eq!(lane.get(50), Ok((vec![b'a'; 40], false)));
        for count in empties {
            for _ in 0..count {
                assert_eq!(
                    lane.reader.peek(&mut [0; 9]).map(|peeked| (peeked.bytes, peeked.left)),
                    Ok((0, 0))
                );
                assert_eq!(lane.get(50), Ok((vec![], false)));
            }
            assert_eq!(lane.get(50), Ok((b"b".to_vec(), false)));
        }
        assert!(lane.is_flushed());
    }
}

/// semantics 104, 125, 164
#[test]
fn empty_messages_are_added_while_others_of_their_part_are_taken() {
    let mut lane = Lane::small(10);
    let (mut written, mut read) = (0, 0);
    for turn in 0..1_000_usize {
        for _ in 0..turn % 4 {
            lane.put(b"");
            written += 1;
        }
        for _ in 0..turn % 3 {
            if read < written {
                assert_eq!(lane.get(9), Ok((vec![], false)));
                read += 1;
            }
        }
        assert_eq!(lane.is_empty(), read == written);
        assert_eq!(lane.is_flushed(), read == written);
    }
}

/// semantics 184
#[test]
fn empty_messages_outlive_their_writer() {
    let mut lane = Lane::small(10);
    lane.put(b"");
    lane.put(b"data");
    lane.put(b"");
    lane.end_writer();
    assert_eq!(lane.get(9), Ok((vec![], false)));
    assert_eq!(lane.get(9), Ok((b"data".to_vec(), false)));
    assert_eq!(lane.get(9), Ok((vec![], false)));
    assert_eq!(lane.get(9), Err(Status::PipeBroken));
}
