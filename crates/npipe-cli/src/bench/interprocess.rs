//! The crate interprocess, as programs in tokio use it: its local sockets.

use std::io;

use interprocess::local_socket::tokio::prelude::*;
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::{GenericFilePath, ListenerOptions, Name};

use super::tokio_unix::{AsyncLink, run};
use super::transport::{Place, Transport};

fn name(place: &Place<'_>) -> io::Result<Name<'static>> {
    place.directory.join("socket").to_fs_name::<GenericFilePath>()
}

pub(super) struct Interprocess(Listener);

impl Transport for Interprocess {
    type Accepted = AsyncLink<Stream>;
    type Connected = AsyncLink<Stream>;

    async fn listen(place: &Place<'_>) -> io::Result<Interprocess> {
        let options = ListenerOptions::new().name(name(place)?);
        Ok(Interprocess(options.create_tokio()?))
    }

    async fn accept(&mut self) -> io::Result<AsyncLink<Stream>> {
        Ok(AsyncLink(self.0.accept().await?))
    }

    async fn connect(place: &Place<'_>) -> io::Result<AsyncLink<Stream>> {
        Ok(AsyncLink(Stream::connect(name(place)?).await?))
    }

    fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        run(work)
    }
}
