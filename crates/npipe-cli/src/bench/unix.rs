//! AF_UNIX sockets: SOCK_STREAM by the standard library, SOCK_SEQPACKET, the
//! nearest thing to a message pipe that Linux has, by system calls.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::event::epoll;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::transport::{Link, Place, StreamLink, Transport, check_length};

/// The socket's name in the meeting place.
const SOCKET: &str = "socket";

/// Blocks beyond this go in several packets: a packet must fit into the send
/// buffer, which an ordinary user cannot make larger than about 200 KiB.
const PACKET_BYTES: usize = 64 << 10;

/// Gives both directions room for `bytes`, unless they have more.
fn enlarge(socket: &OwnedFd, bytes: usize) -> io::Result<()> {
    if sockopt::socket_send_buffer_size(socket)? < bytes {
        sockopt::set_socket_send_buffer_size(socket, bytes)?;
    }
    if sockopt::socket_recv_buffer_size(socket)? < bytes {
        sockopt::set_socket_recv_buffer_size(socket, bytes)?;
    }
    Ok(())
}

pub(super) struct Stream {
    listener: UnixListener,
    buffer_bytes: usize,
}

/// The standard library's stream as the descriptor that socket options want.
fn enlarged(stream: UnixStream, bytes: usize) -> io::Result<StreamLink<UnixStream>> {
    let socket = OwnedFd::from(stream);
    enlarge(&socket, bytes)?;
    Ok(StreamLink(UnixStream::from(socket)))
}

impl Transport for Stream {
    type Accepted = StreamLink<UnixStream>;
    type Connected = StreamLink<UnixStream>;

    async fn listen(place: &Place<'_>) -> io::Result<Stream> {
        let listener = UnixListener::bind(place.directory.join(SOCKET))?;
        Ok(Stream {
            listener,
            buffer_bytes: place.buffer_bytes,
        })
    }

    async fn accept(&mut self) -> io::Result<StreamLink<UnixStream>> {
        enlarged(self.listener.accept()?.0, self.buffer_bytes)
    }

    async fn connect(place: &Place<'_>) -> io::Result<StreamLink<UnixStream>> {
        enlarged(UnixStream::connect(place.directory.join(SOCKET))?, place.buffer_bytes)
    }
}

pub(super) struct Seqpacket {
    listener: OwnedFd,
    buffer_bytes: usize,
}

pub(super) struct SeqpacketLink(OwnedFd);

fn seqpacket_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

impl Transport for Seqpacket {
    type Accepted = SeqpacketLink;
    type Connected = SeqpacketLink;

    async fn listen(place: &Place<'_>) -> io::Result<Seqpacket> {
        let listener = seqpacket_socket()?;
        rustix::net::bind(&listener, &SocketAddrUnix::new(place.directory.join(SOCKET))?)?;
        rustix::net::listen(&listener, 128)?;
        Ok(Seqpacket {
            listener,
            buffer_bytes: place.buffer_bytes,
        })
    }

    async fn accept(&mut self) -> io::Result<SeqpacketLink> {
        let socket = rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC)?;
        enlarge(&socket, self.buffer_bytes)?;
        Ok(SeqpacketLink(socket))
    }

    async fn connect(place: &Place<'_>) -> io::Result<SeqpacketLink> {
        let socket = seqpacket_socket()?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(place.directory.join(SOCKET))?)?;
        enlarge(&socket, place.buffer_bytes)?;
        Ok(SeqpacketLink(socket))
    }
}

impl Link for SeqpacketLink {
    async fn send(&mut self, block: &[u8]) -> io::Result<()> {
        for packet in block.chunks(PACKET_BYTES) {
            check_length(rustix::net::send(&self.0, packet, SendFlags::NOSIGNAL)?, packet.len())?;
        }
        Ok(())
    }

    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()> {
        for packet in block.chunks_mut(PACKET_BYTES) {
            let expected = packet.len();
            // With TRUNC the system tells the packet's length, not what fitted.
            let (_, received) = rustix::net::recv(&self.0, packet, RecvFlags::TRUNC)?;
            check_length(received, expected)?;
        }
        Ok(())
    }
}

/// A server that waits by epoll, as one of many clients does; the client blocks.
pub(super) struct SeqpacketEpoll(Seqpacket);

/// The accepted end, which its epoll instance watches.
pub(super) struct EpollLink {
    socket: SeqpacketLink,
    epoll: OwnedFd,
}

impl Transport for SeqpacketEpoll {
    type Accepted = EpollLink;
    type Connected = SeqpacketLink;

    async fn listen(place: &Place<'_>) -> io::Result<SeqpacketEpoll> {
        Ok(SeqpacketEpoll(Seqpacket::listen(place).await?))
    }

    async fn accept(&mut self) -> io::Result<EpollLink> {
        let socket = self.0.accept().await?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let readable = epoll::EventData::new_u64(0);
        epoll::add(&epoll, &socket.0, readable, epoll::EventFlags::IN)?;
        Ok(EpollLink { socket, epoll })
    }

    async fn connect(place: &Place<'_>) -> io::Result<SeqpacketLink> {
        Seqpacket::connect(place).await
    }
}

impl Link for EpollLink {
    async fn send(&mut self, block: &[u8]) -> io::Result<()> {
        self.socket.send(block).await
    }

    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()> {
        let mut event = [MaybeUninit::uninit()];
        epoll::wait(&self.epoll, &mut event, None)?;
        self.socket.receive(block).await
    }
}
