//! npipe in tokio: a byte pipe, as a stream socket would be used.

use std::io;
use std::time::Duration;

use npipe::Namespace;
use npipe_tokio::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeListener, NamedPipeServer, ServerOptions, wait_in,
};

use super::tokio_unix::{AsyncLink, run};
use super::transport::{Place, Transport};

const NAME: &str = r"\\.\pipe\npipe-bench";

const ERROR_PIPE_BUSY: i32 = 231;

/// A client that finds no free instance waits for one, but not for ever.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct NpipeTokio(NamedPipeListener);

impl Transport for NpipeTokio {
    type Accepted = AsyncLink<NamedPipeServer>;
    type Connected = AsyncLink<NamedPipeClient>;

    async fn listen(place: &Place<'_>) -> io::Result<NpipeTokio> {
        let quota_bytes = u32::try_from(place.buffer_bytes).map_err(io::Error::other)?;
        let mut options = ServerOptions::new();
        options
            .root(place.directory)
            .in_buffer_size(quota_bytes)
            .out_buffer_size(quota_bytes);
        if !place.spin {
            options.spin(Duration::ZERO);
        }
        Ok(NpipeTokio(NamedPipeListener::bind_with(&options, NAME)?))
    }

    async fn accept(&mut self) -> io::Result<AsyncLink<NamedPipeServer>> {
        Ok(AsyncLink(self.0.accept().await?))
    }

    async fn connect(place: &Place<'_>) -> io::Result<AsyncLink<NamedPipeClient>> {
        let mut options = ClientOptions::new();
        options.root(place.directory);
        if !place.spin {
            options.spin(Duration::ZERO);
        }
        loop {
            match options.open(NAME) {
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                    wait_in(&Namespace::at(place.directory)?, NAME, Some(PATIENCE)).await?;
                }
                other => return Ok(AsyncLink(other?)),
            }
        }
    }

    fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        run(work)
    }
}
