//! Two ends in virtual time: nothing happens unless a test calls or polls.
//!
//! A call that has to wait is published at once and looked at once more, as an engine does it; its handle holds the buffer.

use std::task::Poll;

use npipe_core::{CallId, PipeType, Progress, ReadMode, ReadOutcome, Reader, Status, WaitMode, Writer};

use super::{Pair, Setup, Side};

/// The bytes that a read brought.
#[derive(Clone, PartialEq, Eq)]
pub struct Got {
    pub data: Vec<u8>,
    pub more: bool,
}

impl std::fmt::Debug for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "\"{}\"{}",
            self.data.escape_ascii(),
            if self.more { " and more" } else { "" }
        )
    }
}

/// A read that brought all of its message, or a part of a stream.
pub fn whole(data: &[u8]) -> Result<Got, Status> {
    Ok(Got {
        data: data.to_vec(),
        more: false,
    })
}

/// A read that brought a part of its message: ERROR_MORE_DATA.
pub fn part(data: &[u8]) -> Result<Got, Status> {
    Ok(Got {
        data: data.to_vec(),
        more: true,
    })
}

fn got(result: Result<ReadOutcome, Status>, buffer: &[u8]) -> Result<Got, Status> {
    result.map(|outcome| Got {
        data: buffer[..outcome.bytes].to_vec(),
        more: outcome.more,
    })
}

/// A read, with its buffer.
#[derive(Debug)]
pub struct Reading {
    id: Option<CallId>,
    buffer: Vec<u8>,
    result: Option<Result<Got, Status>>,
}

/// A write or a request, with its data.
#[derive(Debug)]
pub struct Writing {
    id: Option<CallId>,
    data: Vec<u8>,
    result: Option<Result<usize, Status>>,
}

/// A flush.
#[derive(Debug)]
pub struct Flushing {
    id: Option<CallId>,
    result: Option<Result<(), Status>>,
}

fn known<T: Clone>(result: &Option<T>) -> Poll<T> {
    result.clone().map_or(Poll::Pending, Poll::Ready)
}

impl Reading {
    /// The result as far as it is known without another look.
    pub fn known(&self) -> Poll<Result<Got, Status>> {
        known(&self.result)
    }
}

impl Writing {
    /// The result as far as it is known without another look.
    pub fn known(&self) -> Poll<Result<usize, Status>> {
        known(&self.result)
    }

    fn new(progress: Result<Progress<usize>, Status>, data: &[u8]) -> Self {
        let (id, result) = split(progress);
        Writing {
            id,
            data: data.to_vec(),
            result,
        }
    }
}

impl Flushing {
    /// The result as far as it is known without another look.
    pub fn known(&self) -> Poll<Result<(), Status>> {
        known(&self.result)
    }
}

fn split<T>(progress: Result<Progress<T>, Status>) -> (Option<CallId>, Option<Result<T, Status>>) {
    match progress {
        Ok(Progress::Done(value)) => (None, Some(Ok(value))),
        Ok(Progress::Pending(id)) => (Some(id), None),
        Err(status) => (None, Some(Err(status))),
    }
}

/// One end: both its halves.
pub struct End<P: Pair> {
    pub reader: Reader<P::Inlet>,
    pub writer: Writer<P::Outlet>,
}

impl<P: Pair> End<P> {
    /// An end that is not connected, in byte-read, blocking mode.
    pub fn unconnected(pipe_type: PipeType, quota_bytes: u32, absent: Status) -> Self {
        End {
            reader: Reader::new(pipe_type, ReadMode::Byte, WaitMode::Wait, absent),
            writer: Writer::new(pipe_type, quota_bytes, absent),
        }
    }

    pub fn attach(&mut self, pair: &mut P, side: Side, peer_quota_bytes: u32) {
        let (outlet, inlet) = pair.halves(side);
        self.writer.attach(outlet);
        self.reader.attach(inlet, peer_quota_bytes);
        self.hand_over();
    }

    fn hand_over(&mut self) -> bool {
        P::hand_over(&mut self.reader, &mut self.writer)
    }

