//! One server process with many connections, of npipe's and of tokio's Unix sockets: `cargo bench -p npipe-tokio`.
//!
//! Tables on stdout: what a message costs from 1 to 10,000 connections, all but a few of them idle; 10,000 idle and 1,000 busy
//! ones with memory, rate and fairness; one process with 1,000 connections that are all busy; connections that come and go.
//! Clients are other processes, this program again. Only ratios within one run mean anything.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use npipe_tokio::named_pipe::{ClientOptions, NamedPipeListener, ServerOptions, wait_in};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const NAME: &str = r"\\.\pipe\scale";
const ERROR_PIPE_BUSY: i32 = 231;
const BLOCK_BYTES: usize = 32;

/// Tells this program that it is a client, and of what.
const ROLE: &str = "NPIPE_SCALE_ROLE";

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Npipe,
    Unix,
}

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Kind::Npipe => "npipe-tokio",
            Kind::Unix => "tokio Unix stream",
        }
    }
}

/// A connection, of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A client process: so many idle connections, so many busy ones, for so long.
struct Load {
    kind: Kind,
    idle: usize,
    busy: usize,
    slice: Duration,
    churns: bool,
    directory: PathBuf,
}

impl Load {
    fn to_text(&self) -> String {
        let unix = u8::from(self.kind == Kind::Unix);
        let (slice_ms, churns) = (self.slice.as_millis(), u8::from(self.churns));
        let directory = self.directory.display();
        format!("{unix} {} {} {slice_ms} {churns} {directory}", self.idle, self.busy)
    }

    fn from_text(text: &str) -> Option<Load> {
        let mut words = text.splitn(6, ' ');
        let mut number = || words.next()?.parse::<usize>().ok();
        let (unix, idle, busy, slice_ms, churns) = (number()?, number()?, number()?, number()?, number()?);
        Some(Load {
            kind: if unix == 1 { Kind::Unix } else { Kind::Npipe },
            idle,
            busy,
            slice: Duration::from_millis(slice_ms as u64),
            churns: churns == 1,
            directory: words.next()?.into(),
        })
    }

    async fn connect(&self) -> Outcome<Box<dyn Stream>> {
        connect(self.kind, &self.directory).await
    }
}

async fn connect(kind: Kind, directory: &Path) -> Outcome<Box<dyn Stream>> {
    if kind == Kind::Unix {
        return Ok(Box::new(UnixStream::connect(directory.join("socket")).await?));
    }
    loop {
        match ClientOptions::new().root(directory).open(NAME) {
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                wait_in(&npipe::Namespace::at(directory)?, NAME, None).await?;
            }
            other => return Ok(Box::new(other?)),
        }
    }
}

async fn echo(mut stream: impl Stream) {
    let mut block = [0; BLOCK_BYTES];
    while stream.read_exact(&mut block).await.is_ok() && stream.write_all(&block).await.is_ok() {}
}

/// Serves either kind for ever.
async fn serve(kind: Kind, directory: &Path) -> Outcome<()> {
    if kind == Kind::Unix {
        let listener = UnixListener::bind(directory.join("socket"))?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        return Ok(());
    }
    let mut listener = NamedPipeListener::bind_with(ServerOptions::new().root(directory), NAME)?;
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    Ok(())
}

/// What a client process has measured: round trips in all, and for each busy connection the median and the 99th percentile.
struct Measured {
    round_trips: u64,
    medians_us: Vec<f64>,
    p99s_us: Vec<f64>,
}

fn main() -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: limit,
        maximum: limit,
    };
    setrlimit(Resource::Nofile, raised)?;
    match std::env::var(ROLE) {
        Ok(role) => load(&Load::from_text(&role).ok_or("not a load")?),
        Err(_) => report(),
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The client process.
fn load(load: &Load) -> Outcome<()> {
    runtime()?.block_on(async {
        let mut idle = Vec::new();
        for _ in 0..load.idle {
            idle.push(load.connect().await?);
        }
        let mut busy = Vec::new();
        for _ in 0..load.busy {
            busy.push(load.connect().await?);
        }
        println!("ready");
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        let until = Instant::now() + load.slice;
        let mut clients = JoinSet::new();
        for stream in busy {
            let again = load.churns.then(|| (load.kind, load.directory.clone()));
            clients.spawn(chat(stream, again, until));
        }
        while let Some(samples_ns) = clients.join_next().await {
            let mut samples_ns = samples_ns??;
            samples_ns.sort_unstable();
            let at = |share: f64| samples_ns[((samples_ns.len() - 1) as f64 * share) as usize];
            println!("{} {} {}", samples_ns.len(), at(0.5), at(0.99));
        }
        println!("done");
        // Idle connections stay until the server has looked at itself.
        io::stdin().read_line(&mut line)?;
        Ok(())
    })
}

/// Round trips one after another, each on a connection of its own if there is something to connect to.
async fn chat(mut stream: Box<dyn Stream>, again: Option<(Kind, PathBuf)>, until: Instant) -> Outcome<Vec<u64>> {
    let mut samples_ns = Vec::new();
    let mut block = [7; BLOCK_BYTES];
    while samples_ns.is_empty() || Instant::now() < until {
        let begun = Instant::now();
        if let Some((kind, directory)) = &again {
            stream = connect(*kind, directory).await?;
        }
        stream.write_all(&block).await?;
        stream.read_exact(&mut block).await?;
        samples_ns.push(begun.elapsed().as_nanos() as u64);
    }
    Ok(samples_ns)
}

/// A client process, ended with its measurement.
struct Client {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    fn start(load: &Load) -> Outcome<Client> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(ROLE, load.to_text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("it is piped")?).lines();
        let mut client = Client { child, lines };
        match client.line()?.as_str() {
            "ready" => Ok(client),
            other => Err(other.into()),
        }
    }

    fn line(&mut self) -> Outcome<String> {
        Ok(self.lines.next().ok_or("a client process has failed")??)
    }

    fn go(&mut self) -> Outcome<()> {
        let stdin = self.child.stdin.as_mut().ok_or("it is piped")?;
        Ok(stdin.write_all(b"go\n")?)
    }

    fn measured(&mut self, into: &mut Measured) -> Outcome<()> {
        loop {
            let line = self.line()?;
            if line == "done" {
                return Ok(());
            }
            let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
            let [count, median_ns, p99_ns] = numbers[..] else {
                return Err(line.into());
            };
            into.round_trips += count;
            into.medians_us.push(median_ns as f64 / 1e3);
            into.p99s_us.push(p99_ns as f64 / 1e3);
        }
    }
}

