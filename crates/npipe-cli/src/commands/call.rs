//! `npipe call`: one message there, one back, like CallNamedPipe (semantics
//! 160-162), except that the time-out covers the reply as well: a script wants
//! an end even if the server never answers. With `--expect` several replies are awaited.

use std::borrow::Cow;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::time::{Duration, Instant};

use npipe::{ClientOptions, PipeClient, PipeMode, ReadOutcome, Status};

use crate::args::Call;
use crate::output;
use crate::report::Failure;
use crate::sys;
use crate::target::{Target, printable};

pub(super) fn run(args: &Call) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    let request = request(args)?;
    let timeout = args.timeout.duration();

    let mut options = ClientOptions::new();
    options.pipe_mode(PipeMode::Message);
    options.connect_timeout(timeout.unwrap_or(Duration::MAX));
    let client = options.open(target.path())?;
    client.set_read_timeout(timeout);

    let last = match args.expect {
        None => one_reply(args, &client, &request)?,
        Some(count) => {
            let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            several_replies(args, &client, &request, count, deadline)?
        }
    };
    match &args.matches {
        Some(expected) if expected.as_bytes() != last => Err(Failure::Expectation(format!(
            "expected the reply '{}', got '{}'",
            printable(expected),
            printable(&String::from_utf8_lossy(&last)),
        ))),
        _ => Ok(()),
    }
}

fn one_reply(args: &Call, client: &PipeClient, request: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut reply = vec![0; args.max_reply as usize];
    let outcome = client.transact(request, &mut reply)?;
    reply.truncate(outcome.bytes);
    output::data(&reply)?;
    if io::stdout().is_terminal() {
        output::data(b"\n")?;
    }
    whole(args, outcome)?;
    Ok(reply)
}

/// Prints so many replies, and returns the last.
fn several_replies(
    args: &Call,
    client: &PipeClient,
    request: &[u8],
    count: u32,
    deadline: Option<Instant>,
) -> Result<Vec<u8>, Failure> {
    let mut reply = Vec::new();
    for number in 0..count {
        if let Some(deadline) = deadline {
            client.set_read_timeout(Some(deadline.saturating_duration_since(Instant::now())));
        }
        reply.resize(args.max_reply as usize, 0);
        let came = match number {
            0 => client.transact(request, &mut reply),
            _ => client.read_message(&mut reply),
        };
        let outcome = match came {
            Ok(outcome) => outcome,
            Err(error) if matches!(error.status(), Status::PipeBroken | Status::IoTimeout) => {
                return Err(Failure::Expectation(format!(
                    "expected {count} replies, got {number}: {}",
                    error.status().meaning().trim_end_matches('.')
                )));
            }
            Err(error) => return Err(error.into()),
        };
        reply.truncate(outcome.bytes);
        output::line(&reply)?;
        whole(args, outcome)?;
    }
    Ok(reply)
}

fn whole(args: &Call, outcome: ReadOutcome) -> Result<(), Failure> {
    match outcome.more {
        true => Err(Failure::Truncated {
            limit_bytes: args.max_reply,
        }),
        false => Ok(()),
    }
}

fn request(args: &Call) -> Result<Cow<'_, [u8]>, Failure> {
    let Some(typed) = args.data.as_deref() else {
        return stdin();
    };
    let data = sys::bytes_of(typed);
    match data {
        [b'@', b'@', ..] => Ok(Cow::Borrowed(&data[1..])),
        b"@-" => stdin(),
        [b'@', ..] => {
            let file = sys::behind(typed, 1);
            let doing = format!("read {}", printable(&file.to_string_lossy()));
            fs::read(file).map(Cow::Owned).map_err(Failure::system(doing))
        }
        text => Ok(Cow::Borrowed(text)),
    }
}

fn stdin() -> Result<Cow<'static, [u8]>, Failure> {
    let mut data = Vec::new();
    io::stdin()
        .read_to_end(&mut data)
        .map_err(Failure::system("read standard input"))?;
    Ok(Cow::Owned(data))
}