    pub fn set_modes(&mut self, mode: ReadMode, wait: WaitMode) -> Result<(), Status> {
        let set = self.reader.set_modes(mode, wait);
        self.hand_over();
        set
    }

    /// Starts a read without publishing it.
    pub fn read_unpublished(&mut self, size: usize) -> Reading {
        let mut buffer = vec![0; size];
        let (id, result) = split(self.reader.read(&mut buffer));
        self.hand_over();
        Reading {
            id,
            result: result.map(|result| got(result, &buffer)),
            buffer,
        }
    }

    /// Starts a read.
    pub fn read(&mut self, size: usize) -> Reading {
        let mut reading = self.read_unpublished(size);
        self.publish(&mut reading);
        reading
    }

    fn publish(&mut self, reading: &mut Reading) {
        if reading.result.is_none() {
            self.reader.publish();
            // As the engine does it: what was published is seen before the last look.
            self.hand_over();
            let _ = self.poll_read(reading);
        }
    }

    pub fn poll_read(&mut self, reading: &mut Reading) -> Poll<Result<Got, Status>> {
        if let (None, Some(id)) = (&reading.result, reading.id)
            && let Poll::Ready(result) = self.reader.poll(id, &mut reading.buffer)
        {
            reading.result = Some(got(result, &reading.buffer));
        }
        self.hand_over();
        reading.known()
    }

    pub fn cancel_read(&mut self, reading: &mut Reading) -> Result<Got, Status> {
        if let (None, Some(id)) = (&reading.result, reading.id) {
            let result = self.reader.cancel(id, &mut reading.buffer, Status::Cancelled);
            reading.result = Some(got(result, &reading.buffer));
        }
        self.hand_over();
        reading.result.clone().expect("a cancelled read has ended")
    }

    /// A read that cannot have to wait.
    pub fn get(&mut self, size: usize) -> Result<Got, Status> {
        self.read(size).result.expect("the read waits")
    }

    /// Starts a write.
    pub fn write(&mut self, data: &[u8]) -> Writing {
        let written = self.writer.write(data, self.reader.wait_mode());
        self.begin_write(written, data)
    }

    /// What another process that holds the end could not see yet is only fed to waiting reads from here on.
    fn begin_write(&mut self, written: Result<Progress<usize>, Status>, data: &[u8]) -> Writing {
        let mut writing = Writing::new(written, data);
        if self.hand_over() {
            let _ = self.poll_write(&mut writing);
        }
        writing
    }

    pub fn poll_write(&mut self, writing: &mut Writing) -> Poll<Result<usize, Status>> {
        if let (None, Some(id)) = (&writing.result, writing.id)
            && let Poll::Ready(result) = self.writer.poll(id, &writing.data)
        {
            writing.result = Some(result);
        }
        self.hand_over();
        writing.known()
    }

    pub fn cancel_write(&mut self, writing: &mut Writing) -> Result<usize, Status> {
        if let (None, Some(id)) = (&writing.result, writing.id) {
            writing.result = Some(self.writer.cancel(id, Status::Cancelled));
        }
        self.hand_over();
        writing.result.expect("a cancelled write has ended")
    }

    /// A write that cannot have to wait.
    pub fn put(&mut self, data: &[u8]) -> Result<usize, Status> {
        self.write(data).result.expect("the write waits")
    }

    /// Starts the request half of a transaction alone.
    pub fn request(&mut self, data: &[u8]) -> Writing {
        let written = self.writer.request(data);
        self.begin_write(written, data)
    }

    /// Both halves of a transaction (semantics 151, 152); the checks of semantics 150 are its caller's.
    pub fn transact(&mut self, request: &[u8], reply_size: usize) -> Result<(Writing, Reading), Status> {
        if self.reader.has_data()? {
            return Err(Status::PipeBusy);
        }
        let written = self.writer.request(request)?;
        let writing = self.begin_write(Ok(written), request);
        let id = Some(self.reader.expect(reply_size));
        let mut reading = Reading {
            id,
            buffer: vec![0; reply_size],
            result: None,
        };
        self.publish(&mut reading);
        Ok((writing, reading))
    }

