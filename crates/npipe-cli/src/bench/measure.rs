//! One measurement: what each of its two processes does, and the figures.
//!
//! Time is taken over batches, so that reading the clock does not show; only the
//! percentiles of round trips take it for every single one, in a pass of their
//! own. Times are in nanoseconds, rates per second.

use std::hint;
use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::histogram;
use super::load::Load;
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
    pub(super) load: Load,
    pub(super) size_bytes: usize,
    pub(super) slice_ms: u64,
    /// How many client processes one server has at a time.
    pub(super) clients: u32,
    /// The processors to stay on; none: wherever the system likes.
    pub(super) cpus: Vec<usize>,
    pub(super) directory: PathBuf,
    /// Where programs of their own say what is for people.
    pub(super) said: PathBuf,
}

impl Job {
    fn one_way_batch(&self) -> usize {
        (ONE_WAY_BATCH_BYTES / self.size_bytes).clamp(16, ONE_WAY_BATCH_MAX)
    }

    fn slice(&self) -> Duration {
        Duration::from_millis(self.slice_ms)
    }

    /// How long the server works before it replies.
    fn think(&self) -> Duration {
        Duration::from_micros(self.load.think_us().into())
    }
}

/// What a measurement yields.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// One operation, in nanoseconds: median of the batches; without the time that the server works by itself.
    pub(super) op_ns: f64,
    /// Single round trips, in nanoseconds; none for the other workloads.
    pub(super) percentiles: Option<Percentiles>,
    /// How many single round trips took how long, see [`histogram`](super::histogram); none of programs of their own.
    #[serde(default)]
    pub(super) buckets: Vec<u64>,
    /// Which share of a processor each process used, in percent; of a load that leaves the processors idle.
    #[serde(default)]
    pub(super) server_percent: Option<f64>,
    #[serde(default)]
    pub(super) client_percent: Option<f64>,
}

impl Figures {
    pub(super) fn of_time(op_ns: f64) -> Figures {
        Figures {
            op_ns,
            percentiles: None,
            buckets: Vec::new(),
            server_percent: None,
            client_percent: None,
        }
    }

    /// With single times, which are sorted.
    fn with_samples(self, samples_ns: &[f64]) -> Figures {
        Figures {
            percentiles: Some(Percentiles {
                p50_ns: percentile(samples_ns, 0.5),
                p99_ns: percentile(samples_ns, 0.99),
                p99_9_ns: percentile(samples_ns, 0.999),
            }),
            buckets: histogram::count(samples_ns),
            ..self
        }
    }
}

/// Which share of a processor this process uses from now on.
struct ProcessorShare {
    since: Instant,
    used_before: Duration,
}

impl ProcessorShare {
    fn from_now() -> ProcessorShare {
        ProcessorShare {
            since: Instant::now(),
            used_before: ProcessorShare::used(),
        }
    }

    /// By all threads, in the program and in the system for it: what getrusage tells, more finely.
    fn used() -> Duration {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(time).unwrap_or_default()
    }

