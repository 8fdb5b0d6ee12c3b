//! One measurement: what each of its two processes does, and the figures.
//!
//! Time is taken over batches, so that reading the clock does not show; only the
//! percentiles of round trips take it for every single one, in a pass of their
//! own. Times are in nanoseconds, rates per second.

use std::hint;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::histogram;
use super::machine;
use super::programs::Program;
use super::transport::{Kind, Link, Place, Transport, at_once};

/// A batch of operations takes at least about so long, in nanoseconds: much longer than a look at the clock, and much
/// shorter than what lies between two interruptions by other programs, so that these touch few batches.
const BATCH_NS: f64 = 20_000.0;
/// One-way blocks that are answered by one short block: about this many bytes,
/// but not more than so many blocks.
const ONE_WAY_BATCH_BYTES: usize = 8 << 20;
const ONE_WAY_BATCH_MAX: usize = 8192;
/// The answer to a batch, and the blocks of the connect workload, in bytes.
const ANSWER_BYTES: usize = 32;
/// Single round trips that are looked at in one round.
const SAMPLES_MAX: usize = 200_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Workload {
    /// A block there and the same block back.
    RoundTrip,
    /// Blocks in one direction, as fast as they go.
    OneWay,
    /// Connect, a block there and back, close.
    Connect,
}

/// What a process of a measurement is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) transport: Kind,
    /// What the process becomes, if the transport is a program of its own.
    pub(super) program: Option<Program>,
    pub(super) workload: Workload,
    pub(super) size_bytes: usize,
    pub(super) slice_ms: u64,
    /// How many client processes there are at a time.
    pub(super) clients: u32,
    /// The processor to stay on; none: wherever the system likes.
    pub(super) cpu: Option<usize>,
    pub(super) directory: PathBuf,
}

impl Job {
    fn one_way_batch(&self) -> usize {
        (ONE_WAY_BATCH_BYTES / self.size_bytes).clamp(16, ONE_WAY_BATCH_MAX)
    }

    fn slice(&self) -> Duration {
        Duration::from_millis(self.slice_ms)
    }
}

/// What a measurement yields.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// One operation, in nanoseconds: median of the batches.
    pub(super) op_ns: f64,
    /// Single round trips, in nanoseconds; none for the other workloads.
    pub(super) percentiles: Option<Percentiles>,
    /// How many single round trips took how long, see [`histogram`](super::histogram); none of programs of their own.
    #[serde(default)]
    pub(super) buckets: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    pub(super) p99_9_ns: f64,
}

/// The server's part: until the client closes, or for connecting until it is ended.
pub(super) async fn serve<T: Transport>(job: &Job, ready: impl FnOnce()) -> io::Result<()> {
    let mut listener = T::listen(&Place::of(job)).await?;
    ready();
    if job.clients > 1 {
        return serve_many(&mut listener, job).await;
    }
    let served = match job.workload {
        Workload::RoundTrip => echo(&mut listener.accept().await?, job.size_bytes).await,
        Workload::OneWay => swallow(&mut listener.accept().await?, job).await,
        Workload::Connect => loop {
            let mut link = listener.accept().await?;
            // The client closes first; waiting for that is part of the work.
            until_end(echo(&mut link, ANSWER_BYTES).await)?;
        },
    };
    until_end(served)
}

/// A thread for each client, which makes round trips. Of transports that block.
async fn serve_many<T: Transport>(listener: &mut T, job: &Job) -> io::Result<()> {
    let mut threads = Vec::new();
    for _ in 0..job.clients {
        let mut link = listener.accept().await?;
        let size_bytes = job.size_bytes;
        threads.push(thread::spawn(move || {
            at_once(async { until_end(echo(&mut link, size_bytes).await) })
        }));
    }
    let gone = |_| io::Error::other("a thread of the server panicked");
    threads.into_iter().try_for_each(|thread| thread.join().map_err(gone)?)
}

