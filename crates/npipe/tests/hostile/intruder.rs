//! An end by hand: the socket, the handshake, and the segment as a range of memory to do anything to.
#![allow(unsafe_code, reason = "maps the segment without the library's help")]

use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use npipe::PipeName;
use npipe_core::handshake::{Connection, Decoder, Message};
use npipe_core::{Access, SecurityQos};
use npipe_shm::control::{Control, EndWords};
use npipe_shm::layout::{Layout, Side};
use npipe_shm::memory::Memory;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

/// The name as it stands in a handshake.
pub(crate) fn name(path: &str) -> PipeName {
    PipeName::from_path(path.as_bytes()).expect("a name")
}

/// The sockets that stand for a name.
pub(crate) fn doors(root: &Path, path: &str) -> Vec<PathBuf> {
    let key = format!("{:032x}.", u128::from_be_bytes(name(path).key()));
    let entries = std::fs::read_dir(root).expect("the directory is there");
    let mut doors: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&key))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .map(|entry| entry.path())
        .collect();
    doors.sort();
    doors
}

/// A connection to whoever serves a name.
pub(crate) fn knock(root: &Path, path: &str) -> UnixStream {
    let doors = doors(root, path);
    let door = doors.first().expect("somebody serves the name");
    UnixStream::connect(door).expect("somebody listens")
}

/// The bytes that ask for a connection.
pub(crate) fn request(path: &str) -> Vec<u8> {
    let message = Message::Open {
        name: name(path),
        access: Access::READ_WRITE,
        qos: SecurityQos::default(),
        processor: None,
    };
    message.encode()
}

/// The next answer, and the descriptor that came with it; `None` when the server hangs up instead.
pub(crate) fn answer(socket: &UnixStream) -> Option<(Message, Option<OwnedFd>)> {
    let mut decoder = Decoder::new();
    let mut descriptor = None;
    loop {
        if let Some(message) = decoder.next_message().expect("a server speaks the protocol") {
            return Some((message, descriptor));
        }
        let mut buffer = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut buffer)];
        let received = rustix::net::recvmsg(socket, into, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
        if received.bytes == 0 {
            return None;
        }
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
                descriptor = descriptors.next().or(descriptor);
            }
        }
        decoder.push(&buffer[..received.bytes]);
    }
}

/// Whether the other side has closed the connection.
pub(crate) fn has_hung_up(socket: impl AsFd) -> bool {
    let socket = socket.as_fd();
    let mut watched = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// A connection with nothing between the intruder and its segment.
#[derive(Debug)]
pub(crate) struct Intruder {
    pub(crate) socket: UnixStream,
    pub(crate) segment: OwnedFd,
    pub(crate) layout: Layout,
    /// The intruder's own side.
    pub(crate) side: Side,
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory belongs to the process, not to a thread; it is only unmapped by drop.
unsafe impl Send for Intruder {}
// SAFETY: all access is by atomics.
unsafe impl Sync for Intruder {}

impl Intruder {
    /// Opens a pipe; `None` when no instance is to be had.
    pub(crate) fn open(root: &Path, path: &str) -> Option<Intruder> {
        let mut socket = knock(root, path);
        socket.write_all(&request(path)).ok()?;
        match answer(&socket)? {
            (Message::Opened(connection), Some(segment)) => {
                Some(Intruder::new(socket, segment, &connection, Side::Client))
            }
            _ => None,
        }
    }

    /// One end of a connection whose handshake is over.
    pub(crate) fn new(socket: UnixStream, segment: OwnedFd, connection: &Connection, side: Side) -> Intruder {
        let layout = Layout::new(connection.out_quota, connection.in_quota);
        assert_eq!(connection.segment_bytes, layout.total_bytes());
        let bytes = layout.total_bytes() as usize;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choosing overlaps nothing.
        let base = unsafe { rustix::mm::mmap(std::ptr::null_mut(), bytes, protection, MapFlags::SHARED, &segment, 0) };
        let base = NonNull::new(base.expect("it can be mapped").cast::<u8>()).expect("not at 0");
        Intruder {
            socket,
            segment,
            layout,
            side,
            base,
            bytes,
        }
    }

    /// Whether the victim has closed the connection.
    pub(crate) fn is_out(&self) -> bool {
        has_hung_up(&self.socket)
    }

    /// The words of an end.
    pub(crate) fn words(&self, side: Side) -> &EndWords {
        self.control().end(side)
    }

    /// The bell of the victim.
    pub(crate) fn bell(&self) -> &AtomicU32 {
        &self.words(self.side.peer()).bell.0
    }

    /// The word at any multiple of 8.
    pub(crate) fn word_at(&self, offset: u64) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < self.bytes as u64);
        // SAFETY: within the mapping, as was just checked.
        let word = unsafe { self.base.add(offset as usize) };
        // SAFETY: aligned, mapped as long as the intruder lives, and every bit pattern is a value.
        unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) }
    }

    /// Everything in the segment that was ever written, from `from` on.
    pub(crate) fn content(&self, from: u64) -> Vec<u8> {
        let mut content = Vec::new();
        let mut at = from;
        loop {
            let begin = match rustix::fs::seek(&self.segment, SeekFrom::Data(at)) {
                Ok(begin) => begin,
                Err(Errno::NXIO) => return content,
                Err(error) => panic!("a segment can be read: {error}"),
            };
            let end = rustix::fs::seek(&self.segment, SeekFrom::Hole(begin)).expect("it ends with a hole");
            let mut bytes = vec![0; (end - begin) as usize];
            let count = rustix::io::pread(&self.segment, &mut bytes, begin).expect("a segment can be read");
            content.extend_from_slice(&bytes[..count]);
            at = end;
        }
    }

    fn lane_word(&self, writer: Side, offset: u64) -> &AtomicU64 {
        let small_bytes = npipe_shm::layout::SMALL_BYTES;
        match offset < small_bytes {
            true => self.word_at(Layout::first_at(writer, offset)),
            false => self.word_at(self.layout.large_at(writer) + offset - small_bytes),
        }
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// So that an intruder can be honest for a while: what it spoils then is worth something.
impl Memory for Intruder {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn control(&self) -> &Control {
        // SAFETY: atomics only, at the beginning of the mapping, which is longer and lives as long as the intruder.
        unsafe { self.base.cast::<Control>().as_ref() }
    }

    fn map_large(&self) -> bool {
        true
    }

    fn word(&self, writer: Side, offset: u64) -> &AtomicU64 {
        self.lane_word(writer, offset)
    }

    fn copy_in(&self, writer: Side, offset: u64, from: &[u8]) {
        for (index, chunk) in from.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            let word = self.lane_word(writer, offset + 8 * index as u64);
            word.store(u64::from_ne_bytes(bytes), std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn copy_out(&self, writer: Side, offset: u64, into: &mut [u8]) {
        for (byte, at) in into.iter_mut().zip(offset..) {
            let word = self
                .lane_word(writer, at & !7)
                .load(std::sync::atomic::Ordering::Relaxed);
            *byte = word.to_ne_bytes()[(at & 7) as usize];
        }
    }
}
