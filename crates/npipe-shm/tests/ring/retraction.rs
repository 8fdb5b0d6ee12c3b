//! Writes that are cancelled at every point of their way.

use crate::*;

/// Takes `bytes` of the frame at the front, by reads of `size`.
fn take(lane: &mut Lane, bytes: usize, size: usize, data: &[u8]) {
    let mut taken = 0;
    while taken < bytes {
        let (piece, more) = lane.get(size.min(bytes - taken)).expect("it is there");
        assert_eq!(piece, data[taken..taken + piece.len()]);
        taken += piece.len();
        assert_eq!(more, taken < data.len());
    }
}

/// semantics 122, 127, 169
#[test]
fn a_write_is_cancelled_with_any_part_of_it_read() {
    let data = pattern(1, 5 * 32);
    for taken in 0..=data.len() {
        for size in [1, 20, 32, 50, 160] {
            let mut lane = Lane::small(0);
            let write = lane.write_and_wait(&data);
            let later = lane.write_and_wait(b"later");
            take(&mut lane, taken, size, &data);
            let result = lane.writer.cancel(write, Status::Cancelled);
            let expected = if taken == data.len() {
                Ok(data.len())
            } else {
                Err(Status::Cancelled)
            };
            assert_eq!(result, expected, "{taken} bytes were taken by {size}");
            assert_eq!(lane.reader.peek(&mut []).map(|peeked| peeked.total), Ok(5));
            assert_eq!(lane.get(9), Ok((b"later".to_vec(), false)));
            assert_eq!(ready(lane.writer.poll(later, b"later")), Ok(5));
            assert!(lane.is_empty() && lane.is_flushed());
        }
    }
}

/// The read is in the middle of the message that is taken away: it begins again with the next one.
///
/// semantics 117, 127
#[test]
fn a_write_is_cancelled_while_it_streams() {
    let data = pattern(1, 2_000);
    let mut buffer = vec![0; data.len()];
    for turns in 0.. {
        let mut lane = Lane::small(0);
        let write = lane.write_and_wait(&data);
        let Ok(Progress::Pending(read)) = lane.reader.read(&mut buffer) else {
            panic!("it has to wait")
        };
        for _ in 0..turns {
            assert!(lane.writer.poll(write, &data).is_pending());
            if let Poll::Ready(outcome) = lane.reader.poll(read, &mut buffer) {
                assert_eq!(
                    outcome,
                    Ok(ReadOutcome {
                        bytes: data.len(),
                        more: false
                    })
                );
                assert!(turns > 3, "it went through in one go");
                return;
            }
        }
        assert_eq!(lane.writer.cancel(write, Status::Cancelled), Err(Status::Cancelled));
        assert!(lane.reader.poll(read, &mut buffer).is_pending());
        assert!(lane.is_empty(), "after {turns} turns");
        let next = lane.write_and_wait(b"next");
        assert_eq!(
            ready(lane.reader.poll(read, &mut buffer)),
            Ok(ReadOutcome { bytes: 4, more: false })
        );
        assert_eq!(buffer[..4], *b"next");
        assert_eq!(ready(lane.writer.poll(next, b"next")), Ok(4));
        assert!(lane.is_flushed());
    }
}

/// semantics 127
#[test]
fn cancelled_writes_fill_a_lane_only_until_the_reader_looks() {
    let mut lane = Lane::small(0);
    for turn in 0..2_000_usize {
        let data = pattern(turn, 1 + turn * 13 % 90);
        let writes: Vec<_> = (0..turn % 5).map(|_| lane.write_and_wait(&data)).collect();
        for &write in writes.iter().rev() {
            assert_eq!(lane.writer.cancel(write, Status::Cancelled), Err(Status::Cancelled));
        }
        assert!(lane.is_empty());
        let write = lane.write_and_wait(&data);
        assert_eq!(lane.get(100), Ok((data.clone(), false)));
        assert_eq!(ready(lane.writer.poll(write, &data)), Ok(data.len()));
    }
}

/// semantics 124, 127, 131
#[test]
fn any_of_several_writes_that_wait_is_cancelled_and_the_others_stay() {
    for cancelled in 0..1 << 4 {
        for first_taken in [0, 1, 32, 33, 70] {
            let mut lane = Lane::small(0);
            let data: Vec<_> = (0..4).map(|index| pattern(index, 70 - 9 * index)).collect();
            let writes: Vec<_> = data.iter().map(|data| lane.write_and_wait(data)).collect();
            if first_taken > 0 {
                take(&mut lane, first_taken, 70, &data[0]);
            }
            for (index, &write) in writes
                .iter()
                .enumerate()
                .filter(|(index, _)| cancelled >> index & 1 == 1)
            {
                let whole = index == 0 && first_taken == 70;
                let expected = if whole { Ok(70) } else { Err(Status::Cancelled) };
                assert_eq!(lane.writer.cancel(write, Status::Cancelled), expected);
            }
            for (index, (data, &write)) in data.iter().zip(&writes).enumerate() {
                if cancelled >> index & 1 == 1 {
                    continue;
                }
                let taken = if index == 0 { first_taken } else { 0 };
                if taken < data.len() {
                    assert_eq!(lane.get(100), Ok((data[taken..].to_vec(), false)));
                }
                assert_eq!(ready(lane.writer.poll(write, data)), Ok(data.len()));
            }
            assert!(lane.is_empty() && lane.is_flushed());
        }
    }
}
