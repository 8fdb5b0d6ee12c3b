//! The system's own pipes, one for each direction. FIFOs, because unrelated
//! processes can open them; once open they are what pipe(2) makes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

use super::transport::{Link, Place, Transport};

/// Client to server, and back.
const REQUESTS: &str = "requests";
const REPLIES: &str = "replies";

pub(super) struct Pipe {
    directory: PathBuf,
    buffer_bytes: usize,
}

pub(super) struct PipeLink {
    reader: File,
    writer: File,
}

impl Transport for Pipe {
    type Accepted = PipeLink;
    type Connected = PipeLink;

    async fn listen(place: &Place<'_>) -> io::Result<Pipe> {
        for name in [REQUESTS, REPLIES] {
            let mode = Mode::RUSR | Mode::WUSR;
            mknodat(CWD, place.directory.join(name), FileType::Fifo, mode, 0)?;
        }
        Ok(Pipe {
            directory: place.directory.to_owned(),
            buffer_bytes: place.buffer_bytes,
        })
    }

    async fn accept(&mut self) -> io::Result<PipeLink> {
        // Opening waits for the other side; both go through them in one order.
        let reader = File::open(self.directory.join(REQUESTS))?;
        let writer = OpenOptions::new().write(true).open(self.directory.join(REPLIES))?;
        enlarge(&writer, self.buffer_bytes)?;
        Ok(PipeLink { reader, writer })
    }

    async fn connect(place: &Place<'_>) -> io::Result<PipeLink> {
        let writer = OpenOptions::new().write(true).open(place.directory.join(REQUESTS))?;
        let reader = File::open(place.directory.join(REPLIES))?;
        enlarge(&writer, place.buffer_bytes)?;
        Ok(PipeLink { reader, writer })
    }
}

/// Gives the pipe room for `bytes`, or for as much as the system grants a user.
fn enlarge(pipe: &File, bytes: usize) -> io::Result<()> {
    let granted: usize = fs::read_to_string(Path::new("/proc/sys/fs/pipe-max-size"))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(bytes);
    let bytes = bytes.min(granted);
    if fcntl_getpipe_size(pipe)? < bytes {
        fcntl_setpipe_size(pipe, bytes)?;
    }
    Ok(())
}

impl Link for PipeLink {
    async fn send(&mut self, block: &[u8]) -> io::Result<()> {
        self.writer.write_all(block)
    }

    async fn receive(&mut self, block: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(block)
    }
}
