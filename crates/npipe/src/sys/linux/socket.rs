//! Control sockets: Unix stream sockets, all close-on-exec and non-blocking.
//!
//! Sockets are files of the namespace directory. They are bound and reached through descriptors
//! (`/proc/self/fd/N`), never by their full path, so that neither the 108 bytes of a socket
//! address nor anybody who renames a directory on the way matters.
//!
//! Calls come in two kinds. [`send`], [`recv`] and [`accept`] never block: "not now" is `None`.
//! Those whose name ends in `_until` block until a deadline, and fail with
//! [`io::ErrorKind::TimedOut`] when it passes. Signals never end a call.
//!
//! A peer can send descriptors nobody asked for. [`recv`] leaves them in the kernel, which drops
//! them: for sockets whose peer is a client. [`recv_descriptor`] takes one.
//!
//! [`io::ErrorKind::TimedOut`]: std::io::ErrorKind::TimedOut

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType,
};
use rustix::time::Timespec;

use super::forks::{self, ProcessFd};
use crate::sys::{SysError, SysResult};

/// Connections that may wait to be accepted. The kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// What [`recv_descriptor`] received.
#[derive(Debug)]
pub(crate) struct Received {
    /// How many bytes; 0 means that the other side has closed.
    pub(crate) bytes: usize,
    /// The descriptor that came along.
    pub(crate) descriptor: Option<ProcessFd>,
}

/// Two sockets connected to each other.
pub(crate) fn pair() -> SysResult<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|e| SysError::new("create a pair of sockets", e))
}

/// Binds a socket to `file` in the directory `dir` and listens on it.
///
/// Whoever may write to the file may connect; `mode` holds whatever the process' umask.
/// The file must not exist; a symbolic link there counts as existing.
pub(crate) fn listen(dir: BorrowedFd<'_>, file: &str, mode: Mode) -> SysResult<ProcessFd> {
    let fail = |e: Errno| SysError::new("listen on a socket", e).on(file);
    let address = address(dir, Some(file)).map_err(fail)?;
    let socket = socket(SocketFlags::NONBLOCK).map_err(fail)?;
    // The file inherits the socket's mode, less the umask: never more than `mode`, at no time.
    rustix::fs::fchmod(&socket, mode).map_err(fail)?;
    rustix::net::bind(&socket, &address).map_err(fail)?;
    let made = rustix::fs::openat(
        dir,
        file,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(fail)?;
    rustix::fs::chmod(self_path(made.as_fd()), mode).map_err(fail)?;
    rustix::net::listen(&socket, BACKLOG).map_err(fail)?;
    Ok(socket)
}

/// Takes the next connection, if one is waiting.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> SysResult<Option<ProcessFd>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    loop {
        let unforked = forks::put_off();
        let accepted = rustix::net::accept_with(listener, flags).map(ProcessFd::from);
        drop(unforked);
        match accepted {
            Ok(socket) => return Ok(Some(socket)),
            // A connection given up before it was accepted is none.
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(e) => return Err(SysError::new("accept a connection", e)),
        }
    }
}

/// Connects to the socket that `place`, opened as a mere path (`O_PATH`), stands for, or to `file` in that directory.
///
/// Blocks while the listener's backlog is full. A socket nobody listens on gives
/// [`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused).
pub(crate) fn connect_until(
    place: BorrowedFd<'_>,
    file: Option<&str>,
    deadline: Option<Instant>,
) -> SysResult<ProcessFd> {
    let fail = |e: Errno| SysError::new("connect to a socket", e);
    let address = address(place, file).map_err(fail)?;
    let socket = socket(SocketFlags::NONBLOCK).map_err(fail)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => return Ok(socket),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(e) => return Err(fail(e)),
    }
    // The backlog is full. Only a blocking socket waits for room in it.
    rustix::io::ioctl_fionbio(&socket, false).map_err(fail)?;
    loop {
        if let Some(deadline) = deadline {
            // A time-out of 0 would mean none.
            let left = remaining(deadline).max(Duration::from_millis(1));
            sockopt::set_socket_timeout(&socket, Timeout::Send, Some(left)).map_err(fail)?;
        }
        match rustix::net::connect(&socket, &address) {
            Ok(()) => break,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                return Err(
                    fail(Errno::TIMEDOUT).because("the server accepts no connections: it is stopped or overloaded")
                );
            }
            Err(e) => return Err(fail(e)),
        }
    }
    rustix::io::ioctl_fionbio(&socket, true).map_err(fail)?;
    Ok(socket)
}

