//! The relay itself: one thread for each direction of each end, and one that waits for the child's end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use npipe::PipeStream;
use npipe::overlapped::Operation;
use rustix::event::{EventfdFlags, PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::PAGE;
use crate::dispatch::locked;
use crate::pipes::PipeEnd;

/// One direction of an end, with our side of the child's stream.
pub(in crate::processes) struct Strand {
    pub(in crate::processes) end: Arc<PipeEnd>,
    pub(in crate::processes) fd: OwnedFd,
    pub(in crate::processes) is_input: bool,
}

/// How far an output has come.
#[derive(Default)]
struct Output {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    /// Bytes that were read from the child's stream.
    taken: u64,
    /// Those of them that are in the named pipe.
    delivered: u64,
    /// The child's stream, which is closed when nothing can be delivered any more: so its writer is told.
    stream: Option<OwnedFd>,
}

/// The read that waits, and whether anybody wants it still.
#[derive(Default)]
struct Reading {
    operation: Option<Arc<Operation>>,
    is_over: bool,
}

fn wait_for<const N: usize>(mut fds: [PollFd<'_>; N]) -> [PollFlags; N] {
    loop {
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            // Without a look at it a stream is as good as closed.
            Err(_) => return [PollFlags::ERR; N],
            Ok(_) => return fds.map(|fd| fd.revents()),
        }
    }
}

/// Relays until all streams are closed.
pub(in crate::processes) fn run(strands: Vec<Strand>, line: OwnedFd) {
    let mut line = File::from(line);
    if line.write_all(b"+").is_err() {
        return;
    }
    let mut ends: Vec<Arc<PipeEnd>> = Vec::new();
    let mut outputs = Vec::new();
    let mut workers = Vec::new();
    for strand in strands {
        ends.push(Arc::clone(&strand.end));
        let worker = if strand.is_input {
            thread::Builder::new().spawn(move || feed(&strand.end, &strand.fd))
        } else {
            let Ok(stream) = strand.fd.try_clone() else { return };
            let output = Arc::new(Output::default());
            locked(&output.counts).stream = Some(stream);
            outputs.push(Arc::clone(&output));
            thread::Builder::new().spawn(move || deliver(&strand.end, File::from(strand.fd), &output))
        };
        match worker {
            Ok(worker) => workers.push(worker),
            Err(_) => return,
        }
    }
    // Without it the line is cut at once, and nobody waits for what is on its way.
    let _ = thread::Builder::new().spawn(move || see_off(line, outputs));
    for worker in workers {
        // A worker that panicked has ended its direction.
        let _ = worker.join();
    }
    for end in ends {
        end.close();
    }
}

/// Waits for the child's end, or its parent's, and lets go of the line when what was written by then is delivered.
fn see_off(mut line: File, outputs: Vec<Arc<Output>>) {
    let mut nothing = [0];
    // Nothing is ever sent.
    let _ = line.read(&mut nothing);
    for output in outputs {
        let mut counts = locked(&output.counts);
        let there = counts.stream.as_ref().map(rustix::io::ioctl_fionread);
        let goal = counts.taken + there.and_then(Result::ok).unwrap_or_default();
        while counts.stream.is_some() && counts.delivered < goal {
            counts = output.changed.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// From the child's stream into the named pipe, until either is closed.
fn deliver(end: &PipeStream, mut stream: File, output: &Output) {
    let mut data = vec![0; 16 * PAGE];
    loop {
        let [_] = wait_for([PollFd::new(&stream, PollFlags::IN)]);
        let mut counts = locked(&output.counts);
        let count = match stream.read(&mut data) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        counts.taken += count as u64;
        drop(counts);
        if end.write(&data[..count]).ok() != Some(count) {
            break;
        }
        locked(&output.counts).delivered += count as u64;
        output.changed.notify_all();
    }
    drop(stream);
    locked(&output.counts).stream = None;
    output.changed.notify_all();
}

/// From the named pipe into the child's stream, until either is closed.
fn feed(end: &PipeStream, stream: &OwnedFd) {
    let Ok(done) = rustix::event::eventfd(0, EventfdFlags::CLOEXEC) else {
        return;
    };
    let reading = Mutex::new(Reading::default());
    thread::scope(|scope| {
        let watcher = thread::Builder::new().spawn_scoped(scope, || {
            let [stream, _] = wait_for([
                // What cannot be asked not to be told of: nobody reads any more.
                PollFd::new(stream, PollFlags::empty()),
                PollFd::new(&done, PollFlags::IN),
            ]);
            let mut reading = locked(&reading);
            reading.is_over = true;
            if let Some(operation) = &reading.operation
                && !stream.is_empty()
            {
                // Complete by now, it is delivered to nobody.
                let _ = operation.cancel();
            }
        });
        if watcher.is_ok() {
            feed_until_over(end, stream, &reading);
        }
        let _ = rustix::io::write(&done, &1_u64.to_ne_bytes());
    });
}

fn feed_until_over(end: &PipeStream, stream: &OwnedFd, reading: &Mutex<Reading>) {
    loop {
        let [state] = wait_for([PollFd::new(stream, PollFlags::OUT)]);
        if state.intersects(PollFlags::ERR) {
            return;
        }
        let Some(data) = read(end, reading) else { return };
        // An empty message is nothing that a stream could carry.
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(stream, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// Reads a page at most; `None` when there is no more to read, or nobody to read for.
fn read(end: &PipeStream, reading: &Mutex<Reading>) -> Option<Vec<u8>> {
    let mut state = locked(reading);
    if state.is_over {
        return None;
    }
    let operation = Arc::new(end.start_read(vec![0; PAGE]).ok()?);
    state.operation = Some(Arc::clone(&operation));
    drop(state);
    operation.wait(None);
    locked(reading).operation = None;
    // The watcher has it only while it holds the lock.
    let completed = Arc::into_inner(operation)?.finish();
    completed.result.ok()?;
    Some(completed.into_data())
}
