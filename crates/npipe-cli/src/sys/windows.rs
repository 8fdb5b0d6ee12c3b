//! Windows.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command};
use std::thread;

use npipe::{Peer, PipeDetails, PipeEntry, PipeName};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};

use crate::exit::Exit;
use crate::report::Failure;

/// Has a thread hear of each event of the console that is to end the command.
pub(crate) fn hear_interrupts(hear: impl Fn(Exit) + Send + 'static) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(Failure::system("watch for signals"))?;
    let listen = move || {
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut breaking), Ok(mut closing)) = (ctrl_c(), ctrl_break(), ctrl_close()) else {
                // Without a console nothing comes from one.
                return;
            };
            loop {
                let exit = tokio::select! {
                    _ = interrupt.recv() => Exit::Interrupted,
                    _ = breaking.recv() => Exit::Interrupted,
                    _ = closing.recv() => Exit::Terminated,
                };
                hear(exit);
            }
        });
    };
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(listen);
    thread.map(drop).map_err(Failure::system("start the signal thread"))
}

/// Columns and lines of the terminal that stdout is: tables are whole here.
pub(crate) fn terminal_size() -> Option<(usize, usize)> {
    None
}

/// What was typed, as bytes: UTF-8, with lone surrogates in its way.
pub(crate) fn bytes_of(text: &OsStr) -> &[u8] {
    text.as_encoded_bytes()
}

/// What stands behind so many bytes of what was typed.
pub(crate) fn behind(text: &OsStr, bytes: usize) -> OsString {
    let text = text.to_string_lossy();
    text.get(bytes..).unwrap_or_default().into()
}

/// The name as a path that the library takes as it stands (semantics 7).
pub(crate) fn verbatim_path(name: &PipeName) -> OsString {
    let path: Vec<u16> = r"\\?\pipe\"
        .encode_utf16()
        .chain(name.units().iter().copied())
        .collect();
    OsString::from_wide(&path)
}

/// The shell with a command.
pub(crate) fn shell(command: &OsStr) -> Command {
    let mut shell = Command::new("cmd");
    // Quoted by its own rules, not by those of other programs.
    shell.arg("/C").raw_arg(command);
    shell
}

/// Ends a shell. What it has started sees the end of its streams.
pub(crate) fn hang_up(shell: &mut Child) {
    // It may end just now, which is as well.
    let _ = shell.kill();
}

/// Nothing to be done.
pub(crate) fn ready_to_feed(_stdin: &ChildStdin) -> io::Result<()> {
    Ok(())
}

/// Writes all of it to a program's stdin. One that does not read cannot be told from one that is about to.
pub(crate) fn feed(stdin: &mut ChildStdin, data: &[u8], _meanwhile: impl FnMut()) -> io::Result<()> {
    stdin.write_all(data)
}

/// Reads what there is of stdin.
pub(crate) fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    io::stdin().lock().read(buffer)
}

/// Writes all of it to stdout.
pub(crate) fn write_stdout(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data)?;
    stdout.flush()
}

/// Stdout stays open until the command ends: it cannot be exchanged by safe means.
pub(crate) fn close_stdout() -> Result<(), Failure> {
    Ok(())
}

/// The command line of another process, which Windows does not tell.
pub(crate) fn command_line(_pid: u32) -> Option<Vec<u8>> {
    None
}

/// Users have no numbers, and so no names of numbers.
pub(crate) fn name_of_user(_uid: u32) -> Option<String> {
    None
}

/// No name has a number.
pub(crate) fn number_of_user(_name: &str) -> Result<Option<u32>, &'static str> {
    Ok(None)
}

/// No name has a number.
pub(crate) fn number_of_group(_name: &str) -> Result<Option<u32>, &'static str> {
    Ok(None)
}

/// Users have no numbers.
pub(crate) fn ids_of(_peer: &Peer) -> Option<(u32, u32)> {
    None
}

/// What the system calls a process' user.
pub(crate) fn account_of(peer: &Peer) -> Option<&str> {
    peer.user.as_deref()
}

/// A listing does not tell whose a pipe is.
pub(crate) fn owner_of_entry(_entry: &PipeEntry) -> Option<u32> {
    None
}

/// Users have no numbers.
pub(crate) fn owner_of(_details: &PipeDetails) -> Option<u32> {
    None
}

/// A connected socket.
pub(crate) struct Socket(TcpStream);

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Socket {
        Socket(stream)
    }
}

fn no_local_sockets<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "there are no Unix sockets on Windows; have 'npipe relay' on the other side join one to tcp:, or stdio:",
    ))
}

impl Socket {
    /// There is none to connect to.
    pub(crate) fn connect(_path: &Path, _of_packets: bool) -> io::Result<Socket> {
        no_local_sockets()
    }

    /// Reads what there is of a stream.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    /// Writes all of it to a stream.
    pub(crate) fn write_all(&self, data: &[u8]) -> io::Result<()> {
        (&self.0).write_all(data)
    }

    /// There are no sockets of packets.
    pub(crate) fn receive(&self, _packet: &mut [u8]) -> io::Result<usize> {
        no_local_sockets()
    }

    /// There are no sockets of packets.
    pub(crate) fn send(&self, _packet: &[u8]) -> io::Result<()> {
        no_local_sockets()
    }

    /// Nothing more is written. One that is gone already has ended, too.
    pub(crate) fn end_writing(&self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Nothing more goes either way.
    pub(crate) fn end(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A local socket that listens, of which there is none.
pub(crate) struct Listener {
    pub(crate) of_packets: bool,
}

impl Listener {
    pub(crate) fn bind(_path: &Path, _of_packets: bool) -> io::Result<Listener> {
        no_local_sockets()
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        no_local_sockets()
    }

    pub(crate) fn shut(&self) {}
}

/// An accept that waits goes with the command.
pub(crate) fn shut(_socket: &TcpListener) {}

/// Whether who listens need not give up for it: somebody who has left before being let in.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
