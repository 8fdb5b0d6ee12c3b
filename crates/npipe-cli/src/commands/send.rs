//! `npipe send`: messages into a pipe, as fast as its server reads.
//!
//! What comes back is read and dropped by a thread, lest a server that answers waits for us while we wait for it. At the
//! end the client waits until the server has read everything: then exit code 0 says that it was delivered.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use npipe::{ClientOptions, PipeClient, PipeMode, Status};

use super::CHUNK_BYTES;
use super::pieces::{self, Cut};
use crate::args::Send;
use crate::progress::{self, Progress};
use crate::report::Failure;
use crate::sys;
use crate::target::{Target, printable};

pub(super) fn run(args: &Send) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    // Before the pipe is opened: a file that cannot be read is better known now.
    let mut source = Source::of(args)?;
    let client = Arc::new(open(args, &target)?);
    let is_message_pipe = matches!(client.info()?.mode, PipeMode::Message);
    let dropping = Arc::clone(&client);
    let reader = thread::Builder::new().name("answers".to_owned());
    reader
        .spawn(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            while dropping.read(&mut chunk).is_ok() {}
        })
        .map_err(Failure::system("start a thread"))?;

    let mut sender = Sender {
        client: &client,
        progress: Progress::new(),
        sent: Sent::default(),
        total_bytes: source.length_bytes().map(|bytes| bytes.saturating_mul(args.count)),
    };
    if args.count == 1 {
        source.each_piece(is_message_pipe, |piece| sender.send(piece))?;
    } else {
        let mut pieces = Vec::new();
        source.each_piece(is_message_pipe, |piece| {
            pieces.push(piece.to_vec());
            Ok(())
        })?;
        let bytes: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        sender.total_bytes = Some(bytes.saturating_mul(args.count));
        for _ in 0..args.count {
            pieces.iter().try_for_each(|piece| sender.send(piece))?;
        }
    }
    Ok(client.flush()?)
}

fn open(args: &Send, target: &Target) -> Result<PipeClient, Failure> {
    let mut options = ClientOptions::new();
    if let Some(wait) = args.wait {
        options.connect_timeout(wait.duration().unwrap_or(Duration::MAX));
    }
    match options.open(target.path()) {
        // The server only reads (semantics 52).
        Err(error) if error.status() == Status::AccessDenied => Ok(options.read(false).open(target.path())?),
        outcome => Ok(outcome?),
    }
}

/// Where the messages come from.
enum Source<'a> {
    /// One message.
    Data(&'a [u8]),
    File(File, u64),
    /// Stdin, cut or whole.
    Stdin(Option<Cut>),
}

impl Source<'_> {
    fn of(args: &Send) -> Result<Source<'_>, Failure> {
        if let Some(data) = &args.data {
            return Ok(Source::Data(sys::bytes_of(data)));
        }
        if let Some(path) = &args.file {
            let doing = || Failure::system(format!("read {}", printable(&path.to_string_lossy())));
            let file = File::open(path).map_err(doing())?;
            let length_bytes = file.metadata().map_err(doing())?.len();
            return Ok(Source::File(file, length_bytes));
        }
        Ok(Source::Stdin(match (args.lines, args.null) {
            (true, _) => Some(Cut::Lines),
            (_, true) => Some(Cut::Zeros),
            _ => None,
        }))
    }

    /// How much there is, where that is known before.
    fn length_bytes(&self) -> Option<u64> {
        match self {
            Source::Data(data) => Some(data.len() as u64),
            Source::File(_, bytes) => Some(*bytes),
            Source::Stdin(_) => None,
        }
    }

    /// What is written at once: a whole message on a message pipe, blocks on a byte pipe.
    fn each_piece(&mut self, whole: bool, mut each: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        match self {
            Source::Data(data) => each(data),
            Source::File(file, _) if whole => each(&read_all(file, "read the file")?),
            Source::File(file, _) => each_cut(&mut BufReader::new(file), Cut::Chunks, "read the file", each),
            Source::Stdin(None) if whole => each(&read_all(&mut io::stdin(), "read standard input")?),
            Source::Stdin(cut) => each_cut(
                &mut io::stdin().lock(),
                cut.unwrap_or(Cut::Chunks),
                "read standard input",
                each,
            ),
        }
    }
}

fn read_all(stream: &mut impl Read, doing: &str) -> Result<Vec<u8>, Failure> {
    let mut data = Vec::new();
    stream.read_to_end(&mut data).map_err(Failure::system(doing))?;
    Ok(data)
}

fn each_cut(
    stream: &mut impl BufRead,
    cut: Cut,
    doing: &str,
    mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut piece = Vec::new();
    while pieces::read(stream, cut, &mut piece).map_err(Failure::system(doing))? {
        each(&piece)?;
    }
    Ok(())
}

#[derive(Default)]
struct Sent {
    messages: u64,
    bytes: u64,
}

struct Sender<'a> {
    client: &'a PipeClient,
    progress: Progress,
    sent: Sent,
    total_bytes: Option<u64>,
}

impl Sender<'_> {
    /// Writes one piece. A long one goes in one call, for that is what makes it one message.
    fn send(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.client.write(piece)?;
        self.sent.messages += 1;
        self.sent.bytes += piece.len() as u64;
        let Sent { messages, bytes } = self.sent;
        let total = self.total_bytes.filter(|total| *total > 0);
        let share = total.map(|total| bytes as f64 / total as f64);
        self.progress.show(share, |elapsed| {
            let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
            let (sent, rate) = (progress::bytes(bytes as f64), progress::bytes(rate));
            format!("{messages} messages, {sent}, {rate}/s")
        });
        Ok(())
    }
}
