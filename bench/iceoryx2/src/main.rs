//! iceoryx2 as a transport of `npipe bench`: a service for each direction, and ends that poll, which is its fastest way.
//! The arguments, what is printed and how times are taken are those of `measure.h`.

use std::error::Error;
use std::hint;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ANSWER_BYTES: usize = 32;
const SAMPLES_MAX: usize = 200_000;

struct Link {
    sender: Publisher<ipc::Service, [u8], ()>,
    receiver: Subscriber<ipc::Service, [u8], ()>,
    // Ports do not outlive it.
    _node: Node<ipc::Service>,
}

impl Link {
    fn new(is_server: bool, largest_bytes: usize) -> Outcome<Link> {
        // Services belong to the machine: the meeting place sets those of this measurement apart.
        let place = std::env::current_dir()?.display().to_string();
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let service = |direction: &str| {
            node.service_builder(&format!("{place}/{direction}").as_str().try_into()?)
                .publish_subscribe::<[u8]>()
                .enable_safe_overflow(false)
                .subscriber_max_buffer_size(64)
                .history_size(0)
                .open_or_create()
                .map_err(Box::<dyn Error>::from)
        };
        let [to_send, to_receive] = if is_server {
            ["back", "there"]
        } else {
            ["there", "back"]
        };
        let sender = service(to_send)?
            .publisher_builder()
            .initial_max_slice_len(largest_bytes)
            .unable_to_deliver_strategy(UnableToDeliverStrategy::Block)
            .create()?;
        let receiver = service(to_receive)?.subscriber_builder().create()?;
        Ok(Link {
            sender,
            receiver,
            _node: node,
        })
    }

    fn send(&self, block: &[u8]) -> Outcome<()> {
        let sample = self.sender.loan_slice_uninit(block.len())?;
        sample.write_from_slice(block).send()?;
        Ok(())
    }

    fn receive(&self, block: &mut [u8]) -> Outcome<()> {
        loop {
            if let Some(sample) = self.receiver.receive()? {
                block.copy_from_slice(sample.payload());
                return Ok(());
            }
            hint::spin_loop();
        }
    }
}

struct Job {
    is_server: bool,
    is_one_way: bool,
    size_bytes: usize,
    slice: Duration,
}

impl Job {
    fn parse() -> Outcome<Job> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [_, role, workload, size, slice_ms] = args.as_slice() else {
            return Err("usage: iceoryx2 STYLE server|client WORKLOAD SIZE_BYTES SLICE_MS".into());
        };
        Ok(Job {
            is_server: role == "server",
            is_one_way: workload == "one-way",
            size_bytes: size.parse()?,
            slice: Duration::from_millis(slice_ms.parse()?),
        })
    }

    fn one_way_batch(&self) -> usize {
        ((8 << 20) / self.size_bytes).clamp(16, 8192)
    }
}

fn serve(link: &Link, job: &Job) -> Outcome<()> {
    let mut block = vec![0; job.size_bytes];
    println!("ready");
    loop {
        if job.is_one_way {
            for _ in 0..job.one_way_batch() {
                link.receive(&mut block)?;
            }
            link.send(&[0; ANSWER_BYTES])?;
        } else {
            link.receive(&mut block)?;
            link.send(&block)?;
        }
    }
}

fn drive(link: &Link, job: &Job) -> Outcome<()> {
    let request: Vec<u8> = (0..job.size_bytes).map(|at| (at % 251) as u8).collect();
    let mut reply = vec![0; job.size_bytes];
    if job.is_one_way {
        let mut answer = [0; ANSWER_BYTES];
        let batch = job.one_way_batch();
        let op_ns = batches(job.slice, || {
            for _ in 0..batch {
                link.send(&request)?;
            }
            link.receive(&mut answer)
        })?;
        println!(r#"{{"op_ns":{:.3},"percentiles":null}}"#, op_ns / batch as f64);
        return Ok(());
    }
    let mut exchange = || {
        link.send(&request)?;
        link.receive(&mut reply)
    };
    let op_ns = batches(job.slice / 2, &mut exchange)?;
    let [p50, p99, p99_9] = sample(job.slice / 2, &mut exchange)?;
    println!(r#"{{"op_ns":{op_ns:.3},"percentiles":{{"p50_ns":{p50:.1},"p99_ns":{p99:.1},"p99_9_ns":{p99_9:.1}}}}}"#);
    Ok(())
}

/// The median of batches, for one operation.
fn batches(duration: Duration, mut operation: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let warm = Instant::now();
    let mut last = warm;
    let mut fastest_ns = f64::INFINITY;
    while last - warm < duration / 10 || last == warm {
        operation()?;
        let now = Instant::now();
        fastest_ns = fastest_ns.min((now - last).as_nanos() as f64);
        last = now;
    }
    let batch = (20_000.0 / fastest_ns.max(1.0)).ceil() as usize;
    let mut times_ns = Vec::new();
    let start = last;
    while last - start < duration {
        for _ in 0..batch {
            operation()?;
        }
        let now = Instant::now();
        times_ns.push((now - last).as_nanos() as f64 / batch as f64);
        last = now;
    }
    times_ns.sort_unstable_by(f64::total_cmp);
    Ok(percentile(&times_ns, 0.5))
}

/// The percentiles 50, 99 and 99.9 of single operations.
fn sample(duration: Duration, mut operation: impl FnMut() -> Outcome<()>) -> Outcome<[f64; 3]> {
    let mut samples_ns = Vec::with_capacity(SAMPLES_MAX);
    let start = Instant::now();
    let mut last = start;
    while last - start < duration && samples_ns.len() < SAMPLES_MAX {
        operation()?;
        let now = Instant::now();
        samples_ns.push((now - last).as_nanos() as f64);
        last = now;
    }
    samples_ns.sort_unstable_by(f64::total_cmp);
    Ok([0.5, 0.99, 0.999].map(|share| percentile(&samples_ns, share)))
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share) as usize;
    sorted
        .get(rank.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

fn main() -> Outcome<()> {
    let job = Job::parse()?;
    let limit = job.slice + Duration::from_secs(20);
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("the measurement hangs");
        process::exit(1);
    });
    let link = Link::new(job.is_server, job.size_bytes.max(ANSWER_BYTES))?;
    if job.is_server {
        serve(&link, &job)
    } else {
        drive(&link, &job)
    }
}
