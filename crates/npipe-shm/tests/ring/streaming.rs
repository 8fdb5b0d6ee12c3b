//! Frames of many parts, and those that are larger than the lane.

use crate::*;

/// Reads and writes in turn until both calls are done.
fn stream(lane: &mut Lane, data: &[u8], buffer: &mut [u8]) -> ReadOutcome {
    let write = lane.write_and_wait(data);
    let mut outcome = lane.reader.read(buffer).expect("the writer is there");
    let mut written = Poll::Pending;
    // Each turn moves a part at least.
    for _ in 0..data.len() {
        if written.is_pending() {
            written = lane.writer.poll(write, data);
        }
        if let Progress::Pending(id) = outcome
            && let Poll::Ready(result) = lane.reader.poll(id, buffer)
        {
            outcome = Progress::Done(result.expect("the writer is there"));
        }
        if let (Poll::Ready(written), Progress::Done(outcome)) = (written, outcome) {
            assert_eq!(written, Ok(data.len()));
            return outcome;
        }
    }
    panic!("nothing moves any more: {outcome:?}, {written:?}");
}

/// semantics 117, 118, 123
#[test]
fn a_message_larger_than_the_lane_comes_through_it() {
    let mut lane = Lane::real(65536);
    let data = pattern(1, 10 << 20);
    let mut buffer = vec![0; data.len()];
    assert_eq!(
        stream(&mut lane, &data, &mut buffer),
        ReadOutcome {
            bytes: data.len(),
            more: false
        }
    );
    assert!(buffer == data);
    assert!(lane.is_flushed() && lane.is_empty());
}

/// semantics 117, 118
#[test]
fn without_a_large_area_it_comes_through_the_small_one() {
    let layout = Layout::new(4096, 4096);
    let mut lane = Lane::new(HeapMemory::without_large(layout), PipeType::Message, 4096);
    for length in [100_000, 65536, 65535, 40_000, 300_000] {
        let data = pattern(length, length);
        let mut buffer = vec![0; length];
        assert_eq!(
            stream(&mut lane, &data, &mut buffer),
            ReadOutcome {
                bytes: length,
                more: false
            }
        );
        assert!(buffer == data);
    }
}

/// semantics 99-103
#[test]
fn a_message_of_many_parts_is_read_in_pieces_of_any_size() {
    for size in 1..200 {
        let mut lane = Lane::small(1000);
        let data = pattern(size, 150);
        lane.put(&data);
        lane.put(b"next");
        let mut read = Vec::new();
        loop {
            let (piece, more) = lane.get(size).expect("it is there");
            read.extend(piece);
            if !more {
                break;
            }
        }
        assert_eq!(read, data);
        assert_eq!(lane.get(size.max(4)), Ok((b"next".to_vec(), false)));
    }
}

/// semantics 91, 110
#[test]
fn a_stream_is_read_across_parts_and_frames() {
    for size in 1..120 {
        let memory = HeapMemory::new(Layout::scaled(160, 32, [480; 2]));
        let mut lane = Lane::new(memory, PipeType::Byte, 1000);
        let data = pattern(size, 200);
        for frame in [0..70, 70..71, 71..135, 135..200] {
            lane.put(&data[frame]);
        }
        let mut read = Vec::new();
        while read.len() < data.len() {
            let (piece, more) = lane.get(size).expect("it is there");
            assert_eq!((piece.len(), more), (size.min(data.len() - read.len()), false));
            read.extend(piece);
        }
        assert_eq!(read, data);
    }
}

/// semantics 142-146
#[test]
fn a_peek_sees_across_parts_what_a_read_would_bring() {
    for pipe_type in [PipeType::Byte, PipeType::Message] {
        for taken in [0, 1, 31, 32, 33, 64, 80] {
            let memory = HeapMemory::new(Layout::scaled(160, 32, [480; 2]));
            let mut lane = Lane::new(memory, pipe_type, 1000);
            let (first, second) = (pattern(1, 90), pattern(2, 40));
            lane.put(&first);
            lane.put(&second);
            if taken > 0 {
                assert_eq!(lane.get(taken).expect("it is there").0, first[..taken]);
            }
            let both = [&first[taken..], &second[..]].concat();
            for size in [0, 1, 31, 32, 33, 90 - taken, 100, 200] {
                let visible = if pipe_type == PipeType::Byte {
                    &both[..]
                } else {
                    &first[taken..]
                };
                let mut buffer = vec![0; size];
                let peeked = lane.reader.peek(&mut buffer).expect("it is there");
                assert_eq!(buffer[..peeked.bytes], visible[..size.min(visible.len())]);
                assert_eq!(peeked.total, both.len() as u64);
                let left = if pipe_type == PipeType::Byte {
                    0
                } else {
                    visible.len() - peeked.bytes
                };
                assert_eq!(peeked.left, left as u64);
            }
            assert_eq!(lane.get(90 - taken).expect("peeking takes nothing").0, first[taken..]);
        }
    }
}

/// semantics 121, 142
#[test]
fn a_peek_sees_what_is_there_of_a_message_that_streams() {
    let mut lane = Lane::small(0);
    let data = pattern(1, 2000);
    let write = lane.write_and_wait(&data);
    let mut buffer = vec![0; 3000];
    let peeked = lane.reader.peek(&mut buffer).expect("it is there");
    assert!(peeked.bytes >= 160, "only {} bytes are seen", peeked.bytes);
    assert_eq!(buffer[..peeked.bytes], data[..peeked.bytes]);
    assert_eq!(peeked.total, 2000);
    assert_eq!(peeked.left, 2000 - peeked.bytes as u64);
    assert!(lane.writer.poll(write, &data).is_pending());
}