/// Sends what the socket has room for, and `descriptor` with it. `None`: no room at all, and
/// nothing was sent.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> SysResult<Option<usize>> {
    // Descriptors travel with at least one byte.
    debug_assert!(descriptor.is_none() || !bytes.is_empty());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|fd| [fd]);
    if let Some(descriptors) = &descriptors {
        let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
        debug_assert!(fits);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        let sent = match descriptor {
            // What a bell is rung by: without the way by a message's head.
            None => rustix::net::send(socket, bytes, flags),
            Some(_) => rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags),
        };
        match sent {
            Ok(sent) => return Ok(Some(sent)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(e) => return Err(SysError::new("send on a socket", e)),
        }
    }
}

/// Receives what is there; `Some(0)`: the other side has closed. `None`: nothing there now.
///
/// Descriptors that come along are dropped by the kernel and never become ours.
pub(crate) fn recv(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> SysResult<Option<usize>> {
    loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((bytes, _)) => return Ok(Some(bytes)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(e) => return Err(SysError::new("receive from a socket", e)),
        }
    }
}

/// Receives what is there, and the descriptor that came along. `None`: nothing there now.
///
/// More than one descriptor is a breach by the peer: all are closed, the call fails with
/// [`InvalidData`](std::io::ErrorKind::InvalidData).
pub(crate) fn recv_descriptor(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> SysResult<Option<Received>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let received = match recv_marked::<1>(socket, buffer, &mut space) {
        Ok(received) => received,
        Err(Errno::AGAIN) => return Ok(None),
        Err(e) => return Err(SysError::new("receive from a socket", e)),
    };
    // Room for one descriptor is room for two by alignment.
    let [descriptor] = received.descriptors;
    if received.is_cut && descriptor.is_none() {
        // There was room for one here, and none in this process.
        return Err(SysError::new("receive a descriptor", Errno::MFILE));
    }
    if received.is_cut {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidData);
        return Err(
            SysError::new("receive from a socket", source).because("the other side sent more descriptors than one")
        );
    }
    Ok(Some(Received {
        bytes: received.bytes,
        descriptor,
    }))
}

/// What [`recv_marked`] received.
pub(super) struct Marked<const N: usize> {
    pub(super) bytes: usize,
    pub(super) descriptors: [Option<ProcessFd>; N],
    /// There were more than are kept, or than this process has room for.
    pub(super) is_cut: bool,
}

/// Receives what is there, and the first `N` descriptors that came along; the others are closed. All are marked as this
/// process' before a child can be forked.
pub(super) fn recv_marked<const N: usize>(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    space: &mut [MaybeUninit<u8>],
) -> Result<Marked<N>, Errno> {
    let mut control = RecvAncillaryBuffer::new(space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let _unforked = forks::put_off();
    let message = loop {
        match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Ok(message) => break message,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    };
    let mut descriptors = [const { None }; N];
    let mut is_cut = message.flags.contains(ReturnFlags::CTRUNC);
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            for one in received {
                match descriptors.iter_mut().find(|free| free.is_none()) {
                    Some(free) => *free = Some(ProcessFd::from(one)),
                    None => is_cut = true,
                }
            }
        }
    }
    Ok(Marked {
        bytes: message.bytes,
        descriptors,
        is_cut,
    })
}

/// Sends all of `bytes`, and `descriptor` with the first of them.
pub(crate) fn send_until(
    socket: BorrowedFd<'_>,
    mut bytes: &[u8],
    mut descriptor: Option<BorrowedFd<'_>>,
    deadline: Option<Instant>,
) -> SysResult<()> {
    while !bytes.is_empty() {
        match send(socket, bytes, descriptor)? {
            Some(sent) => {
                bytes = &bytes[sent..];
                descriptor = None;
            }
            None => wait_until(socket, PollFlags::OUT, deadline)?,
        }
    }
    Ok(())
}

/// Receives at least one byte, or notices that the other side has closed.
pub(crate) fn recv_until(socket: BorrowedFd<'_>, buffer: &mut [u8], deadline: Option<Instant>) -> SysResult<Received> {
    loop {
        if let Some(received) = recv_descriptor(socket, buffer)? {
            return Ok(received);
        }
        wait_until(socket, PollFlags::IN, deadline)?;
    }
}