/// The end of a connection is the end of the work, not a failure.
fn until_end(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

async fn echo(link: &mut impl Link, size_bytes: usize) -> io::Result<()> {
    let mut block = vec![0; size_bytes];
    loop {
        link.receive(&mut block).await?;
        link.send(&block).await?;
    }
}

async fn swallow(link: &mut impl Link, job: &Job) -> io::Result<()> {
    let mut block = vec![0; job.size_bytes];
    loop {
        for _ in 0..job.one_way_batch() {
            link.receive(&mut block).await?;
        }
        link.send(&[0; ANSWER_BYTES]).await?;
    }
}

/// The client's part, which takes the time.
pub(super) async fn drive<T: Transport>(job: &Job) -> io::Result<Figures> {
    let place = Place::of(job);
    match job.workload {
        Workload::RoundTrip => round_trips(&mut T::connect(&place).await?, job).await,
        Workload::OneWay => one_way(&mut T::connect(&place).await?, job).await,
        Workload::Connect => {
            let mut block = [0; ANSWER_BYTES];
            batches(job.slice(), async || {
                exchange(&mut T::connect(&place).await?, &[7; ANSWER_BYTES], &mut block).await
            })
            .await
        }
    }
}

async fn exchange(link: &mut impl Link, request: &[u8], reply: &mut [u8]) -> io::Result<()> {
    link.send(request).await?;
    link.receive(reply).await
}

async fn round_trips(link: &mut impl Link, job: &Job) -> io::Result<Figures> {
    let request: Vec<u8> = (0..job.size_bytes).map(|at| (at % 251) as u8).collect();
    let mut reply = vec![0; job.size_bytes];
    exchange(link, &request, &mut reply).await?;
    if reply != request {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the block came back changed",
        ));
    }
    let half = job.slice() / 2;
    let mut figures = batches(half, async || exchange(link, &request, &mut reply).await).await?;
    let samples_ns = sample(half, async || exchange(link, &request, &mut reply).await).await?;
    figures.percentiles = Some(Percentiles {
        p50_ns: percentile(&samples_ns, 0.5),
        p99_ns: percentile(&samples_ns, 0.99),
        p99_9_ns: percentile(&samples_ns, 0.999),
    });
    figures.buckets = histogram::count(&samples_ns);
    Ok(figures)
}

async fn one_way(link: &mut impl Link, job: &Job) -> io::Result<Figures> {
    let block = vec![7; job.size_bytes];
    let mut answer = [0; ANSWER_BYTES];
    let count = job.one_way_batch();
    let mut figures = batches(job.slice(), async || {
        for _ in 0..count {
            link.send(&block).await?;
        }
        link.receive(&mut answer).await
    })
    .await?;
    figures.op_ns /= count as f64;
    Ok(figures)
}

/// Runs the operation in batches for a while, after a tenth of it to warm up.
async fn batches(duration: Duration, mut operation: impl AsyncFnMut() -> io::Result<()>) -> io::Result<Figures> {
    let warm = Instant::now();
    let mut last = warm;
    let mut fastest_ns = f64::INFINITY;
    while last - warm < duration / 10 || last == warm {
        operation().await?;
        let now = Instant::now();
        fastest_ns = fastest_ns.min((now - last).as_nanos() as f64);
        last = now;
    }
    let batch = (BATCH_NS / fastest_ns.max(1.0)).ceil() as usize;
    let mut times_ns = Vec::new();
    let start = Instant::now();
    last = start;
    while last - start < duration {
        for _ in 0..batch {
            operation().await?;
        }
        let now = Instant::now();
        times_ns.push((now - last).as_nanos() as f64 / batch as f64);
        last = now;
    }
    Ok(Figures {
        op_ns: median(&mut times_ns),
        percentiles: None,
        buckets: Vec::new(),
    })
}

