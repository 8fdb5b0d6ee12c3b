//! What a ring does beyond the rules: parts, laps, areas, retraction at every point, death at every point, two threads.

#![cfg(not(loom))]

mod areas;
mod empties;
mod foresight;
mod lies;
mod looks;
mod retraction;
mod settling;
mod streaming;
mod threads;

use std::sync::Arc;
use std::task::Poll;

use npipe_core::{CallId, PipeType, Progress, ReadMode, ReadOutcome, Reader, Status, WaitMode, Writer};
use npipe_shm::control::Standing;
use npipe_shm::layout::{Layout, Side};
use npipe_shm::memory::{HeapMemory, Memory};
use npipe_shm::ring::{RingInlet, RingOutlet};

/// One direction of a connection: what the server writes, the client reads.
struct Lane {
    memory: Arc<HeapMemory>,
    writer: Writer<RingOutlet<HeapMemory>>,
    reader: Reader<RingInlet<HeapMemory>>,
}

impl Lane {
    fn new(memory: HeapMemory, pipe_type: PipeType, quota_bytes: u32) -> Self {
        let memory = Arc::new(memory);
        let mode = match pipe_type {
            PipeType::Byte => ReadMode::Byte,
            PipeType::Message => ReadMode::Message,
        };
        let mut writer = Writer::new(pipe_type, quota_bytes, Status::PipeListening);
        let mut reader = Reader::new(pipe_type, mode, WaitMode::Wait, Status::PipeListening);
        writer.attach(RingOutlet::new(memory.clone(), Side::Server));
        reader.attach(RingInlet::new(memory.clone(), Side::Client), quota_bytes);
        Lane { memory, writer, reader }
    }

    /// A message pipe with lanes as they are in a segment.
    fn real(quota_bytes: u32) -> Self {
        Lane::new(
            HeapMemory::new(Layout::new(quota_bytes, quota_bytes)),
            PipeType::Message,
            quota_bytes,
        )
    }

    /// A message pipe whose messages have parts of 32 bytes, in a lane for a dozen of them.
    fn small(quota_bytes: u32) -> Self {
        Lane::new(
            HeapMemory::new(Layout::scaled(160, 32, [480; 2])),
            PipeType::Message,
            quota_bytes,
        )
    }

    /// Starts a write that has to wait.
    fn write_and_wait(&mut self, data: &[u8]) -> CallId {
        match self.writer.write(data, WaitMode::Wait) {
            Ok(Progress::Pending(id)) => id,
            other => panic!("the write does not wait: {other:?}"),
        }
    }

    /// A write that cannot have to wait.
    fn put(&mut self, data: &[u8]) {
        let written = self.writer.write(data, WaitMode::Wait).expect("the reader is there");
        assert_eq!(written, Progress::Done(data.len()));
    }

    /// A read that does not wait.
    fn get(&mut self, size: usize) -> Result<(Vec<u8>, bool), Status> {
        let mut buffer = vec![0; size];
        match self.reader.read(&mut buffer)? {
            Progress::Done(ReadOutcome { bytes, more }) => {
                buffer.truncate(bytes);
                Ok((buffer, more))
            }
            Progress::Pending(id) => {
                let given_up = self.reader.cancel(id, &mut buffer, Status::PipeEmpty)?;
                panic!("the read had to wait for the rest of {given_up:?}");
            }
        }
    }

    fn is_empty(&mut self) -> bool {
        !self.reader.has_data().expect("an honest writer")
    }

    /// The writer was closed or has died.
    fn end_writer(&self) {
        self.memory
            .control()
            .end(Side::Server)
            .attention
            .0
            .set_standing(Standing::Closed);
    }

    /// Whether everything written was read.
    fn is_flushed(&mut self) -> bool {
        match self.writer.flush() {
            Ok(Progress::Done(())) => true,
            Ok(Progress::Pending(id)) => {
                self.writer.cancel_flush(id);
                false
            }
            Err(status) => panic!("the flush failed: {status:?}"),
        }
    }
}

/// The halves of a lane of `lane_bytes` by themselves, with parts of 32 bytes: what the server writes, the client reads.
fn halves(lane_bytes: u64) -> (RingOutlet<HeapMemory>, RingInlet<HeapMemory>) {
    let small_bytes = lane_bytes / 4;
    let layout = Layout::scaled(small_bytes, 32, [lane_bytes - small_bytes; 2]);
    let memory = Arc::new(HeapMemory::new(layout));
    (
        RingOutlet::new(memory.clone(), Side::Server),
        RingInlet::new(memory, Side::Client),
    )
}

/// Bytes that are different everywhere.
fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| (index * 31 + seed * 7 + (index >> 8)) as u8)
        .collect()
}

/// A result that is there.
fn ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the call waits"),
    }
}