    /// The bytes a peek copies, all there are, and what is left of the first message.
    pub fn peek(&mut self, size: usize) -> Result<(Vec<u8>, u64, u64), Status> {
        let mut buffer = vec![0; size];
        let peeked = self.reader.peek(&mut buffer);
        self.hand_over();
        let peeked = peeked?;
        buffer.truncate(peeked.bytes);
        Ok((buffer, peeked.total, peeked.left))
    }

    pub fn flush(&mut self) -> Flushing {
        let (id, result) = split(self.writer.flush());
        self.hand_over();
        Flushing { id, result }
    }

    pub fn poll_flush(&mut self, flushing: &mut Flushing) -> Poll<Result<(), Status>> {
        if let (None, Some(id)) = (&flushing.result, flushing.id)
            && let Poll::Ready(result) = self.writer.poll_flush(id)
        {
            flushing.result = Some(result);
        }
        flushing.known()
    }
}

/// Two ends joined.
pub struct Ends<P: Pair> {
    pub pair: P,
    pub server: End<P>,
    pub client: End<P>,
    pub setup: Setup,
}

impl<P: Pair> Ends<P> {
    pub fn join(setup: Setup) -> Self {
        let mut pair = P::new(&setup);
        let [mut server, mut client] = Side::BOTH.map(|side| {
            let quota_bytes = setup.quota_bytes[side as usize];
            End::unconnected(setup.pipe_type, quota_bytes, Status::PipeListening)
        });
        server.attach(&mut pair, Side::Server, setup.quota_bytes[1]);
        client.attach(&mut pair, Side::Client, setup.quota_bytes[0]);
        Ends {
            pair,
            server,
            client,
            setup,
        }
    }

    /// A byte pipe with one quota for both directions.
    pub fn byte(quota_bytes: u32) -> Self {
        Ends::join(Setup {
            pipe_type: PipeType::Byte,
            quota_bytes: [quota_bytes; 2],
            lane_bytes: Setup::AMPLE_BYTES,
        })
    }

    /// A message pipe with one quota for both directions, both ends in message-read mode.
    pub fn message(quota_bytes: u32) -> Self {
        Ends::message_through(Setup::AMPLE_BYTES, quota_bytes)
    }

    /// The same with lanes of `lane_bytes`.
    pub fn message_through(lane_bytes: u32, quota_bytes: u32) -> Self {
        let mut ends = Ends::join(Setup {
            pipe_type: PipeType::Message,
            quota_bytes: [quota_bytes; 2],
            lane_bytes,
        });
        for side in Side::BOTH {
            ends.end(side)
                .set_modes(ReadMode::Message, WaitMode::Wait)
                .expect("a message pipe");
        }
        ends
    }

    pub fn end(&mut self, side: Side) -> &mut End<P> {
        match side {
            Side::Server => &mut self.server,
            Side::Client => &mut self.client,
        }
    }

    /// Closes an end in order.
    pub fn close(&mut self, side: Side) {
        let end = self.end(side);
        end.writer.detach(Status::PipeBroken, Status::InvalidHandle);
        end.reader.detach(Status::PipeBroken, Status::InvalidHandle);
        self.pair.close(side);
    }

    /// The process of an end dies without another word.
    pub fn kill(&mut self, side: Side) {
        self.pair.close(side);
    }

    /// The server disconnects the client.
    pub fn disconnect(&mut self) {
        self.server
            .writer
            .detach(Status::PipeDisconnected, Status::PipeDisconnected);
        self.server
            .reader
            .detach(Status::PipeDisconnected, Status::PipeDisconnected);
        self.pair.disconnect(Side::Server);
    }

    /// A new client is connected to the same server end; returns the old client, and its lanes.
    pub fn reconnect(&mut self) -> (End<P>, P) {
        let quota_bytes = self.setup.quota_bytes;
        let mut pair = P::new(&self.setup);
        let mut client = End::unconnected(self.setup.pipe_type, quota_bytes[1], Status::PipeListening);
        self.server.attach(&mut pair, Side::Server, quota_bytes[1]);
        client.attach(&mut pair, Side::Client, quota_bytes[0]);
        (
            std::mem::replace(&mut self.client, client),
            std::mem::replace(&mut self.pair, pair),
        )
    }
}