/// Takes the time of every single operation for a while; the times are sorted.
async fn sample(duration: Duration, mut operation: impl AsyncFnMut() -> io::Result<()>) -> io::Result<Vec<f64>> {
    let mut samples_ns = Vec::with_capacity(SAMPLES_MAX);
    let start = Instant::now();
    let mut last = start;
    while last - start < duration && samples_ns.len() < SAMPLES_MAX {
        operation().await?;
        let now = Instant::now();
        samples_ns.push((now - last).as_nanos() as f64);
        last = now;
    }
    samples_ns.sort_unstable_by(f64::total_cmp);
    Ok(samples_ns)
}

/// The value below which that share of the sorted samples lies; 0 for none.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share) as usize;
    sorted
        .get(rank.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

/// One client's figures for those of several: of each figure the median, and all single round trips together.
pub(super) fn of_all(all: Vec<Figures>) -> Figures {
    let middle = |pick: &dyn Fn(&Figures) -> Option<f64>| {
        let mut values: Vec<f64> = all.iter().filter_map(pick).collect();
        (!values.is_empty()).then(|| median(&mut values))
    };
    let of_percentiles = |pick: fn(Percentiles) -> f64| middle(&|figures| figures.percentiles.map(pick));
    let percentiles = || {
        Some(Percentiles {
            p50_ns: of_percentiles(|percentiles| percentiles.p50_ns)?,
            p99_ns: of_percentiles(|percentiles| percentiles.p99_ns)?,
            p99_9_ns: of_percentiles(|percentiles| percentiles.p99_9_ns)?,
        })
    };
    Figures {
        op_ns: middle(&|figures| Some(figures.op_ns)).unwrap_or(0.0),
        percentiles: percentiles(),
        buckets: histogram::sum(all.iter().map(|figures| figures.buckets.as_slice())),
    }
}

/// The middle of the values, which are sorted on the way; 0 for none.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    percentile(values, 0.5)
}

/// A word in a pair of cache lines of its own: processors fetch lines in pairs.
#[repr(align(128))]
struct Line(AtomicU64);

/// What the hardware allows: the round trip of a number from one processor to
/// another and back, in nanoseconds, over two cache lines (one for each
/// direction, as a ring needs) or by handing a single one to and fro.
pub(super) fn cache_line_round_trip_ns(cpus: [usize; 2], lines: usize, duration: Duration) -> io::Result<f64> {
    let words = Arc::new([Line(AtomicU64::new(0)), Line(AtomicU64::new(0))]);
    let (there, back) = (0, lines - 1);
    let peer = thread::spawn({
        let words = Arc::clone(&words);
        move || -> io::Result<()> {
            // A failure is told at the end: the other side counts on our turns.
            let pinned = machine::stay_on(cpus[1]);
            // Odd numbers go there, even ones come back; u64::MAX is the end.
            for turn in (1..).step_by(2) {
                if wait_for(&words[there].0, turn) == u64::MAX {
                    break;
                }
                words[back].0.store(turn + 1, Ordering::Release);
            }
            pinned
        }
    });
    let driver = thread::spawn(move || -> io::Result<f64> {
        let pinned = machine::stay_on(cpus[0]);
        let mut turn = 1;
        let figures = at_once(batches(duration, async || {
            words[there].0.store(turn, Ordering::Release);
            wait_for(&words[back].0, turn + 1);
            turn += 2;
            Ok(())
        }));
        words[there].0.store(u64::MAX, Ordering::Release);
        pinned.and(Ok(figures?.op_ns))
    });
    let gone = |_| io::Error::other("a thread of the cache line measurement panicked");
    let round_trip_ns = driver.join().map_err(gone)??;
    peer.join().map_err(gone)??;
    Ok(round_trip_ns)
}

/// Spins until the word has reached the number; returns what it holds then.
fn wait_for(word: &AtomicU64, number: u64) -> u64 {
    loop {
        let value = word.load(Ordering::Acquire);
        if value >= number {
            return value;
        }
        hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The upper of the two in the middle; nothing of nothing.
    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
        let sorted: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 0.99), 990.0);
        assert_eq!(percentile(&sorted, 1.0), 999.0);
    }
}
