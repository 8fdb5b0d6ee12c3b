//! The clients, which are other processes: this program again.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use npipe_tokio::named_pipe::{ClientOptions, wait_in};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::{BLOCK_BYTES, Kind, NAME, Outcome, SOCKET, runtime};

const ERROR_PIPE_BUSY: i32 = 231;

/// How long a client waits that a Unix socket had no room for.
const CROWDED: Duration = Duration::from_millis(1);

/// Tells this program that it is a client, and of what.
const ROLE: &str = "NPIPE_SCALE_ROLE";

/// What a client process does with its busy connections.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Style {
    /// Round trips, by a task for each.
    Tasks,
    /// Round trips on a new connection each, by a task for each.
    Churn,
    /// Round trips on one connection, by calls that block.
    Blocking,
}

/// A client process: so many idle connections, so many busy ones, for so long.
pub(crate) struct Load {
    pub(crate) kind: Kind,
    pub(crate) idle: usize,
    pub(crate) busy: usize,
    pub(crate) slice: Duration,
    pub(crate) style: Style,
    pub(crate) directory: PathBuf,
}

impl Load {
    /// What this process is to be, if it is a client.
    pub(crate) fn of_environment() -> Outcome<Option<Load>> {
        match std::env::var(ROLE) {
            Ok(role) => Ok(Some(Load::from_text(&role).ok_or("not a load")?)),
            Err(_) => Ok(None),
        }
    }

    fn to_text(&self) -> String {
        let unix = u8::from(self.kind != Kind::Npipe);
        let (slice_ms, style) = (self.slice.as_millis(), self.style as u8);
        let directory = self.directory.display();
        format!("{unix} {} {} {slice_ms} {style} {directory}", self.idle, self.busy)
    }

    fn from_text(text: &str) -> Option<Load> {
        let mut words = text.splitn(6, ' ');
        let mut number = || words.next()?.parse::<usize>().ok();
        let (unix, idle, busy, slice_ms, style) = (number()?, number()?, number()?, number()?, number()?);
        Some(Load {
            kind: if unix == 1 { Kind::Unix } else { Kind::Npipe },
            idle,
            busy,
            slice: Duration::from_millis(slice_ms as u64),
            style: [Style::Tasks, Style::Churn, Style::Blocking][style],
            directory: words.next()?.into(),
        })
    }

    /// The client process.
    pub(crate) fn carry(&self) -> Outcome<()> {
        match self.style {
            Style::Blocking if self.kind == Kind::Npipe => {
                let mut options = npipe::ClientOptions::new();
                let stream = options
                    .root(&self.directory)
                    .connect_timeout(Duration::from_secs(60))
                    .open(NAME)?;
                self.block_on_one(&stream, &stream)
            }
            Style::Blocking => {
                let stream = BlockingStream::connect(self.directory.join(SOCKET))?;
                self.block_on_one(&stream, &stream)
            }
            _ => runtime()?.block_on(self.run_tasks()),
        }
    }

    fn block_on_one(&self, mut input: impl Read, mut output: impl Write) -> Outcome<()> {
        let mut samples = Samples::until(ready_and_begun()? + self.slice);
        let mut block = [7; BLOCK_BYTES];
        while samples.wants_more() {
            let begun = Instant::now();
            output.write_all(&block)?;
            input.read_exact(&mut block)?;
            samples.take(begun);
        }
        samples.tell();
        done_and_told()
    }

    async fn run_tasks(&self) -> Outcome<()> {
        let mut idle = Vec::new();
        for _ in 0..self.idle {
            idle.push(connect(self.kind, &self.directory).await?);
        }
        let mut busy = Vec::new();
        for _ in 0..self.busy {
            busy.push(connect(self.kind, &self.directory).await?);
        }
        let until = ready_and_begun()? + self.slice;
        let mut clients = JoinSet::new();
        for stream in busy {
            let again = (self.style == Style::Churn).then(|| (self.kind, self.directory.clone()));
            clients.spawn(chat(stream, again, until));
        }
        while let Some(samples) = clients.join_next().await {
            samples??.tell();
        }
        // Idle connections stay until the server has looked at itself.
        done_and_told()
    }
}