    fn percent(&self) -> f64 {
        let used = ProcessorShare::used().saturating_sub(self.used_before);
        100.0 * used.as_secs_f64() / self.since.elapsed().as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    pub(super) p99_9_ns: f64,
}

/// The server's part: until the client closes, or for connecting until it is ended. Yields which share of a processor that
/// took, in percent.
pub(super) async fn serve<T: Transport>(job: &Job, ready: impl FnOnce()) -> io::Result<f64> {
    let mut listener = T::listen(&Place::of(job)).await?;
    ready();
    let mut link = match (job.workload, job.clients) {
        (Workload::Connect, _) => loop {
            let mut link = listener.accept().await?;
            // The client closes first; waiting for that is part of the work.
            until_end(echo(&mut link, ANSWER_BYTES, Duration::ZERO).await)?;
        },
        (_, 1) => listener.accept().await?,
        _ => return serve_many(&mut listener, job).await,
    };
    let share = ProcessorShare::from_now();
    until_end(match job.workload {
        Workload::OneWay => swallow(&mut link, job).await,
        Workload::RoundTrip | Workload::Connect => echo(&mut link, job.size_bytes, job.think()).await,
    })?;
    Ok(share.percent())
}

/// A thread for each client, which makes round trips. Of transports that block.
async fn serve_many<T: Transport>(listener: &mut T, job: &Job) -> io::Result<f64> {
    let share = ProcessorShare::from_now();
    let mut threads = Vec::new();
    for _ in 0..job.clients {
        let mut link = listener.accept().await?;
        let (size_bytes, think) = (job.size_bytes, job.think());
        threads.push(thread::spawn(move || {
            at_once(async { until_end(echo(&mut link, size_bytes, think).await) })
        }));
    }
    let gone = |_| io::Error::other("a thread of the server panicked");
    threads
        .into_iter()
        .try_for_each(|thread| thread.join().map_err(gone)?)?;
    Ok(share.percent())
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

async fn echo(link: &mut impl Link, size_bytes: usize, think: Duration) -> io::Result<()> {
    let mut block = vec![0; size_bytes];
    loop {
        link.receive(&mut block).await?;
        work(think);
        link.send(&block).await?;
    }
}

/// Keeps the processor for so long.
fn work(duration: Duration) {
    if !duration.is_zero() {
        let start = Instant::now();
        while start.elapsed() < duration {
            hint::spin_loop();
        }
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

/// The client's part, which takes the time. One of several pairs waits in `connected` for the others.
pub(super) async fn drive<T: Transport>(job: &Job, connected: impl FnOnce() -> io::Result<()>) -> io::Result<Figures> {
    let place = Place::of(job);
    match (job.workload, job.load) {
        (Workload::Connect, _) => {
            let mut block = [0; ANSWER_BYTES];
            let connect = async || exchange(&mut T::connect(&place).await?, &[7; ANSWER_BYTES], &mut block).await;
            Ok(Figures::of_time(median(&mut batches(job.slice(), connect).await?)))
        }
        (Workload::OneWay, _) => one_way(&mut T::connect(&place).await?, job).await,
        (Workload::RoundTrip, load) => {
            let mut link = T::connect(&place).await?;
            let request: Vec<u8> = (0..job.size_bytes).map(|at| (at % 251) as u8).collect();
            let mut reply = vec![0; job.size_bytes];
            exchange(&mut link, &request, &mut reply).await?;
            if reply != request {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the block came back changed",
                ));
            }
            let round_trip = async || exchange(&mut link, &request, &mut reply).await;
            match load {
                Load::Alone | Load::Think { .. } => round_trips(job, round_trip).await,
                Load::Interval { us } => spaced(job, Duration::from_micros(us.into()), round_trip).await,
                Load::Pairs(_) => {
                    connected()?;
                    Ok(Figures::of_time(mean(&batches(job.slice(), round_trip).await?)))
                }
            }
        }
    }
}

async fn exchange(link: &mut impl Link, request: &[u8], reply: &mut [u8]) -> io::Result<()> {
    link.send(request).await?;
    link.receive(reply).await
}

async fn round_trips(job: &Job, mut round_trip: impl AsyncFnMut() -> io::Result<()>) -> io::Result<Figures> {
    let half = job.slice() / 2;
    let without_work = |time_ns: f64| time_ns - job.think().as_nanos() as f64;
    let op_ns = without_work(median(&mut batches(half, &mut round_trip).await?));
    let samples_ns = sample(half, round_trip).await?;
    let samples_ns: Vec<f64> = samples_ns.into_iter().map(without_work).collect();
    Ok(Figures::of_time(op_ns).with_samples(&samples_ns))
}

/// A round trip each interval, and sleep between them. What has come too late is not made up for.
async fn spaced(
    job: &Job,
    interval: Duration,
    mut round_trip: impl AsyncFnMut() -> io::Result<()>,
) -> io::Result<Figures> {
    // Otherwise the system may let it sleep longer, by a quarter of the usual interval.
    set_current_timer_slack(Some(NonZeroU64::MIN))?;
    let share = ProcessorShare::from_now();
    let mut due = share.since;
    let mut samples_ns = Vec::new();
    while samples_ns.is_empty() || share.since.elapsed() < job.slice() {
        due = (due + interval).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        round_trip().await?;
        samples_ns.push(start.elapsed().as_nanos() as f64);
    }
    let client_percent = share.percent();
    let op_ns = median(&mut samples_ns);
    Ok(Figures {
        client_percent: Some(client_percent),
        ..Figures::of_time(op_ns).with_samples(&samples_ns)
    })
}

async fn one_way(link: &mut impl Link, job: &Job) -> io::Result<Figures> {
    let block = vec![7; job.size_bytes];
    let mut answer = [0; ANSWER_BYTES];
    let count = job.one_way_batch();
    let mut times_ns = batches(job.slice(), async || {
        for _ in 0..count {
            link.send(&block).await?;
        }
        link.receive(&mut answer).await
    })
    .await?;
    Ok(Figures::of_time(median(&mut times_ns) / count as f64))
}

/// Runs the operation in batches of one size for a while, after a tenth of it to warm up. Yields the time of one operation
/// in each batch; the batches follow each other at once.
pub(super) async fn batches(
    duration: Duration,
    mut operation: impl AsyncFnMut() -> io::Result<()>,
) -> io::Result<Vec<f64>> {
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
    Ok(times_ns)
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
        server_percent: None,
        client_percent: middle(&|figures| figures.client_percent),
    }
}

/// Figures for pairs that ran at once: the time in which each of them, on an average, makes a round trip.
pub(super) fn together(all: &[Figures]) -> Figures {
    let per_ns: f64 = all.iter().map(|figures| 1.0 / figures.op_ns).sum();
    Figures::of_time(all.len() as f64 / per_ns)
}

/// The middle of the values, which are sorted on the way; 0 for none.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    percentile(values, 0.5)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
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

    /// Two pairs, one with a round trip each 10 ns and one each 30, make one each 7.5 together.
    #[test]
    fn rates_add_up() {
        let together = together(&[Figures::of_time(10.0), Figures::of_time(30.0)]);
        assert_eq!(together.op_ns, 15.0);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    }
}