/// Blocks until there is something to receive, or the other side has closed.
pub(crate) fn wait_readable(socket: BorrowedFd<'_>, deadline: Instant) -> SysResult<()> {
    wait_until(socket, PollFlags::IN, Some(deadline))
}

/// Ends the connection in both directions, for every process that holds the socket: unlike
/// closing, this reaches the peer even if a forked child has kept a copy.
pub(crate) fn shutdown(socket: BorrowedFd<'_>) {
    // Fails only if the peer has ended it already.
    let _ = rustix::net::shutdown(socket, Shutdown::Both);
}

/// Whether the other side has closed or ended the connection, as far as is known by now.
pub(crate) fn has_hung_up(socket: BorrowedFd<'_>) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Whether one of these can be read from, or has failed, now.
pub(crate) fn any_readable<const N: usize>(descriptors: [BorrowedFd<'_>; N]) -> bool {
    let mut watched = descriptors.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
    poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Blocks until one of these can be read from, or has failed, until the deadline, or until a signal has been handled.
pub(crate) fn wait_any_readable<const N: usize>(descriptors: [BorrowedFd<'_>; N], deadline: Option<Instant>) {
    let mut watched = descriptors.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
    let timeout = deadline.and_then(|deadline| Timespec::try_from(remaining(deadline)).ok());
    // Fails for want of memory, too; the caller looks again.
    let _ = poll(&mut watched, timeout.as_ref());
}

/// Blocks until the socket is ready for `interest`, or has failed, which the next call will tell.
fn wait_until(socket: BorrowedFd<'_>, interest: PollFlags, deadline: Option<Instant>) -> SysResult<()> {
    const OPERATION: &str = "wait for the other side of a socket";
    loop {
        let left = deadline.map(remaining);
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::from_borrowed_fd(socket, interest)], timeout.as_ref()) {
            Ok(0) if left == Some(Duration::ZERO) => {
                return Err(SysError::new(OPERATION, Errno::TIMEDOUT).because("it did not answer in time"));
            }
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(e) => return Err(SysError::new(OPERATION, e)),
        }
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A descriptor to be given up when another one is needed.
pub(crate) fn spare() -> Option<ProcessFd> {
    socket(SocketFlags::empty()).ok()
}

fn socket(flags: SocketFlags) -> Result<ProcessFd, Errno> {
    let flags = SocketFlags::CLOEXEC | flags;
    let _unforked = forks::put_off();
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map(ProcessFd::from)
}

/// The address of what a descriptor stands for, or of `file` in the directory it stands for.
fn address(fd: BorrowedFd<'_>, file: Option<&str>) -> Result<SocketAddrUnix, Errno> {
    match file {
        Some(file) => SocketAddrUnix::new(format!("{}/{file}", self_path(fd))),
        None => SocketAddrUnix::new(self_path(fd)),
    }
}

/// The path by which the kernel finds an open descriptor of ours again, links and names aside.
fn self_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(10))
    }

    fn is_cloexec(fd: &impl AsFd) -> bool {
        let flags = rustix::io::fcntl_getfd(fd).unwrap();
        flags.contains(rustix::io::FdFlags::CLOEXEC)
    }

    /// Names work in a directory however long its path, and connections
    /// arrive in the order they were made.
    #[test]
    fn listen_and_connect_in_a_deep_directory() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("x".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let directory = std::fs::File::open(&deep).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        let listener = listen(directory.as_fd(), "socket", mode).unwrap();
        assert!(listen(directory.as_fd(), "socket", mode).is_err());
        assert!(accept(listener.as_fd()).unwrap().is_none());

        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let file = rustix::fs::open(deep.join("socket"), flags, Mode::empty()).unwrap();
        let client = connect_until(file.as_fd(), None, soon()).unwrap();
        let server = accept(listener.as_fd()).unwrap().unwrap();
        assert!(is_cloexec(&client) && is_cloexec(&server) && is_cloexec(&listener));
        let mut buffer = [0; 8];
        assert_eq!(recv(client.as_fd(), &mut buffer).unwrap(), None, "does not block");
        send_until(client.as_fd(), b"hello", None, None).unwrap();
        assert_eq!(recv_until(server.as_fd(), &mut buffer, soon()).unwrap().bytes, 5);

        drop(listener);
        let refused = connect_until(file.as_fd(), None, soon()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    /// A server that does not answer ends in a time-out.
    #[test]
    fn a_full_backlog_times_out() {
        let base = tempfile::tempdir().unwrap();
        let directory = std::fs::File::open(base.path()).unwrap();
        let listener = listen(directory.as_fd(), "socket", Mode::RWXU).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let file = rustix::fs::open(base.path().join("socket"), OFlags::PATH, Mode::empty());
        let file = file.unwrap();
        let _first = connect_until(file.as_fd(), None, soon()).unwrap();
        let late = connect_until(file.as_fd(), None, Some(Instant::now())).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        assert!(late.reason().unwrap().contains("stopped or overloaded"));
    }

    /// A peer that is silent is told from one that has closed.
    #[test]
    fn receiving_ends_by_deadline_or_by_closing() {
        let (ours, theirs) = pair().unwrap();
        let mut buffer = [0; 8];
        let silent = recv_until(ours.as_fd(), &mut buffer, Some(Instant::now())).unwrap_err();
        assert_eq!(silent.kind(), ErrorKind::TimedOut);
        shutdown(theirs.as_fd());
        assert_eq!(recv_until(ours.as_fd(), &mut buffer, soon()).unwrap().bytes, 0);
        assert_eq!(recv(ours.as_fd(), &mut buffer).unwrap(), Some(0));
        // Without a signal.
        let closed = send(ours.as_fd(), b"x", None).unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::BrokenPipe);
    }

    /// Sending more than there is room for waits, and gives up in time.
    #[test]
    fn sending_waits_for_room() {
        let (ours, theirs) = pair().unwrap();
        let large = vec![7; 8 << 20];
        let stuck = send_until(ours.as_fd(), &large, None, Some(Instant::now())).unwrap_err();
        assert_eq!(stuck.kind(), ErrorKind::TimedOut);
        assert_eq!(send(ours.as_fd(), b"x", None).unwrap(), None);

        let (ours, other) = (pair().unwrap(), theirs);
        drop(other);
        std::thread::scope(|scope| {
            scope.spawn(|| send_until(ours.0.as_fd(), &large, None, soon()).unwrap());
            let mut buffer = vec![0; 1 << 16];
            let mut total = 0;
            while total < large.len() {
                let received = recv_until(ours.1.as_fd(), &mut buffer, soon()).unwrap();
                assert!(received.bytes > 0);
                total += received.bytes;
            }
            assert_eq!(total, large.len());
        });
    }

    /// The segment reaches the client with the answer to its open.
    #[test]
    fn a_descriptor_travels_with_the_bytes() {
        let (ours, theirs) = pair().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        send_until(ours.as_fd(), b"with", Some(reader.as_fd()), soon()).unwrap();
        let mut buffer = [0; 8];
        let received = recv_until(theirs.as_fd(), &mut buffer, soon()).unwrap();
        assert_eq!(received.bytes, 4);
        let received = received.descriptor.unwrap();
        assert!(is_cloexec(&received));
        drop(reader);
        rustix::io::write(&writer, b"through").unwrap();
        drop(writer);
        let mut text = String::new();
        let received = received.as_fd().try_clone_to_owned().unwrap();
        std::fs::File::from(received).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    /// A client cannot fill its server's descriptor table, nor a server its
    /// client's.
    #[test]
    fn unwanted_descriptors_are_closed() {
        let mut buffer = [0; 8];
        for count in [1, 2, 3] {
            let (ours, theirs) = pair().unwrap();
            let (reader, writer) = std::io::pipe().unwrap();
            let descriptors = vec![writer.as_fd(); count];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
            for _ in 0..2 {
                let bytes = [IoSlice::new(b"x")];
                let flags = SendFlags::empty();
                rustix::net::sendmsg(&ours, &bytes, &mut control, flags).unwrap();
            }
            assert_eq!(recv(theirs.as_fd(), &mut buffer[..1]).unwrap(), Some(1));
            let received = recv_descriptor(theirs.as_fd(), &mut buffer);
            match count {
                1 => assert!(received.unwrap().unwrap().descriptor.is_some()),
                _ => assert_eq!(received.unwrap_err().kind(), ErrorKind::InvalidData),
            }
            // All copies of the writing end are closed: the reading end is at its end.
            drop((writer, ours, theirs));
            assert_eq!(rustix::io::read(&reader, &mut buffer).unwrap(), 0);
        }
    }
}