/// Tells that all is connected, and waits for the moment at which all clients begin.
fn ready_and_begun() -> Outcome<Instant> {
    println!("ready");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let begin = SystemTime::UNIX_EPOCH + Duration::from_nanos(line.trim().parse()?);
    std::thread::sleep(begin.duration_since(SystemTime::now())?);
    Ok(Instant::now())
}

fn done_and_told() -> Outcome<()> {
    println!("done");
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// What the round trips of one connection take, one of them at least.
struct Samples {
    until: Instant,
    all_ns: Vec<u64>,
    /// Of those, how many were over in time.
    in_time: usize,
}

impl Samples {
    fn until(until: Instant) -> Samples {
        Samples {
            until,
            all_ns: Vec::new(),
            in_time: 0,
        }
    }

    fn wants_more(&self) -> bool {
        self.all_ns.len() == self.in_time
    }

    fn take(&mut self, begun: Instant) {
        let now = Instant::now();
        self.all_ns.push((now - begun).as_nanos() as u64);
        self.in_time += usize::from(now < self.until);
    }

    /// How many there were in time, their median and their 99th percentile.
    fn tell(mut self) {
        self.all_ns.sort_unstable();
        let at = |share: f64| self.all_ns[((self.all_ns.len() - 1) as f64 * share) as usize];
        println!("{} {} {}", self.in_time, at(0.5), at(0.99));
    }
}

/// A connection, of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn connect(kind: Kind, directory: &Path) -> Outcome<Box<dyn Stream>> {
    if kind != Kind::Npipe {
        return connect_socket(&directory.join(SOCKET)).await;
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

async fn connect_socket(path: &Path) -> Outcome<Box<dyn Stream>> {
    loop {
        match UnixStream::connect(path).await {
            // Too many knock at once.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(CROWDED).await,
            other => return Ok(Box::new(other?)),
        }
    }
}

/// Round trips one after another, each on a connection of its own if there is something to connect to.
async fn chat(mut stream: Box<dyn Stream>, again: Option<(Kind, PathBuf)>, until: Instant) -> Outcome<Samples> {
    let mut samples = Samples::until(until);
    let mut block = [7; BLOCK_BYTES];
    while samples.wants_more() {
        let begun = Instant::now();
        if let Some((kind, directory)) = &again {
            stream = connect(*kind, directory).await?;
        }
        stream.write_all(&block).await?;
        stream.read_exact(&mut block).await?;
        samples.take(begun);
    }
    Ok(samples)
}

/// What clients have measured: round trips in all, and for each busy connection the median and the 99th percentile.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) round_trips: u64,
    pub(crate) medians_us: Vec<f64>,
    pub(crate) p99s_us: Vec<f64>,
}

/// A client process, ended with its measurement.
pub(crate) struct Client {
    child: Child,
    lines: io::Lines<BufReader<ChildStdout>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    pub(crate) fn start(load: &Load) -> Outcome<Client> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(ROLE, load.to_text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("it is piped")?).lines();
        Ok(Client { child, lines })
    }

    pub(crate) fn await_ready(&mut self) -> Outcome<()> {
        match self.line()?.as_str() {
            "ready" => Ok(()),
            other => Err(other.into()),
        }
    }

    fn line(&mut self) -> Outcome<String> {
        Ok(self.lines.next().ok_or("a client process has failed")??)
    }

    /// Tells it when to begin.
    pub(crate) fn begin_at(&mut self, begin: SystemTime) -> Outcome<()> {
        let stdin = self.child.stdin.as_mut().ok_or("it is piped")?;
        let begin_ns = begin.duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
        Ok(writeln!(stdin, "{begin_ns}")?)
    }

    pub(crate) fn measured(&mut self, into: &mut Measured) -> Outcome<()> {
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
