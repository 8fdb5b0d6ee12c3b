//! One descriptor that carries others: a datagram socket, connected to itself, with a message in its own queue.
//!
//! Whoever gets the descriptor takes the message out, once. Until then the kernel keeps what it carries open, and drops that
//! with the last copy of the socket, wherever it was: with another process, between two, or in a program that knows nothing of
//! it. What is in a message counts against its sender's limit of descriptors in flight, so nothing is kept in one for long.
//!
//! A socket that is connected takes messages from its peer alone, so from nobody else.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};

use super::forks::ProcessFd;
use super::socket;
use crate::sys::{SysError, SysResult};

/// Descriptors that one carries at most.
pub(crate) const MAX_CARRIED: usize = 6;

/// Bytes that come along at most.
const MAX_BYTES: usize = 8192;

/// Makes a capsule.
pub(crate) fn seal(bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> SysResult<OwnedFd> {
    let fail = |errno: Errno| SysError::new("put descriptors into a socket", errno);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).map_err(fail)?;
    // An address of the kernel's choosing.
    rustix::net::bind(&socket, &SocketAddrUnix::new_unnamed()).map_err(fail)?;
    let address = rustix::net::getsockname(&socket).map_err(fail)?;
    rustix::net::connect(&socket, &address).map_err(fail)?;
    // What came before the socket was connected can be anybody's.
    loop {
        match rustix::net::recv(&socket, &mut [0; 1][..], RecvFlags::DONTWAIT) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(errno) => return Err(fail(errno)),
        }
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_CARRIED))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = bytes.len() <= MAX_BYTES && descriptors.len() <= MAX_CARRIED;
    if !fits || !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(fail(Errno::MSGSIZE));
    }
    rustix::net::sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::DONTWAIT).map_err(fail)?;
    Ok(socket)
}

/// Takes out what a capsule carries. Nothing about `socket` is believed but that it is a descriptor.
pub(crate) fn open(socket: impl AsFd) -> SysResult<(Vec<u8>, Vec<ProcessFd>)> {
    const OPERATION: &str = "take descriptors out of a socket";
    let fail = |errno: Errno| SysError::new(OPERATION, errno);
    let mut bytes = vec![0; MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_CARRIED))];
    let received = socket::recv_marked::<MAX_CARRIED>(socket.as_fd(), &mut bytes, &mut space).map_err(fail)?;
    if received.is_cut {
        // The kernel hands out as many as there is room for in this process.
        return Err(fail(Errno::MFILE));
    }
    bytes.truncate(received.bytes);
    Ok((bytes, received.descriptors.into_iter().flatten().collect()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// semantics 190
    #[test]
    fn what_it_carries_lives_as_long_as_a_copy_of_it() {
        let (reader, writer) = std::io::pipe().unwrap();
        let capsule = seal(b"with", &[writer.as_fd(), writer.as_fd()]).unwrap();
        drop(writer);
        let copy = capsule.try_clone().unwrap();
        drop(capsule);
        let (bytes, carried) = open(&copy).unwrap();
        assert_eq!((bytes.as_slice(), carried.len()), (b"with".as_slice(), 2));
        assert!(open(&copy).is_err(), "it was taken out");
        rustix::io::write(&carried[0], b"through").unwrap();
        drop((copy, carried));
        let mut text = String::new();
        std::fs::File::from(OwnedFd::from(reader))
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "through");
    }

    /// Only its maker puts something in.
    #[test]
    fn it_takes_nothing_from_others() {
        let capsule = seal(b"ours", &[]).unwrap();
        let address = rustix::net::getsockname(&capsule).unwrap();
        let stranger =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::empty(), None).unwrap();
        let refused = rustix::net::sendto(&stranger, b"theirs", SendFlags::DONTWAIT, &address);
        assert_eq!(refused, Err(Errno::PERM));
        assert_eq!(open(&capsule).unwrap().0, b"ours");
    }

    /// Whatever is no capsule is told so.
    #[test]
    fn other_descriptors_are_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(open(&file).is_err());
        let (socket, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert!(open(&socket).is_err());
        let too_many = [file.as_fd(); MAX_CARRIED + 1];
        assert!(seal(b"", &too_many).is_err());
        assert!(seal(&vec![0; MAX_BYTES + 1], &[]).is_err());
    }
}
