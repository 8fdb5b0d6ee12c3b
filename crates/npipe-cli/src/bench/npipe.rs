//! The subject: a message pipe of npipe, blocking, both ends in message-read mode.

use std::io::{self, Read, Write};
use std::time::Duration;

use npipe::{ClientOptions, PipeClient, PipeListener, PipeMode, PipeServer, ServerOptions};

use super::transport::{Link, Place, Transport, check_length};

const NAME: &str = r"\\.\pipe\npipe-bench";

/// A client that finds no free instance waits for one, but not for ever.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Npipe(PipeListener);

/// Either end; both read and write alike.
pub(super) struct NpipeLink<E>(E);

impl Transport for Npipe {
    type Accepted = NpipeLink<PipeServer>;
    type Connected = NpipeLink<PipeClient>;

    async fn listen(place: &Place<'_>) -> io::Result<Npipe> {
        let quota_bytes = u32::try_from(place.buffer_bytes).map_err(io::Error::other)?;
        let mut options = ServerOptions::new();
        options
            .root(place.directory.to_owned())
            .pipe_mode(PipeMode::Message)
            .read_mode(PipeMode::Message)
            .in_buffer_size(quota_bytes)
            .out_buffer_size(quota_bytes);
        if !place.spin {
            options.spin(Duration::ZERO);
        }
        Ok(Npipe(PipeListener::bind_with(&options, NAME)?))
    }

    async fn accept(&mut self) -> io::Result<NpipeLink<PipeServer>> {
        Ok(NpipeLink(self.0.accept()?))
    }

    async fn connect(place: &Place<'_>) -> io::Result<NpipeLink<PipeClient>> {
        let mut options = ClientOptions::new();
        options
            .root(place.directory.to_owned())
            .pipe_mode(PipeMode::Message)
            .connect_timeout(PATIENCE);
        if !place.spin {
            options.spin(Duration::ZERO);
        }
        Ok(NpipeLink(options.open(NAME)?))
    }
}

impl<E: Read + Write> Link for NpipeLink<E> {
    async fn send(&mut self, block: &[u8]) -> io::Result<()> {
        check_length(self.0.write(block)?, block.len())
    }

    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()> {
        check_length(self.0.read(block)?, block.len())
    }
}
