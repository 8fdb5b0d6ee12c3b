//! `npipe call`: one message there, one back, like CallNamedPipe (semantics
//! 160-162), except that the time-out covers the reply as well: a script wants
//! an end even if the server never answers.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;

use npipe::{ClientOptions, PipeMode};

use crate::args::Call;
use crate::output;
use crate::report::Failure;
use crate::target::{Target, printable};

pub(super) fn run(args: &Call) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    let request = request(args)?;
    let timeout = args.timeout.duration();

    let mut options = ClientOptions::new();
    options.pipe_mode(PipeMode::Message);
    options.connect_timeout(timeout.unwrap_or(std::time::Duration::MAX));
    let client = options.open(target.path())?;
    client.set_read_timeout(timeout);

    let mut reply = vec![0; args.max_reply as usize];
    let outcome = client.transact(&request, &mut reply)?;
    reply.truncate(outcome.bytes);
    output::data(&reply)?;
    if io::stdout().is_terminal() {
        output::data(b"\n")?;
    }
    if outcome.more {
        return Err(Failure::Truncated {
            limit_bytes: args.max_reply,
        });
    }
    match &args.expect {
        Some(expected) if expected.as_bytes() != reply => Err(Failure::Expectation(format!(
            "expected the reply '{}', got '{}'",
            printable(expected),
            printable(&String::from_utf8_lossy(&reply)),
        ))),
        _ => Ok(()),
    }
}

fn request(args: &Call) -> Result<Cow<'_, [u8]>, Failure> {
    match &args.data {
        Some(data) => Ok(Cow::Borrowed(data.as_bytes())),
        None => {
            let mut data = Vec::new();
            io::stdin()
                .read_to_end(&mut data)
                .map_err(Failure::system("read standard input"))?;
            Ok(Cow::Owned(data))
        }
    }
}
