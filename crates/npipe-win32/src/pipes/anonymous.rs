//! Ends of anonymous pipes.
//!
//! They are the system's pipes, which take in more than the size asked for before a write waits. While both ends are in this
//! process it knows how much is unread, and makes a write wait as Windows does: until all of it but the size has been read.

use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use npipe::Status;
use npipe::anonymous::{AnonymousReader, AnonymousWriter};

use crate::dispatch::locked;
use crate::failure::{Failure, Outcome};
use crate::sanitizer;

/// An end of an anonymous pipe. The read end is the server's.
// semantics 253
pub(crate) enum AnonymousEnd {
    Reader(ReadEnd),
    Writer(WriteEnd),
}

/// What both ends know of the bytes between them.
struct Quota {
    size: u64,
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    written: u64,
    read: u64,
    reader_closed: bool,
    /// Another process has one of the ends, or may have: what it moves is not known.
    shared: bool,
}

/// The end that reads.
pub(crate) struct ReadEnd {
    reader: AnonymousReader,
    quota: Arc<Quota>,
}

/// The end that writes.
pub(crate) struct WriteEnd {
    writer: AnonymousWriter,
    quota: Arc<Quota>,
}

/// Both ends of a new pipe.
pub(crate) fn pipe(size: u32) -> Outcome<(AnonymousEnd, AnonymousEnd)> {
    let (reader, writer) = npipe::anonymous::pipe(size)?;
    let quota = Quota::new(writer.info().out_buffer_size, false);
    let read_end = ReadEnd {
        reader,
        quota: Arc::clone(&quota),
    };
    Ok((
        AnonymousEnd::Reader(read_end),
        AnonymousEnd::Writer(WriteEnd { writer, quota }),
    ))
}

impl Quota {
    fn new(size: u32, shared: bool) -> Arc<Quota> {
        Arc::new(Quota {
            size: size.into(),
            counts: Mutex::new(Counts {
                shared,
                ..Counts::default()
            }),
            changed: Condvar::new(),
        })
    }
}

impl AnonymousEnd {
    /// The read end of a pipe that came from another process; of size 0 if nobody knows.
    pub(crate) fn reader(fd: OwnedFd, size: u32) -> Outcome<AnonymousEnd> {
        let reader = AnonymousReader::from_fd(fd, size)?;
        let quota = Quota::new(reader.info().out_buffer_size, true);
        Ok(AnonymousEnd::Reader(ReadEnd { reader, quota }))
    }

    /// The write end of such a pipe.
    pub(crate) fn writer(fd: OwnedFd, size: u32) -> Outcome<AnonymousEnd> {
        let writer = AnonymousWriter::from_fd(fd, size)?;
        let quota = Quota::new(writer.info().out_buffer_size, true);
        Ok(AnonymousEnd::Writer(WriteEnd { writer, quota }))
    }

    /// Notes that another process gets this end. Writes do not wait for what it reads from here on.
    pub(crate) fn share(&self) {
        let quota = match self {
            AnonymousEnd::Reader(end) => &end.quota,
            AnonymousEnd::Writer(end) => &end.quota,
        };
        locked(&quota.counts).shared = true;
        quota.changed.notify_all();
    }
}

impl AsFd for AnonymousEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            AnonymousEnd::Reader(end) => end.reader.as_fd(),
            AnonymousEnd::Writer(end) => end.writer.as_fd(),
        }
    }
}

impl ReadEnd {
    pub(crate) fn read(&self, into: &mut [u8]) -> Outcome<usize> {
        sanitizer::release(&*self.quota);
        let bytes = self.reader.read(into)?;
        sanitizer::acquire(&*self.quota);
        locked(&self.quota.counts).read += bytes as u64;
        self.quota.changed.notify_all();
        Ok(bytes)
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        locked(&self.quota.counts).reader_closed = true;
        self.quota.changed.notify_all();
    }
}

impl WriteEnd {
    // semantics 120, 122, 123, 186
    pub(crate) fn write(&self, data: &[u8]) -> Outcome<usize> {
        let nowait = self.writer.state()?.nowait;
        sanitizer::release(&*self.quota);
        let bytes = self.writer.write(data)?;
        sanitizer::acquire(&*self.quota);
        let mut counts = locked(&self.quota.counts);
        counts.written += bytes as u64;
        let end = counts.written;
        while !nowait && !counts.shared && end.saturating_sub(counts.read) > self.quota.size {
            if counts.reader_closed {
                return Err(Failure::from(Status::PipeBroken));
            }
            counts = self.quota.changed.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(bytes)
    }
}

impl Deref for ReadEnd {
    type Target = AnonymousReader;

    fn deref(&self) -> &AnonymousReader {
        &self.reader
    }
}

impl Deref for WriteEnd {
    type Target = AnonymousWriter;

    fn deref(&self) -> &AnonymousWriter {
        &self.writer
    }
}
