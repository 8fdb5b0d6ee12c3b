//! Unix.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command};
use std::thread;

use nix::unistd::{Group, Uid, User};
use npipe::{Peer, PipeDetails, PipeEntry, PipeName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::termios::tcgetwinsize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::report::Failure;

/// How many may knock before they are let in.
const BACKLOG: i32 = 128;

/// Has a thread hear of each signal that is to end the command.
pub(crate) fn hear_interrupts(hear: impl Fn(Exit) + Send + 'static) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::system("watch for signals"))?;
    let listen = move || {
        for signal in signals.forever() {
            hear(match signal {
                SIGTERM => Exit::Terminated,
                _ => Exit::Interrupted,
            });
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(listen);
    thread.map(drop).map_err(Failure::system("start the signal thread"))
}

/// Columns and lines of the terminal that stdout is; one that does not know says 0.
pub(crate) fn terminal_size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some((size.ws_col.into(), size.ws_row.into()))
}

/// What was typed, as bytes.
pub(crate) fn bytes_of(text: &OsStr) -> &[u8] {
    text.as_bytes()
}

/// What stands behind so many bytes of what was typed.
pub(crate) fn behind(text: &OsStr, bytes: usize) -> OsString {
    OsStr::from_bytes(&text.as_bytes()[bytes..]).to_owned()
}

/// The name as a path that the library takes as it stands (semantics 7).
pub(crate) fn verbatim_path(name: &PipeName) -> OsString {
    let mut path = br"\\?\pipe\".to_vec();
    path.extend_from_slice(&name.to_wtf8());
    OsString::from_vec(path)
}

/// The shell with a command; it leads a process group, so that all that it starts can be told to go.
pub(crate) fn shell(command: &OsStr) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).process_group(0);
    shell
}

/// Tells a shell, and what it has started, that the other side has gone, as a terminal does; and to end, since hang-ups mean
/// nothing to what was started by `nohup`.
pub(crate) fn hang_up(shell: &mut Child) {
    for signal in [Signal::HUP, Signal::TERM] {
        // It may end just now, which is as well.
        let _ = kill_process_group(Pid::from_child(shell), signal);
    }
}

/// How soon one who writes to a program that does not read looks up again.
const LOOK_UP: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Readies a program's stdin for [`feed`].
pub(crate) fn ready_to_feed(stdin: &ChildStdin) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(stdin, true)?)
}

/// Writes all of it to a program's stdin. While the program does not read, `meanwhile` is called now and then.
pub(crate) fn feed(stdin: &mut ChildStdin, mut data: &[u8], mut meanwhile: impl FnMut()) -> io::Result<()> {
    while !data.is_empty() {
        match retry(|| rustix::io::write(&*stdin, data)) {
            Ok(written) => data = &data[written..],
            Err(Errno::AGAIN) => {
                let mut room = [PollFd::new(&*stdin, PollFlags::OUT)];
                if retry(|| poll(&mut room, Some(&LOOK_UP)))? == 0 {
                    meanwhile();
                }
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Reads what there is of stdin.
pub(crate) fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    Ok(retry(|| rustix::io::read(io::stdin(), &mut *buffer))?)
}

/// Writes all of it to stdout.
pub(crate) fn write_stdout(mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        let written = retry(|| rustix::io::write(io::stdout(), data))?;
        data = &data[written..];
    }
    Ok(())
}

/// Closes stdout for those who read it; it is still a descriptor.
pub(crate) fn close_stdout() -> Result<(), Failure> {
    let null = File::options().write(true).open("/dev/null");
    let null = null.map_err(Failure::system("open /dev/null"))?;
    let closed = rustix::stdio::dup2_stdout(null);
    closed
        .map_err(io::Error::from)
        .map_err(Failure::system("close standard output"))
}

/// The command line of a process, zeros between its words; `None` if it has ended or cannot be seen.
pub(crate) fn command_line(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

/// What a user is called; `None`: nobody has the number.
pub(crate) fn name_of_user(uid: u32) -> Option<String> {
    Some(User::from_uid(Uid::from_raw(uid)).ok()??.name)
}

/// The number of a user of that name; or what keeps the system from knowing.
pub(crate) fn number_of_user(name: &str) -> Result<Option<u32>, &'static str> {
    let user = User::from_name(name).map_err(nix::Error::desc)?;
    Ok(user.map(|user| user.uid.as_raw()))
}

/// The number of a group of that name; or what keeps the system from knowing.
pub(crate) fn number_of_group(name: &str) -> Result<Option<u32>, &'static str> {
    let group = Group::from_name(name).map_err(nix::Error::desc)?;
    Ok(group.map(|group| group.gid.as_raw()))
}

/// The numbers of a process' user and group.
pub(crate) fn ids_of(peer: &Peer) -> Option<(u32, u32)> {
    Some((peer.uid, peer.gid))
}

/// What the system calls a process' user: it has numbers.
pub(crate) fn account_of(_peer: &Peer) -> Option<&str> {
    None
}

/// Whose a pipe is that is listed.
pub(crate) fn owner_of_entry(entry: &PipeEntry) -> Option<u32> {
    Some(entry.owner_uid)
}

/// Whose a pipe is that was asked about.
pub(crate) fn owner_of(details: &PipeDetails) -> Option<u32> {
    Some(details.owner_uid)
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

/// A connected socket.
pub(crate) struct Socket(OwnedFd);

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Socket {
        Socket(stream.into())
    }
}

fn kind(of_packets: bool) -> SocketType {
    match of_packets {
        true => SocketType::SEQPACKET,
        false => SocketType::STREAM,
    }
}

fn local_socket(kind: SocketType) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
}