/// What the server process has, by the kernel's account.
struct Account {
    pss_kib: u64,
    descriptors: usize,
    threads: usize,
}

impl Account {
    fn now() -> Outcome<Account> {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.split_whitespace().next());
        Ok(Account {
            pss_kib: pss.ok_or("no Pss")?.parse()?,
            descriptors: std::fs::read_dir("/proc/self/fd")?.count(),
            threads: std::fs::read_dir("/proc/self/task")?.count(),
        })
    }
}

struct Run {
    measured: Measured,
    rate: f64,
    /// Before the first client, and with all of them.
    accounts: [Account; 2],
}

/// Serves client processes that share the idle and busy connections.
fn run(kind: Kind, processes: usize, idle: usize, busy: usize, churns: bool) -> Outcome<Run> {
    let slice = Duration::from_millis(std::env::var("NPIPE_SCALE_SLICE_MS").map_or(Ok(1000), |text| text.parse())?);
    let directory = tempfile::tempdir()?;
    let runtime = runtime()?;
    runtime.block_on(serve(kind, directory.path()))?;
    let before = Account::now()?;
    // The clients are driven by a thread of their own; this one serves.
    let driving = std::thread::spawn({
        let directory = directory.path().to_owned();
        move || -> Outcome<(Measured, Account)> {
            let share = |all: usize, at: usize| all / processes + usize::from(at < all % processes);
            let mut clients = Vec::new();
            for at in 0..processes {
                let (idle, busy, directory) = (share(idle, at), share(busy, at), directory.clone());
                clients.push(Client::start(&Load {
                    kind,
                    idle,
                    busy,
                    slice,
                    churns,
                    directory,
                })?);
            }
            for client in &mut clients {
                client.go()?;
            }
            let mut measured = Measured {
                round_trips: 0,
                medians_us: Vec::new(),
                p99s_us: Vec::new(),
            };
            for client in &mut clients {
                client.measured(&mut measured)?;
            }
            Ok((measured, Account::now()?))
        }
    });
    let serving = async {
        while !driving.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    runtime.block_on(serving);
    let (measured, with_all) = driving.join().map_err(|_| "the measurement panicked")??;
    let rate = measured.round_trips as f64 / slice.as_secs_f64();
    Ok(Run {
        measured,
        rate,
        accounts: [before, with_all],
    })
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report() -> Outcome<()> {
    let kinds = [Kind::Npipe, Kind::Unix];
    println!("round trips of {BLOCK_BYTES} bytes, one server thread\n");
    println!("8 busy connections of 1 process, and idle ones: µs for each round trip");
    for kind in kinds {
        for idle in [0, 2, 92, 992, 9_992] {
            let cost_us = 1e6 / run(kind, 1, idle, 8, false)?.rate;
            println!("  {:<18} {:>6} connections {cost_us:>8.2}", kind.title(), idle + 8);
        }
    }
    println!("\n10,000 idle and 1,000 busy connections of 4 processes");
    for kind in kinds {
        let Run {
            measured,
            rate,
            accounts: [before, after],
        } = run(kind, 4, 10_000, 1_000, false)?;
        let (typical_us, slowest_us) = (
            median(&measured.medians_us),
            measured.p99s_us.iter().copied().fold(0.0, f64::max),
        );
        println!(
            "  {:<18} {rate:>9.0} round trips/s, median {typical_us:.0} µs, p99 of the slowest client {slowest_us:.0} µs \
             ({:.1} times), {:.2} KiB, {:.3} descriptors and {} threads for each connection",
            kind.title(),
            slowest_us / typical_us,
            (after.pss_kib as f64 - before.pss_kib as f64) / 11_000.0,
            (after.descriptors - before.descriptors) as f64 / 11_000.0,
            after.threads as i64 - before.threads as i64 - 1,
        );
    }
    println!(
        "\n1 process with 1,000 busy connections; 100 processes with 10; connections that come and go, 8 at a time"
    );
    for kind in kinds {
        println!(
            "  {:<18} {:>9.0} {:>9.0} round trips/s, {:>7.0} connections/s",
            kind.title(),
            run(kind, 1, 0, 1_000, false)?.rate,
            run(kind, 100, 0, 1_000, false)?.rate,
            run(kind, 1, 0, 8, true)?.rate
        );
    }
    Ok(())
}
