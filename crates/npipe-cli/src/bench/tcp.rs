//! TCP over the loopback, with Nagle's algorithm off: what programs use that
//! have nothing else in common.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::transport::{Place, StreamLink, Transport};

/// The file that tells the port.
const PORT: &str = "port";

/// Buffers are left to the system, which sizes them as it goes.
pub(super) struct Tcp(TcpListener);

fn prompt(stream: TcpStream) -> io::Result<StreamLink<TcpStream>> {
    stream.set_nodelay(true)?;
    Ok(StreamLink(stream))
}

impl Transport for Tcp {
    type Accepted = StreamLink<TcpStream>;
    type Connected = StreamLink<TcpStream>;

    async fn listen(place: &Place<'_>) -> io::Result<Tcp> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        fs::write(place.directory.join(PORT), listener.local_addr()?.port().to_string())?;
        Ok(Tcp(listener))
    }

    async fn accept(&mut self) -> io::Result<StreamLink<TcpStream>> {
        prompt(self.0.accept()?.0)
    }

    async fn connect(place: &Place<'_>) -> io::Result<StreamLink<TcpStream>> {
        let port = fs::read_to_string(place.directory.join(PORT))?;
        let port: u16 = port.parse().map_err(io::Error::other)?;
        prompt(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
    }
}
