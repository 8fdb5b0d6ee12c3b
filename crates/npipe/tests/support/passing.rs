//! Ends that go from process to process: over a socket whose path both know.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

use super::Puppet;

/// Gives a descriptor to whoever is at the other end.
fn send(socket: &UnixStream, descriptor: &OwnedFd) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    rustix::net::sendmsg(socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).expect("it listens");
}

fn receive(socket: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, flags).expect("something comes");
    let received = control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.expect("a descriptor")
}

/// For a process that was told where to fetch one.
pub(super) fn fetch(path: &str) -> OwnedFd {
    receive(&UnixStream::connect(path).expect("somebody gives"))
}

/// For a process that was told where to bring one.
pub(super) fn bring(path: &str, descriptor: &OwnedFd) {
    send(&UnixStream::connect(path).expect("somebody takes"), descriptor);
}

impl Puppet {
    /// Passes an end on to it; `kind` is `server` or `client`. Its answer: the number that the end has there.
    #[track_caller]
    pub(crate) fn give(&mut self, kind: &str, raw: OwnedFd) -> String {
        let meeting = tempfile::tempdir().expect("a place for the socket");
        let path = meeting.path().join("socket");
        let listener = UnixListener::bind(&path).expect("nobody else is there");
        self.tell(&format!("take {kind} {}", shown(&path)));
        let (socket, _) = listener.accept().expect("it comes");
        send(&socket, &raw);
        drop(raw);
        self.answer()
    }

    /// The same to one of another user.
    #[track_caller]
    pub(crate) fn give_openly(&mut self, kind: &str, raw: OwnedFd) -> String {
        let meeting = tempfile::tempdir().expect("a place for the socket");
        let path = meeting.path().join("socket");
        let listener = UnixListener::bind(&path).expect("nobody else is there");
        for (path, mode) in [(meeting.path(), 0o711), (&path, 0o666)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        self.tell(&format!("take {kind} {}", shown(&path)));
        let (socket, _) = listener.accept().expect("it comes");
        send(&socket, &raw);
        self.answer()
    }

    /// Has it pass one of its ends on to us.
    #[track_caller]
    pub(crate) fn take(&mut self, end: &str) -> OwnedFd {
        let meeting = tempfile::tempdir().expect("a place for the socket");
        let path = meeting.path().join("socket");
        let listener = UnixListener::bind(&path).expect("nobody else is there");
        self.tell(&format!("give {end} {}", shown(&path)));
        let (socket, _) = listener.accept().expect("it comes");
        let raw = receive(&socket);
        assert_eq!(self.answer(), "given");
        raw
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}