impl Socket {
    /// Connects to a local one.
    pub(crate) fn connect(path: &Path, of_packets: bool) -> io::Result<Socket> {
        let socket = local_socket(kind(of_packets))?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Socket(socket))
    }

    /// Reads what there is of a stream.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(retry(|| rustix::io::read(&self.0, &mut *buffer))?)
    }

    /// Writes all of it to a stream.
    pub(crate) fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let sent = retry(|| rustix::net::send(&self.0, data, SendFlags::NOSIGNAL))?;
            data = &data[sent..];
        }
        Ok(())
    }

    /// Receives a packet; the result is its length, which may be more than the buffer holds.
    pub(crate) fn receive(&self, packet: &mut [u8]) -> io::Result<usize> {
        let (_, bytes) = retry(|| rustix::net::recv(&self.0, &mut *packet, RecvFlags::TRUNC))?;
        Ok(bytes)
    }

    /// Sends a packet.
    pub(crate) fn send(&self, packet: &[u8]) -> io::Result<()> {
        retry(|| rustix::net::send(&self.0, packet, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Nothing more is written. One that is gone already has ended, too.
    pub(crate) fn end_writing(&self) {
        let _ = rustix::net::shutdown(&self.0, Shutdown::Write);
    }

    /// Nothing more goes either way.
    pub(crate) fn end(&self) {
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

/// A local socket that listens.
pub(crate) struct Listener {
    socket: OwnedFd,
    pub(crate) of_packets: bool,
}

impl Listener {
    pub(crate) fn bind(path: &Path, of_packets: bool) -> io::Result<Listener> {
        let socket = listen(path, kind(of_packets))?;
        Ok(Listener { socket, of_packets })
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        Ok(Socket(rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC)?))
    }

    /// Ends the accept that waits.
    pub(crate) fn shut(&self) {
        shut(&self.socket);
    }
}

/// Ends the accept that waits on a socket.
pub(crate) fn shut(socket: &impl AsFd) {
    // Whatever it says, there is nothing left to do.
    let _ = rustix::net::shutdown(socket.as_fd(), Shutdown::Both);
}

/// Whether who listens need not give up for it: a shortage, or somebody who has left before being let in.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::CONNABORTED]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn listen(path: &Path, kind: SocketType) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let listener = local_socket(kind)?;
    match rustix::net::bind(&listener, &address) {
        // What a killed relay left behind refuses everybody; what lives refuses another kind of socket in another way, and
        // does not take the question for a connection. What is no socket is somebody's file.
        Err(Errno::ADDRINUSE)
            if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
                && rustix::net::connect(local_socket(SocketType::DGRAM)?, &address) == Err(Errno::CONNREFUSED) =>
        {
            fs::remove_file(path).map_err(|_| Errno::ADDRINUSE)?;
            rustix::net::bind(&listener, &address)?;
        }
        outcome => outcome?,
    }
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}
