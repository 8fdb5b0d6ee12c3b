//! The processes of a measurement: this program again, with a hidden subcommand.
//!
//! A server prints `ready` once a client may connect, a client its figures as a line of JSON. Where several pairs run at
//! once, each client says first that it is connected, and begins when its standard input closes, so that all begin together.
//! Of a load that leaves the processors idle a server says at its end which share of one it has used.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::load::Load;
use super::measure::{self, Figures, Job};
use super::plan::{Cell, Plan};
use super::transport::{Kind, Transport};
use super::{interprocess, machine, npipe, npipe_tokio, pipe, tcp, tokio_unix, unix};
use crate::args::Role;
use crate::output;
use crate::report::Failure;
use crate::target::printable;

/// What a measurement may take beyond its slice before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(20);

/// So much of what a program said is told when it has failed.
const LAST_WORDS_BYTES: usize = 500;

const READY: &str = "ready";
const CONNECTED: &str = "connected";

/// A process that does not outlive its measurement.
struct Peer {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn spawn(role: &str, job: &Job) -> Result<Peer, Failure> {
        let program = std::env::current_exe().map_err(Failure::system("find this program"))?;
        let job = serde_json::to_string(job).map_err(|error| Failure::Child(error.to_string()))?;
        let mut child = Command::new(program)
            .args(["bench-end", role, &job])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::system("start a process"))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(Failure::Child("a process has no standard output".to_owned()));
        };
        Ok(Peer {
            child,
            stdout: BufReader::new(stdout),
        })
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .map_err(Failure::system("hear from a process"))?;
        Ok(line.trim_end().to_owned())
    }

    fn expect(&mut self, word: &str, otherwise: &str) -> Result<(), Failure> {
        match self.line()? == word {
            true => Ok(()),
            false => Err(Failure::Child(otherwise.to_owned())),
        }
    }

    /// Closes its standard input.
    fn begin(&mut self) {
        self.child.stdin = None;
    }

    fn figures(&mut self) -> Result<Figures, Failure> {
        let answer = self.line()?;
        serde_json::from_str(&answer).map_err(|_| Failure::Child("the client process failed".to_owned()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended in the meantime, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures a cell once. The place is a directory of its own, made here and removed.
pub(super) fn measure(cell: Cell, plan: &Plan, place: &Path) -> Result<Figures, Failure> {
    make_directory(place)?;
    let [server_cpus, client_cpus] = cell.placement.cpus().unwrap_or_default();
    let said = place.join("said");
    let job = |cpus: &[usize], directory: PathBuf| Job {
        transport: cell.kind,
        program: plan.programs.of(cell.kind),
        workload: cell.task.workload,
        load: cell.task.load,
        size_bytes: cell.task.size_bytes,
        slice_ms: plan.slice_ms,
        clients: plan.clients,
        cpus: cpus.to_vec(),
        directory,
        said: said.clone(),
    };
    // Pairs meet in places of their own.
    let places: Vec<PathBuf> = (0..cell.task.load.pairs())
        .map(|pair| place.join(pair.to_string()))
        .collect();
    let pairs: Vec<[Job; 2]> = places
        .into_iter()
        .map(|place| [job(&server_cpus, place.clone()), job(&client_cpus, place)])
        .collect();
    let figures = measure_pairs(&pairs).map_err(|failure| with_words(failure, &said));
    // What it leaves behind goes with the scratch directory at the latest.
    let _ = fs::remove_dir_all(place);
    figures
}

/// Measures pairs of a server and its clients, of which there are several only for a load of that kind.
fn measure_pairs(pairs: &[[Job; 2]]) -> Result<Figures, Failure> {
    let mut servers = Vec::new();
    for [server, _] in pairs {
        make_directory(&server.directory)?;
        let mut peer = Peer::spawn("server", server)?;
        peer.expect(READY, "the server process did not start")?;
        servers.push(peer);
    }
    let clients = pairs.iter().map(|[_, client]| client);
    match (pairs, &mut servers[..]) {
        ([[_, client]], [server]) => {
            let figures = match client.load {
                Load::Pairs(_) => pairs_figures(clients)?,
                Load::Alone | Load::Think { .. } | Load::Interval { .. } => client_figures(client)?,
            };
            match client.load {
                Load::Interval { .. } => server_share(server, figures),
                Load::Alone | Load::Think { .. } | Load::Pairs(_) => Ok(figures),
            }
        }
        _ => pairs_figures(clients),
    }
}

/// A failure, with the last words of a program of its own.
fn with_words(failure: Failure, said: &Path) -> Failure {
    let words = fs::read(said).unwrap_or_default();
    let words = String::from_utf8_lossy(&words[words.len().saturating_sub(LAST_WORDS_BYTES)..]).into_owned();
    match (failure, words.trim()) {
        (Failure::Child(what), words) if !words.is_empty() => Failure::Child(format!("{what}: {}", printable(words))),
        (failure, _) => failure,
    }
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(Failure::system("make a meeting place"))
}

/// What the clients have measured: of several the median of each figure.
fn client_figures(job: &Job) -> Result<Figures, Failure> {
    // All are started before the first is heard, so that they run together.
    let mut peers = (0..job.clients)
        .map(|_| Peer::spawn("client", job))
        .collect::<Result<Vec<_>, _>>()?;
    let figures = peers.iter_mut().map(Peer::figures);
    Ok(measure::of_all(figures.collect::<Result<Vec<_>, _>>()?))
}

/// What the clients of several pairs have measured together.
fn pairs_figures<'a>(clients: impl Iterator<Item = &'a Job>) -> Result<Figures, Failure> {
    let mut peers = clients
        .map(|job| Peer::spawn("client", job))
        .collect::<Result<Vec<_>, _>>()?;
    for peer in &mut peers {
        peer.expect(CONNECTED, "the client process did not connect")?;
    }
    peers.iter_mut().for_each(Peer::begin);
    let figures = peers.iter_mut().map(Peer::figures);
    Ok(measure::together(&figures.collect::<Result<Vec<_>, _>>()?))
}

/// Adds what the server says at its end.
fn server_share(server: &mut Peer, figures: Figures) -> Result<Figures, Failure> {
    let share: f64 = server
        .line()?
        .parse()
        .map_err(|_| Failure::Child("the server process failed".to_owned()))?;
    Ok(Figures {
        server_percent: Some(share),
        ..figures
    })
}

/// One of the two processes of a measurement.
pub(crate) fn end(role: Role, job: &str) -> Result<(), Failure> {
    let job: Job = serde_json::from_str(job).map_err(|error| Failure::Usage(format!("{error}\n")))?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(io::Error::from)
        .map_err(Failure::system("follow the parent"))?;
    if !job.cpus.is_empty() {
        machine::stay_on(&job.cpus).map_err(Failure::system("stay on a processor"))?;
    }
    if let Some(program) = &job.program {
        return Err(Failure::system("start the transport's program")(
            program.exec(role, &job),
        ));
    }
    end_by(Duration::from_millis(job.slice_ms) + PATIENCE);
    match job.transport {
        Kind::Npipe | Kind::NpipeSpinOff | Kind::NpipeByte => end_with::<npipe::Npipe>(role, &job),
        Kind::Seqpacket => end_with::<unix::Seqpacket>(role, &job),
        Kind::Stream => end_with::<unix::Stream>(role, &job),
        Kind::Pipe => end_with::<pipe::Pipe>(role, &job),
        Kind::Tcp => end_with::<tcp::Tcp>(role, &job),
        Kind::SeqpacketEpoll => end_with::<unix::SeqpacketEpoll>(role, &job),
        Kind::CBlocking | Kind::CRoutines | Kind::CPort | Kind::Wine | Kind::ZeroMq | Kind::Iceoryx2 => Err(
            Failure::Usage("the job names no program for its transport\n".to_owned()),
        ),
        Kind::NpipeTokio | Kind::NpipeTokioSpinOff => end_with::<npipe_tokio::NpipeTokio>(role, &job),
        Kind::TokioUnix => end_with::<tokio_unix::TokioUnix>(role, &job),
        Kind::Interprocess => end_with::<interprocess::Interprocess>(role, &job),
    }
}

fn end_with<T: Transport>(role: Role, job: &Job) -> Result<(), Failure> {
    match role {
        Role::Server => {
            // If the parent is gone, so are we in a moment.
            let ready = || drop(output::line(READY.as_bytes()));
            let served = T::run(measure::serve::<T>(job, ready)).map_err(Failure::system("serve the measurement"))?;
            match job.load {
                Load::Interval { .. } => output::line(format!("{served:.3}").as_bytes()),
                Load::Alone | Load::Pairs(_) | Load::Think { .. } => Ok(()),
            }
        }
        Role::Client => {
            let figures = T::run(measure::drive::<T>(job, connected)).map_err(Failure::system("measure"))?;
            output::line(serde_json::json!(figures).to_string().as_bytes())
        }
    }
}

/// Says so, and waits for the others.
fn connected() -> io::Result<()> {
    // If the parent is gone, so are we in a moment.
    drop(output::line(CONNECTED.as_bytes()));
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

/// Against a transport that hangs: this process ends by then, whatever it does.
fn end_by(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        output::note("npipe: the measurement hangs");
        process::exit(1);
    });
}
