//! What remains when a writer has died at some point of a publication.

use npipe_core::wire::{Frame, Outlet, Standing as Firmness};

use crate::*;

/// Puts the first `parts` parts of a frame, and no more: the process was killed.
fn put_parts(lane: &mut Lane, data: &[u8], standing: Firmness, parts: usize) -> usize {
    let outlet = lane.writer.lane_mut().expect("connected");
    let frame = Frame {
        length: data.len() as u32,
        standing,
    };
    let mut ticket = Default::default();
    let mut placed = 0;
    for _ in 0..parts {
        placed += outlet.put(&mut ticket, frame, placed as u32, &data[placed..]);
    }
    placed
}

/// semantics 128, 129, 183, 184
#[test]
fn a_frame_that_lacks_a_part_is_dropped_and_what_was_before_it_stays() {
    let data = pattern(1, 5 * 32);
    for standing in [Firmness::Complete, Firmness::Pending] {
        for parts in 1..5 {
            for taken in 0..=parts * 32 {
                let mut lane = Lane::small(1000);
                lane.put(b"before");
                let placed = put_parts(&mut lane, &data, standing, parts);
                assert_eq!(placed, parts * 32);
                assert_eq!(lane.get(9), Ok((b"before".to_vec(), false)));
                if taken > 0 {
                    assert_eq!(lane.get(taken), Ok((data[..taken].to_vec(), true)));
                }
                let mut buffer = [0; 200];
                let Ok(Progress::Pending(read)) = lane.reader.read(&mut buffer) else {
                    panic!("parts are missing")
                };
                lane.end_writer();
                assert_eq!(ready(lane.reader.poll(read, &mut buffer)), Err(Status::PipeBroken));
                assert_eq!(lane.reader.peek(&mut buffer), Err(Status::PipeBroken));
                assert_eq!(lane.get(9), Err(Status::PipeBroken));
            }
        }
    }
}

/// semantics 128, 129, 142, 149
#[test]
fn of_whole_frames_those_within_the_quota_stay() {
    let data = pattern(1, 100);
    for quota_bytes in [0, 5, 6, 105, 106, 107, 130, 300] {
        for taken in [0, 1, 32, 50, 99] {
            let mut lane = Lane::small(quota_bytes);
            put_parts(&mut lane, b"before", Firmness::Complete, 1);
            put_parts(&mut lane, &data, Firmness::Pending, 4);
            put_parts(&mut lane, b"after", Firmness::Pending, 1);
            put_parts(&mut lane, b"request", Firmness::Complete, 1);
            assert_eq!(lane.get(9), Ok((b"before".to_vec(), false)));
            if taken > 0 {
                assert_eq!(lane.get(taken), Ok((data[..taken].to_vec(), true)));
            }
            lane.end_writer();
            let rest = data.len() - taken;
            let stays = [rest, rest + 5].map(|unread| unread <= quota_bytes as usize);
            let kept = 7 + if stays[0] { rest } else { 0 } + if stays[1] { 5 } else { 0 };
            assert_eq!(lane.reader.peek(&mut []).map(|peeked| peeked.total), Ok(kept as u64));
            if stays[0] {
                assert_eq!(lane.get(100), Ok((data[taken..].to_vec(), false)));
            }
            if stays[1] {
                assert_eq!(lane.get(100), Ok((b"after".to_vec(), false)));
            }
            assert_eq!(lane.get(100), Ok((b"request".to_vec(), false)));
            assert_eq!(lane.get(100), Err(Status::PipeBroken));
        }
    }
}

/// semantics 105, 119, 129
#[test]
fn what_waiting_reads_were_about_to_take_needs_no_quota() {
    let mut lane = Lane::small(0);
    let mut buffers = [[0; 4]; 3];
    let reads = buffers.each_mut().map(|buffer| match lane.reader.read(buffer) {
        Ok(Progress::Pending(id)) => id,
        other => panic!("nothing was written: {other:?}"),
    });
    lane.reader.publish();
    // Six bytes for two reads, an empty message for the third; no read is left for the last byte.
    lane.put(b"abcdef");
    lane.put(b"");
    lane.write_and_wait(b"z");
    lane.end_writer();
    let [first, second, third] = &mut buffers;
    assert_eq!(
        ready(lane.reader.poll(reads[0], first)),
        Ok(ReadOutcome { bytes: 4, more: true })
    );
    assert_eq!(
        ready(lane.reader.poll(reads[1], second)),
        Ok(ReadOutcome { bytes: 2, more: false })
    );
    assert_eq!(ready(lane.reader.poll(reads[2], third)), Ok(ReadOutcome::default()));
    assert_eq!((&first[..], &second[..2]), (&b"abcd"[..], &b"ef"[..]));
    assert_eq!(lane.get(9), Err(Status::PipeBroken));
}

/// The writer foresees what a read takes of a frame that another has begun.
///
/// semantics 96, 119, 120
#[test]
fn a_read_pays_for_what_is_left_of_a_frame_and_no_more() {
    let mut lane = Lane::small(10);
    let (mut first, mut second) = ([0; 4], [0; 100]);
    let Ok(Progress::Pending(one)) = lane.reader.read(&mut first) else {
        panic!("nothing was written")
    };
    let Ok(Progress::Pending(other)) = lane.reader.read(&mut second) else {
        panic!("nothing was written")
    };
    lane.reader.publish();
    lane.put(b"0123456789");
    assert_eq!(
        ready(lane.reader.poll(one, &mut first)),
        Ok(ReadOutcome { bytes: 4, more: true })
    );
    // Six bytes are left for the other read, and twelve more are beyond the quota of ten.
    let write = lane.write_and_wait(&[b'x'; 12]);
    assert!(lane.writer.poll(write, &[b'x'; 12]).is_pending());
    assert_eq!(
        ready(lane.reader.poll(other, &mut second)),
        Ok(ReadOutcome { bytes: 6, more: false })
    );
    assert!(lane.writer.poll(write, &[b'x'; 12]).is_pending());
    assert_eq!(lane.get(2), Ok((vec![b'x'; 2], true)));
    assert_eq!(ready(lane.writer.poll(write, &[b'x'; 12])), Ok(12));
}
