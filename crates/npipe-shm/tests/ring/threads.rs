//! Two threads, one at each end, as fast as they can.

use std::thread;
use std::time::{Duration, Instant};

use crate::*;

/// Nothing takes this long, unless it hangs.
const BOUND: Duration = Duration::from_secs(60);

const SEED: u64 = 0x1234_5678_9abc_def1;

/// A cheap sequence of numbers.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// A message that tells its number in its first bytes, and which the rest follows from.
fn message(number: u32, length: usize) -> Vec<u8> {
    let mut data = pattern(number as usize, length);
    data[..4].copy_from_slice(&number.to_le_bytes());
    data
}

/// Who gives up calls that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancels {
    Reads,
    Writes,
}

/// What a test puts through a lane.
#[derive(Clone, Copy, Debug)]
struct Load {
    count: u32,
    longest: u64,
    /// Of a read.
    size: usize,
    cancels: Cancels,
}

/// Writes messages, cancels some of those that wait, and returns the numbers of those that are written.
fn write(writer: &mut Writer<RingOutlet<HeapMemory>>, load: Load) -> Vec<u32> {
    let mut random = Random(SEED);
    let mut written = Vec::new();
    let start = Instant::now();
    for number in 0..load.count {
        let data = message(number, 4 + random.next(load.longest) as usize);
        let done = match writer.write(&data, WaitMode::Wait).expect("the reader is there") {
            Progress::Done(_) => true,
            Progress::Pending(id) => {
                let patience = if load.cancels == Cancels::Writes {
                    random.next(60)
                } else {
                    u64::MAX
                };
                let mut turns = 0;
                loop {
                    if let Poll::Ready(result) = writer.poll(id, &data) {
                        break result.is_ok();
                    }
                    turns += 1;
                    if turns > patience {
                        break writer.cancel(id, Status::Cancelled).is_ok();
                    }
                    assert!(start.elapsed() < BOUND, "write {number} hangs");
                    thread::yield_now();
                }
            }
        };
        if done {
            written.push(number);
        }
        if random.next(16) == 0 {
            assert_eq!(writer.write(b"", WaitMode::Wait), Ok(Progress::Done(0)));
        }
    }
    while !writer.place_empties() {
        assert!(start.elapsed() < BOUND, "empty messages hang");
        thread::yield_now();
    }
    written
}

/// Reads until the writer is gone: what each read brought.
fn read(reader: &mut Reader<RingInlet<HeapMemory>>, load: Load) -> Vec<(Vec<u8>, bool)> {
    let mut pieces = Vec::new();
    let mut random = Random(!SEED);
    let start = Instant::now();
    let mut buffer = vec![0; load.size];
    loop {
        let mut result = reader.read(&mut buffer);
        let mut turns = 0;
        let outcome = loop {
            match result {
                Ok(Progress::Done(outcome)) => break Ok(outcome),
                Err(status) => break Err(status),
                Ok(Progress::Pending(id)) => {
                    turns += 1;
                    if turns == 3 {
                        reader.publish();
                    }
                    if load.cancels == Cancels::Reads && turns > 5 && random.next(20) == 0 {
                        break reader.cancel(id, &mut buffer, Status::Cancelled);
                    }
                    result = match reader.poll(id, &mut buffer) {
                        Poll::Ready(outcome) => outcome.map(Progress::Done),
                        Poll::Pending => Ok(Progress::Pending(id)),
                    };
                    assert!(start.elapsed() < BOUND, "a read hangs");
                    thread::yield_now();
                }
            }
        };
        match outcome {
            Ok(outcome) => pieces.push((buffer[..outcome.bytes].to_vec(), outcome.more)),
            Err(Status::Cancelled) => {}
            Err(Status::PipeBroken) => return pieces,
            Err(status) => panic!("a read failed: {status:?}"),
        }
    }
}

/// Runs both threads; what was written, and what was read.
fn hammer(lane: Lane, load: Load) -> (Vec<u32>, Vec<(Vec<u8>, bool)>) {
    let Lane {
        memory,
        mut writer,
        mut reader,
    } = lane;
    thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let written = write(&mut writer, load);
            writer.detach(Status::PipeBroken, Status::PipeBroken);
            memory
                .control()
                .end(Side::Server)
                .attention
                .0
                .set_standing(Standing::Closed);
            written
        });
        let pieces = read(&mut reader, load);
        (writing.join().expect("the writer does not panic"), pieces)
    })
}

/// semantics 99, 104, 118, 124, 127, 230
#[test]
fn messages_arrive_whole_once_and_in_order_unless_they_were_cancelled() {
    for cancels in [Cancels::Reads, Cancels::Writes] {
        let lanes = [
            (Lane::small(100), 20_000, 150),
            (Lane::small(0), 20_000, 60),
            (Lane::real(4096), 2_000, 100_000),
            (Lane::real(0), 500, 200_000),
        ];
        for (lane, count, longest) in lanes {
            let size = 4 + longest as usize;
            let (written, pieces) = hammer(
                lane,
                Load {
                    count,
                    longest,
                    size,
                    cancels,
                },
            );
            let (mut numbers, mut begun) = (Vec::new(), Vec::new());
            for (data, more) in pieces {
                begun.extend(data);
                // A read that was given up may have brought a part.
                assert!(!more || cancels == Cancels::Reads);
                if more || begun.is_empty() {
                    continue;
                }
                let data = std::mem::take(&mut begun);
                let number = u32::from_le_bytes(data[..4].try_into().expect("four bytes"));
                assert!(data == message(number, data.len()), "message {number} was altered");
                numbers.push(number);
            }
            assert_eq!(numbers, written);
        }
    }
}

/// semantics 91, 92, 96, 124
#[test]
fn a_stream_arrives_whole_and_in_order() {
    let small = || HeapMemory::new(Layout::scaled(160, 32, [480; 2]));
    let cancels = Cancels::Reads;
    let loads = [
        (
            small(),
            100,
            Load {
                count: 20_000,
                longest: 700,
                size: 50,
                cancels,
            },
        ),
        (
            small(),
            0,
            Load {
                count: 20_000,
                longest: 100,
                size: 333,
                cancels,
            },
        ),
        (
            HeapMemory::new(Layout::new(65536, 65536)),
            65536,
            Load {
                count: 1_000,
                longest: 100_000,
                size: 30_000,
                cancels,
            },
        ),
    ];
    for (memory, quota_bytes, load) in loads {
        let (written, pieces) = hammer(Lane::new(memory, PipeType::Byte, quota_bytes), load);
        assert_eq!(written.len(), load.count as usize);
        let mut random = Random(SEED);
        let mut expected = Vec::new();
        for number in written {
            expected.extend(message(number, 4 + random.next(load.longest) as usize));
            random.next(16);
        }
        let read: Vec<u8> = pieces.into_iter().flat_map(|(data, _)| data).collect();
        assert!(read == expected);
    }
}
