//! The subject: a pipe of npipe, blocking; a message pipe, with both ends in message-read mode, or a byte pipe.

use std::io::{self, Read, Write};
use std::time::Duration;

use npipe::{ClientOptions, PipeClient, PipeListener, PipeMode, PipeServer, ServerOptions};

use super::transport::{Link, Place, Transport, check_length};

const NAME: &str = r"\\.\pipe\npipe-bench";

/// A client that finds no free instance waits for one, but not for ever.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Npipe {
    listener: PipeListener,
    is_byte: bool,
}

/// Either end; both read and write alike.
pub(super) struct NpipeLink<E> {
    end: E,
    is_byte: bool,
}

fn mode(is_byte: bool) -> PipeMode {
    if is_byte { PipeMode::Byte } else { PipeMode::Message }
}

impl Transport for Npipe {
    type Accepted = NpipeLink<PipeServer>;
    type Connected = NpipeLink<PipeClient>;

    async fn listen(place: &Place<'_>) -> io::Result<Npipe> {
        let quota_bytes = u32::try_from(place.buffer_bytes).map_err(io::Error::other)?;
        let mut options = ServerOptions::new();
        options
            .root(place.directory.to_owned())
            .pipe_mode(mode(place.is_byte))
            .read_mode(mode(place.is_byte))
            .in_buffer_size(quota_bytes)
            .out_buffer_size(quota_bytes);
        if !place.spin {
            options.spin(Duration::ZERO);
        }
        Ok(Npipe {
            listener: PipeListener::bind_with(&options, NAME)?,
            is_byte: place.is_byte,
        })
    }

    async fn accept(&mut self) -> io::Result<NpipeLink<PipeServer>> {
        Ok(NpipeLink {
            end: self.listener.accept()?,
            is_byte: self.is_byte,
        })
    }

    async fn connect(place: &Place<'_>) -> io::Result<NpipeLink<PipeClient>> {
        let mut options = ClientOptions::new();
        options
            .root(place.directory.to_owned())
            .pipe_mode(mode(place.is_byte))
            .connect_timeout(PATIENCE);
        if !place.spin {
            options.spin(Duration::ZERO);
        }
        Ok(NpipeLink {
            end: options.open(NAME)?,
            is_byte: place.is_byte,
        })
    }
}

impl<E: Read + Write> Link for NpipeLink<E> {
    async fn send(&mut self, block: &[u8]) -> io::Result<()> {
        check_length(self.end.write(block)?, block.len())
    }

    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()> {
        match self.is_byte {
            true => self.end.read_exact(block),
            false => check_length(self.end.read(block)?, block.len()),
        }
    }
}
